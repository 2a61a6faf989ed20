"""Counts that several processes share through Redis; a process's own are in test_limits."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from okta_mcp.serving.rates import Rates, TooManyRequestsError
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.opening import opened_redis
from tests.vocabulary.redis_server import RedisServer, running_redis
from tests.vocabulary.requests import request_of

KEY = b"the key of the slots, for everybody"[:32]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def processes(redis: RedisServer) -> AsyncIterator[list[Rates]]:
    made = [Rates(opened_redis(redis.url), "okta-mcp", KEY) for _ in range(2)]
    yield made
    for rates in made:
        await rates.close()


async def test_what_one_process_counted_is_used_up_on_the_other(processes: list[Rates]) -> None:
    """R-23."""
    here, there = (each.rate("register", "3/minute") for each in processes)
    await here.hit(request_of())
    await there.hit(request_of())
    await here.hit(request_of())
    with pytest.raises(TooManyRequestsError) as caught:
        await there.hit(request_of())
    assert 0 < caught.value.retry_after_seconds <= 60


async def test_rates_of_two_names_and_two_servers_do_not_share_a_count(
    redis: RedisServer, processes: list[Rates]
) -> None:
    other = Rates(opened_redis(redis.url), "another", KEY)
    rates = [processes[0].rate(what, "1/minute") for what in ("register", "authorize")]
    for rate in (*rates, other.rate("register", "1/minute")):
        await rate.hit(request_of())
    await other.close()


@pytest.mark.parametrize("signal", [15, 19], ids=["stopped", "silent"])
async def test_a_redis_that_is_away_is_a_refusal_in_time_and_no_way_past_the_limit(
    redis: RedisServer, processes: list[Rates], signal: int
) -> None:
    rate = processes[0].rate("register", "1000/minute")
    await rate.hit(request_of())
    assert redis.process is not None
    redis.process.send_signal(signal)
    if signal == 15:
        redis.process.wait()
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="STORE_URL"):
        await rate.hit(request_of())
    assert time.monotonic() - started < 2
    redis.process.send_signal(18)
    if signal == 15:
        redis.start()
    await rate.hit(request_of())


async def test_every_count_has_an_end_and_is_under_the_prefix(
    redis: RedisServer, processes: list[Rates]
) -> None:
    """L-10."""
    await processes[0].rate("register", "3/minute").hit(request_of())
    asking = Redis.from_url(redis.url)
    [key] = await asking.keys()
    assert key.startswith(b"{okta-mcp}#rates:")
    assert 0 < await asking.ttl(key) <= 60
    await asking.aclose()
