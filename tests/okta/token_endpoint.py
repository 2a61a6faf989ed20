"""Okta's token endpoint for service applications, as okta-facts 1.3, 1.9 and 1.10 describe it.

It checks assertions and proofs for itself and answers as Okta does; what a test wants otherwise is
a switch. Every request that passed the checks is in `answered`.
"""

import base64
import hashlib
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
import respx

from tests.okta.conftest import ORG, FakeTime
from tests.okta.issuer import ENDPOINTS, public_pem, serve

SERVICE_ID = "0oaservice0000000000"
KEY = "service"
SCOPES = ("okta.users.read", "okta.groups.read")
TOKEN_URL = ENDPOINTS["token_endpoint"]


class RefusedError(Exception):
    """An error answer; `nonce` goes into its header."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.error, self.status = error, status


class TokenEndpoint:
    """`ahead_seconds`: how far Okta's clock is ahead of ours; `requires_dpop`: of the token."""

    def __init__(self, okta: respx.MockRouter, clock: FakeTime) -> None:
        serve(okta)
        self.route = okta.post("/oauth2/v1/token").mock(side_effect=self._answer)
        self._clock = clock
        self.ahead_seconds = 0.0
        self.requires_dpop = True
        self.nonce = "nonce-1"
        self.lives_seconds = 3600
        self.granted: tuple[str, ...] = SCOPES
        self.answered: list[dict[str, str]] = []
        self.keys = [public_pem(KEY)]
        self._used: set[str] = set()

    @property
    def now(self) -> float:
        return self._clock.now() + self.ahead_seconds

    def proof_claims(
        self, proof: str, method: str, url: str, *, access_token: str | None = None
    ) -> dict[str, Any]:
        """The claims of a proof that Okta would take; raises `RefusedError`."""
        header = jwt.get_unverified_header(proof)
        if header["typ"] != "dpop+jwt" or "d" in header["jwk"]:
            raise RefusedError("invalid_dpop_proof")
        claims: dict[str, Any] = jwt.decode(
            proof,
            jwt.PyJWK(header["jwk"]),
            ["RS256", "ES256"],
            options={"verify_iat": False},
        )
        expected = {"htm": method, "htu": url}
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            expected["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if any(claims.get(name) != value for name, value in expected.items()):
            raise RefusedError("invalid_dpop_proof")
        if abs(claims["iat"] - self.now) > 300 or claims["jti"] in self._used:
            raise RefusedError("invalid_dpop_proof")
        self._used.add(claims["jti"])
        return claims

    def _answer(self, request: httpx.Request) -> httpx.Response:
        headers = {"Date": formatdate(self.now, usegmt=True)}
        try:
            form = dict(parse_qsl(request.content.decode()))
            self._check_assertion(form)
            is_bound = self._is_bound(request)
            self._check_scopes(form)
        except RefusedError as refusal:
            if refusal.error == "use_dpop_nonce":
                headers["dpop-nonce"] = self.nonce
            return httpx.Response(refusal.status, json={"error": refusal.error}, headers=headers)
        self.answered.append(form)
        body = {
            "token_type": "DPoP" if is_bound else "Bearer",
            "expires_in": self.lives_seconds,
            "access_token": f"service-token-{len(self.answered)}",
            "scope": " ".join(self.granted),
        }
        return httpx.Response(200, json=body, headers=headers)

    def _check_assertion(self, form: dict[str, str]) -> None:
        if form["grant_type"] != "client_credentials" or "client_secret" in form:
            raise RefusedError("invalid_request")
        for key in self.keys:
            try:
                claims = jwt.decode(
                    form["client_assertion"],
                    key,
                    ["RS256", "ES256"],
                    audience=TOKEN_URL,
                    options={"verify_exp": False, "verify_iat": False},
                )
                break
            except jwt.InvalidSignatureError:
                continue
        else:
            raise RefusedError("invalid_client", 401)
        if claims["iss"] != SERVICE_ID or claims["sub"] != SERVICE_ID:
            raise RefusedError("invalid_client", 401)
        if not self.now < claims["exp"] <= self.now + 3600 or claims["jti"] in self._used:
            raise RefusedError("invalid_client", 401)
        self._used.add(claims["jti"])

    def _is_bound(self, request: httpx.Request) -> bool:
        if not self.requires_dpop:
            return False
        if "dpop" not in request.headers:
            raise RefusedError("invalid_dpop_proof")
        claims = self.proof_claims(request.headers["dpop"], "POST", TOKEN_URL)
        if claims.get("nonce") != self.nonce:
            raise RefusedError("use_dpop_nonce")
        return True

    def _check_scopes(self, form: dict[str, str]) -> None:
        if not set(form["scope"].split()) & set(self.granted):
            raise RefusedError("consent_required")


def api_url(path: str) -> str:
    """A URL of the Management API."""
    return f"{ORG}/api/v1/{path}"
