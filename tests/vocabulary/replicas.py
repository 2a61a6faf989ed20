"""Several servers with one public URL: who sends to it reaches them in turn, or through nginx."""

import contextlib
import heapq
import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import ServerProcess, free_port, running_server

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_START_SECONDS = 90.0

_NGINX_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream replicas {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class InTurn(httpx.AsyncBaseTransport):
    """Sends each request to the next of `ports`, as a load balancer without affinity does."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = itertools.cycle(ports)
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # The Host header stays that of the public URL.
        url = request.url.copy_with(host="127.0.0.1", port=next(self._ports))
        moved = httpx.Request(
            request.method,
            url,
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return await self._transport.handle_async_request(moved)

    async def aclose(self) -> None:
        await self._transport.aclose()


@dataclass
class ServerGroup:
    """Several servers with one public URL, to be used like the one of a `ServerProcess`."""

    url: str
    servers: list[ServerProcess]

    @property
    def mcp_url(self) -> str:
        return f"{self.url}/mcp"

    @property
    def environment(self) -> dict[str, str]:
        return self.servers[0].environment

    @property
    def written(self) -> str:
        """All that is in their trails and their logs."""
        return "".join(server.written for server in self.servers)

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The audit trails so far, as one in the order of time, or the events of one name."""
        trails = [server.events(name) for server in self.servers]
        return list(heapq.merge(*trails, key=lambda event: event["time"]))


Server = ServerProcess | ServerGroup


@dataclass
class Replicas:
    """The servers behind `url`; `to` names those that a client or browser reaches in turn."""

    url: str
    servers: list[ServerProcess]
    _opened: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, *to: int) -> Browser:
        return Browser(self.http(*to))

    async def client(self, *to: int, **changes: Any) -> OAuthClient:
        """A registered client."""
        client = OAuthClient(self.url, self.http(*to))
        assert (await client.register(**changes)).status_code == 201
        return client

    def copy(self, client: OAuthClient, *to: int) -> OAuthClient:
        """The same client with the same tokens, which reaches other servers."""
        return OAuthClient(
            self.url, self.http(*to), client_id=client.client_id, tokens=dict(client.tokens)
        )

    def http(self, *to: int) -> httpx.AsyncClient:
        chosen = [self.servers[index] for index in to] or self.servers
        ports = [httpx.URL(server.url).port or 0 for server in chosen]
        mounts = {self.url: InTurn(ports)}
        self._opened.append(httpx.AsyncClient(mounts=mounts, timeout=60, verify=PLAIN))
        return self._opened[-1]

    async def close(self) -> None:
        for client in self._opened:
            await client.aclose()


@contextlib.contextmanager
def running_replicas(
    folder: Path, url: str, count: int, environment: dict[str, str]
) -> Iterator[list[ServerProcess]]:
    """Servers on ports of their own, all with the public URL `url`."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running_server(
                    folder / f"replica{number}", free_port(), environment | {"PUBLIC_URL": url}
                )
            )
            for number in range(count)
        ]


@contextlib.contextmanager
def running_nginx(folder: Path, port: int, ports: Sequence[int]) -> Iterator[None]:
    """nginx on `port` before servers on `ports`; skips where it is not installed, never in CI."""
    if NGINX is None:
        assert not os.environ.get("CI"), "CI installs nginx"
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    folder.mkdir()
    servers = "\n".join(f"server 127.0.0.1:{each};" for each in ports)
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX_CONFIGURATION.format(folder=folder, port=port, servers=servers))
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "nginx ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")
