"""The application of the proxy: its parts, its routes, and what runs beside them."""

import time
from collections.abc import Callable

from starlette.applications import Starlette

from okta_mcp.mcp_endpoint.server import mcp_server
from okta_mcp.oauth_proxy.error_answers import error_handlers
from okta_mcp.oauth_proxy.parts import assembled
from okta_mcp.oauth_proxy.routes import proxy_entrance, route_table
from okta_mcp.ops.okta_watch import OktaWatch
from okta_mcp.ops.stopping import Stopping
from okta_mcp.serving.application import application
from okta_mcp.serving.gateway_running import running_gateway
from okta_mcp.serving.health import HealthEndpoint
from okta_mcp.serving.mcp_app import mcp_app
from okta_mcp.serving.sweep import swept
from okta_mcp.serving.workers import Worker
from okta_mcp.settings import Settings


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
    okta = OktaWatch(parts.login)
    health = HealthEndpoint(parts.store, parts.audit, lambda: okta.is_away, stopping)
    gateway = running_gateway(
        parts, parts.offered, parts.policy, parts.servers, workers=worker.count if worker else 1
    )
    behind = mcp_server(
        parts.offered,
        parts.policy,
        gateway.provider if gateway else None,
        gateway.complete if gateway else None,
    )
    return application(
        parts,
        [
            *route_table(parts, health, sandbox_url),
            *(gateway.routes if gateway else ()),
        ],
        mcp=mcp_app(
            parts,
            proxy_entrance(parts),
            parts.offered,
            parts.policy,
            behind,
            gateway,
        ),
        behind=behind,
        handlers=error_handlers(parts.responses),
        background=lambda: (okta.run(), swept(parts, parts.upstreams.release_unused)),
        closed=parts.resolver.close,
        gateway=gateway,
        stopping=stopping,
        worker=worker,
    )
