"""`/health` and `/health/ready`: what a load balancer and a supervisor ask, and no more."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from okta_mcp.stores.interface import Kind, Store

_PROBE = Kind("health", 1)


class HealthEndpoint:
    """Says nothing to strangers but the one word; details are for the log."""

    def __init__(self, store: Store, is_degraded: Callable[[], bool]) -> None:
        self._store = store
        self._is_degraded = is_degraded
        self._is_stopping = False

    async def get(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """200 either way, because the process lives: `ok`, or `degraded` while Okta is away."""
        return JSONResponse({"status": "degraded" if self._is_degraded() else "ok"})

    async def ready(self, request: Request) -> Response:  # noqa: ARG002 - an endpoint
        """200 `ready`; 503 `not ready` while stopping or without the store."""
        if self._is_stopping or not await self._store_answers():
            return JSONResponse({"status": "not ready"}, status_code=503)
        return JSONResponse({"status": "ready"})

    def stop(self) -> None:
        """From now on the server is not ready."""
        self._is_stopping = True

    async def _store_answers(self) -> bool:
        try:
            await self._store.get(_PROBE, "-")
        except OSError:
            return False
        return True
