"""Errors as JSON: nobody comes here with a browser."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import AuditFileError
from okta_mcp.serving.rates import TooManyRequestsError
from okta_mcp.serving.trace import reference_of
from okta_mcp.stores.interface import StoreFullError, StoreUnavailableError

_OUTAGE_SECONDS = 5
_FULL_SECONDS = 60

log = logging.getLogger("okta_mcp")


def error_handlers() -> dict[Any, Any]:
    """Starlette's table of exception classes and handlers."""

    async def http_error(request: Request, error: HTTPException) -> Response:  # noqa: ARG001
        code = "method_not_allowed" if error.status_code == 405 else "not_found"
        return _json(error.status_code, {"error": code}, error.headers or {})

    async def too_many_requests(request: Request, error: TooManyRequestsError) -> Response:  # noqa: ARG001
        return _later(429, str(error), error.retry_after_seconds)

    async def full(request: Request, error: StoreFullError) -> Response:
        log.error("request %s refused: %s", reference_of(request), error)
        return _later(503, "try again later", _FULL_SECONDS)

    async def store_away(request: Request, error: StoreUnavailableError) -> Response:  # noqa: ARG001
        # No line in the log: whoever watches the store has written the one that there is.
        said = "the server's store does not answer; try again in a moment"
        return _later(503, said, _OUTAGE_SECONDS)

    async def trail_away(request: Request, error: AuditFileError) -> Response:  # noqa: ARG001
        # A refusal that could not be put on the record; the writer has said so in the log.
        said = "the server cannot write its audit trail; try again in a moment"
        return _later(503, said, _OUTAGE_SECONDS)

    async def crash(request: Request, error: Exception) -> Response:
        reference = reference_of(request)
        log.error("request %s failed", reference, exc_info=error)
        return _json(500, {"error": "server_error", "error_description": f"reference {reference}"})

    async def gone(request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG001
        return Response(status_code=400)

    return {
        ClientDisconnect: gone,
        HTTPException: http_error,
        TooManyRequestsError: too_many_requests,
        StoreFullError: full,
        StoreUnavailableError: store_away,
        AuditFileError: trail_away,
        Exception: crash,
    }


def _later(status: int, description: str, seconds: int) -> Response:
    body = {"error": "temporarily_unavailable", "error_description": description}
    return _json(status, body, {"Retry-After": str(seconds)})


def _json(status: int, body: dict[str, str], headers: Mapping[str, str] | None = None) -> Response:
    uncached = {"Cache-Control": "no-store"}
    return JSONResponse(body, status_code=status, headers=uncached | dict(headers or {}))
