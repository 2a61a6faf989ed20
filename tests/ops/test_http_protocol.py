"""Raw bytes over loopback sockets: the same table for uvicorn on h11 and on httptools."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from okta_mcp.ops.http_protocol import ConnectionLimits, _worth_keeping, http_protocol
from okta_mcp.ops.request_framing import RequestFraming

SHORT = 0.15
HOST = b"Host: a\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def get(headers: bytes = HOST, target: bytes = b"/") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + headers + b"\r\n"


def post(headers: bytes, body: bytes = b"", target: bytes = b"/") -> bytes:
    return b"POST " + target + b" HTTP/1.1\r\n" + headers + b"\r\n" + body


REFUSED = {
    "length and coding": (400, post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n")),
    "coding and length": (400, post(HOST + b"Content-Length: 5\r\n" + CHUNKED[9:], b"0\r\n\r\n")),
    "two equal lengths": (400, post(HOST + b"Content-Length: 1\r\n" * 2, b"x")),
    "two lengths": (400, post(HOST + b"Content-Length: 0\r\nContent-Length: 9\r\n", b"")),
    "a list of lengths": (400, post(HOST + b"Content-Length: 1, 1\r\n", b"x")),
    "a signed length": (400, post(HOST + b"Content-Length: +1\r\n", b"x")),
    "an endless length": (400, post(HOST + b"Content-Length: 1000000000000000\r\n")),
    "a length without digits": (400, post(HOST + b"Content-Length: \r\n")),
    "two codings": (400, post(HOST + b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n")),
    "coding identity": (400, post(HOST + b"Transfer-Encoding: identity\r\n")),
    "coding gzip, chunked": (400, post(HOST + b"Transfer-Encoding: gzip, chunked\r\n")),
    "coding in capitals": (400, post(HOST + b"Transfer-Encoding: Chunked\r\n", b"0\r\n\r\n")),
    "coding behind a tab": (400, post(HOST + b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n")),
    "coding in HTTP/1.0": (
        400,
        b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    ),
    "space before the colon": (400, post(HOST + b"Transfer-Encoding : chunked\r\n")),
    "folded header": (400, post(HOST + b"X: a\r\n Transfer-Encoding: chunked\r\n")),
    "folded first header": (400, post(b" X: a\r\n" + HOST)),
    "header without colon": (400, get(HOST + b"X\r\n")),
    "control in a header": (400, get(HOST + b"X: a\x00b\r\n")),
    "bare CR in a header": (400, get(HOST + b"X: a\rb\r\n")),
    "bare LF after a header": (400, get(HOST + b"X: a\n")),
    "bare LF throughout": (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    "bare LF at the end of the head": (400, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    "no host": (400, get(b"")),
    "two hosts": (400, get(HOST * 2)),
    "an absolute target": (400, get(HOST, b"http://a/")),
    "a fragment": (400, get(HOST, b"/#a")),
    "a target beyond ASCII": (400, get(HOST, b"/\xe9")),
    "HTTP/2.0": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "an empty line first": (400, b"\r\n" + get()),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "TRACE": (405, b"TRACE / HTTP/1.1\r\nHost: a\r\nX: reflected\r\n\r\n"),
    "CONNECT": (400, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT with a path": (405, b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "TRACK": (405, b"TRACK / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "get": (405, b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "101 headers": (431, get(HOST + b"X: a\r\n" * 100)),
    "head over 64 KiB": (431, get(HOST + b"X: " + b"a" * (65536 - 31) + b"\r\n")),
    "head over 64 KiB, one line": (431, b"GET /" + b"a" * 65536),
    "chunk size not hex": (400, post(CHUNKED, b"x\r\n")),
    "chunk size with 0x": (400, post(CHUNKED, b"0x1\r\na\r\n0\r\n\r\n")),
    "chunk size negative": (400, post(CHUNKED, b"-1\r\na\r\n0\r\n\r\n")),
    "chunk size too long": (400, post(CHUNKED, b"000000001\r\na\r\n0\r\n\r\n")),
    "chunk size empty": (400, post(CHUNKED, b"\r\na\r\n0\r\n\r\n")),
    "chunk size and space": (400, post(CHUNKED, b"1 \r\na\r\n0\r\n\r\n")),
    "chunk extension": (400, post(CHUNKED, b"1;a\r\na\r\n0\r\n\r\n")),
    "chunk size with bare LF": (400, post(CHUNKED, b"1\na\r\n0\r\n\r\n")),
    "chunk longer than its size": (400, post(CHUNKED, b"1\r\nab\r\n0\r\n\r\n")),
    "trailer": (400, post(CHUNKED, b"1\r\na\r\n0\r\nX-Late: a\r\n\r\n")),
}
SERVED = {
    "no body": (get(), b""),
    "a measured body": (post(HOST + b"content-length: 3\r\n", b"abc"), b"abc"),
    "an empty body": (post(HOST + b"Content-Length: 0\r\n"), b""),
    "a chunked body": (post(CHUNKED, b"1\r\na\r\n02\r\nbc\r\n0\r\n\r\n"), b"abc"),
    "100 headers": (get(HOST + b"X: a\r\n" * 99), b""),
    "a head of 64 KiB": (get(HOST + b"X: " + b"a" * (65536 - 32) + b"\r\n"), b""),
    "a header beyond ASCII": (get(HOST + b"X: caf\xe9\r\n"), b""),
    "an unwanted upgrade to HTTP/2": (
        post(HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", b"abc"),
        b"abc",
    ),
    "an unwanted upgrade to WebSocket": (
        get(HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n"),
        b"",
    ),
}


@dataclass
class Application:
    """Echoes the body of a request, unless its path asks for something else."""

    served: list[str] = field(default_factory=list)
    saw_disconnect: asyncio.Event = field(default_factory=asyncio.Event)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.served.append(scope["path"])
        if scope["path"] == "/waits":
            await self.may_go_on.wait()
        body = b""
        more = scope["path"] != "/unread"
        if scope["path"] == "/half-answered":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.saw_disconnect.set()
                return
            body += message["body"]
            more = message["more_body"]
        length = str(len(body)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, sent: bytes) -> None:
        self.writer.write(sent)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer."""
        async with asyncio.timeout(3):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            return int(head.split(b" ", 2)[1]), await self.reader.readexactly(int(length))

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(3):
            return await self.reader.read()


