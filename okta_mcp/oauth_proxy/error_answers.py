"""The one place where an error becomes an answer: a page for a person, JSON for a client."""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from okta_mcp.oauth_proxy.errors import PageError, TokenError
from okta_mcp.oauth_proxy.rates import TooManyRequestsError
from okta_mcp.oauth_proxy.responses import Responses
from okta_mcp.oauth_proxy.token import NO_STORE
from okta_mcp.oauth_proxy.trace import reference_of
from okta_mcp.stores.interface import StoreFullError

log = logging.getLogger("okta_mcp")


def error_handlers(responses: Responses) -> dict[Any, Any]:
    """Starlette's table of exception classes and handlers."""

    async def token_error(request: Request, error: TokenError) -> Response:  # noqa: ARG001
        body = {"error": error.code, "error_description": error.description}
        return JSONResponse(body, status_code=error.status, headers=NO_STORE | error.headers)

    async def page_error(request: Request, error: PageError) -> Response:
        return responses.problem(request, error)

    async def too_many_requests(request: Request, error: TooManyRequestsError) -> Response:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        if _wants_page(request):
            page = PageError(
                "too_many_requests", status=429, wait=f"{error.retry_after_seconds} seconds"
            )
            response = responses.problem(request, page)
            response.headers.update(headers)
            return response
        body = {"error": "temporarily_unavailable", "error_description": str(error)}
        return JSONResponse(body, status_code=429, headers=NO_STORE | headers)

    async def http_error(request: Request, error: HTTPException) -> Response:
        reason = "method_not_allowed" if error.status_code == 405 else "not_found"
        if _wants_page(request):
            page = PageError(reason, status=error.status_code)
            response = responses.problem(request, page)
            response.headers.update(error.headers or {})
            return response
        return JSONResponse({"error": reason}, status_code=error.status_code, headers=error.headers)

    async def crash(request: Request, error: Exception) -> Response:
        reference = reference_of(request)
        log.error("request %s failed", reference, exc_info=error)
        if _wants_page(request):
            return responses.problem(request, PageError("internal_error", status=500))
        body = {"error": "server_error", "error_description": f"reference {reference}"}
        return JSONResponse(body, status_code=500)

    async def full(request: Request, error: StoreFullError) -> Response:
        log.error("request %s refused: %s", reference_of(request), error)
        headers = {"Retry-After": "60"}
        if _wants_page(request):
            response = responses.problem(request, PageError("server_busy", status=503))
            response.headers.update(headers)
            return response
        body = {"error": "temporarily_unavailable", "error_description": "try again later"}
        return JSONResponse(body, status_code=503, headers=NO_STORE | headers)

    async def gone(request: Request, error: ClientDisconnect) -> Response:  # noqa: ARG001
        # Nobody reads it; without a handler each cut-off body would be a traceback in the log.
        return Response(status_code=400)

    return {
        ClientDisconnect: gone,
        StoreFullError: full,
        TokenError: token_error,
        PageError: page_error,
        TooManyRequestsError: too_many_requests,
        HTTPException: http_error,
        Exception: crash,
    }


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
