"""One HTTP request to the MCP server, sent until the server takes it or surely will not.

Called by `upstream`. It is sent again when the server surely did nothing with it: no connection,
503 with `Retry-After`, a refusal by 401 or for want of scopes that a refresh or a log-in mends, a
redirect within the origin. What may have been done is never sent again. A token never goes to
another origin.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx2

from okta_mcp.client.errors import ClientError, LoginError, UnreachableError
from okta_mcp.client.jsonrpc import MAX_MESSAGE_BYTES, Message, MessageError, read_messages
from okta_mcp.client.shared_login import SharedLogin

EVENT_STREAM = "text/event-stream"
_MOST_REFUSALS = 3
_MOST_REDIRECTS = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things are tried, in seconds."""

    outage: float = 30.0
    first_pause: float = 0.25
    longest_pause: float = 5.0
    resume_pause: float = 1.0
    resumptions: int = 5
    longest_wish: float = 3600.0

    def before_resuming(self, wish: int | None) -> float:
        """The pause that a server wishes (`retry` of an event, in milliseconds), within bounds.

        A wish of 0 would have the bridge ask without end.
        """
        if wish is None:
            return self.resume_pause
        return max(min(wish, self.longest_wish * 1000) / 1000, self.first_pause)


class RelayError(ClientError):
    """The server was reached, but there is no answer; the text says what is known."""


class _NotTakenError(Exception):
    """The server surely did nothing with the request."""


class Transport:
    """The way to `url`, with a token where it asks for one; `say` is for people."""

    def __init__(
        self,
        url: str,
        http: httpx2.AsyncClient,
        login: SharedLogin,
        say: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self.url = httpx2.URL(url)
        self.was_reached = False
        self._http = http
        self._login = login
        self.say = say
        self.patience = patience

    def lost_text(self) -> str:
        """What is known of a request that was sent and has no answer."""
        return f"The connection to {self.url} was lost before the answer; it may have been done."

    def oversize_text(self) -> str:
        """What is known of an answer that was not read to its end."""
        return f"{self.url} sent more than {MAX_MESSAGE_BYTES} bytes in one message."

    async def send(
        self,
        method: str,
        headers: dict[str, str],
        content: bytes | None = None,
        *,
        may_log_in: bool = True,
        may_wait: bool = True,
    ) -> httpx2.Response:
        """The response, its body unread, to a request that is sent until the server takes it.

        `may_wait`: a while for the server to come back. `may_log_in`: send the person there.
        """
        now = asyncio.get_running_loop().time
        pause, until = self.patience.first_pause, None
        while True:
            try:
                return await self._authorized(method, headers, content, may_log_in=may_log_in)
            except _NotTakenError as error:
                if until is None and may_wait:
                    until = now() + self.patience.outage
                    self.say(f"{error} Trying again for {self.patience.outage:.0f} seconds.")
                if until is None or now() + pause > until:
                    raise UnreachableError(str(error)) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.patience.longest_pause)

    async def _authorized(
        self,
        method: str,
        headers: dict[str, str],
        content: bytes | None,
        *,
        may_log_in: bool,
    ) -> httpx2.Response:
        """The response after refresh, log-in and redirects, each as often as it can help."""
        try:
            tokens = await self._login.tokens()
        except UnreachableError as error:
            raise _NotTakenError(str(error)) from error
        refusals = redirects = 0
        while True:
            bearer = {"authorization": f"Bearer {tokens.access_token}"} if tokens else {}
            response = await self._sent(method, headers | bearer, content)
            is_unknown = response.status_code == 401
            self.was_reached = self.was_reached or not is_unknown
            if is_unknown or (
                response.status_code == 403
                and may_log_in
                and self._login.can_widen(tokens, response.headers)
            ):
                refusals += 1
                await response.aclose()
                if refusals == _MOST_REFUSALS:
                    raise LoginError("The server refuses the token that it has just issued.")
                tokens = await self._login.after_refusal(
                    tokens,
                    response.headers,
                    may_refresh=is_unknown and refusals == 1,
                    may_log_in=may_log_in,
                )
                continue
            target = _redirected(response)
            if target is None or redirects == _MOST_REDIRECTS:
                return response
            redirects += 1
            self.url = target
            await response.aclose()

    async def _sent(
        self, method: str, headers: dict[str, str], content: bytes | None
    ) -> httpx2.Response:
        request = self._http.build_request(method, self.url, headers=headers, content=content)
        try:
            response = await self._http.send(request, stream=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            text = f"Cannot reach {self.url}: {error or type(error).__name__}."
            raise _NotTakenError(text) from error
        except httpx2.HTTPError as error:
            raise RelayError(f"{self.lost_text()} ({error or type(error).__name__})") from error
        if response.status_code == 503 and "retry-after" in response.headers:
            await response.aclose()
            raise _NotTakenError(f"{self.url} takes no requests at the moment (HTTP 503).")
        return response

    async def read(self, response: httpx2.Response) -> list[Message]:
        """The messages of a body.

        Raises:
            RelayError: it broke off, is too large or is something else.
        """
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_MESSAGE_BYTES:
                    raise RelayError(self.oversize_text())
        except httpx2.HTTPError as error:
            raise RelayError(self.lost_text()) from error
        return self.parsed(bytes(body))

    def parsed(self, content: bytes | str) -> list[Message]:
        """The messages of a body or event; an event without data only gives its id.

        Raises:
            RelayError: it is something else.
        """
        if not content:
            return []
        try:
            return read_messages(content if isinstance(content, bytes) else content.encode())
        except (MessageError, UnicodeEncodeError):
            raise RelayError(f"{self.url} sent something that is no JSON-RPC.") from None


async def events(response: httpx2.Response) -> AsyncIterator[httpx2.ServerSentEvent]:
    """The messages of an event stream; other kinds of events are not MCP's."""
    async for event in httpx2.EventSource(response, max_event_size=MAX_MESSAGE_BYTES):
        if event.event == "message":
            yield event


def content_type(response: httpx2.Response) -> str:
    """The media type without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _redirected(response: httpx2.Response) -> httpx2.URL | None:
    """Where to send the same again; another origin would get a token that is not for it."""
    if response.status_code not in (307, 308) or response.next_request is None:
        return None
    here, there = response.request.url, response.next_request.url
    same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
    return there if same and not there.userinfo else None
