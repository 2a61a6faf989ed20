"""A kept server over HTTP that forgets its sessions with status 400, ended and started again."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from okta_mcp.gateway.errors import ServerError
from okta_mcp.gateway.http_link import HttpLink, shared_client
from okta_mcp.gateway.servers import HttpServer
from okta_mcp.gateway.upstream import Upstream
from tests.vocabulary.behind import eventually, said
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.processes import free_port
from tests.vocabulary.real_servers import SCRIPT_OF_EVERYTHING

pytestmark = needs_npm

Starter = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def started(environments: Environments, port: int) -> Starter:
    """Runs it as long as the context lasts."""
    command = [*environments.server(SCRIPT_OF_EVERYTHING), "streamableHttp"]

    @contextlib.contextmanager
    def running() -> Iterator[None]:
        with subprocess.Popen(
            command,
            env={"PORT": str(port), "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield
            finally:
                process.kill()

    return running


async def comes_back(upstream: Upstream) -> str:
    """What it answers as soon as it does."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ServerError):
                return await said(upstream, "echo", message="again")
            await asyncio.sleep(0.05)


async def test_a_server_that_is_gone_shows_it_without_a_call_and_comes_back(
    started: Starter, port: int
) -> None:
    server = HttpServer(name="web", title="Web", url=f"http://127.0.0.1:{port}/mcp")
    async with shared_client() as http:
        upstream = Upstream(server, lambda: HttpLink(server, http))
        try:
            with started():
                upstream.start()
                await eventually(lambda: upstream.state.name == "up")
                assert await said(upstream, "echo", message="hello") == "Echo: hello"
            await eventually(lambda: upstream.state.name == "down")
            with started():
                assert await comes_back(upstream) == "Echo: again"
            # Back before anybody noticed, without the session.
            with started():
                assert await comes_back(upstream) == "Echo: again"
        finally:
            await upstream.stop()
