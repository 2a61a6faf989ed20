"""The OAuth client towards Okta: discovery, the authorization URL, tokens, and their end.

Called by the sign-in endpoints. Endpoint URLs come from Okta's discovery document and must stand on
the issuer's own host; none is composed by hand (okta-facts 1.1). Okta's tokens stay behind this
module and the sealed store; its texts are never shown, only its error codes are mapped.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from okta_mcp.okta.keys import IdTokenError, SigningKeys, verified_id_token

_LARGEST_ANSWER = 1024 * 1024
# For the whole answer: the client's own time-out begins anew with every byte.
_ANSWER_SECONDS = 10.0
_DISCOVERY_SECONDS = 3600.0
_RETRY_DISCOVERY_SECONDS = 5.0
# RFC 7636 allows 43 to 128 characters; 64 random bytes make 86.
_VERIFIER_BYTES = 64


class OktaLoginError(Exception):
    """A sign-in could not be finished. `reason` is stable, ours, and safe to log and to show.

    OktaLoginError
    ├── LoginUnavailableError   Okta did not answer, or not in its form
    └── LoginRefusedError       Okta answered with an error of its own
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoginUnavailableError(OktaLoginError):
    """Okta cannot be reached now; the same may work later."""


class LoginRefusedError(OktaLoginError):
    """Okta said no. `reason` is one of the reasons of `pages/problems.py`."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What of Okta's discovery document is used."""

    authorization: str
    token: str
    userinfo: str
    keys: str
    revocation: str | None
    end_session: str | None


@dataclass(frozen=True, slots=True)
class UpstreamTokens:
    """Okta's answer at the token endpoint, with the verified claims of its ID token."""

    claims: dict[str, Any]
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


