"""Okta's refresh tokens, kept sealed where roles or calls depend on the person's own sign-in.

One sign-in has one, shared by the browser session and the grants made in it; it goes back to Okta
when the last of them has ended, whether somebody ended it or its time did.
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from msgspec.structs import replace

from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.stores.interface import StoreFullError, StoreUnavailableError
from okta_mcp.stores.leases import Leases
from okta_mcp.stores.records import Records, Upstream
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

_PURPOSE = "okta refresh token"
# A sign-in that is just being finished has no session and no grant yet.
_UNFINISHED_SECONDS = 600
# Longer than a refresh takes that works.
_REFRESH_SECONDS = 20


class Upstreams:
    """`ttl_seconds` is as long as anything that depends on one can live; `now` epoch seconds."""

    def __init__(
        self,
        records: Records,
        sealer: Sealer,
        login: OktaLogin,
        *,
        ttl_seconds: int,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._login = login
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._leases = Leases(records, now)

    def in_turn(self, upstream_id: str) -> AbstractAsyncContextManager[None]:
        """Only one process of this server refreshes a sign-in at a time."""
        return self._leases.held(
            f"sign-in {upstream_id}",
            ttl_seconds=_REFRESH_SECONDS,
            patience_seconds=_REFRESH_SECONDS / 2,
        )

    async def keep(self, refresh_token: str) -> str:
        """Store it; the id under which it is kept. Where that fails, it goes back to Okta."""
        upstream_id = secrets.token_urlsafe(16)
        upstream = Upstream(self._sealer.seal(refresh_token, _PURPOSE), self._now())
        try:
            await self._records.upstreams.put(upstream_id, upstream, self._ttl_seconds)
        except (StoreFullError, StoreUnavailableError):
            await self._revoke(refresh_token)
            raise
        return upstream_id

    async def read(self, upstream_id: str) -> str | None:
        """Okta's refresh token, or None when it is gone."""
        upstream = await self._records.upstreams.get(upstream_id)
        return self._opened(upstream) if upstream else None

    async def replace(self, upstream_id: str, old: str, new: str) -> None:
        """Keep `new`, which Okta gave in exchange for `old`.

        Where another process has stored a newer one, that one stays. Where the sign-in has ended
        in the meantime, nothing is brought back to life, and `new` goes back to Okta.
        """
        while True:
            upstream = await self._records.upstreams.get(upstream_id)
            if upstream is None:
                await self._revoke(new)
                return
            if self._opened(upstream) != old:
                return
            newer = replace(upstream, refresh_token_sealed=self._sealer.seal(new, _PURPOSE))
            if await self._records.upstreams.swap(upstream_id, upstream, newer, self._ttl_seconds):
                return
            # The same token, sealed anew meanwhile: once more.

    async def release(self, user_id: str, upstream_id: str | None) -> None:
        """Give it back to Okta unless a session or another grant of the person still needs it."""
        if upstream_id is None:
            return
        async for _, grant in self._records.grants.scan(f"{user_id}/"):
            if grant.upstream_id == upstream_id:
                return
        async for _, session in self._records.sessions.scan(f"{user_id}:"):
            if session.upstream_id == upstream_id:
                return
        await self._give_back(upstream_id)

    async def release_unused(self) -> None:
        """Give back what nothing needs any more because its time is over; called now and then."""
        oldest = self._now() - _UNFINISHED_SECONDS
        unused = {
            upstream_id
            async for upstream_id, upstream in self._records.upstreams.scan()
            if upstream.kept_at < oldest
        }
        if not unused:
            return
        # Sessions first: one that ends between the two scans has made its grants before.
        unused -= {session.upstream_id async for _, session in self._records.sessions.scan()}
        unused -= {grant.upstream_id async for _, grant in self._records.grants.scan()}
        for upstream_id in unused:
            await self._give_back(upstream_id)

    async def _give_back(self, upstream_id: str) -> None:
        upstream = await self._records.upstreams.take(upstream_id)
        refresh_token = self._opened(upstream) if upstream else None
        if refresh_token is not None:
            await self._revoke(refresh_token)

    async def _revoke(self, refresh_token: str) -> None:
        try:
            await self._login.revoke(refresh_token)
        except OktaLoginError:
            # Ours is gone, nothing here can use it any more; Okta's ends when it expires.
            return

    def _opened(self, upstream: Upstream) -> str | None:
        try:
            return self._sealer.open(upstream.refresh_token_sealed, _PURPOSE)
        except NotSealedHereError:
            # The key is another one now: the person signs in again.
            return None
