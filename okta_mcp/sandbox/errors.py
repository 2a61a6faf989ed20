"""Okta's error form: one exception and the answer that it becomes.

Raised by the Management API and by what it calls, also used for the faults that tests ask for.
Source: Okta's error codes; okta-facts 2.1.
"""

import secrets
from collections.abc import Iterable
from typing import Final

from starlette.responses import JSONResponse, Response

_FIXED: Final = {
    "E0000006": (403, "You do not have permission to perform the requested action"),
    "E0000009": (500, "Internal Server Error"),
    "E0000010": (503, "Service is in read only mode"),
    "E0000011": (401, "Invalid token provided"),
    "E0000015": (401, "You do not have permission to access the feature you are requesting"),
    "E0000022": (405, "The endpoint does not support the provided HTTP method"),
    "E0000028": (400, "The request is missing a required parameter."),
    "E0000031": (400, "Invalid search criteria."),
    "E0000047": (429, "API call exceeded rate limit due to too many requests."),
}


class OktaError(Exception):
    """An answer in Okta's error form; `causes` become errorCauses."""

    def __init__(self, status: int, code: str, summary: str, causes: Iterable[str] = ()) -> None:
        super().__init__(summary)
        self.status, self.code, self.summary, self.causes = status, code, summary, tuple(causes)
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        """The answer, with an errorId of its own."""
        body = {
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": "oae" + secrets.token_urlsafe(16),
            "errorCauses": [{"errorSummary": cause} for cause in self.causes],
        }
        return JSONResponse(body, self.status, headers=self.headers)


def fixed(code: str, status: int | None = None, causes: Iterable[str] = ()) -> OktaError:
    """An error whose text never changes, with its usual status unless told."""
    usual, summary = _FIXED[code]
    return OktaError(status or usual, code, summary, causes)


def not_found(what: str, kind: str) -> OktaError:
    """No object of that kind has this id."""
    return OktaError(404, "E0000007", f"Not found: Resource not found: {what} ({kind})")


def invalid(parameter: str, cause: str) -> OktaError:
    """A query parameter has a value that Okta does not take."""
    summary = f"Api validation failed: {parameter}"
    return OktaError(400, "E0000001", summary, [f"{parameter}: {cause}"])
