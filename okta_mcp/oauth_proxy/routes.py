"""The route table: the whole surface of the server, and the endpoints made for it."""

from collections.abc import Awaitable, Callable

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from okta_mcp.audit.writer import Audit
from okta_mcp.mcp_endpoint.bearer import BearerHeader
from okta_mcp.mcp_endpoint.protected_resource import (
    PROTECTED_RESOURCE_PATH,
    PROTECTED_RESOURCE_PATHS,
)
from okta_mcp.oauth_proxy.authorize import AuthorizeEndpoint
from okta_mcp.oauth_proxy.callback import CallbackEndpoint
from okta_mcp.oauth_proxy.connections import CONNECTIONS_PATH, ConnectionsEndpoint
from okta_mcp.oauth_proxy.consent import ConsentEndpoint, ConsentStep
from okta_mcp.oauth_proxy.entrance import ProxyEntrance
from okta_mcp.oauth_proxy.home import HomeEndpoint
from okta_mcp.oauth_proxy.login import LoginEndpoint
from okta_mcp.oauth_proxy.logout import SIGNED_OUT_PATH, LogoutEndpoint
from okta_mcp.oauth_proxy.metadata import (
    AUTHORIZATION_SERVER_PATH,
    MetadataEndpoint,
)
from okta_mcp.oauth_proxy.parts import Parts
from okta_mcp.oauth_proxy.register import RegistrationEndpoint
from okta_mcp.oauth_proxy.revoke import RevocationEndpoint
from okta_mcp.oauth_proxy.service_assertion import ASSERTION_RATE, ServiceAssertions
from okta_mcp.oauth_proxy.service_tokens import ServiceTokens
from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.oauth_proxy.token import TokenEndpoint
from okta_mcp.oauth_proxy.tools import TOOLS_PATH, ToolsEndpoint
from okta_mcp.serving.health import HealthEndpoint
from okta_mcp.serving.okta_access import okta_scopes

_SUSPICIOUS_RATE = "10/10 minutes"

Endpoint = Callable[[Request], Awaitable[Response]]


def proxy_entrance(parts: Parts) -> ProxyEntrance:
    """The way into /mcp, which is served beside these routes."""
    header = BearerHeader(f"{parts.settings.url}{PROTECTED_RESOURCE_PATH}/mcp")
    return ProxyEntrance(header, parts.grants, parts.roles, parts.policy.services)


def route_table(parts: Parts, health: HealthEndpoint, sandbox_url: str | None) -> list[Route]:
    """Every route but /mcp."""
    home = HomeEndpoint(parts.responses, mcp_url=parts.resource_url, sandbox_url=sandbox_url)
    return [
        Route("/", home.get),
        Route("/static/{name}", home.asset),
        Route("/health", health.get),
        Route("/health/ready", health.ready),
        *_client_routes(parts),
        *_page_routes(parts),
    ]


def _client_routes(parts: Parts) -> list[Route]:
    """What clients ask themselves: any page may, and no cookie counts."""
    settings, rates = parts.settings, parts.rates
    metadata = MetadataEndpoint(
        issuer=settings.url,
        resource_url=parts.resource_url,
        takes_client_documents=settings.takes_client_documents,
        behind=parts.policy.behind,
    )
    register = RegistrationEndpoint(
        parts.records,
        parts.audit,
        rates.rate("register", settings.rate_register),
        Suspicion(parts.records, rates.rate("suspicious", _SUSPICIOUS_RATE), parts.now),
        redirect_schemes=settings.redirect_schemes,
        redirect_hosts=tuple(host.lower() for host in settings.redirect_hosts),
        now=parts.now,
    )
    assertions = ServiceAssertions(
        parts.policy.services,
        parts.records,
        rates.rate("assertions of one service", ASSERTION_RATE),
        audiences=(f"{settings.url}/oauth/token", settings.url),
        now=parts.now,
    )
    token = TokenEndpoint(
        parts.records,
        parts.grants,
        parts.roles,
        parts.audit,
        rates.rate("token failures", settings.rate_token_failures),
        assertions,
        ServiceTokens(parts.grants, parts.policy),
        parts.policy.behind,
        resource_url=parts.resource_url,
    )
    revoke = RevocationEndpoint(parts.records, parts.grants, assertions, parts.audit)
    any_page = [
        Middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    ]
    read = (
        (AUTHORIZATION_SERVER_PATH, metadata.authorization_server),
        *((path, metadata.protected_resource) for path in PROTECTED_RESOURCE_PATHS),
    )
    sent = (
        ("/oauth/register", register.post),
        ("/oauth/token", token.post),
        ("/oauth/revoke", revoke.post),
        # Where clients of 2025-03-26 look when they have read no metadata.
        ("/register", register.post),
        ("/token", token.post),
    )
    return [
        *(Route(path, get, methods=["GET", "OPTIONS"], middleware=any_page) for path, get in read),
        *(
            Route(
                path,
                _recorded(parts.audit, to),
                methods=["POST", "OPTIONS"],
                middleware=any_page,
            )
            for path, to in sent
        ),
    ]


