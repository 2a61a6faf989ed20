"""One server behind: its faults stay its own, and it comes back."""

import asyncio
import itertools
import json
import os
import signal
import time
from typing import Any

import pytest

from okta_mcp.gateway.catalogue import LARGEST_LIST_BYTES
from okta_mcp.gateway.errors import ServerError
from okta_mcp.gateway.session import Session
from okta_mcp.gateway.stdio_process import StdioLink
from okta_mcp.gateway.upstream import LONGEST_PAUSE_SECONDS, State, Upstream
from tests.vocabulary.behind import (
    VARIABLES,
    eventually,
    lives,
    median_seconds,
    process_of,
    running,
    said,
    stdio_server,
)

# A kind of server, and what is said of why it is down.
BROKEN_STARTS = [
    ("crashing", "ended with status 3"),
    ("silent", "did not start within 0.5 seconds"),
    ("flooding", "writes without end what is no answer to anything"),
    ("endless-line", "writes a line without end"),
    ("closing", "closed its output"),
    ("ancient", "speaks no revision of MCP that is spoken here"),
]
# A tool whose call goes wrong, with its arguments, and the code of the failure.
BROKEN_CALLS = [
    ("crash", {}, "server_unavailable"),
    ("wait", {}, "server_timeout"),
    ("hang", {}, "server_timeout"),
    ("flood", {}, "server_unavailable"),
    ("pings", {}, "server_unavailable"),
    ("progress-flood", {}, "server_timeout"),
    ("huge", {"bytes": 2_000_000}, "answer_too_large"),
    ("huge", {"bytes": 50_000_000}, "answer_too_large"),
    ("fail", {}, "server_refused"),
]


class Pauses:
    """Takes the place of waiting: a life begins again when the test lets it."""

    def __init__(self, most: int = 1) -> None:
        self.seconds: list[float] = []
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) >= self._most:
            await asyncio.Event().wait()


@pytest.mark.parametrize(("kind", "reason"), BROKEN_STARTS)
async def test_a_server_that_does_not_start_is_down_and_says_why(kind: str, reason: str) -> None:
    start_seconds = 0.5 if kind == "silent" else 20.0
    server = stdio_server(kind, start_seconds=start_seconds)
    async with running(server, sleep=Pauses()) as upstream:
        assert upstream.state.name == "down"
        assert reason in upstream.state.reason
        with pytest.raises(ServerError) as refused:
            await said(upstream, "echo")
        assert refused.value.code == "server_unavailable"
        assert reason in refused.value.message


async def test_a_program_that_is_not_there_is_down_and_says_so() -> None:
    server = stdio_server(command="/no/such/program")
    async with running(server, sleep=Pauses()) as upstream:
        assert upstream.state.name == "down"
        assert "its program is not there" in upstream.state.reason


async def test_warnings_without_end_on_standard_error_hurt_nobody() -> None:
    async with running(stdio_server("grumbling", start_seconds=0.5), sleep=Pauses()) as upstream:
        # It never comes to answering; this process does, meanwhile.
        assert upstream.state.name == "down"


@pytest.mark.parametrize(("tool", "arguments", "code"), BROKEN_CALLS)
async def test_a_call_that_goes_wrong_has_a_code_and_harms_no_other_server(
    tool: str, arguments: dict[str, int], code: str
) -> None:
    call_seconds = 1.0 if code == "server_timeout" else 60.0
    server = stdio_server(call_seconds=call_seconds, largest_bytes=1024 * 1024)
    params = {"name": tool, "arguments": arguments}
    async with running(server, sleep=Pauses()) as broken, running(stdio_server()) as other:
        calls = itertools.count()
        before = await median_seconds(other, lambda: next(calls) == 200)
        call = asyncio.create_task(
            broken.request("tools/call", params, on_progress=lambda *_: None)
        )
        usual = await median_seconds(other, call.done)
        with pytest.raises(ServerError) as refused:
            await call
        assert refused.value.code == code
        assert usual < 10 * before + 0.005


async def test_too_large_an_answer_leaves_the_session_as_it_is() -> None:
    async with running(stdio_server(largest_bytes=100_000)) as upstream:
        before = await process_of(upstream)
        with pytest.raises(ServerError):
            await said(upstream, "huge", bytes=100_000)
        assert await said(upstream, "huge", bytes=99_000) == "x" * 99_000
        assert await process_of(upstream) == before


