"""`/health` and `/health/ready`: what a load balancer and a supervisor ask, and no more."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import Audit
from okta_mcp.ops.stopping import Stopping
from okta_mcp.stores.interface import Kind, StoreUnavailableError
from okta_mcp.stores.watched import WatchedStore

_PROBE = Kind("health", 1)


class HealthEndpoint:
    """Says nothing to strangers but a word or two; details are for the log."""

    def __init__(
        self,
        store: WatchedStore,
        audit: Audit,
        is_degraded: Callable[[], bool],
        stopping: Stopping,
    ) -> None:
        self._store = store
        self._audit = audit
        self._is_degraded = is_degraded
        self._stopping = stopping

    async def get(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """200 either way, because the process lives: `ok`, or `degraded` while Okta is away."""
        return JSONResponse({"status": "degraded" if self._is_degraded() else "ok"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """200 `ready`; 503 `not ready` with the reason `stopping`, `store` or `audit`."""
        self._stopping.note_watcher()
        if self._stopping.has_begun:
            reason = "stopping"
        elif not await self._store_answers():
            reason = "store"
        elif not self._audit.is_writable:
            reason = "audit"
        else:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready", "reason": reason}, status_code=503)

    async def _store_answers(self) -> bool:
        # While it is away nobody who asks here makes it worse.
        if self._store.is_away:
            return False
        try:
            await self._store.get(_PROBE, "-")
        except StoreUnavailableError:
            return False
        return True
