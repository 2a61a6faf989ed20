"""Who of several processes does something that one is enough for: a lease in the store.

A lease ends by itself, so a process that is killed while it holds one blocks nobody for long. It
saves work and is no lock: whatever must not happen twice is decided by `take` and `swap`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from okta_mcp.stores.interface import StoreFullError
from okta_mcp.stores.records import Mark, Records

_LOOK_SECONDS = 0.05


class Leases:
    """`now` is epoch seconds. Every verb raises `StoreUnavailableError`."""

    def __init__(self, records: Records, now: Callable[[], float]) -> None:
        self._leases = records.leases
        self._now = now

    async def taken(self, name: str, ttl_seconds: float) -> bool:
        """Whether the lease is the caller's now; it ends after its time."""
        try:
            mark = Mark(at=self._now())
            return await self._leases.put(name, mark, ttl_seconds, if_absent=True)
        except StoreFullError:
            # Work that is done twice is better than work that is not done.
            return True

    @contextlib.asynccontextmanager
    async def held(
        self, name: str, *, ttl_seconds: float, patience_seconds: float
    ) -> AsyncIterator[None]:
        """Holds the lease for the block, after waiting for whoever holds it, but not for ever."""
        looks = round(patience_seconds / _LOOK_SECONDS)
        while not (is_mine := await self.taken(name, ttl_seconds)) and looks > 0:
            looks -= 1
            await asyncio.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            if is_mine:
                await self._leases.delete(name)
