"""A server behind that is reached by HTTP (MCP "Streamable HTTP"), with one client for all of them.

`shared_client` makes that client: one TLS context for the process, no redirect is followed and no
cookie kept, because a cookie would travel from one person's call to another's. The headers of a
request are ours and those of `mcp.json`, never a caller's. Bodies and events are bounded.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from okta_mcp import __version__
from okta_mcp.gateway.link import (
    MOST_USELESS_BYTES,
    LinkError,
    Receiver,
    Useless,
    read,
    rest,
    written,
)
from okta_mcp.gateway.servers import HttpServer

_SESSION = "mcp-session-id"
_VERSION = "mcp-protocol-version"
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_JSON, _EVENTS = "application/json", "text/event-stream"
_CONNECT_SECONDS = 5.0
_MOST_CONNECTIONS = 200
# A server without a stream of its own cannot say that its lists have changed.
_REFRESH_SECONDS = 300.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
_MEANINGS = {
    401: "wants a credential: set it in headers",
    403: "does not accept its credential",
    404: "has nothing at its url",
    405: "does not speak MCP at its url",
}
_FORGOTTEN = "does not know the session any more"
_log = logging.getLogger(__name__)


def shared_client() -> httpx.AsyncClient:
    """The one client; it costs 20 ms for its TLS context."""
    no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(
        headers={"user-agent": f"okta_mcp/{__version__}", "accept-encoding": "identity"},
        cookies=no_cookies,
        follow_redirects=False,
        # How long an answer may take, each call says itself.
        timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=_MOST_CONNECTIONS),
    )


class _TooLargeError(Exception):
    pass


class HttpLink:
    """The link to `server` by the shared client `http`."""

    def __init__(self, server: HttpServer, http: httpx.AsyncClient) -> None:
        self._server = server
        self._http = http
        self._headers: dict[str, str] = {}
        self._receiver: Receiver | None = None
        self._useless = Useless()
        self._listening: asyncio.Task[None] | None = None
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.refresh_seconds: float | None = _REFRESH_SECONDS

    async def open(self, receiver: Receiver) -> None:
        """Nothing is connected before the first message."""
        self._receiver = receiver

    async def send(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """POST one message and hand on all that answers it; raises `LinkError`."""
        if self._over.done():
            raise LinkError("is not connected")
        request = self._request("POST", f"{_JSON}, {_EVENTS}", headers, written(message))
        is_request = "id" in message and "method" in message
        try:
            response = await self._http.send(request, stream=True)
            try:
                if not (is_request and await self._answered(response, message)):
                    if await self._is_forgotten(response.status_code):
                        self._end(_FORGOTTEN)
                        raise LinkError(_FORGOTTEN)
                    self._check_status(response)
                    if is_request:
                        raise LinkError("ended its answer before its end")
            finally:
                await response.aclose()
        except _TooLargeError:
            self._deliver_oversize(message)
            return
        except httpx.InvalidURL:
            raise LinkError("has a url that cannot be used") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._end(_reason(error))
            raise LinkError(_reason(error)) from None
        except httpx.HTTPError as error:
            raise LinkError(_reason(error)) from None
        if message.get("method") == "notifications/initialized":
            self._listening = asyncio.create_task(self._listen())

    async def ended(self) -> str:
        """Wait until the server is gone, or does not know the session any more."""
        return await asyncio.shield(self._over)

    async def close(self) -> None:
        """End the session at the server; no answer is fine."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if _SESSION in self._headers and not self._over.done():
            with contextlib.suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await self._http.send(self._request("DELETE", _JSON, {}))

    async def _answered(self, response: httpx.Response, message: Mapping[str, Any]) -> bool:
        """Hand on what the response holds; whether the answer to `message` was in it."""
        if response.is_redirect or (response.status_code == 404 and _SESSION in self._headers):
            return False
        if _is_compressed(response):
            raise LinkError("compresses its answers, which nobody asked for")
        session = response.headers.get(_SESSION)
        if message["method"] == "initialize" and response.is_success and session:
            if not _can_be_sent(session):
                raise LinkError("gives a session id that no header can carry")
            self._headers[_SESSION] = session
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == _EVENTS:
            async for body in self._events(response):
                if self._deliver(body, message):
                    return True
            return False
        if kind == _JSON:
            return self._deliver(await self._body(response), message)
        return False

    def _deliver(self, body: bytes, message: Mapping[str, Any] | None) -> bool:
        """Hand on one message; whether it answers `message`."""
        content = read(body)
        if content is None or self._receiver is None:
            self._count_useless(len(body))
            return False
        is_answer = message is not None and content.get("id") == message["id"]
        if is_answer and message is not None and message["method"] == "initialize":
            result = content.get("result")
            version = result.get("protocolVersion") if isinstance(result, dict) else None
            # The session refuses unknown ones, after which a last request is still to be sent.
            self._headers[_VERSION] = str(version) if _can_be_sent(version) else ""
        if not self._receiver.received(content):
            self._count_useless(len(body))
        return is_answer and "method" not in content

    def _count_useless(self, size: int) -> None:
        """Raises `LinkError`, and ends the link, when there is too much of it."""
        try:
            self._useless.add(size)
        except LinkError as error:
            self._end(str(error))
            raise

    def _deliver_oversize(self, message: Mapping[str, Any]) -> None:
        if self._receiver is not None:
            self._receiver.oversize(message.get("id"))

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._server.largest_bytes:
                raise _TooLargeError
        return bytes(body)

    async def _events(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The `data` of each event (WHATWG HTML, server-sent events)."""
        line, event, useless = bytearray(), bytearray(), 0
        async for chunk in response.aiter_bytes():
            began_at = asyncio.get_running_loop().time()
            line += chunk
            if len(line) + len(event) > self._server.largest_bytes + len(chunk):
                raise _TooLargeError
            if b"\n" not in chunk:
                # A long line in many small parts is not to be looked through for each of them.
                continue
            *lines, begun = bytes(line).split(b"\n")
            line = bytearray(begun)
            for each in lines:
                each = each.rstrip(b"\r")
                field, _, value = each.partition(b":")
                if field == b"data":
                    event += value.removeprefix(b" ")
                elif not each and event:
                    yield bytes(event)
                    event.clear()
                else:
                    useless += len(each) + 1
            if useless > MOST_USELESS_BYTES:
                raise _TooLargeError
            await rest(began_at)

    async def _is_forgotten(self, status: int) -> bool:
        """Whether the server has lost the session. 404 says so; many say it with 400, which may
        also be about the one request, so a ping is asked for its status."""
        if _SESSION not in self._headers or status not in (400, 404):
            return False
        if status == 404:
            return True
        ping = written({"jsonrpc": "2.0", "id": "known", "method": "ping"})
        request = self._request("POST", f"{_JSON}, {_EVENTS}", {}, ping)
        response = await self._http.send(request, stream=True)
        await response.aclose()
        return response.status_code in (400, 404)

    def _check_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        status = response.status_code
        meaning = "leads to another address" if response.is_redirect else _MEANINGS.get(status)
        raise LinkError(f"answered HTTP {status}" + (f": it {meaning}" if meaning else ""))

    def _request(
        self, method: str, accept: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Request:
        kept = {name: value for name, value in self._headers.items() if value}
        kind = {"content-type": _JSON} if content is not None else {}
        own = {**self._server.headers, **kept, **headers, "accept": accept, **kind}
        return self._http.build_request(method, self._server.url, headers=own, content=content)

    async def _listen(self) -> None:
        """The server's own stream, where it has one: it says that its lists have changed."""
        pause = _FIRST_PAUSE_SECONDS
        while not self._over.done():
            try:
                response = await self._http.send(self._request("GET", _EVENTS, {}), stream=True)
                try:
                    kind = response.headers.get("content-type", "")
                    is_stream = kind.startswith(_EVENTS) and not _is_compressed(response)
                    if not response.is_success or not is_stream:
                        if await self._is_forgotten(response.status_code):
                            self._end(_FORGOTTEN)
                        return
                    self.refresh_seconds = None
                    async for body in self._events(response):
                        self._deliver(body, None)
                        pause = _FIRST_PAUSE_SECONDS
                finally:
                    await response.aclose()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                # Nobody need call it to find out that it is gone.
                self._end(_reason(error))
            except LinkError:
                # It is over.
                return
            except (httpx.HTTPError, _TooLargeError) as error:
                _log.debug("server %s: %s", self._server.name, type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(reason)


def _is_compressed(response: httpx.Response) -> bool:
    """A few kilobytes could become as many gigabytes."""
    return str(response.headers.get("content-encoding", "identity")) != "identity"


def _can_be_sent(value: object) -> bool:
    """Whether it is visible ASCII (MCP "Session Management"), which any header carries."""
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None


def _reason(error: httpx.HTTPError) -> str:
    """Without the address, which may hold a secret."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "does not take connections at its url"
    return f"broke the connection off ({type(error).__name__})"
