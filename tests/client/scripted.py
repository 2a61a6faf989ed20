"""An MCP server with a login of its own, in one process with the tests, that misbehaves to order.

`ScriptedServer` answers on a loopback socket: `/mcp` asks for a token, `/open/mcp` does not,
and `/empty/mcp` has no tools. Its `script` says how the next answers differ from right ones;
`requests` is what it was asked.
"""

import base64
import hashlib
import json
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import uvicorn
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

METADATA = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
ANN = {"id": "00u1", "login": "ann@example.com", "name": "Ann \x1b[31mExample", "note": "\u202e"}


@dataclass
class Script:
    """How the server behaves; the defaults are a good server."""

    answer: Callable[[dict[str, str]], Any] = lambda answer: answer
    metadata: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)
    documents: frozenset[str] = frozenset({METADATA, f"{RESOURCE}/mcp"})
    challenge: bool = True
    challenge_url: str = ""
    lifetime_seconds: int = 3600
    token_answer: tuple[int, Any] | None = None
    refresh_answer: tuple[int, Any] | None = None
    revoke_status: int = 200
    issues_refresh_tokens: bool = True
    accepts_tokens: bool = True
    registration_status: int = 201
    registration: Mapping[str, Any] = field(default_factory=dict)
    # A scope that a log-in must have asked for, or every request is 403.
    wanted_scope: str = ""
    # Clients that somebody entered by hand, with their secret, and their one redirect URI.
    entered: dict[str, str] = field(default_factory=dict)
    entered_redirect_uri: str = ""
    issuers: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)


class ScriptedServer:
    """Start it with `start`; `reset` between tests."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"{self.origin}/mcp"
        self.open_url = f"{self.origin}/open/mcp"
        self.empty_url = f"{self.origin}/empty/mcp"
        self.reset()
        self._guarded, self._open, self._empty = (
            _okta_like().http_app(**_STATELESS),
            _bare().http_app(**_STATELESS),
            FastMCP("empty").http_app(**_STATELESS),
        )
        config = uvicorn.Config(self._app(), log_level="critical", ws="none")
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(timeout=10)

    def reset(self) -> None:
        self.script = Script()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.clients: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.access_tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.issued: set[str] = set()

    def asked(self, name: str) -> list[dict[str, str]]:
        """The parameters of each request to one endpoint, for example `refresh_token`."""
        return [parameters for asked, parameters in self.requests if asked == name]

    def _app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with (
                self._guarded.router.lifespan_context(self._guarded),
                self._open.router.lifespan_context(self._open),
                self._empty.router.lifespan_context(self._empty),
            ):
                yield

        return Starlette(
            routes=[
                Route("/mcp", endpoint=_Endpoint(self._mcp)),
                Route("/open/mcp", endpoint=_Endpoint(self._open)),
                Route("/empty/mcp", endpoint=_Endpoint(self._empty)),
                Route("/.well-known/{rest:path}", self._well_known),
                Route("/oauth2/default/.well-known/{rest:path}", self._well_known),
                *(
                    Route(prefix + path, endpoint, methods=[method])
                    for prefix in ("", "/oauth")
                    for path, endpoint, method in (
                        ("/register", self._register, "POST"),
                        ("/authorize", self._authorize, "GET"),
                        ("/token", self._token, "POST"),
                        ("/revoke", self._revoke, "POST"),
                    )
                ),
            ],
            lifespan=lifespan,
        )

    async def _mcp(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.requests.append(("mcp", {"token": token}))
        if token in self.access_tokens and self.script.accepts_tokens:
            wanted = self.script.wanted_scope
            scopes = [request.get("scope", "") for request in self.asked("authorize")][-1:]
            if wanted and wanted not in " ".join(scopes).split():
                challenge = f'Bearer error="insufficient_scope", scope="{wanted}"'
                headers = {"WWW-Authenticate": challenge}
                await JSONResponse({}, 403, headers)(scope, receive, send)
                return
            await self._guarded(scope, receive, send)
            return
        named = self.script.challenge_url or f"{self.origin}{RESOURCE}/mcp"
        challenge = f'Bearer resource_metadata="{named}"'
        headers = {"WWW-Authenticate": challenge if self.script.challenge else "Bearer"}
        await JSONResponse({"error": "invalid_token"}, 401, headers)(scope, receive, send)

    async def _well_known(self, request: Request) -> Response:
        path = request.url.path
        if path in self.script.status:
            return Response(status_code=self.script.status[path])
        if path not in self.script.documents:
            return Response(status_code=404)
        if path.startswith(RESOURCE):
            document = {"resource": self.url, "authorization_servers": [self.origin]}
            return JSONResponse({**document, **self.script.resource})
        issuer = f"{self.origin}/oauth2/default" if "oauth2/default" in path else self.origin
        document = {
            "issuer": self.script.issuers.get(path, issuer),
            **{
                f"{name}_endpoint": f"{self.origin}/oauth/{path}"
                for name, path in (
                    ("authorization", "authorize"),
                    ("token", "token"),
                    ("registration", "register"),
                    ("revocation", "revoke"),
                )
            },
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "scopes_supported": ["okta.users.read", "offline_access"],
            **self.script.metadata,
        }
        return JSONResponse({name: value for name, value in document.items() if value is not None})

    async def _register(self, request: Request) -> Response:
        metadata = await request.json()
        self.requests.append(("register", metadata))
        if self.script.registration_status != 201:
            return JSONResponse({"errorCode": "E0000011"}, self.script.registration_status)
        client_id = f"client-{len(self.clients) + 1}"
        self.clients[client_id] = metadata
        answer = {**metadata, "client_id": client_id, **self.script.registration}
        return JSONResponse(answer, 201)

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        self.requests.append(("authorize", query))
        if query["client_id"] not in {**self.clients, **self.script.entered}:
            return Response("unknown client", 400)
        if (
            query["client_id"] in self.script.entered
            and query["redirect_uri"] != self.script.entered_redirect_uri
        ):
            return Response("not a login redirect URI of the client", 400)
        code = secrets.token_urlsafe()
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.origin}
        return RedirectResponse(
            f"{query['redirect_uri']}?{urlencode(self.script.answer(answer))}", 302
        )

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.requests.append((form["grant_type"], form))
        if not self._is_authenticated(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        if form["grant_type"] == "refresh_token":
            if self.script.refresh_answer:
                return JSONResponse(*reversed(self.script.refresh_answer))
            if form["refresh_token"] not in self.refresh_tokens:
                return JSONResponse({"error": "invalid_grant"}, 400)
            self.refresh_tokens.remove(form["refresh_token"])
            return self._tokens()
        if self.script.token_answer:
            return JSONResponse(*reversed(self.script.token_answer))
        asked = self.codes.pop(form["code"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        proven = base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        same = all(form[name] == asked[name] for name in ("redirect_uri", "resource"))
        return self._tokens() if proven and same else JSONResponse({"error": "invalid_grant"}, 400)

    def _is_authenticated(self, request: Request, form: dict[str, str]) -> bool:
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        if not basic:
            return not self.script.entered.get(form["client_id"])
        client_id, _, secret = base64.b64decode(basic).decode().partition(":")
        return bool(secret) and self.script.entered.get(client_id) == secret

    def _tokens(self) -> Response:
        answer: dict[str, Any] = {
            "access_token": f"at-{secrets.token_hex()}",
            "token_type": "Bearer",
        }
        answer["expires_in"] = self.script.lifetime_seconds
        self.access_tokens.add(answer["access_token"])
        if self.script.issues_refresh_tokens:
            answer["refresh_token"] = f"rt-{secrets.token_hex()}"
            self.refresh_tokens.add(answer["refresh_token"])
        self.issued |= {answer["access_token"], answer.get("refresh_token", "at-")} - {"at-"}
        return JSONResponse(answer)

    async def _revoke(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.requests.append(("revoke", form))
        self.access_tokens.discard(form["token"])
        self.refresh_tokens.discard(form["token"])
        return Response(status_code=self.script.revoke_status)


_STATELESS: dict[str, Any] = {"path": "/mcp", "stateless_http": True, "json_response": True}


class _Endpoint:
    """Starlette takes an instance as an ASGI application, whatever the method."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The application behind knows one path only.
        await self._app({**scope, "path": "/mcp", "raw_path": b"/mcp"}, receive, send)


