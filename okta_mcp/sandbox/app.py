"""The sandbox's ASGI application: identity endpoints, Management API, control plane."""

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from okta_mcp.sandbox.control import control_routes
from okta_mcp.sandbox.identity import Identity
from okta_mcp.sandbox.management import management_routes
from okta_mcp.sandbox.state import Fault, SandboxState

# What a query holds is Okta's secret or the client's; the journal keeps the names alone.
_OPEN_PARAMETERS = frozenset({"q", "search", "filter", "limit", "type", "since", "until", "prompt"})
_HANG_SECONDS = 60


def build_app(state: SandboxState) -> Starlette:
    """The organisation of `state`."""
    identity = Identity(state)

    async def start(_: Request) -> Response:
        return RedirectResponse(f"{state.base_url}/signin")

    return Starlette(
        routes=[
            Route("/", start),
            *identity.routes(),
            *management_routes(state),
            *control_routes(state),
        ],
        middleware=[Middleware(Observed, state=state)],
    )


class Observed:
    """Marks every answer, keeps the journal, and plays the faults that tests ask for."""

    def __init__(self, app: ASGIApp, state: SandboxState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__sandbox/"):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        entry: dict[str, Any] = {
            "method": request.method,
            "path": request.url.path,
            "query": {
                name: value if name in _OPEN_PARAMETERS else "…"
                for name, value in request.query_params.items()
            },
            "user_agent": request.headers.get("user-agent", ""),
            "authorization": request.headers.get("authorization", "").partition(" ")[0],
        }
        self._state.journal.append(entry)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-okta-sandbox", b"1")]
            await send(message)

        fault = self._due(f"{request.method} {request.url.path}")
        if fault is None:
            await self._app(scope, receive, sent)
        else:
            await self._fail(fault, scope, receive, sent)

    def _due(self, what: str) -> Fault | None:
        for fault in self._state.faults:
            if fault.times > 0 and what.startswith(fault.match):
                fault.times -= 1
                return fault
        return None

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "hang":
            await asyncio.sleep(_HANG_SECONDS)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
            return
        response = _broken(fault, self._state.now())
        await response(scope, receive, send)


def _broken(fault: Fault, now: float) -> Response:
    if fault.kind == "truncate":
        return Response('[{"id": "00u', media_type="application/json")
    if fault.kind == "not_json":
        return Response("<html>a proxy's page</html>", media_type="text/html")
    headers = {}
    if fault.status == 429:
        is_concurrency = fault.kind == "concurrency"
        headers = {
            "X-Rate-Limit-Limit": "0" if is_concurrency else "100",
            "X-Rate-Limit-Remaining": "0",
            "X-Rate-Limit-Reset": str(int(now + fault.seconds)),
        }
    code, summary = {
        429: ("E0000047", "API call exceeded rate limit due to too many requests."),
        403: ("E0000006", "You do not have permission to perform the requested action"),
        503: ("E0000010", "Service is in read only mode"),
    }.get(fault.status, ("E0000009", "Internal Server Error"))
    body = {
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": "oaeSandboxFault",
        "errorCauses": [],
    }
    return Response(json.dumps(body), fault.status, headers=headers, media_type="application/json")
