"""The running side of the gateway in the test's own process, over `servers_behind`."""

import asyncio
import contextlib
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from okta_mcp.gateway.servers import StdioServer
from okta_mcp.gateway.stdio_process import StdioLink
from okta_mcp.gateway.upstream import Upstream
from okta_mcp.rbac.principal import Principal
from okta_mcp.rbac.roles import RoleDecision
from tests.vocabulary import servers_behind

SCRIPT = str(Path(servers_behind.__file__))
VARIABLES = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "OKTA_API_TOKEN": "a-secret"}


def stdio_server(kind: str = "well", name: str = "behind", **changes: Any) -> StdioServer:
    """The record of a server of `servers_behind`."""
    server = StdioServer(
        name=name,
        title=name,
        command=sys.executable,
        args=("-I", "-S", SCRIPT, kind),
        cwd=Path(SCRIPT).parent,
        search_path=os.environ["PATH"],
        start_seconds=20.0,
        call_seconds=20.0,
    )
    return replace(server, **changes)


def person(user_id: str = "00uhana", role: str = "viewer") -> Principal:
    """Somebody who may use things."""
    decision = RoleDecision(role, ("MCP viewers",), "api")
    return Principal(
        user_id,
        f"{user_id}@northwind.example",
        "Hana Novak",
        "client-of-hana",
        "The client of Hana",
        "grant/of-hana",
        frozenset({"mcp.behind"}),
        decision,
    )


@contextlib.asynccontextmanager
async def running(server: StdioServer, **options: Any) -> AsyncIterator[Upstream]:
    """An upstream that has been up or down once."""
    upstream = Upstream(server, lambda: StdioLink(server, VARIABLES), **options)
    upstream.start()
    try:
        async with asyncio.timeout(30):
            await upstream.ready()
        yield upstream
    finally:
        await upstream.stop()


async def said(upstream: Upstream, tool: str, **arguments: Any) -> str:
    """The text that a tool answers."""
    params = {"name": tool, "arguments": arguments}
    return text_of(await upstream.request("tools/call", params))


def text_of(result: dict[str, Any]) -> str:
    """The text of a tool's answer."""
    return str(result["content"][0]["text"])


async def median_seconds(upstream: Upstream, until: Callable[[], bool]) -> float:
    """Of calls one after the other, until that holds: how long one usually takes."""
    seconds: list[float] = []
    while not seconds or not until():
        started = time.perf_counter()
        await said(upstream, "echo")
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


async def process_of(upstream: Upstream) -> int:
    """The id of the server's process."""
    return int(json.loads(await said(upstream, "process"))["pid"])


async def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until `holds`; fails when it never does."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - of a process there is nothing to wait for
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
