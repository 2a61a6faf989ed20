"""The composition root of the resource server: its few parts, its routes, its application.

Four routes and no more: /mcp, the protected-resource metadata, and the two of health. No page, no
`/oauth/*` and no authorization-server metadata is served: all that is Okta's.
"""

import logging
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.mcp_endpoint.bearer import BearerHeader
from okta_mcp.mcp_endpoint.protected_resource import (
    PROTECTED_RESOURCE_PATHS,
    protected_resource,
)
from okta_mcp.mcp_endpoint.server import mcp_server
from okta_mcp.okta.access_tokens import Expected, SignatureCheck, TokenCheck
from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.directory import ManagementDirectory
from okta_mcp.okta.introspection import Introspection
from okta_mcp.ops.okta_watch import OktaWatch
from okta_mcp.ops.stopping import Stopping
from okta_mcp.resource_server.entrance import ResourceServerEntrance
from okta_mcp.resource_server.error_answers import error_handlers
from okta_mcp.serving.application import application
from okta_mcp.serving.core import Core, core, live_roles, offer
from okta_mcp.serving.gateway_running import running_gateway
from okta_mcp.serving.health import HealthEndpoint
from okta_mcp.serving.mcp_app import mcp_app
from okta_mcp.serving.okta_access import authentication, own_api
from okta_mcp.serving.sweep import swept
from okta_mcp.serving.workers import Worker
from okta_mcp.settings import Settings

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
    shared = core(settings, now, sandbox_url, worker)
    api = own_api(settings, shared.http, now, sleep=shared.meter.sleep, counts=shared.counts)
    if api is None:
        log.warning(
            "no credentials for the Okta API: roles come from the groups claim of the access token,"
            " so a change counts from the next token on, and tools that ask Okta will say what is"
            " missing. Set OKTA_API_TOKEN or a service application (docs/okta-setup.md)."
        )
    on_offer = offer(shared, api)
    if on_offer.policy.services:
        log.warning("[services] of the policy has no effect here: Okta issues the tokens")
    directory = ManagementDirectory(api) if api is not None else None
    roles = live_roles(shared, on_offer.mapping, directory, _nothing_to_end) if directory else None
    server = AuthorizationServer(
        shared.http, issuer=settings.issuer, client_id=settings.okta_client_id, now=now
    )
    entrance = ResourceServerEntrance(
        BearerHeader(f"{settings.url}{PROTECTED_RESOURCE_PATHS[1]}"),
        _check(shared, server),
        settings.mcp_required_scopes,
        roles,
        on_offer.mapping,
        shared.rates.rate("token checks", settings.rate_token_failures),
    )
    okta = OktaWatch(server)
    health = HealthEndpoint(shared.store, shared.audit, lambda: okta.is_away, stopping)
    gateway = running_gateway(
        shared,
        on_offer.offered,
        on_offer.policy,
        on_offer.servers,
        workers=worker.count if worker else 1,
    )
    behind = mcp_server(
        on_offer.offered,
        on_offer.policy,
        gateway.provider if gateway else None,
        gateway.complete if gateway else None,
    )
    return application(
        shared,
        [
            Route("/health", health.get),
            Route("/health/ready", health.ready),
            *_metadata_routes(shared),
            *(gateway.routes if gateway else ()),
        ],
        mcp=mcp_app(
            shared,
            entrance,
            on_offer.offered,
            on_offer.policy,
            behind,
            gateway,
        ),
        behind=behind,
        handlers=error_handlers(),
        background=lambda: (okta.run(), swept(shared)),
        gateway=gateway,
        stopping=stopping,
        worker=worker,
    )


def _check(shared: Core, server: AuthorizationServer) -> TokenCheck:
    settings = shared.settings
    expected = Expected(server.issuer, settings.okta_oauth_audience or "", shared.now)
    if settings.okta_token_check == "jwks":  # noqa: S105 - the name of a check
        share = shared.known_keys.of(server.issuer) if shared.known_keys else None
        return SignatureCheck(server, expected, share)
    return Introspection(server, authentication(settings, shared.key, shared.now), expected)


def _metadata_routes(shared: Core) -> list[Route]:
    """Any page may read them; nothing of a request enters them."""
    settings = shared.settings
    document = protected_resource(
        shared.resource_url, settings.issuer, settings.mcp_required_scopes
    )
    any_page = [
        Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"])
    ]

    async def metadata(request: Request) -> Response:  # noqa: ARG001 - an endpoint
        return JSONResponse(document)

    return [
        Route(path, metadata, methods=["GET", "OPTIONS"], middleware=any_page)
        for path in PROTECTED_RESOURCE_PATHS
    ]


async def _nothing_to_end(user_id: str) -> None:
    """Of a person who may not act any more: what there is to end is at Okta."""
