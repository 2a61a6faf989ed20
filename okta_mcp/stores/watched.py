"""The store as requests use it: with a bound on their time, and known to be there or away.

One around every backend, made by the composition root. What one request spends with the store is
bounded in all, not per verb, so that a slow store is answered for like one that is away. The store
is away from the first verb that fails until a write of `run` has worked: a full disk can still be
read, and would seem to come and go with every request.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from okta_mcp.stores.interface import Kind, Store, StoreUnavailableError

Result = TypeVar("Result")

# A verb that takes longer is no longer one of a store that is there.
_SLOW_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_PROBE = Kind("health", 1)
_PROBE_TTL_SECONDS = 60


class _Allowance:
    """What is left of a request's time with the store."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def charged(self, verb: Coroutine[Any, Any, Result]) -> Result:
        """The verb, whose own time counts; not that in which a busy process did not get to it."""
        began_at = time.monotonic()
        try:
            return await verb
        finally:
            self.seconds -= time.monotonic() - began_at


_allowance: ContextVar[_Allowance | None] = ContextVar("store time", default=None)


@contextlib.contextmanager
def store_time(seconds: float) -> Iterator[None]:
    """In the block, and in tasks that begin in it, the store may take so long in all."""
    token = _allowance.set(_Allowance(seconds))
    try:
        yield
    finally:
        _allowance.reset(token)


class WatchedStore:
    """`on_away` hears once why the store is away, `on_back` once that it is back.

    `answers_at_once` says that no verb of `store` ever waits, so that nothing need bound its time.
    Implements `Store`.
    """

    def __init__(
        self,
        store: Store,
        on_away: Callable[[StoreUnavailableError], None],
        on_back: Callable[[], None],
        *,
        answers_at_once: bool = False,
    ) -> None:
        self._store = store
        self.answers_at_once = answers_at_once
        self._on_away = on_away
        self._on_back = on_back
        self._away = asyncio.Event()

    @property
    def is_away(self) -> bool:
        """Whether a verb has failed and no write has worked since."""
        return self._away.is_set()

    async def run(self) -> None:
        """Look at the start whether the store is there, and while it is away whether it is back."""
        while True:
            try:
                async with asyncio.timeout(_SLOW_SECONDS):
                    await self._store.put(_PROBE, "-", b"-", ttl_seconds=_PROBE_TTL_SECONDS)
            except StoreUnavailableError as error:
                self._note_away(error)
            except TimeoutError:
                self._note_away(_too_slow())
            else:
                if self.is_away:
                    self._away.clear()
                    self._on_back()
            await self._away.wait()
            await asyncio.sleep(_LOOK_SECONDS)

    async def get(self, kind: Kind, key: str) -> bytes | None:
        return await self._in_time(self._store.get(kind, key))

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        return await self._in_time(self._store.follow(kind, key, field, to))

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        return await self._in_time(
            self._store.put(kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent)
        )

    async def take(self, kind: Kind, key: str) -> bytes | None:
        return await self._in_time(self._store.take(kind, key))

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        return await self._in_time(
            self._store.swap(kind, key, expected=expected, value=value, ttl_seconds=ttl_seconds)
        )

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self._in_time(self._store.delete(kind, key))

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        values = aiter(self._store.scan(kind, prefix))
        while (value := await self._in_time(_next(values))) is not None:
            yield value

    async def sweep(self) -> int:
        return await self._in_time(self._store.sweep())

    async def close(self) -> None:
        with contextlib.suppress(StoreUnavailableError):
            await self._store.close()

    async def _in_time(self, verb: Coroutine[Any, Any, Result]) -> Result:
        """The result of a verb; raises `StoreUnavailableError` when the request's time is over.

        A write that is cut off may still happen: that is so whenever an answer is lost.
        """
        allowance = _allowance.get()
        if allowance is not None and allowance.seconds <= 0:
            verb.close()
            raise _too_slow()
        began_at = time.monotonic()
        try:
            if allowance is None:
                return await verb
            return await _within(allowance.seconds, allowance.charged(verb))
        except StoreUnavailableError as error:
            self._note_away(error)
            raise
        except TimeoutError:
            if allowance is not None:
                allowance.seconds = 0
            if time.monotonic() - began_at >= _SLOW_SECONDS:
                # Otherwise it was quick, but asked too often.
                self._note_away(_too_slow())
            raise _too_slow() from None

    def _note_away(self, error: StoreUnavailableError) -> None:
        if not self.is_away:
            self._away.set()
            self._on_away(error)


async def _within(seconds: float, verb: Coroutine[Any, Any, Result]) -> Result:
    """The result of a verb; raises `TimeoutError`.

    Not `asyncio.timeout`, which after a pause of the whole process cuts off also what is done.
    """
    task = asyncio.ensure_future(verb)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            await asyncio.sleep(0)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        task.cancel()


async def _next(values: AsyncIterator[tuple[str, bytes]]) -> tuple[str, bytes] | None:
    return await anext(values, None)


def _too_slow() -> StoreUnavailableError:
    return StoreUnavailableError("the store answers too slowly; see STORE_URL")
