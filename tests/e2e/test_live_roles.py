"""One real run: a group moved, a person suspended, Okta gone and back, seen by a real MCP client.

The server is a process with an interval of one second and reaches the Management API by a road
that the test can close. A change counts at the latest when the interval is over: every call that
begins later is checked, however many there are before.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mcp import Client, MCPError

from tests.vocabulary.mcp_clients import MemoryStorage, sdk_client
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)

HANA = "hana.help@northwind.example"
ROLE_TTL_SECONDS = 1


class Road:
    """A port of its own that leads to the organisation while it is open."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 80))
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._travellers: set[asyncio.StreamWriter] = set()
        self._journeys: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Nobody listens any more, and whoever is on the way is cut off."""
        if self._server is not None:
            self._server.close()
            for traveller in list(self._travellers):
                traveller.transport.abort()
            await self._server.wait_closed()
            # A socket that is still open when the loop ends is found by a later test.
            await asyncio.gather(*self._journeys)
            self._server = None

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        journey = asyncio.current_task()
        assert journey is not None
        self._journeys.add(journey)
        journey.add_done_callback(self._journeys.discard)
        self._travellers.add(writer)
        there, back = await asyncio.open_connection(*self._target)
        self._travellers.add(back)
        await asyncio.gather(_carried(reader, back), _carried(there, writer))
        self._travellers -= {writer, back}


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def organisation(port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        yield sandbox


@pytest.fixture
async def road(organisation: SandboxProcess) -> AsyncIterator[Road]:
    road = Road(organisation.url)
    await road.open()
    yield road
    await road.close()


@pytest.fixture
async def server(
    organisation: SandboxProcess, road: Road, port: int, tmp_path: Path
) -> AsyncIterator[ServerProcess]:
    environment = organisation.settings_for_server() | {
        "OKTA_ISSUER": organisation.url,
        "OKTA_ORG_URL": road.url,
        "ROLE_TTL_SECONDS": str(ROLE_TTL_SECONDS),
        "RATE_TOOL_CALLS": "100000/minute",
    }
    # Its start and its end are waited for in a thread, so that the road stays open meanwhile.
    running = running_server(tmp_path, port, environment)
    server = await asyncio.to_thread(running.__enter__)
    yield server
    await asyncio.to_thread(running.__exit__, None, None, None)
    organisation.control("reset")


Outcome = Callable[[], Awaitable[str]]


async def called(client: Client) -> str:
    """`given`, or the message of the refusal."""
    try:
        await client.call_tool("get_current_time", {})
    except MCPError as error:
        return str(error)
    return "given"


async def comes_to(outcome: Outcome, wanted: str) -> None:
    """Asks until the outcome is as wanted; it must be, once the interval is over."""
    began = time.monotonic()
    while True:
        asked_at = time.monotonic()
        told = await outcome()
        if wanted in told:
            return
        assert asked_at - began <= ROLE_TTL_SECONDS, f"still {told!r}"


async def test_a_group_that_is_taken_and_given_counts_after_the_interval(
    server: ServerProcess, organisation: SandboxProcess
) -> None:
    """B-06, B-08: no tool without a group, and the same connection again with it."""
    group = organisation.ready["role_groups"]["viewer"]
    async with sdk_client(server.mcp_url, "Hana Novak", mode="auto") as client:
        assert await called(client) == "given"
        organisation.control(f"groups/{group}/members", {"remove": [HANA]})
        await comes_to(lambda: called(client), "Unknown tool: get_current_time")
        assert (await client.list_tools()).tools == []
        organisation.control(f"groups/{group}/members", {"add": [HANA]})
        await comes_to(lambda: called(client), "given")
        assert (await client.list_tools()).tools
    changes = [(e.get("role_before"), e.get("role")) for e in server.events("role.changed")]
    assert changes == [("viewer", None), (None, "viewer")]
    assert not server.events("grant.ended")


async def test_a_suspension_ends_the_grant(
    server: ServerProcess, organisation: SandboxProcess
) -> None:
    """B-09: access and refresh token are dead, also when the account is active again."""
    storage = MemoryStorage()
    async with sdk_client(server.mcp_url, "Hana Novak", mode="auto", storage=storage) as client:
        assert await called(client) == "given"
    assert storage.tokens is not None
    assert storage.client_info is not None
    bare = OAuthClient(server.url, client_id=str(storage.client_info.client_id))
    bare.tokens = storage.tokens.model_dump()
    organisation.control(f"users/{HANA}", {"status": "SUSPENDED"})

    async def status() -> str:
        return str((await bare.rpc("tools/list")).status_code)

    await comes_to(status, "401")
    assert [event["reason"] for event in server.events("grant.ended")] == ["account_inactive"]
    organisation.control(f"users/{HANA}", {"status": "ACTIVE"})
    refreshed = await bare.refresh()
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    assert await status() == "401"
    await bare.close()


async def test_okta_stopped_refuses_clearly_and_started_again_goes_on(
    server: ServerProcess, road: Road
) -> None:
    """B-10: the known role for its time, then a refusal; the refresh token is not used up."""
    storage = MemoryStorage()
    async with sdk_client(server.mcp_url, "Hana Novak", mode="auto", storage=storage) as client:
        assert await called(client) == "given"
        await road.close()
        await comes_to(lambda: called(client), "your groups cannot be checked")
        assert storage.tokens is not None
        assert storage.client_info is not None
        bare = OAuthClient(server.url, client_id=str(storage.client_info.client_id))
        bare.tokens = storage.tokens.model_dump()
        away = await bare.refresh()
        assert (away.status_code, away.json()["error"]) == (503, "temporarily_unavailable")
        await road.open()
        await comes_to(lambda: called(client), "given")
        assert (await bare.refresh()).status_code == 200
        await bare.close()
