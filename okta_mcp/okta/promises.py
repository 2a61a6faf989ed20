"""Places in windows to come, promised to people who found a bucket used up.

Promises come in rounds: all places of a round fall due at the same moment. The first round falls
due when the running window ends, each further one `_ROUND_SECONDS` after the one before. That is
more than a window, because Okta's next window may begin a little later than the last one ended;
so no window of Okta's ever holds the beginning of two rounds, and a round has as many places as a
window has for people. A call that is told to come back leaves a promise; a call that waits holds
one. Bounds: `_ROUNDS` rounds ahead, one share of a window for each person in all (who asks for more
is told the promise that stands), and a promise lapses `PROMISE_SECONDS` after it fell due.

Used by `budget` alone. No I/O, no clock of its own.
"""

from collections import Counter
from dataclasses import dataclass, field

WAITED_SECONDS = 10.0
_ROUND_SECONDS = 65.0
_ROUNDS = 30
PROMISE_SECONDS = 50.0


@dataclass(slots=True)
class _Round:
    """`booked` are all places by person, `held` those of them that a waiting call has."""

    due_at: float
    booked: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """When there is a place. Without a round none is kept: the end of a window, where the server
    finds one, or a promise of the person that another call already waits for."""

    due_at: float
    person: str | None = None
    round: _Round | None = None

    @property
    def is_kept(self) -> bool:
        return self.round is not None


class Promises:
    """The promises of one bucket."""

    def __init__(self) -> None:
        self._rounds: list[_Round] = []

    def book(
        self, person: str, now: float, *, first_due_at: float, places: float, share: float
    ) -> Promise:
        """A place in the earliest round that has one, or the promise that the person has."""
        coming = [each for each in self._rounds if each.due_at > now]
        mine = [each for each in coming if each.booked[person]]
        free = next((each for each in mine if each.booked[person] > each.held[person]), None)
        # Who comes back shortly before the time comes for the promise, not for another one.
        if free is not None and free.due_at - now <= WAITED_SECONDS:
            return Promise(free.due_at, person, free)
        if sum(each.booked[person] for each in mine) >= share:
            return Promise(free.due_at, person, free) if free else Promise(mine[0].due_at, person)
        for each in coming:
            if each.booked.total() < places:
                break
        else:
            if len(coming) >= _ROUNDS:
                return Promise(coming[-1].due_at, person)
            last_due_at = coming[-1].due_at if coming else -_ROUND_SECONDS
            each = _Round(max(first_due_at, last_due_at + _ROUND_SECONDS))
            self._rounds.append(each)
        each.booked[person] += 1
        return Promise(each.due_at, person, each)

    def hold(self, promise: Promise) -> None:
        """A call waits for this place itself: no other call of the person may use it."""
        if promise.round is not None and promise.person is not None:
            promise.round.held[promise.person] += 1

    def release(self, promise: Promise) -> None:
        """The call has waited; the place is the person's again."""
        if promise.round is not None and promise.person is not None:
            promise.round.held -= Counter([promise.person])

    def drop(self, promise: Promise) -> None:
        """The call that held the place does not need it any more."""
        self.release(promise)
        if promise.round is not None and promise.person is not None:
            promise.round.booked -= Counter([promise.person])

    def redeem(self, person: str, now: float, *, opens_at: float) -> Promise | None:
        """The person's promise that has fallen due, None if there is none or it cannot be kept.

        `opens_at` is when there is a place: now, then the promise is used up; or the end of a
        window that lasts longer than it was thought to, then the same promise falls due there.
        """
        for each in self._rounds:
            if each.due_at <= now and each.booked[person] > each.held[person]:
                if opens_at <= now or opens_at >= each.due_at + PROMISE_SECONDS:
                    each.booked -= Counter([person])
                if opens_at < each.due_at + PROMISE_SECONDS:
                    return Promise(opens_at, person, each)
        return None

    def due_before(self, moment: float) -> Counter[str]:
        """The places by person that must be left free until `moment`."""
        return sum((each.booked for each in self._rounds if each.due_at < moment), Counter())

    def people(self) -> set[str]:
        """Everybody who was told to come back, or waits."""
        return {person for each in self._rounds for person in each.booked}

    def expire(self, now: float) -> None:
        self._rounds = [each for each in self._rounds if each.due_at + PROMISE_SECONDS > now]
