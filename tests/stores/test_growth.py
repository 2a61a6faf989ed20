"""After any number of logins a store holds what lives and nothing else."""

from collections import Counter

from msgspec import structs
from msgspec.structs import replace
from redis.asyncio import Redis

from okta_mcp.stores.interface import Store
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.records import (
    AccessToken,
    Client,
    Code,
    Grant,
    Leg,
    Mark,
    Records,
    RefreshToken,
    RememberedConsent,
    Session,
)
from okta_mcp.stores.sqlite import SqliteStore
from okta_mcp.stores.sqlite_upkeep import SqliteUpkeep
from tests.stores.conftest import Kept
from tests.vocabulary.clock import Clock
from tests.vocabulary.size import how_many

LOGINS = how_many(person=300, full=200_000)
DAY = 86_400.0
# Longer than anything lives: a registration that somebody allowed, 90 days.
DAYS = 100
# Rarer than a server does it, so that there is something to sweep.
SWEEP_SECONDS = 3600
LOGINS_OF_A_CLIENT = 50
SCOPES = ("okta.users.read", "offline_access")
# A backend's own beside the values: indexes (Redis has each key three times), pages not full.
OWN_SHARE = 3
OWN_BYTES = 128 * 1024


async def login(records: Records, clock: Clock, number: int) -> None:
    """What the way from the registration to the first refresh writes."""
    name, now = f"{number:064}", clock()
    if number % LOGINS_OF_A_CLIENT == 0:
        client = Client(name, "Agent", ("http://127.0.0.1/",), (), "none", None, None, now)
        await records.clients.put(name, client, DAY)
        await records.clients.put(name, replace(client, authorized=True), 90 * DAY)
    await records.legs.put(name, Leg(None, "nonce", "sealed", name), 600)
    await records.legs.take(name)
    await records.used_states.put(name, Mark(now), 600)
    session = Session(name, "ann", "ann@acme.example", "Ann", now + 7200, "sealed", None)
    await records.sessions.put(f"ann:{name}", session, 7200)
    await records.consents.put(name, RememberedConsent(now + 3600), 3600)
    grant = Grant(
        *(f"ann/{name}", "ann", "ann@acme.example", "Ann", name, "Agent", "http://127.0.0.1/"),
        *(SCOPES, "https://mcp.acme.example/mcp", "admin", now, now + DAY),
    )
    code = Code(grant.key, name, "http://127.0.0.1/", "challenge", None)
    await records.grants.put(grant.key, grant, 60)
    await records.codes.put(name, code, 60)
    assert await records.mark_used(name, code, DAY)
    assert await records.grants.swap(grant.key, grant, structs.replace(grant, redeemed=True), DAY)
    for generation in range(2):
        token = f"{generation}{name}"
        await records.access_tokens.put(token, AccessToken(grant.key, SCOPES, 0, now), 3600)
        await records.refresh_tokens.put(token, RefreshToken(grant.key, generation), DAY)
    if number % 10 == 0:
        await records.grants.delete(grant.key)


async def many_logins(records: Records, clock: Clock) -> None:
    swept_at = clock()
    for number in range(LOGINS):
        await login(records, clock, number)
        clock.pass_seconds(DAYS * DAY / LOGINS)
        if clock() - swept_at >= SWEEP_SECONDS:
            await records.store.sweep()
            swept_at = clock()
    await records.store.sweep()


async def living(store: Store) -> Counter[str]:
    """How many records of each kind live, without the kinds that have none."""
    found: Counter[str] = Counter()
    for name, repository in Records(store).repositories.items():
        found.update([name async for _ in repository.scan()])
    return found


def held_in_memory(store: MemoryStore) -> Counter[str]:
    return +Counter({kind: len(entries) for kind, entries in store._kinds.items()})


async def test_memory_holds_what_lives_and_then_nothing(clock: Clock) -> None:
    store = MemoryStore(clock)
    await many_logins(Records(store), clock)
    alive = await living(store)
    assert alive["clients"] > 0 < alive["grants"]
    assert held_in_memory(store) == alive
    clock.pass_seconds(DAYS * DAY)
    await store.sweep()
    assert held_in_memory(store) == Counter()


async def test_a_kept_store_holds_what_lives_and_then_nothing(kept: Kept, clock: Clock) -> None:
    if isinstance(kept.store, SqliteStore):
        # What is on the disk at which moment is not the question here.
        await kept.store._on_writer(lambda database: database.execute("PRAGMA synchronous = OFF"))
    await many_logins(Records(kept.store), clock)
    entries = [entry async for entry in kept.upkeep.entries()]
    assert Counter(entry.kind for entry in entries) == await living(kept.store)
    assert (await kept.upkeep.findings()).faults == ()
    value_bytes = sum(len(each.kind) + len(each.key) + len(each.value) for each in entries)
    assert await room_in_bytes(kept) <= OWN_SHARE * value_bytes + OWN_BYTES
    clock.pass_seconds(DAYS * DAY)
    await kept.store.sweep()
    assert [entry async for entry in kept.upkeep.entries()] == []
    assert await room_in_bytes(kept) <= OWN_BYTES


async def room_in_bytes(kept: Kept) -> int:
    """What the file uses without the pages that wait to be used again, or the keys of Redis."""
    if isinstance(kept.upkeep, SqliteUpkeep):
        ask = kept.upkeep._database.execute
        pages, free, page_bytes = (
            int(ask(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * page_bytes
    async with Redis.from_url(kept.url) as redis:
        keys = [key async for key in redis.scan_iter(f"{{{kept.prefix}}}*", count=10_000)]
        sizes = [await redis.memory_usage(key, samples=0) for key in keys]
        return sum(size or 0 for size in sizes)
