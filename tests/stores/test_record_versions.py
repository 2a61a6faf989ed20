"""Records of an older and of a newer version: both are at work while servers are updated.

`kept_values.json` holds a value of each kind as servers that are out there have written it. It only
grows: a kind or a field is added to it, nothing in it is changed or taken away.
"""

import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from okta_mcp.stores.interface import Kind
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Grant, Records, Repository
from tests.vocabulary.clock import Clock

KEPT: dict[str, str] = json.loads((Path(__file__).parent / "kept_values.json").read_text())
GRANT: dict[str, Any] = json.loads(KEPT["grants"])


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(Clock())


@pytest.fixture
def records(store: MemoryStore) -> Records:
    return Records(store)


async def written(store: MemoryStore, kind: Kind, value: dict[str, Any]) -> None:
    """What another version of the server writes."""
    await store.put(kind, "k", json.dumps(value).encode(), ttl_seconds=60)


def members(value: bytes | str) -> dict[str, Any]:
    """Of the JSON object, which may follow a first line."""
    text = value.decode() if isinstance(value, bytes) else value
    return dict(json.loads(text[text.index("{") :]))


async def stored(store: MemoryStore, kind: Kind) -> dict[str, Any]:
    value = await store.get(kind, "k")
    assert value is not None
    return members(value)


def test_a_value_of_every_kind_is_kept_for_these_tests(records: Records) -> None:
    assert set(KEPT) == set(records.repositories), "add a value of the new kind to kept_values.json"


@pytest.mark.parametrize("kind", KEPT)
async def test_a_value_that_an_earlier_version_wrote_is_read(
    store: MemoryStore, records: Records, kind: str
) -> None:
    """A new field needs a default."""
    repository = records.repositories[kind]
    await store.put(repository.kind, "k", KEPT[kind].encode(), ttl_seconds=60)
    assert await repository.get("k") is not None


@pytest.mark.parametrize("kind", KEPT)
async def test_what_this_version_writes_an_earlier_one_can_read(
    store: MemoryStore, records: Records, kind: str
) -> None:
    """No field that it knows is missing or has another form."""
    repository = records.repositories[kind]
    await store.put(repository.kind, "k", KEPT[kind].encode(), ttl_seconds=60)
    await repository.put("k", await repository.get("k"), 60)
    assert (await stored(store, repository.kind)).items() >= members(KEPT[kind]).items()


async def test_a_swap_works_on_a_record_without_the_fields_that_came_later(
    store: MemoryStore, records: Records
) -> None:
    """Or a refresh would never end, and no code could be redeemed, until everything was signed in
    anew."""
    older = {name: value for name, value in GRANT.items() if name not in ("redeemed", "pair_used")}
    await written(store, records.grants.kind, older)
    grant = await records.grants.get("k")
    assert grant is not None
    assert await records.grants.swap("k", grant, replace(grant, generation=3), 60)
    assert (await stored(store, records.grants.kind))["generation"] == 3
    assert not await records.grants.swap("k", grant, replace(grant, generation=4), 60)


async def test_a_swap_leaves_the_fields_of_a_newer_version_in_the_record(
    store: MemoryStore, records: Records
) -> None:
    await written(store, records.grants.kind, GRANT | {"frozen_by": "an administrator"})
    grant = await records.grants.get("k")
    assert grant is not None
    assert await records.grants.swap("k", grant, replace(grant, generation=3), 60)
    assert (await stored(store, records.grants.kind))["frozen_by"] == "an administrator"
    again = await records.grants.get("k")
    assert again == replace(grant, generation=3)
    assert await records.grants.swap("k", again, replace(again, generation=4), 60)


async def test_a_swap_back_to_a_default_replaces_what_another_version_spelled_out(
    store: MemoryStore, records: Records
) -> None:
    """What is as by default is not written, and must not stay as it was before."""
    await written(store, records.grants.kind, GRANT | {"pair_used": True, "last_used_at": 5.0})
    grant = await records.grants.get("k")
    assert grant is not None
    assert grant.pair_used
    after = replace(grant, pair_used=False, last_used_at=None)
    assert await records.grants.swap("k", grant, after, 60)
    assert await records.grants.get("k") == after


async def test_a_swap_of_another_record_still_fails_whatever_its_spelling(
    store: MemoryStore, records: Records
) -> None:
    await written(store, records.grants.kind, GRANT | {"frozen_by": "an administrator"})
    grant = await records.grants.get("k")
    assert grant is not None
    other = replace(grant, generation=7)
    assert not await records.grants.swap("k", other, replace(other, generation=8), 60)
    assert (await stored(store, records.grants.kind))["generation"] == GRANT["generation"]


class NewerGrant(msgspec.Struct, frozen=True):
    """What a later version might make of a grant: fields more, each with a default."""

    key: str
    generation: int
    frozen_by: str | None = None
    places: tuple[str, ...] = ()


async def test_two_versions_take_turns_at_one_record(store: MemoryStore, records: Records) -> None:
    newer = Repository(store, records.grants.kind, NewerGrant)
    await written(store, records.grants.kind, GRANT)
    for generation in (3, 5):
        seen = await newer.get("k")
        assert seen is not None
        frozen = replace(seen, generation=generation, frozen_by=f"at {generation}")
        assert await newer.swap("k", seen, frozen, 60)
        grant = await records.grants.get("k")
        assert isinstance(grant, Grant)
        assert await records.grants.swap("k", grant, replace(grant, generation=generation + 1), 60)
        seen = await newer.get("k")
        assert seen == replace(frozen, generation=generation + 1)


BROKEN = [
    *(b"", b"no json", b"[]", b'{"key": 1}', b"\xff", b'{"key": "a"'),
    KEPT["grants"].replace("Ann", "A").encode().replace(b'"A"', b'"\xff"'),
    KEPT["grants"].replace('"generation":2', '"generation":"2"').encode(),
    KEPT["grants"].replace("{", '{"deep":' + "[" * 100_000, 1).encode(),
]


@pytest.mark.parametrize("value", BROKEN, ids=range(len(BROKEN)))
async def test_a_value_that_is_no_record_counts_as_absent(
    store: MemoryStore, records: Records, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await store.put(records.grants.kind, "k", value, ttl_seconds=60)
    with caplog.at_level(logging.WARNING):
        assert await records.grants.get("k") is None
    assert "store check" in caplog.text
    assert await records.grants.take("k") is None


async def test_one_bad_value_stops_no_scan(store: MemoryStore, records: Records) -> None:
    """Ending all that a person has connected must not stop in the middle."""
    await store.put(records.grants.kind, "00u1/bad", b"{", ttl_seconds=60)
    await store.put(records.grants.kind, "00u1/good", json.dumps(GRANT).encode(), ttl_seconds=60)
    assert [key async for key, _ in records.grants.scan("00u1/")] == ["00u1/good"]
