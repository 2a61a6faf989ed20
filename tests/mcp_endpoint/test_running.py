"""A running call: progress while it runs, an end when its caller hangs up, else one JSON answer."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message as AsgiMessage
from starlette.types import Send

from okta_mcp.mcp_endpoint import running
from okta_mcp.mcp_endpoint.messages import parsed
from okta_mcp.mcp_endpoint.running import HungUpError, progress_token, run_call
from okta_mcp.tools.call import Progress

ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{}}'


class Exchange:
    """One request whose caller stays until `hangs_up` is set; what was sent to it."""

    def __init__(self, accept: str = "application/json, text/event-stream") -> None:
        self.hangs_up = asyncio.Event()
        self.sent: list[AsgiMessage] = []
        self.is_answered = asyncio.Event()
        headers = [(b"accept", accept.encode())]
        self.request = Request({"type": "http", "headers": headers}, self._receive)

    async def _receive(self) -> AsgiMessage:
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: AsgiMessage) -> None:
        self.sent.append(message)
        self.is_answered.set()

    @property
    def events(self) -> list[dict[str, Any]]:
        stream = b"".join(message.get("body", b"") for message in self.sent).decode()
        return [
            json.loads(line.removeprefix("data: "))
            for line in stream.splitlines()
            if line.startswith("data: ")
        ]


async def answers(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ANSWER})


@pytest.fixture(autouse=True)
def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PROGRESS_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("method", "meta", "accept"),
    [
        ("tools/call", {}, "application/json, text/event-stream"),
        ("tools/call", {"progressToken": None}, "text/event-stream"),
        ("tools/call", {"progressToken": True}, "text/event-stream"),
        ("tools/call", {"progressToken": [1]}, "text/event-stream"),
        ("tools/call", {"progressToken": 1.5}, "text/event-stream"),
        ("tools/call", "progressToken", "text/event-stream"),
        ("tools/call", {"progressToken": "p"}, "application/json"),
        ("tools/list", {"progressToken": "p"}, "text/event-stream"),
    ],
)
async def test_nobody_hears_of_progress_without_asking_in_a_way_that_can_be_answered(
    method: str, meta: object, accept: str
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    message = parsed(json.dumps(body).encode())
    assert not isinstance(message, tuple)
    assert progress_token(Exchange(accept).request, message) is None


@pytest.mark.parametrize("token", [0, 7, "p", ""])
async def test_a_token_is_a_number_or_a_text(token: int | str) -> None:
    params = {"name": "x", "_meta": {"progressToken": token}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    message = parsed(json.dumps(body).encode())
    assert not isinstance(message, tuple)
    assert progress_token(Exchange().request, message) == token


async def test_a_short_call_is_answered_as_it_is() -> None:
    exchange = Exchange()
    left = await run_call(answers, exchange.request, exchange.send, "p", Progress())
    assert [message["type"] for message in left] == ["http.response.start", "http.response.body"]
    assert left[1]["body"] == ANSWER
    assert exchange.sent == []


async def test_a_long_call_says_how_far_it_is_and_then_answers() -> None:
    exchange, progress = Exchange(), Progress(3, 40, "reading people")

    async def slowly(send: Send) -> None:
        await exchange.is_answered.wait()
        while len(exchange.events) < 3:
            progress.done += 1
            await asyncio.sleep(0)
        await answers(send)

    left = await run_call(slowly, exchange.request, exchange.send, "p", progress)
    for message in left:
        await exchange.send(message)
    start, *_ = exchange.sent
    assert (b"content-type", b"text/event-stream") in start["headers"]
    *notes, answer = exchange.events
    assert answer == json.loads(ANSWER)
    assert all(note["method"] == "notifications/progress" for note in notes)
    said = [note["params"]["progress"] for note in notes]
    assert said == sorted(set(said))
    assert said[0] >= 3
    assert {note["params"]["progressToken"] for note in notes} == {"p"}
    assert {note["params"]["message"] for note in notes} == {"reading people"}
    assert {note["params"]["total"] for note in notes} == {40}


async def test_a_call_that_nobody_waits_for_any_more_is_ended() -> None:
    exchange, was_ended = Exchange(), asyncio.Event()

    async def for_ever(send: Send) -> None:
        try:
            exchange.hangs_up.set()
            await asyncio.Event().wait()
        finally:
            was_ended.set()

    with pytest.raises(HungUpError):
        await run_call(for_ever, exchange.request, exchange.send, None, Progress())
    assert was_ended.is_set()


@pytest.mark.parametrize("token", [None, "p"])
async def test_a_failure_of_the_call_is_the_callers_to_see(token: str | None) -> None:
    async def fails(send: Send) -> None:
        raise LookupError

    exchange = Exchange()
    with pytest.raises(LookupError):
        await run_call(fails, exchange.request, exchange.send, token, Progress())
