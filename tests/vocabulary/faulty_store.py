"""A store that fails at a chosen verb: before it does anything, or after, when its answer is lost.

It stands around the store in memory of a server in the test's own process. The server's own looking
whether the store is back is let through.
"""

from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from okta_mcp.stores.interface import Kind, StoreUnavailableError
from tests.stores.interleaved import Interleaved

Result = TypeVar("Result")

_PROBES = "health"


class FaultyStore(Interleaved):
    """Lets other tasks run between two verbs, like `Interleaved`. Implements `Store`."""

    has_failed = False
    _verbs_left: int | None = None
    _is_done_first = False

    def fail_at(self, verb: int, *, is_done: bool) -> None:
        """Fail once, at the verb of that number from now, counted from 1."""
        self._verbs_left, self._is_done_first, self.has_failed = verb, is_done, False

    def work(self) -> None:
        """Fail no more."""
        self._verbs_left = None

    async def get(self, kind: Kind, key: str) -> bytes | None:
        return await self._asked(kind, super().get(kind, key))

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        return await self._asked(kind, super().follow(kind, key, field, to))

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        put = super().put(kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent)
        return await self._asked(kind, put)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        return await self._asked(kind, super().take(kind, key))

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        swap = super().swap(kind, key, expected=expected, value=value, ttl_seconds=ttl_seconds)
        return await self._asked(kind, swap)

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self._asked(kind, super().delete(kind, key))

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        await self._asked(kind, _nothing())
        async for row in super().scan(kind, prefix):
            yield row

    async def _asked(self, kind: Kind, verb: Coroutine[Any, Any, Result]) -> Result:
        is_failing = False
        if self._verbs_left is not None and kind.name != _PROBES:
            self._verbs_left -= 1
            is_failing = self._verbs_left == 0
        if is_failing and not self._is_done_first:
            verb.close()
        else:
            result = await verb
        if is_failing:
            self.has_failed = True
            raise StoreUnavailableError("the test's store is away")
        return result


async def _nothing() -> None:
    pass
