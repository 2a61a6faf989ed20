"""A Redis that answers, but not what was asked for: said in words that name the fix, and healed
without help where that can be.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from okta_mcp.stores import redis_answers
from okta_mcp.stores.interface import Kind, Store, StoreUnavailableError
from okta_mcp.stores.opening import opened_store
from okta_mcp.stores.redis import RedisStore
from okta_mcp.stores.redis_answers import answered
from tests.vocabulary.clock import Clock
from tests.vocabulary.processes import free_port
from tests.vocabulary.redis_server import RedisServer, running_redis

THINGS = Kind("things", 100)
OTHERS = Kind("others", 100)
MOST_SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "redis"
    folder.mkdir()
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[RedisServer]:
    """A Redis that a test may spoil."""
    with running_redis(folder) as running:
        yield running


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    """Whoever looks after that Redis."""
    async with Redis.from_url(server.url, decode_responses=True) as opened:
        yield opened


@pytest.fixture
async def store(server: RedisServer, clock: Clock) -> AsyncIterator[Store]:
    opened = opened_store(server.url, "here", clock)
    await opened.put(THINGS, "k", b"one", ttl_seconds=60)
    yield opened
    await opened.close()


async def refusal(store: Store, *, reads: bool = False) -> str:
    asked = store.get(THINGS, "k") if reads else store.put(THINGS, "k", b"a-value", ttl_seconds=60)
    with pytest.raises(StoreUnavailableError) as caught:
        await asked
    assert "a-value" not in str(caught.value)
    return str(caught.value)


async def eventually(found: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Redis does some things when it comes to them."""
    until = time.monotonic() + MOST_SECONDS
    while (last := await found()) != wanted:
        assert time.monotonic() < until, last
        await asyncio.sleep(0.01)


async def test_a_replica_says_that_the_master_is_wanted(store: Store, redis: Redis) -> None:
    await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    assert "must lead to the master (READONLY)" in await refusal(store)
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    assert await store.put(THINGS, "k", b"two", ttl_seconds=60)


async def test_after_a_replica_has_refused_the_name_is_looked_up_anew(
    store: Store, redis: Redis
) -> None:
    await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    before = (await redis.info("stats"))["total_connections_received"]
    await refusal(store)
    assert (await redis.info("stats"))["total_connections_received"] > before


async def test_a_replica_without_its_master_says_so(store: Store, redis: Redis) -> None:
    await redis.config_set("replica-serve-stale-data", "no")
    await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    assert "has lost its master (MASTERDOWN)" in await refusal(store, reads=True)


async def test_a_redis_that_somebody_holds_up_says_so(
    store: Store, redis: Redis, server: RedisServer
) -> None:
    await redis.config_set("busy-reply-threshold", 1)
    async with Redis.from_url(server.url, socket_timeout=None) as other:
        script = asyncio.create_task(other.eval("while true do end", 0))
        await eventually(lambda: _is_busy(redis), True)
        try:
            said = await refusal(store)
        finally:
            await redis.script_kill()
        assert "held up by a script that runs too long; see its log (BUSY)" in said
        with contextlib.suppress(RedisError):
            await script
    assert await store.get(THINGS, "k") == b"one"


async def _is_busy(redis: Redis) -> bool:
    try:
        await redis.get("anything")
    except RedisError as error:
        return str(error).startswith("BUSY")
    return False


async def test_a_redis_that_loads_what_it_kept_says_so_and_then_works(
    folder: Path, clock: Clock
) -> None:
    options = ("--save", "", "--rdbcompression", "no")
    # In microseconds: three seconds in all, and it answers after every key.
    slow = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    with running_redis(folder, *options, *slow) as server:
        async with Redis.from_url(server.url) as redis:
            for number in range(150):
                await redis.set(f"number {number}", "x" * 2048)
            await redis.save()
        store = opened_store(server.url, "here", clock)
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        assert "comes back by itself (LOADING)" in await refusal(store)
        await eventually(lambda: _works(store), True)
        await store.close()


async def _works(store: Store) -> bool:
    try:
        return await store.put(THINGS, "k", b"two", ttl_seconds=60)
    except StoreUnavailableError:
        return False


