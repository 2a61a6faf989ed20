"""One count of a bucket for several processes with the same credentials.

The processes of one server, on one machine or several, read the count before they change it and
write it only where nobody else has written meanwhile; so no place is given away twice. Where the
count cannot be read or written, each process goes on with what it knows, as if the others were
somebody else. Used by `turns`; the composition root says where the counts are kept.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from okta_mcp.okta.budget import Budget
from okta_mcp.okta.count import Place
from okta_mcp.okta.limits import RateHeaders
from okta_mcp.okta.promises import Promise

Result = TypeVar("Result")

# Each time that we have to begin again, another process has changed the count.
_MOST_ATTEMPTS = 20


class CountsAwayError(Exception):
    """The counts cannot be read or written now."""


class Counts(Protocol):
    """Where the processes keep their counts, each under the name of its bucket.

    Both verbs raise `CountsAwayError`.
    """

    async def read(self, bucket: str) -> bytes | None:
        """The count as it was last written, or None."""

    async def replace(self, bucket: str, expected: bytes | None, count: bytes) -> bool:
        """Writes where still `expected` stands, None being nothing, in one step; whether it did."""


class Sharing:
    """Takes places in budgets and gives them back, for all processes that use the same `counts`."""

    def __init__(self, counts: Counts | None) -> None:
        self._counts = counts
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def look(self, bucket: str, budget: Budget) -> None:
        """Takes over what other processes know."""
        await self._changed(bucket, budget, budget.count.look)

    async def take(
        self, bucket: str, budget: Budget, person: str | None, held: Promise | None
    ) -> Place | Promise:
        """`Budget.take`, where no other process has taken the same place."""
        found: Place | Promise | None = None

        def take() -> Place | Promise:
            nonlocal found
            if not (isinstance(found, Place) and budget.take_again(found)):
                found = budget.take(person, None if found else held)
            return found

        try:
            return await self._changed(bucket, budget, take)
        except asyncio.CancelledError:
            if isinstance(found, Place):
                await self.end(bucket, budget, found, None)
            elif held is not None:
                budget.drop(held)
            raise

    async def end(
        self,
        bucket: str,
        budget: Budget,
        place: Place,
        answer: tuple[RateHeaders | None, bool] | None,
    ) -> None:
        """The call has ended; `answer` is what its headers said, and whether it was a 429."""
        if answer is not None:
            said, too_many = answer
            change = partial(budget.answered, place, said, too_many=too_many)
        else:
            change = partial(budget.give_back, place)
        ended = self._changed(bucket, budget, change)
        # Who gives up must not leave the place taken.
        await (ended if self._counts is None else asyncio.shield(ended))

    async def _changed(self, bucket: str, budget: Budget, change: Callable[[], Result]) -> Result:
        """Changes the newest count, again where another process was faster."""
        if self._counts is None:
            return change()
        async with self._locks[bucket]:
            for _ in range(_MOST_ATTEMPTS):
                try:
                    kept = await self._counts.read(bucket)
                except CountsAwayError:
                    return change()
                if kept is not None:
                    budget.count.read(kept)
                result = change()
                with suppress(CountsAwayError):
                    if not await self._counts.replace(bucket, kept, budget.count.written()):
                        continue
                return result
            # Okta's answers will tell the others of it.
            return result
