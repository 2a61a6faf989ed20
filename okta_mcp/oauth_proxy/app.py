"""The composition root: every part is made here once and handed to those who need it.

This is the only module that names concrete stores, libraries and settings together. The route
table below is the whole surface of the server.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from okta_mcp import __version__
from okta_mcp.audit.writer import Audit
from okta_mcp.mcp_endpoint.endpoint import McpEndpoint
from okta_mcp.mcp_endpoint.server import WHO_AM_I, mcp_server
from okta_mcp.oauth_proxy.authorize import AuthorizeEndpoint
from okta_mcp.oauth_proxy.bearer import BearerGuard
from okta_mcp.oauth_proxy.callback import CallbackEndpoint
from okta_mcp.oauth_proxy.connections import CONNECTIONS_PATH, ConnectionsEndpoint
from okta_mcp.oauth_proxy.consent import ConsentEndpoint, ConsentStep
from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.oauth_proxy.errors import PageError, TokenError
from okta_mcp.oauth_proxy.forms import Forms
from okta_mcp.oauth_proxy.grants import Grants, Lifetimes
from okta_mcp.oauth_proxy.home import HealthEndpoint, HomeEndpoint
from okta_mcp.oauth_proxy.login import Legs, LoginEndpoint
from okta_mcp.oauth_proxy.logout import SIGNED_OUT_PATH, LogoutEndpoint
from okta_mcp.oauth_proxy.metadata import (
    AUTHORIZATION_SERVER_PATH,
    PROTECTED_RESOURCE_PATH,
    MetadataEndpoint,
)
from okta_mcp.oauth_proxy.rates import AddressRates, TooManyRequestsError
from okta_mcp.oauth_proxy.register import RegistrationEndpoint
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.revoke import RevocationEndpoint
from okta_mcp.oauth_proxy.sessions import Sessions
from okta_mcp.oauth_proxy.suspicion import Suspicion
from okta_mcp.oauth_proxy.token import NO_STORE, TokenEndpoint
from okta_mcp.oauth_proxy.trace import RequestReferences, reference_of
from okta_mcp.oauth_proxy.upstreams import Upstreams
from okta_mcp.okta.api import OktaApi, api_token
from okta_mcp.okta.directory import ClaimsDirectory, Directory, ManagementDirectory
from okta_mcp.okta.oidc import OktaLogin, OktaLoginError
from okta_mcp.ops.hygiene import KnownHosts, SecurityHeaders, is_allowed_origin
from okta_mcp.pages import Pages
from okta_mcp.rbac.policy import Role, shipped_policy
from okta_mcp.rbac.roles import LiveRoles, RoleDecision, RoleMapping
from okta_mcp.settings import Settings, is_loopback
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import Sealer, derived_key
from okta_mcp.tools import okta_tools
from okta_mcp.tools.cursors import SealedCursors

SWEEP_SECONDS = 300
SANDBOX_NAME = "Northwind Bank (sandbox)"
_OKTA_CHECK_SECONDS = 30
_OKTA_TIMEOUT_SECONDS = 10.0

log = logging.getLogger("okta_mcp")


def build_app(
    settings: Settings, *, now: Callable[[], float] = time.time, sandbox_url: str | None = None
) -> Starlette:
    """The application. Nothing is connected or started before its lifespan."""
    secret = _secret(settings)
    sealer = Sealer(secret, "sealing")
    cookies = Cookies(is_https=settings.is_https)
    audit = Audit(settings.audit_log, now)
    records = Records(MemoryStore(now))
    # A new client costs 20 ms for its TLS context: one for the life of the process.
    http = httpx.AsyncClient(timeout=_OKTA_TIMEOUT_SECONDS, follow_redirects=False)
    resource_url = f"{settings.url}/mcp"

    login = OktaLogin(
        http,
        issuer=settings.issuer,
        client_id=settings.okta_client_id,
        client_secret=settings.okta_client_secret.get_secret_value(),
        auth_method=settings.okta_token_endpoint_auth_method,
        redirect_uri=settings.redirect_uri,
        now=now,
    )
    upstreams = Upstreams(records, sealer, login, ttl_seconds=settings.grant_ttl_seconds)
    api = _okta_api(settings, http, now)
    directory: Directory = (
        ManagementDirectory(api)
        if api is not None
        else ClaimsDirectory(login, upstreams.read, upstreams.write)
    )

    tools = okta_tools(api, SealedCursors(derived_key(secret, "cursors")), now)
    policy = shipped_policy(
        {"tools": {tool.name: tool.scope for tool in tools}, "resources": {WHO_AM_I: None}}
    )

    grants = Grants(
        records,
        sealer,
        upstreams,
        audit,
        lifetimes=Lifetimes(
            code=settings.code_ttl_seconds,
            access_token=settings.access_token_ttl_seconds,
            grant=settings.grant_ttl_seconds,
        ),
        resource_url=resource_url,
        now=now,
    )
    sessions = Sessions(records, sealer, cookies, ttl_seconds=settings.session_ttl_seconds, now=now)

    async def end_person(user_id: str) -> None:
        await grants.end_all(user_id, "account_inactive")
        await sessions.end_all(user_id)

    def role_changed(user_id: str, before: RoleDecision, after: RoleDecision) -> None:
        audit.write(
            "role.changed",
            user_id=user_id,
            role_before=before.role,
            role=after.role,
            groups=after.groups,
            source=after.source,
        )

    roles = LiveRoles(
        directory,
        RoleMapping(
            {
                Role.SUPER_ADMIN: settings.group_to_role_super_admin,
                Role.SECURITY_ADMIN: settings.group_to_role_security_admin,
                Role.VIEWER: settings.group_to_role_viewer,
            }
        ),
        ttl_seconds=settings.role_ttl_seconds,
        now=now,
        on_inactive=end_person,
        on_change=role_changed,
    )

    organisation = SANDBOX_NAME if sandbox_url else urlsplit(settings.okta_org_url).netloc
    pages = Pages(organisation, settings.consent_notice)
    forms = Forms(sealer, derived_key(secret, "form cookies"), cookies, origin=settings.url)
    redirect_hosts = tuple(host.lower() for host in settings.redirect_hosts)
    responses = Responses(pages, forms, issuer=settings.url, known_hosts=redirect_hosts)
    legs = Legs(records, sealer, derived_key(secret, "binding cookies"), cookies)
    step = ConsentStep(
        records,
        grants,
        roles,
        policy,
        responses,
        audit,
        consent_ttl_seconds=settings.consent_ttl_seconds,
        now=now,
    )
    behind = mcp_server(tools, policy)
    allowed_origins = frozenset(settings.allowed_origins)
    mcp = McpEndpoint(
        behind,
        BearerGuard(grants, metadata_url=f"{settings.url}{PROTECTED_RESOURCE_PATH}/mcp"),
        grants,
        roles,
        policy,
        audit,
        is_allowed_origin=lambda origin: is_allowed_origin(
            origin, public_url=settings.url, allowed_origins=allowed_origins
        ),
    )

    consent = ConsentEndpoint(step, records, sessions, responses, audit, now=now)
    callback = CallbackEndpoint(
        records,
        legs,
        login,
        upstreams,
        roles,
        sessions,
        audit,
        keeps_upstream=api is None,
        now=now,
    )
    rates = AddressRates()
    sign_in = LoginEndpoint(
        legs,
        login,
        sessions,
        responses,
        audit,
        rates.rate("sign-in", settings.rate_authorize),
        okta_scopes=_okta_scopes(settings),
    )
    connections = ConnectionsEndpoint(records, grants, sessions, responses, audit, now=now)
    logout = LogoutEndpoint(
        sessions,
        grants,
        upstreams,
        login,
        responses,
        audit,
        signed_out_url=f"{settings.url}{SIGNED_OUT_PATH}",
    )
    authorize = AuthorizeEndpoint(
        records,
        sessions,
        step,
        responses,
        audit,
        rates.rate("authorize", settings.rate_authorize),
        resource_url=resource_url,
    )
    token = TokenEndpoint(
        records,
        grants,
        roles,
        audit,
        rates.rate("token failures", settings.rate_token_failures),
        resource_url=resource_url,
    )
    revoke = RevocationEndpoint(records, grants, audit)
    register = RegistrationEndpoint(
        records,
        audit,
        rates.rate("register", settings.rate_register),
        Suspicion(records, rates.rate("registrations of one address", "10/10 minutes")),
        redirect_schemes=settings.redirect_schemes,
        redirect_hosts=redirect_hosts,
        now=now,
    )
    metadata = MetadataEndpoint(issuer=settings.url, resource_url=resource_url)
    home = HomeEndpoint(responses, mcp_url=resource_url, sandbox_url=sandbox_url)
    okta = OktaWatch(login)
    health = HealthEndpoint(lambda: okta.is_away)

    for_any_page = [
        Middleware(
            CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    ]
    for_mcp_pages = [
        Middleware(
            CORSMiddleware,
            allow_origins=[settings.url, *allowed_origins],
            allow_origin_regex=_loopback_origins(settings),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["WWW-Authenticate", "Mcp-Session-Id"],
        )
    ]
    routes = [
        Route("/", home.get),
        Route("/static/{name}", home.asset),
        Route("/health", health.get),
        Route("/mcp", mcp, methods=["GET", "POST", "DELETE", "OPTIONS"], middleware=for_mcp_pages),
        *[
            Route(path, endpoint, methods=["GET", "OPTIONS"], middleware=for_any_page)
            for path, endpoint in (
                (AUTHORIZATION_SERVER_PATH, metadata.authorization_server),
                (PROTECTED_RESOURCE_PATH, metadata.protected_resource),
                (f"{PROTECTED_RESOURCE_PATH}/mcp", metadata.protected_resource),
            )
        ],
        *[
            Route(path, endpoint, methods=["POST", "OPTIONS"], middleware=for_any_page)
            for path, endpoint in (
                ("/oauth/register", register.post),
                ("/oauth/token", token.post),
                ("/oauth/revoke", revoke.post),
                # Where clients of 2025-03-26 look when they have read no metadata.
                ("/register", register.post),
                ("/token", token.post),
            )
        ],
        Route("/oauth/authorize", authorize.handle, methods=["GET", "POST"]),
        Route("/authorize", authorize.handle, methods=["GET", "POST"]),
        Route("/oauth/login", sign_in.get, methods=["GET"]),
        Route("/oauth/login", sign_in.post, methods=["POST"]),
        Route("/oauth/callback", callback.get, methods=["GET"]),
        Route("/oauth/consent", consent.get, methods=["GET"]),
        Route("/oauth/consent", consent.post, methods=["POST"]),
        Route(CONNECTIONS_PATH, connections.get, methods=["GET"]),
        Route(CONNECTIONS_PATH, connections.post, methods=["POST"]),
        Route("/oauth/logout", logout.get, methods=["GET"]),
        Route("/oauth/logout", logout.post, methods=["POST"]),
        Route(SIGNED_OUT_PATH, logout.signed_out, methods=["GET"]),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with behind.router.lifespan_context(behind):
            background = [
                asyncio.create_task(okta.run()),
                asyncio.create_task(_swept(records, roles)),
            ]
            audit.write("server.started", version=__version__, url=settings.url)
            yield
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
        await http.aclose()
        await records.store.close()
        audit.write("server.stopped")
        audit.close()

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(SecurityHeaders, is_https=settings.is_https),
            Middleware(RequestReferences),
            *_proxies(settings),
            Middleware(KnownHosts, public_url=settings.url, allowed_hosts=settings.allowed_hosts),
        ],
        exception_handlers=_error_handlers(responses),
    )
    # Starlette would answer a slash too many by a 307 to whatever host and scheme the request said.
    app.router.redirect_slashes = False
    return app


class OktaWatch:
    """Whether Okta can be reached: asked at start, and again while it cannot."""

    def __init__(self, login: OktaLogin) -> None:
        self._login = login
        self.is_away = False

    async def run(self) -> None:
        """Warn at start about what would stop logins, then keep looking while Okta is away."""
        await self._look()
        if not self.is_away:
            await self._check_redirect_uri()
        while True:
            await asyncio.sleep(_OKTA_CHECK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        was_away = self.is_away
        try:
            await self._login.endpoints()
        except OktaLoginError:
            self.is_away = True
            if not was_away:
                log.warning(
                    "Okta cannot be reached at %s: logins will fail until it answers. Check"
                    " OKTA_ORG_URL, OKTA_ISSUER and the network.",
                    self._login.issuer,
                )
        else:
            self.is_away = False
            if was_away:
                log.info("Okta answers again")

    async def _check_redirect_uri(self) -> None:
        try:
            is_registered = await self._login.redirect_uri_is_registered()
        except OktaLoginError:
            return
        if not is_registered:
            log.warning(
                "Okta refuses OKTA_CLIENT_ID %s with the redirect URI %s: enter it under Sign-in"
                " redirect URIs of the app in Okta, exactly so, or logins end on a page of Okta's.",
                self._login.client_id,
                self._login.redirect_uri,
            )


def _secret(settings: Settings) -> bytes:
    if settings.session_secret_key is not None:
        return settings.session_secret_key.get_secret_value().encode()
    log.warning(
        "SESSION_SECRET_KEY is not set: a random key is used, so a restart signs everybody out."
        " The memory store forgets everything at a restart, too."
    )
    return secrets.token_bytes(32)


def _okta_api(
    settings: Settings, http: httpx.AsyncClient, now: Callable[[], float]
) -> OktaApi | None:
    if settings.api_auth == "claims" or settings.okta_api_token is None:
        log.warning(
            "no credentials for the Okta API: logins work, and roles come from the groups claim,"
            " but tools that ask Okta will say what is missing. Set OKTA_API_TOKEN."
        )
        return None
    return OktaApi(
        http,
        settings.okta_org_url,
        api_token(settings.okta_api_token.get_secret_value()),
        concurrency=settings.okta_concurrent_limit,
        now=now,
        sleep=asyncio.sleep,
    )


def _okta_scopes(settings: Settings) -> tuple[str, ...]:
    """What this server asks Okta for: claims only as far as roles depend on them."""
    if settings.api_auth == "ssws":
        return ("openid", "profile", "email")
    return ("openid", "profile", "email", "groups", "offline_access")


def _loopback_origins(settings: Settings) -> str | None:
    if not is_loopback(urlsplit(settings.url).hostname or ""):
        return None
    return r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?"


def _proxies(settings: Settings) -> list[Middleware]:
    """Whose word about a caller's address counts: nobody's, unless it is said here."""
    if not settings.trusted_proxies:
        return []
    trusted = list(settings.trusted_proxies)
    return [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)]


async def _swept(records: Records, roles: LiveRoles) -> None:
    """Clean what has expired; a read refuses it long before."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        await records.store.sweep()
        roles.sweep()


