"""The MCP server over Streamable HTTP: one message there, its answer back, the session kept alive.

Called by `bridge`; `transport` sends. MCP 2025-03-26 to 2026-07-28, transports. A message is sent
again when the session is gone that it was sent in; the client's own `initialize` and what it asked
of the old session begin a new one. An event stream that breaks is taken up again where it broke.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import httpx2

from okta_mcp.client.errors import ClientError
from okta_mcp.client.jsonrpc import Message, written
from okta_mcp.client.routing import SESSION_HEADER, Routing, own_revision
from okta_mcp.client.transport import EVENT_STREAM, RelayError, Transport, content_type, events

Deliver = Callable[[Message], Awaitable[None]]

_MOST_SUBSCRIPTIONS = 256
_CONTENT = {
    "accept": f"application/json, {EVENT_STREAM}",
    "content-type": "application/json",
}


class _SessionGoneError(Exception):
    """The server does not know the session `session_id` any more."""

    def __init__(self, session_id: str) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class Upstream:
    """One server for one stdio client; `deliver` takes everything that the server says."""

    def __init__(self, transport: Transport, deliver: Deliver) -> None:
        self._transport = transport
        self._deliver = deliver
        self._patience = transport.patience
        self._routing = Routing()
        self._initialize: Message | None = None
        # What the client asked of the session as a whole, by what it asked about.
        self._wishes: dict[str, Message] = {}
        self._renewing = asyncio.Lock()
        self._to_listen = asyncio.Event()
        self.session_id: str | None = None

    @property
    def was_reached(self) -> bool:
        """Whether the server has ever answered anything but "log in"."""
        return self._transport.was_reached

    async def request(self, message: Message) -> None:
        """Deliver everything that belongs to the request `message`, its answer last.

        Raises:
            LoginError, UnreachableError: it was not worked on.
            RelayError: sent, and no answer will come.
        """
        await self._in_session(message)

    async def tell(self, message: Message) -> None:
        """Send a notification of the client, or its answer to a request of the server.

        Raises:
            LoginError, UnreachableError, RelayError: it did not arrive.
        """
        await self._in_session(message)
        if message.method == "notifications/initialized" and self.session_id is not None:
            self._to_listen.set()

    async def listen(self) -> None:
        """Deliver what the server says of its own accord, wherever a session has such a stream."""
        stream: asyncio.Task[None] | None = None
        try:
            while True:
                await self._to_listen.wait()
                self._to_listen.clear()
                if stream is not None:
                    # The stream of a session that is gone may seem alive for a long time.
                    stream.cancel()
                if self.session_id is not None:
                    stream = asyncio.create_task(self._listen_in(self.session_id))
        finally:
            if stream is not None:
                stream.cancel()

    async def end_session(self) -> None:
        """Tell the server that its session, if there is one, is over; no answer is fine."""
        if self.session_id is None:
            return
        try:
            response = await self._transport.send(
                "DELETE", self._session_headers(), may_log_in=False, may_wait=False
            )
            await response.aclose()
        except ClientError:
            pass

    async def _in_session(self, message: Message) -> None:
        try:
            await self._exchange(message, self._deliver)
        except _SessionGoneError as gone:
            await self._renew(gone.session_id)
            if message.is_response:
                raise RelayError("The request that this answers ended with its session.") from None
            if message.method == "notifications/initialized":
                return
            try:
                await self._exchange(message, self._deliver)
            except _SessionGoneError:
                raise self._lost_session() from None

    async def _renew(self, gone: str) -> None:
        """Begin a new session as the client began the old one; once for all who find it gone."""
        async with self._renewing:
            if self.session_id != gone:
                return
            if self._initialize is None:
                raise self._lost_session()
            self._transport.say(
                "The server does not know the session any more (restarted?); a new one begins."
            )
            answers: list[Message] = []

            async def keep(message: Message) -> None:
                if message.is_response:
                    answers.append(message)
                elif not message.is_request:
                    await self._deliver(message)

            initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            try:
                await self._exchange(self._initialize, keep)
                if not answers or answers[-1].result is None:
                    raise RelayError(f"{self._transport.url} does not begin a new session.")
                for message in (written(initialized), *self._wishes.values()):
                    await self._exchange(message, keep)
            except _SessionGoneError:
                raise self._lost_session() from None
            self._to_listen.set()

    async def _exchange(self, message: Message, deliver: Deliver) -> None:
        session = {} if _outside_session(message) else self._session_headers()
        headers = _CONTENT | session | self._routing.headers(message)
        # Nobody is sent to the browser for something that no one waits for.
        may_log_in = message.is_request
        response = await self._transport.send("POST", headers, message.raw, may_log_in=may_log_in)
        async with aclosing(response):
            if not response.is_success:
                await self._refused(response, message, deliver)
            elif message.is_request:
                await self._answered(response, message, deliver)
                self._remember(message)

    async def _answered(
        self, response: httpx2.Response, message: Message, deliver: Deliver
    ) -> None:
        kind = content_type(response)
        if kind == EVENT_STREAM:
            await self._streamed(response, message, deliver)
        elif kind == "application/json":
            for part in await self._transport.read(response):
                await self._hand_on(part, message, response, deliver)
        else:
            raise RelayError(
                f"{self._transport.url} answered HTTP {response.status_code} with "
                f"{kind or 'nothing'}, which is no MCP."
            )

    async def _streamed(self, first: httpx2.Response, message: Message, deliver: Deliver) -> None:
        """The answer as an event stream, taken up again where it breaks, if the server can."""
        response, last_id, pause, left = first, "", self._patience.resume_pause, 0
        while True:
            async with aclosing(response):
                try:
                    async for event in events(response):
                        if event.id and event.id != last_id:
                            # It goes on: as many tries again.
                            last_id, left = event.id, self._patience.resumptions
                        if event.retry is not None:
                            pause = self._patience.before_resuming(event.retry)
                        for part in self._transport.parsed(event.data):
                            if await self._hand_on(part, message, first, deliver):
                                return
                except httpx2.SSEError:
                    raise RelayError(self._transport.oversize_text()) from None
                except httpx2.HTTPError:
                    pass
            if not last_id or left == 0:
                raise RelayError(self._transport.lost_text())
            left -= 1
            await asyncio.sleep(min(pause, self._patience.outage))
            response = await self._transport.send("GET", self._stream_headers(last_id))
            if not response.is_success or content_type(response) != EVENT_STREAM:
                await response.aclose()
                raise RelayError(self._transport.lost_text())

    async def _hand_on(
        self, part: Message, message: Message, response: httpx2.Response, deliver: Deliver
    ) -> bool:
        """Deliver one message; whether it was the answer."""
        if "error" in part.body and part.key is None:
            part = part.answering(message)
        is_answer = part.is_response and part.key == message.key
        if is_answer:
            self._routing.learn(message, part)
            if message.method == "initialize" and part.result is not None:
                if message is not self._initialize:
                    self._initialize = message
                    self._wishes.clear()
                self.session_id = response.headers.get(SESSION_HEADER)
        await deliver(part)
        return is_answer

    async def _refused(self, response: httpx2.Response, message: Message, deliver: Deliver) -> None:
        """An answer whose status is an error: one in JSON-RPC is the answer, if it is for us."""
        try:
            parts = (
                await self._transport.read(response)
                if content_type(response).endswith("json")
                else []
            )
        except RelayError:
            parts = []
        error = next((part for part in parts if "error" in part.body), None)
        sent = response.request.headers.get(SESSION_HEADER)
        if sent is not None and _says_session_gone(response.status_code, error):
            raise _SessionGoneError(sent)
        if error is None or not message.is_request or error.key not in (None, message.key):
            raise RelayError(_status_text(self._transport.url, response.status_code))
        await deliver(error.answering(message))

    async def _listen_in(self, session_id: str) -> None:
        last_id, pause = "", self._patience.resume_pause
        while self.session_id == session_id:
            try:
                response = await self._transport.send(
                    "GET", self._stream_headers(last_id), may_log_in=False, may_wait=False
                )
                async with aclosing(response):
                    if _says_session_gone(response.status_code, None):
                        await self._renew(session_id)
                        return
                    if not response.is_success or content_type(response) != EVENT_STREAM:
                        return
                    async for event in events(response):
                        last_id = event.id or last_id
                        pause = self._patience.before_resuming(event.retry)
                        await self._hand_on_all(event.data)
            except (ClientError, httpx2.HTTPError):
                # Nobody waits for this stream; whoever asks for something hears what is wrong.
                pause = min(pause * 2, self._patience.outage)
            await asyncio.sleep(pause)

    async def _hand_on_all(self, text: str) -> None:
        try:
            for part in self._transport.parsed(text):
                await self._deliver(part)
        except RelayError as error:
            self._transport.say(str(error))

    def _lost_session(self) -> RelayError:
        return RelayError(f"{self._transport.url} does not know the session that was begun.")

    def _session_headers(self) -> dict[str, str]:
        return {SESSION_HEADER: self.session_id} if self.session_id else {}

    def _stream_headers(self, last_id: str) -> dict[str, str]:
        resumed = {"last-event-id": last_id} if last_id else {}
        version = self._routing.negotiated_header()
        return {"accept": EVENT_STREAM} | resumed | version | self._session_headers()

    def _remember(self, message: Message) -> None:
        """Keep what the client wants of the session as a whole, for the session after it."""
        subject = f"subscription {message.params.get('uri')}"
        if message.method == "logging/setLevel":
            self._wishes["level"] = message
        elif message.method == "resources/subscribe" and len(self._wishes) < _MOST_SUBSCRIPTIONS:
            self._wishes[subject] = message
        elif message.method == "resources/unsubscribe":
            self._wishes.pop(subject, None)


def _outside_session(message: Message) -> bool:
    """What begins a session, and every request of a revision that has none."""
    return message.method == "initialize" or own_revision(message) is not None


def _says_session_gone(status: int, error: Message | None) -> bool:
    """404, as the specification says, or the 400 of servers built on the SDKs' examples."""
    if status != 400 or error is None:
        return status == 404
    reason = error.body["error"]
    return isinstance(reason, dict) and "session" in str(reason.get("message", "")).lower()


def _status_text(url: httpx2.URL, status: int) -> str:
    meanings = {
        403: "the server does not let you do this",
        404: "there is no MCP server at this path, which mostly ends in /mcp",
        405: "there is no MCP server at this path, which mostly ends in /mcp",
        413: "the message is too large for the server",
        429: "too many requests; wait a minute",
    }
    meaning = meanings.get(status, "redirected elsewhere" if 300 <= status < 400 else "")
    return f"{url} answered HTTP {status}" + (f": {meaning}." if meaning else ".")
