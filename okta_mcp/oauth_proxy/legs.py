"""The trips of browsers to Okta: each bound to the browser that started it, each used once.

Okta's `state`, nonce and PKCE verifier are made when the person presses the button, never before,
so nothing that could be seen earlier works at the callback (RFC 9700 section 4.7).
"""

import hashlib
import secrets

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.oauth_proxy.cookies import Cookies
from okta_mcp.okta.oidc import new_verifier
from okta_mcp.stores.records import CheckedRequest, LatestLeg, Leg, Records, digest
from okta_mcp.stores.sealing import Sealer

LEG_TTL_SECONDS = 600
_VERIFIER = "okta code verifier"
# Okta takes letters, digits and , . _ - in a state; this is 64 random bytes of them.
_STATE_BYTES = 64
_COOKIE = "leg"


class Legs:
    """The trips of browsers to Okta: each bound to the browser that started it, each used once."""

    def __init__(
        self, records: Records, sealer: Sealer, keys: list[bytes], cookies: Cookies
    ) -> None:
        self._records = records
        self._sealer = sealer
        self._signer = TimestampSigner(keys, digest_method=hashlib.sha256)
        self._cookies = cookies

    async def start(
        self, request: Request, checked: CheckedRequest | None
    ) -> tuple[str, str, str, str]:
        """Store a new trip; its state, nonce, verifier, and the value of its binding cookie."""
        state = secrets.token_urlsafe(_STATE_BYTES)
        nonce, verifier = secrets.token_urlsafe(32), new_verifier()
        # Several tabs of one browser share the binding, so that each of them can come back.
        binding = self._bound(request) or secrets.token_urlsafe(32)
        leg = Leg(
            request=checked,
            nonce=nonce,
            verifier_sealed=self._sealer.seal(verifier, _VERIFIER),
            binding_digest=digest(binding),
        )
        await self._records.legs.put(digest(state), leg, LEG_TTL_SECONDS)
        if checked is not None:
            await self._end_earlier(checked, digest(state))
        return state, nonce, verifier, self._signer.sign(binding).decode()

    async def _end_earlier(self, checked: CheckedRequest, state_digest: str) -> None:
        """Make this the newest trip of its request; of presses at one moment, one stays."""
        latest = LatestLeg(state_digest)
        while not await self._records.latest_legs.put(
            checked.id, latest, LEG_TTL_SECONDS, if_absent=True
        ):
            earlier = await self._records.latest_legs.take(checked.id)
            if earlier is not None:
                await self._records.legs.delete(earlier.state_digest)

    def bind(self, response: Response, cookie: str) -> None:
        """Give the browser the cookie that proves, at the callback, that it started the trip."""
        self._cookies.set(response, _COOKIE, cookie, ttl_seconds=LEG_TTL_SECONDS)

    def is_bound(self, request: Request, leg: Leg) -> bool:
        """Whether this browser is the one that started `leg`."""
        binding = self._bound(request)
        return binding is not None and secrets.compare_digest(digest(binding), leg.binding_digest)

    def verifier(self, leg: Leg) -> str:
        """The PKCE verifier of a trip."""
        return self._sealer.open(leg.verifier_sealed, _VERIFIER)

    def _bound(self, request: Request) -> str | None:
        cookie = self._cookies.get(request, _COOKIE)
        try:
            return self._signer.unsign(cookie, max_age=LEG_TTL_SECONDS).decode() if cookie else None
        except BadSignature:
            return None
