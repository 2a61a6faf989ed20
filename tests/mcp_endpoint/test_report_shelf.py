"""The CSV of reports in the store: whose it is, how long, how much, and that nobody can read it."""

import pytest

from okta_mcp.mcp_endpoint.report_shelf import MAX_CHARS, MOST_A_PERSON, StoredShelf
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records
from okta_mcp.stores.sealing import Sealer
from tests.vocabulary.clock import Clock

ANN, BOB = "00uann1234567890", "00ubob1234567890"
TEXT = "user_id,login\r\n00u1,ann@example.com\r\n" * 100


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(clock: Clock) -> Records:
    return Records(MemoryStore(clock))


@pytest.fixture
def shelf(records: Records, clock: Clock) -> StoredShelf:
    return StoredShelf(records, Sealer((b"s" * 32,), "sealing"), clock)


async def test_a_report_is_another_persons_secret(shelf: StoredShelf) -> None:
    assert await shelf.put(ANN, "r1", TEXT)
    assert await shelf.get(BOB, "r1") is None
    assert await shelf.get(ANN, "r2") is None
    assert await shelf.get(ANN, "r1") == TEXT


async def test_a_report_is_gone_after_an_hour_and_swept(
    shelf: StoredShelf, records: Records, clock: Clock
) -> None:
    await shelf.put(ANN, "r1", TEXT)
    clock.pass_seconds(3599)
    assert await shelf.get(ANN, "r1") == TEXT
    clock.pass_seconds(2)
    assert await shelf.get(ANN, "r1") is None
    assert await records.store.sweep() == 1


async def test_the_oldest_of_too_many_goes_and_only_of_that_person(
    shelf: StoredShelf, clock: Clock
) -> None:
    await shelf.put(BOB, "r0", TEXT)
    for number in range(MOST_A_PERSON + 1):
        clock.pass_seconds(1)
        await shelf.put(ANN, f"r{number}", TEXT)
    kept = [number for number in range(MOST_A_PERSON + 1) if await shelf.get(ANN, f"r{number}")]
    assert kept == list(range(1, MOST_A_PERSON + 1))
    assert await shelf.get(BOB, "r0") == TEXT


async def test_a_report_that_grows_takes_no_other_place(shelf: StoredShelf) -> None:
    for number in range(MOST_A_PERSON):
        await shelf.put(ANN, f"r{number}", TEXT)
    await shelf.put(ANN, "r4", TEXT * 2)
    assert await shelf.get(ANN, "r0") == TEXT
    assert await shelf.get(ANN, "r4") == TEXT * 2


async def test_what_is_too_large_is_not_kept_and_leaves_no_earlier_part(
    shelf: StoredShelf,
) -> None:
    await shelf.put(ANN, "r1", TEXT)
    assert not await shelf.put(ANN, "r1", "x" * (MAX_CHARS + 1))
    assert await shelf.get(ANN, "r1") is None


async def test_a_full_store_keeps_nothing_more_and_says_so(
    shelf: StoredShelf, records: Records
) -> None:
    kept = records.reports
    for number in range(500):
        await shelf.put(f"00uperson{number:08}", "r", "x")
    assert not await shelf.put(ANN, "r1", TEXT)
    assert await shelf.get(ANN, "r1") is None
    assert [key async for key, _ in kept.scan(ANN)] == []


async def test_the_store_holds_it_sealed_and_small(
    shelf: StoredShelf, records: Records, clock: Clock
) -> None:
    await shelf.put(ANN, "r1", TEXT)
    ((key, report),) = [row async for row in records.reports.scan()]
    assert "ann@example.com" not in report.sealed
    assert len(report.sealed) < len(TEXT) / 5
    other = StoredShelf(records, Sealer((b"t" * 32,), "sealing"), clock)
    assert await other.get(ANN, "r1") is None
    # A sealed report under another person's key opens for nobody.
    await records.reports.put(key.replace(ANN, BOB), report, 60)
    assert await shelf.get(BOB, "r1") is None
