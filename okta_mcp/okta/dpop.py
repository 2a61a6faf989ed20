"""Proofs of possession (DPoP, RFC 9449): what is bound to this key is useless without it.

The key is made at start and lives as long as the process, so it is in no file. Okta accepts ES256
(okta-facts 1.10), whose keys cost nothing to make.
"""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

_ALGORITHM = "ES256"


class DpopKey:
    """A fresh key pair and its proofs."""

    def __init__(self) -> None:
        self._private_key = ec.generate_private_key(ec.SECP256R1())
        jwk: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(
            self._private_key.public_key(), as_dict=True
        )
        self._headers = {
            "typ": "dpop+jwt",
            "jwk": {name: jwk[name] for name in ("kty", "crv", "x", "y")},
        }

    def proof(
        self,
        method: str,
        url: str,
        *,
        now: float,
        nonce: str | None = None,
        access_token: str | None = None,
    ) -> str:
        """A proof for one request; `now` is Okta's time in epoch seconds."""
        claims = {
            "htm": method,
            "htu": _target(url),
            "iat": int(now),
            "jti": secrets.token_urlsafe(24),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            digest = hashlib.sha256(access_token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return jwt.encode(claims, self._private_key, algorithm=_ALGORITHM, headers=self._headers)


def _target(url: str) -> str:
    """The target without query and fragment (RFC 9449 section 4.2), its path decoded.

    Okta compares with the decoded path, where the RFC would leave an encoded @ of a login as it is
    (okta-sdk-python issue 541, okta-sdk-java pull request 1150).
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, unquote(parts.path), "", ""))
