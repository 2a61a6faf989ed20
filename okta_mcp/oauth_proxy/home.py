"""`/` and the pages' assets."""

import json
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp import __version__
from okta_mcp.oauth_proxy.errors import PageError
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.pages import Home
from okta_mcp.settings import is_loopback


class HomeEndpoint:
    """What this server is, and the URL to paste."""

    def __init__(self, responses: Responses, *, mcp_url: str, sandbox_url: str | None) -> None:
        self._responses = responses
        parts = urlsplit(mcp_url)
        server = json.dumps({"name": "okta", "type": "http", "url": mcp_url})
        self._view = Home(
            mcp_url=mcp_url,
            vscode_url=f"vscode:mcp/install?{quote(server)}",
            is_public_https=parts.scheme == "https" and not is_loopback(parts.hostname or ""),
            is_sandbox=sandbox_url is not None,
            sandbox_url=sandbox_url or "",
            version=__version__,
        )

    async def get(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """The start page."""
        return self._responses.page(self._responses.pages.home(self._view))

    async def asset(self, request: Request) -> Response:
        """The stylesheet and the icon; their names change with their content."""
        asset = self._responses.pages.assets.get(request.url.path)
        if asset is None:
            raise PageError("not_found", status=404)
        media_type, body = asset
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(body, media_type=media_type, headers=headers)
