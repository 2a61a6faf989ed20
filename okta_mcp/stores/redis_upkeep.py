"""The upkeep of a Redis store.

Redis gives no copy of one moment without blocking everybody: each value is whole, and values that
are written meanwhile may be in a copy or not. Deleting and loading go in batches.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from okta_mcp.stores.redis import END, GRACE_SECONDS, LAYOUT, Names, check_layout
from okta_mcp.stores.redis_answers import answered
from okta_mcp.stores.sqlite_upkeep import insert, new_backup
from okta_mcp.stores.upkeep import Entry, Findings

_ROWS_AT_ONCE = 500


class RedisUpkeep:
    """Implements `Upkeep`; `now` gives epoch seconds, `prefix` is the server's."""

    def __init__(self, redis: Redis, prefix: str, now: Callable[[], float]) -> None:
        self._redis = redis
        self._names = Names(f"{{{prefix}}}")
        self._now = now

    async def entries(self) -> AsyncIterator[Entry]:
        async for kind, key, _, kept in self._indexed():
            if kept is not None:
                yield Entry(kind, key, kept[END.size :], END.unpack_from(kept)[0])

    async def load(self, entries: Iterable[Entry], *, replace: bool) -> int:
        check_layout(await self._answered(partial(self._redis.get, self._names.layout)))
        if replace:
            await self._delete_all()
        written, left = 0, iter(entries)
        while batch := list(itertools.islice(left, _ROWS_AT_ONCE)):
            await self._answered(partial(self._write, batch))
            written += len(batch)
        return written

    async def copy_to(self, path: Path) -> None:
        check_layout(await self._answered(partial(self._redis.get, self._names.layout)))
        with new_backup(path) as target:
            target.execute("BEGIN")
            async for each in self.entries():
                if each.expires_at > self._now():
                    insert(target, (each,))
            target.execute("COMMIT")

    async def findings(self) -> Findings:
        found = await self._answered(partial(self._redis.get, self._names.layout))
        check_layout(found)
        lost = 0
        async for kind, key, expires_at, kept in self._indexed():
            if kept is None and expires_at > self._now():
                # Asked again, because it may have been used up between the two questions.
                ends = self._names.of(kind, key)[1]
                score = partial(self._redis.zscore, ends, key)
                lost += await self._answered(score) is not None
        faults = [f"{lost} values are gone before their time: was memory short?"] if lost else []
        memory: dict[str, Any] = await self._answered(partial(self._redis.info, "memory"))
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            faults.append(
                f"Redis may drop live values (maxmemory-policy {policy}); set it to noeviction"
            )
        notes = [f"Redis: layout {int(found) if found else 'none, nothing was written yet'}"]
        persistence: dict[str, Any] = await self._answered(partial(self._redis.info, "persistence"))
        if not persistence.get("aof_enabled"):
            notes.append(
                "Redis keeps no append-only file: what it holds may be lost when it stops;"
                " set appendonly yes and appendfsync always"
            )
        return Findings(tuple(faults), tuple(notes))

    async def close(self) -> None:
        await self._redis.aclose()

    async def _indexed(self) -> AsyncIterator[tuple[str, str, float, bytes | None]]:
        """Kind, key, end by the index, and what is kept (None: gone), of all that is indexed."""
        for name in await self._kinds():
            kind = name.decode()
            _, ends, names = self._names.of(kind, "")
            first = b"-"
            while keys := await self._answered(
                partial(self._redis.zrangebylex, names, first, b"+", start=0, num=_ROWS_AT_ONCE)
            ):
                entries = [self._names.of(kind, key.decode())[0] for key in keys]
                # The end first: what is put after it has been read is no loss.
                scores = await self._answered(partial(self._redis.zmscore, ends, keys))
                kept = await self._answered(partial(self._redis.mget, entries))
                for key, end, value in zip(keys, scores, kept, strict=True):
                    yield kind, key.decode(), end or 0.0, value
                first = b"(" + keys[-1]

    async def _kinds(self) -> list[bytes]:
        return sorted(await self._answered(partial(self._redis.smembers, self._names.kinds)))

    async def _write(self, batch: list[Entry]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(self._names.layout, LAYOUT)
            for each in batch:
                name, ends, names = self._names.of(each.kind, each.key)
                milliseconds = int((each.expires_at - self._now() + GRACE_SECONDS) * 1000)
                pipe.set(name, END.pack(each.expires_at) + each.value, px=max(milliseconds, 1))
                pipe.zadd(ends, {each.key: each.expires_at})
                pipe.zadd(names, {each.key: 0})
                pipe.sadd(self._names.kinds, each.kind)
            await pipe.execute()

    async def _delete_all(self) -> None:
        for name in await self._kinds():
            kind = name.decode()
            _, ends, names = self._names.of(kind, "")
            page = partial(self._redis.zrange, names, 0, _ROWS_AT_ONCE - 1)
            while keys := await self._answered(page):
                await self._answered(partial(self._delete, kind, keys))
            await self._answered(partial(self._redis.delete, ends, names))

    async def _delete(self, kind: str, keys: list[bytes]) -> None:
        _, ends, names = self._names.of(kind, "")
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.delete(*(self._names.of(kind, key.decode())[0] for key in keys))
            pipe.zrem(names, *keys)
            pipe.zrem(ends, *keys)
            await pipe.execute()

    async def _answered(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        return await answered(self._redis, ask)
