"""The one writer of the audit trail: a JSON line for each event, numbered and chained.

Each line carries `seq` and `chain`, the SHA-256 over the chain value before it and the line itself
without `chain`; a line that is changed, removed or slipped in breaks the chain from there on, and
`verified_lines` finds the place. Values are JSON-escaped, so no value can forge a line. Nothing
secret is ever handed to this module: callers pass ids, names, reasons and counts.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from okta_mcp.audit.catalogue import EVENTS, SCHEMA_VERSION

_FIRST_LINK = "0" * 64
_LONGEST_VALUE = 512
# More than the longest line can have.
_TAIL_BYTES = 256 * 1024


class BrokenChainError(Exception):
    """An audit file is not what was written; `line` is the number of the first wrong line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line


class AuditFileError(Exception):
    """The file cannot be written; the text names it and the reason."""


class Audit:
    """Writes events to a path, or to standard output for `-`. `now` gives epoch seconds."""

    def __init__(self, target: str, now: Callable[[], float]) -> None:
        self._now = now
        self._seq, self._link = 0, _FIRST_LINK
        self._lock = threading.Lock()
        self._stream: TextIO
        if target == "-":
            self._stream = sys.stdout
        else:
            path = Path(target)
            try:
                if path.exists():
                    self._seq, self._link = _last_link(path)
                path.touch(mode=0o600)
                self._stream = path.open("a", encoding="utf-8")
            except OSError as error:
                raise AuditFileError(f"cannot write {target}: {error.strerror}") from error
        self._owns_stream = target != "-"

    def write(
        self,
        event: str,
        outcome: str = "success",
        *,
        reason: str | None = None,
        **fields: Any,
    ) -> None:
        """Append one event of the catalogue. `outcome` is success, failure or refused.

        Fields that are None are left out; text is cut to 512 characters.
        """
        if event not in EVENTS:
            raise ValueError(f"{event!r} is not in the audit catalogue")
        with self._lock:
            self._seq += 1
            line = {
                "schema": SCHEMA_VERSION,
                "seq": self._seq,
                "time": _iso(self._now()),
                "event": event,
                "outcome": outcome,
                "reason": reason,
                **fields,
            }
            body = _compact(
                {key: _bounded(value) for key, value in line.items() if value is not None}
            )
            self._link = _next_link(self._link, body)
            self._stream.write(f'{body[:-1]},"chain":"{self._link}"}}\n')
            self._stream.flush()

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self._owns_stream:
            self._stream.close()


def verified_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events of a trail, in order; raises `BrokenChainError` at the first wrong line.

    The trail may begin anywhere: the link before its first line is taken as given. A line that
    was cut off, because the process was killed while it wrote, is passed over where the next one
    is a start of the server.
    """
    before: dict[str, Any] | None = None
    cut_off: int | None = None
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip("\n")
        try:
            event = json.loads(line)
            chain, seq = str(event["chain"]), int(event["seq"])
        except (ValueError, TypeError, KeyError):
            if cut_off is not None:
                raise BrokenChainError(cut_off, "not a line of an audit trail") from None
            cut_off = number
            continue
        if cut_off is not None and event["event"] != "server.started":
            raise BrokenChainError(cut_off, "not a line of an audit trail")
        cut_off = None
        body = line.removesuffix(f',"chain":"{chain}"}}') + "}"
        if before is not None:
            if seq != before["seq"] + 1:
                raise BrokenChainError(number, f"seq {seq} follows {before['seq']}")
            if chain != _next_link(before["chain"], body):
                raise BrokenChainError(number, "changed after it was written")
        elif seq == 1 and chain != _next_link(_FIRST_LINK, body):
            raise BrokenChainError(number, "changed after it was written")
        before = event
        yield event
    if cut_off is not None:
        raise BrokenChainError(cut_off, "not a line of an audit trail")


def _last_link(path: Path) -> tuple[int, str]:
    """Where an existing file stopped, so that the chain goes on over a restart.

    A last line without its end was cut off when the process was killed: it stays, on a line of its
    own, and the chain goes on from the line before.
    """
    with path.open("rb+") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        tail = stream.read()
        if tail and not tail.endswith(b"\n"):
            stream.write(b"\n")
    complete = tail[: tail.rfind(b"\n") + 1].splitlines()
    if not complete:
        return 0, _FIRST_LINK
    try:
        event = json.loads(complete[-1])
        return int(event["seq"]), str(event["chain"])
    except (ValueError, TypeError, KeyError):
        raise BrokenChainError(0, f"{path} does not end with a line of an audit trail") from None


def _next_link(link: str, body: str) -> str:
    return hashlib.sha256(f"{link}{body}".encode()).hexdigest()


def _compact(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=True, separators=(",", ":"))


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_VALUE]
    if isinstance(value, list | tuple | set | frozenset):
        return [_bounded(item) for item in list(value)[:100]]
    return value


def _iso(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
