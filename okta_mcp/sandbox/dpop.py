"""Proofs of possession (DPoP) as Okta checks them, at the token endpoint and at the Management API.

Used by `tokens` and `access`. Sources: RFC 9449, sections 4 and 8; okta-facts 1.10; for the texts
and for the decoded path in `htu`, okta-sdk-nodejs issue 453 and okta-sdk-python issue 541.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Any, Final

import jwt
from starlette.requests import Request

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_PROOF_SECONDS: Final = 300
_NONCE_RENEWED_SECONDS: Final = 24 * 3600
_NONCE_SECONDS: Final = 3 * 24 * 3600
# What RFC 7638 hashes of a public key, in its order.
_MEMBERS: Final = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


class ProofError(Exception):
    """A proof that does not count; `error` is Okta's code and the text its description."""

    def __init__(self, description: str, error: str = "invalid_dpop_proof") -> None:
        super().__init__(description)
        self.error, self.description = error, description


class Proofs:
    """The nonces that were given out, and the proofs that were used."""

    def __init__(self, base_url: str, now: Callable[[], float]) -> None:
        self._base_url = base_url
        self._now = now
        self._nonces: dict[str, float] = {}
        self._used: set[str] = set()

    def nonce(self) -> str:
        """The nonce of the day; those before stay good for three days."""
        newest = max(self._nonces, key=self._nonces.__getitem__, default=None)
        if newest is None or self._nonces[newest] + _NONCE_RENEWED_SECONDS <= self._now():
            newest = secrets.token_urlsafe(24)
            self._nonces[newest] = self._now()
        return newest

    def forget_nonces(self) -> None:
        """Every client has to ask for a new one."""
        self._nonces.clear()

    def thumbprint(
        self, request: Request, *, needs_nonce: bool = False, access_token: str | None = None
    ) -> str:
        """Of the key that the proof of this request shows; the proof is then used up.

        Raises ProofError.
        """
        sent = request.headers.getlist("dpop")
        if len(sent) != 1:
            fault = "header is missing." if not sent else "header is there more than once."
            raise ProofError(f"The DPoP proof JWT {fault}")
        claims, jwk = _verified(sent[0])
        expected = {
            "htm": request.method,
            # Okta compares with the decoded path; the query does not belong to it.
            "htu": self._base_url + request.scope["path"],
        }
        if access_token is not None:
            expected["ath"] = _hash(access_token.encode())
        for name, value in expected.items():
            if claims.get(name) != value:
                raise ProofError(f"'{name}' claim in the DPoP proof JWT is invalid.")
        self._check_time(claims.get("iat"))
        if needs_nonce and not self._is_known(claims.get("nonce")):
            raise ProofError(
                "Authorization server requires nonce in DPoP proof.", error="use_dpop_nonce"
            )
        proof_id = claims.get("jti")
        if not isinstance(proof_id, str) or not proof_id:
            raise ProofError("'jti' claim in the DPoP proof JWT is invalid.")
        if proof_id in self._used:
            raise ProofError("The DPoP proof JWT has already been used.")
        self._used.add(proof_id)
        members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
        return _hash(json.dumps(members, separators=(",", ":")).encode())

    def _check_time(self, issued_at: Any) -> None:
        if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
            raise ProofError("'iat' claim in the DPoP proof JWT is invalid.")
        if self._now() - issued_at > _PROOF_SECONDS:
            raise ProofError("The DPoP proof JWT is issued more than five minutes in the past.")
        if issued_at - self._now() > _PROOF_SECONDS:
            raise ProofError("The DPoP proof JWT is issued in the future.")

    def _is_known(self, nonce: Any) -> bool:
        given_at = self._nonces.get(nonce) if isinstance(nonce, str) else None
        return given_at is not None and self._now() - given_at <= _NONCE_SECONDS


def _verified(proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The claims, and the public key that the proof itself carries and is signed by."""
    try:
        header = jwt.get_unverified_header(proof)
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header["alg"] not in ALGORITHMS:
            raise ProofError("The DPoP proof JWT header is invalid.")
        if not isinstance(jwk, dict) or jwk.get("kty") not in _MEMBERS or "d" in jwk:
            raise ProofError("'jwk' header in the DPoP proof JWT is invalid.")
        key = jwt.PyJWK(jwk, algorithm=header["alg"])
        # The claims are checked by hand: the times are those of the sandbox's clock.
        claims = json.loads(jwt.PyJWS().decode(proof, key, algorithms=[header["alg"]]))
    except (jwt.PyJWTError, ValueError, TypeError) as reason:
        raise ProofError("The DPoP proof JWT is invalid.") from reason
    if not isinstance(claims, dict):
        raise ProofError("The DPoP proof JWT is invalid.")
    return claims, jwk


def _hash(value: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value).digest()).rstrip(b"=").decode()
