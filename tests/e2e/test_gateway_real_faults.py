"""What happens to the kept servers when one of them, or the gateway, ends or is changed."""

import asyncio
import contextlib
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.vocabulary.behind import eventually, lives
from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments, needs_npm
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.real_gateway import Place, reached, running_place, text_of
from tests.vocabulary.real_servers import (
    SECURITY_ADMIN,
    SUPER_ADMIN,
    TOOLS,
    VIEWER,
    entries,
    prepared,
    write_entries,
)

pytestmark = needs_npm

# Counts for two to four seconds on an ordinary machine.
LONG_QUERY = (
    "SELECT max(n) FROM (WITH RECURSIVE c(n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 20000000) SELECT n FROM c)"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real-faults")


@pytest.fixture(scope="module")
def servers(environments: Environments, home: Path) -> dict[str, Any]:
    """The four, with room for one person's notes, and one whose script is not there yet."""
    folder = prepared(home / "cases")
    four = entries(environments, folder, most_processes=1, idle_seconds=1)
    late = {"command": four["files"]["command"], "args": [str(home / "late.mjs"), str(folder)]}
    return four | {"late": late}


@pytest.fixture(scope="module")
def running(home: Path, servers: dict[str, Any]) -> Iterator[Place]:
    with running_place(home, servers) as place:
        yield place
        assert not place.is_told("Traceback")


@pytest.fixture
async def place(running: Place) -> Place:
    """With all four up, whatever a test has done to them."""
    await eventually(lambda: all(running.is_told(f"server {name} is up") for name in TOOLS))
    return running


@contextlib.asynccontextmanager
async def logged_in(place: Place, person: str) -> AsyncIterator[OAuthClient]:
    """A client that does not mind when the gateway ends."""
    browser, client = Browser(), OAuthClient(place.server.url)
    assert (await client.register()).status_code == 201
    await connected(browser, client, person)
    await browser.close()
    try:
        yield client
    finally:
        await client.close()


async def usual_seconds(client: Client) -> float:
    """The median of the time of a call, of servers that nothing happens to."""
    seconds = []
    for _ in range(10):
        for tool, arguments in (
            ("time_get_current_time", {"timezone": "Asia/Tokyo"}),
            ("everything_echo", {"message": "hello"}),
            ("get_current_time", {}),
        ):
            started = time.perf_counter()
            assert not (await client.call_tool(tool, arguments)).is_error
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def make_link(path: Path, target: str) -> None:
    path.symlink_to(target)


def ticks_of(pids: list[int]) -> int:
    """How long the processes have worked, in the system's clock ticks (of 10 ms)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields)


async def answers(client: Client, tool: str, arguments: dict[str, Any], seconds: float) -> str:
    """What a tool says as soon as its server is up again."""
    async with asyncio.timeout(seconds):
        while True:
            result = await client.call_tool(tool, arguments)
            if not result.is_error:
                return text_of(result)
            assert "server_unavailable" in text_of(result)
            await asyncio.sleep(0.05)


async def test_a_server_that_is_missing_at_the_start_comes_by_itself(
    place: Place, servers: dict[str, Any]
) -> None:
    await eventually(lambda: place.is_told("server late ended with status 1"))
    async with reached(place, VIEWER) as client:
        assert await usual_seconds(client) < 1
        [missing, folder] = servers["late"]["args"]
        result = await client.call_tool("late_list_directory", {"path": folder})
        assert "server_unavailable" in text_of(result)
        make_link(Path(missing), servers["files"]["args"][0])
        assert "note.txt" in await answers(client, "late_list_directory", {"path": folder}, 60)


@pytest.mark.parametrize("victim", ["program", "launcher"])
async def test_a_killed_server_comes_back_and_the_others_keep_their_time(
    place: Place, servers: dict[str, Any], victim: str
) -> None:
    script, folder = servers["files"]["args"]
    async with reached(place, SECURITY_ADMIN) as client:
        arguments = {"path": folder}
        await answers(client, "files_list_directory", arguments, 30)
        before = await usual_seconds(client)
        [program] = place.programs(script)
        watching = [pid for pid in place.processes if pid != program]
        [launcher] = [pid for pid in watching if script in place.processes[pid]]
        os.kill(program if victim == "program" else launcher, signal.SIGKILL)
        assert await usual_seconds(client) < 5 * before + 0.1
        assert "note.txt" in await answers(client, "files_list_directory", arguments, 30)
        assert not lives(program)
        assert not lives(launcher)
        assert len(place.programs(script)) == 1


async def test_the_cap_of_processes_holds_and_an_idle_one_ends(place: Place) -> None:
    listing = {"query": "SELECT name FROM sqlite_master"}
    counting = {"query": LONG_QUERY}
    async with reached(place, SECURITY_ADMIN) as sami, reached(place, SUPER_ADMIN) as nora:
        made = {"query": "CREATE TABLE of_sami (x TEXT)"}
        assert not (await sami.call_tool("sqlite_create_table", made)).is_error
        # One lists, one is Sami's; there is no third as long as he is at work.
        own = place.programs("mcp-server-sqlite")
        assert len(own) == 2
        before = ticks_of(own)
        at_work = asyncio.create_task(sami.call_tool("sqlite_read_query", counting))
        await eventually(lambda: ticks_of(own) > before + 10)
        assert "server_busy" in text_of(await nora.call_tool("sqlite_read_query", listing))
        assert not (await at_work).is_error
        result = await nora.call_tool("sqlite_read_query", listing)
        assert "of_sami" not in text_of(result)
        assert len(place.programs("mcp-server-sqlite")) == 2
        await eventually(lambda: len(place.programs("mcp-server-sqlite")) == 1)
        result = await sami.call_tool("sqlite_read_query", listing)
        assert "of_sami" not in text_of(result)


async def test_a_reload_adds_and_removes_and_leaves_calls_under_way(
    place: Place, servers: dict[str, Any]
) -> None:
    kept = {name: entry for name, entry in servers.items() if name != "late"}
    clock = {**servers["time"], "okta_mcp": {"title": "Clock"}}
    before = set(place.programs("server-everything")) | set(
        place.programs(kept["files"]["args"][0])
    )
    # The SDK's client with a login makes one request after the other.
    async with reached(place, SUPER_ADMIN) as client, reached(place, SUPER_ADMIN) as other:
        # The server reads it as soon as somebody writes into it, and until that has ended.
        pipe = Path(kept["files"]["args"][1]) / "pipe"
        os.mkfifo(pipe)
        call = other.call_tool("files_read_text_file", {"path": str(pipe)})
        under_way = asyncio.create_task(call)
        writing = await asyncio.wait_for(asyncio.to_thread(os.open, pipe, os.O_WRONLY), 30)
        write_entries(place.mcp_json, {**kept, "clock": clock})
        place.server.process.send_signal(signal.SIGHUP)
        await eventually(lambda: place.is_told("server clock is up"))
        shown = {tool.name for tool in (await client.list_tools()).tools}
        assert not [name for name in shown if name.startswith("late_")]
        assert not under_way.done()
        os.write(writing, b"read across a reload")
        os.close(writing)
        assert "read across a reload" in text_of(await under_way)
    # What a token holds was decided at the consent, so a new server is asked for anew.
    async with reached(place, VIEWER) as client:
        tokyo = {"timezone": "Asia/Tokyo"}
        assert "+09:00" in text_of(await client.call_tool("clock_get_current_time", tokyo))
    assert before <= set(place.processes)
    await eventually(lambda: not place.programs("late.mjs"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_that_the_servers_started_outlives_the_gateway(
    environments: Environments, tmp_path: Path, number: int
) -> None:
    servers = entries(environments, prepared(tmp_path / "cases"))
    with running_place(tmp_path, servers, TMPDIR=str(tmp_path)) as place:
        await eventually(lambda: all(place.is_told(f"server {name} is up") for name in TOOLS))
        async with logged_in(place, SUPER_ADMIN) as client:
            assert "result" in await client.call("sqlite_list_tables")
            own = place.programs("mcp-server-sqlite")
            # One lists, one is of a person; it works, so it does not see that its input has closed.
            assert len(own) == 2
            before = ticks_of(own)
            query = LONG_QUERY.replace("LIMIT 2", "LIMIT 100")
            at_work = asyncio.create_task(client.call("sqlite_read_query", query=query))
            await eventually(lambda: ticks_of(own) > before + 10)
            started = place.processes
            assert sum("stdio_launcher" in line for line in started.values()) == 5
            place.server.process.send_signal(number)
            await asyncio.to_thread(place.server.process.wait, 30)
            await asyncio.gather(at_work, return_exceptions=True)
        await eventually(lambda: not [pid for pid in started if lives(pid)], 10)