async def test_a_large_answer_that_nobody_waits_for_any_more_ends_nothing() -> None:
    async with running(stdio_server()) as upstream:
        before = await process_of(upstream)
        call = asyncio.create_task(said(upstream, "huge", bytes=3_000_000))
        # It is asked at once.
        await asyncio.sleep(0)
        call.cancel()
        assert await process_of(upstream) == before


async def test_lines_that_are_no_messages_are_passed_over() -> None:
    async with running(stdio_server()) as upstream:
        assert await said(upstream, "garbage") == "after the garbage"


async def test_an_answer_for_another_id_answers_nobody() -> None:
    async with running(stdio_server(), sleep=Pauses()) as upstream:
        waiting = asyncio.create_task(said(upstream, "wait"))
        assert await said(upstream, "garbage") == "after the garbage"
        assert await said(upstream, "echo")
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.parametrize(
    "method", ["sampling/createMessage", "elicitation/create", "roots/list", "no/such"]
)
async def test_what_a_server_asks_is_refused_as_unknown(method: str) -> None:
    async with running(stdio_server()) as upstream:
        answer = json.loads(await said(upstream, "ask", method=method))
        assert answer["error"] == {"code": -32601, "message": "Method not found"}


async def test_a_ping_of_a_server_is_answered() -> None:
    async with running(stdio_server()) as upstream:
        assert json.loads(await said(upstream, "ask", method="ping"))["result"] == {}


async def test_a_killed_server_comes_back_by_itself() -> None:
    async with running(stdio_server()) as upstream:
        before = await process_of(upstream)
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: upstream.state.name == "down")
        await eventually(lambda: upstream.state.name == "up")
        assert await process_of(upstream) != before


async def test_a_list_that_says_the_same_again_is_the_same_object() -> None:
    async with running(stdio_server()) as upstream:
        listed = upstream.catalogue
        os.kill(await process_of(upstream), signal.SIGKILL)
        await eventually(lambda: upstream.state.name == "down")
        await eventually(lambda: upstream.state.name == "up")
        assert upstream.catalogue.tools
        assert upstream.catalogue is listed


async def test_a_hanging_server_is_ended_and_comes_back() -> None:
    async with running(stdio_server(call_seconds=2.0)) as upstream:
        before = await process_of(upstream)
        with pytest.raises(ServerError):
            await said(upstream, "hang")
        await eventually(lambda: upstream.state.name == "down")
        assert "does not answer a ping" in upstream.state.reason
        await eventually(lambda: upstream.state.name == "up")
        assert not lives(before)


async def test_a_server_that_is_only_slow_is_left_alone() -> None:
    async with running(stdio_server(call_seconds=2.0)) as upstream:
        before = await process_of(upstream)
        with pytest.raises(ServerError):
            await said(upstream, "wait")
        assert await process_of(upstream) == before


async def test_pauses_grow_to_a_bound_and_are_never_the_same() -> None:
    pauses = Pauses(most=12)
    async with running(stdio_server(command="/no/such/program"), sleep=pauses):
        await eventually(lambda: len(pauses.seconds) == 12)
    assert all(0.25 <= each <= LONGEST_PAUSE_SECONDS for each in pauses.seconds)
    assert pauses.seconds[0] <= 0.5
    assert pauses.seconds[-1] >= LONGEST_PAUSE_SECONDS / 2
    assert len(set(pauses.seconds)) == 12


async def test_a_caller_that_goes_away_cancels_the_call_at_the_server() -> None:
    async with running(stdio_server()) as upstream:
        call = asyncio.create_task(said(upstream, "wait"))
        await said(upstream, "echo")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(json.loads(await said(upstream, "cancelled"))) == 1


async def test_a_call_that_timed_out_is_cancelled_at_the_server() -> None:
    async with running(stdio_server(call_seconds=1.0)) as upstream:
        with pytest.raises(ServerError):
            await said(upstream, "wait")
        await said(upstream, "echo")
        assert len(json.loads(await said(upstream, "cancelled"))) == 1


async def test_progress_is_handed_on() -> None:
    heard: list[tuple[float, float | None, str | None]] = []
    async with running(stdio_server()) as upstream:
        params = {"name": "progress", "arguments": {}}
        await upstream.request("tools/call", params, on_progress=lambda *told: heard.append(told))
    assert heard == [(3, 7, "reading")]


async def test_a_list_that_changed_is_read_again() -> None:
    async with running(stdio_server()) as upstream:
        assert "grown0" not in (upstream.names("tools") or ())
        await said(upstream, "grow")
        await eventually(lambda: "grown0" in (upstream.names("tools") or ()))


