"""What the gateway costs: a call through it against the same call made directly.

Starts the sandbox organisation, a server behind over stdio and one over HTTP, and the gateway in
front of both, all on loopback. Each call is made four ways in turn, so that whatever else the
machine does falls on all alike: directly and through the gateway, with its token, role, policy,
rate limits and audit. `--write` puts the table into docs/gateway.md.
"""

import contextlib
import json
import socket
import statistics
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

from benchmarks import servers
from benchmarks.clients import HEADERS, VERSION, check_refused, check_trail, signed_in
from benchmarks.figures import Figure, Report, benchmark, table
from benchmarks.organisation import organisation
from okta_mcp.rbac import policy_file

# The most that the gateway may add to a call.
MOST_MILLISECONDS = {"stdio": 3.0, "HTTP": 6.0}
WARM_UP = 20
ECHO = (sys.executable, "-m", "benchmarks.peers", "echo")
POLICY = '\n[servers.local]\nrole = "viewer"\n\n[servers.web]\nrole = "viewer"\n'


@dataclass(frozen=True, slots=True)
class Times:
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


@benchmark("gateway", page="gateway.md")
def main(short: bool) -> Report:
    """Measure what the gateway adds to a call."""
    calls = 50 if short else 500
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _ways(folder) as ways:
            # The first ones fill caches on every side.
            for number in range(-WARM_UP, calls):
                for way, (caller, tool) in ways.items():
                    began_at = time.perf_counter()
                    caller.result("tools/call", {"name": tool, "arguments": {"text": "hello"}})
                    if number >= 0:
                        times.setdefault(way, []).append((time.perf_counter() - began_at) * 1000)
        # The gateway has ended, and with it its audit.
        check_trail(folder / "audit.jsonl", {"tool.called": 2 * (WARM_UP + calls)})
    return _report(
        [
            Times(kind, _summary(times[kind, "direct"]), _summary(times[kind, "through"]))
            for kind in MOST_MILLISECONDS
        ],
        calls,
    )


@contextlib.contextmanager
def _ways(folder: Path) -> Iterator[dict[tuple[str, str], tuple["Caller", str]]]:
    """Whom to ask for which tool: of each kind of server, directly and through the gateway."""
    port, web_port = servers.free_port(), servers.free_port()
    web = f"http://127.0.0.1:{web_port}/mcp"
    with (
        organisation(port) as okta,
        servers.peer("echo", web_port),
        servers.ours(port, okta.environment(folder) | _behind(folder, web)),
        _over_http(f"http://localhost:{port}/mcp", signed_in(port, "Nora Lind").token) as front,
        _over_pipes() as program,
        _over_http(web) as server,
    ):
        check_refused(port)
        _wait_until_listed(front, {"local_echo", "web_echo"})
        yield {
            ("stdio", "direct"): (program.initialized(), "echo"),
            ("stdio", "through"): (front, "local_echo"),
            ("HTTP", "direct"): (server.initialized(), "echo"),
            ("HTTP", "through"): (front, "web_echo"),
        }


def _behind(folder: Path, web: str) -> dict[str, str]:
    """The settings of the gateway, and the files that they name."""
    policy, behind = folder / "policy.toml", folder / "mcp.json"
    shipped = Path(policy_file.__file__).with_name("default_policy.toml")
    policy.write_text(shipped.read_text(encoding="utf-8") + POLICY, encoding="utf-8")
    program, *arguments = ECHO
    local = {"command": program, "args": arguments, "cwd": str(servers.ROOT)}
    behind.write_text(json.dumps({"mcpServers": {"local": local, "web": {"url": web}}}))
    return {"MCP_CONFIG": str(behind), "POLICY_FILE": str(policy)}


def _summary(milliseconds: list[float]) -> tuple[float, float]:
    return statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1]


@contextlib.contextmanager
def _over_http(url: str, token: str | None = None) -> Iterator[Caller]:
    """One connection that stays open."""
    address = urlsplit(url)
    with contextlib.closing(HTTPConnection(address.hostname or "", address.port)) as connection:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = {**HEADERS, **({"authorization": f"Bearer {token}"} if token else {})}

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
    """A program of its own."""
    with servers.running(*ECHO, has_pipes=True) as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101 - asked for above
        requests, answers = process.stdin, process.stdout

        def exchange(body: bytes) -> bytes:
            requests.write(body + b"\n")
            requests.flush()
            return answers.readline()

        yield Caller(exchange)


def _wait_until_listed(caller: Caller, tools: set[str]) -> None:
    until = time.monotonic() + servers.START_SECONDS
    while not tools <= {tool["name"] for tool in caller.result("tools/list", {})["tools"]}:
        if time.monotonic() > until:
            raise click.ClickException("the servers behind the gateway do not start")
        time.sleep(0.1)


def _report(times: list[Times], calls: int) -> Report:
    rows = [
        f"| {each.kind} | {each.direct[0]:.1f} ms | {each.through[0]:.1f} ms"
        f" | {each.added:.1f} ms | {each.direct[1]:.1f} / {each.through[1]:.1f} ms |"
        for each in times
    ]
    return Report(
        [
            Figure(
                f"{each.kind} server behind: added to a call",
                MOST_MILLISECONDS[each.kind],
                each.added,
                "ms",
                is_most=True,
            )
            for each in times
        ],
        [
            table("server | direct | through the gateway | added | 95th percentiles", rows),
            f"Medians of {calls} calls of each way, in turn, by a client that takes next to no"
            " time itself.",
            servers.surroundings(),
        ],
    )


if __name__ == "__main__":
    main()
