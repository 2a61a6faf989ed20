"""A stop that loses no request: the server is left alone first, then it refuses, then it is gone.

    serving    everything is answered
    leaving    /health/ready says 503 and every answer ends its connection, so that whoever spreads
               the load goes elsewhere; requests are still served
    refusing   calls that run finish, within a bound; others get 503 with `Retry-After`
    cut        what still runs is cancelled, and told so with the same 503
    closed     the sockets are closed

`StoppingServer` goes through these steps, `StopGate` acts on them for each request, and both share
one `Stopping`. By itself uvicorn closes its sockets first, when nobody has been told.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Long enough for a load balancer that asks every second.
DRAIN_SECONDS = 1.5
GRACE_SECONDS = 10
RETRY_SECONDS = 5
# Whoever asked /health/ready within this time would be surprised by a closed socket.
_WATCHER_SECONDS = 60
_LOOK_SECONDS = 0.05
_HEALTH = frozenset({"/health", "/health/ready"})


class _Step(Enum):
    SERVING = auto()
    LEAVING = auto()
    REFUSING = auto()


class Stopping:
    """How far the stop of this process is, and how many requests run."""

    def __init__(self) -> None:
        self._step = _Step.SERVING
        self._watched_at: float | None = None
        self._requests: set[asyncio.Task[Any] | None] = set()
        self._is_cut = False

    @property
    def has_begun(self) -> bool:
        """Whether the server should get no more requests."""
        return self._step is not _Step.SERVING

    @property
    def refuses(self) -> bool:
        """Whether it takes no more requests."""
        return self._step is _Step.REFUSING

    @property
    def running(self) -> int:
        """How many requests run."""
        return len(self._requests)

    @property
    def is_cut(self) -> bool:
        """Whether what ran had its time."""
        return self._is_cut

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """The request of the task that this is counts as running in the block."""
        task = asyncio.current_task()
        self._requests.add(task)
        try:
            yield
        finally:
            self._requests.discard(task)

    @property
    def is_watched(self) -> bool:
        """Whether somebody asks whether the server is ready."""
        return (
            self._watched_at is not None and time.monotonic() - self._watched_at < _WATCHER_SECONDS
        )

    def note_watcher(self) -> None:
        """Somebody has asked whether the server is ready."""
        self._watched_at = time.monotonic()

    def leave(self) -> None:
        """To be left alone from now on."""
        self._step = _Step.LEAVING

    def refuse(self) -> None:
        """No further request from now on."""
        self._step = _Step.REFUSING

    def cut(self) -> None:
        """Cancel what still runs."""
        self._is_cut = True
        for task in filter(None, self._requests):
            task.cancel()


class StopGate:
    """ASGI middleware around everything: counts what runs, and refuses when it is time."""

    def __init__(self, app: ASGIApp, stopping: Stopping) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_begun = False

        async def sent(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            if message["type"] == "http.response.start" and self._stopping.has_begun:
                MutableHeaders(raw=message.setdefault("headers", []))["Connection"] = "close"
            await send(message)

        if scope["path"] in _HEALTH:
            await self._app(scope, receive, sent)
        elif self._stopping.refuses:
            await _refusal()(scope, receive, sent)
        else:
            try:
                with self._stopping.counted():
                    await self._app(scope, receive, sent)
            except asyncio.CancelledError:
                if not self._stopping.is_cut:
                    raise
                if not has_begun:
                    # More than a closed socket: when the caller may ask again.
                    await _refusal()(scope, receive, sent)


class StoppingServer(uvicorn.Server):
    """uvicorn, which on SIGTERM and SIGINT takes the steps above; a second SIGINT ends at once."""

    def __init__(self, config: uvicorn.Config, stopping: Stopping) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.leave()
        # Nobody to tell: a person at a terminal need not wait.
        if self._stopping.is_watched:
            await self._until(time.monotonic() + DRAIN_SECONDS, runs_out=False)
        self._stopping.refuse()
        await self._until(time.monotonic() + GRACE_SECONDS, runs_out=True)
        self._stopping.cut()
        await super().shutdown(sockets)

    async def _until(self, end: float, *, runs_out: bool) -> None:
        while time.monotonic() < end and not self.force_exit:
            if runs_out and not self._stopping.running:
                return
            await asyncio.sleep(_LOOK_SECONDS)


def _refusal() -> JSONResponse:
    body = {"error": "temporarily_unavailable", "error_description": "this server is stopping"}
    headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
    return JSONResponse(body, status_code=503, headers=headers)
