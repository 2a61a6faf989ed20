"""What every backend of the store must do; a new backend joins by a line in `BACKENDS`."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from okta_mcp.stores import sqlite
from okta_mcp.stores.interface import Kind, Store, StoreFullError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.redis import RedisStore
from okta_mcp.stores.sqlite import SqliteStore
from tests.stores.in_turn import InTurn
from tests.stores.interleaved import Interleaved
from tests.vocabulary.clock import Clock
from tests.vocabulary.redis_server import RedisServer

_PREFIXES = itertools.count()


def _memory(request: pytest.FixtureRequest, clock: Clock) -> Store:
    return MemoryStore(clock)


def _interleaved(request: pytest.FixtureRequest, clock: Clock) -> Store:
    return Interleaved(MemoryStore(clock))


def _sqlite(request: pytest.FixtureRequest, clock: Clock) -> Store:
    directory: Path = request.getfixturevalue("tmp_path")
    return SqliteStore(directory / "store.db", clock)


def _redis(request: pytest.FixtureRequest, clock: Clock) -> Store:
    server: RedisServer = request.getfixturevalue("redis_server")
    return RedisStore(Redis.from_url(server.url), f"test{next(_PREFIXES)}", clock)


def _sqlite_by_several(request: pytest.FixtureRequest, clock: Clock) -> Store:
    directory: Path = request.getfixturevalue("tmp_path")
    # Fifty writers queue up, and a disk may be slow.
    request.getfixturevalue("monkeypatch").setattr(sqlite, "_BUSY_SECONDS", 60)
    return InTurn([SqliteStore(directory / "store.db", clock) for _ in range(OPENINGS)])


def _redis_by_several(request: pytest.FixtureRequest, clock: Clock) -> Store:
    server: RedisServer = request.getfixturevalue("redis_server")
    prefix = f"test{next(_PREFIXES)}"
    clients = [Redis.from_url(server.url) for _ in range(OPENINGS)]
    return InTurn([RedisStore(client, prefix, clock) for client in clients])


# As many processes would have the store open; each opening has threads and connections of its own.
OPENINGS = 5
BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Clock], Store]] = {
    "memory": _memory,
    "memory, interleaved": _interleaved,
    "sqlite": _sqlite,
    "redis": _redis,
    "sqlite, opened by several": _sqlite_by_several,
    "redis, opened by several": _redis_by_several,
}

THINGS = Kind("things", 100)
OTHERS = Kind("others", 100)
FEW = Kind("few", 3)
# A race that is lost now and then is lost with one of so many.
KEYS = [f"k{number}" for number in range(10)]


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Store]:
    opened = BACKENDS[request.param](request, clock)
    yield opened
    await opened.close()


async def listed(store: Store, kind: Kind, prefix: str = "") -> dict[str, bytes]:
    return {key: value async for key, value in store.scan(kind, prefix)}


async def test_nothing_is_found_where_nothing_was_put(store: Store) -> None:
    assert await store.get(THINGS, "k") is None
    assert await store.take(THINGS, "k") is None
    assert await store.delete(THINGS, "k") is False
    assert await listed(store, THINGS) == {}


async def test_swap_writes_nothing_where_nothing_lives(store: Store) -> None:
    assert not await store.swap(THINGS, "k", expected=b"", value=b"new", ttl_seconds=60)
    assert await store.get(THINGS, "k") is None


async def test_swap_refuses_another_value_than_expected(store: Store) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert not await store.swap(THINGS, "k", expected=b"two", value=b"three", ttl_seconds=60)
    assert await store.get(THINGS, "k") == b"one"


async def test_put_if_absent_leaves_what_lives(store: Store) -> None:
    assert await store.put(THINGS, "k", b"one", ttl_seconds=60, if_absent=True)
    assert not await store.put(THINGS, "k", b"two", ttl_seconds=60, if_absent=True)
    assert await store.get(THINGS, "k") == b"one"


async def test_put_if_absent_writes_where_the_old_value_has_expired(
    store: Store, clock: Clock
) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    clock.pass_seconds(60)
    assert await store.put(THINGS, "k", b"two", ttl_seconds=60, if_absent=True)
    assert await store.get(THINGS, "k") == b"two"


@pytest.mark.parametrize("seconds", [60, 60.5, 86_400])
async def test_an_expired_value_is_gone_for_every_verb(
    store: Store, clock: Clock, seconds: float
) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    clock.pass_seconds(seconds)
    assert await store.get(THINGS, "k") is None
    assert not await store.swap(THINGS, "k", expected=b"one", value=b"two", ttl_seconds=60)
    assert await listed(store, THINGS) == {}
    assert await store.delete(THINGS, "k") is False
    assert await store.take(THINGS, "k") is None


async def test_a_value_lives_until_its_time_is_over(store: Store, clock: Clock) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    clock.pass_seconds(59.9)
    assert await store.get(THINGS, "k") == b"one"


@pytest.mark.parametrize("verb", ["put", "swap"])
async def test_a_write_sets_the_time_to_live_anew(store: Store, clock: Clock, verb: str) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    clock.pass_seconds(50)
    if verb == "put":
        await store.put(THINGS, "k", b"two", ttl_seconds=60)
    else:
        await store.swap(THINGS, "k", expected=b"one", value=b"two", ttl_seconds=60)
    clock.pass_seconds(50)
    assert await store.get(THINGS, "k") == b"two"
    clock.pass_seconds(10)
    assert await store.get(THINGS, "k") is None


async def test_a_full_kind_refuses_a_new_key_and_evicts_nothing_live(store: Store) -> None:
    """L-07, L-10: live values are never evicted."""
    for key in ("a", "b", "c"):
        await store.put(FEW, key, b"x", ttl_seconds=60)
    with pytest.raises(StoreFullError) as caught:
        await store.put(FEW, "d", b"x", ttl_seconds=60)
    assert caught.value.kind == FEW
    assert set(await listed(store, FEW)) == {"a", "b", "c"}


async def test_a_full_kind_still_takes_a_new_value_for_a_key_it_holds(store: Store) -> None:
    for key in ("a", "b", "c"):
        await store.put(FEW, key, b"x", ttl_seconds=60)
    assert await store.put(FEW, "a", b"y", ttl_seconds=60)
    assert await store.swap(FEW, "b", expected=b"x", value=b"y", ttl_seconds=60)
    assert await listed(store, FEW) == {"a": b"y", "b": b"y", "c": b"x"}


@pytest.mark.parametrize("room_by", ["take", "delete", "expiry"])
async def test_a_full_kind_has_room_again(store: Store, clock: Clock, room_by: str) -> None:
    for key, ttl_seconds in (("a", 10), ("b", 60), ("c", 60)):
        await store.put(FEW, key, b"x", ttl_seconds=ttl_seconds)
    if room_by == "take":
        await store.take(FEW, "a")
    elif room_by == "delete":
        await store.delete(FEW, "a")
    else:
        clock.pass_seconds(10)
    assert await store.put(FEW, "d", b"x", ttl_seconds=60)
    assert set(await listed(store, FEW)) == {"b", "c", "d"}


async def test_the_bound_of_a_kind_is_its_own(store: Store) -> None:
    for key in ("a", "b", "c"):
        await store.put(FEW, key, b"x", ttl_seconds=60)
    assert await store.put(THINGS, "d", b"x", ttl_seconds=60)


async def test_fifty_at_once_cannot_exceed_the_bound(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.put(FEW, str(n), b"x", ttl_seconds=60) for n in range(50)), return_exceptions=True
    )
    assert answers.count(True) == FEW.bound
    assert sum(isinstance(answer, StoreFullError) for answer in answers) == 50 - FEW.bound
    assert len(await listed(store, FEW)) == FEW.bound


async def test_take_gives_the_value_once(store: Store) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert await store.take(THINGS, "k") == b"one"
    assert await store.take(THINGS, "k") is None
    assert await store.get(THINGS, "k") is None


async def test_of_fifty_takes_at_once_one_gets_the_value(store: Store) -> None:
    for key in KEYS:
        await store.put(THINGS, key, b"one", ttl_seconds=60)
        answers = await asyncio.gather(*(store.take(THINGS, key) for _ in range(50)))
        assert answers.count(b"one") == 1
        assert answers.count(None) == 49


async def test_of_fifty_swaps_at_once_one_wins_and_its_value_stays(store: Store) -> None:
    for key in KEYS:
        await store.put(THINGS, key, b"before", ttl_seconds=60)
        answers = await asyncio.gather(
            *(
                store.swap(THINGS, key, expected=b"before", value=b"%d" % n, ttl_seconds=60)
                for n in range(50)
            )
        )
        assert answers.count(True) == 1
        assert await store.get(THINGS, key) == b"%d" % answers.index(True)


async def test_of_fifty_puts_if_absent_at_once_one_wins(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.put(THINGS, "k", b"%d" % n, ttl_seconds=60, if_absent=True) for n in range(50))
    )
    assert answers.count(True) == 1
    assert await store.get(THINGS, "k") == b"%d" % answers.index(True)


async def test_of_a_take_and_a_swap_at_once_only_one_succeeds(store: Store) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    taken, swapped = await asyncio.gather(
        store.take(THINGS, "k"),
        store.swap(THINGS, "k", expected=b"one", value=b"two", ttl_seconds=60),
    )
    assert (taken, swapped) in [(b"one", False), (b"two", True)]


async def test_delete_says_whether_there_was_something(store: Store) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert await store.delete(THINGS, "k") is True
    assert await store.delete(THINGS, "k") is False


async def test_kinds_do_not_see_each_other(store: Store) -> None:
    """T-07: a token of one type is never found as another."""
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert await store.get(OTHERS, "k") is None
    assert await store.take(OTHERS, "k") is None
    assert await listed(store, OTHERS) == {}
    assert await store.get(THINGS, "k") == b"one"


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", {"00u1/a", "00u1/b", "00u11/c", "%/d", "_/e", "00U1/f", "é/g"}),
        ("00u1/", {"00u1/a", "00u1/b"}),
        ("00u1", {"00u1/a", "00u1/b", "00u11/c"}),
        ("%/", {"%/d"}),
        ("_/", {"_/e"}),
        ("00U1/", {"00U1/f"}),
        ("é", {"é/g"}),
        ("00u1/a/", set()),
        ("*", set()),
        ("[0]", set()),
    ],
)
async def test_scan_finds_exactly_the_keys_of_a_prefix(
    store: Store, prefix: str, found: set[str]
) -> None:
    for key in ("00u1/a", "00u1/b", "00u11/c", "%/d", "_/e", "00U1/f", "é/g"):
        await store.put(THINGS, key, key.encode(), ttl_seconds=60)
    assert await listed(store, THINGS, prefix) == {key: key.encode() for key in found}


async def test_what_a_scan_shows_may_be_deleted_on_the_way(store: Store) -> None:
    for n in range(20):
        await store.put(THINGS, f"k{n}", b"x", ttl_seconds=60)
    async for key, _ in store.scan(THINGS, "k"):
        await store.delete(THINGS, key)
    assert await listed(store, THINGS) == {}


async def test_values_are_bytes_and_come_back_as_they_were(store: Store) -> None:
    value = bytes(range(256)) * 40
    await store.put(THINGS, "k", value, ttl_seconds=60)
    assert await store.get(THINGS, "k") == value
    await store.put(THINGS, "k", b"", ttl_seconds=60)
    assert await store.get(THINGS, "k") == b""


async def test_sweep_removes_what_has_expired_and_nothing_else(store: Store, clock: Clock) -> None:
    await store.put(THINGS, "old", b"x", ttl_seconds=10)
    await store.put(OTHERS, "old", b"x", ttl_seconds=10)
    await store.put(THINGS, "new", b"x", ttl_seconds=60)
    clock.pass_seconds(10)
    assert await store.sweep() == 2
    assert await store.sweep() == 0
    assert await listed(store, THINGS) == {"new": b"x"}


@pytest.mark.parametrize(
    ("token_lives", "grant_lives"), [(False, True), (True, False), (False, False)]
)
async def test_follow_finds_nothing_unless_both_live(
    store: Store, clock: Clock, token_lives: bool, grant_lives: bool
) -> None:
    value = b'{"of":"ann/1"}'
    await store.put(THINGS, "k", value, ttl_seconds=60 + 60 * token_lives)
    await store.put(OTHERS, "ann/1", b"one", ttl_seconds=60 + 60 * grant_lives)
    assert await store.follow(THINGS, "k", "of", OTHERS) == (value, b"one")
    clock.pass_seconds(60)
    assert await store.follow(THINGS, "k", "of", OTHERS) is None


async def test_follow_finds_nothing_where_nothing_was_put(store: Store) -> None:
    assert await store.follow(THINGS, "k", "of", OTHERS) is None
    await store.put(THINGS, "k", b'{"of":"ann/1"}', ttl_seconds=60)
    assert await store.follow(THINGS, "k", "of", OTHERS) is None
    await store.put(THINGS, "ann/1", b"one", ttl_seconds=60)
    assert await store.follow(THINGS, "k", "of", OTHERS) is None


NO_KEY_NAMED = [
    *(b"", b"no JSON", b"\xff", b"[1]", b'"ann/1"', b"[" * 100_000),
    *(b"{}", b'{"of":null}', b'{"of":1}', b'{"of":{"of":"ann/1"}}'),
]


@pytest.mark.parametrize("value", NO_KEY_NAMED, ids=lambda value: repr(value[:20]))
async def test_follow_finds_nothing_where_no_key_is_named(store: Store, value: bytes) -> None:
    """And a bad value is no reason to think that the store is away."""
    await store.put(THINGS, "k", value, ttl_seconds=60)
    await store.put(OTHERS, "ann/1", b"one", ttl_seconds=60)
    assert await store.follow(THINGS, "k", "of", OTHERS) is None


@pytest.mark.parametrize("late_seconds", [0, 1, 1_000_000])
async def test_a_value_whose_end_is_over_when_it_comes_is_written_and_gone(
    store: Store, late_seconds: int
) -> None:
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert await store.put(THINGS, "k", b"two", ttl_seconds=-late_seconds)
    assert await store.get(THINGS, "k") is None
