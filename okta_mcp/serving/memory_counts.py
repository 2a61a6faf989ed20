"""Counts of rates in this process's memory, in fixed windows as redis_counts has them in Redis.

The storage in memory of the package `limits` starts a task at each count, which walks through all
counts there are: under a flood from many addresses every request would pay for all of them. Here an
ended window goes when its count is asked for again, or when those that ended may be half of all.
"""

import time
from collections.abc import Callable

from okta_mcp.allowance import Allowance

_LEAST_BEFORE_SWEEP = 1024


class MemoryCounts:
    """A window's end and its count, by what is counted and for whom.

    `now` is seconds of a clock that is never set back: otherwise a window could last for hours.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._sweep_at = _LEAST_BEFORE_SWEEP

    def wait_seconds(self, what: str, allowed: Allowance, slot: str, *, counts: bool) -> float:
        """0 where one more may happen, which is then counted if it `counts`; else until it may."""
        now, key = self._now(), (what, slot)
        ends_at, count = self._windows.get(key, (now, 0))
        if ends_at <= now:
            ends_at, count = now + allowed.seconds, 0
        if count >= allowed.amount:
            return ends_at - now
        if counts:
            if not count and len(self._windows) >= self._sweep_at:
                self._sweep(now)
            self._windows[key] = (ends_at, count + 1)
        return 0.0

    def _sweep(self, now: float) -> None:
        self._windows = {key: each for key, each in self._windows.items() if each[0] > now}
        self._sweep_at = max(_LEAST_BEFORE_SWEEP, 2 * len(self._windows))
