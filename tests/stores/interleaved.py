"""A store whose every verb lets all other tasks run first, as one over a network does.

The memory store never pauses, so tasks over it run one after the other and no race can show.
"""

import asyncio
from collections.abc import AsyncIterator

from okta_mcp.stores.interface import Kind, Store


class Interleaved:
    """Each verb is still atomic; between two verbs anything may happen. Implements `Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, kind: Kind, key: str) -> bytes | None:
        await asyncio.sleep(0)
        return await self._store.get(kind, key)

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        await asyncio.sleep(0)
        return await self._store.follow(kind, key, field, to)

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        await asyncio.sleep(0)
        return await self._store.put(kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        await asyncio.sleep(0)
        return await self._store.take(kind, key)

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        await asyncio.sleep(0)
        return await self._store.swap(
            kind, key, expected=expected, value=value, ttl_seconds=ttl_seconds
        )

    async def delete(self, kind: Kind, key: str) -> bool:
        await asyncio.sleep(0)
        return await self._store.delete(kind, key)

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        async for row in self._store.scan(kind, prefix):
            await asyncio.sleep(0)
            yield row

    async def sweep(self) -> int:
        await asyncio.sleep(0)
        return await self._store.sweep()

    async def close(self) -> None:
        await self._store.close()
