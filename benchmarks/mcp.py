"""What a request to /mcp costs: lists, calls and refusals, against FastMCP and a bare endpoint.

Our server runs as it is started by anybody: a person has signed in at the sandbox organisation and
allowed the client, every request is checked against grant, live role and policy, and each call,
list and refusal is a line of the audit trail. FastMCP serves the same tools without any login, and
the bare endpoint answers a fixed JSON object. Each kind of request is measured in turn, for every
revision of MCP, by one caller over 16 kept connections.

Every answer is looked at, and at the end the audit trail must hold one line for each answer.
`--calls N` makes N calls besides and shows the memory before and after.
"""

import contextlib
import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from benchmarks import load, servers
from benchmarks.figures import Figure, table
from benchmarks.load import Answer, Stream
from benchmarks.visitor import Visitor
from okta_mcp.audit.writer import verified_lines
from okta_mcp.oauth_proxy.tokens import ACCESS_TOKEN

PAGE = servers.ROOT / "docs" / "performance.md"
VERSIONS = tuple(reversed(KNOWN_PROTOCOL_VERSIONS))
CALL = {
    "name": "parse_relative_time",
    "arguments": {"time_expression": "2026-01-01T00:00:00Z"},
}
FORBIDDEN = {"name": "list_okta_api_tokens", "arguments": {}}
ANSWERED = {"start": "2026-01-01T00:00:00.000Z", "end": None}
UNKNOWN_TOKEN = f"{ACCESS_TOKEN}{'x' * 43}"
CONNECTIONS = 16
_META = "io.modelcontextprotocol"


