"""What we are compared with: `python -m benchmarks.peers NAME PORT` serves one of them.

Without a port it is served over stdio, which only `echo` is.

bare        a Starlette endpoint that answers a fixed JSON object: the limit on this machine
fastmcp     FastMCP with our tools, stateless with JSON answers, without any login
one_tool    FastMCP with one small tool, served alike: the least that a server of it takes
oidc        FastMCP behind its own OIDCProxy on the sandbox organisation
echo        FastMCP with a tool that says its text again: what stands behind the gateway
"""

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

if TYPE_CHECKING:
    from fastmcp import FastMCP


def main() -> None:
    """Serve until the process is ended, or the input closes."""
    import uvicorn

    if len(sys.argv) == 2:
        _echoing().run("stdio", show_banner=False, log_level="CRITICAL")
        return
    name, port = sys.argv[1], int(sys.argv[2])
    uvicorn.run(PEERS[name](port), host="127.0.0.1", port=port, log_config=None, access_log=False)


def bare(_: int) -> ASGIApp:
    """`/health` and `/json`."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    return Starlette(routes=[Route("/health", _ok), Route("/json", _ok, methods=["POST"])])


def fastmcp(_: int) -> ASGIApp:
    """`/health` and `/mcp` with the tools of the product, of which the local ones work."""
    from fastmcp import FastMCP

    from okta_mcp.tools import okta_tools
    from okta_mcp.tools.call import Call, current_call
    from okta_mcp.tools.cursors import SealedCursors

    server = FastMCP("peer")
    for tool in okta_tools(None, SealedCursors(bytes(32)), time.time):
        server.add_tool(tool.tool)

    # The tools look into the record of their call: here one for all, made before the first.
    current_call.set(Call("nobody", "any"))
    return _served(server)


def one_tool(_: int) -> ASGIApp:
    """`/health` and `/mcp` with the tool `add`, and nothing of the product."""
    from fastmcp import FastMCP

    server = FastMCP("peer")

    # A docstring would load the parser of docstrings, 5 MB of it, which our own tools do without.
    @server.tool(description="The sum of two numbers.")
    def add(a: int, b: int) -> int:
        return a + b

    return _served(server)


def oidc(port: int) -> ASGIApp:
    """FastMCP's own answer to the same task, with the settings of the sandbox's application.

    As fast as its options make it: state in memory like ours instead of encrypted files, and no
    log of what goes well. The ID token is what it can verify of an organisation's own server.
    """
    from fastmcp import FastMCP
    from fastmcp.server.auth.oidc_proxy import OIDCProxy
    from fastmcp.utilities.logging import configure_logging
    from key_value.aio.stores.memory import MemoryStore

    configure_logging(level="ERROR")
    auth = OIDCProxy(
        config_url=f"{os.environ['OKTA_ORG_URL']}/.well-known/openid-configuration",
        client_id=os.environ["OKTA_CLIENT_ID"],
        client_secret=os.environ["OKTA_CLIENT_SECRET"],
        base_url=f"http://localhost:{port}",
        redirect_path="/oauth/callback",
        required_scopes=["openid", "profile", "email"],
        valid_scopes=["openid", "profile", "email", "offline_access"],
        verify_id_token=True,
        client_storage=MemoryStore(),
    )
    server = FastMCP("peer", auth=auth)
    return _served(server)


def echo(_: int) -> ASGIApp:
    """With sessions and answers as events, as FastMCP serves by default."""
    return _echoing().http_app(path="/mcp")


def _echoing() -> "FastMCP[None]":
    from fastmcp import FastMCP

    server: FastMCP[None] = FastMCP("echo")

    @server.tool
    def echo(text: str) -> str:
        return text

    return server


def _served(server: "FastMCP[Any]") -> ASGIApp:
    """`/health` and `/mcp`, stateless with JSON answers."""
    server.custom_route("/health", methods=["GET"])(_ok)
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


async def _ok(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


PEERS: dict[str, Callable[[int], ASGIApp]] = {
    "bare": bare,
    "fastmcp": fastmcp,
    "one_tool": one_tool,
    "oidc": oidc,
    "echo": echo,
}

if __name__ == "__main__":
    main()
