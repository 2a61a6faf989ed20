"""A simulated minute: an event loop whose clock jumps to the next thing that will happen, and an
Okta that counts as Okta does and keeps what it answered."""

import asyncio
import itertools
import math
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken, Caller
from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.okta.sharing import Counts
from tests.okta.conftest import ORG, START, rate_headers

USERS = "/api/v1/users"
_PAGES = itertools.count()


class _Selector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    """Instead of waiting for the next timer it moves the clock there."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen")
        self.seconds += max(timeout, 0)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.seconds


def simulated(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)


def now() -> float:
    return START + asyncio.get_running_loop().time()


class SimulatedOkta:
    """One bucket: `limit` answers a window of 60 seconds, then 429 until the window ends.

    Windows follow each other without a gap from `phase` on; with `phase` None a window begins with
    the first request after the last one. `statuses` counts what was answered.
    """

    def __init__(
        self, limit: int, *, phase: float | None = 17.3, latency: Callable[[], float] = lambda: 0.2
    ) -> None:
        self._limit = limit
        self._phase = phase
        self._latency = latency
        self._ends_at = -math.inf
        self._used = 0
        self.statuses: Counter[int] = Counter()
        self.under_way = self.most_under_way = 0

    def use(self) -> bool:
        """One request of anybody; whether it is still allowed."""
        if now() >= self._ends_at:
            began = now()
            if self._phase is not None:
                began = math.floor((now() - self._phase) / 60) * 60 + self._phase
            self._ends_at, self._used = began + 60, 0
        allowed = self._used < self._limit
        self._used = min(self._used + 1, self._limit)
        return allowed

    async def answer(self, _: httpx.Request) -> httpx.Response:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self._latency() / 2)
            status = 200 if self.use() else 429
            self.statuses[status] += 1
            headers = rate_headers(
                limit=self._limit,
                remaining=self._limit - self._used,
                reset=math.ceil(self._ends_at),
                date=now(),
            )
            await asyncio.sleep(self._latency() / 2)
        finally:
            self.under_way -= 1
        return httpx.Response(status, json=[], headers=headers)

    def api(self, *, concurrency: int = 15, counts: Counts | None = None) -> OktaApi:
        return OktaApi(
            httpx.AsyncClient(transport=httpx.MockTransport(self.answer)),
            ORG,
            ApiToken("x"),
            concurrency=concurrency,
            now=now,
            sleep=asyncio.sleep,
            jitter=lambda: 0.5,
            counts=counts,
        )


async def ask(api: OktaApi, person: str | None) -> int:
    """One call that nobody else makes: 0 if it was answered, otherwise when to come back."""
    try:
        await api.get(USERS, {"after": next(_PAGES)}, caller=Caller(person) if person else None)
    except OktaRateLimitedError as error:
        return error.retry_after_seconds
    return 0


class Person:
    """Calls again and again; `answers` counts what it got, `longest_wait` the time of a call.

    `heeds` is how long it stays away after a refusal that says so many seconds.
    """

    def __init__(
        self, name: str, *, heeds: Callable[[int], float] = float, pause_seconds: float = 0.0
    ) -> None:
        self.name = name
        self._heeds = heeds
        self._pause_seconds = pause_seconds
        self.answers = 0
        self.refused_after_coming_back = 0
        self.longest_call = 0.0

    async def call_until(self, api: OktaApi, until: float) -> None:
        came_back = False
        while now() < until:
            began_at = now()
            seconds = await ask(api, self.name)
            self.longest_call = max(self.longest_call, now() - began_at)
            if seconds == 0:
                self.answers += 1
                came_back = False
                await asyncio.sleep(self._pause_seconds)
            else:
                self.refused_after_coming_back += came_back
                came_back = True
                await asyncio.sleep(self._heeds(seconds))


async def all_of(*calls: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*calls))
