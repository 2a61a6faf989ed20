"""The record of one call: counted before Okta is first read, and every answer of Okta noted."""

import asyncio
from itertools import count

import httpx
import pytest
import respx

from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.tools.call import Call
from tests.tools.conftest import Caller


class Counter:
    """Refuses the first `refusals` calls."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self.refusals:
            raise OktaRateLimitedError(7)


async def test_a_call_that_is_one_too_many_does_not_read_on_uncounted() -> None:
    counter = Counter(refusals=2)
    call = Call("00u", "look", counted=counter)
    for _ in range(2):
        with pytest.raises(OktaRateLimitedError):
            await call.reach_okta()
    await call.reach_okta()
    assert counter.calls == 3


async def test_a_call_is_counted_once() -> None:
    counter = Counter()
    call = Call("00u", "look", counted=counter)
    for _ in range(3):
        await call.reach_okta()
    assert counter.calls == 1


async def test_a_call_whose_first_reads_are_under_way_together_is_counted_once() -> None:
    held = asyncio.Event()
    counter = Counter()

    async def counted() -> None:
        await held.wait()
        await counter()

    call = Call("00u", "look", counted=counted)
    reads = [asyncio.create_task(call.reach_okta()) for _ in range(3)]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(*reads)
    assert counter.calls == 1


async def test_what_okta_refused_and_the_answer_leaves_out_stands_in_the_record_once(
    call: Caller, okta: respx.MockRouter
) -> None:
    ids = (f"req-{number}" for number in count())

    def page(request: httpx.Request) -> httpx.Response:
        headers = {"X-Okta-Request-Id": next(ids)}
        if request.url.params["type"] == "ACCESS_POLICY":
            return httpx.Response(200, json=[], headers=headers)
        return httpx.Response(401, json={"errorCode": "E0000015"}, headers=headers)

    okta.get("/api/v1/policies").mock(side_effect=page)
    answer = await call("list_okta_policies", type="ALL")
    assert len(answer.structured["left_out"]) == len(okta.calls) - 1 > 1
    assert answer.call.okta_request_ids == [f"req-{number}" for number in range(len(okta.calls))]
