"""The loopback end of the log-in: receives the browser's answer and says what became of it.

Opened by `login` for one log-in, on this computer only (RFC 8252 section 7.3). It takes the first
request for its path and holds the browser until the log-in is judged, so that the page tells the
truth. It does not judge, and it never puts a byte of the request into the page unescaped.
"""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from okta_mcp.client import callback_page
from okta_mcp.client.callback_page import Verdict
from okta_mcp.client.errors import LoginError

MAX_REQUEST_BYTES = 16 * 1024
REQUEST_TIMEOUT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes any free one. `localhost` means both of its addresses."""

    host: str
    port: int
    path: str

    @property
    def redirect_uri(self) -> str:
        """The address as an authorization server knows it."""
        return f"http://{self.host}:{self.port}{self.path}"


def own_address(port: int = 0) -> Address:
    """For a client that registers itself: a port of this moment, by the literal address."""
    return Address("127.0.0.1", port, "/callback")


def entered_address(port: int = 0) -> Address:
    """For a client that somebody entered by hand, where the URI is compared as a string."""
    return Address("localhost", port or 3030, "/oauth/callback")


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the browser brought: `parameters` of the query, each with all its values."""

    parameters: dict[str, list[str]]
    _page: "asyncio.Future[Verdict]"

    def show(self, verdict: Verdict) -> None:
        """Tell the person in the browser what became of it; the first verdict stands."""
        if not self._page.done():
            self._page.set_result(verdict)


class Callback:
    """One open callback; `redirect_uri` carries the port it really listens on."""

    def __init__(self, path: str) -> None:
        self.redirect_uri = ""
        self._path = path
        self._arrived: asyncio.Future[CallbackAnswer] = asyncio.get_running_loop().create_future()
        self._connections: set[asyncio.Task[None]] = set()

    async def answer(self) -> CallbackAnswer:
        """Wait for the browser to come back."""
        return await asyncio.shield(self._arrived)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection; browsers open some that never send anything."""
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_response(await self._verdict(head)))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass
        finally:
            writer.close()

    async def _verdict(self, head: bytes) -> Verdict:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        try:
            target = urlsplit(rest.rpartition(" ")[0])
            parameters = parse_qs(target.query, keep_blank_values=True, max_num_fields=20)
        except ValueError:
            return callback_page.NOT_FOUND
        if method != "GET" or target.path != self._path:
            return callback_page.NOT_FOUND
        if self._arrived.done():
            return callback_page.ANSWERED_ALREADY
        page: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._arrived.set_result(CallbackAnswer(parameters, page))
        return await page

    async def finish(self) -> None:
        """Let the page that is due go out, then drop every connection."""
        if self._arrived.done() and not self._arrived.cancelled():
            self._arrived.result().show(callback_page.INTERRUPTED)
            await asyncio.sleep(0)
        pending = set(self._connections)
        if pending:
            await asyncio.wait(pending, timeout=0.2)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


@asynccontextmanager
async def open_callback(address: Address) -> AsyncIterator[Callback]:
    """Listen at `address`.

    Raises:
        LoginError: the port is taken or may not be used.
    """
    callback = Callback(address.path)
    servers = [await _listen(callback, "127.0.0.1", address.port)]
    port = servers[0].sockets[0].getsockname()[1]
    try:
        if address.host == "localhost":
            # A browser may try ::1 first; whoever listens there would get the answer.
            servers += await _listen_too(callback, "::1", port)
        callback.redirect_uri = Address(address.host, port, address.path).redirect_uri
        yield callback
    finally:
        for server in servers:
            server.close()
        await callback.finish()


async def _listen(callback: Callback, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(callback.serve, host, port, limit=MAX_REQUEST_BYTES)
    except OSError as error:
        reason = "something else listens there" if _is_taken(error) else error.strerror
        raise LoginError(
            f"Cannot listen on {host}:{port} for the browser's answer: {reason}. End what does, or"
            " choose another port with --callback-port."
        ) from error


async def _listen_too(callback: Callback, host: str, port: int) -> list[asyncio.Server]:
    """A further address, unless this computer does not have it."""
    try:
        return [await _listen(callback, host, port)]
    except LoginError as error:
        if isinstance(error.__cause__, OSError) and _is_taken(error.__cause__):
            raise
        return []


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE


def _response(verdict: Verdict) -> bytes:
    body = verdict.page().encode()
    headers = (
        f"HTTP/1.1 {verdict.status.value} {verdict.status.phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*headers, "", "")).encode() + body
