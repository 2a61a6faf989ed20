"""A server behind that is a program: started here, read within bounds, ended with the gateway.

The SDK's stdio client keeps an unfinished line without bound and logs a traceback for each line
that is no JSON, so the pipes are read here. The program gets a process group of its own under
`stdio_launcher.py`, and an environment of what `mcp.json` names, `PATH` and `ESSENTIALS`, nothing
else of ours. Its standard error is drained and cut, never handed to a caller.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from okta_mcp.gateway.link import (
    LONGEST_REASON,
    LinkError,
    Receiver,
    Useless,
    id_of_oversize,
    read,
    rest,
    written,
)
from okta_mcp.gateway.servers import StdioServer
from okta_mcp.okta.text import clean_text

# Without these many programs cannot find their files or write text; none of them is a secret.
ESSENTIALS = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "TMPDIR", "TZ", "USER")

_LAUNCHER = str(Path(__file__).with_name("stdio_launcher.py"))
_CHUNK_BYTES = 64 * 1024
_MOST_UNSENT_BYTES = 4 * 1024 * 1024
_ERROR_PAUSE_SECONDS = 0.01
_LAST_WORDS_SECONDS = 0.2
# Of a line that is too long: as much of its beginning and of its end.
_KEPT_BYTES = 512
# What the launcher ends with, and a shell too.
_NO_PROGRAM = 127
_LONGEST_LINE_BYTES = 256 * 1024 * 1024
# A program may end by itself when its input closes; then the launcher ends it (2 s), then we.
_CLOSED_SECONDS, _ENDED_SECONDS, _KILLED_SECONDS = 1.0, 3.5, 2.0
_log = logging.getLogger(__name__)


class StdioLink:
    """The link to one process of `server`; `variables` are those of this process."""

    refresh_seconds: float | None = None

    def __init__(self, server: StdioServer, variables: Mapping[str, str]) -> None:
        self._server = server
        self._environment = environment_of(server, variables)
        self._process: Process | None = None
        self._lifeline = -1
        self._readers: list[asyncio.Task[None]] = []
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._last_words = ""

    async def open(self, receiver: Receiver) -> None:
        """Start the program; raises `LinkError`."""
        watched, self._lifeline = os.pipe()
        launcher = [sys.executable, "-I", "-S", _LAUNCHER, str(watched)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                self._server.command,
                *self._server.args,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=self._environment,
                cwd=self._server.cwd,
                pass_fds=(watched,),
                start_new_session=True,
                limit=_CHUNK_BYTES,
            )
        except OSError as error:
            self._let_go()
            raise LinkError(f"cannot be started: {error.strerror}") from None
        finally:
            os.close(watched)
        draining = asyncio.create_task(self._drain(self._process))
        reading = asyncio.create_task(self._read(self._process, receiver, draining))
        self._readers = [draining, reading]

    async def send(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:  # noqa: ARG002
        """Write one line; a program has no headers. Raises `LinkError`."""
        if self._process is None or self._process.stdin is None or self._over.done():
            raise LinkError("is not running")
        pipe = self._process.stdin
        if pipe.transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            raise LinkError("does not read its input")
        try:
            pipe.write(written(message) + b"\n")
            await pipe.drain()
        except (ConnectionError, RuntimeError):
            raise LinkError("has closed its input") from None

    async def ended(self) -> str:
        """Wait for the end of the program; why it ended."""
        return await asyncio.shield(self._over)

    async def close(self) -> None:
        """End the program and everything that it started."""
        process = self._process
        if process is None:
            self._let_go()
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        if not await _has_ended(process, _CLOSED_SECONDS):
            self._let_go()
            if not await _has_ended(process, _ENDED_SECONDS):
                _kill_group(process.pid)
                await _has_ended(process, _KILLED_SECONDS)
        if process.returncode is not None and process.returncode < 0:
            # The launcher was killed, and could not end those that are left.
            _kill_group(process.pid)
        self._let_go()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        # Nothing public closes the pipes that a survivor may hold open.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    async def _read(
        self, process: Process, receiver: Receiver, draining: asyncio.Task[None]
    ) -> None:
        """Every line of standard output, each of bounded length, until the end."""
        lines = _Lines(receiver, self._server.largest_bytes)
        assert process.stdout is not None  # noqa: S101 - asked for above
        reason = ""
        try:
            while chunk := await process.stdout.read(_CHUNK_BYTES):
                began_at = asyncio.get_running_loop().time()
                lines.feed(chunk)
                # A program that never stops must not keep others from their turn.
                await rest(began_at)
        except LinkError as error:
            reason = str(error)
        except OSError:
            reason = "its output broke off"
        if not reason:
            await _has_ended(process, _CLOSED_SECONDS)
            reason = _end_of(process)
            await asyncio.wait({draining}, timeout=_LAST_WORDS_SECONDS)
        if self._last_words:
            # For who runs this, not for callers: it may hold anything.
            _log.info("server %s said last: %s", self._server.name, self._last_words)
        if not self._over.done():
            self._over.set_result(reason)

    async def _drain(self, process: Process) -> None:
        """Standard error, at most some megabytes a second: whoever writes more waits."""
        assert process.stderr is not None  # noqa: S101 - asked for above
        while chunk := await process.stderr.read(_CHUNK_BYTES):
            line = chunk.rstrip().rpartition(b"\n")[2].decode("utf-8", "replace")
            self._last_words = clean_text(line, LONGEST_REASON)
            _log.debug("server %s says: %s", self._server.name, self._last_words)
            await asyncio.sleep(_ERROR_PAUSE_SECONDS)


class _Lines:
    """Cuts a stream of bytes into messages; raises `LinkError` when too much is of no use."""

    def __init__(self, receiver: Receiver, largest_bytes: int) -> None:
        self._receiver = receiver
        self._largest_bytes = largest_bytes
        self._line = bytearray()
        self._is_too_long = False
        self._skipped = 0
        self._useless = Useless()

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._add(chunk[start:end])
            self._finish()
            start = end + 1
        self._add(chunk[start:])

    def _add(self, part: bytes) -> None:
        self._line += part
        if not self._is_too_long and len(self._line) <= self._largest_bytes:
            return
        self._is_too_long = True
        # Kept are the beginning and the end, which say whose answer it is.
        self._skipped += max(0, len(self._line) - 2 * _KEPT_BYTES)
        if len(self._line) > 2 * _KEPT_BYTES:
            self._line[_KEPT_BYTES:-_KEPT_BYTES] = b""
        if self._skipped > _LONGEST_LINE_BYTES:
            raise LinkError("writes a line without end")

    def _finish(self) -> None:
        line, self._line = self._line, bytearray()
        size, self._skipped = len(line) + self._skipped, 0
        if self._is_too_long:
            self._is_too_long = useful = False
            if b'"method"' not in line[:_KEPT_BYTES]:
                request_id = id_of_oversize(bytes(line[:_KEPT_BYTES]), bytes(line[-_KEPT_BYTES:]))
                self._receiver.oversize(request_id)
                useful = request_id is not None
        else:
            message = read(line) if line.strip() else None
            useful = message is not None and self._receiver.received(message)
        if not useful:
            self._useless.add(size)


def environment_of(server: StdioServer, variables: Mapping[str, str]) -> dict[str, str]:
    """All that the program sees of the environment: the essentials, its PATH, what it is given."""
    essentials = {name: variables[name] for name in ESSENTIALS if name in variables}
    return {**essentials, "PATH": server.search_path, **server.env}


async def _has_ended(process: Process, seconds: float) -> bool:
    """Not `wait()`, which also waits for the pipes, and a survivor may hold those open."""
    until = asyncio.get_running_loop().time() + seconds
    pause = 0.005
    while process.returncode is None:
        if asyncio.get_running_loop().time() >= until:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True


def _end_of(process: Process) -> str:
    code = process.returncode
    if code is None:
        return "closed its output"
    if code == _NO_PROGRAM:
        return "cannot be started: its program is not there, or may not be run"
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
