"""How many calls to Okta are under way at once, and whose they are.

Okta refuses more than a number of calls at the same time for the whole organisation. A slot is held
while a request is under way. One slot is kept for the server's own calls (`person` is None), which
are never held back while any slot is free. A person holds no more slots than stay free for others:
alone about half of them, and a newcomer finds one. Who waits is served when a slot comes free, the
server first, then the person who holds least, then who came first.

Used by `turns` alone.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    person: str | None
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Slots:
    def __init__(self, slots: int) -> None:
        self._free = slots
        self._kept_for_the_server = 1 if slots > 1 else 0
        self._held: Counter[str | None] = Counter()
        self._waiting: list[_Waiting] = []

    async def acquire(self, person: str | None) -> None:
        """Waits for a slot; whoever is cancelled while waiting holds none."""
        waiting = _Waiting(person)
        self._waiting.append(waiting)
        self._serve()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self.release(person)
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            raise

    def release(self, person: str | None) -> None:
        self._free += 1
        self._held -= Counter([person])
        self._serve()

    def _serve(self) -> None:
        """Gives free slots to those who wait and may have one."""
        # Who was cancelled in this very moment has not run yet to leave: no slot goes there.
        self._waiting = [each for each in self._waiting if not each.turn.done()]
        # sort() is stable: of two people who hold as much, the one who came first is first.
        while self._waiting:
            self._waiting.sort(key=lambda each: (each.person is not None, self._held[each.person]))
            first = self._waiting[0]
            if not self._may_have_one(first.person):
                return
            del self._waiting[0]
            self._free -= 1
            self._held[first.person] += 1
            first.turn.set_result(None)

    def _may_have_one(self, person: str | None) -> bool:
        if person is None:
            return self._free > 0
        return self._held[person] < self._free - self._kept_for_the_server
