"""What the gateway costs: a call through it against the same call made directly.

Starts the sandbox organisation, a server behind over stdio and one over HTTP, and the gateway in
front of both, all on loopback. Each call is made four ways in turn, so that whatever else the
machine does falls on all alike: directly and through the gateway, with its token, role, policy,
rate limits and audit. `--write` puts the table into docs/gateway.md.
"""

import asyncio
import contextlib
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx

from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN
from okta_mcp.rbac import policy_file
from okta_mcp.serving.sandbox_process import running_sandbox
from okta_mcp.stores.opening import opened_store
from okta_mcp.stores.records import AccessToken, Grant, Records, digest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gateway.md"
PERSON = "nora.super@northwind.example"
TOKEN = f"{ACCESS_TOKEN}{'b' * 43}"
SCOPES = ("mcp.local", "mcp.web")
VERSION = "2025-06-18"
DAY = 86_400.0
START_SECONDS = 60.0
# A way to make the call, and the most that the gateway may add to the direct one.
MOST_MILLISECONDS = {"stdio": 3.0, "HTTP": 6.0}
POLICY = '\n[servers.local]\nrole = "viewer"\n\n[servers.web]\nrole = "viewer"\n'


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of server, in milliseconds: medians and 95th percentiles."""

    kind: str
    direct: tuple[float, float]
    through: tuple[float, float]

    @property
    def added(self) -> float:
        """What the gateway adds to the median."""
        return self.through[0] - self.direct[0]


class Caller:
    """Makes calls over HTTP, or over the pipes of a program, and takes next to no time itself.

    A client of an SDK would be measured too: over HTTP it takes longer than over pipes.
    """

    def __init__(self, exchange: Callable[[bytes], bytes]) -> None:
        self._exchange = exchange
        self._id = 0

    def result(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of one request."""
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}
        answer = json.loads(self._exchange(json.dumps(message).encode()))
        if "result" not in answer or answer["result"].get("isError"):
            raise click.ClickException(f"{method} failed: {answer}")
        return dict(answer["result"])

    def initialized(self) -> "Caller":
        """Itself, after the handshake."""
        client = {"name": "benchmark", "version": "1"}
        given = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        self.result("initialize", given)
        return self


def measured(calls: int) -> list[Figures]:
    """The figures of both kinds, `calls` of each way."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway, web = stack.enter_context(_running(folder))
        front = stack.enter_context(_over_http(gateway, {"authorization": f"Bearer {TOKEN}"}))
        program = stack.enter_context(_over_pipes()).initialized()
        server = stack.enter_context(_over_http(web, {})).initialized()
        ways = {
            ("stdio", "direct"): (program, "echo"),
            ("stdio", "through"): (front, "local_echo"),
            ("HTTP", "direct"): (server, "echo"),
            ("HTTP", "through"): (front, "web_echo"),
        }
        _wait_until_listed(front, {"local_echo", "web_echo"})
        times: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
        # The first ones fill caches on every side.
        for number in range(-20, calls):
            for way, (caller, tool) in ways.items():
                started = time.perf_counter()
                caller.result("tools/call", {"name": tool, "arguments": {"text": "hello"}})
                if number >= 0:
                    times[way].append((time.perf_counter() - started) * 1000)
    return [
        Figures(kind, _summary(times[kind, "direct"]), _summary(times[kind, "through"]))
        for kind in MOST_MILLISECONDS
    ]


def _summary(milliseconds: list[float]) -> tuple[float, float]:
    return statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1]


@contextlib.contextmanager
def _over_http(url: str, headers: Mapping[str, str]) -> Iterator[Caller]:
    """One connection that stays open."""
    address = urlsplit(url)
    with contextlib.closing(HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accept = "application/json, text/event-stream"
        sent = {"accept": accept, "content-type": "application/json", **headers}

        def exchange(body: bytes) -> bytes:
            connection.request("POST", address.path, body, sent)
            response = connection.getresponse()
            text = response.read()
            if session := response.getheader("mcp-session-id"):
                sent["mcp-session-id"] = session
            events = [line[6:] for line in text.splitlines() if line.startswith(b"data: {")]
            return events[-1] if events else text

        yield Caller(exchange)


@contextlib.contextmanager
def _over_pipes() -> Iterator[Caller]:
    """A program of its own, whose input closes on leaving."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.echo_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101 - asked for above
        written, lines = process.stdin, process.stdout

        def exchange(body: bytes) -> bytes:
            written.write(body + b"\n")
            written.flush()
            return lines.readline()

        yield Caller(exchange)
        written.close()


