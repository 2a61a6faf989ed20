"""The store in this process's memory: needs nothing, and forgets everything at a restart.

Each verb runs without a pause in between, so on one event loop it is atomic by itself.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from okta_mcp.stores.interface import Kind, StoreFullError, named_key


@dataclass(slots=True)
class _Entry:
    value: bytes
    expires_at: float


class MemoryStore:
    """`now` gives epoch seconds. Implements `Store`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kinds: dict[str, dict[str, _Entry]] = {}

    async def get(self, kind: Kind, key: str) -> bytes | None:
        entry = self._live(kind, key)
        return entry.value if entry else None

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        entry = self._live(kind, key)
        found = self._live(to, named_key(entry.value, field)) if entry else None
        return (entry.value, found.value) if entry and found else None

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        living = self._live(kind, key)
        if living is not None and if_absent:
            return False
        entries = self._kinds.setdefault(kind.name, {})
        if living is None and len(entries) >= kind.bound:
            self._drop_expired(entries)
            if len(entries) >= kind.bound:
                raise StoreFullError(kind)
        entries[key] = _Entry(value, self._now() + ttl_seconds)
        return True

    async def take(self, kind: Kind, key: str) -> bytes | None:
        entry = self._live(kind, key)
        if entry is None:
            return None
        del self._kinds[kind.name][key]
        return entry.value

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        entry = self._live(kind, key)
        if entry is None or entry.value != expected:
            return False
        self._kinds[kind.name][key] = _Entry(value, self._now() + ttl_seconds)
        return True

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.take(kind, key) is not None

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        now = self._now()
        for key, entry in list(self._kinds.get(kind.name, {}).items()):
            if key.startswith(prefix) and entry.expires_at > now:
                yield key, entry.value

    async def sweep(self) -> int:
        return sum(self._drop_expired(entries) for entries in self._kinds.values())

    async def close(self) -> None:
        self._kinds.clear()

    def _live(self, kind: Kind, key: str) -> _Entry | None:
        entry = self._kinds.get(kind.name, {}).get(key)
        return entry if entry is not None and entry.expires_at > self._now() else None

    def _drop_expired(self, entries: dict[str, _Entry]) -> int:
        now = self._now()
        gone = [key for key, entry in entries.items() if entry.expires_at <= now]
        for key in gone:
            del entries[key]
        return len(gone)
