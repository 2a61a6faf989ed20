"""Who asks, signed for an HTTP server behind that wants to know: the header `Okta-Mcp-Assertion`.

A JWT (RFC 7519, ES256) of at most a minute for the URL of exactly that server. The key is derived
from `SESSION_SECRET_KEY`, so that all workers and replicas sign alike and a restart changes
nothing; `jwks` are the public keys of the whole key ring (RFC 7517). It is no token: nothing of
ours and nothing of Okta accepts it.
"""

import base64
import hashlib
import json
import secrets as randomness
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from okta_mcp.gateway.servers import HttpServer
from okta_mcp.rbac.principal import Principal
from okta_mcp.stores.sealing import Secrets, derived_key

HEADER = "Okta-Mcp-Assertion"
JWKS_PATH = "/.well-known/jwks.json"
LIFETIME_SECONDS = 60
TYPE = "okta-mcp-assertion+jwt"
_ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)


class Assertions:
    """Signs as `issuer`, the public URL; `now` is epoch seconds."""

    def __init__(self, issuer: str, secrets: Secrets, now: Callable[[], float]) -> None:
        keys = [_private_key(secret) for secret in secrets]
        self._issuer = issuer
        self._now = now
        self._key = keys[0]
        self._public = [_public_jwk(key) for key in keys]

    @property
    def jwks(self) -> dict[str, Any]:
        """The JWK set: the current key first, then earlier ones."""
        return {"keys": self._public}

    def header(self, server: HttpServer, principal: Principal) -> dict[str, str]:
        """The header for one request of `principal` to `server`."""
        now = int(self._now())
        decision = principal.decision
        claims = {
            "iss": self._issuer,
            "aud": server.url,
            "sub": principal.user_id,
            "login": principal.service or principal.login,
            "role": decision.role if decision else None,
            "groups": list(decision.groups) if decision else [],
            "jti": randomness.token_urlsafe(16),
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        }
        # A type of its own, so that it is taken for no other JWT (RFC 8725 section 3.11).
        named = {"kid": self._public[0]["kid"], "typ": TYPE}
        return {HEADER: jwt.encode(claims, self._key, algorithm="ES256", headers=named)}


def _private_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """By FIPS 186-5 A.2.1: 512 bits for a number below one of 256, so that none is likelier."""
    seed = derived_key(secret, "assertions") + derived_key(secret, "assertions, second half")
    return ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, ec.SECP256R1())


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = key.public_key().public_numbers()
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(point.x.to_bytes(32)),
        "y": _base64url(point.y.to_bytes(32)),
    }
    # RFC 7638, section 3: these members in this order.
    canonical = json.dumps(members, separators=(",", ":")).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {**members, "kid": kid, "use": "sig", "alg": "ES256"}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
