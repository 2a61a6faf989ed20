"""One of Okta's authorization servers: its endpoints, and bounded requests to them.

Used by the login (`oidc`) and by the service application. Endpoint URLs come from the discovery
document and must stand on the issuer's own host; none is composed by hand (okta-facts 1.1). No
redirect is followed, and an answer is limited in size and in time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

_LARGEST_ANSWER = 1024 * 1024
# For the whole answer: the client's own time-out begins anew with every byte.
_ANSWER_SECONDS = 10.0
_DISCOVERY_SECONDS = 3600.0
_RETRY_DISCOVERY_SECONDS = 5.0
# Okta's access tokens live a day at most; a number beyond all bounds cannot be added to a time.
_LONGEST_LIFETIME_SECONDS = 86_400


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
    """What of the discovery document is used."""

    authorization: str
    token: str
    userinfo: str
    keys: str
    revocation: str | None
    end_session: str | None
    introspection: str | None


class AuthorizationServer:
    """The server of `issuer` as the application `client_id` sees it; `now` is epoch seconds.

    Without a `client_id` as everybody sees it.
    """

    def __init__(
        self, http: httpx.AsyncClient, *, issuer: str, client_id: str, now: Callable[[], float]
    ) -> None:
        self._http = http
        self.issuer = issuer
        self.client_id = client_id
        self._now = now
        self._endpoints: Endpoints | None = None
        self._endpoints_until = 0.0
        self._discovery_failed_at = float("-inf")

    async def endpoints(self) -> Endpoints:
        """The endpoints, asked for once an hour; raises `LoginUnavailableError`.

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

    async def get(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """The answer to a GET; raises `LoginUnavailableError`."""
        return await self._sent(self._http.build_request("GET", url, headers=headers))

    async def post(
        self, url: str, form: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer to a form; raises `LoginUnavailableError`."""
        return await self._sent(self._http.build_request("POST", url, data=form, headers=headers))

    async def key_set(self) -> dict[str, Any]:
        """The document with the keys that the server signs with; raises `LoginUnavailableError`."""
        endpoints = await self.endpoints()
        answer = await self.get(endpoints.keys)
        document = json_object(answer) if answer.status_code == 200 else None
        if document is None:
            raise LoginUnavailableError("okta_unreachable")
        return document

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
        asking = {"client_id": self.client_id} if self.client_id else {}
        url = httpx.URL(f"{self.issuer}/.well-known/openid-configuration", params=asking)
        answer = await self.get(str(url))
        document = json_object(answer) if answer.status_code == 200 else None
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
            introspection=self._on_issuer_host(document, "introspection_endpoint", optional=True)
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


def json_object(answer: httpx.Response) -> dict[str, Any] | None:
    """The body if it is a JSON object."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def lifetime(expires_in: object) -> int:
    """The seconds of an `expires_in`; 0 for what is none, a day at most."""
    return min(expires_in, _LONGEST_LIFETIME_SECONDS) if isinstance(expires_in, int) else 0
