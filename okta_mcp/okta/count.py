"""How many places of one of Okta's windows are used.

Every call takes a place before it is sent, and the answers correct the count, so that use by
somebody else with the same credentials is seen. Answers come late and overtake each other: an
answer belongs to the window that its reset names (`RateHeaders.reset_at`), never to the one in
which it is read, and a call that was under way when a window ended counts in the next one until
its answer tells. Until an answer has told its end, a window is assumed to end 60 seconds after its
first call.

Where it ends: use by others that no answer has told yet can still make Okta answer 429; then the
window is closed until its end. Used by `budget` alone, which decides whose the places are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from okta_mcp.okta.limits import RateHeaders

WINDOW_SECONDS = 60.0
# The same window may be told with a reset of a second more or less.
_SAME_WINDOW_SECONDS = 5
# A call sent this shortly before a window's end may have reached Okta after it.
_ON_THE_WAY_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Window:
    """`reset_at` is the end by Okta's clock, None while the end is a guess.

    By our clock the window does not end before `ends_from` and not after `ends_at`. `ours` counts
    our calls, `foreign` what Okta counted beyond them, `told` is the most that an answer told.
    """

    ends_at: float
    ends_from: float = -math.inf
    reset_at: int | None = None
    is_closed: bool = False
    ours: int = 0
    foreign: int = 0
    told: int = 0

    @property
    def used(self) -> int:
        return max(self.ours + self.foreign, self.told)


@dataclass(slots=True, eq=False)
class Place:
    """A place that one call has taken; `sent_at` is None until the request is sent."""

    person: str | None
    window: _Window
    is_carried: bool = False
    sent_at: float | None = None


class Count:
    """The running window of one bucket. `windows` says how many there were before it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._window = _Window(now() + WINDOW_SECONDS)
        self._last_reset_at: float = -math.inf
        self._last_foreign: float = 0
        self._under_way: set[Place] = set()
        self.windows = 0
        # Infinity where answers tell no limit; `is_known` is whether one has been heard at all.
        self.limit = math.inf
        self.is_known = False

    @property
    def ends_at(self) -> float:
        return self._window.ends_at

    @property
    def has_place(self) -> bool:
        return not self._window.is_closed and self._window.used < self.limit

    @property
    def left(self) -> float:
        """The places left, without those that others can be expected to use still."""
        window = self._window
        if window.is_closed:
            return 0
        return self.limit - window.used - max(self._last_foreign - window.foreign, 0)

    @property
    def most_next_time(self) -> float:
        """The places that the next window can be expected to have for us."""
        return self.limit - self._last_foreign

    def look(self) -> None:
        """Opens the next window if this one has ended."""
        now = self._now()
        if now >= self._window.ends_at:
            self._open(_Window(now + WINDOW_SECONDS), self._window.ends_from)

    def take(self, person: str | None) -> Place:
        place = Place(person, self._window)
        self._window.ours += 1
        self._under_way.add(place)
        return place

    def sent(self, place: Place) -> None:
        """From now on Okta may count the call."""
        place.sent_at = self._now()

    def give_back(self, place: Place) -> bool:
        """The call has ended; whether the place that it took in this window is free again.

        A request that was sent stays counted, because Okta may have counted it.
        """
        if place not in self._under_way:
            return False
        self._under_way.discard(place)
        if place.sent_at is not None or place.window is not self._window:
            return False
        self._window.ours -= 1
        return not place.is_carried

    def answered(self, place: Place, said: RateHeaders | None, *, too_many: bool) -> None:
        """Takes over what the answer says; `too_many` is a 429."""
        self._under_way.discard(place)
        if said is None:
            self.is_known = True
            if too_many:
                self._close(self._now() + WINDOW_SECONDS)
            return
        if said.is_concurrency:
            return
        self.is_known = True
        if self._is_over(place, said):
            if place.window is self._window:
                self._window.ours -= 1
            return
        ends_at = self._now() + said.resets_in_seconds
        # Okta answered after the request was sent; two seconds for what both times are rounded by.
        sent_at = self._now() if place.sent_at is None else place.sent_at
        ends_from = sent_at + said.resets_in_seconds - 2
        if self._is_next(said):
            self._open(_Window(ends_at), ends_from - WINDOW_SECONDS)
        window = self._window
        if place.window is not window:
            window.ours += 1
        # Each answer names a moment that is not before the end: the earliest is the nearest.
        window.ends_at = ends_at if window.reset_at is None else min(window.ends_at, ends_at)
        window.ends_from = max(window.ends_from, ends_from)
        window.reset_at = said.reset_at
        window.told = max(window.told, said.used)
        window.foreign = max(window.foreign, said.used - window.ours)
        self.limit = max(said.limit, 1)
        if too_many:
            self._close(ends_at)

    def _is_over(self, place: Place, said: RateHeaders) -> bool:
        """Whether the answer was counted in a window before this one."""
        window = self._window
        if window.reset_at is not None:
            return said.reset_at < window.reset_at - _SAME_WINDOW_SECONDS
        # A call of this window was counted in this window, whatever its reset looks like.
        if place.window is window and not place.is_carried:
            return False
        return said.reset_at <= self._last_reset_at + _SAME_WINDOW_SECONDS

    def _is_next(self, said: RateHeaders) -> bool:
        reset_at = self._window.reset_at
        return reset_at is not None and said.reset_at > reset_at + _SAME_WINDOW_SECONDS

    def _open(self, window: _Window, began_from: float) -> None:
        """A new window; it counts the calls that Okta may not have counted before it began."""
        last = self._window
        if last.reset_at is not None:
            self._last_reset_at = last.reset_at
        # Half is the most that is left to others: one busy minute of theirs is not for ever.
        self._last_foreign = min(max(last.used - last.ours, 0), self.limit / 2)
        self._window = window
        self.windows += 1 + int(max(self._now() - last.ends_at, 0) // WINDOW_SECONDS)
        for place in self._under_way:
            if place.sent_at is None or place.sent_at > began_from - _ON_THE_WAY_SECONDS:
                place.window, place.is_carried = window, True
                window.ours += 1

    def _close(self, ends_at: float) -> None:
        self._window.ends_at, self._window.is_closed = ends_at, True
