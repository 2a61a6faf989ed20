"""What is done to a store as a whole, beside the seven verbs: list it, fill it, copy it, check it.

Used by the commands only (`store_commands.py`, `key_commands.py`), while servers run or not. The
memory store has none of this: no other process can reach it.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as the store keeps it; `expires_at` is epoch seconds and may have passed."""

    kind: str
    key: str
    value: bytes
    expires_at: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check of a backend found, each a line: what is wrong, and what is only to be known."""

    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Upkeep(Protocol):
    """Every verb raises `StoreUnavailableError` where the backend is away or cannot be used."""

    def entries(self) -> AsyncIterator[Entry]:
        """Every value that there is; what is written meanwhile may be among them or not."""

    async def load(self, entries: Iterable[Entry], *, replace: bool) -> int:
        """Write them as they are, after deleting all others with `replace`; how many."""

    async def copy_to(self, path: Path) -> None:
        """Write what there is to a new SQLite store at `path`."""

    async def findings(self) -> Findings:
        """Whether the backend's own structures agree with each other."""

    async def close(self) -> None:
        """Let go of files and connections."""
