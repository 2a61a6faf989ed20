"""The one place where an error becomes an answer: a page for a person, JSON for a client."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from okta_mcp.audit.writer import AuditFileError
from okta_mcp.oauth_proxy.errors import PageError, TokenError
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.token import NO_STORE
from okta_mcp.serving.rates import TooManyRequestsError
from okta_mcp.serving.trace import reference_of
from okta_mcp.stores.interface import StoreFullError, StoreUnavailableError

# An outage that is over sooner is rare; whoever asks later does not come with all the others.
_OUTAGE_SECONDS = 5
_OUTAGES: dict[type[Exception], tuple[str, str]] = {
    StoreUnavailableError: ("store_unavailable", "the server's store does not answer"),
    AuditFileError: ("audit_unavailable", "the server cannot write its audit trail"),
}

log = logging.getLogger("okta_mcp")


def error_handlers(responses: Responses) -> dict[Any, Any]:
    """Starlette's table of exception classes and handlers."""

    async def token_error(request: Request, error: TokenError) -> Response:  # noqa: ARG001
        body = {"error": error.code, "error_description": error.description}
        return JSONResponse(body, status_code=error.status, headers=NO_STORE | error.headers)

    async def page_error(request: Request, error: PageError) -> Response:
        return responses.problem(request, error)

    async def too_many_requests(request: Request, error: TooManyRequestsError) -> Response:
        seconds = error.retry_after_seconds
        page = PageError("too_many_requests", status=429, wait=f"{seconds} seconds")
        return later(request, page, str(error), seconds)

    async def http_error(request: Request, error: HTTPException) -> Response:
        reason = "method_not_allowed" if error.status_code == 405 else "not_found"
        page = PageError(reason, status=error.status_code)
        return answer(request, page, {"error": reason}, error.headers or {})

    async def crash(request: Request, error: Exception) -> Response:
        reference = reference_of(request)
        log.error("request %s failed", reference, exc_info=error)
        body = {"error": "server_error", "error_description": f"reference {reference}"}
        return answer(request, PageError("internal_error", status=500), body, {})

    async def full(request: Request, error: StoreFullError) -> Response:
        log.error("request %s refused: %s", reference_of(request), error)
        return later(request, PageError("server_busy", status=503), "try again later", 60)

    async def outage(request: Request, error: Exception) -> Response:
        # No line in the log: who watches the store, or writes the trail, has written the one.
        reason, said = _OUTAGES[type(error)]
        page = PageError(reason, status=503)
        return later(request, page, f"{said}; try again in a moment", _OUTAGE_SECONDS)

    def later(request: Request, page: PageError, description: str, seconds: int) -> Response:
        body = {"error": "temporarily_unavailable", "error_description": description}
        return answer(request, page, body, {"Retry-After": str(seconds)})

    def answer(
        request: Request, page: PageError, body: dict[str, str], headers: Mapping[str, str]
    ) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(body, status_code=page.status, headers=NO_STORE | dict(headers))
        response = responses.problem(request, page)
        response.headers.update(headers)
        return response

    async def gone(request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG001
        # Nobody reads it; without a handler each cut-off body would be a traceback in the log.
        return Response(status_code=400)

    return {
        ClientDisconnect: gone,
        StoreFullError: full,
        **dict.fromkeys(_OUTAGES, outage),
        TokenError: token_error,
        PageError: page_error,
        TooManyRequestsError: too_many_requests,
        HTTPException: http_error,
        Exception: crash,
    }
