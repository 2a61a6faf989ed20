"""A Redis of the tests' own: a process on a free loopback port, its data in a directory."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.vocabulary.processes import free_port

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
START_SECONDS = 20.0


@dataclass
class RedisServer:
    """A running server; `stop` and `start` keep port and data."""

    port: int
    directory: Path
    options: tuple[str, ...]
    speaks_tls: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        assert PROGRAM is not None
        command = [
            *(PROGRAM, "--port", "0" if self.speaks_tls else str(self.port)),
            *("--tls-port", str(self.port) if self.speaks_tls else "0"),
            *("--bind", "127.0.0.1", "--dir"),
            *(str(self.directory), "--daemonize", "no", "--logfile", "redis.log", *self.options),
        ]
        self.process = subprocess.Popen(command)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise AssertionError("redis-server did not start")

    def stop(self, signal: int = 15) -> None:
        if self.process is not None:
            self.process.send_signal(signal)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def running_redis(
    directory: Path, *options: str, speaks_tls: bool = False
) -> Iterator[RedisServer]:
    """A Redis without persistence unless `options` say otherwise; skips where none is installed,
    but fails in CI, which installs it. One that speaks TLS does nothing else."""
    if PROGRAM is None:
        assert not os.environ.get("CI"), "CI installs redis-server"
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    if "--appendonly" not in options:
        options = ("--save", "", "--appendonly", "no", *options)
    server = RedisServer(free_port(), directory, options, speaks_tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
