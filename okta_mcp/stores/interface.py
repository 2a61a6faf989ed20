"""The store: seven verbs over kinds of short-lived values, each verb atomic on every backend.

Values are bytes; what they mean is the business of `records.py`. Keys never hold a secret: tokens,
codes and states are stored under their SHA-256. Every value has a time to live and every kind a
bound, because outsiders can cause writes. Single-use things are consumed by `take` or `swap`,
never read and then written. `follow` alone knows that a value is a JSON object: every request
begins with a token and the grant that it names, and over a network that should be one question.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import msgspec


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of values: its name, and how many may live at once."""

    name: str
    bound: int


class StoreFullError(Exception):
    """A kind has reached its bound; nothing was written and nothing live was evicted."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"the store holds {kind.bound} {kind.name} already")
        self.kind = kind


class StoreUnavailableError(Exception):
    """The store does not answer, or cannot be written; nothing was half-done.

    The text says what is wrong and holds no value and no password.
    """


def named_key(value: bytes, field: str) -> str:
    """The key of another value that `value`, a JSON object, names in `field`.

    Empty, and so the key of nothing, where it is no such object.
    """
    try:
        return str(getattr(_naming(field)(value), field))
    except (ValueError, RecursionError):
        return ""


@cache
def _naming(field: str) -> Callable[[bytes], Any]:
    """Reads an object that has this field, and passes over all others."""
    return msgspec.json.Decoder(msgspec.defstruct("Naming", [(field, str)])).decode


class Store(Protocol):
    """What every backend offers; `tests/stores/` holds the suite that each must pass.

    Every verb raises `StoreUnavailableError` within about two seconds where the backend is away.
    """

    async def get(self, kind: Kind, key: str) -> bytes | None:
        """The live value, or None."""

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        """The live value and the live value of `to` whose key its `field` names, if both live."""

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        """Write; with `if_absent` only where nothing lives. Whether it was written.

        Raises `StoreFullError` for a new key beyond the kind's bound.
        """

    async def take(self, kind: Kind, key: str) -> bytes | None:
        """Read and delete in one step: of any number of callers, one gets the value."""

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        """Replace `expected` by `value` in one step; False where something else lives there."""

    async def delete(self, kind: Kind, key: str) -> bool:
        """Whether there was something to delete."""

    def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        """The live values whose key starts with `prefix`, in no order."""

    async def sweep(self) -> int:
        """Delete what has expired; how many values went."""

    async def close(self) -> None:
        """Let go of files and connections."""
