"""Where the client itself calls: token, userinfo, revoke.

Answers and texts are Okta's (okta-facts 1.3, 1.5, 1.8). Everything that comes of one login is one
family: a code or a replaced refresh token that is used again ends the family.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final
from urllib.parse import unquote_plus

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.claims import id_token_claims, personal_claims
from okta_mcp.sandbox.state import (
    ROTATION_LEEWAY_SECONDS,
    SIGN_IN_REFUSALS,
    TOKEN_SECONDS,
    SandboxState,
    Token,
    field_of,
)

_REFRESH_SECONDS: Final = 7 * 24 * 3600
_EXPIRED: Final = "The refresh token is invalid or expired."


class _TokenError(Exception):
    """An error in the form of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status

    def response(self) -> Response:
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, status_code=self.status)


def token_routes(state: SandboxState) -> list[Route]:
    """As Okta's organisation authorization server has them."""
    endpoints = _TokenEndpoints(state)
    return [
        Route("/oauth2/v1/token", endpoints.token, methods=["POST"]),
        Route("/oauth2/v1/userinfo", endpoints.userinfo, methods=["GET", "POST"]),
        Route("/oauth2/v1/revoke", endpoints.revoke, methods=["POST"]),
    ]


class _TokenEndpoints:
    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def token(self, request: Request) -> Response:
        try:
            form = await request.form()
            self._authenticate(request, form)
            match field_of(form, "grant_type"):
                case "authorization_code":
                    answer = self._from_code(form)
                case "refresh_token":
                    answer = self._from_refresh_token(form)
                case _:
                    raise _TokenError(
                        "unsupported_grant_type",
                        "The authorization grant type is not supported by the authorization"
                        " server.",
                    )
        except _TokenError as error:
            return error.response()
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self._state.bearer_scopes(token)
        if known is None:
            challenge = (
                'Bearer error="invalid_token", error_description="The access token is invalid."'
            )
            return Response(status_code=401, headers={"WWW-Authenticate": challenge})
        user = self._state.organisation.users[known[0]]
        return JSONResponse(
            {"sub": user["id"], **personal_claims(self._state, user, tuple(known[1]))}
        )

    async def revoke(self, request: Request) -> Response:
        try:
            form = await request.form()
            self._authenticate(request, form)
        except _TokenError as error:
            return error.response()
        token = self._state.tokens.pop(field_of(form, "token"), None)
        # An access token goes alone; a refresh token takes everything of its login along.
        if token is not None and token.kind == "refresh":
            self._state.end_family(token.family)
        return Response(status_code=200)

    def _authenticate(self, request: Request, form: FormData) -> None:
        header = request.headers.get("authorization", "")
        if header and "client_secret" in form:
            raise _TokenError(
                "invalid_request",
                "Cannot supply multiple client credentials. Use one of the following: credentials"
                " in the Authorization header, credentials in the post body, or a client_assertion"
                " in the post body.",
            )
        client_id, secret = field_of(form, "client_id"), field_of(form, "client_secret")
        if header:
            client_id, secret = _basic(header)
        if client_id != self._state.registration.client_id:
            raise _TokenError("invalid_client", "Invalid value for 'client_id' parameter.", 401)
        expected = self._state.registration.client_secret
        if not hmac.compare_digest(secret.encode(), expected.encode()):
            raise _TokenError(
                "invalid_client",
                "The client secret supplied for a confidential client is invalid.",
                401,
            )

    def _from_code(self, form: FormData) -> dict[str, Any]:
        code = self._state.codes.get(field_of(form, "code"))
        if code is not None and code.used:
            self._state.end_family(code.family)
        if code is None or code.used or code.expires_at <= self._state.now():
            raise _TokenError("invalid_grant", "The authorization code is invalid or has expired.")
        if field_of(form, "redirect_uri") != code.redirect_uri:
            raise _TokenError(
                "invalid_grant",
                "The redirect URI does not match the one used in the authorization request.",
            )
        if code.challenge is not None and not hmac.compare_digest(
            _s256(field_of(form, "code_verifier")).encode(), code.challenge.encode()
        ):
            raise _TokenError("invalid_grant", "PKCE verification failed.")
        code.used = True
        login = Token("refresh", code.user_id, code.scopes, 0, code.family, code.auth_time)
        return self._issued(login, code.scopes, nonce=code.nonce)

    def _from_refresh_token(self, form: FormData) -> dict[str, Any]:
        value, now = field_of(form, "refresh_token"), self._state.now()
        token = self._state.tokens.get(value)
        if token is None or token.kind != "refresh" or token.expires_at <= now:
            raise _TokenError("invalid_grant", _EXPIRED)
        if self._state.organisation.users[token.user_id]["status"] in SIGN_IN_REFUSALS:
            raise _TokenError("invalid_grant", _EXPIRED)
        if token.replaced_at is not None and now - token.replaced_at > ROTATION_LEEWAY_SECONDS:
            self._state.end_family(token.family)
            raise _TokenError("invalid_grant", _EXPIRED)
        scopes = tuple(field_of(form, "scope").split()) or token.scopes
        if not set(scopes) <= set(token.scopes):
            raise _TokenError(
                "access_denied",
                "Some of the scopes requested for the refresh request were not granted in the"
                " original authorize request",
            )
        if self._state.settings["refresh_rotation"] == "STATIC":
            return self._issued(token, scopes, kept=value)
        # The leeway runs from the first replacement, however often the old token comes again.
        token.replaced_at = now if token.replaced_at is None else token.replaced_at
        return self._issued(token, scopes)

    def _issued(
        self,
        login: Token,
        scopes: tuple[str, ...],
        *,
        nonce: str | None = None,
        kept: str | None = None,
    ) -> dict[str, Any]:
        """Tokens of the login that `login` belongs to; `kept` is a refresh token that stays."""
        now = int(self._state.now())
        user = self._state.organisation.users[login.user_id]
        access_token = self._access_token(user, scopes, now)
        self._state.tokens[access_token] = Token(
            "access", login.user_id, scopes, now + TOKEN_SECONDS, login.family, login.auth_time
        )
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "access_token": access_token,
            "scope": " ".join(scopes),
        }
        if "openid" in scopes:
            claims = id_token_claims(self._state, user, scopes, access_token, login.auth_time)
            if nonce is not None:
                claims["nonce"] = nonce
            answer["id_token"] = self._state.keys[0].signed(claims)
        if "offline_access" in scopes:
            answer["refresh_token"] = kept or secrets.token_urlsafe(32)
            if kept is None:
                self._state.tokens[answer["refresh_token"]] = Token(
                    "refresh",
                    login.user_id,
                    scopes,
                    now + _REFRESH_SECONDS,
                    login.family,
                    login.auth_time,
                )
        return answer

    def _access_token(self, user: dict[str, Any], scopes: tuple[str, ...], now: int) -> str:
        """Looks like a JWT, but its key is published nowhere: nobody but Okta can verify it."""
        claims = {
            "ver": 1,
            "jti": f"AT.{secrets.token_urlsafe(16)}",
            "iss": self._state.base_url,
            "aud": self._state.base_url,
            "sub": user["profile"]["login"],
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "cid": self._state.registration.client_id,
            "uid": user["id"],
            "scp": list(scopes),
        }
        return self._state.internal_key.signed(claims, typ="application/okta-internal-at+jwt")


def _basic(header: str) -> tuple[str, str]:
    """Client id and secret of RFC 6749, section 2.3.1; empty where they cannot be read."""
    try:
        pair = base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        return "", ""
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
