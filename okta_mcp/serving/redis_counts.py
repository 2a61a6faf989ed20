"""Counts of rates in Redis, for all processes that use it; imported only where there is one."""

import asyncio
import time

from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import Redis

from okta_mcp.allowance import Allowance
from okta_mcp.stores.interface import StoreUnavailableError

# As long as for any other use of the store.
_ANSWER_SECONDS = 1.5


class RedisCounts:
    """Under keys that begin with `prefix`."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        storage = RedisStorage(
            "redis://",
            implementation="redispy",
            wrap_exceptions=True,
            # One hash tag with everything else of this server; see stores/redis.py.
            key_prefix=f"{{{prefix}}}#rates",
            # limits documents this option, and types all options as plain values.
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self._limiter = FixedWindowRateLimiter(storage)

    async def wait_seconds(
        self, what: str, allowed: Allowance, slot: str, *, counts: bool
    ) -> float:
        """0 where one more may happen, which is then counted if it `counts`; else until it may.

        Raises `StoreUnavailableError`.
        """
        used, item = self._limiter.hit if counts else self._limiter.test, parse(allowed.notation)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if await used(item, what, slot):
                    return 0.0
                stats = await self._limiter.get_window_stats(item, what, slot)
        except (StorageError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(
                f"the counts of rates cannot be read ({type(error.__cause__ or error).__name__});"
                " see STORE_URL"
            ) from error
        # A window that ended in between still refuses this one.
        return max(1.0, stats.reset_time - time.time())

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()
