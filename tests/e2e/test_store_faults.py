"""The store away, slow, full or read-only, at any moment: 503 soon, nothing half-done, and back.
The same for the disk of the audit trail.

The first tests let one verb of the store fail, each in turn, in a server in this process. The
others take a real store, or the room for the trail, away from a server of its own.
"""

import asyncio
import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from okta_mcp.audit.writer import verified_lines
from okta_mcp.stores import sqlite
from okta_mcp.stores.sqlite import SqliteStore
from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.faulty_store import FaultyStore
from tests.vocabulary.in_process import LocalServer, Place, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.redis_server import RedisServer, running_redis
from tests.vocabulary.size import how_many

PERSON = "Hana Novak"
MOST_SECONDS = 2.0
LOOK_SECONDS = 0.2
RATES = {
    f"RATE_{name}": "100000/minute"
    for name in "REGISTER AUTHORIZE TOKEN_FAILURES TOOL_CALLS TOOL_CALLS_PER_TOOL".split()
}
HTML = {"accept": "text/html"}


# One verb fails.


@dataclass
class Here:
    """A server in this process whose store can fail, and a person who uses it."""

    server: LocalServer
    stores: list[FaultyStore]
    browser: Browser = field(init=False)
    client: OAuthClient = field(init=False)
    answers: list[httpx.Response] = field(default_factory=list)

    @property
    def store(self) -> FaultyStore:
        return self.stores[-1]

    async def newcomer(self) -> None:
        """A fresh browser, and a client that is registered."""
        self.browser = self.server.browser()
        self.client = await self.server.client()

    def heard(self, answer: httpx.Response | None) -> None:
        assert answer is not None
        self.answers.append(answer)


@pytest.fixture(scope="module")
def sandbox_here() -> Iterator[tuple[str, SandboxProcess]]:
    url = f"http://localhost:{free_port()}"
    with running_sandbox(url) as sandbox:
        yield url, sandbox


@pytest.fixture
async def here(tmp_path: Path, sandbox_here: tuple[str, SandboxProcess]) -> AsyncIterator[Here]:
    url, sandbox = sandbox_here
    stores: list[FaultyStore] = []

    def faulty(store: object) -> FaultyStore:
        stores.append(FaultyStore(store))  # type: ignore[arg-type]
        return stores[-1]

    async with local_server(
        tmp_path, url, sandbox.settings_for_server() | RATES, around=faulty
    ) as server:
        yield Here(server, stores)


Act = Callable[[Here], Awaitable[None]]


async def _nothing(here: Here) -> None:
    await here.newcomer()


async def _at_sign_in(here: Here) -> None:
    await here.newcomer()
    await here.browser.open(here.client.authorization_url())


async def _at_okta(here: Here) -> None:
    await _at_sign_in(here)
    await here.browser.press("Sign in with Okta")


async def _at_consent(here: Here) -> None:
    await here.newcomer()
    await signed_in(here.browser, here.client, PERSON)


async def _at_code(here: Here) -> None:
    await _at_consent(here)
    await here.browser.press("Allow")


async def _connected(here: Here) -> None:
    await here.newcomer()
    await connected(here.browser, here.client, PERSON)


async def _at_connections(here: Here) -> None:
    await _connected(here)
    await here.browser.open(f"{here.server.url}/oauth/connections")


async def _at_sign_out(here: Here) -> None:
    await _connected(here)
    await here.browser.open(f"{here.server.url}/oauth/logout")


async def _register(here: Here) -> None:
    here.heard(await here.client.register())


async def _authorize(here: Here) -> None:
    await here.browser.open(here.client.authorization_url())
    here.heard(here.browser.response)


def _press(text: str) -> Act:
    async def press(here: Here) -> None:
        await here.browser.press(text)
        here.heard(here.browser.response)

    return press


async def _redeem(here: Here) -> None:
    here.heard(await here.client.redeem(here.browser.answer["code"]))


async def _refresh(here: Here) -> None:
    here.heard(await here.client.refresh())


async def _revoke(here: Here) -> None:
    here.heard(await here.client.revoke(here.client.tokens["refresh_token"]))


