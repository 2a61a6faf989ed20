"""Several workers of one server with a SQLite store: shared, replaced when they die, never left."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from okta_mcp.audit.writer import verified_lines
from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)

WORKERS = 3
END_SECONDS = 20.0


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so in time; processes end when they end."""
    until = time.monotonic() + END_SECONDS
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def okta(port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{port}") as running:
        yield running


@pytest.fixture
def environment(okta: SandboxProcess, tmp_path: Path) -> dict[str, str]:
    store = {"STORE_URL": f"sqlite:///{tmp_path}/store/store.db"}
    return okta.settings_for_server() | store


@pytest.fixture
def workers(environment: dict[str, str], port: int, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(tmp_path, port, environment, "--workers", str(WORKERS)) as server:
        assert eventually(lambda: len(server.events("server.started")) == WORKERS)
        yield server


def refused(tmp_path: Path, environment: dict[str, str], *options: str) -> tuple[int, str]:
    """The exit status and what a start says that cannot work."""
    ended = subprocess.run(
        [sys.executable, "-m", "okta_mcp.oauth_proxy.server", "--port", str(free_port()), *options],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)} | environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stderr


def test_several_workers_are_refused_with_a_store_in_memory(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    status, said = refused(tmp_path, environment | {"STORE_URL": "memory:"}, "--workers", "2")
    assert status == 2
    assert said == (
        "--workers: several processes cannot share a store in memory."
        " Example: STORE_URL=sqlite:////var/lib/okta-mcp/store.db\n"
    )


def test_what_stops_the_first_worker_is_said_once_and_stops_all(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    nowhere = environment | {"AUDIT_LOG": str(tmp_path / "nowhere" / "audit.jsonl")}
    status, said = refused(tmp_path, nowhere, "--workers", "3")
    assert status == 2
    assert said.count("AUDIT_LOG:") == 1


async def test_a_killed_worker_is_replaced_and_loses_nobody(workers: ServerProcess) -> None:
    """In the middle of a login, whose next steps are taken by those that are left."""
    parent = workers.process.pid
    client, browser = OAuthClient(workers.url), Browser()
    await client.register()
    await signed_in(browser, client, "Hana Novak")
    before = children_of(parent)
    assert len(before) == WORKERS
    for worker in before[1:]:
        os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: all(is_gone(worker) for worker in before[1:]))
    # Connections that were open to a killed worker are closed: everybody makes new ones.
    later = Browser(response=browser.response)
    later.client.cookies = browser.client.cookies
    left = OAuthClient(workers.url, client_id=client.client_id, verifier=client.verifier)
    await later.press("Allow")
    assert (await left.redeem(later.answer["code"])).status_code == 200
    assert eventually(lambda: len(set(children_of(parent)) - set(before)) == WORKERS - 1)
    assert (await left.rpc("tools/list")).status_code == 200
    for each in (browser, later, client, left):
        await each.close()


async def test_workers_share_the_store_and_one_audit_trail(
    workers: ServerProcess, okta: SandboxProcess
) -> None:
    """Many connections reach all workers; the role of one person is asked for once."""
    client, browser = OAuthClient(workers.url), Browser()
    await client.register()
    await connected(browser, client, "Hana Novak")
    asked = len(okta.requests())

    async def call() -> int:
        own = OAuthClient(workers.url, tokens=client.tokens)
        answer = await own.rpc("tools/list")
        await own.close()
        return answer.status_code

    assert set(await asyncio.gather(*(call() for _ in range(40)))) == {200}
    assert len(okta.requests()) == asked
    await client.revoke(client.tokens["refresh_token"])
    assert set(await asyncio.gather(*(call() for _ in range(20)))) == {401}
    lines = workers.audit_file.read_text().splitlines()
    events = list(verified_lines(lines))
    started = [event["worker"] for event in events if event["event"] == "server.started"]
    assert sorted(started) == [1, 2, 3]
    assert len([event for event in events if event["event"] == "tools.listed"]) == 40
    await browser.close()
    await client.close()


@pytest.mark.parametrize(
    ("how", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_no_worker_outlives_the_parent(
    workers: ServerProcess, how: signal.Signals, status: int
) -> None:
    """And each stops in order, also where the parent had no time to say so."""
    before = children_of(workers.process.pid)
    assert len(before) == WORKERS
    workers.process.send_signal(how)
    assert workers.process.wait(END_SECONDS) == status
    assert eventually(lambda: all(is_gone(worker) for worker in before))
    assert len(workers.events("server.stopped")) == WORKERS


def test_a_worker_that_is_told_to_stop_is_replaced(workers: ServerProcess) -> None:
    before = children_of(workers.process.pid)
    os.kill(before[0], signal.SIGTERM)
    assert eventually(lambda: len(workers.events("server.started")) == WORKERS + 1)
    assert workers.process.poll() is None


def test_the_sandbox_works_with_workers_and_ends_with_them(tmp_path: Path) -> None:
    here = {"STORE_URL": f"sqlite:///{tmp_path}/store/store.db"}
    options = ("--sandbox", "--workers", "2")
    with running_server(tmp_path, free_port(), here, *options) as server:
        assert eventually(lambda: len(children_of(server.process.pid)) == 3)
        everybody = children_of(server.process.pid)
        server.process.kill()
        server.process.wait()
        assert eventually(lambda: all(is_gone(each) for each in everybody))
