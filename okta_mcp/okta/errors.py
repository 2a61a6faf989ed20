"""What can go wrong between this server and Okta, as one hierarchy with stable codes.

    OktaError
    ├── OktaRefusedError      Okta answered and said no: not_found, okta_forbidden,
    │                         okta_unauthorized, bad_filter, bad_request, feature_unavailable
    ├── OktaRateLimitedError  the limit holds for longer than a call waits: rate_limited
    └── OktaUnavailableError  no usable answer: okta_unavailable, upstream_timeout,
                              upstream_malformed

Raised by `api`; shown by the tools and by the login. The texts are ours: of Okta's answer only the
error code and, for three codes, the cleaned causes are ever shown, never a body or a header.
Control flow is by `errorCode` alone; Okta may change an `errorSummary` at any time.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from okta_mcp.okta.text import clean_text

OKTA_CODES = (
    "not_found",
    "okta_forbidden",
    "okta_unauthorized",
    "bad_filter",
    "bad_request",
    "rate_limited",
    "feature_unavailable",
    "okta_unavailable",
    "upstream_timeout",
    "upstream_malformed",
)

_CODE = re.compile(r"E\d{7}", re.ASCII)
_BAD_FILTER = frozenset({"E0000031", "E0000053"})
# Only these causes describe the request itself; others may name what the caller may not see.
_CAUSES_SHOWN = _BAD_FILTER | {"E0000001"}
_MAX_CAUSES = 5
_MAX_CAUSE_CHARS = 300


class OktaError(Exception):
    """`code` is one of `OKTA_CODES`, `message` is for people, `status` Okta's HTTP status or None.

    `request_id` is Okta's `X-Okta-Request-Id`. `details` may hold `fix`, `okta_error_code`,
    `okta_causes` (a list of texts) and `retry_after_seconds`.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        self.details: dict[str, Any] = dict(details or {})

    def copied(self) -> "OktaError":
        """An equal error, for one of several who are told of the same failure."""
        twin = type(self).__new__(type(self), *self.args)
        vars(twin).update(vars(self), details=dict(self.details))
        return twin


class OktaRefusedError(OktaError):
    """Okta answered, and the answer is no; asking again does not help."""


class OktaUnavailableError(OktaError):
    """Okta gave no answer that can be used; asking later may help."""


class OktaRateLimitedError(OktaError):
    """The limit ends in `retry_after_seconds`; a call made after that succeeds."""

    def __init__(
        self,
        retry_after_seconds: int,
        message: str = "Okta's rate limit for this kind of request is used up",
        *,
        request_id: str | None = None,
    ) -> None:
        super().__init__(
            "rate_limited",
            message,
            status=429,
            request_id=request_id,
            details={
                "retry_after_seconds": retry_after_seconds,
                "fix": f"ask again in {retry_after_seconds} seconds",
            },
        )
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: str
    message: str
    fix: str


_NOT_FOUND = _Refusal("not_found", "Okta knows no such object", "check the id with a list tool")
_FORBIDDEN = _Refusal(
    "okta_forbidden",
    "Okta does not let this server read that",
    "an administrator of Okta gives an admin role that may to whom this server asks as: the owner"
    " of the API token, the service application, or with OKTA_API_AUTH=delegated the person",
)
_SCOPE = _Refusal(
    "okta_forbidden",
    "the access token for Okta lacks an okta.* scope for that",
    "an administrator of Okta grants the scope to the application, under Okta API Scopes; with"
    " OKTA_API_AUTH=delegated, connect and sign in again afterwards",
)
_UNAUTHORIZED = _Refusal(
    "okta_unauthorized",
    "Okta does not accept the credentials that it was asked with",
    "an administrator checks OKTA_API_TOKEN (it ends after 30 days without use, and with its"
    " owner) or the application of OKTA_API_CLIENT_ID; with OKTA_API_AUTH=delegated, connect and"
    " sign in again",
)
_FEATURE = _Refusal(
    "feature_unavailable",
    "this organisation does not have that feature",
    "nothing to do here: the feature needs a licence or Okta Identity Engine",
)
_FILTER = _Refusal(
    "bad_filter",
    "Okta did not accept the search or filter expression",
    'write conditions as: attribute operator "value", joined by and/or',
)
_REQUEST = _Refusal("bad_request", "Okta did not accept the request", "check the arguments")

