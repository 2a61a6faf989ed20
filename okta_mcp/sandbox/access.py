"""What every request of the Management API passes before its endpoint is asked.

The steps in their order: credential, rate limit, method, scope, administrator role. Called by
`management` for each route. Three credentials (okta-facts 1.9): an API token may do what its
owner's role allows; an application's and a person's access token what both the scopes and the role
allow. An access token that is bound to a key needs that key's proof with each request.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.sandbox.directory import Organisation
from okta_mcp.sandbox.dpop import ALGORITHMS, ProofError, Proofs
from okta_mcp.sandbox.errors import OktaError, fixed, not_found
from okta_mcp.sandbox.rates import Rates, unlimited

Handler = Callable[[Request], Response]

API_TOKEN_OWNER: Final = "nora.super"  # noqa: S105 - a person
_FAMILIES: Final = "users groups apps logs policies networkZones devices roles apiTokens".split()
API_SCOPES: Final = tuple(f"okta.{family}.read" for family in _FAMILIES)
# What each administrator role may read. A custom role is bound to a resource set, which holds all
# people, and of the groups those of sites and departments; roles with targets read nothing here.
_READS: Final = {
    "SUPER_ADMIN": frozenset(API_SCOPES),
    "READ_ONLY_ADMIN": frozenset(API_SCOPES) - {"okta.roles.read", "okta.apiTokens.read"},
    "CUSTOM": frozenset(API_SCOPES[:4]),
}
_RESOURCE_SET: Final = ("site-", "dept-")


@dataclass(frozen=True, slots=True)
class Bearer:
    """What an access token stands for: a person, or an application with the role `role`."""

    user_id: str
    scopes: frozenset[str]
    client_id: str = ""
    role: str | None = None
    bound_to: str | None = None


@dataclass(frozen=True, slots=True)
class _Caller:
    """`scopes` are None for an API token; `counted_as` is whose share of the limits it uses."""

    user_id: str
    roles: frozenset[str]
    scopes: frozenset[str] | None
    counted_as: str


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
    def settings(self) -> dict[str, Any]: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def bearer(self) -> Callable[[str], Bearer | None]:
        """What an access token stands for while it is good."""
        ...


class _ProofRefusedError(OktaError):
    """Okta answers a bad proof with a challenge alone."""

    def response(self) -> Response:
        return Response(status_code=self.status, headers=self.headers)


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
                caller = self._caller(request, scope or "")
                request.state.caller = caller.user_id
                spent = self._context.rates.spend(caller.counted_as, request.url.path)
                if not spent.allowed:
                    raise fixed("E0000047")
                if scope is None:
                    raise fixed("E0000022", status=404)
                if request.method != "GET":
                    raise fixed("E0000022")
                role = self._permit(request, caller, scope)
                response = handler(request)
                if role == "CUSTOM":
                    response = self._within_resource_set(request, response)
            except OktaError as error:
                response = error.response()
            response.headers.update(spent.headers())
            response.headers["Cache-Control"] = "no-cache, no-store"
            return response

        return endpoint

    def _caller(self, request: Request, scope: str) -> _Caller:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind == "SSWS":
            return self._owner(token)
        known = self._context.bearer(token) if kind in ("Bearer", "DPoP") else None
        # Neither does a bound token work alone, nor another one with a proof.
        if known is None or (known.bound_to is None) is (kind == "DPoP"):
            refusal = fixed("E0000011")
            if kind in ("Bearer", "DPoP"):
                text = "The access token is invalid."
                refusal.headers |= self._challenge(request, kind, scope, "invalid_token", text)
            raise refusal
        if known.bound_to is not None:
            self._check_proof(request, token, known.bound_to, scope)
        roles = self._roles_of(known.user_id) if known.role is None else frozenset({known.role})
        return _Caller(known.user_id, roles, known.scopes, known.client_id)

    def _owner(self, token: str) -> _Caller:
        """An API token belongs to the administrator who made it, and ends with that account."""
        owner, settings = self._context.organisation.user(API_TOKEN_OWNER), self._context.settings
        is_own = secrets.compare_digest(token.encode(), self._context.api_token.encode())
        if (
            not is_own
            or not settings["api_token_active"]
            or owner is None
            or owner["status"] == "DEPROVISIONED"
        ):
            raise fixed("E0000011")
        return _Caller(owner["id"], frozenset({settings["api_token_role"]}), None, "SSWS")

    def _roles_of(self, user_id: str) -> frozenset[str]:
        """The roles that are bound to nothing: what a person may do with the others is left out."""
        rows = self._context.organisation.roles_of(user_id)
        return frozenset(row["type"] for row in rows) - {"CUSTOM"}

    def _check_proof(self, request: Request, token: str, bound_to: str, scope: str) -> None:
        try:
            if self._context.proofs.thumbprint(request, access_token=token) != bound_to:
                raise ProofError("The DPoP proof JWT is not signed by the key of the access token.")
        except ProofError as reason:
            refusal = _ProofRefusedError(400, "", "")
            refusal.headers |= self._challenge(
                request, "DPoP", scope, reason.error, reason.description
            )
            raise refusal from reason

    def _permit(self, request: Request, caller: _Caller, scope: str) -> str:
        """The role that allows it."""
        refusal = fixed("E0000006")
        if caller.scopes is not None and scope not in caller.scopes:
            kind = request.headers["authorization"].partition(" ")[0]
            text = "The access token provided does not contain the required scopes."
            refusal.headers |= self._challenge(request, kind, scope, "insufficient_scope", text)
            raise refusal
        for role, scopes in _READS.items():
            if role in caller.roles and scope in scopes:
                return role
        raise refusal

    def _within_resource_set(self, request: Request, response: Response) -> Response:
        """A group outside of the resource set is nowhere to be seen, as if there were none."""
        hidden = {
            key
            for key, group in self._context.organisation.groups.items()
            if not group["profile"]["name"].startswith(_RESOURCE_SET)
        }
        asked = request.path_params.get("group")
        if asked in hidden:
            raise not_found(asked, "UserGroup")
        rows = json.loads(bytes(response.body))
        if isinstance(rows, list):
            seen = [row for row in rows if row.get("id") not in hidden]
            response.body = response.render(seen)
            response.headers["content-length"] = str(len(response.body))
        return response

    def _challenge(
        self, request: Request, kind: str, scope: str, error: str, description: str
    ) -> dict[str, str]:
        base = self._context.base_url
        named = {"algs": " ".join(ALGORITHMS)} if kind == "DPoP" else {}
        named |= {
            "authorization_uri": f"{base}/oauth2/v1/authorize",
            "realm": base,
            "scope": scope,
            "error": error,
            "error_description": description,
            "resource": quote(request.scope["path"]),
        }
        shown = ", ".join(f'{name}="{value}"' for name, value in named.items())
        return {"WWW-Authenticate": f"{kind} {shown}"}