def _okta_like() -> FastMCP:
    mcp = FastMCP("scripted")

    @mcp.tool(title="List people")
    def list_okta_users(
        q: str = "", limit: int = 20, fields: list[str] | None = None
    ) -> dict[str, Any]:
        """Find people. Some of them."""
        return {"items": [ANN][:limit], "count": 1, "q": q, "fields": fields or []}

    @mcp.tool
    def get_okta_user(user_id: str) -> dict[str, Any]:
        """One person by id. With the profile."""
        if user_id == "gone":
            raise ToolError("not_found: no \x1b[2Jsuch person")
        if user_id == "?":
            error = {"code": "invalid_argument", "message": "no id", "fix": "look it up"}
            raise ToolError(json.dumps({"error": {**error, "okta_request_id": "r1"}}))
        return {"id": user_id, "profile": {"login": "ann@example.com"}}

    @mcp.resource("user://me", mime_type="application/json")
    def me() -> str:
        person = {"id": "00u1", "login": "ann@example.com", "name": "Ann Example"}
        return json.dumps({"person": person, "role": "viewer", "groups": ["Help"], "scopes": []})

    @mcp.resource("table://people", mime_type="text/csv", title="People as a table")
    def people() -> str:
        return 'login,note\r\nann,"=1+1"\r\n'

    @mcp.resource("person://{login}", title="One person")
    def person(login: str) -> str:
        return f"about \x1b[2J{login}"

    @mcp.prompt(title="Look at a person")
    def look(login: str, since: str = "today") -> str:
        return f"Look at {login} since {since}."

    return mcp


def _bare() -> FastMCP:
    mcp = FastMCP("bare")

    @mcp.tool
    def ping() -> str:
        """Say pong"""
        return "pong"

    return mcp
