"""A server behind over HTTP: what it never sees of a caller, and what it cannot do to us."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from okta_mcp.gateway.errors import ServerError
from okta_mcp.gateway.http_link import HttpLink, shared_client
from okta_mcp.gateway.servers import HttpServer
from okta_mcp.gateway.upstream import Upstream
from tests.vocabulary.behind import eventually, median_seconds, running, said, stdio_server
from tests.vocabulary.processes import free_port
from tests.vocabulary.servers_behind import Recorder, running_recorder

# What a request of ours holds; everything else would be of somebody else.
OWN_HEADERS = {
    *("host", "accept", "accept-encoding", "connection", "content-length", "content-type"),
    *("user-agent", "mcp-protocol-version"),
}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with running_recorder() as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with shared_client() as client:
        yield client


@pytest.fixture
async def upstream(recorder: Recorder, http: httpx.AsyncClient) -> AsyncIterator[Upstream]:
    async with _running(recorder, http) as running:
        yield running


@contextlib.asynccontextmanager
async def _running(
    recorder: Recorder, http: httpx.AsyncClient, **changes: float
) -> AsyncIterator[Upstream]:
    headers = {"X-Own-Key": "of the configuration"}
    server = replace(
        HttpServer(name="web", title="web", url=recorder.url, headers=headers), **changes
    )
    upstream = Upstream(server, lambda: HttpLink(server, http))
    upstream.start()
    async with asyncio.timeout(30):
        await upstream.ready()
    yield upstream
    await upstream.stop()


async def test_no_header_but_ours_and_those_of_the_file_arrives(
    upstream: Upstream, recorder: Recorder
) -> None:
    assert await said(upstream, "echo", text="hello")
    assert upstream.state.name == "up"
    for headers in recorder.headers:
        assert set(headers) - OWN_HEADERS == {"x-own-key"}
    assert recorder.headers[-1]["mcp-protocol-version"] == "2025-06-18"


async def test_a_cookie_is_never_sent_back(upstream: Upstream, recorder: Recorder) -> None:
    await said(upstream, "echo")
    await said(upstream, "echo")
    assert not any("cookie" in headers for headers in recorder.headers)


async def test_a_redirect_is_not_followed(upstream: Upstream, recorder: Recorder) -> None:
    with running_recorder() as elsewhere:
        recorder.redirect_to = elsewhere.url
        with pytest.raises(ServerError, match="leads to another address") as refused:
            await said(upstream, "echo")
        assert refused.value.code == "server_unavailable"
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "wants a credential"),
        (403, "does not accept"),
        (404, "has nothing"),
        (500, "HTTP 500"),
    ],
)
async def test_a_refusal_by_status_is_said_without_the_address(
    upstream: Upstream, recorder: Recorder, status: int, words: str
) -> None:
    recorder.status = status
    with pytest.raises(ServerError, match=words) as refused:
        await said(upstream, "echo")
    assert recorder.url not in refused.value.message


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b'{"jsonrpc":"2.0","method":"notifications/message"}', "server_unavailable"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', "server_unavailable"),
        (b"this is no JSON", "server_unavailable"),
        (
            b'{"jsonrpc":"2.0","method":"notifications/progress",'
            b'"params":{"progressToken":ID,"progress":1}}',
            "server_timeout",
        ),
    ],
)
async def test_events_without_end_harm_no_other_server(
    recorder: Recorder, http: httpx.AsyncClient, event: bytes, code: str
) -> None:
    params = {"name": "echo", "arguments": {}}
    call_seconds = 2.0 if code == "server_timeout" else 60.0
    async with (
        _running(recorder, http, call_seconds=call_seconds) as flooding,
        running(stdio_server()) as other,
    ):
        calls = itertools.count()
        before = await median_seconds(other, lambda: next(calls) == 200)
        recorder.flood = event
        call = asyncio.create_task(
            flooding.request("tools/call", params, on_progress=lambda *_: None)
        )
        usual = await median_seconds(other, call.done)
        with pytest.raises(ServerError) as refused:
            await call
        assert refused.value.code == code
        assert usual < 10 * before + 0.005
        recorder.flood = b""
        await eventually(lambda: flooding.state.name == "up")


@pytest.mark.parametrize("as_events", [False, True])
async def test_too_large_an_answer_is_not_read_to_its_end(
    recorder: Recorder, http: httpx.AsyncClient, *, as_events: bool
) -> None:
    async with _running(recorder, http, largest_bytes=100_000) as upstream:
        recorder.as_events = as_events
        with pytest.raises(ServerError) as refused:
            await said(upstream, "huge", bytes=5_000_000)
        assert refused.value.code == "answer_too_large"
        assert await said(upstream, "huge", bytes=90_000) == "x" * 90_000


async def test_a_compressed_answer_is_not_opened(upstream: Upstream, recorder: Recorder) -> None:
    recorder.encoding = "gzip"
    with pytest.raises(ServerError, match="compresses"):
        await said(upstream, "echo")


async def test_progress_within_an_event_stream_is_handed_on(
    upstream: Upstream, recorder: Recorder
) -> None:
    recorder.as_events = True
    heard: list[tuple[float, float | None, str | None]] = []
    params = {"name": "progress", "arguments": {}}
    await upstream.request("tools/call", params, on_progress=lambda *told: heard.append(told))
    assert heard == [(3, 7, "reading")]


async def test_a_server_that_is_not_there_is_down_and_comes_when_it_comes(
    http: httpx.AsyncClient,
) -> None:
    port = free_port()
    gone = Recorder(url=f"http://127.0.0.1:{port}/mcp")
    async with _running(gone, http) as upstream:
        assert upstream.state.reason == "does not take connections at its url"
        with running_recorder(port):
            await eventually(lambda: upstream.state.name == "up")
        with pytest.raises(ServerError):
            await said(upstream, "echo")
        await eventually(lambda: upstream.state.name == "down")


@pytest.mark.parametrize("status", [400, 404])
async def test_a_session_that_the_server_has_forgotten_is_begun_anew(
    recorder: Recorder, http: httpx.AsyncClient, status: int
) -> None:
    recorder.session_id = "the-first"
    async with _running(recorder, http) as upstream:
        await said(upstream, "echo")
        assert recorder.headers[-1]["mcp-session-id"] == "the-first"
        recorder.status = status
        with pytest.raises(ServerError, match="does not know the session"):
            await said(upstream, "echo")
        await eventually(lambda: upstream.state.name == "down")
        recorder.status, recorder.session_id = 0, "the-second"
        await eventually(lambda: upstream.state.name == "up")
        await said(upstream, "echo")
        assert recorder.headers[-1]["mcp-session-id"] == "the-second"
    assert recorder.requests[-1][0] == "DELETE"


@pytest.mark.parametrize(
    "lies",
    [
        {"session_id": "\u00e9"},
        {"session_id": "two words"},
        {"protocol_version": "2025-06-18\r\nX-More: 1", "session_id": "one"},
        {"protocol_version": "\u00e9", "session_id": "one"},
    ],
    ids=repr,
)
async def test_what_no_header_can_carry_ends_no_life(
    recorder: Recorder, http: httpx.AsyncClient, lies: dict[str, str]
) -> None:
    for name, value in lies.items():
        setattr(recorder, name, value)
    async with _running(recorder, http) as upstream:
        assert upstream.state.name == "down"
        assert all("x-more" not in headers for headers in recorder.headers)
        recorder.session_id = recorder.protocol_version = ""
        await eventually(lambda: upstream.state.name == "up")


async def test_a_caller_that_goes_away_cancels_the_call_at_the_server(
    upstream: Upstream, recorder: Recorder
) -> None:
    call = asyncio.create_task(said(upstream, "huge", bytes=3_000_000))
    await eventually(lambda: recorder.bodies[-1].get("method") == "tools/call")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(lambda: recorder.bodies[-1].get("method") == "notifications/cancelled")
