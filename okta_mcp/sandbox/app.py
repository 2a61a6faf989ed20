"""The sandbox's ASGI application: identity endpoints, Management API, control plane."""

import asyncio
import secrets
from email.utils import formatdate
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from okta_mcp.sandbox.authorize import authorize_routes
from okta_mcp.sandbox.control import CONTROL_PREFIX, control_route
from okta_mcp.sandbox.discovery import discovery_routes
from okta_mcp.sandbox.faults import broken, due
from okta_mcp.sandbox.management import management_routes
from okta_mcp.sandbox.state import SandboxState
from okta_mcp.sandbox.tokens import token_routes

# What a query holds may be a secret of Okta or of the client; of others the journal keeps the name.
_OPEN_PARAMETERS = frozenset(
    {"q", "search", "filter", "limit", "type", "since", "until", "prompt", "acr_values"}
)
_CREDENTIALS = frozenset({"ssws", "bearer", "dpop"})


def build_app(state: SandboxState) -> ASGIApp:
    """The organisation of `state`."""

    async def start(_: Request) -> Response:
        return RedirectResponse(f"{state.base_url}/signin")

    routes = [
        Route("/", start),
        *discovery_routes(state),
        *authorize_routes(state),
        *token_routes(state),
        *management_routes(state),
        control_route(state),
    ]
    return Observed(Starlette(routes=routes), state)


class Observed:
    """Marks every answer, keeps the journal, and plays the faults that tests ask for."""

    def __init__(self, app: ASGIApp, state: SandboxState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry: dict[str, Any] = {}

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                message["headers"] = [*message["headers"], *self._marks()]
            await send(message)

        if scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, sent)
            return
        request = Request(scope)
        query = {
            name: value if name in _OPEN_PARAMETERS else "…"
            for name, value in request.query_params.items()
        }
        credential = request.headers.get("authorization", "").partition(" ")[0].lower()
        entry |= {
            "method": request.method,
            "path": request.url.path,
            "query": query,
            "credential": credential if credential in _CREDENTIALS else None,
        }
        self._state.journal.append(entry)
        fault = due(self._state.faults, f"{request.method} {request.url.path}")
        if fault is not None and fault.kind != "slow":
            await broken(fault, self._state.now())(scope, receive, sent)
            return
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        await self._app(scope, receive, sent)

    def _marks(self) -> list[tuple[bytes, bytes]]:
        # The date is the sandbox's own: clients reckon a reset from it, also when the clock moved.
        return [
            (b"date", formatdate(self._state.now(), usegmt=True).encode()),
            (b"x-okta-request-id", secrets.token_hex(16).encode()),
            (b"x-okta-sandbox", b"1"),
        ]
