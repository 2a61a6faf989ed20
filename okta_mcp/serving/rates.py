"""How often somebody may do something: an address that is not known, or a person who is.

An address is the socket's peer, or what a trusted proxy says (`TRUSTED_PROXIES`); IPv6 counts by
/64, because one household or cloud machine has all of it. Addresses are counted in a fixed number
of slots under a random key, so a flood from many addresses cannot fill the memory, and nobody can
choose whose slot to share. Nothing is keyed by a client id alone: that would let a stranger lock a
client out.

Counts are those of this process, or with a Redis of all processes that use it. A Redis that is away
is a refusal like that of any other use of the store (`StoreUnavailableError`, 503): nobody gets
past a limit by it, and what asks here needs the store for its answer in any case.
"""

import asyncio
import hashlib
import ipaddress
import math
import secrets
import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from starlette.requests import Request

from okta_mcp.serving.memory_counts import MemoryCounts
from okta_mcp.stores.interface import StoreUnavailableError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_SLOTS = 16_384
# As long as for any other use of the store.
_ANSWER_SECONDS = 1.5


class TooManyRequestsError(Exception):
    """The address has used its rate up; `retry_after_seconds` until it may come again."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after_seconds} seconds")
        self.retry_after_seconds = retry_after_seconds


class Rates:
    """Counts per address, with `redis` for all processes whose keys there begin with `prefix`.

    `key` keeps slots from being chosen; who shares counts has the same.
    """

    def __init__(
        self, redis: "Redis | None" = None, prefix: str = "", key: bytes | None = None
    ) -> None:
        self._redis = redis
        self._limiter = FixedWindowRateLimiter(
            MemoryCounts() if redis is None else _redis_counts(redis, prefix)
        )
        # The same few ask again and again.
        self._slot = lru_cache(4096)(partial(_slot, key or secrets.token_bytes(16)))

    def rate(self, what: str, notation: str) -> "Rate":
        """One rate in the notation of `limits`, such as `120/minute`."""
        return Rate(self, what, parse(notation))

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    async def hit(
        self, what: str, item: RateLimitItem, address: str, *, counts: bool = True
    ) -> None:
        """Count one, or only look; raises `TooManyRequestsError` and `StoreUnavailableError`."""
        if self._redis is None:
            await self._hit(what, item, address, counts)
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._hit(what, item, address, counts)
        except (StorageError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(
                f"the counts of rates cannot be read ({type(error.__cause__ or error).__name__});"
                " see STORE_URL"
            ) from error

    async def _hit(self, what: str, item: RateLimitItem, address: str, counts: bool) -> None:
        used, slot = self._limiter.hit if counts else self._limiter.test, self._slot(address)
        if not await used(item, what, slot):
            stats = await self._limiter.get_window_stats(item, what, slot)
            raise TooManyRequestsError(max(1, math.ceil(stats.reset_time - time.time())))


class Rate:
    """One limit of `Rates`: what is counted, and how often it may happen."""

    def __init__(self, rates: Rates, what: str, item: RateLimitItem) -> None:
        self._rates = rates
        self._what = what
        self._item = item

    async def hit(self, request: Request) -> None:
        """Count this request; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._item, address_of(request))

    async def look(self, request: Request) -> None:
        """Count nothing; raises `TooManyRequestsError` where the next to be counted would."""
        await self._rates.hit(self._what, self._item, address_of(request), counts=False)

    async def hit_by(self, person: str) -> None:
        """Count one for a person; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._item, person)


def address_of(request: Request) -> str:
    """The address of a request; empty where the transport has none."""
    return request.client.host if request.client else ""


def _slot(key: bytes, address: str) -> str:
    counted = hashlib.blake2b(_network(address).encode(), key=key, digest_size=8).digest()
    return str(int.from_bytes(counted, "big") % _SLOTS)


def _network(address: str) -> str:
    """An address as it is counted."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _redis_counts(redis: "Redis", prefix: str) -> Storage:
    from limits.aio.storage import RedisStorage

    return RedisStorage(
        "redis://",
        implementation="redispy",
        wrap_exceptions=True,
        # One hash tag with everything else of this server; see stores/redis.py.
        key_prefix=f"{{{prefix}}}#rates",
        # limits documents this option, and types all options as plain values.
        connection_pool=redis.connection_pool,  # type: ignore[arg-type]
    )
