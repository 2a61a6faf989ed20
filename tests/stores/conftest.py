"""Stores that outlive their process, each with what is done to it as a whole."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from okta_mcp.stores.interface import Store
from okta_mcp.stores.opening import opened_store, opened_upkeep
from okta_mcp.stores.upkeep import Upkeep
from tests.vocabulary.clock import Clock
from tests.vocabulary.redis_server import RedisServer, running_redis

_PREFIXES = itertools.count()


@dataclass
class Kept:
    """A store and its upkeep; `reopened` is the same one as another process sees it."""

    store: Store
    upkeep: Upkeep
    url: str
    prefix: str
    clock: Clock

    def reopened(self) -> Store:
        return opened_store(self.url, self.prefix, self.clock)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def new_kept(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Callable[[str], Kept]]:
    """Makes an empty store of a backend; what was opened is closed at the end."""
    made: list[Kept] = []

    def make(backend: str) -> Kept:
        if backend == "sqlite":
            url = f"sqlite:///{tmp_path / f'store{len(made)}' / 'store.db'}"
        else:
            url = request.getfixturevalue("redis_server").url
        prefix = f"kept{next(_PREFIXES)}"
        store = opened_store(url, prefix, clock)
        made.append(Kept(store, opened_upkeep(url, prefix, clock), url, prefix, clock))
        return made[-1]

    yield make
    for kept in made:
        await kept.upkeep.close()
        await kept.store.close()


@pytest.fixture(params=["sqlite", "redis"])
def kept(request: pytest.FixtureRequest, new_kept: Callable[[str], Kept]) -> Kept:
    return new_kept(request.param)