async def test_a_redis_that_cannot_save_says_so_and_works_when_it_can(
    store: Store, redis: Redis, folder: Path
) -> None:
    in_the_way = folder / "dump.rdb"
    in_the_way.mkdir()
    await redis.config_set("save", "3600 1")
    await redis.bgsave()
    await eventually(lambda: _last_save(redis), "err")
    assert "cannot save to its disk; see its log (MISCONF)" in await refusal(store)
    in_the_way.rmdir()
    await redis.bgsave()
    await eventually(lambda: _last_save(redis), "ok")
    assert await store.put(THINGS, "k", b"two", ttl_seconds=60)


async def _last_save(redis: Redis) -> object:
    return (await redis.info("persistence"))["rdb_last_bgsave_status"]


async def test_a_redis_without_memory_says_so(store: Store, redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    assert "its memory is full (maxmemory) (OOM)" in await refusal(store)


async def test_a_key_of_another_program_is_told_from_ours(store: Store, redis: Redis) -> None:
    await redis.delete("{here}#ends:things")
    await redis.set("{here}#ends:things", "not a sorted set")
    assert "choose another one (WRONGTYPE)" in await refusal(store)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("on >another ~* +@all", "the user or the password of STORE_URL (WRONGPASS)"),
        ("on >a-password ~* +get", "the rights that docs/operations.md lists (NOPERM)"),
    ],
)
async def test_a_user_without_rights_is_told_what_is_missing(
    redis: Redis, server: RedisServer, clock: Clock, rules: str, words: str
) -> None:
    await redis.execute_command("ACL", "SETUSER", "ann", *rules.split())
    url = server.url.replace("redis://", "redis://ann:a-password@")
    store = opened_store(url, "here", clock)
    said = await refusal(store)
    assert words in said
    assert "a-password" not in said
    await store.close()


async def test_what_redis_says_of_a_question_is_told_without_what_was_asked(redis: Redis) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        await answered(redis, lambda: redis.execute_command("NONESUCH", "a-value"))
    assert str(caught.value) == "Redis refuses a question (unknown command); see its log"


async def test_a_refusal_for_a_moment_is_waited_out(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise a slow machine would need more time than there is.
    monkeypatch.setattr(redis_answers, "_PAUSES_SECONDS", (0.01,) * 1000)
    monkeypatch.setattr(redis_answers, "_ANSWER_SECONDS", 20)
    await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    put = asyncio.create_task(store.put(THINGS, "k", b"two", ttl_seconds=60))
    await eventually(lambda: _has_refused_a_write(redis), True)
    await redis.execute_command("REPLICAOF", "NO", "ONE")
    assert await put
    assert await store.get(THINGS, "k") == b"two"


async def _has_refused_a_write(redis: Redis) -> bool:
    return "errorstat_READONLY" in await redis.info("errorstats")


async def test_scripts_that_redis_forgets_are_known_again(store: Store, redis: Redis) -> None:
    """Also where it forgets them again at every moment."""
    is_over = asyncio.Event()

    async def forget() -> None:
        while not is_over.is_set():
            await redis.script_flush()

    async def verbs(key: str) -> None:
        for _ in range(10):
            await store.put(THINGS, key, b"one", ttl_seconds=60)
            assert await store.swap(THINGS, key, expected=b"one", value=b"two", ttl_seconds=60)
            assert await store.take(THINGS, key) == b"two"
            await store.follow(THINGS, key, "of", OTHERS)
            await store.sweep()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(forget())
        try:
            await asyncio.gather(*(verbs(f"key {number}") for number in range(5)))
        finally:
            is_over.set()


async def test_a_connection_that_holds_an_answer_to_something_else_is_not_used(
    store: Store, redis: Redis
) -> None:
    """Otherwise everybody after that would get the value of somebody else."""
    assert isinstance(store, RedisStore)
    pool = store._redis.connection_pool
    connection = await pool.get_connection()
    await redis.set("somebody else's", "value of somebody else")
    await connection.send_command("GET", "somebody else's")
    await eventually(connection.can_read, True)
    await pool.release(connection)
    assert await store.get(THINGS, "k") == b"one"


Verb = Callable[[Store], Awaitable[object]]
VERBS: dict[str, Verb] = {
    "get": lambda store: store.get(THINGS, "k"),
    "put": lambda store: store.put(THINGS, "k", b"two", ttl_seconds=60),
    "take": lambda store: store.take(THINGS, "k"),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_a_connection_that_redis_has_closed_is_made_again(
    store: Store, redis: Redis, verb: str
) -> None:
    await redis.client_kill_filter(_type="normal", skipme=True)
    assert await VERBS[verb](store)