def _error_handlers(responses: Responses) -> dict[Any, Any]:
    async def token_error(request: Request, error: TokenError) -> Response:  # noqa: ARG001
        body = {"error": error.code, "error_description": error.description}
        return JSONResponse(body, status_code=error.status, headers=NO_STORE | error.headers)

    async def page_error(request: Request, error: PageError) -> Response:
        return responses.problem(request, error)

    async def too_many_requests(request: Request, error: TooManyRequestsError) -> Response:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        if _wants_page(request):
            page = PageError(
                "too_many_requests", status=429, wait=f"{error.retry_after_seconds} seconds"
            )
            response = responses.problem(request, page)
            response.headers.update(headers)
            return response
        body = {"error": "temporarily_unavailable", "error_description": str(error)}
        return JSONResponse(body, status_code=429, headers=NO_STORE | headers)

    async def http_error(request: Request, error: HTTPException) -> Response:
        reason = "method_not_allowed" if error.status_code == 405 else "not_found"
        if _wants_page(request):
            page = PageError(reason, status=error.status_code)
            response = responses.problem(request, page)
            response.headers.update(error.headers or {})
            return response
        return JSONResponse({"error": reason}, status_code=error.status_code, headers=error.headers)

    async def crash(request: Request, error: Exception) -> Response:
        reference = reference_of(request)
        log.error("request %s failed", reference, exc_info=error)
        if _wants_page(request):
            return responses.problem(request, PageError("internal_error", status=500))
        body = {"error": "server_error", "error_description": f"reference {reference}"}
        return JSONResponse(body, status_code=500)

    return {
        TokenError: token_error,
        PageError: page_error,
        TooManyRequestsError: too_many_requests,
        HTTPException: http_error,
        Exception: crash,
    }


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
