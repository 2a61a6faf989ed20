"""Many people at one bucket, over simulated minutes: an Okta that counts never answers 429."""

import asyncio
import random

import pytest

from okta_mcp.okta.api import OktaApi
from tests.okta.simulated import (
    Person,
    SimulatedOkta,
    all_of,
    ask,
    now,
    simulated,
)

ALIGNED_NOWHERE = (17.3, 55.9)
FROM_THE_FIRST_REQUEST = None
WINDOWS = [*ALIGNED_NOWHERE, FROM_THE_FIRST_REQUEST]


def hammers(_: int) -> float:
    return 1.0


@pytest.mark.parametrize(
    ("phase", "slowest"), [(17.3, 0.2), (55.9, 1.0), (17.3, 8.0), (FROM_THE_FIRST_REQUEST, 8.0)]
)
def test_forty_people_get_the_same_number_of_answers_also_beside_one_who_hammers(
    phase: float | None, slowest: float
) -> None:
    chance = random.Random(42)
    okta = SimulatedOkta(100, phase=phase, latency=lambda: chance.uniform(0.1, slowest))
    people = [Person(f"person {n}") for n in range(39)] + [Person("hammer", heeds=hammers)]

    async def six_minutes() -> None:
        api = okta.api()
        await all_of(*(person.call_until(api, now() + 360) for person in people))

    simulated(six_minutes())
    answers = [person.answers for person in people]
    fair = sum(answers) / len(answers)
    assert 0.8 * fair <= min(answers) <= max(answers) <= 1.2 * fair
    assert okta.statuses[429] == 0
    assert okta.statuses[200] >= 450
    assert [person.refused_after_coming_back for person in people[:-1]] == [0] * 39


@pytest.mark.parametrize("phase", WINDOWS)
@pytest.mark.parametrize("limit", [10, 100])
def test_two_hundred_people_told_to_come_back_are_served_when_they_do(
    phase: float | None, limit: int
) -> None:
    okta = SimulatedOkta(limit, phase=phase)
    told: list[int] = []

    async def comes_back(api: OktaApi, person: str) -> int:
        seconds = await ask(api, person)
        told.append(seconds)
        await asyncio.sleep(seconds)
        return await ask(api, person) if seconds else 0

    async def everybody() -> list[int]:
        api = okta.api()
        return await all_of(*(comes_back(api, f"person {n}") for n in range(200)))

    assert simulated(everybody()) == [0] * 200
    assert okta.statuses == {200: 200}
    assert max(told) < 65 * (200 / (limit * 0.9) + 1)


@pytest.mark.parametrize("phase", WINDOWS)
def test_newcomers_are_served_within_ten_seconds_beside_a_greedy_person(
    phase: float | None,
) -> None:
    okta = SimulatedOkta(100, phase=phase)
    greedy = Person("greedy", heeds=hammers)
    newcomers = [Person(f"newcomer {n}", pause_seconds=1e6) for n in range(20)]

    async def five_minutes() -> None:
        api = okta.api()

        async def comes_later(newcomer: Person, after_seconds: float) -> None:
            await asyncio.sleep(after_seconds)
            await newcomer.call_until(api, now() + 15)

        await all_of(
            *(greedy.call_until(api, now() + 300) for _ in range(20)),
            *(comes_later(each, 14.7 * n) for n, each in enumerate(newcomers)),
        )

    simulated(five_minutes())
    assert [each.answers for each in newcomers] == [1] * 20
    assert max(each.longest_call for each in newcomers) <= 10.5
    assert okta.statuses[429] == 0
    assert greedy.answers >= 400


def test_parallel_calls_of_one_person_that_are_refused_find_their_places() -> None:
    okta = SimulatedOkta(30)

    async def main() -> tuple[list[int], list[int]]:
        api = okta.api()
        first = await all_of(*(ask(api, "ann") for _ in range(25)))
        await asyncio.sleep(max(first))
        return first, await all_of(*(ask(api, "ann") for seconds in first if seconds))

    first, second = simulated(main())
    assert (first.count(0), second) == (15, [0] * 10)
    assert okta.statuses == {200: 25}


def test_who_hammers_is_told_the_same_time_again_and_again() -> None:
    okta = SimulatedOkta(10, phase=0.0)

    async def main() -> set[int]:
        api = okta.api()
        told = set()
        for _ in range(100):
            seconds = await ask(api, "ann")
            if seconds:
                told.add(round(now() + seconds))
            await asyncio.sleep(0.1)
        return told

    assert max(told := simulated(main())) - min(told) <= 1


@pytest.mark.parametrize(("limit", "pages"), [(10, 50), (100, 250)])
def test_a_walk_of_pages_that_heeds_the_limit_is_complete(limit: int, pages: int) -> None:
    okta = SimulatedOkta(limit)
    walker = Person("walker")

    async def walk() -> float:
        api = okta.api()
        began_at = now()
        while walker.answers < pages:
            seconds = await ask(api, walker.name)
            walker.answers += seconds == 0
            walker.refused_after_coming_back += seconds > 60
            await asyncio.sleep(seconds)
        return now() - began_at

    assert simulated(walk()) <= 60 * (pages / limit + 2)
    assert okta.statuses == {200: pages}
    assert walker.refused_after_coming_back == 0


def test_the_servers_own_calls_go_through_while_people_use_the_bucket_up() -> None:
    okta = SimulatedOkta(100)
    people = [Person(f"person {n}", heeds=hammers) for n in range(40)]

    async def three_minutes() -> list[int]:
        api = okta.api()
        ends_at = now() + 180

        async def looks_up() -> list[int]:
            told = []
            while now() < ends_at:
                told.append(await ask(api, None))
                await asyncio.sleep(10)
            return told

        *_, told = await all_of(*(each.call_until(api, ends_at) for each in people), looks_up())
        return told

    told = simulated(three_minutes())
    assert told == [0] * len(told)
    assert okta.statuses[429] == 0


def test_somebody_else_at_the_same_bucket_is_left_their_part() -> None:
    okta = SimulatedOkta(100)
    people = [Person(f"person {n}") for n in range(10)]

    async def six_minutes() -> int:
        api = okta.api()
        ends_at = now() + 360

        async def somebody_else() -> int:
            refused = 0
            while now() < ends_at:
                refused += not okta.use()
                await asyncio.sleep(2)
            return refused

        *_, refused = await all_of(
            *(each.call_until(api, ends_at) for each in people), somebody_else()
        )
        return int(refused)

    refused = simulated(six_minutes())
    # What they use between our calls is seen only by the next answer.
    assert okta.statuses[429] <= 0.1 * okta.statuses[200]
    assert refused <= 180 / 3
    assert min(each.answers for each in people) >= 50


def test_slow_calls_of_one_person_leave_slots_to_others_and_to_the_server() -> None:
    okta = SimulatedOkta(1000, latency=lambda: 30.0 if okta.under_way <= 8 else 0.2)

    async def main() -> tuple[float, list[int]]:
        api = okta.api()
        await ask(api, None)
        slow = [asyncio.create_task(ask(api, "ann")) for _ in range(30)]
        await asyncio.sleep(1)
        began_at = now()
        quick = await all_of(ask(api, "bob"), ask(api, "eve"), ask(api, None))
        seconds = now() - began_at
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return seconds, quick

    seconds, quick = simulated(main())
    assert quick == [0, 0, 0]
    assert seconds < 31
    assert okta.most_under_way <= 15
