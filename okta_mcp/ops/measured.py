"""The store, Okta's client and the application, with their calls counted and timed.

The composition root puts these around the real ones where `METRICS_LISTEN` is set; whatever they
stand around does not know. Each passes every answer and every error on as it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from okta_mcp.okta.limits import bucket_of, rate_headers
from okta_mcp.ops.metrics import Metrics
from okta_mcp.stores.interface import Kind, Store, StoreFullError, StoreUnavailableError

_API = "/api/v1/"
_SIGN_IN = "sign-in"


class MeasuredStore:
    """`store` with its verbs counted under `name`, the kind of store. Implements `Store`."""

    def __init__(self, store: Store, name: str, metrics: Metrics) -> None:
        self._store = store
        self._name = name
        self._metrics = metrics

    async def get(self, kind: Kind, key: str) -> bytes | None:
        with self._measured("get"):
            return await self._store.get(kind, key)

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        with self._measured("follow"):
            return await self._store.follow(kind, key, field, to)

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        with self._measured("put"):
            return await self._store.put(
                kind, key, value, ttl_seconds=ttl_seconds, if_absent=if_absent
            )

    async def take(self, kind: Kind, key: str) -> bytes | None:
        with self._measured("take"):
            return await self._store.take(kind, key)

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        with self._measured("swap"):
            return await self._store.swap(
                kind, key, expected=expected, value=value, ttl_seconds=ttl_seconds
            )

    async def delete(self, kind: Kind, key: str) -> bool:
        with self._measured("delete"):
            return await self._store.delete(kind, key)

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        # The time of the store, not what its reader does between two values.
        values = aiter(self._store.scan(kind, prefix))
        seconds, outcome = 0.0, "success"
        try:
            while True:
                began_at = time.perf_counter()
                try:
                    value = await anext(values)
                except StopAsyncIteration:
                    return
                finally:
                    seconds += time.perf_counter() - began_at
                yield value
        except StoreUnavailableError:
            outcome = "unavailable"
            raise
        finally:
            self._count("scan", outcome, seconds)

    async def sweep(self) -> int:
        with self._measured("sweep"):
            swept = await self._store.sweep()
        self._metrics.store_swept.labels(self._name).inc(swept)
        return swept

    async def close(self) -> None:
        await self._store.close()

    @contextmanager
    def _measured(self, verb: str) -> Iterator[None]:
        began_at = time.perf_counter()
        outcome = "failure"
        try:
            yield
            outcome = "success"
        except StoreUnavailableError:
            outcome = "unavailable"
            raise
        except StoreFullError:
            outcome = "full"
            raise
        finally:
            self._count(verb, outcome, time.perf_counter() - began_at)

    def _count(self, verb: str, outcome: str, seconds: float) -> None:
        self._metrics.store_verbs.labels(self._name, verb, outcome).inc()
        self._metrics.store_seconds.labels(self._name, verb).observe(seconds)


class MeasuredClient(httpx.AsyncClient):
    """The one client of Okta, with each request counted under the bucket that Okta counts it in.

    `now` is epoch seconds, and the arguments are those of `httpx.AsyncClient`.
    """

    def __init__(self, metrics: Metrics, now: Callable[[], float], **options: Any) -> None:
        super().__init__(**options)
        self._metrics = metrics
        self._now = now

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        path = request.url.path
        bucket = bucket_of(path) if path.startswith(_API) else _SIGN_IN
        began_at = time.perf_counter()
        outcome = "unreachable"
        try:
            response = await super().send(request, **options)
            outcome = _outcome(response.status_code)
        finally:
            self._metrics.okta_requests.labels(bucket, outcome).inc()
            seconds = time.perf_counter() - began_at
            self._metrics.okta_seconds.labels(bucket).observe(seconds)
        said = rate_headers(response.headers, self._now())
        if said is not None and not said.is_concurrency:
            self._metrics.okta_limit.labels(bucket).set(said.limit)
            self._metrics.okta_left.labels(bucket).set(said.remaining)
        return response


def measured_sleep(metrics: Metrics) -> Callable[[float], Awaitable[None]]:
    """Sleeps as `asyncio.sleep` does, for the waits of calls to Okta."""

    async def sleep(seconds: float) -> None:
        metrics.okta_wait_seconds.observe(seconds)
        await asyncio.sleep(seconds)

    return sleep


class MeasuredAnswers:
    """ASGI middleware around everything: how each HTTP request was answered, and how soon."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began_at = time.perf_counter()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.http_answers.labels(_outcome(message["status"])).inc()
                self._metrics.http_seconds.observe(time.perf_counter() - began_at)
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)


def _outcome(status: int) -> str:
    match status:
        case 429:
            return "rate_limited"
        case 503:
            return "unavailable"
        case _ if status >= 500:
            return "failure"
        case _ if status >= 400:
            return "refused"
        case _:
            return "success"
