"""How soon a server answers after its start, and how much memory it has when nobody asks.

Our server with its default settings on a sandbox organisation that already runs (memory store,
audit trail in a file) against FastMCP with one small tool, started in turn on the same core.
Both are asked for `/health` every 5 ms from the start of the process; memory is read a second after
the first answer. Every start of ours is looked up in the audit trail, and each server must refuse
or answer `/mcp` as it should before it is ended.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks import servers
from benchmarks.clients import Client, check_refused, check_trail
from benchmarks.figures import Figure, Report, benchmark, ratio
from benchmarks.organisation import organisation

ROUNDS = 7
IDLE_SECONDS = 1.0
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Starts:
    """What the starts of one server took, in the order of the rounds."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    resident_bytes: list[float] = field(default_factory=list)

    def add(self, server: servers.Server) -> None:
        """A server that has just answered; it is idle for a while then."""
        self.seconds.append(server.start_seconds)
        self.cpu_seconds.append(server.cpu_seconds)
        time.sleep(IDLE_SECONDS)
        self.resident_bytes.append(server.resident_bytes)

    @property
    def sentence(self) -> str:
        return (
            f"{statistics.median(self.seconds):.2f} s"
            f" ({statistics.median(self.cpu_seconds):.2f} s of processor time) and"
            f" {statistics.median(self.resident_bytes) / MEGABYTE:.0f} MB"
        )


@benchmark("startup")
def main(short: bool) -> Report:
    """Start both in turn; say how our server compares with a FastMCP server of one tool."""
    ours, peer = Starts(), Starts()
    rounds = [True] if short else [False] + [True] * ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), servers.free_port()
        with organisation(port) as okta:
            environment = okta.environment(folder)
            # The first start of each writes bytecode and fills the system's cache of files.
            for is_kept in rounds:
                with servers.peer("one_tool", servers.free_port()) as server:
                    (peer if is_kept else Starts()).add(server)
                    _check_listed(server.port)
                with servers.ours(port, environment) as server:
                    (ours if is_kept else Starts()).add(server)
                    check_refused(port)
        events = ("server.started", "bearer.refused", "server.stopped")
        check_trail(folder / "audit.jsonl", dict.fromkeys(events, len(rounds)))
    return Report(
        [
            Figure(
                "start to the first answer of `/health`",
                1.2,
                ratio(ours.seconds, peer.seconds),
                is_most=True,
            ),
            Figure(
                "resident memory, idle",
                1.25,
                ratio(ours.resident_bytes, peer.resident_bytes),
                is_most=True,
            ),
        ],
        [
            f"Medians of {len(ours.seconds)} starts in turn. okta_mcp with 34 tools:"
            f" {ours.sentence}. FastMCP with one tool: {peer.sentence}.",
            servers.surroundings(),
        ],
    )


def _check_listed(port: int) -> None:
    answer = Client(port).asked("tools/list")
    if answer.status != 200 or b'"add"' not in answer.body:
        raise click.ClickException(f"the peer lists no tool: {answer.body[:200]!r}")


if __name__ == "__main__":
    main()
