"""The service application as a client of its own: assertions and proofs, each claim changeable."""

import base64
import hashlib
import json
import secrets
from functools import cache
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.sandbox.organisation import NOW, ORG

SERVICE = "0oaservice"
TOKEN_URL = f"{ORG}/oauth2/v1/token"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GONE = object()


class ServiceKey:
    """A key pair with its id; EC unless told, because those cost nothing to make."""

    def __init__(self, key_id: str = "k1", kind: str = "ES256") -> None:
        self.kind, self.key_id = kind, key_id
        if kind == "RS256":
            self.private: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = ec.generate_private_key(ec.SECP256R1())
            jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        names = ("kty", "crv", "x", "y", "n", "e")
        self.public = {name: jwk[name] for name in names if name in jwk}

    @staticmethod
    @cache
    def shared() -> "ServiceKey":
        return ServiceKey()

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.public | {"kid": self.key_id, "use": "sig", "alg": self.kind}]}

    @property
    def thumbprint(self) -> str:
        """Of RFC 7638: the members in the order of their names."""
        names = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}[self.public["kty"]]
        members = ",".join(f'"{name}":"{self.public[name]}"' for name in names)
        return encoded(hashlib.sha256(f"{{{members}}}".encode()).digest())

    @staticmethod
    def ath(access_token: str) -> str:
        return encoded(hashlib.sha256(access_token.encode()).digest())

    def signed(self, claims: dict[str, Any], headers: dict[str, Any], **changes: Any) -> str:
        """A change to GONE leaves the claim out."""
        claims = {name: value for name, value in (claims | changes).items() if value is not GONE}
        headers = {name: value for name, value in headers.items() if value is not GONE}
        return jwt.encode(claims, self.private, algorithm=self.kind, headers=headers)

    def assertion(self, *, kid: Any = None, **changes: Any) -> str:
        claims = {"iss": SERVICE, "sub": SERVICE, "aud": TOKEN_URL, "exp": NOW + 300}
        headers = {"kid": self.key_id if kid is None else kid}
        return self.signed(claims | {"jti": secrets.token_hex(8)}, headers, **changes)

    def proof(self, method: str, url: str, *, headers: Any = None, **changes: Any) -> str:
        claims: dict[str, Any] = {
            "htm": method,
            "htu": url,
            "iat": int(NOW),
            "jti": secrets.token_hex(8),
        }
        usual = {"typ": "dpop+jwt", "jwk": self.public}
        return self.signed(claims, usual | (headers or {}), **changes)


async def asked(
    http: httpx.AsyncClient,
    scope: str = "okta.users.read",
    *,
    assertion: str | None = None,
    proof: str | None = None,
    **form: str,
) -> httpx.Response:
    """One request of the service application at the token endpoint."""
    fields = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": assertion or ServiceKey.shared().assertion(),
    }
    headers = {} if proof is None else {"DPoP": proof}
    return await http.post("/oauth2/v1/token", data=fields | form, headers=headers)


async def nonce_of(http: httpx.AsyncClient) -> str:
    """The nonce that the token endpoint sends back with a first proof."""
    answer = await asked(http, proof=ServiceKey.shared().proof("POST", TOKEN_URL))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce"), answer.text
    return str(answer.headers["dpop-nonce"])


async def bound_token(http: httpx.AsyncClient, scope: str = "okta.users.read") -> str:
    """An access token that is bound to the shared key."""
    nonce = await nonce_of(http)
    proof = ServiceKey.shared().proof("POST", TOKEN_URL, nonce=nonce)
    answer = await asked(http, scope, proof=proof)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def called(
    http: httpx.AsyncClient,
    token: str,
    path: str = "/api/v1/users",
    *,
    query: str = "?limit=1",
    scheme: str = "DPoP",
    proof: str | None = None,
    **changes: Any,
) -> httpx.Response:
    """One request at the Management API with the token and a proof for it."""
    if proof is None:
        key = ServiceKey.shared()
        proof = key.proof("GET", f"{ORG}{path}", **{"ath": key.ath(token)} | changes)
    headers = {"Authorization": f"{scheme} {token}", "DPoP": proof}
    return await http.get(path + query, headers=headers)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def other_payload(token: str, claims: Any) -> str:
    """The token with another payload under the same signature."""
    header, _, signature = token.split(".")
    return f"{header}.{encoded(json.dumps(claims).encode())}.{signature}"
