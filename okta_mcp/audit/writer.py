"""The one writer of the audit trail: a JSON line for each event, numbered and chained.

Each line carries `seq` and `chain`, the SHA-256 over the chain value before it and the line itself
without `chain`; a line that is changed, removed or slipped in breaks the chain from there on, and
`verified_lines` finds the place. Values are JSON-escaped, so no value can forge a line. Nothing
secret is ever handed to this module: callers pass ids, names, reasons and counts.

Lines are written together where events happen together: `write` writes at once, `record` with all
that the event loop brings in the same round, in one turn at the file. Either returns only when the
line is written, so nobody hears of what is not on the record, and no stop can lose a line.

Where a line cannot be written (a full disk), whoever caused it gets no answer but the error, the
event is kept and written first as soon as that works again, and `check` refuses beforehand whatever
would cause another.
"""

import asyncio
import hashlib
import json
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from okta_mcp.audit.catalogue import EVENTS, SCHEMA_VERSION
from okta_mcp.audit.trail import (
    FIRST_LINK,
    AuditFileError,
    BrokenChainError,
    FileTrail,
    Last,
    StreamTrail,
)

__all__ = ["Audit", "AuditFileError", "BrokenChainError", "verified_lines"]

_LONGEST_VALUE = 512
_SAID_AGAIN_SECONDS = 60
# A disk that is nearly full may have room for some of what could not be written before.
_LINES_AT_ONCE = 200

log = logging.getLogger("okta_mcp")


class Audit:
    """Writes events to a path, or to standard output for `-`. `now` gives epoch seconds.

    Several processes may write to one path; to share standard output they share `position`, a file
    opened before they were forked. Raises `AuditFileError` and `BrokenChainError`.
    """

    def __init__(
        self, target: str, now: Callable[[], float], *, position: BinaryIO | None = None
    ) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._observers: list[Callable[[Mapping[str, Any]], None]] = []
        self._unwritten: deque[dict[str, Any]] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_failing = False
        self._said_at: float | None = None
        self._trail: FileTrail | StreamTrail
        self._trail = (
            StreamTrail(sys.stdout, position) if target == "-" else FileTrail(Path(target))
        )

    def observe(self, observer: Callable[[Mapping[str, Any]], None]) -> None:
        """Hand every event that has been written to `observer` too, as its line holds it."""
        self._observers.append(observer)

    def write(
        self,
        event: str,
        outcome: str = "success",
        *,
        reason: str | None = None,
        **fields: Any,
    ) -> None:
        """Append one event of the catalogue. `outcome` is success, failure or refused.

        Fields that are None are left out; text is cut to 512 characters. Raises `AuditFileError`
        where it cannot be written yet: what it is about must then not be told to anybody.
        """
        with self._lock:
            self._note(event, outcome, reason, fields)
            self._catch_up()

    async def record(
        self,
        event: str,
        outcome: str = "success",
        *,
        reason: str | None = None,
        **fields: Any,
    ) -> None:
        """As `write`, in one turn with what else happens in this round of the event loop.

        Where the caller is cancelled while it waits, the event is written all the same.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            self._note(event, outcome, reason, fields)
        if not self._waiting:
            loop.call_soon(self._write_together)
        written = loop.create_future()
        self._waiting.append(written)
        await written

    def check(self) -> None:
        """Before something happens that must be written; raises `AuditFileError`.

        Tries once more to write what could not be written so far.
        """
        if self._is_failing:
            with self._lock:
                self._catch_up()

    @property
    def is_writable(self) -> bool:
        """Whether everything that happened is written, or could be now."""
        try:
            self.check()
        except AuditFileError:
            return False
        return True

    def close(self) -> None:
        """Write what waits, and close the file; standard output stays open."""
        self._write_together()
        self._trail.close()

    def _note(
        self, event: str, outcome: str, reason: str | None, fields: Mapping[str, Any]
    ) -> None:
        if event not in EVENTS:
            raise ValueError(f"{event!r} is not in the audit catalogue")
        time = _iso(self._now())
        self._unwritten.append(
            {"time": time, "event": event, "outcome": outcome, "reason": reason, **fields}
        )

    def _write_together(self) -> None:
        waiting, self._waiting = self._waiting, []
        # Also of what nobody foresaw, which the event loop logs: nobody may wait for ever.
        failure: str | None = "the audit trail failed"
        try:
            with self._lock:
                self._catch_up()
            failure = None
        except AuditFileError as error:
            failure = str(error)
        finally:
            for each in waiting:
                if each.done():
                    # Its caller was cancelled.
                    continue
                if failure is None:
                    each.set_result(None)
                else:
                    each.set_exception(AuditFileError(failure))

    def _catch_up(self) -> None:
        try:
            if self._is_failing:
                self._trail.flush()
            while self._unwritten:
                together = self._append(list(islice(self._unwritten, _LINES_AT_ONCE)))
                # Before anybody hears of them: no line is written twice, whoever fails.
                for _ in together:
                    self._unwritten.popleft()
                for line in together:
                    for observer in self._observers:
                        observer(line)
            self._trail.flush()
        except OSError as error:
            self._is_failing = True
            self._say(error)
            raise AuditFileError(f"cannot write the audit trail: {error.strerror}") from error
        if self._is_failing:
            self._is_failing = False
            log.warning("the audit trail is written again")

    def _append(self, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The events as the next lines; raises `OSError`, and then none of them is."""
        lines: list[dict[str, Any]] = []
        texts: list[str] = []
        with self._trail.turn() as last:
            link = last.link
            for seq, event in enumerate(events, start=last.seq + 1):
                line: dict[str, Any] = {"schema": SCHEMA_VERSION, "seq": seq}
                for key, value in event.items():
                    if value is not None:
                        line[key] = _bounded(value)
                if last.is_cut_after and not lines:
                    line["after_cut"] = True
                body = _compact(line)
                link = _next_link(link, body)
                lines.append(line)
                texts.append(f'{body[:-1]},"chain":"{link}"}}')
            self._trail.append(texts, Last(last.seq + len(lines), link))
        return lines

    def _say(self, error: OSError) -> None:
        """Once a minute at the most: the log may go to the same disk."""
        now = self._now()
        if self._said_at is None or now - self._said_at >= _SAID_AGAIN_SECONDS:
            self._said_at = now
            log.error(
                "AUDIT_LOG cannot be written: %s. What would be on the record is answered 503"
                " until it can.",
                error.strerror,
            )


