"""How soon a server answers after its start, and how much memory it has when nobody asks.

Our server with its default settings on a sandbox organisation that already runs (memory store,
audit trail in a file) against FastMCP with one small tool, started in turn on the same core.
Both are asked for `/health` every 5 ms from the start of the process; memory is read a second after
the first answer. Every start of ours is looked up in the audit trail, and each server must refuse
or answer `/mcp` as it should before it is ended.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks import load, servers

PAGE = servers.ROOT / "docs" / "performance.md"
ROUNDS = 7
IDLE_SECONDS = 1.0
LONGEST_START = 1.2
MOST_MEMORY = 1.25
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Starts:
    """What the starts of one server took, in the order of the rounds."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    resident_bytes: list[float] = field(default_factory=list)

    def add(self, server: servers.Server, cpu_seconds: float) -> None:
        self.seconds.append(server.start_seconds)
        self.cpu_seconds.append(cpu_seconds)
        self.resident_bytes.append(server.resident_bytes)

    @property
    def sentence(self) -> str:
        return (
            f"{statistics.median(self.seconds):.2f} s"
            f" ({statistics.median(self.cpu_seconds):.2f} s of processor time) and"
            f" {statistics.median(self.resident_bytes) / MEGABYTE:.0f} MB"
        )


@click.command()
@click.option("--short", is_flag=True, help="One round: to see that it works.")
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(*, short: bool, write: bool) -> None:
    """Start both in turn; say how our server compares with a FastMCP server of one tool."""
    ours, peer = Starts(), Starts()
    with tempfile.TemporaryDirectory() as folder:
        port = servers.free_port()
        with servers.sandbox(port, Path(folder)) as (_, environment):
            rounds = 1 if short else ROUNDS
            # The first start of each writes bytecode and fills the system's cache of files.
            for kept in [False] * (not short) + [True] * rounds:
                _start_peer(peer if kept else Starts())
                _start_ours(ours if kept else Starts(), port, environment)
        _check_trail(Path(environment["AUDIT_LOG"]), rounds + (not short))
    text, missed = _report(ours, peer)
    click.echo(text)
    for line in [] if short else missed:
        click.echo(line)
    if write:
        servers.written(PAGE, "startup", text)


def _start_peer(starts: Starts) -> None:
    port = servers.free_port()
    with servers.started("benchmarks.peers", "one_tool", str(port), port=port) as server:
        cpu_seconds = server.cpu_seconds
        time.sleep(IDLE_SECONDS)
        starts.add(server, cpu_seconds)
        answer = load.exchanged(port, _list_request(port))
        if answer.status != 200 or b'"add"' not in answer.body:
            raise click.ClickException(f"the peer lists no tool: {answer.body[:200]!r}")


def _start_ours(starts: Starts, port: int, environment: Mapping[str, str]) -> None:
    with servers.started(
        "okta_mcp.oauth_proxy.server", "--port", str(port), port=port, environment=environment
    ) as server:
        cpu_seconds = server.cpu_seconds
        time.sleep(IDLE_SECONDS)
        starts.add(server, cpu_seconds)
        answer = load.exchanged(port, _list_request(port))
        if answer.status != 401:
            raise click.ClickException(f"an unknown token was answered {answer.status}")


def _list_request(port: int) -> bytes:
    """`tools/list` with a token that nobody has."""
    headers = {
        "authorization": "Bearer " + "x" * 43,
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    return load.request("/mcp", f"localhost:{port}", headers, body)


def _check_trail(trail: Path, starts: int) -> None:
    """Each start, refusal and end of ours is in the audit trail. Raises `ClickException`."""
    events = [json.loads(line)["event"] for line in trail.read_text(encoding="utf-8").splitlines()]
    for event in ("server.started", "bearer.refused", "server.stopped"):
        if events.count(event) != starts:
            raise click.ClickException(f"{event} is {events.count(event)} times in the trail")


def _report(ours: Starts, peer: Starts) -> tuple[str, list[str]]:
    """The table with what surrounds it, and a line for each target that was missed."""
    rows, missed = [], []
    for measure, most, mine, theirs in (
        ("start to the first answer of `/health`", LONGEST_START, ours.seconds, peer.seconds),
        ("resident memory, idle", MOST_MEMORY, ours.resident_bytes, peer.resident_bytes),
    ):
        ratio = statistics.median(mine) / statistics.median(theirs)
        rows.append(f"| {measure} | at most {most:g} times | {ratio:.2f} times |")
        if ratio > most:
            missed.append(f"MISSED {measure}: {ratio:.2f} times, at most {most:g}")
    lines = [
        "| measure | target | measured |",
        "|---|---|---|",
        *rows,
        "",
        f"Medians of {len(ours.seconds)} starts in turn. okta_mcp with 34 tools: {ours.sentence}."
        f" FastMCP with one tool: {peer.sentence}. {servers.surroundings()}",
    ]
    return "\n".join(lines), missed


if __name__ == "__main__":
    main()
