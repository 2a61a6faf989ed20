"""Kill -9 at a random moment, during logins and refreshes: what was answered holds after it.

Each round: people log in, refresh and disconnect all at once; the server (and Redis) is killed; it
starts again; and each person's last answer is held against it. An answer that never came binds
nobody, except that a refresh that was asked for may have happened, and then is repeated.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from okta_mcp.audit.writer import verified_lines
from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import free_port, running_sandbox, running_server
from tests.vocabulary.redis_server import running_redis
from tests.vocabulary.size import how_many

PEOPLE = ("Hana Novak", "Sami Korhonen", "Nora Lind")
AT_ONCE = 4
LONGEST_SECONDS = 1.5
LOGIN_SECONDS = 60
RATES = {
    f"RATE_{name}": "1000000/minute"
    for name in "REGISTER AUTHORIZE TOKEN_FAILURES TOOL_CALLS TOOL_CALLS_PER_TOOL".split()
}


@dataclass
class Connection:
    """One client of one person, and what both were told. `is_ending`: an answer is still due."""

    browser: Browser
    client: OAuthClient
    code: str = ""
    old_refresh_tokens: list[str] = field(default_factory=list)
    is_ending: bool = False
    is_ended: bool = False


@dataclass
class Round:
    """Everybody of one life of the server."""

    url: str
    connections: list[Connection] = field(default_factory=list)
    opened: list[httpx.AsyncClient] = field(default_factory=list)
    is_working: bool = True
    has_answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def _end_at_503(self, answer: httpx.Response) -> None:
        """A server whose Redis has been killed first says so before it is killed itself."""
        if answer.status_code == 503 and self.is_working:
            raise httpx.ReadError("no answer that binds anybody")

    def http(self) -> httpx.AsyncClient:
        hooks = {"response": [self._end_at_503]}
        self.opened.append(httpx.AsyncClient(timeout=15, verify=PLAIN, event_hooks=hooks))
        return self.opened[-1]

    async def work(self, chance: random.Random) -> None:
        """Log in, refresh, sometimes disconnect; until the server is gone."""
        with contextlib.suppress(httpx.TransportError):
            while True:
                connection = Connection(Browser(self.http()), OAuthClient(self.url, self.http()))
                assert (await connection.client.register()).status_code == 201
                await connected(connection.browser, connection.client, chance.choice(PEOPLE))
                connection.code = connection.browser.answer["code"]
                self.connections.append(connection)
                self.has_answered.set()
                for _ in range(chance.randrange(4)):
                    await self._refresh(connection)
                if chance.random() < 0.3:
                    await self._disconnect(connection)

    async def _refresh(self, connection: Connection) -> None:
        old = connection.client.tokens["refresh_token"]
        answer = await connection.client.refresh()
        assert answer.status_code == 200, answer.text
        connection.old_refresh_tokens.append(old)

    async def _disconnect(self, connection: Connection) -> None:
        connection.is_ending = True
        token = connection.client.tokens["refresh_token"]
        assert (await connection.client.revoke(token)).status_code == 200
        connection.is_ended = True

    async def close(self) -> None:
        for http in self.opened:
            await http.aclose()


Killing = Callable[[int], None]


@dataclass
class Kept:
    """Where the server keeps its state; `kill` kills with it what must be killed."""

    store_url: str
    kill: Killing
    restore: Callable[[], None]


@contextlib.contextmanager
def _sqlite(folder: Path) -> Iterator[Kept]:
    yield Kept(
        f"sqlite:///{folder}/kept/store.db", lambda pid: os.kill(pid, signal.SIGKILL), lambda: None
    )


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[Kept]:
    data = folder / "redis"
    data.mkdir()
    with running_redis(data, "--appendonly", "yes", "--appendfsync", "always") as redis:

        def kill(pid: int) -> None:
            assert redis.process is not None
            # In either order: the server without its store, the store without its server.
            for victim in random.sample([pid, redis.process.pid], 2):
                os.kill(victim, signal.SIGKILL)
            redis.stop(signal.SIGKILL)

        yield Kept(redis.url, kill, redis.start)


STORES = {"SQLite": _sqlite, "Redis": _redis}


async def _patiently(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The answer, by a client that comes again where the server says so: a slow disk is no loss."""
    async with asyncio.timeout(30):
        while (answer := await ask()).status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
        return answer


