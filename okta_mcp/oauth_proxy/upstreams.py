"""Okta's refresh tokens, kept sealed where roles depend on the person's own sign-in.

One sign-in has one, shared by the browser session and the grants made in it; it goes back to Okta
when the last of them has ended.
"""

import secrets

from okta_mcp.okta.oidc import OktaLogin, OktaLoginError
from okta_mcp.stores.records import Records, Upstream
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

_PURPOSE = "okta refresh token"


class Upstreams:
    """`ttl_seconds` is as long as anything that depends on one can live."""

    def __init__(
        self, records: Records, sealer: Sealer, login: OktaLogin, *, ttl_seconds: int
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._login = login
        self._ttl_seconds = ttl_seconds

    async def keep(self, refresh_token: str) -> str:
        """Store it; the id under which it is kept."""
        upstream_id = secrets.token_urlsafe(16)
        await self.write(upstream_id, refresh_token)
        return upstream_id

    async def read(self, upstream_id: str) -> str | None:
        """Okta's refresh token, or None when it is gone."""
        upstream = await self._records.upstreams.get(upstream_id)
        try:
            return self._sealer.open(upstream.refresh_token_sealed, _PURPOSE) if upstream else None
        except NotSealedHereError:
            # The key is another one now: the person signs in again.
            return None

    async def write(self, upstream_id: str, refresh_token: str) -> None:
        """Replace it by the one that Okta gave in exchange."""
        upstream = Upstream(self._sealer.seal(refresh_token, _PURPOSE))
        await self._records.upstreams.put(upstream_id, upstream, self._ttl_seconds)

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
        upstream = await self._records.upstreams.take(upstream_id)
        if upstream is not None:
            try:
                await self._login.revoke(self._sealer.open(upstream.refresh_token_sealed, _PURPOSE))
            except (OktaLoginError, NotSealedHereError):
                # Ours is gone, nothing here can use it any more; Okta's ends when it expires.
                return