@dataclass(slots=True)
class Measured:
    """Requests a second of each round, by what was asked and of whom."""

    rates: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    health_p99: list[float] = field(default_factory=list)
    # Answers that must each have left a line in the audit trail, by event.
    recorded: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, server: str, rate: float) -> None:
        self.rates.setdefault((what, server), []).append(rate)

    def median(self, what: str, server: str) -> float:
        return statistics.median(self.rates[what, server])

    def ratio(self, what: str, ours: str, theirs: str) -> float:
        """Of the rounds, each against the same round."""
        pairs = zip(self.rates[what, ours], self.rates[what, theirs], strict=True)
        return statistics.median(one / other for one, other in pairs)


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and how it is asked."""

    server: servers.Server
    headers: Mapping[str, str]

    def request(self, version: str, method: str, params: Mapping[str, Any]) -> bytes:
        """One JSON-RPC request in the form of a revision."""
        headers = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": version,
            **self.headers,
        }
        given = dict(params)
        if version in MODERN_PROTOCOL_VERSIONS:
            headers["mcp-method"] = method
            if "name" in params:
                headers["mcp-name"] = str(params["name"])
            given["_meta"] = {
                f"{_META}/protocolVersion": version,
                f"{_META}/clientInfo": {"name": "benchmark", "version": "1"},
                f"{_META}/clientCapabilities": {},
            }
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": given}
        host = f"localhost:{self.server.port}"
        return load.request("/mcp", host, headers, json.dumps(message).encode())


def measured_in_rounds(rounds: int, seconds: float, calls: int) -> tuple[Measured, list[str]]:
    """All of it; the lines about memory besides."""
    measured = Measured()
    with _running() as (ours, viewer, fastmcp, bare, audit):
        before = ours.server.resident_bytes
        for _ in range(rounds):
            _one_round(measured, seconds, ours, viewer, fastmcp, bare)
        memory = _memory(measured, ours, calls) if calls else []
        if not calls:
            memory.append(
                f"Resident memory before the first request {before / 1e6:.0f} MB,"
                f" after all {ours.server.resident_bytes / 1e6:.0f} MB."
            )
        _check_audit(audit, measured.recorded)
    return measured, memory


def _one_round(
    measured: Measured, seconds: float, ours: Place, viewer: Place, fastmcp: Place, bare: Place
) -> None:
    def run(what: str, whose: str, place: Place, stream: Stream, event: str | None = None) -> None:
        measured.note(what, whose, load.loaded(place.server.port, [stream], seconds))
        if event is not None:
            measured.recorded[event] += len(stream.seconds_taken)

    for version in VERSIONS:
        for what, method, params, event in (
            ("lists", "tools/list", {}, "tools.listed"),
            ("calls", "tools/call", CALL, "tool.called"),
        ):
            for whose, place in (("ours", ours), ("FastMCP", fastmcp)):
                request = place.request(version, method, params)
                first = load.exchanged(place.server.port, request)
                _check(what, first)
                if whose == "ours":
                    measured.recorded[event] += 1
                stream = Stream(request, _same(first), CONNECTIONS)
                run(f"{what} {version}", whose, place, stream, event if whose == "ours" else None)
    stranger = Place(ours.server, {"authorization": f"Bearer {UNKNOWN_TOKEN}"})
    asked = stranger.request("2025-06-18", "tools/list", {})
    # The same bytes but for the path: what is sent costs the bare endpoint too.
    plain = asked.replace(b"POST /mcp ", b"POST /json ", 1)
    run("answers", "bare", bare, Stream(plain, lambda answer: answer.status == 200))
    run("answers", "401", ours, Stream(asked, _is_challenge), "bearer.refused")
    refused = viewer.request("2025-06-18", "tools/call", FORBIDDEN)
    run("refused calls", "ours", viewer, Stream(refused, _is_unknown_tool), "tool.refused")
    health = Stream(_get(ours, "/health"), lambda answer: answer.status == 200, connections=1)
    busy = Stream(ours.request("2025-06-18", "tools/call", CALL), _is_called, CONNECTIONS)
    load.loaded(ours.server.port, [health, busy], seconds)
    measured.recorded["tool.called"] += len(busy.seconds_taken)
    measured.health_p99.append(health.milliseconds(0.99))


def _memory(measured: Measured, ours: Place, calls: int) -> list[str]:
    """What the memory of our server is before, in the middle of and after so many calls."""
    sizes = []
    request = ours.request("2025-06-18", "tools/call", CALL)
    done = 0
    while done < calls:
        stream = Stream(request, _is_called, CONNECTIONS)
        load.loaded(ours.server.port, [stream], 2)
        done += len(stream.seconds_taken)
        sizes.append((done, ours.server.resident_bytes))
    measured.recorded["tool.called"] += done
    shown = [sizes[0], sizes[len(sizes) // 2], sizes[-1]]
    return [
        "Resident memory: "
        + ", ".join(f"{size / 1e6:.1f} MB after {count:,} calls" for count, size in shown)
        + "."
    ]


@contextlib.contextmanager
def _running() -> Iterator[tuple[Place, Place, Place, Place, Path]]:
    """Ours as a super-admin and as a viewer, FastMCP, the bare endpoint, and our audit trail."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, bare_port, fastmcp_port = (servers.free_port() for _ in range(3))
        _, environment = stack.enter_context(servers.sandbox(port, folder))
        begun = (
            servers.started(
                *("okta_mcp.oauth_proxy.server", "--port", str(port)),
                port=port,
                environment=environment,
            ),
            servers.started("benchmarks.peers", "bare", str(bare_port), port=bare_port),
            servers.started("benchmarks.peers", "fastmcp", str(fastmcp_port), port=fastmcp_port),
        )
        ours, bare, fastmcp = (stack.enter_context(each) for each in begun)
        people = []
        for person in ("Nora Lind", "Hana Novak"):
            visitor = Visitor(f"http://localhost:{port}")
            tokens = visitor.log_in(["Sign in with Okta", person, "Allow"])
            visitor.close()
            people.append(Place(ours, {"authorization": f"Bearer {tokens['access_token']}"}))
        yield (
            *people,
            Place(fastmcp, {}),
            Place(bare, {}),
            Path(environment["AUDIT_LOG"]),
        )


