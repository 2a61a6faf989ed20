"""What is done to a store as a whole, alike for every backend that outlives its process."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from okta_mcp.serving.rates import Rates, TooManyRequestsError
from okta_mcp.stores.interface import Kind, StoreFullError, StoreUnavailableError
from okta_mcp.stores.opening import opened_redis, opened_store, opened_upkeep
from okta_mcp.stores.sqlite_upkeep import entries_of_backup, new_backup
from okta_mcp.stores.upkeep import Entry
from tests.stores.conftest import Kept
from tests.vocabulary.clock import START, Clock
from tests.vocabulary.processes import CHECKOUT

THINGS = Kind("things", 2000)
FEW = Kind("few", 3)
ENTRIES = [
    Entry("things", "a", bytes(range(256)), START + 60),
    Entry("things", "é/b", b"", START + 90.5),
    Entry("few", "a", b"another", START + 60),
]


async def listed(kept: Kept) -> list[Entry]:
    found = [entry async for entry in kept.upkeep.entries()]
    return sorted(found, key=lambda entry: (entry.kind, entry.key))


def in_order(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (entry.kind, entry.key))


@pytest.mark.parametrize("url", ["memory:", "sqlite:////no/such/folder/store.db"])
def test_a_store_that_cannot_be_reached_from_here_is_refused(url: str, clock: Clock) -> None:
    with pytest.raises(StoreUnavailableError, match="STORE_URL"):
        opened_upkeep(url, "okta-mcp", clock)


async def test_every_value_is_listed_with_its_end(kept: Kept) -> None:
    for entry in ENTRIES:
        kind = Kind(entry.kind, 10)
        ttl_seconds = entry.expires_at - START
        await kept.store.put(kind, entry.key, entry.value, ttl_seconds=ttl_seconds)
    assert await listed(kept) == in_order(ENTRIES)


async def test_more_values_than_fit_one_page_are_listed_once_each(kept: Kept) -> None:
    for n in range(1203):
        await kept.store.put(THINGS, str(n), b"x", ttl_seconds=60)
    keys = [entry.key for entry in await listed(kept)]
    assert len(keys) == len(set(keys)) == 1203


async def test_what_is_loaded_lives_as_long_as_it_would_have(kept: Kept, clock: Clock) -> None:
    assert await kept.upkeep.load(ENTRIES, replace=False) == 3
    assert await kept.store.get(THINGS, "a") == bytes(range(256))
    clock.pass_seconds(60)
    assert await kept.store.get(THINGS, "a") is None
    assert await kept.store.get(THINGS, "é/b") == b""
    assert await kept.store.sweep() == 2


async def test_what_is_loaded_counts_towards_the_bound(kept: Kept) -> None:
    await kept.upkeep.load([Entry("few", str(n), b"x", START + 60) for n in range(3)], replace=True)
    with pytest.raises(StoreFullError):
        await kept.store.put(FEW, "d", b"x", ttl_seconds=60)


@pytest.mark.parametrize("replace", [True, False])
async def test_what_was_there_goes_only_where_it_is_to_be_replaced(
    kept: Kept, replace: bool
) -> None:
    await kept.store.put(THINGS, "before", b"x", ttl_seconds=60)
    await kept.upkeep.load(ENTRIES, replace=replace)
    assert (await kept.store.get(THINGS, "before") is None) is replace
    assert len(await listed(kept)) == (3 if replace else 4)
    assert (await kept.upkeep.findings()).faults == ()


@pytest.mark.parametrize("source", ["sqlite", "redis"])
@pytest.mark.parametrize("target", ["sqlite", "redis"])
async def test_a_copy_of_one_backend_fills_any_other(
    new_kept: Callable[[str], Kept], tmp_path: Path, source: str, target: str
) -> None:
    first, second = new_kept(source), new_kept(target)
    await first.upkeep.load(ENTRIES, replace=False)
    await first.upkeep.copy_to(tmp_path / "copy.db")
    await second.upkeep.load(entries_of_backup(tmp_path / "copy.db"), replace=True)
    assert await listed(second) == in_order(ENTRIES)


async def test_a_copy_is_one_file_of_its_owner_with_nothing_that_has_expired(
    kept: Kept, tmp_path: Path, clock: Clock
) -> None:
    """S-03."""
    await kept.upkeep.load(ENTRIES, replace=False)
    clock.pass_seconds(60)
    folder = tmp_path / "backups"
    folder.mkdir()
    await kept.upkeep.copy_to(folder / "copy.db")
    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert [entry.key for entry in entries_of_backup(folder / "copy.db")] == ["é/b"]
    assert b"another" not in (folder / "copy.db").read_bytes()


async def test_a_copy_never_replaces_a_file(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("somebody's")
    with pytest.raises(StoreUnavailableError, match="there already"):
        await kept.upkeep.copy_to(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "somebody's"


async def test_a_folder_that_is_not_there_is_told(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="no-such-folder"):
        await kept.upkeep.copy_to(tmp_path / "no-such-folder" / "copy.db")


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off() -> None:
        with new_backup(tmp_path / "copy.db"):
            raise StoreUnavailableError("Redis went away")

    with pytest.raises(StoreUnavailableError, match="went away"):
        break_off()
    assert list(tmp_path.iterdir()) == []


async def test_a_copy_is_a_store_that_a_server_can_open(kept: Kept, tmp_path: Path) -> None:
    await kept.upkeep.load(ENTRIES, replace=False)
    await kept.upkeep.copy_to(tmp_path / "copy.db")
    kept.url = f"sqlite:///{tmp_path / 'copy.db'}"
    opened = kept.reopened()
    assert await opened.get(THINGS, "a") == bytes(range(256))
    await opened.close()


@pytest.mark.parametrize("contents", [b"", b"no database at all", None, "foreign", "damaged"])
async def test_what_is_no_backup_is_refused(
    new_kept: Callable[[str], Kept], tmp_path: Path, contents: bytes | str | None
) -> None:
    path = tmp_path / "copy.db"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    elif contents == "foreign":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE entries (a)")
        database.close()
    elif contents == "damaged":
        kept = new_kept("sqlite")
        many = [Entry("things", str(n), b"x" * 500, START + 60) for n in range(100)]
        await kept.upkeep.load(many, replace=False)
        await kept.upkeep.copy_to(path)
        whole = path.read_bytes()
        path.write_bytes(whole[:8192] + b"\xff" * 12_000 + whole[20_192:])
    with pytest.raises(StoreUnavailableError, match=r"copy\.db"):
        list(entries_of_backup(path))


async def test_a_load_that_fails_half_way_changes_no_file(
    new_kept: Callable[[str], Kept],
) -> None:
    """One transaction: servers see all of it or nothing."""
    kept = new_kept("sqlite")
    await kept.store.put(THINGS, "before", b"x", ttl_seconds=60)

    def breaking_off() -> object:
        yield ENTRIES[0]
        raise StoreUnavailableError("the source went away")

    with pytest.raises(StoreUnavailableError):
        await kept.upkeep.load(breaking_off(), replace=True)  # type: ignore[arg-type]
    assert [entry.key for entry in await listed(kept)] == ["before"]


async def test_nothing_is_found_wrong_with_a_store_in_use(kept: Kept) -> None:
    await kept.upkeep.load(ENTRIES, replace=False)
    await kept.store.take(THINGS, "a")
    findings = await kept.upkeep.findings()
    assert findings.faults == ()
    assert any("layout 1" in note for note in findings.notes)


async def test_a_counter_that_is_wrong_is_found(new_kept: Callable[[str], Kept]) -> None:
    kept = new_kept("sqlite")
    await kept.upkeep.load(ENTRIES, replace=False)
    path = kept.url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE counts SET entries = 7 WHERE kind = 'few'")
    database.close()
    assert (await kept.upkeep.findings()).faults == ("few: the counter says 7, there are 1",)


@pytest.mark.parametrize(("name", "mode", "told"), [("store.db", 0o640, "600"), ("", 0o770, "700")])
async def test_file_modes_that_let_others_in_are_found(
    new_kept: Callable[[str], Kept], name: str, mode: int, told: str
) -> None:
    """S-03."""
    kept = new_kept("sqlite")
    path = Path(kept.url.removeprefix("sqlite:///")).parent / name
    path.chmod(mode)
    faults = (await kept.upkeep.findings()).faults
    assert [f"chmod {told} {path}" in fault for fault in faults] == [True]


async def test_values_that_redis_dropped_by_itself_are_found(
    new_kept: Callable[[str], Kept],
) -> None:
    kept = new_kept("redis")
    await kept.upkeep.load(ENTRIES, replace=False)
    async with Redis.from_url(kept.url) as redis:
        await redis.delete(f"{{{kept.prefix}}}:things:a")
    faults = (await kept.upkeep.findings()).faults
    assert len(faults) == 1
    assert faults[0].startswith("1 values are gone before their time")


async def test_a_redis_that_may_drop_values_or_forgets_them_is_told(
    new_kept: Callable[[str], Kept],
) -> None:
    kept = new_kept("redis")
    async with Redis.from_url(kept.url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        findings = await kept.upkeep.findings()
        await redis.config_set("maxmemory-policy", "noeviction")
    assert ["noeviction" in fault for fault in findings.faults] == [True]
    assert any("appendfsync" in note for note in findings.notes)


async def test_the_rights_that_the_page_names_are_enough_and_no_more(
    new_kept: Callable[[str], Kept], tmp_path: Path
) -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    [line] = [line for line in page.splitlines() if line.startswith("ACL SETUSER")]
    url = new_kept("redis").url
    async with Redis.from_url(url) as redis:
        await redis.execute_command(*line.replace("PASSWORD", "pass-word").split())
    url = url.replace("redis://", "redis://okta-mcp:pass-word@")
    clock = Clock()
    store, upkeep = opened_store(url, "okta-mcp", clock), opened_upkeep(url, "okta-mcp", clock)
    await store.put(THINGS, "k", b"one", ttl_seconds=60)
    assert await store.swap(THINGS, "k", expected=b"one", value=b"two", ttl_seconds=60)
    assert [value async for _, value in store.scan(THINGS)] == [b"two"]
    assert await store.follow(THINGS, "k", "of", FEW) is None
    rates = Rates(opened_redis(url), "okta-mcp", b"a key of the tests")
    await rates.rate("things", "1/hour").hit_by("ann")
    with pytest.raises(TooManyRequestsError):
        await rates.rate("things", "1/hour").hit_by("ann")
    await rates.close()
    assert await store.take(THINGS, "k") == b"two"
    await store.sweep()
    await upkeep.load(ENTRIES, replace=True)
    assert (await upkeep.findings()).faults == ()
    await upkeep.copy_to(tmp_path / "copy.db")
    other = opened_store(url, "another-server", clock)
    with pytest.raises(StoreUnavailableError):
        await other.get(THINGS, "k")
    for each in (store, upkeep, other):
        await each.close()
