"""How many places of one of Okta's windows are used.

Every call takes a place before it is sent, and the answers correct the count, so that use by
somebody else with the same credentials is seen. Answers come late and overtake each other: an
answer belongs to the window that its reset names (`RateHeaders.reset_at`), never to the one in
which it is read, and a call that was under way when a window ended counts in the next one until
its answer tells. Until an answer has told its end, a window is assumed to end 60 seconds after its
first call.

Where it ends: use by others that no answer has told yet can still make Okta answer 429; then the
window is closed until its end.

Several processes with the same credentials keep one count: each takes over what the others have
written (`read`), changes it, and writes it (`written`), which `sharing` makes one step. Used by
`budget`, which decides whose the places are, and by `sharing`.
"""

import json
import math
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from okta_mcp.okta.limits import RateHeaders

WINDOW_SECONDS = 60.0
# The same window may be told with a reset of a second more or less.
_SAME_WINDOW_SECONDS = 5
# A call sent this shortly before a window's end may have reached Okta after it.
_ON_THE_WAY_SECONDS = 5.0
# A call of another process that has not ended by then has ended with its process.
_LOST_SECONDS = 180.0
# A process that asked nothing for so long shares no window with us.
_HEARD_SECONDS = 120.0


def _new_id() -> str:
    return secrets.token_hex(6)


@dataclass(slots=True, eq=False)
class _Window:
    """`reset_at` is the end by Okta's clock, None while the end is a guess.

    By our clock the window does not end before `ends_from` and not after `ends_at`. `ours` counts
    our calls, `foreign` what Okta counted beyond them, `told` is the most that an answer told.
    """

    number: int
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
    """A place that one call has taken in the window of that number.

    `sent_at` is None until the request is sent, `person` where it is the server or not known here.
    """

    person: str | None
    window: int
    taken_at: float
    is_carried: bool = False
    sent_at: float | None = None
    id: str = field(default_factory=_new_id)


class Count:
    """The running window of one bucket. `windows` says how many there were before it, `processes`
    how many keep this count together."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._window = _Window(0, now() + WINDOW_SECONDS)
        self._last_reset_at: float = -math.inf
        self._last_foreign: float = 0
        self._under_way: dict[str, Place] = {}
        self._ours: set[str] = set()
        self._process = _new_id()
        self._heard_at: dict[str, float] = {}
        # Infinity where answers tell no limit; `is_known` is whether one has been heard at all.
        self.limit = math.inf
        self.is_known = False

    @property
    def windows(self) -> int:
        return self._window.number

    @property
    def processes(self) -> int:
        return max(len(self._heard_at), 1)

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

    def written(self) -> bytes:
        """All of this, without persons, for other processes to `read`."""
        now = self._now()
        heard_at = {
            process: at for process, at in self._heard_at.items() if at > now - _HEARD_SECONDS
        }
        count = {
            "window": asdict(self._window),
            "last_reset_at": self._last_reset_at,
            "last_foreign": self._last_foreign,
            "limit": self.limit,
            "is_known": self.is_known,
            "heard_at": heard_at | {self._process: now},
            "under_way": [
                asdict(place) | {"person": None}
                for place in self._under_way.values()
                if place.taken_at > now - _LOST_SECONDS
            ],
        }
        return json.dumps(count).encode()

    def read(self, written: bytes) -> None:
        """Takes over the count as another process, or this one, has last written it."""
        count: dict[str, Any] = json.loads(written)
        self._window = _Window(**count["window"])
        self._last_reset_at = count["last_reset_at"]
        self._last_foreign = count["last_foreign"]
        self.limit = count["limit"]
        self.is_known = count["is_known"]
        self._heard_at = count["heard_at"]
        ours = {id_: self._under_way[id_] for id_ in self._ours}
        self._under_way = {each["id"]: Place(**each) for each in count["under_way"]}
        # Of our own calls we know more: whose they are, and whether they have been sent.
        for id_, place in ours.items():
            if id_ in self._under_way:
                said = self._under_way[id_]
                place.window, place.is_carried = said.window, said.is_carried
            self._under_way[id_] = place

    def look(self) -> None:
        """Opens the next window if this one has ended."""
        now = self._now()
        if now >= self._window.ends_at:
            self._open(now + WINDOW_SECONDS, self._window.ends_from)

    def take(self, person: str | None) -> Place:
        place = Place(person, self._window.number, self._now())
        self._put(place)
        return place

    def take_again(self, place: Place) -> bool:
        """Takes the place in the count as others have changed it, if that still has one."""
        self._ended(place)
        self.look()
        if not self.has_place:
            return False
        place.window = self._window.number
        self._put(place)
        return True

    def sent(self, place: Place) -> None:
        """From now on Okta may count the call."""
        place.sent_at = self._now()

    def give_back(self, place: Place) -> bool:
        """The call has ended; whether the place that it took in this window is free again.

        A request that was sent stays counted, because Okta may have counted it.
        """
        if not self._ended(place):
            return False
        if place.sent_at is not None or place.window != self._window.number:
            return False
        self._window.ours -= 1
        return not place.is_carried

    def answered(self, place: Place, said: RateHeaders | None, *, too_many: bool) -> None:
        """Takes over what the answer says; `too_many` is a 429."""
        self._ended(place)
        if said is None:
            self.is_known = True
            if too_many:
                self._close(self._now() + WINDOW_SECONDS)
            return
        if said.is_concurrency:
            return
        self.is_known = True
        if self._is_over(place, said):
            if place.window == self._window.number:
                self._window.ours -= 1
            return
        ends_at = self._now() + said.resets_in_seconds
        # Okta answered after the request was sent; two seconds for what both times are rounded by.
        sent_at = self._now() if place.sent_at is None else place.sent_at
        ends_from = sent_at + said.resets_in_seconds - 2
        if self._is_next(said):
            self._open(ends_at, ends_from - WINDOW_SECONDS)
        window = self._window
        if place.window != window.number:
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
        if place.window == window.number and not place.is_carried:
            return False
        return said.reset_at <= self._last_reset_at + _SAME_WINDOW_SECONDS

    def _is_next(self, said: RateHeaders) -> bool:
        reset_at = self._window.reset_at
        return reset_at is not None and said.reset_at > reset_at + _SAME_WINDOW_SECONDS

    def _put(self, place: Place) -> None:
        self._window.ours += 1
        self._under_way[place.id] = place
        self._ours.add(place.id)

    def _ended(self, place: Place) -> bool:
        """Whether the call was still under way."""
        self._ours.discard(place.id)
        return self._under_way.pop(place.id, None) is not None

    def _open(self, ends_at: float, began_from: float) -> None:
        """A new window; it counts the calls that Okta may not have counted before it began."""
        last = self._window
        if last.reset_at is not None:
            self._last_reset_at = last.reset_at
        # Half is the most that is left to others: one busy minute of theirs is not for ever.
        self._last_foreign = min(max(last.used - last.ours, 0), self.limit / 2)
        gone = 1 + int(max(self._now() - last.ends_at, 0) // WINDOW_SECONDS)
        window = self._window = _Window(last.number + gone, ends_at)
        for place in self._under_way.values():
            if place.sent_at is None or place.sent_at > began_from - _ON_THE_WAY_SECONDS:
                place.window, place.is_carried = window.number, True
                window.ours += 1

    def _close(self, ends_at: float) -> None:
        self._window.ends_at, self._window.is_closed = ends_at, True
