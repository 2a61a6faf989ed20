"""The application around a mode's routes: what surrounds requests, and life from start to stop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from okta_mcp import __version__
from okta_mcp.audit.writer import AuditFileError
from okta_mcp.ops.hygiene import KnownHosts, SecurityHeaders, StoreTime
from okta_mcp.ops.stopping import StopGate, Stopping
from okta_mcp.serving.core import Core
from okta_mcp.serving.gateway_running import RunningGateway
from okta_mcp.serving.trace import RequestReferences
from okta_mcp.serving.workers import Worker
from okta_mcp.settings import Settings

_CANCELLED_AGAIN_SECONDS = 0.2

log = logging.getLogger("okta_mcp")


def application(
    core: Core,
    routes: Sequence[Route],
    *,
    mcp: ASGIApp,
    behind: Starlette,
    handlers: dict[Any, Callable[..., Any]],
    background: Callable[[], Sequence[Coroutine[Any, Any, None]]],
    stopping: Stopping,
    worker: Worker | None,
    closed: Callable[[], None] | None = None,
    gateway: RunningGateway | None = None,
) -> Starlette:
    """Nothing is connected or started before its lifespan.

    `mcp` answers at /mcp; `behind` is the MCP server that it dispatches to, whose lifespan runs
    inside this one. `background` gives what runs while the server does; `closed` lets go of what
    the mode holds.
    """
    settings, number = core.settings, worker.number if worker else None

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        around = gateway.lifespan() if gateway is not None else contextlib.nullcontext()
        async with behind.router.lifespan_context(behind), around:
            running = [asyncio.create_task(each) for each in (core.store.run(), *background())]
            core.meter.start()
            # Where it cannot be written the server is not ready, and it is written later.
            with contextlib.suppress(AuditFileError):
                core.audit.write(
                    "server.started", version=__version__, url=settings.url, worker=number
                )
            if settings.store.startswith("memory:") and not settings.is_resource_server:
                log.info("the store is in memory: a restart forgets clients, sign-ins and access")
            yield
            await ended(running)
        await core.meter.stop()
        await core.http.aclose()
        if closed is not None:
            closed()
        await core.rates.close()
        await core.store.close()
        with contextlib.suppress(AuditFileError):
            core.audit.write("server.stopped", worker=number)
        core.audit.close()

    app = _Application(
        is_https=settings.is_https,
        routes=routes,
        lifespan=lifespan,
        middleware=[
            *core.meter.middleware(),
            Middleware(RequestReferences),
            Middleware(StopGate, stopping=stopping),
            # A store that never waits needs no bound on the time with it.
            *([] if core.store.answers_at_once else [Middleware(StoreTime)]),
            *_proxies(settings),
            Middleware(KnownHosts, public_url=settings.url, allowed_hosts=settings.allowed_hosts),
            Middleware(AtMcp, mcp=mcp),
        ],
        exception_handlers=handlers,
    )
    # Starlette would answer a slash too many by a 307 to whatever host and scheme the request said.
    app.router.redirect_slashes = False
    return app


async def ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until every one has ended.

    Once is not enough: a cancellation that comes while the client of Redis deals with a lost
    connection is lost with it, and the server would wait for ever for a task that goes on.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCELLED_AGAIN_SECONDS)
    # So that what one has failed with is not told as if nobody had asked.
    await asyncio.gather(*tasks, return_exceptions=True)


class _Application(Starlette):
    """One whose answer to a crash has the headers too: Starlette gives it outside of all else."""

    def __init__(self, *, is_https: bool, **given: Any) -> None:
        super().__init__(**given)
        self._is_https = is_https

    def build_middleware_stack(self) -> ASGIApp:
        return SecurityHeaders(super().build_middleware_stack(), is_https=self._is_https)


class AtMcp:
    """ASGI middleware: one path leads past the routes, because nearly every request is for it.

    `mcp` answers its own errors; only what nobody foresaw leaves it.
    """

    def __init__(self, app: ASGIApp, mcp: ASGIApp) -> None:
        self._app = app
        self._mcp = mcp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_mcp = scope["type"] == "http" and scope["path"] == "/mcp"
        await (self._mcp if is_mcp else self._app)(scope, receive, send)


def _proxies(settings: Settings) -> list[Middleware]:
    """Whose word about a caller's address counts: nobody's, unless it is said here."""
    if not settings.trusted_proxies:
        return []
    trusted = list(settings.trusted_proxies)
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)]