@dataclass
class Running:
    application: Application
    connect: Callable[[], AbstractAsyncContextManager[Connection]]


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(params=[H11Protocol, HttpToolsProtocol], ids=["h11", "httptools"])
def start(request: pytest.FixtureRequest) -> Start:
    @contextlib.asynccontextmanager
    async def running(
        limits: ConnectionLimits | None = None, keep_alive: float = 5
    ) -> AsyncIterator[Running]:
        application = Application()
        config = uvicorn.Config(
            application,
            http=http_protocol(limits or ConnectionLimits(linger_seconds=60), request.param),
            ws="none",
            log_config=None,
            timeout_keep_alive=keep_alive,  # type: ignore[arg-type]
        )
        config.load()
        state = ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=state, app_state={}
            ),
            "127.0.0.1",
            0,
        )
        port = server.sockets[0].getsockname()[1]

        @contextlib.asynccontextmanager
        async def connect() -> AsyncIterator[Connection]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                yield Connection(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

        try:
            yield Running(application, connect)
        finally:
            server.close()
            for left in state.connections:
                left.transport.abort()
        async with asyncio.timeout(3):
            await asyncio.gather(server.wait_closed(), *state.tasks)

    return running


# Heads that are read once and then known; the last is the beginning of most that are refused.
BEFORE = {
    "nothing": b"",
    "no body": get(),
    "a measured body": post(HOST + b"Content-Length: 1\r\n", b"x"),
    "a chunked body": post(CHUNKED, b"1\r\na\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
@pytest.mark.parametrize(("status", "sent"), REFUSED.values(), ids=REFUSED.keys())
async def test_unreadable_request_is_refused_and_nothing_after_it_served(
    start: Start, status: int, sent: bytes, before: bytes
) -> None:
    """W-09, W-04, L-02."""
    async with start() as running, running.connect() as connection:
        if before:
            await connection.send(before)
            assert (await connection.answer())[0] == 200
        await connection.send(sent + SMUGGLED)
        answered, body = await connection.answer()
        assert answered == status
        assert b"reflected" not in body
        assert await connection.rest() == b""
        await connection.send(SMUGGLED)
        await asyncio.sleep(0.01)
        assert "/smuggled" not in running.application.served


async def test_refusal_in_the_middle_of_an_answer_is_not_written_into_it(start: Start) -> None:
    """W-09: a second answer inside the first is response splitting."""
    async with start() as running, running.connect() as connection:
        await connection.send(post(CHUNKED, target=b"/half-answered"))
        await connection.reader.readuntil(b"half\r\n")
        await connection.send(b"x\r\n" + SMUGGLED)
        assert b"HTTP/1.1" not in await connection.rest()
        await running.application.saw_disconnect.wait()
        assert running.application.served == ["/half-answered"]


async def test_continue_is_not_said_after_a_refusal(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with start() as running, running.connect() as connection:
        await connection.send(get() + post(CHUNKED + b"Expect: 100-continue\r\n", b"", b"/waits"))
        assert (await connection.answer())[0] == 200
        await asyncio.sleep(0.01)
        await connection.send(b"x\r\n")
        assert (await connection.answer())[0] == 400
        running.application.may_go_on.set()
        await asyncio.wait_for(running.application.saw_disconnect.wait(), 1)
        assert await connection.rest() == b""
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_bad_request_behind_a_good_one_is_refused_after_its_answer(start: Start) -> None:
    async with start() as running, running.connect() as connection:
        await connection.send(get(target=b"/waits") + get(b"") + SMUGGLED)
        running.application.may_go_on.set()
        assert (await connection.answer())[0] == 200
        assert (await connection.answer())[0] == 400
        assert await connection.rest() == b""
        assert running.application.served == ["/waits"]


async def test_much_behind_an_unanswered_request_ends_the_connection(start: Start) -> None:
    """L-01: what waits for its turn is bounded."""
    async with start() as running, running.connect() as connection:
        await connection.send(get(target=b"/waits") + b"a" * 100_000)
        with contextlib.suppress(ConnectionError):
            assert await connection.rest() == b""
        running.application.may_go_on.set()


async def test_405_says_which_methods_there_are(start: Start) -> None:
    async with start() as running, running.connect() as connection:
        await connection.send(REFUSED["TRACE"][1])
        assert b"\r\nallow: GET, HEAD, POST" in await connection.rest()


@pytest.mark.parametrize("sent", [b"GET ", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_slow_head_is_dropped(start: Start, sent: bytes) -> None:
    """L-04."""
    limits = ConnectionLimits(head_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(sent)
        assert (await connection.answer())[0] == 408
        assert await connection.rest() == b""
        assert running.application.served == []


async def test_head_that_drips_does_not_get_more_time(start: Start) -> None:
    """L-04: the limit is for the whole, not for each byte."""
    limits = ConnectionLimits(head_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        dripping = asyncio.create_task(_drip(connection))
        assert (await connection.answer())[0] == 408
        dripping.cancel()
        assert running.application.served == []


async def test_slow_head_of_a_further_request_is_dropped(start: Start) -> None:
    limits = ConnectionLimits(head_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(get() + b"G")
        assert (await connection.answer())[0] == 200
        assert (await connection.answer())[0] == 408
        assert await connection.rest() == b""


@pytest.mark.parametrize("before", list(BEFORE.values())[1:])
async def test_slow_head_like_the_one_before_is_dropped(start: Start, before: bytes) -> None:
    """L-04: every beginning of it is a beginning only."""
    size = before.find(b"\r\n\r\n") + 3
    limits = ConnectionLimits(head_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(before)
        assert (await connection.answer())[0] == 200
        await connection.send(before[:size])
        assert (await connection.answer())[0] == 408
        assert await connection.rest() == b""
        assert len(running.application.served) == 1


@pytest.mark.parametrize("before", list(BEFORE.values())[2:])
async def test_slow_body_after_a_head_like_the_one_before_is_dropped(
    start: Start, before: bytes
) -> None:
    """L-04."""
    size = before.find(b"\r\n\r\n") + 4
    limits = ConnectionLimits(head_seconds=60, body_seconds=SHORT, linger_seconds=60)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(before)
        assert (await connection.answer())[0] == 200
        await connection.send(before[:size])
        assert (await connection.answer())[0] == 408
        await asyncio.wait_for(running.application.saw_disconnect.wait(), SHORT)


async def test_silent_connection_is_closed_without_an_answer(start: Start) -> None:
    limits = ConnectionLimits(head_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        assert await connection.rest() == b""


@pytest.mark.parametrize(
    "sent",
    [
        post(HOST + b"Content-Length: 9\r\n"),
        post(HOST + b"Content-Length: 9\r\n", b"abc"),
        post(CHUNKED, b"3\r\nabc\r\n"),
        post(CHUNKED, b"3\r\nabc\r\n0\r\n"),
    ],
)
async def test_slow_body_is_dropped_and_the_application_sees_a_disconnect(
    start: Start, sent: bytes
) -> None:
    """L-04."""
    limits = ConnectionLimits(body_seconds=SHORT, linger_seconds=60)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(sent)
        assert (await connection.answer())[0] == 408
        assert await connection.rest() == b""
        # At once, not when the connection is gone.
        await asyncio.wait_for(running.application.saw_disconnect.wait(), SHORT)


async def test_slow_body_that_nobody_reads_is_dropped_without_a_second_answer(start: Start) -> None:
    limits = ConnectionLimits(body_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(post(HOST + b"Content-Length: 9\r\n", b"abc", b"/unread"))
        assert (await connection.answer())[0] == 200
        assert await connection.rest() == b""


async def test_body_after_an_early_answer_leaves_an_idle_connection_that_ends(start: Start) -> None:
    async with start(keep_alive=SHORT) as running, running.connect() as connection:
        await connection.send(post(HOST + b"Content-Length: 3\r\n", b"", b"/unread"))
        assert (await connection.answer())[0] == 200
        await connection.send(b"abc")
        assert await connection.rest() == b""


async def test_refused_peer_that_does_not_close_is_cut(start: Start) -> None:
    limits = ConnectionLimits(linger_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        await connection.send(get(b""))
        assert (await connection.answer())[0] == 400
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(_drip(connection), 3)


async def test_begun_request_is_not_cut_as_an_idle_connection(start: Start) -> None:
    async with start(keep_alive=SHORT) as running, running.connect() as connection:
        await connection.send(get())
        assert (await connection.answer())[0] == 200
        await connection.send(get()[:9])
        await asyncio.sleep(2 * SHORT)
        await connection.send(get()[9:])
        assert (await connection.answer())[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        get(target=b"/waits"),
        # More than uvicorn reads ahead of the application.
        post(HOST + b"Content-Length: 900000\r\n", b"a" * 900_000, target=b"/waits"),
    ],
    ids=["answer", "body"],
)
async def test_slow_application_is_not_the_peers_fault(start: Start, sent: bytes) -> None:
    limits = ConnectionLimits(head_seconds=SHORT, body_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        connection.writer.write(sent)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.reader.read(1), 2 * SHORT)
        running.application.may_go_on.set()
        assert (await connection.answer())[0] == 200


async def test_slow_body_is_dropped_also_after_the_application_was_slow(start: Start) -> None:
    limits = ConnectionLimits(body_seconds=SHORT)
    async with start(limits) as running, running.connect() as connection:
        sent = post(HOST + b"Content-Length: 900000\r\n", b"a" * 800_000, target=b"/waits")
        connection.writer.write(sent)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.reader.read(1), 2 * SHORT)
        running.application.may_go_on.set()
        assert (await connection.answer())[0] == 408


async def test_connection_over_the_cap_gets_503_and_is_closed(start: Start) -> None:
    """L-04."""
    limits = ConnectionLimits(connections=1)
    async with start(limits) as running, running.connect() as first:
        await first.send(get())
        assert (await first.answer())[0] == 200
        async with running.connect() as second:
            assert (await second.answer())[0] == 503
            assert await second.rest() == b""
        await first.send(get())
        assert (await first.answer())[0] == 200


@pytest.mark.parametrize(("sent", "body"), SERVED.values(), ids=SERVED.keys())
async def test_readable_request_is_served_and_the_connection_kept(
    start: Start, sent: bytes, body: bytes
) -> None:
    async with start() as running, running.connect() as connection:
        for _ in range(2):
            await connection.send(sent)
            assert await connection.answer() == (200, body)


async def test_every_request_is_served_alike_after_every_other(start: Start) -> None:
    """The head of the one before is known, and this one's may be the same or nearly."""
    nearly = [
        get(HOST + b"X: a\r\n"),
        get(HOST + b"X: a\r\nX: a\r\n"),
        get(HOST, b"/?"),
        get(b"host: a\r\n"),
        get(b"Host:a\r\n"),
        post(HOST + b"Content-Length: 2\r\n", b"ab"),
        post(HOST + b"Content-Length: 20\r\n", b"ab" * 10),
        post(CHUNKED, b"0\r\n\r\n"),
        post(CHUNKED, b"a\r\n0123456789\r\n0\r\n\r\n"),
    ]
    bodies = [b""] * 5 + [b"ab", b"ab" * 10, b"", b"0123456789"]
    cases = [*SERVED.values(), *zip(nearly, bodies, strict=True)]
    async with start() as running, running.connect() as connection:
        for first, second in itertools.product(cases, cases):
            for sent, body in (first, second):
                await connection.send(sent)
                assert await connection.answer() == (200, body)


@pytest.mark.parametrize("sent", [get(), *list(BEFORE.values())[2:]])
async def test_a_head_that_comes_again_is_known_in_every_piece(start: Start, sent: bytes) -> None:
    async with start() as running, running.connect() as connection:
        for size in range(1, len(sent)):
            await connection.send(sent[:size])
            # Otherwise the pieces could arrive as one.
            await asyncio.sleep(0)
            await connection.send(sent[size:] + sent)
            first, second = await connection.answer(), await connection.answer()
            assert first == second
        assert len(running.application.served) == 2 * (len(sent) - 1)


async def test_many_at_once_with_the_same_head_have_bodies_of_their_own(start: Start) -> None:
    bodies = [b"%03d" % number for number in range(200)]
    measured = b"".join(post(HOST + b"Content-Length: 3\r\n", body) for body in bodies)
    chunked = b"".join(
        post(CHUNKED, b"1\r\n" + body[:1] + b"\r\n2\r\n" + body[1:] + b"\r\n0\r\n\r\n")
        for body in bodies
    )
    for sent in (measured, chunked):
        async with start() as running, running.connect() as connection:
            await connection.send(sent)
            answers = [await connection.answer() for _ in bodies]
            assert answers == [(200, body) for body in bodies]


@pytest.mark.parametrize("size", [4095, 4096, 4097, 60_000])
async def test_heads_of_every_length_are_read_again(start: Start, size: int) -> None:
    sent = get(HOST + b"X: " + b"a" * (size - len(get(HOST + b"X: \r\n"))) + b"\r\n")
    assert len(sent) == size
    async with start() as running, running.connect() as connection:
        for each in (sent, sent, get(), sent, get(), get(), sent):
            await connection.send(each)
            assert await connection.answer() == (200, b"")


def test_no_connection_keeps_a_long_head() -> None:
    """L-01: 800 connections of 64 KiB each would be 50 MB."""
    for size, is_kept in ((4096, True), (4097, False), (65_536, False)):
        sent = get(HOST + b"X: " + b"a" * (size - len(get(HOST + b"X: \r\n"))) + b"\r\n")
        framing = RequestFraming()
        framing.take(bytearray(sent))
        assert (_worth_keeping(framing.head) is not None) is is_kept


async def test_requests_in_one_piece_are_answered_in_their_order(start: Start) -> None:
    async with start() as running, running.connect() as connection:
        small = [(sent, body) for sent, body in SERVED.values() if len(sent) < 1000]
        await connection.send(b"".join(sent for sent, _ in small))
        for _, body in small:
            assert await connection.answer() == (200, body)


async def test_continue_is_said_to_a_client_that_waits_for_it(start: Start) -> None:
    async with start() as running, running.connect() as connection:
        await connection.send(post(HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n"))
        assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await connection.send(b"abc")
        assert await connection.answer() == (200, b"abc")


async def _drip(connection: Connection) -> None:
    for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 1000:
        await connection.send(bytes([byte]))
        await asyncio.sleep(SHORT / 10)
