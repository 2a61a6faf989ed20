"""uvicorn's HTTP protocol with bounds: framing, time, size and number of connections.

The server passes `http_protocol()` to `uvicorn.Config(http=...)`. An ASGI application cannot do
this: it is called when the head has been read and believed, it never hears of a head that does
not come, and it cannot keep the rest of the connection from being served. uvicorn itself has a
limit for idle connections only; its `limit_concurrency` answers 503 to requests but keeps every
silent connection open.

Bytes are held here until request_framing has checked them, one request at a time: the next one
is looked at when the answer to the last is out. Answers are never limited in time.
"""

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from okta_mcp.ops.request_framing import (
    LARGEST_HEAD,
    METHODS,
    Head,
    RefusedRequestError,
    RequestFraming,
)

_log = logging.getLogger(__name__)
_LONGEST_KEPT_HEAD = 4096


@dataclass(frozen=True)
class ConnectionLimits:
    """Seconds for the whole head, seconds for the whole body after it, seconds for a refused peer
    to read why and close, and open connections of all peers together."""

    head_seconds: float = 15
    body_seconds: float = 15
    linger_seconds: float = 1
    # Each is a file descriptor, and 1,024 is what a process has where nobody raised it. Okta,
    # the store and the audit trail need some too.
    connections: int = 800


DEFAULT_LIMITS = ConnectionLimits()


def http_protocol(
    limits: ConnectionLimits = DEFAULT_LIMITS, base: type[asyncio.Protocol] = AutoHTTPProtocol
) -> type[asyncio.Protocol]:
    """`base` within `limits`; uvicorn's choice is httptools where it is installed, else h11."""
    return type(f"Bounded{base.__name__}", (_Bounds, base), {"limits": limits})


class _Bounds(asyncio.Protocol):
    """Stands before one of uvicorn's protocols; the attributes below are that protocol's."""

    limits: ConnectionLimits
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    server_state: ServerState
    timeout_keep_alive: float
    timeout_keep_alive_task: asyncio.TimerHandle | None
    # A RequestResponseCycle, of which each implementation has its own; None before the first.
    cycle: Any

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._held = bytearray()
        self._request = RequestFraming()
        self._timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._is_handed_on = False
        self._was_paused = False
        if len(self.server_state.connections) > self.limits.connections:
            self._answer(503, "too many connections")
            # At once: to linger is a luxury that a full server has not.
            self.transport.close()
        else:
            self._start_timer(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            self._held += data
            self._advance()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # type: ignore[misc]  # of the protocol behind
        self._advance()

    def _advance(self) -> None:
        """Give the parser what is ready, until more must come or an answer must go out."""
        while not self.transport.is_closing():
            if self._request.is_complete:
                if not self.cycle.response_complete:
                    # Nobody sends that much ahead of an answer; it would lie in memory.
                    if len(self._held) > LARGEST_HEAD:
                        self.transport.abort()
                    return
                self._request = RequestFraming(_worth_keeping(self._request.head))
                self._is_handed_on = False
                self._start_idle_timer()
            if not self._held:
                return
            if not self._request.has_begun:
                # The first byte of a further request: no longer idle.
                self._unset_keepalive_if_required()  # type: ignore[attr-defined]
            had_head = self._request.has_head
            try:
                passed = self._request.take(self._held)
            except RefusedRequestError as refused:
                self._refuse(refused.status, refused.reason)
                return
            self._time_the_rest(is_new_body=self._request.has_head and not had_head)
            if passed:
                super().data_received(passed)
                self._is_handed_on = True
                self._was_paused |= self.flow.read_paused
            if not self._request.is_complete:
                return

    def _time_the_rest(self, *, is_new_body: bool) -> None:
        """A limit for what is still to come of the request, each part from its beginning."""
        if is_new_body:
            self._was_paused = False
        if is_new_body or self._request.is_complete:
            self._stop_timer()
        if self._timer is None and not self._request.is_complete:
            has_head, limits = self._request.has_head, self.limits
            self._start_timer(limits.body_seconds if has_head else limits.head_seconds)

    def _start_idle_timer(self) -> None:
        # uvicorn starts it after the answer and stops it at the next byte, also when that is of
        # the same request's body: without this the connection then stays for ever.
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive,
                self.timeout_keep_alive_handler,  # type: ignore[attr-defined]
            )

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._be_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _be_late(self) -> None:
        if self._request.has_head and self._was_paused:
            # uvicorn stopped reading, because the application was slow to. That is not the peer's
            # fault, so it gets the full time again.
            self._was_paused = self.flow.read_paused
            self._start_timer(self.limits.body_seconds)
        elif self._request.has_head:
            self._refuse(408, "the body took too long")
        elif self._request.has_begun or self._held:
            self._refuse(408, "the head took too long")
        else:
            # Opened ahead by a browser and not used; an answer to nothing would confuse it.
            self.transport.close()

    def _refuse(self, status: int, reason: str) -> None:
        """Answer where this request has no answer yet, let the application see a disconnect, and
        serve nothing more of this connection."""
        self._is_refused = True
        self._held.clear()
        _log.debug("refused a request with %d: %s", status, reason)
        # Before it is handed on, uvicorn's cycle is still the one of the last request.
        cycle = self.cycle if self._is_handed_on else None
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            # Nor may uvicorn still say 100 Continue when the application reads.
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
        if cycle is not None and cycle.response_started:
            # A second answer inside the first is what a smuggler hopes for.
            self.transport.abort()
            return
        self._answer(status, reason)
        # A close with bytes unread resets the connection, and the answer is lost with it (RFC
        # 9112 section 9.6): what still comes is dropped until the peer closes, but not for long.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_timer()
        # Not close(), which waits for a peer that never reads.
        self._timer = self.loop.call_later(self.limits.linger_seconds, self.transport.abort)

    def _answer(self, status: int, reason: str) -> None:
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(reason)),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append((b"allow", ", ".join(METHODS).encode()))
        status_line = b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())
        lines = [status_line, *(name + b": " + value for name, value in headers), b"", b""]
        self.transport.write(b"\r\n".join(lines) + reason.encode())


def _worth_keeping(head: Head | None) -> Head | None:
    """Long heads would add up over many connections, and nearly all are short."""
    return head if head is not None and len(head.raw) <= _LONGEST_KEPT_HEAD else None
