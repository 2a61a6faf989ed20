"""`okta-mcp bridge URL`: a stdio server on this side, an MCP server behind a log-in on the other.

Mounted by `commands`. It decides what runs at the same time and who gets which answer; `stdio` has
the pipes, `upstream` the server, `shared_login` the person. Every request gets one answer, unless
it was cancelled; an answer that nobody waits for goes nowhere. What is said to a person goes to
stderr, and stdout carries messages only. MCP, transports, stdio.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from okta_mcp import __version__
from okta_mcp.client.errors import ClientError, LoginError, UnreachableError
from okta_mcp.client.jsonrpc import (
    BRIDGE_ERROR,
    INVALID_REQUEST,
    MAX_MESSAGE_BYTES,
    Message,
    MessageError,
    error_line,
    id_key,
    id_of_oversize,
    read_messages,
)
from okta_mcp.client.output import clean
from okta_mcp.client.session import MCP_READ_TIMEOUT_SECONDS, OAUTH_TIMEOUT_SECONDS, Session
from okta_mcp.client.shared_login import SharedLogin
from okta_mcp.client.stdio import (
    LineReader,
    LineWriter,
    ListenerGoneError,
    OversizeLine,
    claim_standard_streams,
)
from okta_mcp.client.transport import Patience, Transport
from okta_mcp.client.upstream import Upstream

MAX_IN_FLIGHT = 128
CONNECT_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Endings:
    """How long the end may take, in seconds: what runs may finish, then the session is ended.

    `finish` is after the client closed stdin, `stop` after a signal: clients follow that with
    SIGKILL after two seconds.
    """

    finish: float = 5.0
    stop: float = 0.5
    farewell: float = 1.0


class Bridge:
    """One client and one server. `say` shows a line to the person."""

    def __init__(self, output: LineWriter, say: Callable[[str], None], endings: Endings) -> None:
        self._output = output
        self._say = say
        self._endings = endings
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        # Requests and what is no request have places of their own, so that an answer to the
        # server's question is never stuck behind the requests that wait for it.
        self._request_places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._other_places = asyncio.Semaphore(MAX_IN_FLIGHT)
        # What begins a session must not be overtaken; nor a notification by one after it.
        self._beginning: asyncio.Task[None] | None = None
        self._last_told: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._failure: ClientError | None = None

    def stop(self) -> None:
        """End soon; safe to call from a signal handler of the loop."""
        self._stopped.set()

    async def run(self, lines: AsyncIterator[bytes | OversizeLine], upstream: Upstream) -> None:
        """Relay until stdin is closed, `stop` is called or the start fails.

        Raises:
            LoginError, UnreachableError: the server was never reached.
        """
        listening = asyncio.create_task(upstream.listen())
        relaying = asyncio.create_task(self._relay(lines, upstream))
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({relaying, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                await _ended({relaying})
                await asyncio.wait({*self._tasks, stopped}, timeout=self._endings.stop)
            elif self._tasks:
                rest = asyncio.create_task(asyncio.wait(set(self._tasks)))
                await asyncio.wait(
                    {rest, stopped},
                    timeout=self._endings.finish,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await _ended({rest})
        finally:
            await _ended({listening, relaying, stopped, *self._tasks})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._endings.farewell):
                await upstream.end_session()
        if self._failure is not None:
            raise self._failure

    async def deliver(self, message: Message) -> None:
        """Write what the server says, unless it answers what nobody asks any more."""
        if message.is_response and self._waiting.pop(message.key or "", None) is None:
            return
        await self._write(message.raw)

    async def _relay(self, lines: AsyncIterator[bytes | OversizeLine], upstream: Upstream) -> None:
        async for line in lines:
            if isinstance(line, OversizeLine):
                text = f"The message is longer than {MAX_MESSAGE_BYTES} bytes."
                asked = id_of_oversize(line.head, line.tail)
                await self._write(error_line(asked, INVALID_REQUEST, text))
                continue
            try:
                messages = read_messages(line)
            except MessageError as error:
                await self._write(error_line(None, error.code, str(error)))
                continue
            for message in messages:
                await self._take(message, upstream)

    async def _take(self, message: Message, upstream: Upstream) -> None:
        if message.is_request:
            await self._take_request(message, upstream)
        elif message.is_response:
            await self._start(self._told(message, upstream, None), self._other_places)
        elif message.method == "notifications/cancelled":
            self._cancel(message)
            if upstream.session_id is not None:
                await self._queue(message, upstream)
        else:
            await self._queue(message, upstream)

    async def _take_request(self, message: Message, upstream: Upstream) -> None:
        key = message.key or ""
        if key in self._waiting:
            text = f"A request with the id {key} is under way already."
            await self._write(error_line(None, INVALID_REQUEST, text))
            return
        work = self._asked(message, upstream, self._beginning)
        task = await self._start(work, self._request_places)
        self._waiting[key] = task
        if message.method == "initialize":
            # A client that does not wait for the answer needs the session that it begins too.
            self._beginning = self._last_told = task

    def _cancel(self, message: Message) -> None:
        """Closing the request is how a server without sessions, and since 2026, hears of it."""
        task = self._waiting.pop(id_key(message.params.get("requestId")) or "", None)
        if task is not None:
            task.cancel()

    async def _queue(self, message: Message, upstream: Upstream) -> None:
        """Send a notification after those before it."""
        work = self._told(message, upstream, self._last_told)
        self._last_told = await self._start(work, self._other_places)
        if message.method == "notifications/initialized":
            self._beginning = self._last_told

    async def _start(
        self, work: Coroutine[Any, Any, None], places: asyncio.Semaphore
    ) -> asyncio.Task[None]:
        try:
            await places.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def gone(_task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            places.release()

        task.add_done_callback(gone)
        return task

    async def _asked(
        self, message: Message, upstream: Upstream, after: asyncio.Task[None] | None
    ) -> None:
        if after is not None:
            await asyncio.wait({after})
        text, key = "The server did not answer.", message.key or ""
        try:
            await upstream.request(message)
        except ClientError as error:
            text = clean(str(error), keep_lines=False)
            if isinstance(error, LoginError | UnreachableError) and not upstream.was_reached:
                self._failure = error
        except asyncio.CancelledError:
            if self._waiting.get(key) is asyncio.current_task():
                del self._waiting[key]
            raise
        finally:
            # Also after an error that nobody foresaw, which goes on to the log.
            if self._waiting.get(key) is asyncio.current_task():
                del self._waiting[key]
                await self._write(error_line(message.body["id"], BRIDGE_ERROR, text))
        if self._failure is not None:
            self.stop()

    async def _told(
        self, message: Message, upstream: Upstream, after: asyncio.Task[None] | None
    ) -> None:
        if after is not None:
            await asyncio.wait({after})
        try:
            await upstream.tell(message)
        except ClientError as error:
            self._say(f"{message.method or 'An answer'} did not reach the server: {error}")

    async def _write(self, line: bytes) -> None:
        try:
            await self._output.write(line)
        except ListenerGoneError:
            self.stop()


async def serve(url: str, session: Session, say: Callable[[str], None]) -> None:
    """Bridge this process's stdin and stdout to `url`, until the client or a signal ends it.

    Raises:
        LoginError, UnreachableError: the server was never reached.
    """
    source, sink = claim_standard_streams()
    bridge = Bridge(LineWriter(sink), say, Endings())
    login = SharedLogin(session, url, say)
    timeout = httpx2.Timeout(
        OAUTH_TIMEOUT_SECONDS, read=MCP_READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS
    )
    # Servers close an idle connection after five seconds or more; a request that crosses with that
    # would be lost.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=2.0)
    agent = {"user-agent": f"okta-mcp-bridge/{__version__}"}
    with _signals(bridge.stop):
        async with httpx2.AsyncClient(timeout=timeout, limits=limits, headers=agent) as http:
            transport = Transport(url, http, login, say, Patience())
            upstream = Upstream(transport, bridge.deliver)
            try:
                await bridge.run(LineReader(source).lines(), upstream)
            finally:
                await login.close()


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    try:
        for number in numbers:
            loop.add_signal_handler(number, stop)
    except NotImplementedError:
        # Windows has no such signals for a loop; a client closes stdin there.
        yield
        return
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
