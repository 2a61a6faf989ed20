"""Whose turn the places of one bucket are.

The server's own calls (`person` is None) go while there is any place, and a tenth of each window is
kept for them. A person takes at most limit // (people of this window + 1) places, at least one. In
the last `_OPEN_SECONDS` of a window what is left is anybody's, because who comes then can wait for
the next window; but it goes to nobody who was served more, counted over recent windows, than
somebody who was told to come back. Who gets no place is promised one (`promises`), and promised
places are left free.

How many places there are is told by `count`. A 429 that use by others has caused can break promises
of that window; who comes back then is promised a new place.

Where several processes keep one count, shares and promises are still those of each: it reckons that
the others have as many people as it has, and promises its part of the places. Used by `turns` and
`sharing`; no I/O.
"""

import math
from collections import Counter
from collections.abc import Callable

from okta_mcp.okta.count import WINDOW_SECONDS, Count, Place
from okta_mcp.okta.limits import RateHeaders
from okta_mcp.okta.promises import PROMISE_SECONDS, Promise, Promises

_OPEN_SECONDS = WINDOW_SECONDS - PROMISE_SECONDS
# When to come back for what is left: with some patience over for a window that ends late.
_COME_SECONDS = 8.0
# What a call counts a window later, for who was served more; less than `_FORGOTTEN` is nothing.
_FADING = 0.9
_FORGOTTEN = 0.05


class Budget:
    """One bucket, shared by all callers of the process; `count` may be that of several."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.count = Count(now)
        self._promises = Promises()
        # Of this window: what everybody was served, who was there, and the places that were taken.
        self._window = 0
        self._served: Counter[str | None] = Counter()
        self._people: set[str] = set()
        self._places: set[str] = set()
        self._served_before: dict[str, float] = {}

    @property
    def is_known(self) -> bool:
        """Whether an answer has told the limit; before that a burst could overrun it."""
        return self.count.is_known

    def take(self, person: str | None, held: Promise | None = None) -> Place | Promise:
        """A place for a call that goes now, or when there will be one.

        `held` is the promise that this call has waited for; it comes back if it is not yet due.
        """
        now = self._now()
        if held is not None and now < held.due_at:
            return held
        self.count.look()
        self._follow_windows()
        self._promises.expire(now)
        has_place = self.count.has_place
        opens_at = now if has_place else self.count.ends_at
        if person is None:
            return self._taken(None) if has_place else Promise(opens_at)
        self._people.add(person)
        if held is not None:
            self._promises.release(held)
        promise = self._promises.redeem(person, now, opens_at=opens_at)
        if promise is not None:
            return self._taken(person) if has_place else promise
        if has_place and self._may_take(person, now):
            return self._taken(person)
        kept = _kept_for_the_server(self.count.limit)
        return self._promises.book(
            person,
            now,
            first_due_at=self.count.ends_at,
            places=max((self.count.most_next_time - kept) // self.count.processes, 1),
            share=self._share(self._people | self._promises.people()),
        )

    def take_again(self, place: Place) -> bool:
        """Takes a place that another process was faster to take; whether there was one left."""
        if self.count.take_again(place):
            return True
        self._places.discard(place.id)
        self._served[place.person] -= 1
        return False

    def come_at(self, promise: Promise) -> float:
        """When to come back for the promise.

        While the window has places that nobody may take yet, that is shortly before its end, for
        one of those; if none is left by then, the call waits for the promised place.
        """
        ends_at = self.count.ends_at
        if promise.due_at > ends_at or self.count.left <= self._promised().total():
            return promise.due_at
        return max(ends_at - _COME_SECONDS, self._now())

    def hold(self, promise: Promise) -> None:
        """The call waits for the promise, so that no other call of the person may use it."""
        self._promises.hold(promise)

    def release(self, promise: Promise) -> None:
        """The call waits no longer; the promise is the person's, for a later call."""
        self._promises.release(promise)

    def drop(self, promise: Promise) -> None:
        """The call that waited for the promise has been given up."""
        self._promises.drop(promise)

    def sent(self, place: Place) -> None:
        """From now on Okta may count the call."""
        self.count.sent(place)

    def give_back(self, place: Place) -> None:
        """The call has ended, however it ended."""
        if self.count.give_back(place) and place.id in self._places:
            self._places.discard(place.id)
            self._served[place.person] -= 1

    def answered(self, place: Place, said: RateHeaders | None, *, too_many: bool) -> None:
        """Takes over what the answer says; `too_many` is a 429."""
        self.count.answered(place, said, too_many=too_many)

    def _may_take(self, person: str, now: float) -> bool:
        told_to_come_back = self._promises.people()
        is_open = now >= self.count.ends_at - _OPEN_SECONDS
        if is_open or person in told_to_come_back:
            recently = self._recently(person)
            if any(recently > self._recently(other) for other in told_to_come_back):
                return False
        if is_open:
            return self.count.left > 0
        promised = self._promised()
        kept = max(_kept_for_the_server(self.count.limit) - self._served[None], 0)
        if self.count.left - promised.total() <= kept:
            return False
        share = self._share(self._people | set(promised))
        return self._served[person] + promised[person] < share

    def _promised(self) -> Counter[str]:
        """The places of this window that are kept for those who were told to come back."""
        return self._promises.due_before(self.count.ends_at - _OPEN_SECONDS)

    def _share(self, people: set[str]) -> float:
        limit = self.count.limit
        # Infinity divides to no number.
        if math.isinf(limit):
            return limit
        return max(limit // (len(people) * self.count.processes + 1), 1)

    def _recently(self, person: str) -> float:
        return self._served[person] + self._served_before.get(person, 0.0)

    def _taken(self, person: str | None) -> Place:
        self._served[person] += 1
        place = self.count.take(person)
        self._places.add(place.id)
        return place

    def _follow_windows(self) -> None:
        """What was served in windows that are over counts less with each of them."""
        gone = self.count.windows - self._window
        if not gone:
            return
        people = {person for person in self._served if person is not None}
        self._served_before = {
            person: faded
            for person in people | set(self._served_before)
            if (faded := self._recently(person) * _FADING**gone) > _FORGOTTEN
        }
        self._window = self.count.windows
        self._served, self._people, self._places = Counter(), set(), set()


def _kept_for_the_server(limit: float) -> float:
    if math.isinf(limit):
        return 0
    return math.ceil(limit / 10) if limit > 2 else 0
