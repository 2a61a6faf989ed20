"""Processes that many tests share, and a browser and a client for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)


@pytest.fixture(scope="session")
def server_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def group_port() -> int:
    """The port before several servers with one public URL."""
    return free_port()


@pytest.fixture(scope="session")
def shared_sandbox(server_port: int, group_port: int) -> Iterator[SandboxProcess]:
    group_url = f"http://localhost:{group_port}"
    of_the_group = (
        *("--redirect-uri", f"{group_url}/oauth/callback"),
        *("--post-logout-redirect-uri", f"{group_url}/oauth/signed-out"),
    )
    with running_sandbox(f"http://localhost:{server_port}", *of_the_group) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The organisation; whatever a test changed in it is undone."""
    yield shared_sandbox
    shared_sandbox.control("reset")


@pytest.fixture(scope="session")
def server_environment(shared_sandbox: SandboxProcess) -> dict[str, str]:
    # All tests come from one address and are a few people; tests of the rates start a server of
    # their own.
    names = "REGISTER AUTHORIZE TOKEN_FAILURES TOOL_CALLS TOOL_CALLS_PER_TOOL".split()
    rates = dict.fromkeys((f"RATE_{name}" for name in names), "100000/minute")
    return shared_sandbox.settings_for_server() | rates


@pytest.fixture(scope="session")
def single_server(
    server_environment: dict[str, str], server_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """One process with the store in memory."""
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, server_port, server_environment) as running:
        yield running


@pytest.fixture(scope="session")
def server(single_server: ServerProcess) -> ServerProcess:
    """The server of the tests; tests/e2e has it twice."""
    return single_server


@pytest.fixture(scope="session")
def environments(pytestconfig: pytest.Config) -> Environments:
    """Where the real clients are installed."""
    return Environments(pytestconfig.cache.mkdir("clients"))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    opened = Browser()
    yield opened
    await opened.close()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[OAuthClient]:
    """A registered client of the shared server."""
    registered = OAuthClient(server.url)
    answer = await registered.register()
    assert answer.status_code == 201
    yield registered
    await registered.close()


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    """The application in this process, with the sandbox of the shared server."""
    environment = sandbox.settings_for_server()
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as running:
        yield running
