"""The processes that benchmarks compare: each on the one core for servers, its caller on another.

What they say is shown only where one does not start. Nothing of the caller's environment is given
to them but what a program needs to run.
"""

import contextlib
import functools
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from benchmarks import load

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0
_PACKAGES = ("fastmcp", "mcp", "starlette", "uvicorn", "uvloop", "httptools")


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on `port` of loopback; `start_seconds` until its first answer."""

    pid: int
    port: int
    start_seconds: float

    @property
    def resident_bytes(self) -> int:
        """What it has in memory now."""
        return resident_bytes(self.pid)

    @property
    def cpu_seconds(self) -> float:
        """What it has used of its core so far (Linux)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class NotStartedError(Exception):
    """A program has ended, or did not become ready in time."""


def ours(port: int, environment: Mapping[str, str]) -> AbstractContextManager[Server]:
    """Our server on localhost, as anybody starts it."""
    module = "okta_mcp.oauth_proxy.server"
    return _started(port, environment, module, "--host", "localhost", "--port", str(port))


def peer(
    name: str, port: int, environment: Mapping[str, str] | None = None
) -> AbstractContextManager[Server]:
    """One of `benchmarks.peers`."""
    return _started(port, environment or {}, "benchmarks.peers", name, str(port))


@contextlib.contextmanager
def _started(
    port: int, environment: Mapping[str, str], module: str, *arguments: str
) -> Iterator[Server]:
    asked = load.request("/health", f"127.0.0.1:{port}", {}, method="GET")
    began_at = time.perf_counter()
    with running(sys.executable, "-m", module, *arguments, environment=environment) as process:
        wait_until(process, lambda: load.exchanged(port, asked))
        yield Server(process.pid, port, time.perf_counter() - began_at)


@contextlib.contextmanager
def running(
    *command: str,
    environment: Mapping[str, str] | None = None,
    has_pipes: bool = False,
    is_measured: bool = True,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program that ends on leaving: on the servers' core, unless it is not what is measured.

    With `has_pipes` its output can be read; its input is open as long as this process lives.
    Raises `ClickException` with what it said where the block raises `NotStartedError`.
    """
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - our own modules and redis-server, no shell
            command,
            cwd=ROOT,
            env={**given, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if has_pipes else said,
            stderr=said,
        ) as process,
    ):
        # At once, before it has threads: they would stay where they began.
        if is_measured and len(_cores()) > 1:
            os.sched_setaffinity(process.pid, _cores()[:1])
        try:
            yield process
        except NotStartedError as error:
            said.seek(0)
            words = said.read().decode(errors="replace")
            raise click.ClickException(f"{' '.join(command)} did not start:\n{words}") from error
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_until(process: "subprocess.Popen[bytes]", ask: Callable[[], object]) -> None:
    """Until `ask` raises neither `OSError` nor `ClickException`; raises `NotStartedError`."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError, click.ClickException):
            ask()
            return
        time.sleep(0.005)
    raise NotStartedError


def leave_their_core() -> None:
    """This process, and all that it starts but what is measured, stays off the servers' core.

    To be called before anything is started. Where there is one core, or where the system binds no
    process to a core (macOS, Windows), all share what there is.
    """
    if len(_cores()) > 1:
        os.sched_setaffinity(0, _cores()[1:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident_bytes(pid: int) -> int:
    """What a process has in memory (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def surroundings() -> str:
    """When and with what the figures were made, as a sentence."""
    found = []
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    place = "a core of its own" if len(_cores()) > 1 else "cores that it shares with the caller"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} on {platform.machine()},"
        f" {os.cpu_count()} cores, each server on {place}, Python {platform.python_version()},"
        f" {', '.join(found)}."
    )


@functools.cache
def _cores() -> tuple[int, ...]:
    """Those that this process had when it began; the first is the servers'."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
