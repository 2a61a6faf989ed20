"""The OAuth client towards Okta: the authorization URL, tokens, and their end.

Called by the sign-in endpoints. Okta's tokens stay behind this module and the sealed store; its
texts are never shown, only its error codes are mapped.
"""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from okta_mcp.okta.authorization_server import (
    AuthorizationServer,
    Endpoints,
    LoginRefusedError,
    LoginUnavailableError,
    OktaLoginError,
    json_object,
    lifetime,
)
from okta_mcp.okta.client_authentication import ClientAuthentication
from okta_mcp.okta.keys import Share, SigningKeys, UntrustedTokenError, verified_id_token

# RFC 7636 allows 43 to 128 characters; 64 random bytes make 86.
_VERIFIER_BYTES = 64


@dataclass(frozen=True, slots=True)
class UpstreamTokens:
    """Okta's answer at the token endpoint, with the verified claims of its ID token.

    `expires_at` is the end of the access token in epoch seconds.
    """

    claims: dict[str, Any]
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """An error answer of the token endpoint; `description` is Okta's text and not to be shown."""

    status: int
    error: str
    description: str


def new_verifier() -> str:
    """A fresh PKCE code verifier (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(_VERIFIER_BYTES)


def s256(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


class OktaLogin:
    """One application at one authorization server.

    With `acr_values` a sign-in has to be as strong as one of them; with `share` other processes
    read the signing keys too. `now` gives epoch seconds.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        authentication: ClientAuthentication,
        *,
        redirect_uri: str,
        now: Callable[[], float],
        acr_values: tuple[str, ...] = (),
        share: Share | None = None,
    ) -> None:
        self._server = server
        self._authentication = authentication
        self.redirect_uri = redirect_uri
        self._now = now
        self._acr_values = acr_values
        self._keys = SigningKeys(server.key_set, now, share)

    @property
    def issuer(self) -> str:
        """The issuer as the ID tokens name it."""
        return self._server.issuer

    @property
    def client_id(self) -> str:
        """The application's id at Okta."""
        return self._server.client_id

    async def endpoints(self) -> Endpoints:
        """Okta's endpoints; raises `LoginUnavailableError`."""
        return await self._server.endpoints()

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
        if self._acr_values:
            parameters["acr_values"] = " ".join(self._acr_values)
        if force_login:
            parameters["prompt"] = "login"
        endpoints = await self.endpoints()
        return f"{endpoints.authorization}?{urlencode(parameters)}"

    async def redirect_uri_is_registered(self) -> bool:
        """Ask Okta's authorization endpoint once without a person.

        Okta answers 400 with a page of its own, and does not redirect, when the redirect URI or the
        client is unknown to it.
        """
        return (await self._silently_asked(("openid",))).status_code != 400

    async def silent_error(self, scopes: tuple[str, ...]) -> str:
        """The `error` with which Okta ends a request for `scopes` that asks no person.

        `login_required` is the one of a request that is good; empty where Okta names none.
        """
        answer = await self._silently_asked(scopes)
        query = parse_qs(urlsplit(answer.headers.get("location", "")).query)
        return str(query.get("error", [""])[0])

    async def refused_grant(self, grant_type: str) -> Refused:
        """What the token endpoint says to a code or refresh token that never was.

        `invalid_grant` means that Okta accepts this application itself.
        """
        endpoints = await self.endpoints()
        form = {"grant_type": grant_type}
        if grant_type == "refresh_token":
            form["refresh_token"] = "none"  # noqa: S105 - that there is none
        else:
            form |= {"code": "none", "code_verifier": new_verifier()}
            form["redirect_uri"] = self.redirect_uri
        answer = await self._posted(endpoints.token, form)
        body = json_object(answer) or {}
        error, description = body.get("error"), body.get("error_description")
        return Refused(answer.status_code, str(error or ""), str(description or ""))

    async def exchanged(self, code: str, verifier: str, nonce: str) -> UpstreamTokens:
        """The tokens for Okta's code; the ID token is verified before anything else happens.

        What a sign-in that was too weak has brought goes back to Okta at once.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        tokens = await self._tokens(form, nonce)
        if self._acr_values and tokens.claims.get("acr") not in self._acr_values:
            await self._given_back(tokens.refresh_token)
            raise LoginRefusedError("sign_in_too_weak")
        return tokens

    async def refreshed(self, refresh_token: str) -> UpstreamTokens:
        """New tokens; the refresh token of the answer replaces the old one if there is one.

        How strong the sign-in was is not asked again: it is the same sign-in, and Okta need not
        repeat `acr`.
        """
        # What the answer brings in the place of the token is lost unless it can be verified.
        await self._keys.ready()
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
        answer = await self._server.get(
            endpoints.userinfo, {"Authorization": f"Bearer {access_token}"}
        )
        claims = json_object(answer) if answer.status_code == 200 else None
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
            await self._posted(endpoints.revocation, form)

    async def end_session_url(self, id_token: str, return_to: str) -> str | None:
        """Where the browser leaves Okta's own session; None where Okta offers no such place."""
        endpoints = await self.endpoints()
        if not endpoints.end_session:
            return None
        query = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": return_to})
        return f"{endpoints.end_session}?{query}"

    async def _tokens(self, form: dict[str, str], nonce: str | None) -> UpstreamTokens:
        endpoints = await self.endpoints()
        answer = await self._posted(endpoints.token, form)
        body = json_object(answer)
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
        except UntrustedTokenError as error:
            raise LoginRefusedError("id_token_refused") from error
        refresh_token, seconds = body.get("refresh_token"), body.get("expires_in")
        return UpstreamTokens(
            claims=claims,
            id_token=id_token,
            access_token=body["access_token"],
            refresh_token=refresh_token if isinstance(refresh_token, str) else None,
            expires_at=self._now() + lifetime(seconds),
        )

    async def _posted(self, url: str, form: dict[str, str]) -> httpx.Response:
        """A POST in which this server shows who it is, in the one way that Okta expects."""
        fields, headers = self._authentication.fields(url), self._authentication.headers()
        return await self._server.post(url, form | fields, headers)

    async def _silently_asked(self, scopes: tuple[str, ...]) -> httpx.Response:
        url = await self.authorization_url(
            state=secrets.token_urlsafe(16),
            nonce=secrets.token_urlsafe(16),
            verifier=new_verifier(),
            scopes=scopes,
            force_login=False,
        )
        return await self._server.get(f"{url}&prompt=none")

    async def _given_back(self, refresh_token: str | None) -> None:
        try:
            if refresh_token is not None:
                await self.revoke(refresh_token)
        except OktaLoginError:
            # Nobody here holds it; Okta's own end of it has to do.
            return


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
    if error in ("consent_required", "invalid_scope"):
        return LoginRefusedError("scopes_not_granted")
    if error == "unmet_authentication_requirements":
        return LoginRefusedError("sign_in_too_weak")
    return LoginRefusedError("okta_refused")
