"""The processes that benchmarks compare: each on the one core for servers, its caller on another.

Only modules of this repository are started, on loopback, with no environment but what is given.
"""

import contextlib
import os
import platform
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from benchmarks import load
from okta_mcp.serving.sandbox_process import Sandbox, running_sandbox

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
# Rates are there and count, but nothing that is measured reaches them.
HIGH_RATES = {
    f"RATE_{what}": "100000000/minute"
    for what in ("REGISTER", "AUTHORIZE", "TOKEN_FAILURES", "TOOL_CALLS", "TOOL_CALLS_PER_TOOL")
}
_PACKAGES = ("fastmcp", "mcp", "starlette", "uvicorn", "uvloop", "httptools")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `port` of loopback; `start_seconds` until its first answer."""

    pid: int
    port: int
    start_seconds: float

    @property
    def resident_bytes(self) -> int:
        """What it has in memory now (Linux)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu_seconds(self) -> float:
        """What it has used of its core so far (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def started(
    module: str,
    *arguments: str,
    port: int,
    environment: Mapping[str, str] | None = None,
    health: str = "/health",
) -> Iterator[Server]:
    """`python -m module arguments` on the servers' core; it ends on leaving."""
    # What ran before may still have bytecode to write, and the first start would pay for it.
    command = [sys.executable, "-m", module, *arguments]
    given = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    began_at = time.perf_counter()
    with (
        _on_core_of_servers(),
        subprocess.Popen(  # noqa: S603 - our own module, no shell
            command,
            cwd=ROOT,
            env={**given, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            _as_caller()
            _wait_until_answered(process, port, health)
            yield Server(process.pid, port, time.perf_counter() - began_at)
        finally:
            process.terminate()
            process.wait(timeout=20)


@contextlib.contextmanager
def sandbox(port: int, folder: Path) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """The sandbox organisation for a server on `port`, and that server's environment."""
    with running_sandbox("localhost", port, folder / "none.env") as organisation:
        settings = organisation.settings
        yield (
            organisation,
            {
                **{name.upper(): _text(value) for name, value in settings.items() if value},
                **HIGH_RATES,
                "OAUTH_REQUIRE_HTTPS": "false",
                "AUDIT_LOG": str(folder / "audit.jsonl"),
            },
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def surroundings() -> str:
    """When and with what the figures were made, as a sentence."""
    found = []
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    cores = len(_CORES)
    place = "a core of its own" if cores > 1 else "the only core, shared with the caller"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} on {platform.machine()},"
        f" {os.cpu_count()} cores, each server on {place}, Python {platform.python_version()},"
        f" {', '.join(found)}."
    )


def written(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name` in a page of the documentation."""
    between = re.compile(f"(?<=<!-- {name} -->\n).*(?=\n<!-- end of {name} -->)", re.DOTALL)
    before = page.read_text(encoding="utf-8")
    if not between.search(before):
        raise click.ClickException(f"{page.name} has no place for the figures of {name}")
    page.write_text(between.sub(lambda _: text, before, count=1), encoding="utf-8")


# Where the system cannot bind a process to a core (macOS, Windows), the caller shares them.
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _as_caller() -> None:
    if len(_CORES) > 1:
        os.sched_setaffinity(0, set(_CORES) - {_CORES[0]})


@contextlib.contextmanager
def _on_core_of_servers() -> Iterator[None]:
    """A process that is started in the block, and all its threads, stay on that core."""
    if len(_CORES) > 1:
        os.sched_setaffinity(0, {_CORES[0]})
    try:
        yield
    finally:
        _as_caller()


def _wait_until_answered(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    asked = load.request(path, f"127.0.0.1:{port}", {}, method="GET")
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, click.ClickException):
            load.exchanged(port, asked)
            return
        time.sleep(0.005)
    raise click.ClickException(f"a server did not start: {process.args}")


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)
