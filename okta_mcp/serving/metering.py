"""Whether the parts of the server are counted: by `METRICS_LISTEN`, and otherwise not at all.

A part of the composition root, called by `parts.py` and `app.py`. `Unmetered` hands the parts back
as they are and imports nothing; `Metered` puts those of `ops/measured.py` around them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpx
from starlette.middleware import Middleware

from okta_mcp.audit.writer import Audit
from okta_mcp.settings import Settings, host_and_port
from okta_mcp.stores.interface import Store


class Unmetered:
    """Nothing is counted and no port is opened."""

    sleep: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    def store(self, store: Store) -> Store:
        """`store` itself, or one around it that counts."""
        return store

    def client(self, now: Callable[[], float], **options: Any) -> httpx.AsyncClient:  # noqa: ARG002
        """A client of Okta with the `options` of `httpx.AsyncClient`."""
        return httpx.AsyncClient(**options)

    def watch(self, audit: Audit, tools: Iterable[str]) -> None:
        """Count what `audit` is told; `tools` are the names that exist."""

    def middleware(self) -> list[Middleware]:
        """What goes around the whole application."""
        return []

    def start(self) -> None:
        """From now on it can be read; called in the running loop."""

    async def stop(self) -> None:
        """Lets go of the port."""


class Metered(Unmetered):
    """Raises `SettingsError` where the port cannot be opened."""

    def __init__(self, address: str, store_name: str, process: int) -> None:
        # Only where it is used: the default server needs none of this.
        from okta_mcp.ops import measured
        from okta_mcp.ops.metrics import Metrics
        from okta_mcp.ops.metrics_listener import MetricsListener, metrics_socket

        self._measured = measured
        self._store_name = store_name
        self._metrics = Metrics()
        host, port = host_and_port(address)
        listener = metrics_socket(host, port + process - 1)
        self._listener = MetricsListener(self._metrics, listener)
        self.sleep = measured.measured_sleep(self._metrics)

    def store(self, store: Store) -> Store:
        return self._measured.MeasuredStore(store, self._store_name, self._metrics)

    def client(self, now: Callable[[], float], **options: Any) -> httpx.AsyncClient:
        return self._measured.MeasuredClient(self._metrics, now, **options)

    def watch(self, audit: Audit, tools: Iterable[str]) -> None:
        self._metrics.tools = frozenset(tools)
        audit.observe(self._metrics.count_event)

    def middleware(self) -> list[Middleware]:
        return [Middleware(self._measured.MeasuredAnswers, metrics=self._metrics)]

    def start(self) -> None:
        self._listener.start()

    async def stop(self) -> None:
        await self._listener.stop()


def metering(settings: Settings, *, process: int = 1) -> Unmetered:
    """As the settings say; of several processes, counted from 1, each has the next port."""
    if settings.metrics_listen is None:
        return Unmetered()
    store_name = settings.store.partition(":")[0].replace("rediss", "redis")
    return Metered(settings.metrics_listen, store_name, process)
