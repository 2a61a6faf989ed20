"""Two calls of one person whose reads of Okta are one request: each is still a call of its own."""

import asyncio

import httpx

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors
from okta_mcp.tools.projection import values
from okta_mcp.tools.reader import Reader
from tests.tools.conftest import ANN, BOB, NOW, ORG, no_sleep

PATH = f"/api/v1/users/{BOB}"


async def test_each_call_is_counted_and_notes_oktas_request_id() -> None:
    may_answer, asked, counted = asyncio.Event(), [], []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        await may_answer.wait()
        return httpx.Response(200, json={"id": BOB}, headers={"X-Okta-Request-Id": "req-1"})

    async def called(call: Call) -> dict[str, object]:
        current_call.set(call)
        return await reader.one(PATH, values("id"))

    async def count() -> None:
        counted.append(ANN)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        api = OktaApi(http, ORG, ApiToken("x"), concurrency=15, now=lambda: NOW, sleep=no_sleep)
        reader = Reader(api, SealedCursors(b"k" * 32))
        calls = [Call(ANN, "get_okta_user", counted=count) for _ in range(2)]
        tasks = [asyncio.create_task(called(call)) for call in calls]
        for _ in range(50):
            await asyncio.sleep(0)
        may_answer.set()
        assert await asyncio.gather(*tasks) == [{"id": BOB}] * 2
    assert asked == [PATH]
    assert [call.okta_request_ids for call in calls] == [["req-1"]] * 2
    assert counted == [ANN, ANN]
