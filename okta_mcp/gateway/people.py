"""A program that must not be shared: one process for each person, started at the first use.

Held by `gateway.py` for servers with `per_person`. Lists come from a template process that no
person's call ever reaches. A person's process ends when nobody has used it for `idle_seconds`, or
when another person needs its place and it is the one that has been idle for longest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from okta_mcp.gateway.errors import ServerBusyError, ServerUnavailableError
from okta_mcp.gateway.servers import StdioServer
from okta_mcp.gateway.upstream import Upstream


@dataclass(slots=True)
class _Own:
    upstream: Upstream
    used_at: float
    running: int = 0


class PersonalUpstreams:
    """The processes of `server` by person; `make` makes an upstream, `now` is in seconds."""

    def __init__(
        self, server: StdioServer, make: Callable[[], Upstream], now: Callable[[], float]
    ) -> None:
        self._server = server
        self._make = make
        self._now = now
        self._own: dict[str, _Own] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._is_over = False

    @property
    def count(self) -> int:
        """How many people have a process."""
        return len(self._own)

    @contextlib.asynccontextmanager
    async def of(self, person: str) -> AsyncIterator[Upstream]:
        """The process of `person`, which stays at least until the context ends.

        Raises `ServerBusyError` and `ServerUnavailableError`.
        """
        if person not in self._own:
            await self._make_room()
        if self._is_over:
            raise ServerUnavailableError(self._server.name, "was stopped")
        own = self._own.get(person)
        if own is None:
            own = self._own[person] = _Own(self._make(), self._now())
            own.upstream.start()
        own.running += 1
        try:
            await own.upstream.ready()
            yield own.upstream
        finally:
            own.running -= 1
            own.used_at = self._now()

    def end_idle(self) -> None:
        """End what nobody has used for `idle_seconds`."""
        idle_since = self._now() - self._server.idle_seconds
        for person, own in list(self._own.items()):
            if not own.running and own.used_at <= idle_since:
                self._end(person)

    async def stop(self) -> None:
        """End all; nobody gets one any more."""
        self._is_over = True
        for person in list(self._own):
            self._end(person)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _make_room(self) -> None:
        """What ends counts until it has ended."""
        while len(self._own) + len(self._ending) >= self._server.most_processes:
            if not self._ending:
                idle = [(each.used_at, who) for who, each in self._own.items() if not each.running]
                if not idle:
                    raise ServerBusyError(self._server.name)
                self._end(min(idle)[1])
            await asyncio.wait(self._ending, return_when=asyncio.FIRST_COMPLETED)

    def _end(self, person: str) -> None:
        task = asyncio.create_task(self._own.pop(person).upstream.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
