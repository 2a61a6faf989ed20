"""Okta's rate limits: what its headers say, and a count per bucket that all callers share.

Okta counts requests per bucket of paths in windows of 60 seconds and says on each answer how many
are left and when the window ends. `Limits` keeps that and counts our own calls between answers, so
that callers who waited for a new window do not overrun it together. Used by `api` alone. It does
no I/O and never sleeps; times are seconds of the clock that it is given.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

WINDOW_SECONDS = 60.0
# A reset is given in whole seconds, so the same window may look a little later the next time.
_SAME_WINDOW_SECONDS = 5.0
_MAX_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """What one answer says: `resets_in_seconds` counts from the moment of the answer."""

    limit: int
    remaining: int
    resets_in_seconds: float

    @property
    def is_concurrency(self) -> bool:
        """Too many at the same time, not too many a minute: then the reset says nothing."""
        return self.limit == 0 and self.remaining == 0


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
    return RateHeaders(min(limits), min(remaining), min(seconds, _MAX_WAIT_SECONDS))


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


@dataclass(slots=True)
class _Window:
    """One window of a bucket; until an answer has told its end, that is a guess."""

    ends_at: float
    is_guess: bool = True
    is_closed: bool = False
    limit: float = math.inf
    used: int = 0


class Limits:
    """The windows of all buckets. A caller takes a place, calls Okta, and gives the place back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._windows: dict[str, _Window] = {}
        self._in_flight: dict[str, int] = {}

    def take(self, bucket: str) -> float:
        """0 if a call may go now (it is counted), otherwise seconds until it is worth asking."""
        now = self._now()
        window = self._window(bucket)
        if now >= window.ends_at:
            window = _Window(now + WINDOW_SECONDS, limit=window.limit)
            self._windows[bucket] = window
        if window.is_closed or window.used >= window.limit:
            return window.ends_at - now
        window.used += 1
        self._in_flight[bucket] = self._in_flight.get(bucket, 0) + 1
        return 0.0

    def give_back(self, bucket: str) -> None:
        """A call that was taken has ended, however it ended."""
        self._in_flight[bucket] -= 1

    def learn(self, bucket: str, said: RateHeaders) -> None:
        """Takes over what an answer said about the bucket's window."""
        if said.is_concurrency:
            return
        window = self._window(bucket)
        ends_at = self._now() + said.resets_in_seconds
        if not window.is_guess:
            if ends_at < window.ends_at - _SAME_WINDOW_SECONDS:
                return  # a late answer of a window that is over
            if ends_at > window.ends_at + _SAME_WINDOW_SECONDS:
                window.used = self._in_flight.get(bucket, 0)
                window.is_closed = False
                window.is_guess = True
        if window.is_guess:
            window.ends_at, window.is_guess = ends_at, False
        window.limit = said.limit
        # Answers lag behind calls, and others use the bucket too: the higher count is the safe one.
        window.used = max(window.used, said.limit - said.remaining)

    def close(self, bucket: str, said: RateHeaders | None) -> None:
        """A 429: nobody asks this bucket again before its window ends."""
        window = self._window(bucket)
        seconds = said.resets_in_seconds if said else WINDOW_SECONDS
        window.ends_at, window.is_guess, window.is_closed = self._now() + seconds, False, True
        if said is not None and said.limit > 0:
            window.limit = said.limit

    def _window(self, bucket: str) -> _Window:
        return self._windows.setdefault(bucket, _Window(self._now() + WINDOW_SECONDS))


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
