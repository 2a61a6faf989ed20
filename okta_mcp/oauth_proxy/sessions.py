"""Browser sessions: who is signed in on the pages. Never for /mcp.

A session lives at most two hours from its start, whatever its person does. Its identifier is
`<user id>:<session id>`; the cookie holds it encrypted, the store under the digest of the session
id. Signing in always makes a new one.
"""

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.stores.records import Records, Session, digest
from okta_mcp.stores.sealing import NotSealedHereError, Sealer

_COOKIE = "session"
_PURPOSE = "session"


class Sessions:
    """Starts, finds and ends sessions."""

    def __init__(
        self,
        records: Records,
        sealer: Sealer,
        cookies: Cookies,
        *,
        ttl_seconds: int,
        now: Callable[[], float],
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._cookies = cookies
        self._ttl_seconds = ttl_seconds
        self._now = now

    async def of(self, request: Request) -> Session | None:
        """The session of the browser, or None: without one, after its end, with a bad cookie."""
        cookie = self._cookies.get(request, _COOKIE)
        if not cookie:
            return None
        try:
            user_id, _, session_id = self._sealer.open(cookie, _PURPOSE).rpartition(":")
        except NotSealedHereError:
            return None
        return await self._records.sessions.get(_key(user_id, session_id))

    async def start(
        self,
        response: Response,
        *,
        user_id: str,
        login: str,
        name: str,
        id_token: str,
        upstream_id: str | None,
    ) -> Session:
        """A new session, its cookie set on `response`."""
        session_id = secrets.token_urlsafe(32)
        session = Session(
            key=_key(user_id, session_id),
            user_id=user_id,
            login=login,
            name=name,
            expires_at=self._now() + self._ttl_seconds,
            id_token_sealed=self._sealer.seal(id_token, "id token"),
            upstream_id=upstream_id,
        )
        await self._records.sessions.put(session.key, session, self._ttl_seconds)
        cookie = self._sealer.seal(f"{user_id}:{session_id}", _PURPOSE)
        self._cookies.set(response, _COOKIE, cookie, ttl_seconds=self._ttl_seconds)
        return session

    async def end(self, session: Session, response: Response | None = None) -> None:
        """End it on the server, and in the browser that `response` goes to."""
        await self._records.sessions.delete(session.key)
        if response is not None:
            self._cookies.delete(response, _COOKIE)

    async def end_all(self, user_id: str) -> None:
        """End every session of a person."""
        async for key, _ in self._records.sessions.scan(f"{user_id}:"):
            await self._records.sessions.delete(key)

    def id_token(self, session: Session) -> str:
        """The ID token of the sign-in, which Okta's sign-out asks for."""
        return self._sealer.open(session.id_token_sealed, "id token")


def _key(user_id: str, session_id: str) -> str:
    return f"{user_id}:{digest(session_id)}"
