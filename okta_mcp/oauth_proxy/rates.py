"""How often somebody may do something: an address that is not known, or a person who is.

An address is the socket's peer, or what a trusted proxy says (`TRUSTED_PROXIES`); IPv6 counts by
/64, because one household or cloud machine has all of it. Addresses are counted in a fixed number
of slots under a random key, so a flood from many addresses cannot fill the memory, and nobody can
choose whose slot to share. Nothing is keyed by a client id alone: that would let a stranger lock a
client out.
"""

import hashlib
import ipaddress
import math
import secrets
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.requests import Request

_SLOTS = 16_384


class TooManyRequestsError(Exception):
    """The address has used its rate up; `retry_after_seconds` until it may come again."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after_seconds} seconds")
        self.retry_after_seconds = retry_after_seconds


class Rates:
    """Counts per address for one process; `key` keeps slots from being chosen."""

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._key = secrets.token_bytes(16)

    def rate(self, what: str, notation: str) -> "Rate":
        """One rate in the notation of `limits`, such as `120/minute`."""
        return Rate(self, what, parse(notation))

    async def hit(self, what: str, item: RateLimitItem, address: str) -> None:
        """Count one; raises `TooManyRequestsError`."""
        if not await self._limiter.hit(item, what, self._slot(address)):
            raise await self._refusal(what, item, address)

    async def _refusal(self, what: str, item: RateLimitItem, address: str) -> TooManyRequestsError:
        stats = await self._limiter.get_window_stats(item, what, self._slot(address))
        return TooManyRequestsError(max(1, math.ceil(stats.reset_time - time.time())))

    def _slot(self, address: str) -> str:
        network = _network(address)
        counted = hashlib.blake2b(network.encode(), key=self._key, digest_size=8).digest()
        return str(int.from_bytes(counted, "big") % _SLOTS)


class Rate:
    """One limit of `Rates`: what is counted, and how often it may happen."""

    def __init__(self, rates: Rates, what: str, item: RateLimitItem) -> None:
        self._rates = rates
        self._what = what
        self._item = item

    async def hit(self, request: Request) -> None:
        """Count this request; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._item, address_of(request))

    async def hit_by(self, person: str) -> None:
        """Count one for a person; raises `TooManyRequestsError`."""
        await self._rates.hit(self._what, self._item, person)


def address_of(request: Request) -> str:
    """The address of a request; empty where the transport has none."""
    return request.client.host if request.client else ""


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
