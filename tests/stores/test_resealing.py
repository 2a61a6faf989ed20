"""Every sealed value gets the current key, whatever servers do meanwhile."""

import json
from collections.abc import AsyncIterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from okta_mcp.stores.interface import Kind, Store
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import Records, RefreshToken
from okta_mcp.stores.resealing import SEALED_FIELDS, resealed
from okta_mcp.stores.sealing import Sealer
from okta_mcp.stores.upkeep import Entry
from tests.stores.conftest import Kept
from tests.stores.test_record_versions import KEPT
from tests.vocabulary.clock import START, Clock

OLD = b"the old secret, of at least 32 bytes"
NEW = b"the new secret, of at least 32 bytes"
BEFORE, BETWEEN, AFTER = (Sealer(ring, "sealing") for ring in ((OLD,), (NEW, OLD), (NEW,)))
PURPOSES = {
    "legs": "okta code verifier",
    "sessions": "id token",
    "upstreams": "okta refresh token",
    "grants": "refresh answer digest-of-the-old-one",
    "reports": "report k",
    "known_keys": "keys of k",
}


def sealed_names(record: Any) -> set[str]:
    """The sealed fields of a record, and of records in it."""
    types = get_type_hints(record)
    names = {name for name in types if "sealed" in name}
    inner = [
        part
        for each in types.values()
        for part in (each, *get_args(each))
        if isinstance(part, type) and issubclass(part, msgspec.Struct)
    ]
    return names.union(*(sealed_names(each) for each in inner))


def test_every_sealed_field_of_every_record_is_known() -> None:
    """S-06: a record with a new one cannot be forgotten at a rotation."""
    repositories = Records(MemoryStore(Clock())).repositories
    there = {
        (kind, name)
        for kind, repository in repositories.items()
        for name in sealed_names(repository.record)
    }
    assert {(kind, name) for kind, name, _ in SEALED_FIELDS} == there
    assert set(PURPOSES) == {kind for kind, _, _ in SEALED_FIELDS}


async def fill(store: Store, sealer: Sealer, *, seconds: float = 60) -> None:
    """A value of each kind that has something sealed, and what a grant's answer hangs on."""
    records = Records(store)
    for kind, name, _ in SEALED_FIELDS:
        value = json.loads(KEPT[kind]) | {
            name: sealer.seal(f"the {name} of {kind}", PURPOSES[kind])
        }
        encoded = json.dumps(value).encode()
        await store.put(records.repositories[kind].kind, "k", encoded, ttl_seconds=seconds)
    for digest, generation in (("digest-of-the-old-one", 1), ("another", 2), ("lost a race", 1)):
        await records.refresh_tokens.put(digest, RefreshToken("k", generation), seconds)


async def opened(store: Store, sealer: Sealer) -> list[str]:
    """What the sealed fields hold; raises where one does not open."""
    found = []
    for kind, name, _ in SEALED_FIELDS:
        value = await store.get(Kind(kind, 0), "k")
        assert value is not None
        found.append(sealer.open(json.loads(value)[name], PURPOSES[kind]))
    return found


async def test_every_value_opens_with_the_new_secret_alone(kept: Kept, clock: Clock) -> None:
    """S-06."""
    await fill(kept.store, BEFORE)
    tally = await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    assert (tally.resealed, tally.current, tally.unreadable, tally.left) == (
        len(SEALED_FIELDS),
        0,
        0,
        0,
    )
    assert await opened(kept.store, AFTER) == [
        f"the {name} of {kind}" for kind, name, _ in SEALED_FIELDS
    ]


async def test_nothing_else_of_a_value_changes_nor_its_end(kept: Kept, clock: Clock) -> None:
    await fill(kept.store, BEFORE)
    await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    async for entry in kept.upkeep.entries():
        assert entry.expires_at == pytest.approx(START + 60)
        if entry.kind in PURPOSES:
            ours = {name for kind, name, _ in SEALED_FIELDS if kind == entry.kind}
            before, now = json.loads(KEPT[entry.kind]), json.loads(entry.value)
            assert {name for name in now if now[name] != before[name]} == ours


async def test_a_second_time_finds_everything_current(kept: Kept, clock: Clock) -> None:
    await fill(kept.store, BEFORE)
    await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    tally = await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    assert (tally.resealed, tally.current, tally.unreadable, tally.left) == (
        0,
        len(SEALED_FIELDS),
        0,
        0,
    )


async def test_what_no_secret_opens_is_counted_and_left(kept: Kept, clock: Clock) -> None:
    await fill(kept.store, BEFORE)
    tally = await resealed(kept.store, kept.upkeep, AFTER, clock)
    assert (tally.resealed, tally.current, tally.unreadable, tally.left) == (
        0,
        0,
        len(SEALED_FIELDS),
        0,
    )
    assert len(await opened(kept.store, BEFORE)) == len(SEALED_FIELDS)


async def test_what_has_expired_is_not_brought_back(kept: Kept, clock: Clock) -> None:
    await fill(kept.store, BEFORE)
    clock.pass_seconds(60)
    tally = await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    assert (tally.resealed, tally.current, tally.unreadable, tally.left) == (0, 0, 0, 0)
    assert await kept.store.get(Kind("sessions", 0), "k") is None


class Disturbed:
    """A listing after whose first round servers have changed what it showed."""

    def __init__(self, kept: Kept, *, ends: bool) -> None:
        self._kept = kept
        self._ends = ends
        self.rounds = 0

    async def entries(self) -> AsyncIterator[Entry]:
        shown = [entry async for entry in self._kept.upkeep.entries()]
        if self.rounds == 0:
            await self._change()
        self.rounds += 1
        for entry in shown:
            yield entry

    async def _change(self) -> None:
        store = self._kept.store
        if self._ends:
            for kind in PURPOSES:
                await store.delete(Kind(kind, 0), "k")
        else:
            await fill(store, BEFORE)


@pytest.mark.parametrize("ends", [False, True])
async def test_what_servers_change_meanwhile_is_looked_at_again_and_what_they_end_stays_ended(
    kept: Kept, clock: Clock, ends: bool
) -> None:
    await fill(kept.store, BEFORE)
    upkeep = Disturbed(kept, ends=ends)
    tally = await resealed(kept.store, upkeep, BETWEEN, clock)  # type: ignore[arg-type]
    assert (tally.resealed, tally.unreadable, tally.left) == (
        0 if ends else len(SEALED_FIELDS),
        0,
        0,
    )
    assert upkeep.rounds > 1
    if ends:
        assert await kept.store.get(Kind("grants", 0), "k") is None
    else:
        assert len(await opened(kept.store, AFTER)) == len(SEALED_FIELDS)


async def test_values_that_are_no_records_stop_nothing(kept: Kept, clock: Clock) -> None:
    await fill(kept.store, BEFORE)
    for key, value in (("bad", b"{"), ("list", b"[]"), ("odd", b'{"id_token_sealed": "?"}')):
        await kept.store.put(Kind("sessions", 10), key, value, ttl_seconds=60)
    tally = await resealed(kept.store, kept.upkeep, BETWEEN, clock)
    assert (tally.resealed, tally.unreadable, tally.left) == (len(SEALED_FIELDS), 1, 0)