def _wait_until_listed(caller: Caller, tools: set[str]) -> None:
    until = time.monotonic() + START_SECONDS
    while not tools <= {tool["name"] for tool in caller.result("tools/list", {})["tools"]}:
        if time.monotonic() > until:
            raise click.ClickException("the servers behind the gateway do not start")
        time.sleep(0.1)


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[tuple[str, str]]:
    """The URLs of the gateway and of the HTTP server behind it."""
    port, web_port = _free_port(), _free_port()
    web, url = f"http://127.0.0.1:{web_port}/mcp", f"http://localhost:{port}"
    policy, servers = folder / "policy.toml", folder / "mcp.json"
    shipped = Path(policy_file.__file__).with_name("default_policy.toml")
    policy.write_text(shipped.read_text(encoding="utf-8") + POLICY, encoding="utf-8")
    local = {"command": sys.executable, "args": ["-m", "benchmarks.echo_server"], "cwd": str(ROOT)}
    servers.write_text(json.dumps({"mcpServers": {"local": local, "web": {"url": web}}}))
    with running_sandbox("localhost", port, folder / "none.env") as sandbox:
        environment = {
            **{name.upper(): _text(value) for name, value in sandbox.settings.items() if value},
            "STORE_URL": f"sqlite:///{folder}/store.db",
            "AUDIT_LOG": str(folder / "audit.jsonl"),
            "MCP_CONFIG": str(servers),
            "POLICY_FILE": str(policy),
            "OAUTH_REQUIRE_HTTPS": "false",
            "RATE_TOOL_CALLS": "1000000/minute",
            "RATE_TOOL_CALLS_PER_TOOL": "1000000/minute",
        }
        asyncio.run(_grant(environment, sandbox.org_url, f"{url}/mcp"))
        served = ["okta_mcp.oauth_proxy.server", "--port", str(port)]
        with (
            _process("benchmarks.echo_server", str(web_port), health=web),
            _process(*served, health=f"{url}/health", environment=environment),
        ):
            yield f"{url}/mcp", web


async def _grant(environment: Mapping[str, str], org_url: str, resource: str) -> None:
    """What a person has who signed in and allowed it: a grant, and its access token."""
    headers = {"authorization": f"SSWS {environment['OKTA_API_TOKEN']}"}
    async with httpx.AsyncClient(headers=headers) as http:
        answer = await http.get(f"{org_url}/api/v1/users/{PERSON}")
        user_id = str(answer.raise_for_status().json()["id"])
    now = time.time()
    grant = Grant(
        key=f"{user_id}/{'b' * 22}",
        user_id=user_id,
        login=PERSON,
        name="Nora Lind",
        client_id="client" + "b" * 26,
        client_name="The benchmark",
        redirect_uri="http://127.0.0.1:33418/callback",
        scopes=SCOPES,
        resource=resource,
        role="super-admin",
        created_at=now,
        expires_at=now + DAY,
        redeemed=True,
        last_used_at=now + DAY,
    )
    store = opened_store(environment["STORE_URL"], "okta-mcp", time.time)
    records = Records(store)
    await records.grants.put(grant.key, grant, DAY)
    token = AccessToken(grant.key, SCOPES, 0, now + DAY)
    await records.access_tokens.put(digest(TOKEN), token, DAY)
    await store.close()


@contextlib.contextmanager
def _process(
    module: str, *arguments: str, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A module of ours as a process that takes connections, ended on leaving."""
    given = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**given, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            until = time.monotonic() + START_SECONDS
            while process.poll() is None and time.monotonic() < until:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(health, timeout=5)
                    break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _table(figures: list[Figures], calls: int) -> str:
    rows = [
        f"| {each.kind} | {each.direct[0]:.1f} ms | {each.through[0]:.1f} ms"
        f" | {each.added:.1f} ms (at most {MOST_MILLISECONDS[each.kind]:g})"
        f" | {each.direct[1]:.1f} / {each.through[1]:.1f} ms |"
        for each in figures
    ]
    return "\n".join(
        [
            "| server | direct | through the gateway | added | 95th percentiles |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"Medians of {calls} calls of each way, in turn, by a client that takes next to no"
            f" time itself; {os.cpu_count()} cores, {platform.system()},"
            f" Python {platform.python_version()}.",
        ]
    )


@click.command()
@click.option("--short", is_flag=True, help="50 calls of each way instead of 500.")
@click.option("--write", is_flag=True, help="Put the table into docs/gateway.md.")
def main(short: bool, write: bool) -> None:
    """Measure what the gateway adds to a call."""
    calls = 50 if short else 500
    figures = measured(calls)
    table = _table(figures, calls)
    click.echo(table)
    if write:
        page = PAGE.read_text(encoding="utf-8")
        between = re.compile("(?<=<!-- figures -->\n).*(?=\n<!-- end of figures -->)", re.DOTALL)
        PAGE.write_text(between.sub(lambda _: table, page, count=1), encoding="utf-8")
    slow = [each.kind for each in figures if each.added > MOST_MILLISECONDS[each.kind]]
    if slow and not short:
        raise click.ClickException(f"more than it may cost: {', '.join(slow)}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.gateway")
