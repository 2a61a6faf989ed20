"""What the drivers in Python share: how a test tells them what to do, and how they tell back.

A driver reads lines from standard input and answers each with one line of JSON: after listing the
tools and calling one `{"tools": 17, "found": 2}`, or `{"failed": "..."}`. In between it says
`{"open": URL}` when its client wants a browser. Nothing but the standard library is imported here,
because the clients' environments have little in common.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOOL, ARGUMENTS = "list_okta_users", {"q": "ann"}
Use = Callable[[], Awaitable[dict[str, int]]]


def say(**words: Any) -> None:
    """One line to the test."""
    print(json.dumps(words), flush=True)


async def commands() -> AsyncIterator[str]:
    """The lines of standard input, until it is closed."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        yield line.decode().strip()


async def drive(
    connected: Callable[[], AbstractAsyncContextManager[Use]], *, patience_seconds: int = 30
) -> None:
    """Use the client as often as the test says, connecting it where it is not.

    A client that failed, or did not answer for `patience_seconds`, is connected again at the next
    command, as a person would do it; what it has stored of its login stays.
    """
    lines = commands()
    async for _ in lines:
        try:
            async with asyncio.timeout(patience_seconds) as connecting, connected() as use:
                say(**await use())
                connecting.reschedule(None)
                async for _ in lines:
                    async with asyncio.timeout(patience_seconds):
                        say(**await use())
        except Exception as error:  # noqa: BLE001 - whatever a client throws, the test is told
            say(failed=repr(error))


class Callback:
    """A listener on a free port of 127.0.0.1 for the answers that the browser brings."""

    def __init__(self) -> None:
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.url = ""

    async def listen(self) -> "Callback":
        server = await asyncio.start_server(self._arrived, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
        self._server = server
        return self

    async def answer(self) -> dict[str, str]:
        """The next answer's parameters."""
        return await self._answers.get()

    async def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        query = parse_qs(urlsplit(target).query)
        await self._answers.put({name: values[0] for name, values in query.items()})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nDone")
        await writer.drain()
        writer.close()


class Storage:
    """Keeps in memory what an SDK's provider asks to be kept."""

    def __init__(self) -> None:
        self.tokens: Any = None
        self.client_info: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client_info

    async def set_client_info(self, client_info: Any) -> None:
        self.client_info = client_info


def registration(name: str, redirect_uri: str, method: str) -> dict[str, Any]:
    """What a client registers."""
    return {
        "client_name": name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
