"""Who may have a request under way."""

import asyncio

import pytest

from okta_mcp.okta.slots import Slots

THE_SERVER = None


async def waiting(slots: Slots, person: str | None) -> asyncio.Task[None]:
    task = asyncio.create_task(slots.acquire(person))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def taken(slots: Slots, person: str | None, times: int) -> int:
    """How many of so many calls find a slot at once."""
    return sum([(await waiting(slots, person)).done() for _ in range(times)])


async def end_of(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_person_does_not_hold_all_slots() -> None:
    slots = Slots(15)
    assert await taken(slots, "ann", 20) == 7
    assert await taken(slots, "bob", 20) == 4
    assert await taken(slots, "eve", 1) == 1


async def test_people_leave_one_slot_to_the_server() -> None:
    slots = Slots(4)
    assert [await taken(slots, f"person {n}", 1) for n in range(5)] == [1, 1, 1, 0, 0]
    assert await taken(slots, THE_SERVER, 2) == 1


async def test_the_server_may_hold_all_slots() -> None:
    assert await taken(Slots(4), THE_SERVER, 5) == 4


async def test_a_single_slot_serves_everybody() -> None:
    slots = Slots(1)
    assert await taken(slots, "ann", 1) == 1
    slots.release("ann")
    assert await taken(slots, THE_SERVER, 1) == 1


async def test_the_server_is_served_first_then_who_holds_least_then_who_came_first() -> None:
    slots = Slots(3)
    for person in ("ann", "bob"):
        await slots.acquire(person)
    await slots.acquire(THE_SERVER)
    order: list[str | None] = []

    async def wait(person: str | None) -> None:
        await slots.acquire(person)
        order.append(person)

    tasks = [asyncio.create_task(wait(who)) for who in ("ann", "bob", "eve", "joe", THE_SERVER)]
    for _ in range(4):
        await asyncio.sleep(0)
    for ended in ("bob", "ann", THE_SERVER, "eve", "joe"):
        slots.release(ended)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert order[:3] == [THE_SERVER, "eve", "joe"]
    await end_of(*tasks)


async def test_who_is_cancelled_while_waiting_is_not_served() -> None:
    slots = Slots(1)
    await slots.acquire("ann")
    bob, eve = await waiting(slots, "bob"), await waiting(slots, "eve")
    await end_of(bob)
    slots.release("ann")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert eve.done()


async def test_a_slot_given_to_a_call_that_is_cancelled_at_that_moment_is_free_again() -> None:
    slots = Slots(1)
    await slots.acquire("ann")
    bob = await waiting(slots, "bob")
    slots.release("ann")
    await end_of(bob)
    assert await taken(slots, "eve", 1) == 1


@pytest.mark.parametrize("person", ["bob", THE_SERVER])
async def test_a_slot_that_comes_free_while_a_call_is_being_cancelled_is_lost_to_nobody(
    person: str | None,
) -> None:
    """The call is cancelled and has not run since: it can neither take the slot nor leave."""
    slots = Slots(1)
    await slots.acquire("ann")
    hung_up, eve = await waiting(slots, person), await waiting(slots, "eve")
    hung_up.cancel()
    slots.release("ann")
    ended = await asyncio.gather(hung_up, return_exceptions=True)
    assert isinstance(ended[0], asyncio.CancelledError)
    await eve
    slots.release("eve")
    assert await taken(slots, "joe", 1) == 1
