"""The public keys of services, from PEM or JWK (RFC 7517), and what each may be used for.

Called while a policy file is checked. A key's kind fixes the algorithms of its signatures once and
for all, so that nothing a token says can choose one (RFC 8725 section 3.1). A private key is
refused, and no error holds anything of what was read.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

LEAST_RSA_BITS = 2048

# RFC 7518: the members of a JWK that only its owner may know.
_PRIVATE_MEMBERS = frozenset("d p q dp dq qi oth k".split())
_READERS: dict[Any, Any] = {"RSA": RSAAlgorithm.from_jwk, "EC": ECAlgorithm.from_jwk}
_KINDS = f"RSA of {LEAST_RSA_BITS} bits or more, or EC on P-256"


class PublicKeyError(Exception):
    """It is no key that a service can have; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`algorithms` are those of JWS that count; `thumbprint` is the SHA-256 of the key, in hex."""

    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    algorithms: tuple[str, ...]
    thumbprint: str

    def __str__(self) -> str:
        kind = f"RSA {self.key.key_size}" if isinstance(self.key, rsa.RSAPublicKey) else "EC P-256"
        return f"{kind} ({' or '.join(self.algorithms)}, sha256 {self.thumbprint[:16]})"


def public_key_of_text(text: str) -> PublicKey:
    """The key of a PEM text or of a JWK in JSON; raises `PublicKeyError`."""
    if not text.lstrip().startswith("{"):
        return _of_pem(text)
    try:
        return public_key_of_jwk(json.loads(text))
    except (ValueError, RecursionError):
        raise PublicKeyError("is no JSON, and so no JWK") from None


def public_key_of_jwk(jwk: Any) -> PublicKey:
    """The key of a JWK; a set of one is taken as that one. Raises `PublicKeyError`."""
    keys = jwk.get("keys") if isinstance(jwk, dict) else None
    if isinstance(keys, list) and len(keys) == 1:
        jwk = keys[0]
    if not isinstance(jwk, dict) or "keys" in jwk:
        raise PublicKeyError("must be one JWK; name several keys as a list")
    if _PRIVATE_MEMBERS & jwk.keys() or jwk.get("kty") == "oct":
        raise _private()
    read = _READERS.get(jwk.get("kty"))
    if read is None:
        raise PublicKeyError(f"must be {_KINDS}")
    if jwk.get("use", "sig") != "sig":
        raise PublicKeyError("is not for signatures (use is not sig)")
    try:
        key = _usable(read(jwk))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise PublicKeyError("is no JWK of a public key") from None
    if "alg" not in jwk:
        return key
    if jwk["alg"] not in key.algorithms:
        raise PublicKeyError(f"alg must be {' or '.join(key.algorithms)} for this key, or left out")
    return PublicKey(key.key, (jwk["alg"],), key.thumbprint)


def _of_pem(text: str) -> PublicKey:
    if "PRIVATE KEY-----" in text:
        raise _private()
    if "-----BEGIN CERTIFICATE-----" in text:
        fix = "openssl x509 -in certificate.pem -pubkey -noout"
        raise PublicKeyError(f"is a certificate; enter its public key: {fix}")
    if text.count("-----BEGIN ") > 1:
        raise PublicKeyError("holds more than one key; name several keys as a list")
    try:
        return _usable(load_pem_public_key(text.encode()))
    except (ValueError, UnsupportedAlgorithm):
        fix = "openssl pkey -in service.key -pubout -out service.pub"
        raise PublicKeyError(f"is no public key in PEM or JWK form; make it with: {fix}") from None


def _usable(key: Any) -> PublicKey:
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < LEAST_RSA_BITS:
            raise PublicKeyError(
                f"is an RSA key of {key.key_size} bits; {LEAST_RSA_BITS} at least are needed"
            )
        algorithms: tuple[str, ...] = ("RS256", "PS256")
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        algorithms = ("ES256",)
    else:
        raise PublicKeyError(f"must be {_KINDS}")
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, algorithms, hashlib.sha256(encoded).hexdigest())


def _private() -> PublicKeyError:
    return PublicKeyError(
        "is a private or secret key, which belongs to the service alone: take it out of here, make"
        " a new pair, and enter only the public key (docs/services.md)"
    )
