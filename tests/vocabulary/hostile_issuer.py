"""An identity provider that lies when it is told to: what stands where Okta should be.

It runs in a thread of the test, on a loopback socket of its own. It signs everybody in at once, as
one person. `default` says what a sign-in gets, `coming` what the next ones get in turn, and
`faults` what a path answers instead of its usual answer.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.okta.issuer import CLIENT_ID, CLIENT_SECRET, REMOVED, half_hash, jwks, private_key
from tests.vocabulary.processes import SECRET_KEY

SUBJECT = "00uhostile12345678ab"
GROUP = "okta-mcp-viewers"
KEYS_PATH = "/oauth2/v1/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"
USERINFO_PATH = "/oauth2/v1/userinfo"
TOKEN_PATH = "/oauth2/v1/token"
ELSEWHERE = "/elsewhere"

Signer = Callable[[dict[str, Any], dict[str, Any]], str]


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signing_input(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))


def rsa_signed(key: str = "one", algorithm: str = "RS256") -> Signer:
    """Signed by the RSA key of that name, whatever the header says."""

    def signer(header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = signing_input(header, claims)
        made = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), private_key(key))
        return f"{signed}.{base64url(made)}"

    return signer


def hmac_signed(secret: bytes) -> Signer:
    """Signed HS256 with something that is no secret."""

    def signer(header: dict[str, Any], claims: dict[str, Any]) -> str:
        signed = signing_input({**header, "alg": "HS256"}, claims)
        return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    return signer


def unsigned(algorithm: str) -> Signer:
    """No signature at all."""

    def signer(header: dict[str, Any], claims: dict[str, Any]) -> str:
        return f"{signing_input({**header, 'alg': algorithm}, claims)}."

    return signer


def changed_after_signing(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A good signature under other claims."""
    _, _, signature = rsa_signed()(header, claims).rpartition(".")
    return f"{signing_input(header, {**claims, 'groups': [GROUP, 'more']})}.{signature}"


@dataclass(frozen=True)
class SignIn:
    """What one sign-in gets; as it stands here, it is a good one.

    `claims`, `header` and `tokens` are changes to the ID token and to the token answer (`REMOVED`
    leaves one out); `answer` replaces the token endpoint's answer; `userinfo` are its claims.
    """

    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    sign: Signer = field(default_factory=rsa_signed)
    tokens: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[], Response] | None = None
    userinfo: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that the issuer got."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    form: dict[str, str]
    headers: dict[str, str]


def _changed(good: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (good | changes).items() if value is not REMOVED}


