"""What every request of the Management API passes before its endpoint is asked.

The steps in their order: token, rate limit, method, scope. Called by `management` for each route.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.errors import OktaError, fixed
from okta_mcp.sandbox.rates import Rates, unlimited

Handler = Callable[[Request], Response]


class Context(Protocol):
    """What the running sandbox lends; `organisation` may be another one after a reset."""

    @property
    def organisation(self) -> Organisation: ...
    @property
    def now(self) -> Callable[[], float]: ...
    @property
    def api_token(self) -> str: ...
    @property
    def rates(self) -> Rates: ...
    @property
    def base_url(self) -> str: ...
    @property
    def bearer_scopes(self) -> Callable[[str], tuple[str, frozenset[str]] | None]:
        """From a person's own access token to that person's id and the scopes granted to it."""
        ...


class Access:
    """The steps over one context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def guarded(
        self, scope: str | None, handler: Handler
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint behind the steps; without a scope it is a path that Okta does not have."""

        async def endpoint(request: Request) -> Response:
            spent = unlimited(self._context.now())
            try:
                request.state.caller, granted = self._caller(request)
                token = request.headers["authorization"]
                spent = self._context.rates.spend(token, request.url.path)
                if not spent.allowed:
                    raise fixed("E0000047")
                if scope is None:
                    raise fixed("E0000022", status=404)
                if request.method != "GET":
                    raise fixed("E0000022")
                self._permit(request.state.caller, granted, scope)
                response = handler(request)
            except OktaError as error:
                response = error.response()
            response.headers.update(spent.headers())
            response.headers["Cache-Control"] = "no-cache, no-store"
            return response

        return endpoint

    def _caller(self, request: Request) -> tuple[str, frozenset[str] | None]:
        """Who calls (a user id), and the scopes of a bearer token; None for an API token."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind == "SSWS" and secrets.compare_digest(
            token.encode(), self._context.api_token.encode()
        ):
            # An API token belongs to the administrator who made it.
            owner = self._context.organisation.user("nora.super")
            return (owner["id"] if owner else "", None)
        known = self._context.bearer_scopes(token) if kind == "Bearer" else None
        if known is None:
            raise fixed("E0000011")
        return known

    def _permit(self, caller: str, granted: frozenset[str] | None, scope: str) -> None:
        """A person's own token needs the scope, and the person an administrator's role.

        The three role groups carry Okta's administrator roles in this organisation.
        """
        if granted is None:
            return
        refusal = fixed("E0000006")
        if scope not in granted:
            base = self._context.base_url
            refusal.headers["WWW-Authenticate"] = (
                f'Bearer authorization_uri="{base}/oauth2/v1/authorize", realm="{base}",'
                f' scope="{scope}", error="insufficient_scope", error_description="The access'
                ' token provided does not contain the required scopes."'
            )
            raise refusal
        if self._context.organisation.role_of(caller) is None:
            raise refusal