def new_verifier() -> str:
    """A fresh PKCE code verifier (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(_VERIFIER_BYTES)


def s256(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


class OktaLogin:
    """One Okta authorization server and the application registered there.

    `http` is the shared client, owned by the caller; `now` gives epoch seconds.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        issuer: str,
        client_id: str,
        client_secret: str,
        auth_method: str,
        redirect_uri: str,
        now: Callable[[], float],
    ) -> None:
        self._http = http
        self.issuer = issuer
        self.client_id = client_id
        self._client_secret = client_secret
        self._auth_method = auth_method
        self.redirect_uri = redirect_uri
        self._now = now
        self._endpoints: Endpoints | None = None
        self._endpoints_until = 0.0
        self._discovery_failed_at = float("-inf")
        self._keys = SigningKeys(self._fetched_keys, now)

    async def endpoints(self) -> Endpoints:
        """Okta's endpoints, asked for once an hour; raises `LoginUnavailableError`.

        While Okta is away, what was last known is used, and Okta is asked again at most every
        5 seconds.
        """
        now = self._now()
        if now < self._endpoints_until and self._endpoints is not None:
            return self._endpoints
        if now - self._discovery_failed_at < _RETRY_DISCOVERY_SECONDS:
            if self._endpoints is not None:
                return self._endpoints
            raise LoginUnavailableError("okta_unreachable")
        try:
            self._endpoints = await self._discovered()
        except LoginUnavailableError:
            self._discovery_failed_at = now
            if self._endpoints is None:
                raise
            return self._endpoints
        self._endpoints_until = now + _DISCOVERY_SECONDS
        return self._endpoints

    async def authorization_url(
        self, *, state: str, nonce: str, verifier: str, scopes: tuple[str, ...], force_login: bool
    ) -> str:
        """Where the browser goes: only values of ours, nothing of the client's request."""
        parameters = {
            "client_id": self.client_id,
            "response_type": "code",
            "scope": " ".join(scopes),
            "redirect_uri": self.redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": s256(verifier),
            "code_challenge_method": "S256",
        }
        if force_login:
            parameters["prompt"] = "login"
        endpoints = await self.endpoints()
        return f"{endpoints.authorization}?{urlencode(parameters)}"

    async def redirect_uri_is_registered(self) -> bool:
        """Ask Okta's authorization endpoint once with `prompt=none`.

        Okta answers 400 with a page of its own, and does not redirect, when the redirect URI or the
        client is unknown to it.
        """
        verifier = new_verifier()
        url = await self.authorization_url(
            state=secrets.token_urlsafe(16),
            nonce=secrets.token_urlsafe(16),
            verifier=verifier,
            scopes=("openid",),
            force_login=False,
        )
        answer = await self._sent(self._http.build_request("GET", f"{url}&prompt=none"))
        return answer.status_code != 400

    async def exchanged(self, code: str, verifier: str, nonce: str) -> UpstreamTokens:
        """The tokens for Okta's code; the ID token is verified before anything else happens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        return await self._tokens(form, nonce)

    async def refreshed(self, refresh_token: str) -> UpstreamTokens:
        """New tokens; the refresh token of the answer replaces the old one if there is one."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._tokens(form, None)

    async def profile(self, tokens: UpstreamTokens) -> tuple[str, str]:
        """Login and name of the person; a thin ID token has neither, then userinfo says them."""
        claims = tokens.claims
        if "preferred_username" not in claims:
            claims = await self.userinfo(tokens.access_token, tokens.claims["sub"])
        login = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
        return login, str(claims.get("name") or login)

    async def userinfo(self, access_token: str, subject: str) -> dict[str, Any]:
        """The userinfo claims; refused unless they are about `subject` (OIDC Core 5.3.2)."""
        endpoints = await self.endpoints()
        request = self._http.build_request(
            "GET", endpoints.userinfo, headers={"Authorization": f"Bearer {access_token}"}
        )
        answer = await self._sent(request)
        claims = _json_object(answer) if answer.status_code == 200 else None
        if claims is None:
            raise LoginUnavailableError("roles_unavailable")
        if claims.get("sub") != subject:
            raise LoginRefusedError("id_token_refused")
        return claims

    async def revoke(self, refresh_token: str) -> None:
        """Give Okta's refresh token back; with it Okta ends the access tokens made from it."""
        endpoints = await self.endpoints()
        if endpoints.revocation:
            form = {"token": refresh_token, "token_type_hint": "refresh_token"}
            await self._sent(self._authenticated(endpoints.revocation, form))

    async def end_session_url(self, id_token: str, return_to: str) -> str | None:
        """Where the browser leaves Okta's own session; None where Okta offers no such place."""
        endpoints = await self.endpoints()
        if not endpoints.end_session:
            return None
        query = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": return_to})
        return f"{endpoints.end_session}?{query}"

    async def _tokens(self, form: dict[str, str], nonce: str | None) -> UpstreamTokens:
        endpoints = await self.endpoints()
        answer = await self._sent(self._authenticated(endpoints.token, form))
        body = _json_object(answer)
        if answer.status_code != 200:
            raise _refusal(answer.status_code, body)
        if body is None or not isinstance(body.get("access_token"), str):
            raise LoginUnavailableError("okta_unreachable")
        id_token = body.get("id_token")
        if not isinstance(id_token, str):
            raise LoginRefusedError("id_token_refused")
        try:
            claims = await verified_id_token(
                id_token,
                self._keys,
                issuer=self.issuer,
                client_id=self.client_id,
                nonce=nonce,
                access_token=body["access_token"],
                now=self._now(),
            )
        except IdTokenError as error:
            raise LoginRefusedError("id_token_refused") from error
        refresh_token = body.get("refresh_token")
        return UpstreamTokens(
            claims=claims,
            id_token=id_token,
            access_token=body["access_token"],
            refresh_token=refresh_token if isinstance(refresh_token, str) else None,
        )

    def _authenticated(self, url: str, form: dict[str, str]) -> httpx.Request:
        """A POST in which this server shows who it is, in the one way that Okta expects."""
        if self._auth_method == "client_secret_post":
            form = {**form, "client_id": self.client_id, "client_secret": self._client_secret}
            return self._http.build_request("POST", url, data=form)
        # RFC 6749 section 2.3.1: both halves are form-encoded before they are joined.
        pair = f"{quote(self.client_id, safe='')}:{quote(self._client_secret, safe='')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return self._http.build_request(
            "POST", url, data=form, headers={"Authorization": authorization}
        )

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """The answer with a bounded body, never following a redirect."""
        request.headers.setdefault("Accept", "application/json")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer, body = await self._read(request)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise LoginUnavailableError("okta_unreachable") from error
        headers = [
            (name, value)
            for name, value in answer.headers.multi_items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx.Response(answer.status_code, headers=headers, content=body, request=request)

    async def _read(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        answer = await self._http.send(request, stream=True, follow_redirects=False)
        body = bytearray()
        try:
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_ANSWER:
                    raise LoginUnavailableError("okta_unreachable")
        finally:
            await answer.aclose()
        return answer, bytes(body)

    async def _discovered(self) -> Endpoints:
        url = f"{self.issuer}/.well-known/openid-configuration"
        request = self._http.build_request("GET", url, params={"client_id": self.client_id})
        answer = await self._sent(request)
        document = _json_object(answer) if answer.status_code == 200 else None
        if document is None or str(document.get("issuer", "")).rstrip("/") != self.issuer:
            raise LoginUnavailableError("okta_unreachable")
        return Endpoints(
            authorization=self._on_issuer_host(document, "authorization_endpoint"),
            token=self._on_issuer_host(document, "token_endpoint"),
            userinfo=self._on_issuer_host(document, "userinfo_endpoint"),
            keys=self._on_issuer_host(document, "jwks_uri"),
            revocation=self._on_issuer_host(document, "revocation_endpoint", optional=True) or None,
            end_session=self._on_issuer_host(document, "end_session_endpoint", optional=True)
            or None,
        )

    def _on_issuer_host(
        self, document: dict[str, Any], name: str, *, optional: bool = False
    ) -> str:
        """An endpoint elsewhere would receive our credentials: it is refused."""
        url = document.get(name)
        if url is None and optional:
            return ""
        try:
            expected, found = urlsplit(self.issuer), urlsplit(str(url))
        except ValueError:
            raise LoginUnavailableError("okta_unreachable") from None
        if (found.scheme, found.netloc) != (expected.scheme, expected.netloc):
            raise LoginUnavailableError("okta_unreachable")
        return str(url)

    async def _fetched_keys(self) -> dict[str, Any]:
        endpoints = await self.endpoints()
        answer = await self._sent(self._http.build_request("GET", endpoints.keys))
        document = _json_object(answer) if answer.status_code == 200 else None
        if document is None:
            raise LoginUnavailableError("okta_unreachable")
        return document


def _json_object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _refusal(status: int, body: dict[str, Any] | None) -> OktaLoginError:
    """Which of our reasons an error answer of the token endpoint is."""
    error = body.get("error") if body else None
    if status >= 500 or status == 429 or body is None:
        return LoginUnavailableError("okta_unreachable")
    if error in ("invalid_client", "unauthorized_client", "invalid_token_endpoint_auth_method"):
        return LoginRefusedError("wrong_client_secret")
    return LoginRefusedError("okta_refused")


def callback_refusal(error: str, description: str) -> LoginRefusedError:
    """Which of our reasons an `error` at the redirect URI is.

    Okta uses `access_denied` for several things and tells them apart only by its description,
    which is compared here and shown nowhere.
    """
    text = description.lower()
    if error == "access_denied" and "not assigned" in text:
        return LoginRefusedError("not_assigned")
    if "groups claim" in text or "groups' user claim" in text:
        return LoginRefusedError("too_many_groups")
    if error in ("server_error", "temporarily_unavailable"):
        return LoginRefusedError("okta_unreachable")
    return LoginRefusedError("okta_refused")