@dataclass
class HostileIssuer:
    """The running issuer. `published` are the names of the keys in its key set."""

    url: str
    now: Callable[[], float] = time.time
    default: SignIn = field(default_factory=SignIn)
    coming: deque[SignIn] = field(default_factory=deque)
    published: tuple[str, ...] = ("one",)
    discovery: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, Callable[[], Response]] = field(default_factory=dict)
    journal: list[Asked] = field(default_factory=list)
    # Everything it made that must stay between it and the server.
    secrets: set[str] = field(default_factory=set)
    _codes: dict[str, tuple[SignIn, str]] = field(default_factory=dict)
    _userinfo: dict[str, dict[str, Any]] = field(default_factory=dict)

    def reset(self) -> None:
        """Good again, with an empty journal."""
        self.default, self.published = SignIn(), ("one",)
        for kept in (self.coming, self.discovery, self.faults, self.journal):
            kept.clear()

    def asked(self, path: str) -> list[Asked]:
        return [asked for asked in self.journal if asked.path == path]

    def settings_for_server(self) -> dict[str, str]:
        """The environment of a server that uses this issuer without an API token."""
        return {
            "OKTA_ORG_URL": self.url,
            "OKTA_CLIENT_ID": CLIENT_ID,
            "OKTA_CLIENT_SECRET": CLIENT_SECRET,
            "GROUP_TO_ROLE_VIEWER": GROUP,
            "SESSION_SECRET_KEY": SECRET_KEY,
        } | dict.fromkeys(
            ("RATE_REGISTER", "RATE_AUTHORIZE", "RATE_TOKEN_FAILURES"), "100000/minute"
        )

    def application(self) -> Starlette:
        endpoints: dict[str, Callable[[Asked], Response]] = {
            DISCOVERY_PATH: self._discovery_document,
            "/oauth2/v1/authorize": self._authorized,
            TOKEN_PATH: self._tokens,
            KEYS_PATH: lambda _: JSONResponse(jwks(*self.published)),
            USERINFO_PATH: self._personal_claims,
            "/oauth2/v1/revoke": lambda _: Response(),
            "/oauth2/v1/logout": self._logged_out,
        }

        async def answer(request: Request) -> Response:
            asked = Asked(
                request.method,
                request.url.path,
                tuple(parse_qsl(request.url.query)),
                dict(parse_qsl((await request.body()).decode())),
                dict(request.headers),
            )
            self.journal.append(asked)
            if asked.path in self.faults:
                return self.faults[asked.path]()
            endpoint = endpoints.get(asked.path)
            return endpoint(asked) if endpoint else Response(status_code=404)

        return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])

    def _discovery_document(self, _: Asked) -> Response:
        names = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "keys",
            "revocation_endpoint": "revoke",
            "end_session_endpoint": "logout",
        }
        document = {name: f"{self.url}/oauth2/v1/{path}" for name, path in names.items()}
        return JSONResponse(_changed({"issuer": self.url, **document}, self.discovery))

    def _authorized(self, asked: Asked) -> Response:
        query = dict(asked.query)
        if query.get("prompt") == "none":
            # The server's look, at its start, whether its redirect URI is registered.
            return RedirectResponse(f"{query['redirect_uri']}?error=login_required", 302)
        sign_in = self.coming.popleft() if self.coming else self.default
        code = self._secret()
        self._codes[code] = (sign_in, query["nonce"])
        return RedirectResponse(
            f"{query['redirect_uri']}?code={code}&state={query['state']}", status_code=302
        )

    def _tokens(self, asked: Asked) -> Response:
        if asked.form["grant_type"] == "refresh_token":
            sign_in, nonce = self.default, None
        else:
            sign_in, nonce = self._codes.pop(asked.form["code"])
        if sign_in.answer is not None:
            return sign_in.answer()
        return JSONResponse(self._good_tokens(sign_in, nonce))

    def _good_tokens(self, sign_in: SignIn, nonce: str | None) -> dict[str, Any]:
        access_token = sign_in.tokens.get("access_token") or self._secret()
        good = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": SUBJECT,
            "iat": self.now(),
            "exp": self.now() + 3600,
            "nonce": nonce or REMOVED,
            "at_hash": half_hash(access_token),
            "preferred_username": "mallory@example.com",
            "groups": [GROUP],
        }
        # A claim may depend on the time or on the issuer's own name.
        changes = {
            name: change(self) if callable(change) else change
            for name, change in sign_in.claims.items()
        }
        header = _changed({"alg": "RS256", "kid": "one"}, sign_in.header)
        id_token = sign_in.sign(header, _changed(good, changes))
        self.secrets.update((access_token, id_token))
        self._userinfo[access_token] = _changed({"sub": SUBJECT}, sign_in.userinfo)
        tokens = {
            "access_token": access_token,
            "id_token": id_token,
            "refresh_token": self._secret(),
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        return _changed(tokens, sign_in.tokens)

    def _personal_claims(self, asked: Asked) -> Response:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        claims = self._userinfo.get(token)
        return JSONResponse(claims) if claims else Response(status_code=401)

    def _logged_out(self, asked: Asked) -> Response:
        return RedirectResponse(dict(asked.query)["post_logout_redirect_uri"], status_code=302)

    def _secret(self) -> str:
        made = f"upstream-{secrets.token_urlsafe(24)}"
        self.secrets.add(made)
        return made


def endless() -> Response:
    """A body that has no end; whoever reads on runs out of memory."""

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65_536
            # Somebody who hangs up has to be noticed.
            await asyncio.sleep(0)

    return StreamingResponse(chunks(), media_type="application/json")


def dripping() -> Response:
    """A body that comes a byte at a time, each long before any time-out of a read."""

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.5)

    return StreamingResponse(chunks(), media_type="application/json")


def hanging() -> Response:
    """Nothing ever comes, not even the head."""

    class Silent(Response):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

    return Silent()


def breaking_off() -> Response:
    """The head promises more than comes."""
    return Response(b'{"access_token": "half', headers={"Content-Length": "5000"})


@contextlib.contextmanager
def hostile_issuer() -> Iterator[HostileIssuer]:
    """The issuer on a loopback port of its own, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    issuer = HostileIssuer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        issuer.application(),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield issuer
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
