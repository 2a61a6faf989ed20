"""The service application: this server asks the API in a name of its own (okta-facts 1.9, 1.10).

What it may read is bounded by both the `okta.*` scopes and the admin role that the application has
in Okta. One token serves all calls until a minute before its end; of all who wait for a new one,
one asks. Made once by the composition root; used by `api`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.credentials import Caller
from okta_mcp.okta.dpop import DpopKey
from okta_mcp.okta.errors import OktaError, challenge_names
from okta_mcp.okta.service_token import OktaClock, ServiceToken, ServiceTokens, nonce_of

# A token is not used in its last minute, in which it could end on its way.
_RENEW_BEFORE_SECONDS = 60
_LEAST_USE_SECONDS = 10
# What was renewed a moment ago is not renewed again: many calls hear the same refusal at once.
_JUST_RENEWED_SECONDS = 10
# Okta is not asked again by every call while the set-up is wrong.
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Known:
    token: ServiceToken
    since: float
    use_until: float


class ServiceApplication:
    """`Credentials` of the application that `server` names by its client id.

    `scopes` are asked together; `now` is epoch seconds of this machine.
    """

    def __init__(
        self,
        server: AuthorizationServer,
        key: ClientKey,
        *,
        scopes: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self._now = now
        self._clock = OktaClock(now)
        self._dpop = DpopKey()
        self._tokens = ServiceTokens(server, key, self._dpop, self._clock, scopes=scopes)
        self._nonce: str | None = None
        self._known: _Known | None = None
        self._asking: asyncio.Task[_Known] | None = None
        self._try_again_at = float("-inf")

    async def headers(self, method: str, url: str, caller: Caller | None) -> dict[str, str]:  # noqa: ARG002
        token = (await self._current()).token
        if not token.is_bound:
            return {"Authorization": f"Bearer {token.value}"}
        proof = self._dpop.proof(
            method, url, now=self._clock(), nonce=self._nonce, access_token=token.value
        )
        return {"Authorization": f"DPoP {token.value}", "DPoP": proof}

    async def refused(self, status: int, headers: httpx.Headers, caller: Caller | None) -> bool:  # noqa: ARG002
        nonce = nonce_of(headers)
        if nonce is not None and (
            nonce != self._nonce or challenge_names(headers, "use_dpop_nonce")
        ):
            self._nonce = nonce
            return True
        if challenge_names(headers, "invalid_dpop_proof"):
            return self._clock.learned(headers)
        if status == 401 and challenge_names(headers, "invalid_token"):
            if self._known is not None and self._now() - self._known.since > _JUST_RENEWED_SECONDS:
                self._known = None
            return True
        return False

    async def _current(self) -> _Known:
        now = self._now()
        if self._known is not None and now < self._known.use_until:
            return self._known
        if self._asking is None or (self._asking.done() and now >= self._try_again_at):
            self._asking = asyncio.create_task(self._asked())
            # Whoever waited may be gone: the failure is then nobody's to read.
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A caller that goes away must not end the question of the others.
        return await asyncio.shield(self._asking)

    async def _asked(self) -> _Known:
        try:
            token = await self._tokens.asked()
        except OktaError:
            self._try_again_at = self._now() + _RETRY_SECONDS
            raise
        self._try_again_at = float("-inf")
        since = self._now()
        lives_seconds = max(token.lives_seconds - _RENEW_BEFORE_SECONDS, _LEAST_USE_SECONDS)
        self._known = _Known(token, since, since + lives_seconds)
        return self._known