def _page_routes(parts: Parts) -> list[Route]:
    """What people meet in a browser: no other site may call it."""
    settings, rates = parts.settings, parts.rates
    records, sessions, responses, audit = (
        parts.records,
        parts.sessions,
        parts.responses,
        parts.audit,
    )
    step = ConsentStep(
        records,
        parts.clients,
        sessions,
        parts.grants,
        parts.roles,
        parts.policy,
        responses,
        audit,
        parts.refusals,
        consent_ttl_seconds=settings.consent_ttl_seconds,
        now=parts.now,
    )
    authorize = AuthorizeEndpoint(
        parts.clients,
        sessions,
        step,
        responses,
        audit,
        rates.rate("authorize", settings.rate_authorize),
        parts.policy.behind,
        resource_url=parts.resource_url,
    )
    login = LoginEndpoint(
        parts.legs,
        parts.login,
        sessions,
        responses,
        audit,
        rates.rate("sign-in", settings.rate_authorize),
        okta_scopes=okta_scopes(settings),
    )
    callback = CallbackEndpoint(
        records,
        parts.legs,
        parts.login,
        parts.upstreams,
        parts.sign_ins,
        parts.roles,
        sessions,
        audit,
        parts.refusals,
        keeps_upstream=settings.keeps_sign_ins,
        okta_scopes=okta_scopes(settings),
        now=parts.now,
    )
    consent = ConsentEndpoint(
        step, records, sessions, responses, audit, parts.refusals, now=parts.now
    )
    connections = ConnectionsEndpoint(
        records, parts.grants, sessions, responses, audit, parts.policy.behind, now=parts.now
    )
    tools = ToolsEndpoint(sessions, parts.roles, parts.policy, responses)
    logout = LogoutEndpoint(
        sessions,
        parts.grants,
        parts.upstreams,
        parts.login,
        responses,
        audit,
        signed_out_url=f"{settings.url}{SIGNED_OUT_PATH}",
    )
    pages: tuple[tuple[str, Endpoint, list[str]], ...] = (
        ("/oauth/authorize", authorize.handle, ["GET", "POST"]),
        ("/authorize", authorize.handle, ["GET", "POST"]),
        ("/oauth/login", login.get, ["GET"]),
        ("/oauth/login", login.post, ["POST"]),
        ("/oauth/callback", callback.get, ["GET"]),
        ("/oauth/consent", consent.get, ["GET"]),
        ("/oauth/consent", consent.post, ["POST"]),
        (CONNECTIONS_PATH, connections.get, ["GET"]),
        (CONNECTIONS_PATH, connections.post, ["POST"]),
        (TOOLS_PATH, tools.get, ["GET"]),
        ("/oauth/logout", logout.get, ["GET"]),
        ("/oauth/logout", logout.post, ["POST"]),
    )
    return [
        *(Route(path, _recorded(audit, to), methods=methods) for path, to, methods in pages),
        Route(SIGNED_OUT_PATH, logout.signed_out, methods=["GET"]),
    ]


def _recorded(audit: Audit, endpoint: Endpoint) -> Endpoint:
    """The endpoint, which does nothing while what it does could not be put on the record."""

    async def recorded(request: Request) -> Response:
        audit.check()
        return await endpoint(request)

    return recorded
