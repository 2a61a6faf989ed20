"""Where the client itself calls: token, userinfo, introspect, revoke.

Answers and texts are Okta's (okta-facts 1.3, 1.5, 1.8 to 1.10). Everything that comes of one login
is one family: a code or a replaced refresh token that is used again ends the family. The service
application has no logins: it gets an access token and nothing else, bound to a key of its own.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.access import API_SCOPES
from okta_mcp.sandbox.claims import group_names, id_token_claims, personal_claims
from okta_mcp.sandbox.clients import ONLY_KEYS_AT_ORG, TokenError, authenticated
from okta_mcp.sandbox.dpop import ProofError
from okta_mcp.sandbox.state import (
    ROTATION_LEEWAY_SECONDS,
    SIGN_IN_REFUSALS,
    TOKEN_SECONDS,
    AuthorizationServer,
    Login,
    SandboxState,
    Token,
    field_of,
)

_REFRESH_SECONDS: Final = 7 * 24 * 3600
_EXPIRED: Final = "The refresh token is invalid or expired."
_WEB: Final = ("authorization_code", "refresh_token")
_SERVICE: Final = ("client_credentials",)


def token_routes(state: SandboxState) -> list[Route]:
    """Of both servers."""
    routes = []
    for server in (state.org, state.custom):
        endpoints, path = _TokenEndpoints(state, server), f"{server.path}/v1"
        routes += [
            Route(f"{path}/token", endpoints.token, methods=["POST"]),
            Route(f"{path}/userinfo", endpoints.userinfo, methods=["GET", "POST"]),
            Route(f"{path}/introspect", endpoints.introspect, methods=["POST"]),
            Route(f"{path}/revoke", endpoints.revoke, methods=["POST"]),
        ]
    return routes


class _TokenEndpoints:
    def __init__(self, state: SandboxState, server: AuthorizationServer) -> None:
        self._state = state
        self._server = server

    async def token(self, request: Request) -> Response:
        try:
            form = await request.form()
            client_id = authenticated(self._state, request, form)
            application = self._state.application(client_id)
            match _grant_type(form, application.grant_types if application else _SERVICE):
                case "authorization_code":
                    answer = self._from_code(form, client_id)
                case "refresh_token":
                    answer = self._from_refresh_token(form, client_id)
                case _:
                    answer = self._for_service(request, form, client_id)
        except TokenError as error:
            return error.response()
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self._state.bearer(token, self._server)
        if known is None or not known.user_id:
            challenge = (
                'Bearer error="invalid_token", error_description="The access token is invalid."'
            )
            return Response(status_code=401, headers={"WWW-Authenticate": challenge})
        user = self._state.organisation.users[known.user_id]
        return JSONResponse(
            {"sub": user["id"], **personal_claims(self._state, user, tuple(known.scopes))}
        )

    async def introspect(self, request: Request) -> Response:
        try:
            form = await request.form()
            authenticated(self._state, request, form)
        except TokenError as error:
            return error.response()
        token = self._state.access_token(field_of(form, "token"), self._server)
        if token is None:
            return JSONResponse({"active": False})
        claims = token.claims
        answer = {
            "active": True,
            "scope": " ".join(token.scopes),
            "username": claims["sub"],
            "token_type": "Bearer" if token.bound_to is None else "DPoP",
            "client_id": token.client_id,
            **{name: claims[name] for name in ("exp", "iat", "sub", "aud", "iss", "jti")},
            **{name: claims[name] for name in ("uid",) if name in claims},
        }
        return JSONResponse(answer)

    async def revoke(self, request: Request) -> Response:
        try:
            form = await request.form()
            authenticated(self._state, request, form)
        except TokenError as error:
            return error.response()
        token = self._state.tokens.pop(field_of(form, "token"), None)
        # An access token goes alone; a refresh token takes everything of its login along.
        if token is not None and token.kind == "refresh" and token.login is not None:
            self._state.end_family(token.login.family)
        return Response(status_code=200)

    def _from_code(self, form: FormData, client_id: str) -> dict[str, Any]:
        code = self._state.codes.get(field_of(form, "code"))
        if code is not None and code.used:
            self._state.end_family(code.login.family)
        # A code of another application or of the other server is unknown here.
        if code is not None and (code.client_id, code.server) != (client_id, self._server.path):
            code = None
        if code is None or code.used or code.expires_at <= self._state.now():
            raise TokenError("invalid_grant", "The authorization code is invalid or has expired.")
        if field_of(form, "redirect_uri") != code.redirect_uri:
            raise TokenError(
                "invalid_grant",
                "The redirect URI does not match the one used in the authorization request.",
            )
        if code.challenge is not None and not hmac.compare_digest(
            _s256(field_of(form, "code_verifier")).encode(), code.challenge.encode()
        ):
            raise TokenError("invalid_grant", "PKCE verification failed.")
        code.used = True
        return self._issued(client_id, code.login, code.scopes, nonce=code.nonce)

    def _from_refresh_token(self, form: FormData, client_id: str) -> dict[str, Any]:
        value, now = field_of(form, "refresh_token"), self._state.now()
        token = self._state.tokens.get(value)
        login = token.login if token is not None and token.kind == "refresh" else None
        if token is not None and (token.client_id, token.server) != (client_id, self._server.path):
            login = None
        if token is None or login is None or token.expires_at <= now:
            raise TokenError("invalid_grant", _EXPIRED)
        if self._state.organisation.users[login.user_id]["status"] in SIGN_IN_REFUSALS:
            raise TokenError("invalid_grant", _EXPIRED)
        if token.replaced_at is not None and now - token.replaced_at > ROTATION_LEEWAY_SECONDS:
            self._state.end_family(login.family)
            raise TokenError("invalid_grant", _EXPIRED)
        scopes = tuple(field_of(form, "scope").split()) or token.scopes
        if not set(scopes) <= set(token.scopes):
            raise TokenError(
                "access_denied",
                "Some of the scopes requested for the refresh request were not granted in the"
                " original authorize request",
            )
        if self._state.settings["refresh_rotation"] == "STATIC":
            return self._issued(client_id, login, scopes, kept=value)
        # The leeway runs from the first replacement, however often the old token comes again.
        token.replaced_at = now if token.replaced_at is None else token.replaced_at
        return self._issued(client_id, login, scopes)

    def _issued(
        self,
        client_id: str,
        login: Login,
        scopes: tuple[str, ...],
        *,
        nonce: str | None = None,
        kept: str | None = None,
    ) -> dict[str, Any]:
        """Tokens of this login; `kept` is a refresh token that stays."""
        user = self._state.organisation.users[login.user_id]
        subject: dict[str, Any] = {
            "cid": client_id,
            "sub": user["profile"]["login"],
            "uid": user["id"],
            "auth_time": login.auth_time,
        }
        if self._server.is_custom and self._state.settings["custom_groups_claim"] == "on":
            subject["groups"] = group_names(self._state, user)
        token = Token("access", self._server.path, client_id, login, scopes)
        answer = self._access_token(token, subject)
        if "openid" in scopes:
            claims = id_token_claims(self._state, user, token, answer["access_token"], login)
            if nonce is not None:
                claims["nonce"] = nonce
            answer["id_token"] = self._state.keys_of(self._server)[0].signed(claims)
        if "offline_access" in scopes:
            answer["refresh_token"] = kept or secrets.token_urlsafe(32)
            if kept is None:
                ends = self._state.now() + _REFRESH_SECONDS
                self._state.tokens[answer["refresh_token"]] = Token(
                    "refresh", self._server.path, client_id, login, scopes, expires_at=ends
                )
        return answer

    def _for_service(self, request: Request, form: FormData, client_id: str) -> dict[str, Any]:
        if not self._server.is_custom and self._state.application(client_id) is not None:
            raise TokenError("invalid_client", ONLY_KEYS_AT_ORG, 401)
        bound_to = None if self._server.is_custom else self._key_of(request)
        asked = tuple(field_of(form, "scope").split())
        if not asked:
            raise TokenError(
                "invalid_scope",
                "The authorization server resource does not have any configured default scopes,"
                " 'scope' must be provided.",
            )
        if "openid" in asked:
            raise TokenError(
                "invalid_scope", "The 'openid' scope is not allowed for client credentials."
            )
        known = self._server.scopes if self._server.is_custom else API_SCOPES
        if not set(asked) <= set(known):
            raise TokenError(
                "invalid_scope",
                "One or more scopes are not configured for the authorization server resource.",
            )
        scopes = self._state.allowed("service", asked)
        if not scopes:
            raise TokenError("consent_required", "You are not allowed any of the requested scopes.")
        subject: dict[str, Any] = {"cid": client_id, "sub": client_id}
        if bound_to is not None:
            subject["cnf"] = {"jkt": bound_to}
        token = Token("access", self._server.path, client_id, None, scopes, bound_to=bound_to)
        return self._access_token(token, subject)

    def _key_of(self, request: Request) -> str | None:
        """The thumbprint of the key that the token will be bound to, if it will be."""
        mode = self._state.settings["service_dpop"]
        if mode == "off" or (mode == "optional" and "dpop" not in request.headers):
            return None
        try:
            return self._state.proofs.thumbprint(request, needs_nonce=True)
        except ProofError as reason:
            needs_nonce = reason.error == "use_dpop_nonce"
            headers = {"dpop-nonce": self._state.proofs.nonce()} if needs_nonce else None
            raise TokenError(reason.error, reason.description, headers=headers) from reason

    def _access_token(self, token: Token, subject: dict[str, Any]) -> dict[str, Any]:
        """The answer with an access token, which is `token` from now on.

        The custom server's can be verified by everybody. The organisation's looks like a JWT, but
        its key is published nowhere: nobody but Okta can verify it.
        """
        now = int(self._state.now())
        token.expires_at = now + TOKEN_SECONDS
        claims = {
            "ver": 1,
            "jti": f"AT.{secrets.token_urlsafe(16)}",
            "iss": self._server.issuer,
            "aud": self._server.audience,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "scp": list(token.scopes),
            **subject,
        }
        if self._server.is_custom:
            value = self._state.custom_keys[0].signed(claims, typ=None)
        else:
            value = self._state.internal_key.signed(claims, typ="application/okta-internal-at+jwt")
        token.claims = claims
        self._state.tokens[value] = token
        return {
            "token_type": "Bearer" if token.bound_to is None else "DPoP",
            "expires_in": TOKEN_SECONDS,
            "access_token": value,
            "scope": " ".join(token.scopes),
        }


def _grant_type(form: FormData, configured: tuple[str, ...]) -> str:
    """The grant type of the request, which is one of those of the application."""
    asked = field_of(form, "grant_type")
    if asked not in (*_WEB, *_SERVICE):
        raise TokenError(
            "unsupported_grant_type",
            "The authorization grant type is not supported by the authorization server.",
        )
    if asked not in configured:
        raise TokenError(
            "unauthorized_client",
            "The client is not authorized to use the provided grant type. Configured grant types:"
            f" [{', '.join(configured)}].",
        )
    return asked


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
