"""When a call to Okta may go: a place in its bucket's window, then one of the slots.

    async with turns.turn(bucket, person, patience) as turn:
        turn.sent()
        ...
        turn.answered(...)

A call waits at most 10 seconds in all for its bucket. If its place comes later it is refused at
once with the time; the place is then promised to the person, and a call made after that time finds
it (see `promises` for how long, `budget` for whose places are whose). A slot is waited for at most
30 seconds more. Whatever ends a call, also its cancellation, gives back the slot and what was not
used; only a request that was sent stays counted, because Okta counts it too.

Until the first answer has told a bucket's limit, one call goes first (one of the server's, one of
people's) and the others wait for it, so that a burst after a start does not overrun a small bucket.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from okta_mcp.okta.budget import Budget
from okta_mcp.okta.count import Place
from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.okta.limits import RateHeaders
from okta_mcp.okta.promises import WAITED_SECONDS, Promise
from okta_mcp.okta.sharing import Counts, Sharing
from okta_mcp.okta.slots import Slots

# A queue for a slot moves on whenever a call ends, so it is worth more patience than a bucket.
_SLOT_SECONDS = 30.0
# A sleep may end a moment early; the rest of it is never what a call is refused for.
_EARLY_SECONDS = 0.05


class Patience:
    """How long one call may still wait, over all its attempts.

    `request_id` is Okta's id of the last answer, for the error.
    """

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._now = now
        self._sleep = sleep
        self._left_seconds = WAITED_SECONDS
        self.request_id: str | None = None

    async def wait(self, seconds: float) -> None:
        """Sleeps; refuses at once if that is longer than the call may still wait."""
        if seconds > self._left_seconds + _EARLY_SECONDS:
            self.give_up(seconds)
        self._left_seconds -= seconds
        await self._sleep(seconds)

    async def wait_for(self, turn: Awaitable[object], *, otherwise_seconds: float) -> None:
        """Waits for `turn`; `otherwise_seconds` is when to come back if it does not come."""
        began_at = self._now()
        try:
            async with asyncio.timeout(max(self._left_seconds, 0)):
                await turn
        except TimeoutError:
            self.give_up(otherwise_seconds)
        self._left_seconds -= max(self._now() - began_at, 0)

    def give_up(self, seconds: float) -> NoReturn:
        raise OktaRateLimitedError(max(math.ceil(seconds), 1), request_id=self.request_id)


@dataclass(slots=True)
class Turn:
    """The right to send one request now; what its answer told counts at the end of the turn."""

    budget: Budget
    place: Place
    answer: tuple[RateHeaders | None, bool] | None = None

    def sent(self) -> None:
        """From now on Okta may count the request."""
        self.budget.sent(self.place)

    def answered(self, said: RateHeaders | None, *, too_many: bool) -> None:
        """What the answer's headers say; `too_many` is a 429."""
        self.answer = (said, too_many)


class Turns:
    """The budgets of all buckets and the slots; one object for the process.

    `longest_seconds` is the longest that a request may be under way. Processes with the same
    `counts` keep one count of each bucket; the slots are always of this process alone.
    """

    def __init__(
        self,
        slots: int,
        now: Callable[[], float],
        *,
        longest_seconds: float,
        counts: Counts | None = None,
    ) -> None:
        self._now = now
        self._longest_seconds = longest_seconds
        self._slots = Slots(slots)
        self._sharing = Sharing(counts)
        self._budgets: defaultdict[str, Budget] = defaultdict(lambda: Budget(now))
        self._first: dict[tuple[str, bool], asyncio.Event] = {}

    @asynccontextmanager
    async def turn(
        self, bucket: str, person: str | None, patience: Patience
    ) -> AsyncIterator[Turn]:
        """`person` is whose share is used, None for the server itself.

        Raises `OktaRateLimitedError` if the call would wait too long.
        """
        budget = self._budgets[bucket]
        async with AsyncExitStack() as given:
            if not budget.is_known:
                await self._sharing.look(bucket, budget)
            if not budget.is_known:
                await self._first_answer((bucket, person is None), patience, given)
            turn = Turn(budget, await self._place(bucket, person, patience))
            given.push_async_callback(self._end, bucket, turn)
            await self._slot(person, patience)
            given.callback(self._slots.release, person)
            yield turn

    async def _end(self, bucket: str, turn: Turn) -> None:
        await self._sharing.end(bucket, turn.budget, turn.place, turn.answer)

    async def _first_answer(
        self, calls: tuple[str, bool], patience: Patience, given: AsyncExitStack
    ) -> None:
        """Lets one call go first, and the others wait until it has ended, however it ended."""
        under_way = self._first.get(calls)
        if under_way is not None:
            await patience.wait_for(under_way.wait(), otherwise_seconds=self._longest_seconds)
            return
        ended = self._first[calls] = asyncio.Event()
        given.callback(ended.set)
        given.callback(self._first.pop, calls)

    async def _slot(self, person: str | None, patience: Patience) -> None:
        try:
            async with asyncio.timeout(_SLOT_SECONDS):
                await self._slots.acquire(person)
        except TimeoutError:
            # By then all calls that are under way now have ended.
            patience.give_up(self._longest_seconds)

    async def _place(self, bucket: str, person: str | None, patience: Patience) -> Place:
        budget = self._budgets[bucket]
        held: Promise | None = None
        while True:
            found = await self._sharing.take(bucket, budget, person, held)
            if isinstance(found, Place):
                return found
            seconds = found.due_at - self._now()
            if person is not None and not found.is_kept:
                patience.give_up(seconds)
            if seconds > WAITED_SECONDS:
                patience.give_up(budget.come_at(found) - self._now())
            if found is not held:
                budget.hold(found)
            held = found
            try:
                await patience.wait(seconds)
            except OktaRateLimitedError:
                budget.release(held)
                raise
            except asyncio.CancelledError:
                budget.drop(held)
                raise