# Okta's code decides before the status does: 401 alone means two different things.
_BY_OKTA_CODE = {
    "E0000001": _REQUEST,
    "E0000004": _UNAUTHORIZED,
    "E0000005": _UNAUTHORIZED,
    "E0000006": _FORBIDDEN,
    "E0000007": _NOT_FOUND,
    "E0000008": _NOT_FOUND,
    "E0000011": _UNAUTHORIZED,
    "E0000015": _FEATURE,
    "E0000022": _FEATURE,
    "E0000031": _FILTER,
    "E0000053": _FILTER,
}
_BY_STATUS = {
    401: _UNAUTHORIZED,
    403: _FORBIDDEN,
    404: _NOT_FOUND,
    405: _FEATURE,
    410: _NOT_FOUND,
}


def error_of(status: int, headers: httpx.Headers, body: bytes) -> OktaError:
    """The error that an answer of Okta other than 2xx and 429 stands for."""
    request_id = request_id_of(headers)
    if 300 <= status < 400:
        return OktaUnavailableError(
            "upstream_malformed",
            "Okta answered with a redirect, which is never followed",
            status=status,
            request_id=request_id,
            details={"fix": "an administrator checks that OKTA_ORG_URL is the organisation itself"},
        )
    okta_code, causes = _code_and_causes(body)
    details: dict[str, Any] = {"okta_error_code": okta_code} if okta_code else {}
    if status >= 500:
        return OktaUnavailableError(
            "okta_unavailable",
            "Okta could not answer",
            status=status,
            request_id=request_id,
            details={**details, "fix": "ask again later; a long log search may need less time"},
        )
    refusal = _refusal(status, headers, okta_code)
    details["fix"] = refusal.fix
    if okta_code in _CAUSES_SHOWN and causes:
        details["okta_causes"] = causes
    return OktaRefusedError(
        refusal.code, refusal.message, status=status, request_id=request_id, details=details
    )


def request_id_of(headers: httpx.Headers) -> str | None:
    """Okta's id of the request, for support and for the audit trail."""
    text = headers.get("x-okta-request-id")
    return clean_text(text, 64) if text else None


def _refusal(status: int, headers: httpx.Headers, okta_code: str | None) -> _Refusal:
    if okta_code in _BY_OKTA_CODE:
        # A bearer token without the scope comes with E0000006 too; only the challenge tells.
        if status == 403 and challenge_names(headers, "insufficient_scope"):
            return _SCOPE
        return _BY_OKTA_CODE[okta_code]
    if challenge_names(headers, "insufficient_scope"):
        return _SCOPE
    if challenge_names(headers, "invalid_token"):
        return _UNAUTHORIZED
    return _BY_STATUS.get(status, _REQUEST)


def challenge_names(headers: httpx.Headers, error: str) -> bool:
    """Whether a `WWW-Authenticate` of the answer gives `error` as the reason."""
    return any(f'error="{error}"' in line for line in headers.get_list("www-authenticate"))


def _code_and_causes(body: bytes) -> tuple[str | None, list[str]]:
    """Okta's error code and the causes as texts; anything of another shape is nothing."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None, []
    if not isinstance(parsed, dict):
        return None, []
    code = parsed.get("errorCode")
    causes = parsed.get("errorCauses")
    # Okta shows an object in places where the rule is a list.
    rows = causes if isinstance(causes, list) else [causes]
    texts = [row.get("errorSummary") for row in rows if isinstance(row, dict)]
    # The position of a fault in a filter often stands in the summary alone.
    if code in _BAD_FILTER and not texts:
        texts = [parsed.get("errorSummary")]
    return (
        code if isinstance(code, str) and _CODE.fullmatch(code) else None,
        [clean_text(text, _MAX_CAUSE_CHARS) for text in texts if isinstance(text, str)][
            :_MAX_CAUSES
        ],
    )
