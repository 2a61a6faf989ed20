"""The application in the test's own process, for what a process of its own cannot show.

Its clock can be moved, and its store lets other requests run between any two verbs. Okta is still
the sandbox, over the network.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from starlette.applications import Starlette

from okta_mcp.oauth_proxy.app import build_app
from okta_mcp.settings import load_settings
from okta_mcp.stores import opening
from okta_mcp.stores.interface import Store
from okta_mcp.stores.memory import MemoryStore
from tests.stores.interleaved import Interleaved
from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.oauth_client import OAuthClient


class MovedClock:
    """Epoch seconds, ahead of the real ones by what a test let pass.

    It starts at the real time, because the sandbox signs ID tokens with it.
    """

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead_seconds

    def pass_seconds(self, seconds: float) -> None:
        self._ahead_seconds += seconds


@dataclass
class Place:
    """A server, and as many browsers and clients as a test wants; over sockets if `app` is None."""

    url: str
    audit_file: Path
    app: Starlette | None = None
    _opened: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self) -> Browser:
        return Browser(self._http())

    async def client(self, **changes: Any) -> OAuthClient:
        """A registered client."""
        client = OAuthClient(self.url, self._http())
        assert (await client.register(**changes)).status_code == 201
        return client

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]

    async def close(self) -> None:
        for client in self._opened:
            await client.aclose()

    def _http(self) -> httpx.AsyncClient:
        here = {self.url: httpx.ASGITransport(self.app)} if self.app else {}
        self._opened.append(httpx.AsyncClient(mounts=here, timeout=30, verify=PLAIN))
        return self._opened[-1]


@dataclass
class LocalServer(Place):
    """The running application, which is reached without a socket."""

    clock: MovedClock = field(default_factory=MovedClock)


@contextlib.asynccontextmanager
async def local_server(
    folder: Path,
    url: str,
    environment: dict[str, str],
    around: Callable[[Store], Store] = Interleaved,
) -> AsyncIterator[LocalServer]:
    """The application under the public URL `url`, with settings by their variables' names.

    `around` is put around its store in memory.
    """
    audit_file, clock = folder / "audit.jsonl", MovedClock()
    overrides = environment | {"PUBLIC_URL": url, "AUDIT_LOG": str(audit_file)}
    settings = load_settings(
        env_file=None, overrides={name.lower(): value for name, value in overrides.items()}
    )

    def store_around(now: MovedClock) -> Store:
        return around(MemoryStore(now))

    with patch.object(opening, "MemoryStore", store_around):
        app = build_app(settings, now=clock)
    async with _lifespan_in_a_task(app):
        server = LocalServer(url, audit_file, app, clock=clock)
        yield server
        await server.close()


@contextlib.asynccontextmanager
async def _lifespan_in_a_task(app: Starlette) -> AsyncIterator[None]:
    """A lifespan has to end in the task in which it began, and fixtures have two of them."""
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.router.lifespan_context(app):
            started.set()
            await ending.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        await task
    try:
        yield
    finally:
        ending.set()
        await task
