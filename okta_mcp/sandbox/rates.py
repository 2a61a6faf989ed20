"""Okta's request limits: one bucket a path family, a minute a window, a share of it a token.

Called by the Management API on every request. Numbers are those of Okta's last published table
(requests a minute, Integrator Free and Workforce); windows start with a bucket's first request and
not with the clock's minute.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 60
# One token may use half of each bucket unless an administrator changes it.
TOKEN_SHARE: Final = 0.5
_UNLIMITED: Final = 10_000

# The first row that fits counts. Two rows of Okta's table name one bucket: the list of applications
# and what is below one of them.
_BUCKETS: Final = (
    (r"apps/[^/]+", "apps/{id}", (100, 500)),
    (r"apps(/.*)?", "apps", (20, 100)),
    (r"groups/[^/]+", "groups/{id}", (100, 1000)),
    (r"groups", "groups", (100, 500)),
    (r"users/[^/]+", "users/{id}", (100, 2000)),
    (r"users", "users", (100, 600)),
    (r"logs", "logs", (20, 120)),
    (r"devices(/.*)?", "devices", (100, 100)),
    (r".*", "others", (100, 1200)),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the answer's headers say; `reset` is in epoch seconds."""

    limit: int
    remaining: int
    reset: int
    allowed: bool = True

    def headers(self) -> dict[str, str]:
        return {
            "X-Rate-Limit-Limit": str(self.limit),
            "X-Rate-Limit-Remaining": str(self.remaining),
            "X-Rate-Limit-Reset": str(self.reset),
        }


class Rates:
    """Counts the requests of each token in each bucket.

    `profile` is asked on every request: workforce, integrator, or off (counts nothing).
    """

    def __init__(self, now: Callable[[], float], profile: Callable[[], str]) -> None:
        self._now = now
        self._profile = profile
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def spend(self, token: str, path: str) -> Spent:
        """Counts one request, and says whether it is still allowed."""
        now, profile = self._now(), self._profile()
        if profile == "off":
            return unlimited(now)
        bucket, limits = bucket_of(path)
        limit = int(limits[profile == "workforce"] * TOKEN_SHARE)
        started, used = self._windows.get((token, bucket), (now, 0))
        if now >= started + WINDOW_SECONDS:
            started, used = now, 0
        # A refused request is not counted: the window ends as announced.
        allowed = used < limit
        used += allowed
        self._windows[token, bucket] = started, used
        return Spent(limit, limit - used, math.ceil(started + WINDOW_SECONDS), allowed)


def unlimited(now: float) -> Spent:
    return Spent(_UNLIMITED, _UNLIMITED - 1, math.ceil(now + WINDOW_SECONDS))


def bucket_of(path: str) -> tuple[str, tuple[int, int]]:
    """The bucket that a path is counted in: its name and its limits (Integrator, Workforce)."""
    below = path.removeprefix("/api/v1/")
    return next((name, most) for row, name, most in _BUCKETS if re.fullmatch(row, below))
