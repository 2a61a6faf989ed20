"""What a session speaks through: a program's pipes or an HTTP endpoint, one message at a time.

`StdioLink` and `HttpLink` are the two; `Session` is the receiver. A link bounds what it reads,
hands on whole JSON-RPC messages and nothing else, and says once why it is over.
"""

import asyncio
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Protocol

# Longer texts of a server are cut in logs and errors.
LONGEST_REASON = 200
# What may come of no use (not JSON, answers to nothing) in so short a time.
MOST_USELESS_BYTES = 2 * 1024 * 1024
USELESS_SECONDS = 10.0
# Many short messages cost more than their bytes; a large one may be an answer that comes too late.
_LEAST_BYTES, _MOST_BYTES = 64, MOST_USELESS_BYTES // 4
# After so much work at once for a server, the others get so many times as long.
_SHORT_SECONDS, _REST = 0.002, 4.0

# Deeper answers could be read, and not written again by all that they pass through.
MOST_LEVELS = 100

# Where an escape may be half of a surrogate pair.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*,')
_ID_LAST = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


class LinkError(Exception):
    """The link cannot be used or is over; the text is a cleaned reason for people."""


class Receiver(Protocol):
    """Takes what comes. Neither verb waits or raises."""

    def received(self, message: dict[str, Any]) -> bool:
        """One message; whether it was of any use."""

    def oversize(self, request_id: int | None) -> None:
        """The answer to a request was larger than allowed; None if nobody can say to which."""


class Link(Protocol):
    """The way to one server behind. Every verb raises `LinkError`."""

    refresh_seconds: float | None
    """How often to list again where the server has no way to say that its lists have changed."""

    async def open(self, receiver: Receiver) -> None:
        """Connect."""

    async def send(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Hand over one message; over HTTP this ends when everything that answers it has come."""

    async def ended(self) -> str:
        """Wait until the link is over by itself; the reason."""

    async def close(self) -> None:
        """End it, and what was started for it; bounded in time."""


class Useless:
    """Counts what a server sends of no use."""

    def __init__(self) -> None:
        self._bytes = 0
        self._since = 0.0

    def add(self, size: int) -> None:
        """One more, of so many bytes; raises `LinkError` when they are too many."""
        now = asyncio.get_running_loop().time()
        if now - self._since > USELESS_SECONDS:
            self._bytes, self._since = 0, now
        self._bytes += min(max(size, _LEAST_BYTES), _MOST_BYTES)
        if self._bytes > MOST_USELESS_BYTES:
            raise LinkError("writes without end what is no answer to anything")


async def rest(began_at: float) -> None:
    """After the work, since `began_at` of the loop's clock, on what a server has sent: however much
    it writes, most of the time is for others, and it waits at its full pipe."""
    worked = asyncio.get_running_loop().time() - began_at
    await asyncio.sleep(worked * _REST if worked > _SHORT_SECONDS else 0)


def written(message: Mapping[str, Any]) -> bytes:
    """A message as one line of JSON without its end."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def read(line: bytes | bytearray) -> dict[str, Any] | None:
    """The JSON-RPC message of a line or body; None for anything else.

    What it holds can be written as JSON: a number that is none is null, half a character is "?".
    """
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        text = str(line, "utf-8")
        content = json.loads(text, parse_constant=_null, parse_float=_finite)
        if _SURROGATE.search(text):
            whole = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
            content = json.loads(whole)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and content.get("jsonrpc") == "2.0" else None


def id_of_oversize(head: bytes, tail: bytes) -> int | None:
    """The id of an answer too large to be read, from its beginning and its end."""
    found = _ID_FIRST.match(head) or _ID_LAST.search(tail)
    return int(found.group(1)) if found else None


def _null(_: str) -> None:
    """For NaN and Infinity, which some libraries write into their JSON."""


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
