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

import hashlib
import ipaddress
import math
import secrets
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from starlette.requests import Request

from okta_mcp.allowance import Allowance, allowance
from okta_mcp.serving.memory_counts import MemoryCounts

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from okta_mcp.serving.redis_counts import RedisCounts

_SLOTS = 16_384


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
        self._own = MemoryCounts()
        self._shared = _shared_counts(redis, prefix) if redis is not None else None
        # The same few ask again and again.
        self._slot = lru_cache(4096)(partial(_slot, key or secrets.token_bytes(16)))

    def rate(self, what: str, notation: str) -> "Rate":
        """One rate such as `120/minute`."""
        return Rate(self, what, allowance(notation))

    async def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._shared is not None:
            await self._shared.close()

    async def hit(
        self, what: str, allowed: Allowance, address: str, *, counts: bool = True
    ) -> None:
        """Count one, or only look; raises `TooManyRequestsError` and `StoreUnavailableError`."""
        slot = self._slot(address)
        if self._shared is None:
            wait_seconds = self._own.wait_seconds(what, allowed, slot, counts=counts)
        else:
            wait_seconds = await self._shared.wait_seconds(what, allowed, slot, counts=counts)
        if wait_seconds:
            raise TooManyRequestsError(max(1, math.ceil(wait_seconds)))


class Rate:
    """One limit of `Rates`: what is counted, and how often it may happen."""

    def __init__(self, rates: Rates, what: str, allowed: Allowance) -> None:
        self._rates = rates
        self._what = what
        self._allowed = allowed

    async def hit(self, request: Request) -> None:
        """Count this request; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._allowed, address_of(request))

    async def look(self, request: Request) -> None:
        """Count nothing; raises `TooManyRequestsError` where the next to be counted would."""
        await self._rates.hit(self._what, self._allowed, address_of(request), counts=False)

    async def hit_by(self, person: str) -> None:
        """Count one for a person; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._allowed, person)


def address_of(request: Request) -> str:
    """The address of a request; empty where the transport has none."""
    peer = request.scope.get("client")
    return peer[0] if peer else ""


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


def _shared_counts(redis: "Redis", prefix: str) -> "RedisCounts":
    # Only where it is used: most servers have no Redis.
    from okta_mcp.serving.redis_counts import RedisCounts

    return RedisCounts(redis, prefix)