async def _list_tools(here: Here) -> None:
    here.heard(await here.client.rpc("tools/list"))


STEPS: dict[str, tuple[Act, Act]] = {
    "register": (_nothing, _register),
    "authorize": (_nothing, _authorize),
    "press the button to Okta": (_at_sign_in, _press("Sign in with Okta")),
    "come back from Okta": (_at_okta, _press(PERSON)),
    "allow": (_at_consent, _press("Allow")),
    "deny": (_at_consent, _press("Deny")),
    "redeem": (_at_code, _redeem),
    "refresh": (_connected, _refresh),
    "revoke": (_connected, _revoke),
    "end a connection": (_at_connections, _press("Disconnect")),
    "sign out": (_at_sign_out, _press("Sign out")),
    "list the tools": (_connected, _list_tools),
}


async def _again(step: str, here: Here) -> None:
    """What the person or the client does next works, and what it was told was true."""
    client = here.client
    if step == "refresh":
        # Whether or not the new pair was written: the client that heard nothing gets one.
        assert (await client.refresh()).status_code == 200
    elif step == "revoke":
        assert (await client.revoke(client.tokens["refresh_token"])).status_code == 200
        assert (await client.rpc("tools/list")).status_code == 401
        assert (await client.refresh()).status_code == 400
    elif step == "end a connection":
        await here.browser.open(f"{here.server.url}/oauth/connections")
        if any(button.text.startswith("Disconnect") for button in here.browser.page.buttons):
            await here.browser.press("Disconnect")
        assert (await client.rpc("tools/list")).status_code == 401
    elif step == "list the tools":
        assert (await client.rpc("tools/list")).status_code == 200
    # Nobody is locked out: a person with this browser and a client can always begin anew.
    if step == "register":
        assert (await client.register()).status_code == 201
    await here.browser.open(client.authorization_url(prompt="consent"))
    if any(button.text.startswith("Sign in") for button in here.browser.page.buttons):
        await here.browser.press("Sign in with Okta")
        if any(button.text.startswith(PERSON) for button in here.browser.page.buttons):
            await here.browser.press(PERSON)
    await here.browser.press("Allow")
    assert (await client.redeem(here.browser.answer["code"])).status_code == 200
    assert (await client.rpc("tools/list")).status_code == 200


