"""A real client in a process of its own, whose browser is the test's.

tests/e2e/clients/driving.py says what is spoken with it. The browser signs in as one person and
brings the answer to the client's own callback listener, as a real one does.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.vocabulary.browser import Browser
from tests.vocabulary.client_environments import Environments
from tests.vocabulary.pinned_clients import PinnedClient
from tests.vocabulary.processes import ServerProcess

_ANSWER_SECONDS = 180
_PATIENCE_SECONDS = 180


class Trail:
    """What a server's audit trail says since a moment; its access tokens live `ttl_seconds`."""

    def __init__(self, server: ServerProcess, ttl_seconds: int) -> None:
        self._server = server
        self._ttl_seconds = ttl_seconds
        self._before = len(server.events())

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self._server.events()[self._before :] if line["event"] == event]

    async def until_expired(self) -> None:
        """Until the access token that was given last is over, by every clock.

        A real client has a real clock, so this is waited for.
        """
        given = self.of("token.issued") + self.of("token.refreshed")
        last = max(datetime.fromisoformat(line["time"]).timestamp() for line in given)
        await asyncio.sleep(max(0.0, last + self._ttl_seconds + 0.5 - time.time()))


class DrivenClient:
    """`logins` counts how often it wanted a browser."""

    def __init__(self, process: asyncio.subprocess.Process, person: str) -> None:
        self._process = process
        self._person = person
        self.logins = 0
        self.failures: list[str] = []

    async def use(self) -> dict[str, Any]:
        """List the tools and call one; a browser is opened where the client wants one."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"use\n")
        while True:
            said = await asyncio.wait_for(self._line(), _ANSWER_SECONDS)
            if "open" not in said:
                return said
            self.logins += 1
            await visit(said["open"], self._person)

    async def use_until(self, reached: Callable[[], bool]) -> dict[str, Any]:
        """Use it, also where that fails, until an answer comes after what is waited for."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < ends:
            said = await self.use()
            if "failed" in said:
                self.failures.append(said["failed"])
                await asyncio.sleep(0.1)
            elif reached():
                return said
        raise AssertionError(self.failures[-3:])

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the client ended"
        said: dict[str, Any] = json.loads(line)
        return said


@contextlib.asynccontextmanager
async def driven(
    client: PinnedClient,
    method: str,
    mcp_url: str,
    person: str,
    environments: Environments,
    folder: Path,
) -> AsyncIterator[DrivenClient]:
    """The client's process; `folder` is its home."""
    log = folder / "client.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *_command(client, method, mcp_url, environments),
            cwd=folder,
            env={
                "PATH": f"{environments.node.parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(folder),
                # For clients that open one themselves: theirs shall not be the person's.
                "BROWSER": "true",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=2**22,
        )
        try:
            yield DrivenClient(process, person)
        except BaseException as error:
            error.add_note(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


def _command(
    client: PinnedClient, method: str, mcp_url: str, environments: Environments
) -> list[str]:
    is_npm = client.environment == "npm"
    runs = environments.node if is_npm else environments.python(client.environment)
    words = [str(runs), str(environments.script(client.script))]
    packages = environments.npm / "node_modules"
    match client.package:
        case "mcp-remote":
            bridge = packages / "mcp-remote" / "dist" / "proxy.js"
            return [*words, str(environments.node), str(bridge), mcp_url]
        case "@modelcontextprotocol/inspector":
            launcher = packages / client.package / "clients" / "launcher" / "build" / "index.js"
            inspector = [str(environments.node), str(launcher), "--cli", "--format", "json"]
            return [*words, *inspector, "--server-url", mcp_url, "--transport", "http"]
    return [*words, mcp_url, method, *client.options]


async def visit(url: str, person: str) -> None:
    """Open the URL in a fresh browser, sign in, allow; it ends at the client's own page."""
    browser = Browser()
    ends = time.monotonic() + _PATIENCE_SECONDS
    try:
        await browser.open(url)
        for text in ("Sign in with Okta", person, "Allow"):
            # A remembered answer leads past the consent page.
            if not any(button.text.startswith(text) for button in browser.page.buttons):
                break
            # Some clients listen for the answer only a moment after they asked for the browser.
            while True:
                try:
                    await browser.press(text)
                    break
                except httpx.ConnectError:
                    assert time.monotonic() < ends, f"nobody listens for the answer to {url}"
                    await asyncio.sleep(0.1)
    finally:
        await browser.close()


async def disconnects_all(server_url: str, person: str) -> None:
    """The person ends every connection on the page of connected apps."""
    browser = Browser()
    try:
        await browser.open(f"{server_url}/oauth/connections")
        await browser.press("Sign in with Okta")
        await browser.press(person)
        await browser.open(f"{server_url}/oauth/connections")
        buttons = [button.text for button in browser.page.buttons]
        await browser.press("Disconnect all" if "Disconnect all" in buttons else "Disconnect")
    finally:
        await browser.close()
