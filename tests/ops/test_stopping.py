"""The end of a stop: what has had its time is told so, and nobody reads a traceback about it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from okta_mcp.ops import stopping
from okta_mcp.ops.stopping import StopGate, Stopping, StoppingServer
from tests.vocabulary.browser import PLAIN


class Endless:
    """An application whose answers never come, or at /begun begin and never end."""

    def __init__(self) -> None:
        self.is_running = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        self.is_running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.fixture
def endless() -> Endless:
    return Endless()


@pytest.fixture
async def server(
    endless: Endless, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, StoppingServer]]:
    """Its URL, and a server that gives what runs no time at all."""
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0)
    steps = Stopping()
    # After what is cut by us, which is at once.
    config = uvicorn.Config(
        StopGate(endless, steps), lifespan="off", log_config=None, timeout_graceful_shutdown=5
    )
    running = StoppingServer(config, steps)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(running.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", running
        running.should_exit = True
        await serving


async def test_a_call_that_has_had_its_time_is_told_when_it_may_come_again(
    endless: Endless, server: tuple[str, StoppingServer], caplog: pytest.LogCaptureFixture
) -> None:
    url, running = server
    async with httpx.AsyncClient(verify=PLAIN, timeout=60) as http:
        call = asyncio.create_task(http.post(f"{url}/mcp"))
        await endless.is_running.wait()
        running.should_exit = True
        answer = await call
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    assert int(answer.headers["retry-after"]) > 0
    assert endless.cancelled == 1
    assert "Traceback" not in caplog.text


async def test_an_answer_that_has_begun_is_broken_off_and_not_ended_as_if_it_were_whole(
    endless: Endless, server: tuple[str, StoppingServer], caplog: pytest.LogCaptureFixture
) -> None:
    url, running = server
    async with httpx.AsyncClient(verify=PLAIN, timeout=60) as http:
        call = asyncio.create_task(http.post(f"{url}/begun"))
        await endless.is_running.wait()
        running.should_exit = True
        with pytest.raises(httpx.RemoteProtocolError):
            await call
    assert endless.cancelled == 1
    assert "Traceback" not in caplog.text


async def test_whoever_hangs_up_by_himself_is_no_part_of_a_stop(endless: Endless) -> None:
    gate = StopGate(endless, steps := Stopping())
    call = asyncio.create_task(gate({"type": "http", "path": "/mcp"}, *[_unused] * 2))
    await endless.is_running.wait()
    assert steps.running == 1
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert steps.running == 0


async def _unused(*_: object) -> None:
    raise AssertionError("nobody is there to be answered")
