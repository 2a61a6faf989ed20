"""A relay in front of /mcp that adds a person's access token, for programs that cannot log in.

It changes nothing else: what names the relay names the server behind it, and a foreign `Host` or
`Origin` arrives as it was sent.
"""

import contextlib
from collections.abc import AsyncIterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.vocabulary.browser import PLAIN
from tests.vocabulary.processes import free_port

# What belongs to one connection only (RFC 9110 section 7.6.1), and what is computed anew.
_HOP = frozenset("connection keep-alive transfer-encoding content-length te upgrade".split())


@contextlib.asynccontextmanager
async def bearer_relay(server_url: str, access_token: str) -> AsyncIterator[str]:
    """Runs in this loop; gives the URL that stands for `server_url`/mcp."""
    port = free_port()
    here, there = f"localhost:{port}", server_url.partition("://")[2]

    async def relayed(request: Request) -> Response:
        named = {
            name: value.replace(here, there) if name in ("host", "origin") else value
            for name, value in request.headers.items()
            if name not in _HOP
        }
        sent = http.build_request(
            request.method,
            f"{server_url}/mcp",
            headers=named | {"authorization": f"Bearer {access_token}"},
            content=await request.body(),
        )
        answer = await http.send(sent, stream=True)
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            {name: value for name, value in answer.headers.items() if name not in _HOP},
            background=BackgroundTask(answer.aclose),
        )

    app = Starlette(routes=[Route("/mcp", relayed, methods=["GET", "POST", "DELETE", "OPTIONS"])])
    config = uvicorn.Config(app, host="localhost", port=port, log_level="error", lifespan="off")
    relay = uvicorn.Server(config)
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http, _serving(relay):
        yield f"http://{here}/mcp"


@contextlib.asynccontextmanager
async def _serving(relay: uvicorn.Server) -> AsyncIterator[None]:
    import asyncio

    task = asyncio.create_task(relay.serve())
    while not relay.started:
        assert not task.done(), "the relay did not start"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        relay.should_exit = True
        await task
