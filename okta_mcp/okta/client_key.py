"""The private key by which an application of this server proves itself to Okta (RFC 7523).

Read once at start by the composition root; signs the short assertions of `private_key_jwt`. The
key leaves this module in no form, and an error says what is wrong with the file, never what is in
it.
"""

import json
import secrets
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# Okta takes an hour at most; a stolen assertion should be worth little.
_ASSERTION_SECONDS = 300
_LARGEST_FILE = 64 * 1024
_LEAST_RSA_BITS = 2048
_EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class ClientKeyError(Exception):
    """The file holds no key that can be used; the text says why and holds nothing of it."""


class ClientKey:
    """An RSA or EC key with the key id that Okta knows it by, where it has one."""

    def __init__(self, private_key: PrivateKey, key_id: str | None = None) -> None:
        self._private_key = private_key
        self._algorithm = _algorithm_of(private_key)
        self._headers = {"kid": key_id} if key_id else {}

    def assertion(self, client_id: str, audience: str, now: float) -> str:
        """A fresh proof that the bearer is `client_id`, for one use at the endpoint `audience`."""
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + _ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(24),
        }
        return jwt.encode(
            claims, self._private_key, algorithm=self._algorithm, headers=self._headers
        )


def client_key(path: Path) -> ClientKey:
    """The key in a PEM file (PKCS#8, PKCS#1 or SEC1) or in a JWK; raises `ClientKeyError`."""
    try:
        content = path.read_bytes()[: _LARGEST_FILE + 1]
    except OSError as error:
        raise ClientKeyError(f"{path} cannot be read ({error.strerror})") from None
    if len(content) > _LARGEST_FILE:
        raise ClientKeyError(f"{path} is too large to be a key")
    if content.lstrip()[:1] == b"{":
        return _from_jwk(content, path)
    return _from_pem(content, path)


def _from_pem(content: bytes, path: Path) -> ClientKey:
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise ClientKeyError(f"the key in {path} has a pass phrase; store it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ClientKeyError(f"{path} holds no private key in PEM or JWK form") from None
    return ClientKey(_rsa_or_ec(key, path))


def _from_jwk(content: bytes, path: Path) -> ClientKey:
    try:
        document = json.loads(content)
        # Okta shows a pair as the one entry of a set.
        keys = document.get("keys")
        if isinstance(keys, list) and len(keys) == 1 and isinstance(keys[0], dict):
            document = keys[0]
        key = jwt.PyJWK(document).key
        key_id = document.get("kid")
    except (ValueError, RecursionError, TypeError, jwt.PyJWTError):
        raise ClientKeyError(f"{path} holds no private key in PEM or JWK form") from None
    return ClientKey(_rsa_or_ec(key, path), key_id if isinstance(key_id, str) else None)


def _rsa_or_ec(key: Any, path: Path) -> PrivateKey:
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ClientKeyError(f"{path} holds the public key; the private one is needed")
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < _LEAST_RSA_BITS:
            raise ClientKeyError(f"the RSA key in {path} is shorter than {_LEAST_RSA_BITS} bits")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _EC_ALGORITHMS:
        return key
    raise ClientKeyError(f"the key in {path} is neither RSA nor EC on P-256, P-384 or P-521")


def _algorithm_of(key: PrivateKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else _EC_ALGORITHMS[key.curve.name]
