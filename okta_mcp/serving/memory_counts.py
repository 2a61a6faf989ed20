"""Counts of rates in this process's memory: what `limits` asks of a storage for fixed windows.

The storage that `limits` brings starts a task at each count, which walks through all counts there
are; under a flood from many addresses every request would pay for all of them. Here an ended window
goes when its count is asked for again, or when those that have ended may be half of all.
"""

import time

from limits.aio.storage import Storage

_LEAST_BEFORE_SWEEP = 1024


class MemoryCounts(Storage):
    """A window's count and its end (epoch seconds) by its key. Never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[float, int]] = {}
        self._sweep_at = _LEAST_BEFORE_SWEEP

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        ends_at, count = self._windows.get(key, (0.0, 0))
        if ends_at <= now:
            ends_at, count = now + expiry, 0
            if len(self._windows) >= self._sweep_at:
                self._sweep(now)
        self._windows[key] = (ends_at, count + amount)
        return count + amount

    async def get(self, key: str) -> int:
        ends_at, count = self._windows.get(key, (0.0, 0))
        return count if ends_at > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        ends_at, _ = self._windows.get(key, (0.0, 0))
        return max(ends_at, time.time())

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        gone = len(self._windows)
        self._windows.clear()
        return gone

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        self._windows = {key: each for key, each in self._windows.items() if each[0] > now}
        self._sweep_at = max(_LEAST_BEFORE_SWEEP, 2 * len(self._windows))
