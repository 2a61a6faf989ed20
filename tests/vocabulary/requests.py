"""Requests made by hand, for what is tested without a server."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import Message


def request_of(
    *,
    method: str = "POST",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    query: str = "",
    body: bytes | list[bytes] = b"",
) -> Request:
    """A request whose body arrives in the given pieces."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers or []
    pieces = list(body) if isinstance(body, list) else [body]

    async def receive() -> Message:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query.encode("latin-1"),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
    }
    return Request(scope, receive)
