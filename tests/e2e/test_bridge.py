"""The stdio bridge as clients start it: a process, the real server, the sandbox behind it."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import PromptReference

from tests.vocabulary.browser import Browser
from tests.vocabulary.over_stdio import LOGIN_URL, bridge_command, over_stdio
from tests.vocabulary.processes import (
    CHECKOUT,
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.roles import VIEWER_TOOLS

VIEWER, SUPER = "Hana Novak", "Nora Lind"
BOTH = pytest.mark.parametrize("mode", ["legacy", "auto"])


@contextlib.asynccontextmanager
async def typed(url: str, store: Path) -> AsyncIterator["Typed"]:
    """The bridge as somebody starts it by hand."""
    process = await asyncio.create_subprocess_exec(
        *bridge_command(url, store),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Typed(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


class Typed:
    """Lines that are typed, and what comes back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def send(self, *messages: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await self.process.stdin.drain()

    async def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line, "the bridge has ended"
        return dict(json.loads(line))

    async def begin(self) -> None:
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {}}
        params["clientInfo"] = {"name": "by hand", "version": "1"}
        await self.send({"id": 0, "method": "initialize", "params": params})
        assert (await self.answer())["result"]["protocolVersion"] == "2025-06-18"
        await self.send({"method": "notifications/initialized"})


@pytest.fixture
async def store(server: ServerProcess, sandbox: SandboxProcess, tmp_path: Path) -> Path:
    """A store with the viewer's log-in, which a bridge has made."""
    folder = tmp_path / "logins"
    async with over_stdio(server.mcp_url, folder, person=VIEWER) as (client, person):
        assert len((await client.list_tools()).tools) == VIEWER_TOOLS
        assert person.logins == 1
    return folder


async def test_a_login_that_is_refused_ends_the_bridge_with_its_status(
    server: ServerProcess, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async with typed(server.mcp_url, tmp_path) as bridge:
        await bridge.send({"id": 1, "method": "tools/list"})
        assert bridge.process.stderr is not None
        url = None
        while url is None:
            url = LOGIN_URL.search((await bridge.process.stderr.readline()).decode())
        browser = Browser()
        await browser.open(url.group())
        await browser.press("Sign in with Okta")
        await browser.press(VIEWER)
        await browser.press("Deny")
        await browser.close()
        answer = await bridge.answer()
        assert answer["id"] == 1
        assert "access_denied" in answer["error"]["message"]
        await asyncio.wait_for(bridge.process.wait(), 30)
        assert bridge.process.returncode == 2


async def test_a_server_that_is_not_there_ends_the_bridge_when_told_to(tmp_path: Path) -> None:
    async with typed(f"http://127.0.0.1:{free_port()}/mcp", tmp_path) as bridge:
        await bridge.send({"id": 1, "method": "tools/list"})
        assert bridge.process.stderr is not None
        assert b"Cannot reach" in await bridge.process.stderr.readline()
        bridge.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(bridge.process.wait(), 30)
        assert bridge.process.returncode == 0


@BOTH
async def test_everything_is_relayed_in_both_modes(
    server: ServerProcess, store: Path, mode: str
) -> None:
    heard: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with over_stdio(server.mcp_url, store, mode=mode) as (client, person):
        assert len((await client.list_tools()).tools) == VIEWER_TOOLS
        found = await client.call_tool("list_okta_users", {"q": "ann"}, progress_callback=note)
        assert found.structured_content is not None
        assert found.structured_content["count"] >= 1
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("list_okta_network_zones", {})
        assert (await client.list_resources()).resources
        assert len((await client.list_resource_templates()).resource_templates) == 4
        (content,) = (await client.read_resource("user://me")).contents
        assert json.loads(content.text)["role"] == "viewer"
        prompts = (await client.list_prompts()).prompts
        assert await client.get_prompt(prompts[0].name, {"user": "ann", "application": "x"})
        named = PromptReference(name="investigate_user")
        values = await client.complete(named, {"name": "user", "value": "hana"})
        assert "hana.help@northwind.example" in values.completion.values
        many = [client.call_tool("get_current_time", {}) for _ in range(20)]
        assert all(not answer.is_error for answer in await asyncio.gather(*many))
        assert person.logins == 0
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")


@BOTH
async def test_a_long_report_is_heard_of(
    server: ServerProcess, sandbox: SandboxProcess, store: Path, mode: str
) -> None:
    heard: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with over_stdio(server.mcp_url, store, mode=mode) as (client, _):
        sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 3})
        result = await client.call_tool("list_okta_groups", {}, progress_callback=note)
        assert not result.is_error
    assert heard


@BOTH
async def test_a_cancelled_call_is_interrupted_at_the_server(
    server: ServerProcess, sandbox: SandboxProcess, store: Path, mode: str
) -> None:
    before = len(_interrupted(server))
    async with over_stdio(server.mcp_url, store, mode=mode) as (client, _):
        sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 30})
        call = asyncio.create_task(client.call_tool("list_okta_groups", {}))
        async with asyncio.timeout(20):
            # The organisation is asked by another process: nothing to wait for but time.
            while not _is_asked(sandbox, "/api/v1/groups"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        call.cancel()
        async with asyncio.timeout(20):
            # Another process writes the file: there is nothing to wait for but time.
            while len(_interrupted(server)) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert not (await client.call_tool("get_current_time", {})).is_error


async def test_a_bridge_that_is_killed_starts_again_without_a_login(
    server: ServerProcess, store: Path
) -> None:
    async with typed(server.mcp_url, store) as bridge:
        await bridge.begin()
        bridge.process.kill()
        await bridge.process.wait()
    async with typed(server.mcp_url, store) as bridge:
        await bridge.begin()
        await bridge.send({"id": 1, "method": "tools/list"})
        assert len((await bridge.answer())["result"]["tools"]) == VIEWER_TOOLS
        assert bridge.process.stdin is not None
        bridge.process.stdin.close()
        await asyncio.wait_for(bridge.process.wait(), 30)
        assert bridge.process.returncode == 0
        assert bridge.process.stderr is not None
        assert await bridge.process.stderr.read() == b""


async def test_the_server_may_restart_in_the_middle(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://localhost:{port}"
    with running_sandbox(url) as sandbox, contextlib.ExitStack() as first:
        environment = sandbox.settings_for_server() | {"STORE_URL": f"sqlite:///{tmp_path}/kept.db"}
        starting = running_server(tmp_path / "server", port, environment)
        server = first.enter_context(starting)
        logins = tmp_path / "logins"
        async with over_stdio(server.mcp_url, logins, person=VIEWER) as (client, person):
            assert not (await client.call_tool("get_current_time", {})).is_error
            await asyncio.to_thread(first.close)
            call = asyncio.create_task(client.call_tool("list_okta_users", {"q": "ann"}))
            await person.hears("Trying again")
            with contextlib.ExitStack() as second:
                again = running_server(tmp_path / "server", port, environment)
                await asyncio.to_thread(second.enter_context, again)
                assert not (await asyncio.wait_for(call, 30)).is_error
                assert len((await client.list_tools()).tools) == VIEWER_TOOLS
                assert person.logins == 1


def _is_asked(sandbox: SandboxProcess, path: str) -> bool:
    return any(path in str(asked) for asked in sandbox.requests())


def _interrupted(server: ServerProcess) -> list[dict[str, Any]]:
    return [line for line in server.events("tool.called") if line.get("reason") == "interrupted"]
