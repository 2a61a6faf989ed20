"""One store that several have open, as the workers of one server do: each verb by the next of them.

Two verbs at once are then of two that know nothing of each other, so what one of them does in one
step must be one step for all.
"""

import itertools
from collections.abc import AsyncIterator, Sequence

from okta_mcp.stores.interface import Kind, Store


class InTurn:
    """Implements `Store` over openings of the same store."""

    def __init__(self, openings: Sequence[Store]) -> None:
        self._openings = openings
        self._turn = itertools.cycle(openings)

    async def get(self, kind: Kind, key: str) -> bytes | None:
        return await next(self._turn).get(kind, key)

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        return await next(self._turn).follow(kind, key, field, to)

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        opening = next(self._turn)
        return await opening.put(kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        return await next(self._turn).take(kind, key)

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        return await next(self._turn).swap(
            kind, key, expected=expected, value=value, ttl_seconds=ttl_seconds
        )

    async def delete(self, kind: Kind, key: str) -> bool:
        return await next(self._turn).delete(kind, key)

    def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        return next(self._turn).scan(kind, prefix)

    async def sweep(self) -> int:
        return await next(self._turn).sweep()

    async def close(self) -> None:
        for opening in self._openings:
            await opening.close()
