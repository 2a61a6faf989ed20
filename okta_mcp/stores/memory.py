"""The store in this process's memory: needs nothing, and forgets everything at a restart.

Each verb runs without a pause in between, so on one event loop it is atomic by itself.
"""

import struct
from collections.abc import AsyncIterator, Callable

from okta_mcp.stores.interface import Kind, StoreFullError, named_key

# An entry is its end (epoch seconds) and its value in one: two objects fewer for each, and none
# that Python's garbage collector would have to go through.
_END = struct.Struct("d")


class MemoryStore:
    """`now` gives epoch seconds. Implements `Store`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kinds: dict[str, dict[str, bytes]] = {}

    async def get(self, kind: Kind, key: str) -> bytes | None:
        return self._live(kind, key)

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        value = self._live(kind, key)
        found = self._live(to, named_key(value, field)) if value is not None else None
        return (value, found) if value is not None and found is not None else None

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        is_new = self._live(kind, key) is None
        if if_absent and not is_new:
            return False
        entries = self._kinds.setdefault(kind.name, {})
        if is_new and len(entries) >= kind.bound:
            self._drop_expired(entries)
            if len(entries) >= kind.bound:
                raise StoreFullError(kind)
        entries[key] = self._entry(value, ttl_seconds)
        return True

    async def take(self, kind: Kind, key: str) -> bytes | None:
        value = self._live(kind, key)
        if value is not None:
            del self._kinds[kind.name][key]
        return value

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        if self._live(kind, key) != expected:
            return False
        self._kinds[kind.name][key] = self._entry(value, ttl_seconds)
        return True

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.take(kind, key) is not None

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        now = self._now()
        for key, entry in list(self._kinds.get(kind.name, {}).items()):
            if key.startswith(prefix) and _end(entry) > now:
                yield key, entry[_END.size :]

    async def sweep(self) -> int:
        return sum(self._drop_expired(entries) for entries in self._kinds.values())

    async def close(self) -> None:
        self._kinds.clear()

    def _entry(self, value: bytes, ttl_seconds: float) -> bytes:
        return _END.pack(self._now() + ttl_seconds) + value

    def _live(self, kind: Kind, key: str) -> bytes | None:
        entry = self._kinds.get(kind.name, {}).get(key)
        return entry[_END.size :] if entry is not None and _end(entry) > self._now() else None

    def _drop_expired(self, entries: dict[str, bytes]) -> int:
        now = self._now()
        gone = [key for key, entry in entries.items() if _end(entry) <= now]
        for key in gone:
            del entries[key]
        return len(gone)


def _end(entry: bytes) -> float:
    end: float = _END.unpack_from(entry)[0]
    return end
