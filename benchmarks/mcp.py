"""What a request to /mcp costs: lists, calls and refusals, against FastMCP and a bare endpoint.

Our server runs as it is started by anybody: a person has signed in at the sandbox organisation and
allowed the client, every request is checked against grant, live role and policy, and each call,
list and refusal is a line of the audit trail. FastMCP serves the same tools without any login, and
the bare endpoint answers a fixed JSON object. Each kind of request is measured in turn, for every
revision of MCP, by one caller over 16 kept connections.

Every answer is looked at, and at the end the audit trail must hold one line for each answer.
`--calls N` makes N calls besides and shows the memory in between.
"""

import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from benchmarks import load, servers
from benchmarks.clients import UNKNOWN_TOKEN, Client, check_trail, signed_in
from benchmarks.figures import Figure, Report, benchmark, ratio, table
from benchmarks.load import Answer, Stream
from benchmarks.organisation import organisation

ROUNDS = 5
SECONDS_A_SLICE = 1.0
SECONDS_BETWEEN_SIZES = 2.0
CONNECTIONS = 16
VERSIONS = tuple(reversed(KNOWN_PROTOCOL_VERSIONS))
CALL = {
    "name": "parse_relative_time",
    "arguments": {"time_expression": "2026-01-01T00:00:00Z"},
}
FORBIDDEN = {"name": "list_okta_api_tokens", "arguments": {}}
ANSWERED = {"start": "2026-01-01T00:00:00.000Z", "end": None}
LISTED = {"get_okta_user", "whoami", "parse_relative_time"}


@dataclass(slots=True)
class Load:
    """One request to the server on `port`, sent by all connections again and again.

    `event` is the line that each answer leaves in our audit trail. `rates` has the requests a
    second of each round, `answers` counts all.
    """

    port: int
    request: bytes
    is_right: Callable[[Answer], bool]
    event: str | None = None
    rates: list[float] = field(default_factory=list)
    answers: int = 0

    def run(self, seconds: float, *aside: Stream) -> None:
        """One round, with other streams that run aside."""
        stream = Stream(self.request, self.is_right, CONNECTIONS)
        self.rates.append(load.loaded(self.port, [stream, *aside], seconds))
        self.answers += len(stream.seconds_taken)

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


# Ours and FastMCP's.
Pair = tuple[Load, Load]


@click.option("--calls", type=int, default=0, help="So many calls besides, watching the memory.")
@benchmark("mcp")
def main(short: bool, calls: int) -> Report:
    """Measure lists, calls and refusals at /mcp."""
    seconds, rounds = (0.02, 1) if short else (SECONDS_A_SLICE, ROUNDS)
    p99 = []
    with tempfile.TemporaryDirectory() as name:
        folder, port, peer_port, bare_port = Path(name), *(servers.free_port() for _ in range(3))
        with (
            organisation(port) as okta,
            servers.ours(port, okta.environment(folder)) as server,
            servers.peer("fastmcp", peer_port),
            servers.peer("bare", bare_port),
        ):
            idle_bytes = server.resident_bytes
            nora, viewer = (signed_in(port, who) for who in ("Nora Lind", "Hana Novak"))
            peer = Client(peer_port)
            lists = _pairs(nora, peer, "tools/list", {}, "tools.listed")
            local_calls = _pairs(nora, peer, "tools/call", CALL, "tool.called")
            unknown = Client(port, UNKNOWN_TOKEN).request("tools/list")
            # The same bytes but for the path: what is sent costs the bare endpoint too.
            plain = unknown.replace(b"POST /mcp ", b"POST /json ", 1)
            forbidden = viewer.request("tools/call", FORBIDDEN)
            singles = (
                Load(bare_port, plain, _is_ok),
                Load(port, unknown, _is_challenge, "bearer.refused"),
                Load(port, forbidden, _is_unknown_tool, "tool.refused"),
            )
            in_turn = [*(each for pair in (*lists, *local_calls) for each in pair), *singles]
            busy = Load(port, nora.request("tools/call", CALL), _is_called, "tool.called")
            asked = load.request("/health", f"localhost:{port}", {}, method="GET")
            for _ in range(rounds):
                for each in in_turn:
                    each.run(seconds)
                health = Stream(asked, _is_ok, connections=1)
                busy.run(seconds, health)
                p99.append(health.milliseconds(0.99))
            memory = [
                (idle_bytes, "before the first request"),
                (server.resident_bytes, "after all of these"),
                *_sizes(server, busy, calls),
            ]
        # The server has ended, and with it its audit.
        expected: Counter[str] = Counter()
        for each in (*in_turn, busy):
            if each.event:
                expected[each.event] += each.answers
        check_trail(folder / "audit.jsonl", expected)
    return _report(lists, local_calls, singles, statistics.median(p99), memory)


