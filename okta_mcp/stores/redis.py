"""The store in Redis 7 or Valkey, one node or behind Sentinel: shared by any number of machines.

Every verb is one command or one small script, which Redis runs without a pause in between. All keys
begin with the prefix in braces, one hash tag, so that a script may touch several:

    {prefix}:kind:key      the time of the end (8 bytes, epoch seconds) and then the value
    {prefix}#ends:kind     (sorted set) the kind's keys by the time of their end, for the bound
    {prefix}#names:kind    (sorted set) the kind's keys by name, for scans
    {prefix}#kinds         (set) the names of the kinds that there are, for the sweep
    {prefix}#layout        the version of this layout, looked at before the first verb

Redis forgets a value by its own clock a while after the end that stands in it, so that nothing
stays for ever where nobody sweeps.
"""

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from okta_mcp.stores.interface import Kind, StoreFullError, StoreUnavailableError
from okta_mcp.stores.redis_answers import Script, answered

LAYOUT = 1

_ROWS_AT_ONCE = 500
# Clocks of several machines differ a little; the end in the value decides, not Redis's own.
GRACE_SECONDS = 600
END = struct.Struct(">d")

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
# the name of the kind, the layout. KEYS has the set of kinds and the layout too: a Redis that has
# lost everything meanwhile gets a layout again with the first value.
_PUT = Script(
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
redis.call('SETNX', KEYS[5], ARGV[9])
return 1
"""
)
# ARGV: the key.
_TAKE = Script("""
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('GETDEL', KEYS[1])
""")
# ARGV: as for put up to the milliseconds; then the expected value.
_SWAP = Script("""
local old = redis.call('GET', KEYS[1])
if not old or struct.unpack('>d', old) <= tonumber(ARGV[4]) then return 0 end
if string.sub(old, 9) ~= ARGV[6] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return 1
""")
# KEYS: the entry. ARGV: the field, what stands before a key of the other kind (the same hash tag).
_FOLLOW = Script("""
local value = redis.call('GET', KEYS[1])
if not value then return false end
local is_json, found = pcall(cjson.decode, string.sub(value, 9))
local key = is_json and type(found) == 'table' and found[ARGV[1]]
if type(key) ~= 'string' then return false end
return {value, redis.call('GET', ARGV[2] .. key)}
""")
# KEYS: the ends, the names. ARGV: what stands before a key, now, how many at the most.
_SWEEP = Script(_FORGET + "return forget(ARGV[1], KEYS[1], KEYS[2], ARGV[2], ARGV[3])")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the keys in Redis; `tag` is the prefix in braces."""

    tag: str

    @property
    def kinds(self) -> str:
        return f"{self.tag}#kinds"

    @property
    def layout(self) -> str:
        return f"{self.tag}#layout"

    def of(self, kind: str, key: str) -> list[str]:
        """The entry, and the kind's ends and names."""
        return [f"{self.tag}:{kind}:{key}", f"{self.tag}#ends:{kind}", f"{self.tag}#names:{kind}"]


class RedisStore:
    """`now` gives epoch seconds, `prefix` keeps several servers apart. Implements `Store`.

    `redis` decodes nothing, and gives up on its own within a second or two.
    """

    def __init__(self, redis: Redis, prefix: str, now: Callable[[], float]) -> None:
        self._redis = redis
        self._names = Names(f"{{{prefix}}}")
        self._now = now
        self._layout_is_known = False

    async def get(self, kind: Kind, key: str) -> bytes | None:
        name = self._names.of(kind.name, key)[0]
        return self._live(await self._answered(partial(self._redis.get, name)))

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        entry, before = self._names.of(kind.name, key)[0], self._names.of(to.name, "")[0]
        value, found = await self._run(_FOLLOW, [entry], [field, before]) or (None, None)
        value, found = self._live(value), self._live(found)
        return (value, found) if value is not None and found is not None else None

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        entry = self._entry(key, value, ttl_seconds)
        arguments = [*entry, kind.bound, int(if_absent), kind.name, LAYOUT]
        keys = [*self._names.of(kind.name, key), self._names.kinds, self._names.layout]
        outcome = await self._run(_PUT, keys, arguments)
        if outcome == -1:
            raise StoreFullError(kind)
        return bool(outcome)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        return self._live(await self._run(_TAKE, self._names.of(kind.name, key), [key]))

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        arguments = [*self._entry(key, value, ttl_seconds), expected]
        return bool(await self._run(_SWAP, self._names.of(kind.name, key), arguments))

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.take(kind, key) is not None

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        first, last = (b"[" + prefix.encode(), b"(" + prefix.encode() + b"\xff")
        names = self._names.of(kind.name, "")[2]
        while True:
            page = partial(self._redis.zrangebylex, names, first, last, start=0, num=_ROWS_AT_ONCE)
            keys: list[bytes] = await self._answered(page)
            if not keys:
                return
            entries = [self._names.of(kind.name, key.decode())[0] for key in keys]
            mget = partial(self._redis.mget, entries)
            values: list[bytes | None] = await self._answered(mget)
            for key, kept in zip(keys, values, strict=True):
                value = self._live(kept)
                if value is not None:
                    yield key.decode(), value
            first = b"(" + keys[-1]

    async def sweep(self) -> int:
        swept = 0
        kinds = partial(self._redis.smembers, self._names.kinds)
        for name in sorted(await self._answered(kinds)):
            before, *indexes = self._names.of(name.decode(), "")
            gone = _ROWS_AT_ONCE
            while gone == _ROWS_AT_ONCE:
                arguments = [before, self._time(), _ROWS_AT_ONCE]
                gone = int(await self._run(_SWEEP, indexes, arguments))
                swept += gone
        return swept

    async def close(self) -> None:
        await self._redis.aclose()

    def _entry(self, key: str, value: bytes, ttl_seconds: float) -> list[str | bytes | int]:
        end = self._now() + ttl_seconds
        # Redis takes no time that is over, which a value can have whose end was long ago.
        kept_milliseconds = max(int((ttl_seconds + GRACE_SECONDS) * 1000), 1)
        return [key, END.pack(end) + value, repr(end), self._time(), kept_milliseconds]

    def _time(self) -> str:
        return repr(self._now())

    def _live(self, kept: bytes | None) -> bytes | None:
        if kept is None or END.unpack_from(kept)[0] <= self._now():
            return None
        return kept[END.size :]

    async def _run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        return await self._answered(partial(script.run, self._redis, keys, arguments))

    async def _answered(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Raises `StoreUnavailableError`, at a newer layout before anything is asked."""
        if not self._layout_is_known:
            layout = partial(self._redis.get, self._names.layout)
            check_layout(await answered(self._redis, layout))
            self._layout_is_known = True
        return await answered(self._redis, ask)


def check_layout(found: bytes | None) -> None:
    """Raises `StoreUnavailableError` where a newer version of this server has written."""
    # There is one layout so far; what brings an older one up to a newer one belongs here.
    if found is not None and int(found) > LAYOUT:
        raise StoreUnavailableError(
            f"Redis: written by a newer version of this server (layout {int(found)}, this one knows"
            f" {LAYOUT}); start that version, or use another STORE_PREFIX"
        )
