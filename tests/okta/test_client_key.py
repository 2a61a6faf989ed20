"""The private key file: what is refused, with a text that holds nothing of the key."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from okta_mcp.okta.client_key import ClientKeyError, client_key
from tests.okta.conftest import START
from tests.okta.issuer import private_key

RSA = private_key("file")
EC = ec.generate_private_key(ec.SECP256R1())
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
PUBLIC_PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption)


def jwk(key: Any, **more: Any) -> bytes:
    algorithm = jwt.algorithms.ECAlgorithm if key is EC else jwt.algorithms.RSAAlgorithm
    return json.dumps(algorithm.to_jwk(key, as_dict=True) | more).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no private key"),
        (b"not a key", "no private key"),
        (b"{}", "no private key"),
        (b"{", "no private key"),
        (b'{"keys": []}', "no private key"),
        (b'{"keys": 7, "kty": "RSA"}', "no private key"),
        (b"[" * 10_000, "no private key"),
        (b"x" * 70_000, "too large"),
        (pem(RSA, passphrase=b"hunter2"), "pass phrase"),
        (pem(SMALL_RSA), "2048"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "neither"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither"),
        (jwk(RSA.public_key()), "public key"),
        (PUBLIC_PEM, "no private key"),
        (b'{"kty": "oct", "k": "c2VjcmV0LXNlY3JldA"}', "neither"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_private_key_is_refused_and_not_shown(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ClientKeyError, match=said) as caught:
        client_key(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 80


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClientKeyError, match="cannot be read"):
        client_key(tmp_path)


@pytest.mark.parametrize(
    ("content", "algorithm", "key_id"),
    [
        (pem(RSA), "RS256", None),
        (pem(RSA, PrivateFormat.TraditionalOpenSSL), "RS256", None),
        (pem(EC), "ES256", None),
        (pem(EC, PrivateFormat.TraditionalOpenSSL), "ES256", None),
        (b"\n" + jwk(RSA, kid="key-1", use="sig"), "RS256", "key-1"),
        (jwk(EC, kid="key-2"), "ES256", "key-2"),
        (jwk(EC, kid=7), "ES256", None),
        (b'{"keys": [' + jwk(RSA, kid="key-3") + b"]}", "RS256", "key-3"),
    ],
    ids=["PKCS8", "PKCS1", "EC", "SEC1", "JWK", "EC JWK", "a kid that is no text", "JWK set"],
)
def test_a_key_signs_assertions_with_its_algorithm_and_key_id(
    tmp_path: Path, content: bytes, algorithm: str, key_id: str | None
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assertion = client_key(path).assertion("0oaclient", "https://okta.example/token", START)
    header = jwt.get_unverified_header(assertion)
    assert (header["alg"], header.get("kid")) == (algorithm, key_id)
    public = (RSA if algorithm == "RS256" else EC).public_key()
    jwt.decode(
        assertion,
        public,
        [algorithm],
        audience="https://okta.example/token",
        options={"verify_exp": False, "verify_iat": False},
    )