def _check(what: str, answer: Answer) -> None:
    if what == "calls":
        is_right = _is_called(answer)
    else:
        tools = json.loads(answer.body)["result"]["tools"]
        is_right = {"get_okta_user", "whoami", CALL["name"]} <= {tool["name"] for tool in tools}
    if not is_right:
        raise click.ClickException(f"a wrong answer: {answer.body[:600].decode()}")


def _is_called(answer: Answer) -> bool:
    result = json.loads(answer.body)["result"]
    return answer.status == 200 and ANSWERED.items() <= result["structuredContent"].items()


def _is_challenge(answer: Answer) -> bool:
    return answer.status == 401 and b"resource_metadata=" in answer.head


def _is_unknown_tool(answer: Answer) -> bool:
    return b"Unknown tool: list_okta_api_tokens" in answer.body


def _same(first: Answer) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 200 and answer.body == first.body


def _get(place: Place, path: str) -> bytes:
    return load.request(path, f"localhost:{place.server.port}", {}, method="GET")


def _check_audit(path: Path, expected: Mapping[str, int]) -> None:
    """One line for each answer, in an unbroken chain."""
    with path.open(encoding="utf-8") as lines:
        found = Counter(line["event"] for line in verified_lines(lines))
    wrong = {event: (found[event], count) for event, count in expected.items()}
    wrong = {event: pair for event, pair in wrong.items() if pair[0] != pair[1]}
    if wrong:
        raise click.ClickException(f"lines of the audit trail, and answers: {wrong}")


def report(measured: Measured, memory: list[str]) -> str:
    """The targets, and then every figure."""
    lists, calls = (
        min(measured.ratio(f"{what} {version}", "ours", "FastMCP") for version in VERSIONS)
        for what in ("lists", "calls")
    )
    against = "with login, role, policy and audit, against FastMCP without any login"
    figures = [
        Figure(f"`tools/list` {against}", 20, lists),
        Figure(f"call of a local tool {against}", 1.5, calls),
        Figure(
            "401 for an unknown token, on the record, against a bare Starlette endpoint",
            0.5,
            measured.ratio("answers", "401", "bare"),
        ),
        Figure(
            f"p99 of `/health` while {CONNECTIONS} connections call tools",
            20,
            statistics.median(measured.health_p99),
            "ms",
            is_most=True,
        ),
    ]
    rows = [
        f"| {version} | {measured.median(f'lists {version}', 'ours'):,.0f}"
        f" | {measured.median(f'lists {version}', 'FastMCP'):,.0f}"
        f" | {measured.median(f'calls {version}', 'ours'):,.0f}"
        f" | {measured.median(f'calls {version}', 'FastMCP'):,.0f} |"
        for version in VERSIONS
    ]
    bare, refused = measured.median("answers", "bare"), measured.median("answers", "401")
    denied = measured.median("refused calls", "ours")
    return "\n".join(
        [
            table(figures),
            "",
            "Of the revisions the least ratio counts. Requests a second, medians of the rounds:",
            "",
            "| revision | lists | lists, FastMCP | calls | calls, FastMCP |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"A bare Starlette endpoint answered {bare:,.0f} requests a second; unknown tokens were"
            f" refused {refused:,.0f} times, a viewer's calls of a tool of others {denied:,.0f}"
            " times a second. Every answer was looked at, and every list, call and refusal had its"
            " line in the audit trail.",
            "",
            *memory,
            "",
            servers.surroundings(),
        ]
    )


@click.command()
@click.option("--short", is_flag=True, help="One round of a moment each.")
@click.option("--calls", type=int, default=0, help="So many calls besides, watching the memory.")
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(short: bool, calls: int, write: bool) -> None:
    """Measure lists, calls and refusals at /mcp."""
    measured, memory = measured_in_rounds(*((1, 0.02) if short else (5, 1.0)), calls)
    text = report(measured, memory)
    click.echo(text)
    if write:
        servers.written(PAGE, "mcp", text)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.mcp")
