"""Where the lines of the audit trail go, and who may write the next one.

Several processes may write to one file: the workers of a server, and commands beside it. Whoever
holds the lock writes, after a look at what the others have written since. Standard output cannot be
read again, so its workers keep the place where they are in a small file that they share.

A lock ends with the process that holds it, so a killed worker stops nobody.
"""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

FIRST_LINK = "0" * 64
# More than the longest line can have.
_TAIL_BYTES = 256 * 1024


class BrokenChainError(Exception):
    """An audit file is not what was written; `line` is the number of the first wrong line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class AuditFileError(Exception):
    """The file cannot be written; the text names it and the reason."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last line: its number, its chain value, and whether a line that was cut off follows."""

    seq: int = 0
    link: str = FIRST_LINK
    is_cut_after: bool = False


class FileTrail:
    """A file, for its owner only; raises `AuditFileError` and `BrokenChainError`."""

    def __init__(self, path: Path) -> None:
        self._last = Last()
        # Of the file, and how much of it has been looked at; a line begins there.
        self._size = self._seen_bytes = 0
        try:
            path.touch(mode=0o600)
            self._stream = path.open("a+b", buffering=0)
            with self.turn():
                pass
        except OSError as error:
            raise AuditFileError(f"cannot write {path}: {error.strerror}") from error
        if self._seen_bytes and not self._last.seq:
            self._stream.close()
            raise BrokenChainError(0, f"{path} does not end with a line of an audit trail")

    @contextlib.contextmanager
    def turn(self) -> Iterator[Last]:
        """The last line, while nobody else may write. Raises `OSError`."""
        if self._stream.closed:
            raise OSError(errno.EBADF, "the server has stopped")
        with _locked(self._stream.fileno()):
            self._size = os.fstat(self._stream.fileno()).st_size
            if self._size != self._seen_bytes:
                self._look(self._size)
            yield self._last

    def append(self, lines: Sequence[str], last: Last) -> None:
        """Within a turn: write lines, of which the last one is `last`. Raises `OSError`, and then
        nothing of them stays in the file."""
        # A line that was cut off by a kill stays, on a line of its own.
        first = "\n" if self._last.is_cut_after else ""
        text = (first + "\n".join(lines) + "\n").encode()
        try:
            if self._stream.write(text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._stream.fileno(), self._size)
            raise
        self._last = last
        self._size = self._seen_bytes = self._size + len(text)

    def flush(self) -> None:
        """Nothing: no line waits."""

    def close(self) -> None:
        self._stream.close()

    def _look(self, size: int) -> None:
        """What others have written, or left in the middle when they were killed."""
        begin = max(0, size - _TAIL_BYTES)
        if size > self._seen_bytes:
            begin = max(begin, self._seen_bytes)
        tail = os.pread(self._stream.fileno(), size - begin, begin)
        end = tail.rfind(b"\n") + 1
        is_cut_after = end < len(tail)
        complete = tail[:end].splitlines()
        self._last = Last(self._last.seq, self._last.link, is_cut_after)
        if complete:
            # What is no event stays for `verified_lines` to find; the chain goes on from before.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                event = json.loads(complete[-1])
                self._last = Last(int(event["seq"]), str(event["chain"]), is_cut_after)
        self._seen_bytes = begin + end if is_cut_after else size


class StreamTrail:
    """Standard output, or another stream; `position` is an open file that its writers share."""

    def __init__(self, stream: TextIO, position: BinaryIO | None = None) -> None:
        self._stream = stream
        self._position = position
        self._last = Last()

    @contextlib.contextmanager
    def turn(self) -> Iterator[Last]:
        """The last line, while nobody else may write."""
        if self._position is None:
            yield self._last
            return
        with _locked(self._position.fileno()):
            kept = os.pread(self._position.fileno(), 200, 0).decode().split()
            yield Last(int(kept[0]), kept[1]) if kept else Last()

    def append(self, lines: Sequence[str], last: Last) -> None:
        """Within a turn: hand over lines, of which the last one is `last`."""
        self._stream.write("\n".join(lines) + "\n")
        self._last = last
        if self._position is not None:
            os.pwrite(self._position.fileno(), f"{last.seq:020} {last.link}".encode(), 0)
        # Here, so that workers' lines come in their order; `flush` says whether it worked.
        with contextlib.suppress(OSError):
            self._stream.flush()

    def flush(self) -> None:
        """Whatever was handed over is out then. Raises `OSError`; the stream keeps the rest."""
        self._stream.flush()

    def close(self) -> None:
        """Nothing: the stream is not this writer's."""


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    if sys.platform == "win32":
        # No several workers there (see workers.py).
        yield
        return
    import fcntl

    # Locks of this kind belong to the process, also where a file was opened before a fork.
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)
