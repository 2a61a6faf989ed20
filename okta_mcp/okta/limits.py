"""What Okta says about its rate limits: the headers of an answer, and the bucket of a path.

Okta counts requests per bucket of paths in windows of 60 seconds and says on each answer how many
are left and when the window ends. `api` reads the headers, `count` keeps count by them. It does no
I/O; times are seconds of the clock that it is given.
"""

import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

_MAX_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """What one answer says: `resets_in_seconds` counts from the moment of the answer.

    `reset_at` is the same end by Okta's own clock: however late an answer is read, and whatever
    this machine's clock says, it tells which of Okta's windows the answer was counted in.
    """

    limit: int
    remaining: int
    resets_in_seconds: float
    reset_at: int

    @property
    def is_concurrency(self) -> bool:
        """Too many at the same time, not too many a minute: then the reset says nothing."""
        return self.limit == 0 and self.remaining == 0

    @property
    def used(self) -> int:
        return max(self.limit - self.remaining, 0)


def rate_headers(headers: httpx.Headers, now: float) -> RateHeaders | None:
    """The rate limit headers of an answer; None if they are missing or no numbers.

    The wait is reset minus Okta's own `Date`, plus one: the clock of this machine may be wrong.
    """
    limits = _numbers(headers, "x-rate-limit-limit")
    remaining = _numbers(headers, "x-rate-limit-remaining")
    resets = _numbers(headers, "x-rate-limit-reset")
    if not (limits and remaining and resets):
        return None
    seconds = max(min(resets) - _date_of(headers, now), 0.0) + 1.0
    return RateHeaders(
        min(limits), min(remaining), min(seconds, _MAX_WAIT_SECONDS), reset_at=min(resets)
    )


def bucket_of(path: str) -> str:
    """The bucket that Okta counts `path` in (its last published table)."""
    family, *rest = path.removeprefix("/api/v1/").split("/")
    match family, len(rest):
        case "logs" | "devices", _:
            return family
        case "apps", 1:
            return "apps/{id}"
        case "apps", _:
            return "apps"
        case "users" | "groups", 0:
            return family
        case "users" | "groups", 1:
            return f"{family}/{{id}}"
        case _:
            return "other"


def _numbers(headers: httpx.Headers, name: str) -> list[int]:
    # isdecimal also accepts other scripts' digits, which int() reads; the length keeps int() cheap.
    return [
        int(text)
        for text in headers.get_list(name, split_commas=True)
        if text.isdecimal() and len(text) < 12
    ]


def _date_of(headers: httpx.Headers, now: float) -> float:
    try:
        moment = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return now
    return moment if math.isfinite(moment) else now
