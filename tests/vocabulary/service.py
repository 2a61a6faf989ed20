"""A service's side: its key pair, its entry in the policy file, and its assertions, good or bad."""

import base64
import functools
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

import okta_mcp

SHIPPED = (Path(okta_mcp.__file__).parent / "rbac" / "default_policy.toml").read_text()
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NAME = "soar-playbooks"

Kind = Literal["ec", "rsa"]


@functools.cache
def key_pair(kind: Kind = "ec", which: int = 0) -> Any:
    """A private key; equal arguments give the same one."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Any) -> str:
    public = key.public_key() if hasattr(key, "public_key") else key
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def policy_file(folder: Path, services: str, name: str = "policy.toml") -> Path:
    """The shipped policy with `services` after it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"{SHIPPED}\n{services}")
    path.chmod(0o600)
    return path


def entry(name: str = NAME, key: Any = None, **more: Any) -> str:
    """The table of one service; `more` are further keys of it."""
    lines = {"role": "viewer", "public_key": public_pem(key or key_pair())} | more
    return f"[services.{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in lines.items())


@dataclass(frozen=True)
class At:
    """A time, by seconds from now."""

    seconds: float


@dataclass
class Signer:
    """Makes assertions of the service `name`; `now` is the server's clock."""

    url: str
    now: Any
    name: str = NAME
    key: Any = field(default_factory=key_pair)
    algorithm: str = "ES256"

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims but for `changes`; None leaves one out, `At` is a time."""
        all_claims: dict[str, Any] = {
            "iss": self.name,
            "sub": self.name,
            "aud": f"{self.url}/oauth/token",
            "iat": At(0),
            "exp": At(60),
            "jti": secrets.token_urlsafe(16),
        } | changes
        return {
            name: int(self.now() + value.seconds) if isinstance(value, At) else value
            for name, value in all_claims.items()
            if value is not None
        }

    def assertion(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        claims = self.claims(**changes)
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)

    def form(self, assertion: str | None = None, **changes: str | None) -> dict[str, str]:
        """The form of a token request; None leaves a parameter out."""
        parameters = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
        } | changes
        return {name: value for name, value in parameters.items() if value is not None}


def unsigned(claims: dict[str, Any], header: dict[str, Any], mac_key: bytes | None = None) -> str:
    """A JWT by hand, as no library would make it: without a signature, or with a MAC."""
    parts = [_encoded(json.dumps(part).encode()) for part in (header, claims)]
    text = ".".join(parts)
    mac = hmac.digest(mac_key, text.encode(), hashlib.sha256) if mac_key else b""
    return f"{text}.{_encoded(mac)}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
