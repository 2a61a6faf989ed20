"""Several processes at one bucket: they keep one count, and together cause no 429."""

import asyncio
import random

import pytest

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.count import Count
from okta_mcp.okta.sharing import Counts, CountsAwayError
from okta_mcp.serving.okta_counts import StoredCounts
from okta_mcp.stores.memory import MemoryStore
from tests.okta.conftest import FakeTime
from tests.okta.simulated import Person, SimulatedOkta, all_of, ask, now, simulated


class SlowCounts:
    """Every verb takes 2 ms, so that processes come between each other's. Implements `Counts`."""

    def __init__(self) -> None:
        self._counts = StoredCounts(MemoryStore(now))
        self.is_away = False

    async def read(self, bucket: str) -> bytes | None:
        await self._pause()
        return await self._counts.read(bucket)

    async def replace(self, bucket: str, expected: bytes | None, count: bytes) -> bool:
        await self._pause()
        return await self._counts.replace(bucket, expected, count)

    async def _pause(self) -> None:
        await asyncio.sleep(0.002)
        if self.is_away:
            raise CountsAwayError("the store is away")


async def called(apis: list[OktaApi], people: list[Person], seconds: float) -> None:
    """Each person always reaches the same process."""
    until = now() + seconds
    await all_of(*(each.call_until(apis[n % len(apis)], until) for n, each in enumerate(people)))


def replicas(okta: SimulatedOkta, counts: Counts | None, number: int = 3) -> list[OktaApi]:
    return [okta.api(counts=counts) for _ in range(number)]


@pytest.mark.parametrize(("phase", "slowest"), [(17.3, 0.2), (55.9, 1.0), (17.3, 8.0), (None, 8.0)])
def test_three_replicas_serve_forty_people_alike_and_cause_no_429(
    phase: float | None, slowest: float
) -> None:
    chance = random.Random(42)
    okta = SimulatedOkta(100, phase=phase, latency=lambda: chance.uniform(0.1, slowest))
    people = [Person(f"person {n}") for n in range(40)]

    async def six_minutes() -> None:
        await called(replicas(okta, SlowCounts()), people, 360)

    simulated(six_minutes())
    answers = [person.answers for person in people]
    fair = sum(answers) / len(answers)
    assert okta.statuses[429] == 0
    assert okta.statuses[200] >= 450
    assert 0.8 * fair <= min(answers) <= max(answers) <= 1.2 * fair
    assert [person.refused_after_coming_back for person in people] == [0] * 40


def test_people_whose_calls_reach_any_replica_cause_no_429() -> None:
    chance = random.Random(42)
    okta = SimulatedOkta(100)
    people = [Person(f"person {n}") for n in range(40)]

    async def six_minutes() -> None:
        apis = replicas(okta, SlowCounts())
        until = now() + 360

        async def calls(person: Person) -> None:
            while now() < until:
                await person.call_until(chance.choice(apis), now() + 1)

        await all_of(*(calls(person) for person in people))

    simulated(six_minutes())
    answers = [person.answers for person in people]
    fair = sum(answers) / len(answers)
    assert okta.statuses[429] == 0
    assert 0.6 * fair <= min(answers) <= max(answers) <= 1.5 * fair


def test_replicas_that_share_no_count_do_cause_429() -> None:
    """What the count in the store is for."""
    okta = SimulatedOkta(100)
    people = [Person(f"person {n}") for n in range(40)]

    async def two_minutes() -> None:
        await called(replicas(okta, None), people, 120)

    simulated(two_minutes())
    assert okta.statuses[429] > 0


def test_a_burst_at_all_replicas_at_once_takes_no_place_twice() -> None:
    okta = SimulatedOkta(20, phase=0.0)

    async def burst() -> list[int]:
        apis = replicas(okta, SlowCounts(), number=5)
        await ask(apis[0], None)
        return await all_of(*(ask(api, f"person {n}") for n in range(20) for api in apis))

    told = simulated(burst())
    assert okta.statuses[429] == 0
    assert 10 <= okta.statuses[200] == told.count(0) + 1 <= 20


def test_the_server_knows_at_its_start_what_other_processes_have_used() -> None:
    okta = SimulatedOkta(10, phase=0.0)

    async def main() -> list[int]:
        counts = SlowCounts()
        first, second = replicas(okta, counts, number=2)
        for _ in range(10):
            await ask(first, None)
        return [await ask(second, None) for _ in range(2)]

    assert min(simulated(main())) > 0
    assert okta.statuses == {200: 10}


def test_counts_that_are_away_stop_no_call_and_are_shared_again_when_they_are_back() -> None:
    okta = SimulatedOkta(100, phase=0.0)
    people = [Person(f"person {n}") for n in range(40)]

    async def main() -> tuple[int, int]:
        counts = SlowCounts()
        apis = replicas(okta, counts)
        await called(apis, people, 60)
        counts.is_away = True
        await called(apis, people, 60)
        answered = okta.statuses[200]
        counts.is_away = False
        # The calls that were made apart have ended with this window.
        await called(apis, people, 60)
        before = okta.statuses[429]
        await called(apis, people, 180)
        return answered, okta.statuses[429] - before

    answered, refused = simulated(main())
    assert answered >= 150
    assert refused == 0


def test_calls_that_are_cancelled_give_their_places_back_to_all_replicas() -> None:
    okta = SimulatedOkta(10, phase=10.0)

    async def main() -> list[int]:
        apis = replicas(okta, SlowCounts())
        await ask(apis[0], None)
        calls = [asyncio.create_task(ask(apis[n % 3], f"person {n}")) for n in range(40)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(200)
        return await all_of(*(ask(apis[n % 3], None) for n in range(10)))

    assert simulated(main()) == [0] * 10
    assert okta.statuses[429] == 0


def test_the_calls_of_a_process_that_was_killed_are_forgotten(clock: FakeTime) -> None:
    killed, other = Count(clock.now), Count(clock.now)
    killed.take("ann")
    other.read(killed.written())
    clock.seconds += 200
    other.look()
    later = Count(clock.now)
    later.read(other.written())
    clock.seconds += 60
    later.look()
    assert later.written().count(b"taken_at") == 0


def test_what_is_shared_names_nobody(clock: FakeTime) -> None:
    count = Count(clock.now)
    count.take("00uann")
    assert b"00uann" not in count.written()
