"""The store's watch: it is away once and back once, and a request's time with it is bounded."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from okta_mcp.stores.interface import Kind, StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.watched import WatchedStore, store_time
from tests.vocabulary.clock import Clock

THINGS = Kind("things", 100)


class Moody(MemoryStore):
    """Fails, or never answers, while a test says so. Reads go on while writes fail."""

    fails = hangs = False

    async def get(self, kind: Kind, key: str) -> bytes | None:
        if self.hangs:
            await asyncio.Event().wait()
        return await super().get(kind, key)

    async def put(self, *arguments: object, **options: object) -> bool:
        if self.fails:
            raise StoreUnavailableError("the disk is full")
        return await super().put(*arguments, **options)  # type: ignore[arg-type]


class Watch:
    """A watched store and what was heard of it."""

    def __init__(self) -> None:
        self.moody = Moody(Clock())
        self.heard: list[str] = []
        self.changed = asyncio.Event()
        self.store = WatchedStore(
            self.moody, lambda error: self.hear(str(error)), lambda: self.hear("!")
        )

    def hear(self, word: str) -> None:
        self.heard.append(word)
        self.changed.set()

    async def put(self) -> None:
        await self.store.put(THINGS, "k", b"v", ttl_seconds=60)


@pytest.fixture
async def watch(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    monkeypatch.setattr("okta_mcp.stores.watched._LOOK_SECONDS", 0.001)
    watched = Watch()
    running = asyncio.create_task(watched.store.run())
    yield watched
    running.cancel()


async def test_an_outage_is_told_once_and_its_end_once(watch: Watch) -> None:
    watch.moody.fails = True
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await watch.put()
        # A full disk can be read: that does not mean that the store is back.
        assert await watch.store.get(THINGS, "k") is None
    assert watch.store.is_away
    assert watch.heard == ["the disk is full"]
    watch.changed.clear()
    watch.moody.fails = False
    await asyncio.wait_for(watch.changed.wait(), 10)
    assert not watch.store.is_away
    assert watch.heard == ["the disk is full", "!"]


async def test_a_store_that_is_away_at_the_start_is_noticed_without_a_request() -> None:
    watch = Watch()
    watch.moody.fails = True
    running = asyncio.create_task(watch.store.run())
    await asyncio.wait_for(watch.changed.wait(), 10)
    assert watch.heard == ["the disk is full"]
    running.cancel()


async def test_a_request_gets_so_much_time_in_all(watch: Watch) -> None:
    watch.moody.hangs = True
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    with store_time(0.05):
        for _ in range(100):
            with pytest.raises(StoreUnavailableError, match="too slowly"):
                await watch.store.get(THINGS, "k")
        # Nothing is begun that could not be answered for.
        with pytest.raises(StoreUnavailableError):
            await watch.put()
    assert loop.time() - began_at < 1
    watch.moody.hangs = False
    assert await watch.store.get(THINGS, "k") is None


async def test_many_quick_verbs_of_one_request_do_not_make_the_store_away(watch: Watch) -> None:
    with store_time(0.01), contextlib.suppress(StoreUnavailableError):
        while True:
            await watch.put()
    assert not watch.store.is_away
    assert watch.heard == []


async def test_a_busy_process_is_not_taken_for_a_slow_store(watch: Watch) -> None:
    """What waits for the event loop has not waited for the store."""
    with store_time(0.05):
        for _ in range(3):
            asyncio.get_running_loop().call_soon(time.sleep, 0.04)
            await watch.put()
    assert not watch.store.is_away


async def test_a_scan_is_bounded_by_the_time_of_the_store_alone(watch: Watch) -> None:
    for key in ("a", "b"):
        await watch.store.put(THINGS, key, b"v", ttl_seconds=60)
    with store_time(0.5):
        found = [key async for key, _ in watch.store.scan(THINGS)]
    assert found == ["a", "b"]
