"""The application: parts, routes, what surrounds every request, and its life from start to stop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from okta_mcp import __version__
from okta_mcp.audit.writer import AuditFileError
from okta_mcp.mcp_endpoint.server import mcp_server
from okta_mcp.oauth_proxy.error_answers import error_handlers
from okta_mcp.oauth_proxy.health import HealthEndpoint
from okta_mcp.oauth_proxy.parts import Parts, assembled
from okta_mcp.oauth_proxy.routes import route_table
from okta_mcp.oauth_proxy.trace import RequestReferences
from okta_mcp.oauth_proxy.workers import Worker
from okta_mcp.ops.hygiene import KnownHosts, SecurityHeaders, StoreTime
from okta_mcp.ops.okta_watch import OktaWatch
from okta_mcp.ops.stopping import StopGate, Stopping
from okta_mcp.settings import Settings
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.leases import Leases

SWEEP_SECONDS = 300

log = logging.getLogger("okta_mcp")


def build_app(
    settings: Settings,
    *,
    now: Callable[[], float] = time.time,
    sandbox_url: str | None = None,
    worker: Worker | None = None,
    stopping: Stopping | None = None,
) -> Starlette:
    """The application. Nothing is connected or started before its lifespan.

    `worker` is which of several processes this is; `stopping` is shared with what ends it.
    """
    stopping = stopping or Stopping()
    parts = assembled(settings, now, sandbox_url, worker)
    number = worker.number if worker else None
    okta = OktaWatch(parts.login)
    health = HealthEndpoint(parts.store, parts.audit, lambda: okta.is_away, stopping)
    behind = mcp_server(parts.offered, parts.policy)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with behind.router.lifespan_context(behind):
            work = (okta.run(), parts.store.run(), _swept(parts))
            background = [asyncio.create_task(each) for each in work]
            parts.meter.start()
            # Where it cannot be written the server is not ready, and it is written later.
            with contextlib.suppress(AuditFileError):
                parts.audit.write(
                    "server.started", version=__version__, url=settings.url, worker=number
                )
            if settings.store.startswith("memory:"):
                log.info("the store is in memory: a restart forgets clients, sign-ins and access")
            yield
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        await parts.meter.stop()
        await parts.http.aclose()
        parts.resolver.close()
        await parts.rates.close()
        await parts.records.store.close()
        with contextlib.suppress(AuditFileError):
            parts.audit.write("server.stopped", worker=number)
        parts.audit.close()

    app = Starlette(
        routes=route_table(parts, health, behind, sandbox_url),
        lifespan=lifespan,
        middleware=[
            *parts.meter.middleware(),
            Middleware(SecurityHeaders, is_https=settings.is_https),
            Middleware(RequestReferences),
            Middleware(StopGate, stopping=stopping),
            Middleware(StoreTime),
            *_proxies(settings),
            Middleware(KnownHosts, public_url=settings.url, allowed_hosts=settings.allowed_hosts),
        ],
        exception_handlers=error_handlers(parts.responses),
    )
    # Starlette would answer a slash too many by a 307 to whatever host and scheme the request said.
    app.router.redirect_slashes = False
    return app


def _proxies(settings: Settings) -> list[Middleware]:
    """Whose word about a caller's address counts: nobody's, unless it is said here."""
    if not settings.trusted_proxies:
        return []
    trusted = list(settings.trusted_proxies)
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)]


async def _swept(parts: Parts) -> None:
    """Clean what has expired; a read refuses it long before."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        # Its being away is said elsewhere; the next round is soon enough.
        with contextlib.suppress(StoreUnavailableError):
            await sweep_in_turn(parts)


async def sweep_in_turn(parts: Parts) -> bool:
    """Sweep, unless another process with this store has swept in this interval; whether it did."""
    # A little less than the interval, so that whoever swept last finds its lease over.
    if not await Leases(parts.records, parts.now).taken("sweep", SWEEP_SECONDS * 0.9):
        return False
    await parts.records.store.sweep()
    await parts.upstreams.release_unused()
    return True