def verified_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events of a trail, in order; raises `BrokenChainError` at the first wrong line.

    The trail may begin anywhere: the link before its first line is taken as given. A line that
    was cut off, because the process was killed while it wrote, is passed over where the next one
    says so (`after_cut`).
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
        if cut_off is not None and event.get("after_cut") is not True:
            raise BrokenChainError(cut_off, "not a line of an audit trail")
        cut_off = None
        body = line.removesuffix(f',"chain":"{chain}"}}') + "}"
        if before is not None:
            if seq != before["seq"] + 1:
                raise BrokenChainError(number, f"seq {seq} follows {before['seq']}")
            if chain != _next_link(before["chain"], body):
                raise BrokenChainError(number, "changed after it was written")
        elif seq == 1 and chain != _next_link(FIRST_LINK, body):
            raise BrokenChainError(number, "changed after it was written")
        before = event
        yield event
    if cut_off is not None:
        raise BrokenChainError(cut_off, "not a line of an audit trail")


def _next_link(link: str, body: str) -> str:
    return hashlib.sha256((link + body).encode()).hexdigest()


def _compact(line: dict[str, Any]) -> str:
    """As ASCII, in which nothing of a line can look like the end of one.

    What JSON cannot say is said as text: one odd value must not stop the trail.
    """
    try:
        text = msgspec.json.encode(line, enc_hook=str)
        if text.isascii():
            return text.decode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which only escapes can say.
        pass
    return json.dumps(line, ensure_ascii=True, separators=(",", ":"), default=str)


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE]
    if isinstance(value, list | tuple | set | frozenset):
        return [_bounded(item) for item in list(value)[:100]]
    return value


def _iso(epoch_seconds: float) -> str:
    seconds = int(epoch_seconds // 1)
    return f"{_second(seconds)}.{int((epoch_seconds - seconds) * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(epoch_seconds: int) -> str:
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y-%m-%dT%H:%M:%S}"
