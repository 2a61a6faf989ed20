"""What is kept of people's sign-ins at Okta: refreshed one at a time, access tokens in memory only.

Used where roles or API calls depend on the person's own tokens (`claims`, `delegated`). The
refresh token itself lies sealed in the store, behind `KeptTokens`. Okta gives back the same refresh
token, a new one, or none (okta-facts 1.5); a new one is stored before anything else happens, and
whoever goes away in the meantime does not interrupt that.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from okta_mcp.okta.authorization_server import LoginRefusedError
from okta_mcp.okta.directory import SignInAgainError
from okta_mcp.okta.oidc import OktaLogin, UpstreamTokens

_RENEW_BEFORE_SECONDS = 60
# What was renewed a moment ago is not renewed again: many calls hear the same refusal at once.
_JUST_RENEWED_SECONDS = 10
_LEAST_USE_SECONDS = 10

Result = TypeVar("Result")


class KeptTokens(Protocol):
    """Where the refresh tokens lie, by the id of the sign-in."""

    async def read(self, upstream_id: str) -> str | None:
        """The token, None when it is gone."""

    async def replace(self, upstream_id: str, old: str, new: str) -> None:
        """Store `new` unless something else than `old` lies there by now."""

    def in_turn(self, upstream_id: str) -> AbstractAsyncContextManager[None]:
        """Keeps other processes from using the same token meanwhile, as far as that is possible:
        Okta may end a sign-in whose refresh token comes twice."""


@dataclass(frozen=True, slots=True)
class _Access:
    token: str = field(repr=False)
    since: float
    use_until: float


class SignIns:
    """One refresh in flight per sign-in. `now` is epoch seconds."""

    def __init__(self, login: OktaLogin, kept: KeptTokens, now: Callable[[], float]) -> None:
        self._login = login
        self._kept = kept
        self._now = now
        self._access: dict[str, _Access] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[Any]] = set()

    async def refreshed(self, user_id: str, upstream_id: str) -> UpstreamTokens:
        """New tokens of the person, by a question to Okta that is put now.

        Raises `SignInAgainError` where the sign-in has ended, and `OktaLoginError`.
        """
        return await self._to_its_end(self._refreshed(user_id, upstream_id))

    async def access_token(self, user_id: str, upstream_id: str) -> str:
        """An access token of the person that is good for a minute more; raises the same."""
        access = self._access.get(upstream_id)
        if access is not None and self._now() < access.use_until:
            return access.token
        return await self._to_its_end(self._renewed(user_id, upstream_id))

    def learned(self, upstream_id: str, tokens: UpstreamTokens) -> None:
        """Tokens that a sign-in has just brought."""
        now = self._now()
        self._access = {
            key: access for key, access in self._access.items() if access.use_until > now
        }
        until = max(tokens.expires_at - _RENEW_BEFORE_SECONDS, now + _LEAST_USE_SECONDS)
        self._access[upstream_id] = _Access(tokens.access_token, now, until)

    def access_refused(self, upstream_id: str) -> None:
        """Okta no longer takes the access token: the next caller gets another."""
        access = self._access.get(upstream_id)
        if access is not None and self._now() - access.since > _JUST_RENEWED_SECONDS:
            del self._access[upstream_id]

    async def _renewed(self, user_id: str, upstream_id: str) -> str:
        async with self._lock(upstream_id):
            # Somebody else may have been before us.
            access = self._access.get(upstream_id)
            if access is not None and self._now() < access.use_until:
                return access.token
            return (await self._asked(user_id, upstream_id)).access_token

    async def _refreshed(self, user_id: str, upstream_id: str) -> UpstreamTokens:
        async with self._lock(upstream_id):
            return await self._asked(user_id, upstream_id)

    async def _asked(self, user_id: str, upstream_id: str) -> UpstreamTokens:
        async with self._kept.in_turn(upstream_id):
            return await self._asked_in_turn(user_id, upstream_id)

    async def _asked_in_turn(self, user_id: str, upstream_id: str) -> UpstreamTokens:
        old = await self._kept.read(upstream_id)
        if old is None:
            raise SignInAgainError(user_id)
        try:
            tokens = await self._login.refreshed(old)
        except LoginRefusedError as error:
            if error.reason == "wrong_client_secret":
                raise
            current = await self._kept.read(upstream_id)
            if current is None or current == old:
                # Revoked, expired, or the person is suspended or gone: Okta does not say which.
                raise SignInAgainError(user_id) from error
            # Another process of this server was faster and holds the token that counts now.
            old = current
            tokens = await self._again(user_id, old)
        if tokens.claims["sub"] != user_id:
            raise SignInAgainError(user_id)
        if tokens.refresh_token is not None and tokens.refresh_token != old:
            await self._kept.replace(upstream_id, old, tokens.refresh_token)
        self.learned(upstream_id, tokens)
        return tokens

    async def _again(self, user_id: str, refresh_token: str) -> UpstreamTokens:
        try:
            return await self._login.refreshed(refresh_token)
        except LoginRefusedError as error:
            raise SignInAgainError(user_id) from error

    def _lock(self, upstream_id: str) -> asyncio.Lock:
        return self._locks.setdefault(upstream_id, asyncio.Lock())

    async def _to_its_end(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of work that a caller's going away does not interrupt."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Whoever waited may be gone: the failure is then nobody's to read.
            task.exception()
