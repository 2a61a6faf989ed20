"""The scripted server, a browser that follows links, and the command as a person runs it."""

import queue
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from okta_mcp.client.command_line import Surroundings
from okta_mcp.client.commands import client_command
from okta_mcp.client.store import Login, LoginStore
from tests.client.raw_server import RawServer, Talk, bridged, nobody
from tests.client.scripted import ScriptedServer

START = 1_900_000_000.0


@dataclass
class FollowingBrowser:
    """Opens a URL as a browser would, and keeps the page at the end."""

    urls: list[str] = field(default_factory=list)
    _pages: "queue.Queue[httpx.Response]" = field(default_factory=queue.Queue)

    is_there: bool = True

    def __call__(self, url: str) -> bool:
        self.urls.append(url)
        if not self.is_there:
            return False
        self._pages.put(httpx.get(url, follow_redirects=True, trust_env=False))
        return True

    def page(self) -> httpx.Response:
        return self._pages.get(timeout=30)


@dataclass
class Clock:
    """The time that the client sees."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="session")
def running_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running_server: ScriptedServer) -> ScriptedServer:
    running_server.reset()
    return running_server


@pytest.fixture
def browser() -> FollowingBrowser:
    return FollowingBrowser()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LoginStore:
    return LoginStore(tmp_path / "logins")


@pytest.fixture
def run(
    server: ScriptedServer, browser: FollowingBrowser, clock: Clock, tmp_path: Path
) -> Callable[..., Result]:
    """Run the short door as `run("call", "tool", "a=b")`; the server's URL is put first."""

    def invoke(*words: str, url: str = server.url, secret: str = "") -> Result:
        environment = {"OKTA_MCP_CLIENT_SECRET": secret} if secret else {}
        return CliRunner().invoke(
            client_command,
            [url, *words, "--store-dir", str(tmp_path / "logins")],
            obj=Surroundings(open_browser=browser, now=clock, environment=environment),
        )

    return invoke


@pytest.fixture
def logged_in(run: Callable[..., Result], server: ScriptedServer, store: LoginStore) -> Login:
    """A stored log-in; what the server was asked for it is forgotten."""
    assert run("login").exit_code == 0
    server.requests.clear()
    login = store.load(server.url)
    assert login is not None
    return login


@pytest.fixture
async def http() -> AsyncIterator[RawServer]:
    raw = RawServer()
    await raw.start()
    yield raw
    await raw.stop()


@pytest.fixture
async def talk(http: RawServer, tmp_path: Path) -> AsyncIterator[Talk]:
    """A bridge to `http`, which asks nobody to log in."""
    async with bridged(http.url, nobody(http.url, tmp_path)) as talking:
        yield talking
