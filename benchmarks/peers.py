"""What we are compared with: `python -m benchmarks.peers NAME PORT` serves one of them.

bare        a Starlette endpoint that answers a fixed JSON object: the limit on this machine
fastmcp     FastMCP with our tools, stateless with JSON answers, without any login
one_tool    FastMCP with one small tool, served alike: the least that a server of it takes
oidc        FastMCP behind its own OIDCProxy on the sandbox organisation
"""

import os
import sys
import time
from collections.abc import Callable

from starlette.types import ASGIApp


def main() -> None:
    """Serve until the process is ended."""
    import uvicorn

    name, port = sys.argv[1], int(sys.argv[2])
    uvicorn.run(PEERS[name](port), host="127.0.0.1", port=port, log_config=None, access_log=False)


def bare(_: int) -> ASGIApp:
    """`/health` and `/json`."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def answer(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/health", answer), Route("/json", answer, methods=["POST"])])


def fastmcp(_: int) -> ASGIApp:
    """`/health` and `/mcp` with the tools of the product, of which the local ones work."""
    from fastmcp import FastMCP
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    from okta_mcp.tools import okta_tools
    from okta_mcp.tools.call import Call, current_call
    from okta_mcp.tools.cursors import SealedCursors

    server = FastMCP("peer")
    for tool in okta_tools(None, SealedCursors(bytes(32)), time.time):
        server.add_tool(tool.tool)

    @server.custom_route("/health", methods=["GET"])
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    # The tools look into the record of their call: here one for all, made before the first.
    current_call.set(Call("nobody", "any"))
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


def one_tool(_: int) -> ASGIApp:
    """`/health` and `/mcp` with the tool `add`, and nothing of the product."""
    from fastmcp import FastMCP
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    server = FastMCP("peer")

    # A docstring would load the parser of docstrings, 5 MB of it, which our own tools do without.
    @server.tool(description="The sum of two numbers.")
    def add(a: int, b: int) -> int:
        return a + b

    @server.custom_route("/health", methods=["GET"])
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


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
    return server.http_app(path="/mcp", stateless_http=True, json_response=True)


PEERS: dict[str, Callable[[int], ASGIApp]] = {
    "bare": bare,
    "fastmcp": fastmcp,
    "one_tool": one_tool,
    "oidc": oidc,
}

if __name__ == "__main__":
    main()
