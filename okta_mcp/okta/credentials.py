"""How a request to the Management API shows who asks: the credentials that `OKTA_API_AUTH` names.

The API client asks for the header fields of each attempt and tells what Okta refused. Nothing here
is ever logged or shown; an error names the credential and the fix, never a value.
"""

from dataclasses import dataclass
from typing import Protocol

import httpx


@dataclass(frozen=True, slots=True)
class Caller:
    """The person on whose behalf Okta is asked, or a service, which is no person.

    `user_id` is whose share of Okta's limits is used, `upstream_id` names what was kept of the
    person's own sign-in at Okta, for credentials that are the person's.
    """

    user_id: str
    upstream_id: str | None = None
    is_service: bool = False


class Credentials(Protocol):
    """One way to call the API. `caller` is None where the server asks for itself."""

    async def headers(self, method: str, url: str, caller: Caller | None) -> dict[str, str]:
        """The header fields that authorise this one attempt; raises `OktaError`."""

    async def refused(self, status: int, headers: httpx.Headers, caller: Caller | None) -> bool:
        """Hears of a 400 or 401 answer; whether one more attempt with new headers may help."""


class ApiToken:
    """An API token of an administrator (SSWS): a header that never changes."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"SSWS {token}"}

    async def headers(self, method: str, url: str, caller: Caller | None) -> dict[str, str]:  # noqa: ARG002
        return self._headers

    async def refused(self, status: int, headers: httpx.Headers, caller: Caller | None) -> bool:  # noqa: ARG002
        return False
