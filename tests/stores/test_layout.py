"""The version of a store's layout: a newer one is refused, an older one brought up to date."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from okta_mcp.stores import sqlite
from okta_mcp.stores.interface import Kind, StoreUnavailableError
from okta_mcp.stores.sqlite import SqliteStore
from okta_mcp.stores.sqlite_upkeep import entries_of_backup
from tests.stores.conftest import Kept
from tests.vocabulary.clock import START, Clock

THINGS = Kind("things", 10)
ADDED = ("ALTER TABLE entries ADD COLUMN added TEXT;",)


def layout_of(path: Path) -> int:
    with sqlite3.connect(path) as database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(found)


def of_a_newer_version(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


async def test_a_file_of_a_newer_layout_is_refused_and_left_alone(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "store.db"
    await SqliteStore(path, clock).close()
    of_a_newer_version(path)
    before = path.read_bytes()
    with pytest.raises(StoreUnavailableError, match=r"newer version.*layout 99"):
        SqliteStore(path, clock)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE invoices (a)")
    database.close()
    path.chmod(0o600)
    with pytest.raises(StoreUnavailableError, match="another program"):
        SqliteStore(path, clock)
    assert layout_of(path) == 0


async def test_an_older_file_is_migrated_and_keeps_its_values(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    older = SqliteStore(path, clock)
    await older.put(THINGS, "k", b"kept", ttl_seconds=60)
    await older.close()
    monkeypatch.setattr(sqlite, "_STEPS", sqlite._STEPS + ADDED)
    store = SqliteStore(path, clock)
    assert await store.get(THINGS, "k") == b"kept"
    await store.close()
    assert layout_of(path) == 2


async def test_a_migration_that_fails_half_way_changes_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    await SqliteStore(path, clock).close()
    with monkeypatch.context() as changed:
        broken = (ADDED[0] + "\nALTER TABLE no_such_table ADD COLUMN b TEXT;",)
        changed.setattr(sqlite, "_STEPS", sqlite._STEPS + broken)
        with pytest.raises(StoreUnavailableError):
            SqliteStore(path, clock)
    assert layout_of(path) == 1
    store = SqliteStore(path, clock)
    assert await store.put(THINGS, "k", b"x", ttl_seconds=60)
    await store.close()


async def test_a_backup_of_an_older_layout_is_read_and_not_changed(
    new_kept: Callable[[str], Kept], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, path = new_kept("sqlite"), tmp_path / "copy.db"
    await kept.store.put(THINGS, "k", b"x", ttl_seconds=60)
    await kept.upkeep.copy_to(path)
    before = path.read_bytes()
    monkeypatch.setattr(sqlite, "_STEPS", sqlite._STEPS + ADDED)
    assert [(entry.key, entry.expires_at) for entry in entries_of_backup(path)] == [
        ("k", START + 60)
    ]
    assert path.read_bytes() == before


async def test_a_backup_of_a_newer_layout_is_refused(
    new_kept: Callable[[str], Kept], tmp_path: Path
) -> None:
    await new_kept("redis").upkeep.copy_to(tmp_path / "copy.db")
    of_a_newer_version(tmp_path / "copy.db")
    with pytest.raises(StoreUnavailableError, match="newer version"):
        list(entries_of_backup(tmp_path / "copy.db"))


async def test_the_first_value_in_redis_writes_the_layout(
    new_kept: Callable[[str], Kept],
) -> None:
    """Also after Redis lost everything while servers run."""
    kept = new_kept("redis")
    async with Redis.from_url(kept.url) as redis:
        for _ in range(2):
            await kept.store.put(THINGS, "k", b"x", ttl_seconds=60)
            assert await redis.get(f"{{{kept.prefix}}}#layout") == b"1"
            await redis.flushdb()


async def test_every_verb_refuses_a_redis_of_a_newer_layout(
    new_kept: Callable[[str], Kept],
) -> None:
    kept = new_kept("redis")
    async with Redis.from_url(kept.url) as redis:
        await redis.set(f"{{{kept.prefix}}}#layout", 99)
    store = kept.store
    for refused in (
        store.get(THINGS, "k"),
        store.put(THINGS, "k", b"x", ttl_seconds=60),
        store.take(THINGS, "k"),
        store.swap(THINGS, "k", expected=b"x", value=b"y", ttl_seconds=60),
        store.delete(THINGS, "k"),
        anext(store.scan(THINGS)),
        store.sweep(),
        kept.upkeep.findings(),
        kept.upkeep.load([], replace=True),
    ):
        with pytest.raises(StoreUnavailableError, match=r"newer version.*layout 99"):
            await refused
