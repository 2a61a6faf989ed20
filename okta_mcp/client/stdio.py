"""Lines in, lines out: the two pipes between the bridge and the program that started it.

Called by `bridge`. Each pipe has a thread of its own, because neither end can be waited for in the
same way on every system; both are daemons, since a read of stdin cannot be ended. A line is read
when the one before it was taken and written when the one before it is out, so that either side can
slow the other down. Nothing but messages may reach stdout.
"""

import asyncio
import os
import queue
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

from okta_mcp.client.jsonrpc import MAX_MESSAGE_BYTES

_CHUNK_BYTES = 64 * 1024
_KEPT_OF_OVERSIZE_BYTES = 4096


class ListenerGoneError(Exception):
    """Nobody reads what is written: the program that started us has ended."""


@dataclass(frozen=True, slots=True)
class OversizeLine:
    """What is kept of a line longer than `MAX_MESSAGE_BYTES`."""

    head: bytes
    tail: bytes


def claim_standard_streams() -> tuple[int, int]:
    """The descriptors of stdin and stdout, which nothing else in this process can reach then.

    A browser inherits both: what it prints goes to stderr, and what it reads is empty.
    """
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


class LineReader:
    """Reads `descriptor` line by line; iterate once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[bytes | OversizeLine | None] = asyncio.Queue()
        self._taken = threading.Semaphore(1)
        self._loop = asyncio.get_running_loop()

    async def lines(self) -> AsyncIterator[bytes | OversizeLine]:
        """Each line without its end, until the other side closes the pipe."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()
        while (line := await self._lines.get()) is not None:
            yield line
            self._taken.release()

    def _read(self) -> None:
        buffer, oversize_head = bytearray(), b""
        searched = 0
        while chunk := self._chunk():
            buffer += chunk
            while (end := buffer.find(b"\n", searched)) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                searched = 0
                if not self._hand_over(line, oversize_head):
                    return
                oversize_head = b""
            searched = len(buffer)
            if searched > MAX_MESSAGE_BYTES:
                oversize_head = oversize_head or bytes(buffer[:_KEPT_OF_OVERSIZE_BYTES])
                del buffer[:-_KEPT_OF_OVERSIZE_BYTES]
                searched = len(buffer)
        if self._hand_over(bytes(buffer), oversize_head):
            self._put(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:
            return b""

    def _hand_over(self, line: bytes, oversize_head: bytes) -> bool:
        """False if nobody takes lines any more."""
        if len(line) > MAX_MESSAGE_BYTES:
            oversize_head = line[:_KEPT_OF_OVERSIZE_BYTES]
        if oversize_head:
            return self._put(OversizeLine(oversize_head, line[-_KEPT_OF_OVERSIZE_BYTES:]))
        return self._put(line) if line.strip() else True

    def _put(self, line: bytes | OversizeLine | None) -> bool:
        if line is not None:
            self._taken.acquire()
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:
            return False
        return True


class LineWriter:
    """Writes whole lines to `descriptor`, one after the other."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    async def write(self, line: bytes) -> None:
        """Return when `line` is in the pipe; a caller that is cancelled has it written too.

        Raises:
            ListenerGoneError: the pipe is closed.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        # Whoever waits may be gone by then: an error that nobody fetches is not worth a warning.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._lines.put((line + b"\n", done))
        await asyncio.shield(done)

    def _write(self) -> None:
        while True:
            left, done = self._lines.get()
            error: Exception | None = None
            try:
                while left:
                    left = left[os.write(self._descriptor, left[: 1024 * 1024]) :]
            except OSError as failure:
                error = ListenerGoneError(failure.strerror)
            try:
                self._loop.call_soon_threadsafe(_settle, done, error)
            except RuntimeError:
                return


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
