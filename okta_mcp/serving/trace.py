"""What ties a request to its lines in the log and the audit trail."""

import random
from itertools import product
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

# Crockford's base 32: nothing in it can be misread over the telephone.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two letters are ten bits: one look-up for each pair, because every request has a reference.
_PAIRS = tuple(first + second for first, second in product(_ALPHABET, repeat=2))


def new_reference() -> str:
    """A reference such as `7F3K-21QD`, short enough to be read out."""
    bits = random.getrandbits(40)
    first, second = _PAIRS[bits & 1023], _PAIRS[bits >> 10 & 1023]
    third, fourth = _PAIRS[bits >> 20 & 1023], _PAIRS[bits >> 30]
    return f"{first}{second}-{third}{fourth}"


class RequestReferences:
    """ASGI middleware that gives every request its reference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["reference"] = new_reference()
        await self._app(scope, receive, send)


def reference_of(request: Request) -> str:
    """The reference of a request, as pages show it and audit lines carry it."""
    return str(request.scope["state"]["reference"])


def trace(request: Request) -> dict[str, Any]:
    """The audit fields that every event of a request has."""
    peer = request.scope.get("client")
    return {"request_id": reference_of(request), "ip": peer[0] if peer else None}