def _pairs(
    ours: Client, fastmcp: Client, method: str, params: dict[str, Any], event: str
) -> list[Pair]:
    """Of each revision."""
    return [
        (
            _repeated(ours, method, params, version, event),
            _repeated(fastmcp, method, params, version),
        )
        for version in VERSIONS
    ]


def _repeated(
    client: Client, method: str, params: dict[str, Any], version: str, event: str | None = None
) -> Load:
    """The first answer is read as a whole; each that follows must have the same body."""
    request = client.request(method, params, version)
    first = load.exchanged(client.port, request)
    if not (_is_called(first) if params else _is_listed(first)):
        raise click.ClickException(f"a wrong answer: {first.body[:600].decode()}")

    def is_same(answer: Answer) -> bool:
        return answer.status == 200 and answer.body == first.body

    return Load(client.port, request, is_same, event, answers=1)


def _sizes(server: servers.Server, busy: Load, calls: int) -> list[tuple[int, str]]:
    """What the server has in memory at first, in the middle and at the end of so many calls."""
    sizes, before = [], busy.answers
    while busy.answers - before < calls:
        busy.run(SECONDS_BETWEEN_SIZES)
        sizes.append((server.resident_bytes, f"after {busy.answers - before:,} calls more"))
    return [sizes[index] for index in sorted({0, len(sizes) // 2, len(sizes) - 1})] if sizes else []


def _is_ok(answer: Answer) -> bool:
    return answer.status == 200


def _is_listed(answer: Answer) -> bool:
    tools = json.loads(answer.body)["result"]["tools"]
    return LISTED.issubset(tool["name"] for tool in tools)


def _is_called(answer: Answer) -> bool:
    result = json.loads(answer.body)["result"]
    return answer.status == 200 and ANSWERED.items() <= result["structuredContent"].items()


def _is_challenge(answer: Answer) -> bool:
    return answer.status == 401 and b"resource_metadata=" in answer.head


def _is_unknown_tool(answer: Answer) -> bool:
    return b"Unknown tool: list_okta_api_tokens" in answer.body


def _report(
    lists: list[Pair],
    calls: list[Pair],
    singles: tuple[Load, Load, Load],
    p99: float,
    memory: list[tuple[int, str]],
) -> Report:
    bare, challenged, denied = singles
    least = [min(ratio(ours.rates, peer.rates) for ours, peer in each) for each in (lists, calls)]
    against = "with login, role, policy and audit, against FastMCP without any login"
    challenge = "401 for an unknown token, on the record, against a bare Starlette endpoint"
    health = f"p99 of `/health` while {CONNECTIONS} connections call tools"
    rows = []
    for version, *pairs in zip(VERSIONS, lists, calls, strict=True):
        cells = [f"{each.median:,.0f}" for pair in pairs for each in pair]
        rows.append(f"| {version} | {' | '.join(cells)} |")
    return Report(
        [
            Figure(f"`tools/list` {against}", 20, least[0]),
            Figure(f"call of a local tool {against}", 1.5, least[1]),
            Figure(challenge, 0.5, ratio(challenged.rates, bare.rates)),
            Figure(health, 20, p99, "ms", is_most=True),
        ],
        [
            "Of the revisions the least ratio counts. Requests a second, medians of the rounds:",
            table("revision | lists | lists, FastMCP | calls | calls, FastMCP", rows),
            f"A bare Starlette endpoint answered {bare.median:,.0f} requests a second; unknown"
            f" tokens were refused {challenged.median:,.0f} times, a viewer's calls of a tool of"
            f" others {denied.median:,.0f} times a second. Every answer was looked at, and every"
            " list, call and refusal had its line in the audit trail.",
            "Resident memory: "
            + ", ".join(f"{size / 1e6:.1f} MB {when}" for size, when in memory)
            + ".",
            servers.surroundings(),
        ],
    )


if __name__ == "__main__":
    main()
