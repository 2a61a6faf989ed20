"""Leases: one of many has it, it ends by itself, and nobody waits for ever."""

import asyncio

import pytest

from okta_mcp.stores.interface import Kind
from okta_mcp.stores.leases import Leases
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Mark, Records, Repository
from tests.vocabulary.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(clock: Clock) -> Records:
    return Records(MemoryStore(clock))


@pytest.fixture
def leases(records: Records, clock: Clock) -> Leases:
    return Leases(records, clock)


async def test_one_of_fifty_gets_it(leases: Leases) -> None:
    taken = await asyncio.gather(*(leases.taken("sweep", 60) for _ in range(50)))
    assert sorted(taken) == [False] * 49 + [True]


async def test_it_ends_after_its_time(leases: Leases, clock: Clock) -> None:
    assert await leases.taken("sweep", 60)
    clock.pass_seconds(59)
    assert not await leases.taken("sweep", 60)
    clock.pass_seconds(1)
    assert await leases.taken("sweep", 60)


async def test_who_waits_goes_when_the_holder_has_gone(leases: Leases) -> None:
    order: list[int] = []

    async def work(number: int) -> None:
        async with leases.held("role", ttl_seconds=60, patience_seconds=10):
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(3)))
    assert order in ([0, 0, 1, 1, 2, 2], [0, 0, 2, 2, 1, 1])


async def test_who_has_waited_long_enough_goes_too_and_ends_nobodys_lease(leases: Leases) -> None:
    assert await leases.taken("role", 60)
    async with leases.held("role", ttl_seconds=60, patience_seconds=0.05):
        pass
    assert not await leases.taken("role", 60)


async def test_a_holder_that_fails_gives_it_back(leases: Leases) -> None:
    with pytest.raises(ValueError, match="no"):
        async with leases.held("role", ttl_seconds=60, patience_seconds=0):
            raise ValueError("no")
    assert await leases.taken("role", 60)


async def test_a_store_that_is_full_of_leases_stops_no_work(records: Records, clock: Clock) -> None:
    records.leases = Repository(records.store, Kind("leases", 1), Mark)
    leases = Leases(records, clock)
    assert await leases.taken("one", 60)
    assert await leases.taken("two", 60)
