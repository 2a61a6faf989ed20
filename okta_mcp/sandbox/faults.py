"""Answers that go wrong on demand, for tests of a client's patience.

Made by the control plane, played by the application before an endpoint is asked. A fault matches by
prefix of `METHOD /path`: "GET /api/v1/users/" fails single users and what is below them, not the
list of users. Kinds:

    status       Okta's error form with `status`; 429 comes with the headers of a spent bucket
    concurrency  429 for too many requests in flight: limit and remaining are 0
    truncate     200 whose JSON breaks off
    not_json     200 with the page of some proxy
    slow         the usual answer, `seconds` later
"""

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from okta_mcp.sandbox.errors import fixed
from okta_mcp.sandbox.rates import Spent

KINDS: Final = ("status", "concurrency", "truncate", "not_json", "slow")
_CODES: Final = {403: "E0000006", 429: "E0000047", 503: "E0000010"}
_LIMIT: Final = 100


@dataclass
class Fault:
    """What the next `times` requests whose `METHOD /path` begins with `match` get.

    `seconds` is the delay of a slow answer, or how far ahead a 429 puts the reset.
    """

    match: str
    kind: str = "status"
    status: int = 500
    times: int = 1
    seconds: float = 1.0


def due(faults: list[Fault], what: str) -> Fault | None:
    """The first fault that is left for this request; it is counted as played."""
    for fault in faults:
        if fault.times > 0 and what.startswith(fault.match):
            fault.times -= 1
            return fault
    return None


def broken(fault: Fault, now: float) -> Response:
    """The answer of every kind but `slow`."""
    if fault.kind == "truncate":
        return Response('[{"id": "00u', media_type="application/json")
    if fault.kind == "not_json":
        return Response("<html>a proxy's page</html>", media_type="text/html")
    is_concurrency = fault.kind == "concurrency"
    status = 429 if is_concurrency else fault.status
    error = fixed(_CODES.get(status, "E0000009"), status)
    if status == 429:
        # With too many in flight the reset is only a hint.
        limit = 0 if is_concurrency else _LIMIT
        error.headers = Spent(limit, 0, int(now + fault.seconds), allowed=False).headers()
    return error.response()