async def _opened(browser: Browser, url: str) -> httpx.Response:
    await browser.open(url)
    assert browser.response is not None
    return browser.response


async def _hold(connection: Connection) -> None:
    """What the person and the client were told is true."""
    client = connection.client
    works = await _patiently(lambda: client.rpc("tools/list"))
    if connection.is_ended:
        assert works.status_code == 401
        assert (await _patiently(client.refresh)).status_code == 400
        return
    if connection.is_ending and works.status_code == 401:
        # It was asked for, and it happened; the answer was lost.
        assert (await _patiently(client.refresh)).status_code == 400
        return
    assert works.status_code == 200, works.text
    before = client.tokens["refresh_token"]
    refreshed = await _patiently(client.refresh)
    assert refreshed.status_code == 200, refreshed.text
    assert (await _patiently(lambda: client.rpc("tools/list"))).status_code == 200
    # The browser is still signed in.
    await _patiently(lambda: _opened(connection.browser, f"{client.url}/oauth/connections"))
    assert "Disconnect" in connection.browser.page.text
    # What was used does not work again; the attempt ends the grant, so only one is made of each.
    if connection.old_refresh_tokens and random.random() < 0.5:
        old = random.choice(connection.old_refresh_tokens)
        used = await _patiently(lambda: client.refresh(refresh_token=old))
    else:
        used = await _patiently(lambda: client.redeem(connection.code))
    assert used.status_code == 400, (before, used.text)
    assert (await _patiently(lambda: client.rpc("tools/list"))).status_code == 401


@pytest.mark.parametrize("store", STORES)
async def test_what_was_answered_holds_after_a_kill(tmp_path: Path, store: str) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    kills = how_many(person=3, full=200)
    with running_sandbox(url) as sandbox, STORES[store](tmp_path) as kept:
        # So many log in that Okta's own limits would be reached, which are not what is tested.
        sandbox.control("settings", {"rate_profile": "off"})
        environment = sandbox.settings_for_server() | RATES | {"STORE_URL": kept.store_url}
        everybody = Round(url)
        held, login_seconds = 0, 0.0
        async with contextlib.AsyncExitStack() as rounds:
            for number in range(kills):
                with running_server(tmp_path / "server", port, environment) as server:
                    everybody.is_working = False
                    async with asyncio.TaskGroup() as holding:
                        for connection in everybody.connections:
                            holding.create_task(_hold(connection))
                    held += len(everybody.connections)
                    await rounds.aclose()
                    everybody = Round(url)
                    rounds.push_async_callback(everybody.close)
                    # Seeded, so that a round that fails can be run again.
                    chance = random.Random(number)
                    async with asyncio.TaskGroup() as working:
                        for _ in range(AT_ONCE):
                            working.create_task(everybody.work(random.Random(chance.random())))
                        if number == 0:
                            # A slow machine is killed as often in the middle as a fast one.
                            began_at = time.monotonic()
                            async with asyncio.timeout(LOGIN_SECONDS):
                                await everybody.has_answered.wait()
                            login_seconds = time.monotonic() - began_at
                        longest_seconds = max(LONGEST_SECONDS, 3 * login_seconds)
                        await asyncio.sleep(chance.uniform(0.2, 1) * longest_seconds)
                        await asyncio.to_thread(kept.kill, server.process.pid)
                await asyncio.to_thread(kept.restore)
            with running_server(tmp_path / "server", port, environment) as server:
                everybody.is_working = False
                for connection in everybody.connections:
                    await _hold(connection)
        # People had been answered before most of the kills.
        assert held >= kills // 2
        with server.audit_file.open() as lines:
            assert list(verified_lines(lines))[-1]["event"] == "server.stopped"
