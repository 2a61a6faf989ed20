"""The Python SDK's stdio client with our bridge as its server, and a person who reads stderr."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import signs_in
from tests.vocabulary.processes import CHECKOUT

LOGIN_URL = re.compile(r"https?://\S+/oauth/authorize\S+")


def bridge_command(url: str, store: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "okta_mcp", "bridge", url),
        *("--no-browser", "--store-dir", str(store)),
    ]


class Person:
    """Reads what the bridge says; `name` signs in where it prints a page, nobody if empty."""

    def __init__(self, name: str) -> None:
        self.read: list[str] = []
        self.logins = 0
        self._name = name
        self._more = asyncio.Event()

    async def hears(self, text: str) -> None:
        """Wait until the bridge has said so."""
        async with asyncio.timeout(30):
            while not any(text in line for line in self.read):
                self._more.clear()
                await self._more.wait()

    async def watch(self, stderr: asyncio.StreamReader) -> None:
        while line := (await stderr.readline()).decode():
            self.read.append(line)
            self._more.set()
            if (url := LOGIN_URL.search(line)) is None:
                continue
            self.logins += 1
            if self._name:
                browser = Browser()
                await signs_in(browser, url.group(), self._name)
                await browser.close()


@contextlib.asynccontextmanager
async def over_stdio(
    url: str, store: Path, *, person: str = "", mode: str = "legacy", **callbacks: Any
) -> AsyncIterator[tuple[Client, Person]]:
    """A client of the bridge to `url`, which keeps its log-in in `store`."""
    reading, writing = os.pipe()
    stderr = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stderr), os.fdopen(reading, "rb", buffering=0)
    )
    somebody = Person(person)
    watching = asyncio.create_task(somebody.watch(stderr))
    command, *arguments = bridge_command(url, store)
    parameters = StdioServerParameters(command=command, args=arguments, cwd=CHECKOUT)
    with os.fdopen(writing, "w") as errors:
        async with Client(
            stdio_client(parameters, errlog=errors), mode=mode, **callbacks
        ) as client:
            yield client, somebody
    await asyncio.wait_for(watching, 30)
    pipe.close()
    assert "Traceback" not in "".join(somebody.read), somebody.read