@pytest.mark.parametrize("is_done", [False, True], ids=["nothing is done", "the answer is lost"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_fault_at_any_verb_leaves_nothing_half_done(
    here: Here, step: str, is_done: bool
) -> None:
    prepare, act = STEPS[step]
    failures = 0
    for verb in range(1, 60):
        await prepare(here)
        here.store.fail_at(verb, is_done=is_done)
        await act(here)
        here.store.work()
        if not here.store.has_failed:
            break
        failures += 1
        answer = here.answers[-1]
        if answer.status_code != 503:
            # Only what may be left out without harm may fail unseen.
            assert step in MAY_DO_WITHOUT, (verb, answer.status_code, answer.text[:300])
        else:
            assert int(answer.headers["retry-after"]) > 0
        await _again(step, here)
    assert 0 < failures < 50


# After the code's single step the mark of the used code, and after the code the remembered answer.
MAY_DO_WITHOUT = frozenset({"redeem", "allow"})


async def test_a_code_that_may_have_been_used_works_once_at_the_most(here: Here) -> None:
    """The answer to the client was lost with the store's; then a second try ends the grant."""
    for verb in range(1, 12):
        await _at_code(here)
        here.store.fail_at(verb, is_done=True)
        await _redeem(here)
        here.store.work()
        first = here.answers[-1].status_code
        await _redeem(here)
        statuses = {first, here.answers[-1].status_code}
        assert len([one for one in (first, here.answers[-1].status_code) if one == 200]) <= 1
        assert statuses <= {200, 400, 503}
        # A third try never works.
        await _redeem(here)
        assert here.answers[-1].status_code == 400


ADMINISTRATOR = "Nora Lind"
REPORT = {"name": "mfa_posture_report", "arguments": {}}


async def test_a_fault_within_a_call_is_an_answer_with_a_stable_code(
    here: Here, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows of a report go into the store, and are read from it as a resource."""
    await here.newcomer()
    await connected(here.browser, here.client, ADMINISTRATOR)
    whole = (await here.client.rpc("tools/call", REPORT)).json()["result"]["structuredContent"]
    asked = {
        "tool": ("tools/call", REPORT),
        "resource": ("resources/read", {"uri": whole["csv"]}),
    }
    for what, (method, params) in asked.items():
        within = []
        for verb in range(1, 60):
            here.store.fail_at(verb, is_done=False)
            answer = await here.client.rpc(method, params)
            here.store.work()
            if not here.store.has_failed:
                break
            if answer.status_code == 200:
                within.append(answer.json())
            else:
                assert answer.status_code == 503
        assert within, what
        for told in within:
            if what == "tool":
                assert told["result"]["isError"] is True
                text = json.loads(told["result"]["content"][0]["text"])
                assert text["error"]["code"] == "store_unavailable"
                assert "in a moment" in text["error"]["fix"]
            else:
                assert "ask again in a moment" in told["error"]["message"]
    lines = here.server.events("tool.called") + here.server.events("resource.read")
    reasons = {(line["event"], line.get("reason")) for line in lines}
    events, outcomes = ("tool.called", "resource.read"), (None, "store_unavailable")
    assert reasons == {(event, reason) for event in events for reason in outcomes}
    assert "failed with" not in caplog.text
    assert "Traceback" not in caplog.text


# A real store goes away.


@dataclass
class Fault:
    """A server, and how its store is taken away and given back."""

    server: ServerProcess
    place: Place
    strike: Callable[[], object]
    heal: Callable[[], object]


@contextlib.contextmanager
def _server(folder: Path, store_url: str) -> Iterator[tuple[ServerProcess, Place]]:
    port = free_port()
    url = f"http://localhost:{port}"
    with running_sandbox(url) as sandbox:
        environment = sandbox.settings_for_server() | RATES | {"STORE_URL": store_url}
        with running_server(folder, port, environment) as server:
            yield server, Place(url, server.audit_file)


@contextlib.contextmanager
def _full_disk(folder: Path) -> Iterator[Fault]:
    """The write-ahead log can grow no more; other files of the process are smaller than it."""
    database = folder / "kept" / "store.db"
    with _server(folder / "server", f"sqlite:///{database}") as (server, place):
        pid = server.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)

        def strike() -> None:
            size = database.with_name("store.db-wal").stat().st_size
            assert size > server.audit_file.stat().st_size + 20_000
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))

        def heal() -> None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))

        yield Fault(server, place, strike, heal)


@contextlib.contextmanager
def _directory_gone(folder: Path) -> Iterator[Fault]:
    directory, elsewhere = folder / "kept", folder / "elsewhere"
    with _server(folder / "server", f"sqlite:///{directory}/store.db") as (server, place):
        yield Fault(
            server,
            place,
            lambda: directory.rename(elsewhere),
            lambda: elsewhere.rename(directory),
        )


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[tuple[RedisServer, ServerProcess, Place]]:
    data = folder / "redis"
    data.mkdir()
    with (
        running_redis(data, "--appendonly", "yes", "--appendfsync", "always") as redis,
        _server(folder / "server", redis.url) as (server, place),
    ):
        yield redis, server, place


@contextlib.contextmanager
def _redis_stopped(folder: Path) -> Iterator[Fault]:
    with _redis(folder) as (redis, server, place):
        yield Fault(server, place, redis.stop, redis.start)


@contextlib.contextmanager
def _redis_silent(folder: Path) -> Iterator[Fault]:
    """It accepts connections and never answers."""
    with _redis(folder) as (redis, server, place):
        assert redis.process is not None
        pid = redis.process.pid
        try:
            yield Fault(
                server,
                place,
                lambda: os.kill(pid, signal.SIGSTOP),
                lambda: os.kill(pid, signal.SIGCONT),
            )
        finally:
            os.kill(pid, signal.SIGCONT)


FAULTS = {
    "SQLite, disk full": _full_disk,
    "SQLite, directory gone": _directory_gone,
    "Redis stopped": _redis_stopped,
    "Redis silent": _redis_silent,
}


async def _ready(server: ServerProcess, status: int) -> httpx.Response:
    """The answer of /health/ready once it has `status`."""
    async with asyncio.timeout(20), httpx.AsyncClient(timeout=10, verify=PLAIN) as http:
        while True:
            answer = await http.get(f"{server.url}/health/ready")
            if answer.status_code == status:
                return answer


async def _in_time(server: ServerProcess, asked: Awaitable[httpx.Response]) -> httpx.Response:
    """The answer, which may come so much later than in two seconds as an answer that needs no
    store does meanwhile: then the machine is slow, and not the server."""

    async def timed() -> tuple[httpx.Response, float]:
        began_at = time.monotonic()
        return await asked, time.monotonic() - began_at

    answering = asyncio.create_task(timed())
    late_seconds = 0.0
    async with httpx.AsyncClient(timeout=30, verify=PLAIN) as http:
        while not answering.done():
            looked_at = time.monotonic()
            await asyncio.wait({answering}, timeout=LOOK_SECONDS)
            if not answering.done():
                assert (await http.get(f"{server.url}/health")).status_code == 200
            late_seconds = max(late_seconds, time.monotonic() - looked_at - LOOK_SECONDS)
    found, seconds = await answering
    assert seconds - late_seconds < MOST_SECONDS, found.request.url
    return found


@pytest.mark.parametrize("kind", FAULTS)
async def test_without_its_store_the_server_says_so_at_once_and_goes_on_when_it_is_back(
    tmp_path: Path, kind: str
) -> None:
    with FAULTS[kind](tmp_path) as fault:
        server, place = fault.server, fault.place
        browser, client = place.browser(), await place.client()
        await connected(browser, client, PERSON)
        waiting = place.browser()
        other = await place.client()
        await signed_in(waiting, other, PERSON)
        await _ready(server, 200)
        fault.strike()

        answer = await _in_time(server, client.refresh())
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        answer = await _in_time(server, client.register())
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        answer = await _in_time(server, client.revoke(client.tokens["refresh_token"]))
        assert answer.status_code == 503
        page = await _in_time(server, _pressed(waiting, "Allow"))
        assert (page.status_code, page.headers["retry-after"]) == (503, "5")
        assert "cannot reach its store" in waiting.page.text
        assert (await _in_time(server, client.http.get(f"{server.url}/health"))).status_code == 200
        said = await _ready(server, 503)
        assert said.json() == {"status": "not ready", "reason": "store"}
        if kind != "SQLite, disk full":
            # A full disk can be read: who has been at work can still be served.
            answer = await _in_time(server, client.rpc("tools/list"))
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == -32000
            assert int(answer.headers["retry-after"]) > 0

        fault.heal()
        await _ready(server, 200)
        # Nobody logs in again, the page that was open still works, and so does a new login.
        assert (await client.rpc("tools/list")).status_code == 200
        assert (await client.refresh()).status_code == 200
        await waiting.open(other.authorization_url(prompt="consent"))
        await waiting.press("Allow")
        assert (await other.redeem(waiting.answer["code"])).status_code == 200
        await connected(place.browser(), await place.client(), PERSON)
        await place.close()
        outages = [(line["time"], line["reason"]) for line in server.events("store.unavailable")]
        assert len(outages) == 1, outages
        assert len(server.events("store.available")) == 1
        log = server.log_file.read_text()
        assert log.count("the store is away") == 1
        assert log.count("the store is back") == 1
        assert "Traceback" not in log


async def test_without_room_for_the_audit_trail_nothing_happens_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    with _server(tmp_path, "memory:") as (server, place):
        browser, client = place.browser(), await place.client()
        await connected(browser, client, PERSON)
        waiting, other = place.browser(), await place.client()
        await signed_in(waiting, other, PERSON)
        await _ready(server, 200)
        pid = server.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        size = server.audit_file.stat().st_size
        # Room for a part of a line, which must not stay; the log is smaller.
        assert size > server.log_file.stat().st_size + 1_000
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size + 100, most))

        # A refresh that has happened when it turns out; all others are refused before.
        answer = await _in_time(server, client.refresh())
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        answer = await _in_time(server, client.rpc("tools/list"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, -32000)
        assert int(answer.headers["retry-after"]) > 0
        assert (
            await _in_time(server, client.revoke(client.tokens["refresh_token"]))
        ).status_code == 503
        page = await _in_time(server, _pressed(waiting, "Allow"))
        assert (page.status_code, page.headers["retry-after"]) == (503, "5")
        assert "cannot write its record" in waiting.page.text
        assert (await _in_time(server, client.http.get(f"{server.url}/health"))).status_code == 200
        said = await _ready(server, 503)
        assert said.json() == {"status": "not ready", "reason": "audit"}
        assert server.audit_file.stat().st_size == size

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        await _ready(server, 200)
        # The refresh stands on the record; its answer was lost, and is repeated.
        assert (await client.refresh()).status_code == 200
        assert (await client.rpc("tools/list")).status_code == 200
        await waiting.open(other.authorization_url(prompt="consent"))
        await waiting.press("Allow")
        assert (await other.redeem(waiting.answer["code"])).status_code == 200
        await place.close()
        lines = server.audit_file.read_text().splitlines()
        after = [line["event"] for line in verified_lines(lines)]
        assert after.count("token.refreshed") == 1
        assert after.count("token.repeated") == 1
        assert after.count("token.revoked") == after.count("grant.ended") == 0
        log = server.log_file.read_text()
        assert log.count("AUDIT_LOG cannot be written") == 1
        assert log.count("the audit trail is written again") == 1
        assert "Traceback" not in log


async def _pressed(browser: Browser, text: str) -> httpx.Response:
    await browser.press(text)
    assert browser.response is not None
    return browser.response


async def test_redis_that_is_away_for_a_while_under_load_loses_nobody(tmp_path: Path) -> None:
    seconds = how_many(person=2, full=10)
    with _redis(tmp_path) as (redis, server, place):
        clients = [await place.client() for _ in range(6)]
        for client in clients:
            await connected(place.browser(), client, PERSON)
        is_over = asyncio.Event()
        statuses: list[int] = []

        async def work(client: OAuthClient) -> None:
            while not is_over.is_set():
                for request in (client.rpc("tools/list"), client.refresh()):
                    answer = await _in_time(server, request)
                    statuses.append(answer.status_code)
                    if answer.status_code == 503:
                        assert int(answer.headers["retry-after"]) > 0

        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(work(client))
            await asyncio.to_thread(redis.stop)
            end = time.monotonic() + seconds
            await _ready(server, 503)
            while time.monotonic() < end:
                await _ready(server, 503)
            await asyncio.to_thread(redis.start)
            await _ready(server, 200)
            is_over.set()
        assert set(statuses) == {200, 503}
        for client in clients:
            assert (await client.refresh()).status_code == 200
            assert (await client.rpc("tools/list")).status_code == 200
        await place.close()


async def test_a_file_that_becomes_read_only_is_a_store_that_is_away(
    tmp_path: Path, sandbox_here: tuple[str, SandboxProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[SqliteStore] = []

    class Known(SqliteStore):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            opened.append(self)

    monkeypatch.setattr(sqlite, "SqliteStore", Known)
    url, sandbox = sandbox_here
    environment = sandbox.settings_for_server() | RATES
    environment["STORE_URL"] = f"sqlite:///{tmp_path}/store.db"
    async with local_server(tmp_path, url, environment) as server:
        client = await server.client()
        await connected(server.browser(), client, PERSON)
        # The answer of SQLite to a file system that was mounted again, read-only.
        await opened[0]._on_writer(lambda database: database.execute("PRAGMA query_only = ON"))
        for answer in (await client.refresh(), await client.register()):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        await opened[0]._on_writer(lambda database: database.execute("PRAGMA query_only = OFF"))
        assert (await client.refresh()).status_code == 200
        [event] = server.events("store.unavailable")
        assert "readonly" in event["reason"]
