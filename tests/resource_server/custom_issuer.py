"""A custom authorization server with real keys: its tokens are right until a test bends them."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import jwt

from okta_mcp.okta.access_tokens import Expected, SignatureCheck, TokenCheck
from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_authentication import SecretInHeader
from okta_mcp.okta.introspection import Introspection
from tests.okta.issuer import REMOVED, encoded, jwks, private_key
from tests.vocabulary.clock import START, Clock

ORG = "https://acme.okta.example"
ISSUER = f"{ORG}/oauth2/default"
AUDIENCE = "api://default"
ANN = "00uann1234567890abcd"
# As they are named in the token, and in the answer to an introspection.
INTROSPECTED = {"cid": "client_id", "sub": "username"}


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good access token; a change to `REMOVED` leaves one out."""
    good = {
        "ver": 1,
        "jti": "AT.one",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": START,
        "exp": START + 3600,
        "cid": "0oanative",
        "uid": ANN,
        "scp": ["openid", "mcp:access"],
        "sub": "ann@example.com",
    }
    return {name: value for name, value in (good | changes).items() if value is not REMOVED}


def access_token(key: str = "one", *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Signed RS256 by `key`, with a header that may say anything."""
    header = {"alg": "RS256", "kid": key} | (headers or {})
    signed = f"{encoded(header)}.{encoded(claims(**changes))}"
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = algorithm.sign(signed.encode(), private_key(key))
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@dataclass
class CustomIssuer:
    """Answers introspections from the token's own claims, or with `answer` where there is one."""

    clock: Clock = field(default_factory=Clock)
    asked: list[str] = field(default_factory=list)
    answer: httpx.Response | None = None
    is_away: bool = False
    gate: asyncio.Event | None = None
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answered))

    def check(self, kind: str) -> TokenCheck:
        server = AuthorizationServer(
            self.http, issuer=ISSUER, client_id="0oachecker", now=self.clock
        )
        expected = Expected(ISSUER, AUDIENCE, self.clock)
        if kind == "jwks":
            return SignatureCheck(server, expected)
        return Introspection(server, SecretInHeader("0oachecker", "secret"), expected)

    async def _answered(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/oauth2/default/")
        self.asked.append(path)
        if self.is_away:
            raise httpx.ConnectError("away", request=request)
        match path:
            case ".well-known/openid-configuration":
                names = "authorization token userinfo introspection"
                document = {f"{name}_endpoint": f"{ISSUER}/v1/{name}" for name in names.split()}
                keys = {"jwks_uri": f"{ISSUER}/v1/keys"}
                return httpx.Response(200, json={"issuer": ISSUER} | document | keys)
            case "v1/keys":
                return httpx.Response(200, json=jwks("one"))
        self.is_asked.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer or httpx.Response(200, json=_introspected(request))


def _introspected(request: httpx.Request) -> dict[str, Any]:
    token = parse_qs(request.content.decode())["token"][0]
    found = jwt.decode(token, options={"verify_signature": False})
    body = {INTROSPECTED.get(name, name): value for name, value in found.items()}
    if "scp" in body:
        body["scope"] = " ".join(body.pop("scp"))
    return {"active": True, "token_type": "Bearer"} | body
