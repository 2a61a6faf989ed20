"""The ways in which an OAuth request can fail, and who may be told.

OAuthProxyError
├── TokenError        JSON for the client (RFC 6749 section 5.2, RFC 7591 section 3.2.2)
├── RedirectedError   back to the validated redirect URI (RFC 6749 section 4.1.2.1, RFC 9207)
└── PageError         a page for the person; nothing is redirected

`reason` is for log and audit; the code and the description are fixed texts of ours.
"""

from okta_mcp.stores.records import CheckedRequest


class OAuthProxyError(Exception):
    """`reason` is stable and safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TokenError(OAuthProxyError):
    """An error answer in JSON: `code` of the RFC, `description` for the client's developer."""

    def __init__(
        self,
        code: str,
        description: str,
        *,
        status: int = 400,
        reason: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(reason or code)
        self.code = code
        self.description = description
        self.status = status
        self.headers = headers or {}


class RedirectedError(OAuthProxyError):
    """An error that the client may be told by a redirect, because client and URI are valid."""

    def __init__(self, redirect_uri: str, state: str | None, code: str, description: str) -> None:
        super().__init__(code)
        self.redirect_uri = redirect_uri
        self.state = state
        self.code = code
        self.description = description


class PageError(OAuthProxyError):
    """A page of `pages/problems.py` named by `reason`.

    With `finishes`, the page's one button ends that client's request with `finish_code`.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int = 400,
        finishes: CheckedRequest | None = None,
        finish_code: str = "access_denied",
        **values: str,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.finishes = finishes
        self.finish_code = finish_code
        self.values = values
