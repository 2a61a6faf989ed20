"""What a load balancer is told (W-06)."""

from okta_mcp.oauth_proxy.health import HealthEndpoint
from okta_mcp.stores.memory import MemoryStore
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of


class AwayStore(MemoryStore):
    """A store that cannot be reached."""

    async def get(self, *_: object) -> bytes | None:
        raise ConnectionError("away")


async def status_of(health: HealthEndpoint) -> int:
    return (await health.ready(request_of())).status_code


async def test_without_the_store_the_server_lives_but_is_not_ready() -> None:
    health = HealthEndpoint(AwayStore(Clock()), lambda: False)
    assert await status_of(health) == 503
    assert (await health.get(request_of())).status_code == 200


async def test_a_stopping_server_is_not_ready() -> None:
    health = HealthEndpoint(MemoryStore(Clock()), lambda: False)
    assert await status_of(health) == 200
    health.stop()
    assert await status_of(health) == 503


async def test_nothing_but_the_one_word_is_said() -> None:
    for is_away, word in ((False, "ok"), (True, "degraded")):
        health = HealthEndpoint(MemoryStore(Clock()), lambda away=is_away: away)
        answer = await health.get(request_of())
        assert answer.body == f'{{"status":"{word}"}}'.encode()
