"""Processes that many tests share, and a browser and a client for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments
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
def shared_sandbox(server_port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{server_port}") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    """The organisation; whatever a test changed in it is undone."""
    yield shared_sandbox
    shared_sandbox.control("reset")


@pytest.fixture(scope="session")
def server(
    shared_sandbox: SandboxProcess, server_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    # All tests come from one address and are a few people; tests of the rates start a server of
    # their own.
    names = "REGISTER AUTHORIZE TOKEN_FAILURES TOOL_CALLS TOOL_CALLS_PER_TOOL".split()
    rates = dict.fromkeys((f"RATE_{name}" for name in names), "100000/minute")
    environment = shared_sandbox.settings_for_server() | rates
    with running_server(folder, server_port, environment) as running:
        yield running


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
