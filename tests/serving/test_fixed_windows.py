"""The windows of our own counts: those that `limits` would count, and what a refusal says of them.

Counts in Redis are still those of `limits`: what a person may do must not depend on the store.
"""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from okta_mcp.allowance import allowance
from okta_mcp.serving.memory_counts import MemoryCounts
from okta_mcp.serving.rates import Rates, TooManyRequestsError
from tests.vocabulary.clock import Clock
from tests.vocabulary.requests import request_of
from tests.vocabulary.size import how_many

# Seconds that go by, what is counted, how, for whom, and whether it counts.
_STEPS = st.tuples(
    st.sampled_from([0.0, 0.0, 0.25, 1.0, 5.0, 19.5, 41.0, 60.0]),
    st.sampled_from(["calls", "calls", "register"]),
    st.sampled_from(["3/minute", "5/5minute"]),
    st.sampled_from(["1", "1", "1", "2"]),
    st.sampled_from([True, True, True, False]),
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """One that `limits` reads too, which takes no other than the system's."""
    still = Clock()
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", still)
        yield still


@settings(
    max_examples=how_many(person=100, full=5000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_STEPS, min_size=30, max_size=90))
def test_every_sequence_is_counted_as_limits_counts_it(
    clock: Clock, steps: list[tuple[float, str, str, str, bool]]
) -> None:
    ours, theirs = MemoryCounts(clock), FixedWindowRateLimiter(MemoryStorage())
    for seconds, what, notation, slot, counts in steps:
        clock.pass_seconds(seconds)
        # One name has one rate here; `limits` takes the rate into its key.
        named, item = f"{what} {notation}", parse(notation)
        may = (theirs.hit if counts else theirs.test)(item, named, slot)
        wait = ours.wait_seconds(named, allowance(notation), slot, counts=counts)
        assert (wait == 0) == may
        if not may:
            reset_at = theirs.get_window_stats(item, named, slot).reset_time
            assert wait == pytest.approx(reset_at - clock())


@pytest.mark.parametrize(
    ("elapsed", "retry_after_seconds"),
    [(0, 60), (0.4, 60), (1, 59), (29.5, 31), (59, 1), (59.5, 1), (59.999, 1)],
)
async def test_whoever_is_refused_hears_when_to_come_again(
    elapsed: float, retry_after_seconds: int
) -> None:
    """R-23: in whole seconds, never too few and never none."""
    rates, clock = Rates(), Clock()
    rates._own = MemoryCounts(clock)
    rate = rates.rate("calls", "1/minute")
    await rate.hit(request_of())
    clock.pass_seconds(elapsed)
    for use in (rate.hit, rate.look):
        with pytest.raises(TooManyRequestsError) as refused:
            await use(request_of())
        assert refused.value.retry_after_seconds == retry_after_seconds
    clock.pass_seconds(retry_after_seconds)
    await rate.look(request_of())
    await rate.hit(request_of())
