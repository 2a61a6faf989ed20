"""The person's own access token: Okta itself decides by that person's admin role (okta-facts 1.9).

Nothing is ever asked in this server's own name: a call without a person is a fault, and a person
without a kept sign-in signs in again. Made by the composition root; used by `api`.
"""

import httpx

from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.credentials import Caller
from okta_mcp.okta.directory import SignInAgainError
from okta_mcp.okta.errors import OktaRefusedError, OktaUnavailableError, challenge_names
from okta_mcp.okta.sign_ins import SignIns


class PersonalTokens:
    """`Credentials` that are the caller's."""

    def __init__(self, sign_ins: SignIns) -> None:
        self._sign_ins = sign_ins

    async def headers(self, method: str, url: str, caller: Caller | None) -> dict[str, str]:  # noqa: ARG002
        if caller is not None and caller.is_service:
            raise OktaRefusedError(
                "okta_unauthorized",
                "Okta is asked with the sign-in of the person who calls, and a service has none",
                details={
                    "fix": "an administrator sets OKTA_API_AUTH=service or ssws on this server; or"
                    " a person makes the call"
                },
            )
        if caller is None or caller.upstream_id is None:
            raise _sign_in_again()
        try:
            token = await self._sign_ins.access_token(caller.user_id, caller.upstream_id)
        except SignInAgainError:
            raise _sign_in_again() from None
        except OktaLoginError as reason:
            raise OktaUnavailableError(
                "okta_unavailable",
                "Okta gave no token for your sign-in",
                details={
                    "fix": "ask again later; an administrator checks the application of"
                    " OKTA_CLIENT_ID"
                },
            ) from reason
        return {"Authorization": f"Bearer {token}"}

    async def refused(self, status: int, headers: httpx.Headers, caller: Caller | None) -> bool:
        if status != 401 or not challenge_names(headers, "invalid_token"):
            return False
        if caller is not None and caller.upstream_id is not None:
            self._sign_ins.access_refused(caller.upstream_id)
        return True


def _sign_in_again() -> OktaRefusedError:
    return OktaRefusedError(
        "okta_unauthorized",
        "your sign-in at Okta has ended",
        details={"fix": "disconnect this server in your assistant, connect it again and sign in"},
    )
