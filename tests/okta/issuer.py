"""An issuer with real RSA keys, whose ID tokens and documents are right until a test bends them."""

import base64
import hashlib
import json
from functools import cache
from typing import Any

import httpx
import jwt
import respx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_authentication import ClientAuthentication, SecretInHeader
from okta_mcp.okta.oidc import OktaLogin
from tests.okta.conftest import ORG, START, FakeTime

CLIENT_ID = "0oaclient00000000000"
CLIENT_SECRET = "s&cret +/%:é"
REDIRECT_URI = "http://localhost:3001/oauth/callback"
SUBJECT = "00uann1234567890abcd"
NONCE = "the nonce of this sign-in"
ACCESS_TOKEN = "okta-access-token"
ENDPOINTS = {
    "authorization_endpoint": f"{ORG}/oauth2/v1/authorize",
    "token_endpoint": f"{ORG}/oauth2/v1/token",
    "userinfo_endpoint": f"{ORG}/oauth2/v1/userinfo",
    "jwks_uri": f"{ORG}/oauth2/v1/keys",
    "revocation_endpoint": f"{ORG}/oauth2/v1/revoke",
    "end_session_endpoint": f"{ORG}/oauth2/v1/logout",
}
REMOVED = object()


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """One key for each name, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str) -> bytes:
    return (
        private_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def jwk(name: str, **changes: Any) -> dict[str, Any]:
    """The public key under its name as key id."""
    document = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private_key(name).public_key()))
    return {
        "kty": "RSA",
        "kid": name,
        "use": "sig",
        "n": document["n"],
        "e": document["e"],
    } | changes


def jwks(*names: str) -> dict[str, Any]:
    return {"keys": [jwk(name) for name in names]}


def half_hash(text: str, name: str = "sha256") -> str:
    whole = hashlib.new(name, text.encode()).digest()
    return base64.urlsafe_b64encode(whole[: len(whole) // 2]).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good ID token; a change to `REMOVED` leaves a claim out."""
    good = {
        "iss": ORG,
        "aud": CLIENT_ID,
        "sub": SUBJECT,
        "iat": START,
        "exp": START + 3600,
        "nonce": NONCE,
        "at_hash": half_hash(ACCESS_TOKEN),
    }
    return {name: value for name, value in (good | changes).items() if value is not REMOVED}


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def id_token(key: str = "one", *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token signed RS256 by `key`, whose header may say anything."""
    header = {"alg": "RS256", "kid": key} | (headers or {})
    header = {name: value for name, value in header.items() if value is not REMOVED}
    signed = f"{encoded(header)}.{encoded(claims(**changes))}"
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = algorithm.sign(signed.encode(), private_key(key))
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def token_answer(**changes: Any) -> httpx.Response:
    body = {
        "access_token": ACCESS_TOKEN,
        "id_token": id_token(),
        "refresh_token": "okta-refresh-2",
        "token_type": "Bearer",
    } | changes
    return httpx.Response(
        200, json={name: value for name, value in body.items() if value is not REMOVED}
    )


def serve(okta: respx.MockRouter, *keys: str, **changes: Any) -> None:
    """Discovery (with `changes`) and keys; tests add the token endpoint themselves."""
    document = {"issuer": ORG} | ENDPOINTS | changes
    document = {name: value for name, value in document.items() if value is not REMOVED}
    okta.get("/.well-known/openid-configuration", name="discovery").respond(json=document)
    okta.get("/oauth2/v1/keys", name="keys").respond(json=jwks(*(keys or ("one",))))


def login_at(
    http: httpx.AsyncClient,
    clock: FakeTime,
    *,
    authentication: ClientAuthentication | None = None,
    acr_values: tuple[str, ...] = (),
) -> OktaLogin:
    return OktaLogin(
        AuthorizationServer(http, issuer=ORG, client_id=CLIENT_ID, now=clock.now),
        authentication or SecretInHeader(CLIENT_ID, CLIENT_SECRET),
        redirect_uri=REDIRECT_URI,
        now=clock.now,
        acr_values=acr_values,
    )
