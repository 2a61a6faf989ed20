"""The store in Redis 7 or Valkey, one node or behind Sentinel: shared by any number of machines.

Every verb is one command or one small script, which Redis runs without a pause in between. All keys
begin with the prefix in braces, one hash tag, so that a script may touch several:

    {prefix}:kind:key      the time of the end (8 bytes, epoch seconds) and then the value
    {prefix}#ends:kind     (sorted set) the kind's keys by the time of their end, for the bound
    {prefix}#names:kind    (sorted set) the kind's keys by name, for scans
    {prefix}#kinds         (set) the names of the kinds that there are, for the sweep

Redis forgets a value by its own clock a while after the end that stands in it, so that nothing
stays for ever where nobody sweeps.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from okta_mcp.stores.interface import Kind, StoreFullError, StoreUnavailableError

_ANSWER_SECONDS = 1.5
_ROWS_AT_ONCE = 500
# Clocks of several machines differ a little; the end in the value decides, not Redis's own.
_GRACE_SECONDS = 600
_END = struct.Struct(">d")

# KEYS of every script but the sweep's: the entry, the ends, the names. `before` is what stands
# before the key in the name of an entry.
_FORGET = """
local function forget(before, ends, names, now, most)
  local gone = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, most)
  for _, key in ipairs(gone) do
    redis.call('DEL', before .. key)
    redis.call('ZREM', ends, key)
    redis.call('ZREM', names, key)
  end
  return #gone
end
"""
# ARGV: the key, end and value, the end, now, milliseconds to keep; bound, whether only if absent,
# the name of the kind. KEYS has the set of kinds too.
_PUT = (
    _FORGET
    + """
local old = redis.call('GET', KEYS[1])
if ARGV[7] == '1' and old and struct.unpack('>d', old) > tonumber(ARGV[4]) then return 0 end
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  local bound = tonumber(ARGV[6])
  if redis.call('ZCARD', KEYS[2]) >= bound then
    forget(string.sub(KEYS[1], 1, -#ARGV[1] - 1), KEYS[2], KEYS[3], ARGV[4], 500)
  end
  if redis.call('ZCARD', KEYS[2]) >= bound then return -1 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
redis.call('SADD', KEYS[4], ARGV[8])
return 1
"""
)
# ARGV: the key.
_TAKE = """
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('GETDEL', KEYS[1])
"""
# ARGV: as for put up to the milliseconds; then the expected value.
_SWAP = """
local old = redis.call('GET', KEYS[1])
if not old or struct.unpack('>d', old) <= tonumber(ARGV[4]) then return 0 end
if string.sub(old, 9) ~= ARGV[6] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
"""
# KEYS: the ends, the names. ARGV: what stands before a key, now, how many at the most.
_SWEEP = _FORGET + "return forget(ARGV[1], KEYS[1], KEYS[2], ARGV[2], ARGV[3])"


class RedisStore:
    """`now` gives epoch seconds, `prefix` keeps several servers apart. Implements `Store`.

    `redis` decodes nothing, and gives up on its own within a second or two.
    """

    def __init__(self, redis: Redis, prefix: str, now: Callable[[], float]) -> None:
        self._redis = redis
        self._tag = f"{{{prefix}}}"
        self._now = now
        self._put = redis.register_script(_PUT)
        self._take = redis.register_script(_TAKE)
        self._swap = redis.register_script(_SWAP)
        self._forget = redis.register_script(_SWEEP)

    async def get(self, kind: Kind, key: str) -> bytes | None:
        return self._live(await self._answered(self._redis.get(self._keys(kind.name, key)[0])))

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        entry = self._entry(key, value, ttl_seconds)
        arguments = [*entry, kind.bound, int(if_absent), kind.name]
        keys = [*self._keys(kind.name, key), self._kinds]
        outcome = await self._run(self._put, keys, arguments)
        if outcome == -1:
            raise StoreFullError(kind)
        return bool(outcome)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        return self._live(await self._run(self._take, self._keys(kind.name, key), [key]))

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        arguments = [*self._entry(key, value, ttl_seconds), expected]
        return bool(await self._run(self._swap, self._keys(kind.name, key), arguments))

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.take(kind, key) is not None

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        first, last = (b"[" + prefix.encode(), b"(" + prefix.encode() + b"\xff")
        names = self._keys(kind.name, "")[2]
        while True:
            keys: list[bytes] = await self._answered(
                self._redis.zrangebylex(names, first, last, start=0, num=_ROWS_AT_ONCE)
            )
            if not keys:
                return
            entries = [self._keys(kind.name, key.decode())[0] for key in keys]
            values: list[bytes | None] = await self._answered(self._redis.mget(entries))
            for key, kept in zip(keys, values, strict=True):
                value = self._live(kept)
                if value is not None:
                    yield key.decode(), value
            first = b"(" + keys[-1]

    async def sweep(self) -> int:
        swept = 0
        for name in sorted(await self._answered(self._redis.smembers(self._kinds))):
            before, *indexes = self._keys(name.decode(), "")
            gone = _ROWS_AT_ONCE
            while gone == _ROWS_AT_ONCE:
                arguments = [before, self._time(), _ROWS_AT_ONCE]
                gone = int(await self._run(self._forget, indexes, arguments))
                swept += gone
        return swept

    async def close(self) -> None:
        await self._redis.aclose()

    @property
    def _kinds(self) -> str:
        return f"{self._tag}#kinds"

    def _keys(self, kind: str, key: str) -> list[str]:
        return [
            f"{self._tag}:{kind}:{key}",
            f"{self._tag}#ends:{kind}",
            f"{self._tag}#names:{kind}",
        ]

    def _entry(self, key: str, value: bytes, ttl_seconds: float) -> list[str | bytes | int]:
        end = self._now() + ttl_seconds
        kept_milliseconds = int((ttl_seconds + _GRACE_SECONDS) * 1000)
        return [key, _END.pack(end) + value, repr(end), self._time(), kept_milliseconds]

    def _time(self) -> str:
        return repr(self._now())

    def _live(self, kept: bytes | None) -> bytes | None:
        if kept is None or _END.unpack_from(kept)[0] <= self._now():
            return None
        return kept[_END.size :]

    async def _run(self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._answered(script(keys=keys, args=arguments))

    async def _answered(self, question: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await question
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError(
                f"Redis does not answer ({type(error).__name__}); see STORE_URL"
            ) from error
