"""The organisation's authorization server: sign-in page, authorize, token, userinfo, logout.

Checks run in Okta's order and answer in Okta's words (okta-facts 1.2 to 1.8); what a client gets
wrong before its redirect URI is known is a page with status 400 and never a redirect.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from okta_mcp.sandbox.state import (
    CODE_SECONDS,
    ROTATION_LEEWAY_SECONDS,
    TOKEN_SECONDS,
    Code,
    SandboxState,
    Token,
)

_OIDC_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access", "groups")
_API_SCOPES = tuple(
    f"okta.{family}.read"
    for family in ("users", "groups", "apps", "logs", "policies", "networkZones")
)
_STATE = re.compile(r"[A-Za-z0-9,._-]+")
_GROUPS_FILTER = re.compile(r"^sso-")
_REFRESH_SECONDS = 7 * 24 * 3600
_SIGN_IN_REFUSALS = {
    "SUSPENDED": "Your account is suspended. Contact your administrator.",
    "LOCKED_OUT": "Your account is locked. Contact your administrator.",
    "DEPROVISIONED": "Unable to sign in",
    "STAGED": "Unable to sign in",
    "PROVISIONED": "Unable to sign in",
}
_REDIRECT_URI_TEXT = (
    "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings"
)


class _RedirectedError(Exception):
    """An error that goes to the redirect URI."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class _TokenError(Exception):
    """An error of the token endpoint or its neighbours."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True)
class _Authorization:
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    challenge: str | None
    nonce: str | None
    prompt: tuple[str, ...]


class Identity:
    """The identity endpoints over one state."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._pages = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
        )

    def routes(self) -> list[Route]:
        """As Okta's organisation authorization server has them."""
        return [
            Route("/.well-known/openid-configuration", self.metadata),
            Route("/oauth2/v1/keys", self.keys),
            Route("/oauth2/v1/authorize", self.authorize, methods=["GET", "POST"]),
            Route("/signin", self.sign_in_page, methods=["GET"]),
            Route("/signin", self.sign_in, methods=["POST"]),
            Route("/oauth2/v1/token", self.token, methods=["POST"]),
            Route("/oauth2/v1/userinfo", self.userinfo, methods=["GET", "POST"]),
            Route("/oauth2/v1/revoke", self.revoke, methods=["POST"]),
            Route("/oauth2/v1/logout", self.logout, methods=["GET", "POST"]),
        ]

    async def metadata(self, _: Request) -> Response:
        base = self._state.base_url
        document = {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth2/v1/authorize",
            "token_endpoint": f"{base}/oauth2/v1/token",
            "userinfo_endpoint": f"{base}/oauth2/v1/userinfo",
            "jwks_uri": f"{base}/oauth2/v1/keys",
            "revocation_endpoint": f"{base}/oauth2/v1/revoke",
            "end_session_endpoint": f"{base}/oauth2/v1/logout",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": [*_OIDC_SCOPES, *_API_SCOPES],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "name", "email"],
        }
        return JSONResponse(document, headers={"Cache-Control": "max-age=86400, must-revalidate"})

    async def keys(self, _: Request) -> Response:
        keys = [key.public_jwk() for key in self._state.keys]
        return JSONResponse({"keys": keys}, headers={"Cache-Control": "max-age=3600"})

    async def authorize(self, request: Request) -> Response:
        parameters = dict(request.query_params)
        if request.method == "POST":
            parameters = {name: str(value) for name, value in (await request.form()).items()}
        if parameters.get("client_id") != self._state.registration.client_id:
            return self._bad_request("Invalid value for 'client_id' parameter.")
        redirect_uri = parameters.get("redirect_uri", "")
        if redirect_uri not in self._state.registration.redirect_uris:
            return self._bad_request(_REDIRECT_URI_TEXT)
        try:
            asked = self._checked(parameters)
            session = self._session(request)
            if session is not None and "login" not in asked.prompt:
                return self._finished(asked, *session)
            if "none" in asked.prompt:
                raise _RedirectedError(
                    "login_required",
                    "The client specified not to prompt, but the user is not logged in.",
                )
        except _RedirectedError as error:
            return self._redirected(
                redirect_uri,
                {
                    "state": parameters.get("state", ""),
                    "error": error.error,
                    "error_description": error.description,
                },
            )
        return self._sign_in_page(request, urlencode(parameters))

    async def sign_in_page(self, request: Request) -> Response:
        return self._sign_in_page(request, request.query_params.get("request", ""))

    async def sign_in(self, request: Request) -> Response:
        form = await request.form()
        csrf, cookie = _field(form, "csrf"), request.cookies.get("sandbox_csrf", "")
        if not csrf or not hmac.compare_digest(csrf.encode(), cookie.encode()):
            return self._bad_request("This form has expired. Go back and reload the page.")
        query = _field(form, "request")
        if "search" in form:
            return self._sign_in_page(request, query, search=_field(form, "q"))
        parameters = dict(Request({"type": "http", "query_string": query.encode()}).query_params)
        redirect_uri = parameters.get("redirect_uri", "")
        is_request = redirect_uri in self._state.registration.redirect_uris
        if "deny" in form and is_request:
            return self._redirected(
                redirect_uri,
                {
                    "state": parameters.get("state", ""),
                    "error": "access_denied",
                    "error_description": "The resource owner denied the request.",
                },
            )
        user = self._state.organisation.user(_field(form, "login"))
        if user is None:
            return self._sign_in_page(request, query, message="Unable to sign in")
        refusal = _SIGN_IN_REFUSALS.get(user["status"])
        if refusal:
            return self._sign_in_page(request, query, message=refusal)
        session_id, moment = secrets.token_urlsafe(32), int(self._state.now())
        self._state.sessions[session_id] = (user["id"], moment)
        if is_request:
            try:
                response = self._finished(self._checked(parameters), user["id"], moment)
            except _RedirectedError as error:
                response = self._redirected(
                    redirect_uri,
                    {
                        "state": parameters.get("state", ""),
                        "error": error.error,
                        "error_description": error.description,
                    },
                )
        else:
            response = self._page("signed_in.html", name=_name(user))
        response.set_cookie("sid", session_id, httponly=True, samesite="lax", path="/")
        return response

    def _checked(self, parameters: dict[str, str]) -> _Authorization:
        """In the order in which Okta finds fault."""
        if parameters.get("response_type") != "code":
            raise _RedirectedError(
                "unsupported_response_type",
                "The response type is not supported by the authorization server.",
            )
        if parameters.get("response_mode", "query") != "query":
            raise _RedirectedError("invalid_request", "The response mode is not supported.")
        state = parameters.get("state", "")
        if not _STATE.fullmatch(state):
            raise _RedirectedError(
                "invalid_request", "The authentication request has an invalid 'state' parameter."
            )
        scopes = tuple(parameters.get("scope", "").split())
        if not scopes or not set(scopes) <= {*_OIDC_SCOPES, *_API_SCOPES}:
            raise _RedirectedError(
                "invalid_scope",
                "One or more scopes are not configured for the authorization server resource.",
            )
        challenge = parameters.get("code_challenge")
        if challenge is not None and parameters.get("code_challenge_method") != "S256":
            raise _RedirectedError(
                "invalid_request", "The 'code_challenge_method' is not supported."
            )
        return _Authorization(
            parameters["redirect_uri"],
            state,
            scopes,
            challenge,
            parameters.get("nonce"),
            tuple(parameters.get("prompt", "").split()),
        )

    def _finished(self, asked: _Authorization, user_id: str, auth_time: int) -> Response:
        """The code, for a person who is signed in and may use the application."""
        if not self._state.settings["assigned"]:
            raise _RedirectedError(
                "access_denied", "User is not assigned to the client application."
            )
        if "groups" in asked.scopes and self._state.settings["groups_claim"] == "too_many":
            raise _RedirectedError(
                "server_error",
                "The groups claim matched too many groups and must be configured to match fewer"
                " groups.",
            )
        code = secrets.token_urlsafe(32)
        self._state.codes[code] = Code(
            user_id,
            asked.redirect_uri,
            asked.scopes,
            asked.challenge,
            asked.nonce,
            auth_time,
            self._state.now() + CODE_SECONDS,
            family=secrets.token_hex(8),
        )
        return self._redirected(asked.redirect_uri, {"code": code, "state": asked.state})

    async def token(self, request: Request) -> Response:
        try:
            form = await request.form()
            self._authenticate(request, form)
            grant_type = _field(form, "grant_type")
            if grant_type == "authorization_code":
                answer = self._from_code(form)
            elif grant_type == "refresh_token":
                answer = self._from_refresh_token(form)
            else:
                raise _TokenError(
                    "unsupported_grant_type",
                    "The authorization grant type is not supported by the authorization server.",
                )
        except _TokenError as error:
            return _error(error)
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def _authenticate(self, request: Request, form: FormData) -> None:
        header = request.headers.get("authorization", "")
        by_form = "client_secret" in form
        if header and by_form:
            raise _TokenError(
                "invalid_request",
                "Cannot supply multiple client credentials. Use one of the following: credentials"
                " in the Authorization header, credentials in the post body, or a client_assertion"
                " in the post body.",
            )
        client_id, secret = _field(form, "client_id"), _field(form, "client_secret")
        if header:
            try:
                pair = base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                pair = ""
            client_id, _, secret = (unquote_plus(part) for part in pair.partition(":"))
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
        code = self._state.codes.get(_field(form, "code"))
        if code is not None and code.used:
            self._state.end_family(code.family)
        if code is None or code.used or code.expires_at <= self._state.now():
            raise _TokenError("invalid_grant", "The authorization code is invalid or has expired.")
        if _field(form, "redirect_uri") != code.redirect_uri:
            raise _TokenError(
                "invalid_grant",
                "The redirect URI does not match the one used in the authorization request.",
            )
        if code.challenge is not None and not hmac.compare_digest(
            _s256(_field(form, "code_verifier")), code.challenge
        ):
            raise _TokenError("invalid_grant", "PKCE verification failed.")
        code.used = True
        return self._issued(code.user_id, code.scopes, code.family, code.auth_time, code.nonce)

    def _from_refresh_token(self, form: FormData) -> dict[str, Any]:
        value, now = _field(form, "refresh_token"), self._state.now()
        token = self._state.tokens.get(value)
        if token is None or token.kind != "refresh" or token.expires_at <= now:
            raise _TokenError("invalid_grant", "The refresh token is invalid or expired.")
        user = self._state.organisation.user(token.user_id)
        if user is None or user["status"] in _SIGN_IN_REFUSALS:
            raise _TokenError("invalid_grant", "The refresh token is invalid or expired.")
        if token.replaced_at is not None and now - token.replaced_at > ROTATION_LEEWAY_SECONDS:
            self._state.end_family(token.family)
            raise _TokenError("invalid_grant", "The refresh token is invalid or expired.")
        scopes = tuple(_field(form, "scope").split()) or token.scopes
        if not set(scopes) <= set(token.scopes):
            raise _TokenError(
                "access_denied",
                "Some of the scopes requested for the refresh request were not granted in the"
                " original authorize request",
            )
        kept = None
        if self._state.settings["refresh_rotation"] == "STATIC":
            kept = value
        else:
            token.replaced_at = now
        return self._issued(token.user_id, scopes, token.family, token.auth_time, None, kept)

    def _issued(
        self,
        user_id: str,
        scopes: tuple[str, ...],
        family: str,
        auth_time: int,
        nonce: str | None,
        refresh_token: str | None = None,
    ) -> dict[str, Any]:
        now = int(self._state.now())
        user = self._state.organisation.users[user_id]
        access_token = self._state.internal_key.signed(
            {
                "ver": 1,
                "jti": f"AT.{secrets.token_urlsafe(16)}",
                "iss": self._state.base_url,
                "aud": self._state.base_url,
                "sub": user["profile"]["login"],
                "iat": now,
                "exp": now + TOKEN_SECONDS,
                "cid": self._state.registration.client_id,
                "uid": user_id,
                "scp": list(scopes),
            },
            typ="application/okta-internal-at+jwt",
        )
        self._state.tokens[access_token] = Token(
            "access", user_id, scopes, now + TOKEN_SECONDS, family, auth_time
        )
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "access_token": access_token,
            "scope": " ".join(scopes),
        }
        if "openid" in scopes:
            answer["id_token"] = self._id_token(user, scopes, access_token, auth_time, nonce)
        if "offline_access" in scopes:
            if refresh_token is None:
                refresh_token = secrets.token_urlsafe(32)
                self._state.tokens[refresh_token] = Token(
                    "refresh", user_id, scopes, now + _REFRESH_SECONDS, family, auth_time
                )
            answer["refresh_token"] = refresh_token
        return answer

    def _id_token(
        self,
        user: dict[str, Any],
        scopes: tuple[str, ...],
        access_token: str,
        auth_time: int,
        nonce: str | None,
    ) -> str:
        now = int(self._state.now())
        claims: dict[str, Any] = {
            "sub": user["id"],
            "ver": 1,
            "iss": self._state.base_url,
            "aud": self._state.registration.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": f"ID.{secrets.token_urlsafe(16)}",
            "amr": ["pwd", "mfa", "otp"],
            "idp": "00osandboxnorthwind0",
            "auth_time": auth_time,
            "at_hash": _left_half(access_token),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        claims |= self._profile_claims(user, scopes)
        if self._state.settings["id_token_style"] == "fat":  # noqa: S105 - a style
            claims |= self._groups_claim(user, scopes)
        return self._state.keys[0].signed(claims)

    def _profile_claims(self, user: dict[str, Any], scopes: tuple[str, ...]) -> dict[str, Any]:
        profile, claims = user["profile"], {}
        if "profile" in scopes:
            claims |= {"name": _name(user), "preferred_username": profile["login"]}
        if "email" in scopes:
            claims |= {"email": profile["email"], "email_verified": True}
        return claims

    def _groups_claim(self, user: dict[str, Any], scopes: tuple[str, ...]) -> dict[str, Any]:
        """Names only, Okta's own groups only; no claim at all where nothing matches."""
        if "groups" not in scopes or self._state.settings["groups_claim"] != "on":
            return {}
        names = [
            group["profile"]["name"]
            for group in self._state.organisation.groups_of(user["id"])
            if group["type"] == "OKTA_GROUP" and _GROUPS_FILTER.match(group["profile"]["name"])
        ]
        return {"groups": names} if names else {}

    async def userinfo(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = self._state.bearer_scopes(token)
        if known is None:
            challenge = (
                'Bearer error="invalid_token", error_description="The access token is invalid."'
            )
            return Response(status_code=401, headers={"WWW-Authenticate": challenge})
        user, scopes = self._state.organisation.users[known[0]], tuple(known[1])
        claims = self._profile_claims(user, scopes) | self._groups_claim(user, scopes)
        return JSONResponse({"sub": user["id"], **claims})

    async def revoke(self, request: Request) -> Response:
        try:
            form = await request.form()
            self._authenticate(request, form)
        except _TokenError as error:
            return _error(error)
        token = self._state.tokens.pop(_field(form, "token"), None)
        if token is not None and token.kind == "refresh":
            self._state.end_family(token.family)
        return Response(status_code=200)

    async def logout(self, request: Request) -> Response:
        target = request.query_params.get("post_logout_redirect_uri")
        if not self._is_own_id_token(request.query_params.get("id_token_hint", "")):
            return self._bad_request("The 'id_token_hint' parameter is invalid.")
        if target and target not in self._state.registration.post_logout_redirect_uris:
            return self._bad_request(
                "The 'post_logout_redirect_uri' parameter must be a Logout redirect URI in the"
                " client app settings."
            )
        self._state.sessions.pop(request.cookies.get("sid", ""), None)
        state = request.query_params.get("state")
        response = (
            self._redirected(target, {"state": state} if state else {})
            if target
            else RedirectResponse(f"{self._state.base_url}/signin", status_code=302)
        )
        response.delete_cookie("sid", path="/")
        return response

    def _is_own_id_token(self, id_token: str) -> bool:
        """Signed by a key that is published; an expired one still counts."""
        for key in self._state.keys:
            try:
                jwt.decode(
                    id_token,
                    key.private.public_key(),
                    algorithms=["RS256"],
                    audience=self._state.registration.client_id,
                    options={"verify_exp": False},
                )
            except jwt.PyJWTError:
                continue
            return True
        return False

    def _session(self, request: Request) -> tuple[str, int] | None:
        session = self._state.sessions.get(request.cookies.get("sid", ""))
        if session is None:
            return None
        user = self._state.organisation.user(session[0])
        return session if user and user["status"] not in _SIGN_IN_REFUSALS else None

    def _sign_in_page(
        self, request: Request, query: str, *, message: str = "", search: str = ""
    ) -> Response:
        found = []
        if search:
            needle = search.casefold()
            found = [
                {"login": user["profile"]["login"], "name": _name(user), "status": user["status"]}
                for user in self._state.organisation.users.values()
                if needle in f"{_name(user)} {user['profile']['login']}".casefold()
            ][:10]
        csrf = request.cookies.get("sandbox_csrf") or secrets.token_urlsafe(16)
        response = self._page(
            "sign_in.html",
            personas=self._state.organisation.personas,
            found=found,
            search=search,
            request=query,
            message=message,
            csrf=csrf,
        )
        response.set_cookie("sandbox_csrf", csrf, httponly=True, samesite="lax", path="/")
        return response

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        html = self._pages.get_template(template).render(**values)
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY"}
        return HTMLResponse(html, status_code=status, headers=headers)

    def _bad_request(self, text: str) -> Response:
        return self._page("bad_request.html", status=400, text=text)

    def _redirected(self, target: str, parameters: dict[str, str]) -> Response:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return RedirectResponse(f"{target}{query}", status_code=302)


def _field(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _name(user: dict[str, Any]) -> str:
    return f"{user['profile'].get('firstName', '')} {user['profile'].get('lastName', '')}".strip()


def _s256(verifier: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


def _left_half(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _error(error: _TokenError) -> Response:
    return JSONResponse(
        {"error": error.error, "error_description": error.description}, status_code=error.status
    )
