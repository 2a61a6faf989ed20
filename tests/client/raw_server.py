"""An HTTP server whose every byte a test chooses, and a bridge between it and two pipes."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from okta_mcp.client.bridge import Bridge, Endings
from okta_mcp.client.login import Browser
from okta_mcp.client.session import Session
from okta_mcp.client.shared_login import SharedLogin
from okta_mcp.client.stdio import LineReader, LineWriter
from okta_mcp.client.store import LoginStore
from okta_mcp.client.transport import Patience, Transport
from okta_mcp.client.upstream import Upstream

WAIT_SECONDS = 30
QUICK = Patience(outage=0.5, first_pause=0.01, longest_pause=0.02, resume_pause=0.01, resumptions=3)
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(request_id: object, method: str = "tools/list", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def result(request_id: object, **content: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": content}


@dataclass
class Asked:
    """One HTTP request, and the connection to answer on."""

    verb: str
    headers: dict[str, str]
    body: bytes
    _writer: asyncio.StreamWriter
    _reader: asyncio.StreamReader

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def method(self) -> str:
        """What is asked for: the JSON-RPC method, or the HTTP one of a request without body."""
        return str(self.message.get("method", "answer")) if self.body else self.verb

    async def reply(
        self, body: object = b"", status: int = 200, kind: str = "application/json", **headers: str
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self._head(status, kind, {"content-length": str(len(content)), **headers})
        self._writer.write(content)
        await self._writer.drain()

    async def begin_stream(self, **headers: str) -> None:
        await self._head(200, "text/event-stream", {"transfer-encoding": "chunked", **headers})

    async def event(self, body: object, *lines: str) -> None:
        data = body if isinstance(body, str) else json.dumps(body)
        await self.chunk("".join(f"{line}\n" for line in lines) + f"data: {data}\n\n")

    async def chunk(self, text: str) -> None:
        self._writer.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        await self._writer.drain()

    async def end_stream(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def bytes_only(self, content: bytes) -> None:
        """Whatever is on the wire, finished or not."""
        self._writer.write(content)
        await self._writer.drain()

    async def hung_up(self) -> None:
        """Return when the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(self._reader.read(), WAIT_SECONDS) == b""

    async def _head(self, status: int, kind: str, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()


Handler = Callable[[Asked], Awaitable[None]]


async def echo(asked: Asked) -> None:
    """A good server without sessions."""
    if "id" in asked.message:
        await asked.reply(result(asked.message["id"], method=asked.method))
    else:
        await asked.reply(status=202)


class RawServer:
    """`handler` answers; a connection that it leaves without an answer is cut."""

    def __init__(self) -> None:
        self.handler: Handler = echo
        self.asked: list[Asked] = []
        self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    @property
    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and drop those that are open; `start` takes the same port."""
        if self._server is not None:
            self._server.close()
            for writer in set(self._connections):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = (line.partition(": ") for line in head[1:])
            headers = {name.lower(): value for name, _, value in fields}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(head[0].split()[0], headers, body, writer, reader)
            self.asked.append(asked)
            await self.handler(asked)
        self._connections.discard(writer)
        writer.close()


class Said(list[str]):
    """What the person was told."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def say(self, text: str) -> None:
        self.append(text)
        self._more.set()

    async def reaches(self, count: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self) < count:
                self._more.clear()
                await self._more.wait()


@dataclass
class Talk:
    """A running bridge, seen from its client: lines in, lines out."""

    bridge: Bridge
    upstream: Upstream
    running: asyncio.Task[None]
    said: Said
    _into: int
    _stdout: int
    _out: asyncio.StreamReader
    _reading: asyncio.ReadTransport

    async def send(self, *messages: object) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            await asyncio.to_thread(self._write, line + b"\n")

    async def line(self) -> bytes:
        return (await asyncio.wait_for(self._out.readline(), WAIT_SECONDS)).rstrip(b"\n")

    async def next(self) -> dict[str, Any]:
        line = await self.line()
        assert line, f"the bridge has ended: {self.said}"
        return dict(json.loads(line))

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        await self.send(message)
        return await self.next()

    async def error_text(self, message: dict[str, Any]) -> str:
        answer = await self.ask(message)
        assert answer["id"] == message["id"]
        return str(answer["error"]["message"])

    async def begin(self) -> dict[str, Any]:
        answer = await self.ask(INITIALIZE)
        await self.send(INITIALIZED)
        return answer

    def hang_up(self) -> None:
        """Close stdin, as a client does that ends."""
        if self._into >= 0:
            os.close(self._into)
            self._into = -1

    async def ended(self) -> None:
        """Wait for the end; raises what ends the command with a status."""
        await asyncio.wait_for(self.running, WAIT_SECONDS)

    async def rest(self) -> bytes:
        """What is left to read after the end."""
        os.close(self._stdout)
        self._stdout = -1
        return await asyncio.wait_for(self._out.read(), WAIT_SECONDS)

    def stop_reading(self) -> None:
        """Close stdout's other end."""
        self._reading.close()

    def close(self) -> None:
        self.hang_up()
        if self._stdout >= 0:
            os.close(self._stdout)

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._into, content) :]


def nobody(url: str, folder: Path) -> Session:
    """A session at a server that asks nobody to log in."""
    return Session(url, LoginStore(folder / "logins"), Browser(print, None), lambda: 0.0)


@contextlib.asynccontextmanager
async def bridged(
    url: str, session: Session, *, patience: Patience = QUICK, endings: Endings | None = None
) -> AsyncIterator[Talk]:
    """A bridge to `url` in this process."""
    (stdin, into), (out, stdout) = os.pipe(), os.pipe()
    output = asyncio.StreamReader(limit=2**26)
    loop = asyncio.get_running_loop()
    reading, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(out, "rb", buffering=0)
    )
    said = Said()
    bridge = Bridge(LineWriter(stdout), said.say, endings or Endings(0.5, 0.1, 0.5))
    login = SharedLogin(session, url, said.say, watch_seconds=0.02)
    # As the bridge has it: with fewer connections the last calls would wait for a place.
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(timeout=WAIT_SECONDS, limits=limits, trust_env=False) as http:
        upstream = Upstream(Transport(url, http, login, said.say, patience), bridge.deliver)
        running = asyncio.create_task(bridge.run(LineReader(stdin).lines(), upstream))
        talk = Talk(bridge, upstream, running, said, into, stdout, output, reading)
        try:
            yield talk
        finally:
            talk.hang_up()
            bridge.stop()
            await asyncio.wait({running}, timeout=WAIT_SECONDS)
            await login.close()
            reading.close()
            talk.close()
            if running.done() and not running.cancelled():
                running.exception()
