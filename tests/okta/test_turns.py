"""When a call may go, and what it leaves behind however it ends."""

import asyncio
import contextlib

import httpx
import pytest

from okta_mcp.okta.credentials import Caller
from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.okta.limits import RateHeaders
from okta_mcp.okta.turns import Patience, Turns
from tests.okta.simulated import USERS, SimulatedOkta, all_of, ask, now, simulated


def test_a_call_that_has_no_patience_left_leaves_its_promise_to_the_next_one() -> None:
    async def main() -> tuple[int, float]:
        turns = Turns(4, now, longest_seconds=45.0)
        patience = Patience(now, asyncio.sleep)
        async with turns.turn("logs", None, patience) as turn:
            turn.sent()
            turn.answered(RateHeaders(2, 0, 12.0, reset_at=int(now()) + 11), too_many=False)
        await patience.wait(4)
        with pytest.raises(OktaRateLimitedError) as caught:
            async with turns.turn("logs", "ann", patience):
                pytest.fail("the window has no place")
        await asyncio.sleep(caught.value.retry_after_seconds)
        for person in ("bob", "eve", "joe"):
            with contextlib.suppress(OktaRateLimitedError):
                async with turns.turn("logs", person, Patience(now, asyncio.sleep)) as turn:
                    turn.sent()
        came_at = now()
        async with turns.turn("logs", "ann", Patience(now, asyncio.sleep)):
            return caught.value.retry_after_seconds, now() - came_at

    assert simulated(main()) == (8, 0.0)


@pytest.mark.parametrize("cancelled_after", [0.05, 0.15, 5.0, 45.0])
def test_calls_that_are_cancelled_give_everything_back(cancelled_after: float) -> None:
    """Running, waiting for a slot, waiting for a place: the next window is whole again."""
    okta = SimulatedOkta(10, phase=10.0)

    async def main() -> list[int]:
        api = okta.api(concurrency=4)
        await ask(api, "ann")
        calls = [asyncio.create_task(ask(api, f"person {n}")) for n in range(40)]
        await asyncio.sleep(cancelled_after)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(200)
        return await all_of(*(ask(api, None) for _ in range(10)))

    assert simulated(main()) == [0] * 10
    assert okta.statuses[429] == 0


def test_a_call_cancelled_while_it_waits_leaves_its_place_to_others() -> None:
    okta = SimulatedOkta(3, phase=0.0)

    async def main() -> list[int]:
        api = okta.api()
        await all_of(*(ask(api, None) for _ in range(3)))
        await asyncio.sleep(55)
        waiting = [asyncio.create_task(ask(api, "ann")), asyncio.create_task(ask(api, "bob"))]
        await asyncio.sleep(1)
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await all_of(ask(api, "eve"), ask(api, "joe"))

    assert simulated(main()) == [0, 0]


def test_the_first_burst_waits_for_the_first_answer() -> None:
    okta = SimulatedOkta(5)

    async def main() -> list[int]:
        api = okta.api()
        return await all_of(*(ask(api, f"person {n}") for n in range(20)))

    told = simulated(main())
    assert okta.statuses[429] == 0
    assert told.count(0) == okta.statuses[200] <= 5


def test_an_okta_that_cannot_be_reached_holds_nobody_up() -> None:
    async def unreachable(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1)
        raise httpx.ConnectError("refused")

    okta = SimulatedOkta(10)
    okta.answer = unreachable  # type: ignore[method-assign]

    async def main() -> list[BaseException]:
        api = okta.api()
        return list(
            await asyncio.gather(
                *(api.get(USERS, caller=Caller(f"person {n}")) for n in range(9)),
                return_exceptions=True,
            )
        )

    assert {str(error).split(":")[0] for error in simulated(main())} == {"okta_unavailable"}
