"""CORS for /mcp, by the one rule of which pages may call it (the Fetch standard, section 3.2).

It answers preflights, which never reach the endpoint: a foreign page's is refused like its call.
No credentials of the browser are ever allowed; the bearer token is the page's own.
"""

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


class McpCors(CORSMiddleware):
    """`is_allowed` is the rule that the endpoint applies to the calls themselves."""

    def __init__(self, app: ASGIApp, *, is_allowed: Callable[[str], bool]) -> None:
        super().__init__(
            app,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["WWW-Authenticate", "Mcp-Session-Id"],
        )
        self._is_allowed = is_allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if b"origin" in dict(scope["headers"]):
            await super().__call__(scope, receive, send)
        else:
            # No page asks. Nothing may keep the answer, so it need not say what it varies by.
            await self.app(scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        return self._is_allowed(origin)

    def preflight_response(self, request_headers: Headers) -> Response:
        if not self._is_allowed(request_headers["origin"]):
            return PlainTextResponse("see ALLOWED_ORIGINS", 403, headers={"Vary": "Origin"})
        return super().preflight_response(request_headers)
