"""The loopback end of the log-in: receives the browser's answer and says what became of it.

Opened by `login` for one log-in, on 127.0.0.1 only (RFC 8252 section 7.3). It takes the first
request for its path and holds the browser until the log-in is judged, so that the page tells the
truth. It does not judge, and it never puts a byte of the request into the page unescaped.
"""

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from okta_mcp.client.errors import LoginError

CALLBACK_PATH = "/callback"
MAX_REQUEST_BYTES = 16 * 1024
REQUEST_TIMEOUT_SECONDS = 10

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:20vh auto;padding:0 1rem}}
</style><main><h1>{heading}</h1><p>{text}</p></main></html>"""


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the browser brought: `parameters` of the query, each with all its values."""

    parameters: dict[str, list[str]]
    _page: "asyncio.Future[tuple[HTTPStatus, str]]"

    def succeed(self) -> None:
        """Tell the person in the browser that the log-in is complete."""
        self._settle(HTTPStatus.OK, "You are logged in", "Close this page, go to the terminal.")

    def fail(self, reason: str) -> None:
        """Tell the person in the browser that the log-in failed, and why."""
        self._settle(HTTPStatus.BAD_REQUEST, "The log-in did not succeed", reason)

    def _settle(self, status: HTTPStatus, heading: str, text: str) -> None:
        page = _PAGE.format(heading=html.escape(heading), text=html.escape(text))
        if not self._page.done():
            self._page.set_result((status, page))


class Callback:
    """One open callback; `redirect_uri` carries the port it really listens on."""

    def __init__(self) -> None:
        self.redirect_uri = ""
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
            status, page = await self._page(head)
            writer.write(_response(status, page))
            await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass
        finally:
            writer.close()

    async def _page(self, head: bytes) -> tuple[HTTPStatus, str]:
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target = urlsplit(rest.rpartition(" ")[0])
        if method != "GET" or target.path != CALLBACK_PATH:
            return HTTPStatus.NOT_FOUND, "Not found"
        if self._arrived.done():
            return HTTPStatus.GONE, "This log-in has already been answered."
        page: asyncio.Future[tuple[HTTPStatus, str]] = asyncio.get_running_loop().create_future()
        parameters = parse_qs(target.query, keep_blank_values=True, max_num_fields=20)
        self._arrived.set_result(CallbackAnswer(parameters, page))
        return await page

    async def finish(self) -> None:
        """Let the page that is due go out, then drop every connection."""
        if self._arrived.done() and not self._arrived.cancelled():
            self._arrived.result().fail("The log-in was interrupted.")
            await asyncio.sleep(0)
        pending = set(self._connections)
        if pending:
            await asyncio.wait(pending, timeout=0.2)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


@asynccontextmanager
async def open_callback(port: int) -> AsyncIterator[Callback]:
    """Listen on 127.0.0.1:`port`; 0 takes any free port.

    Raises:
        LoginError: the port is taken or may not be used.
    """
    callback = Callback()
    try:
        server = await asyncio.start_server(
            callback.serve, "127.0.0.1", port, limit=MAX_REQUEST_BYTES
        )
    except OSError as error:
        raise LoginError(
            f"Cannot listen on 127.0.0.1:{port} for the browser's answer: {error.strerror}."
        ) from error
    bound = server.sockets[0].getsockname()[1]
    callback.redirect_uri = f"http://127.0.0.1:{bound}{CALLBACK_PATH}"
    try:
        yield callback
    finally:
        server.close()
        await callback.finish()


def _response(status: HTTPStatus, page: str) -> bytes:
    body = page.encode()
    headers = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join((*headers, "", "")).encode() + body