async def test_a_list_that_changes_without_end_is_read_ever_less_often() -> None:
    started = time.perf_counter()
    async with running(stdio_server("restless")) as upstream:
        await eventually(lambda: "grown3" in (upstream.names("tools") or ()))
    # 0.2, 0.4 and 0.8 seconds before the second, third and fourth time.
    assert time.perf_counter() - started > 1.4


async def test_of_a_list_that_is_large_altogether_the_beginning_counts() -> None:
    async with running(stdio_server("heavy")) as upstream:
        tools = upstream.catalogue.tools
    assert len(json.dumps(tools)) <= LARGEST_LIST_BYTES < len(json.dumps([*tools, *tools[:2]]))
    assert f"tools beyond the first {len(tools)}" in upstream.catalogue.left_out


async def test_lists_stay_known_while_the_server_is_down() -> None:
    async with running(stdio_server(), sleep=Pauses()) as upstream:
        with pytest.raises(ServerError):
            await said(upstream, "crash")
        await eventually(lambda: upstream.state.name == "down")
        assert "echo" in (upstream.names("tools") or ())


async def test_nothing_of_the_caller_is_sent() -> None:
    async with running(stdio_server()) as upstream:
        params = json.loads(await said(upstream, "echo", text="hello"))
        assert params == {"name": "echo", "arguments": {"text": "hello"}}


async def test_a_message_that_nobody_waits_for_is_of_no_use() -> None:
    class Silent:
        refresh_seconds = None

    session = Session(stdio_server(), Silent(), lambda: None)  # type: ignore[arg-type]
    assert not session.received({"jsonrpc": "2.0", "id": 1, "result": {}})
    assert not session.received({"jsonrpc": "2.0", "id": True, "result": {}})
    assert not session.received({"jsonrpc": "2.0", "method": 7})


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), 10**400, -(10**400), "3", None])
async def test_progress_that_no_reader_could_hold_is_passed_over(amount: Any) -> None:
    """I-08: a caller's stream would break at it."""
    heard: list[tuple[float, float | None, str | None]] = []

    class Answering:
        refresh_seconds = None

        async def send(self, message: dict[str, Any], _: object) -> None:
            told = {"progressToken": message["id"], "progress": amount}
            good = {"progressToken": message["id"], "progress": 3, "total": amount}
            for params in (told, good):
                session.received({"method": "notifications/progress", "params": params})
            session.received({"id": message["id"], "result": {}})

    session = Session(stdio_server(), Answering(), lambda: None)  # type: ignore[arg-type]
    on_progress = lambda *told: heard.append(told)  # noqa: E731
    await session.request("tools/call", {}, seconds=20, on_progress=on_progress)
    assert heard == [(3, None, None)]


async def test_an_answer_nested_too_deep_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(200):
        nested = {"a": nested}

    class Answering:
        refresh_seconds = None

        async def send(self, message: dict[str, Any], _: object) -> None:
            session.received({"id": message["id"], "result": nested})

    session = Session(stdio_server(), Answering(), lambda: None)  # type: ignore[arg-type]
    with pytest.raises(ServerError, match="nested deeper than 100 levels"):
        await session.request("tools/call", {}, seconds=20)


async def test_what_nobody_foresaw_does_not_end_a_servers_life() -> None:
    class Odd(StdioLink):
        async def open(self, *_: object) -> None:
            raise KeyError("a secret of the server")

    server, again = stdio_server("silent"), asyncio.Event()

    async def sleep(_: float) -> None:
        again.set()
        await asyncio.Event().wait()

    upstream = Upstream(server, lambda: Odd(server, VARIABLES), sleep=sleep)
    upstream.start()
    async with asyncio.timeout(5):
        await again.wait()
    assert upstream.state == State("down", "answered in a way that this server did not expect")
    await upstream.stop()


async def test_nobody_waits_for_a_server_that_was_stopped_at_its_start() -> None:
    server = stdio_server("silent")
    upstream = Upstream(server, lambda: StdioLink(server, VARIABLES))
    upstream.start()
    waiting = asyncio.create_task(upstream.ready())
    await asyncio.sleep(0)
    await upstream.stop()
    async with asyncio.timeout(5):
        await waiting
    assert upstream.state == State("down", "was stopped")


async def test_what_a_program_said_last_is_in_the_log_and_told_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with running(stdio_server("speaking"), sleep=Pauses()) as upstream:
        assert upstream.state.reason == "ended with status 4"
        with pytest.raises(ServerError) as refused:
            await said(upstream, "echo")
    assert "password" not in refused.value.message
    assert "server behind said last: the password is 12345" in caplog.messages
