"""What a load balancer is told (W-06)."""

import json

import pytest

from okta_mcp.audit.writer import Audit, AuditFileError
from okta_mcp.ops.stopping import Stopping
from okta_mcp.serving.health import HealthEndpoint
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.watched import WatchedStore
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of


class AwayStore(MemoryStore):
    """A store that cannot be reached."""

    async def get(self, *_: object) -> bytes | None:
        raise StoreUnavailableError("away")


def health_of(store: MemoryStore, stopping: Stopping | None = None) -> HealthEndpoint:
    watched = WatchedStore(store, lambda _: None, lambda: None)
    return HealthEndpoint(watched, Audit("-", Clock()), lambda: False, stopping or Stopping())


async def readiness(health: HealthEndpoint) -> tuple[int, dict[str, str]]:
    answer = await health.ready(request_of())
    return answer.status_code, json.loads(bytes(answer.body))


async def test_without_the_store_the_server_lives_but_is_not_ready() -> None:
    health = health_of(AwayStore(Clock()))
    assert await readiness(health) == (503, {"status": "not ready", "reason": "store"})
    assert (await health.get(request_of())).status_code == 200


async def test_without_its_audit_trail_the_server_lives_but_is_not_ready() -> None:
    audit = Audit("/dev/full", Clock())
    watched = WatchedStore(MemoryStore(Clock()), lambda _: None, lambda: None)
    health = HealthEndpoint(watched, audit, lambda: False, Stopping())
    assert await readiness(health) == (200, {"status": "ready"})
    with pytest.raises(AuditFileError):
        audit.write("tool.called")
    assert await readiness(health) == (503, {"status": "not ready", "reason": "audit"})
    assert (await health.get(request_of())).status_code == 200
    audit.close()


@pytest.mark.parametrize("step", ["leave", "refuse"])
async def test_a_stopping_server_is_not_ready(step: str) -> None:
    stopping = Stopping()
    health = health_of(MemoryStore(Clock()), stopping)
    assert await readiness(health) == (200, {"status": "ready"})
    getattr(stopping, step)()
    assert await readiness(health) == (503, {"status": "not ready", "reason": "stopping"})


async def test_a_stop_waits_only_where_somebody_asks_for_readiness() -> None:
    stopping = Stopping()
    assert not stopping.is_watched
    await readiness(health_of(MemoryStore(Clock()), stopping))
    assert stopping.is_watched


async def test_nothing_but_the_one_word_is_said() -> None:
    for is_away, word in ((False, "ok"), (True, "degraded")):
        watched = WatchedStore(MemoryStore(Clock()), lambda _: None, lambda: None)
        audit = Audit("-", Clock())
        health = HealthEndpoint(watched, audit, lambda away=is_away: away, Stopping())
        answer = await health.get(request_of())
        assert answer.body == f'{{"status":"{word}"}}'.encode()
