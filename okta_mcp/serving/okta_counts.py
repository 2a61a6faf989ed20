"""Okta's counts in the store, where all processes that use it find them.

Handed to the client of Okta's API by the composition root, where the store is shared. A count that
is lost costs at most a 429, so a store that is away stops no call.
"""

from okta_mcp.okta.sharing import CountsAwayError
from okta_mcp.stores.interface import Kind, Store, StoreFullError, StoreUnavailableError

_COUNTS = Kind("okta_counts", 100)
# Longer than any window of Okta's.
_TTL_SECONDS = 3600


class StoredCounts:
    """Implements `Counts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, bucket: str) -> bytes | None:
        try:
            return await self._store.get(_COUNTS, bucket)
        except StoreUnavailableError as error:
            raise CountsAwayError(str(error)) from error

    async def replace(self, bucket: str, expected: bytes | None, count: bytes) -> bool:
        try:
            if expected is None:
                return await self._store.put(
                    _COUNTS, bucket, count, ttl_seconds=_TTL_SECONDS, if_absent=True
                )
            return await self._store.swap(
                _COUNTS, bucket, expected=expected, value=count, ttl_seconds=_TTL_SECONDS
            )
        except (StoreUnavailableError, StoreFullError) as error:
            raise CountsAwayError(str(error)) from error
