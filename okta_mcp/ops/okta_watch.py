"""Whether Okta can be reached, for `/health`; warnings at start about what would stop logins."""

import asyncio
import logging

from okta_mcp.okta.authorization_server import OktaLoginError
from okta_mcp.okta.oidc import OktaLogin

_LOOK_SECONDS = 30

log = logging.getLogger("okta_mcp")


class OktaWatch:
    """Whether Okta can be reached: asked at start, and again while it cannot."""

    def __init__(self, login: OktaLogin) -> None:
        self._login = login
        self.is_away = False

    async def run(self) -> None:
        """Warn at start about what would stop logins, then keep looking while Okta is away."""
        await self._look()
        if not self.is_away:
            await self._check_redirect_uri()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        was_away = self.is_away
        try:
            await self._login.endpoints()
        except OktaLoginError:
            self.is_away = True
            if not was_away:
                log.warning(
                    "Okta cannot be reached at %s: logins will fail until it answers. Check"
                    " OKTA_ORG_URL, OKTA_ISSUER and the network.",
                    self._login.issuer,
                )
        else:
            self.is_away = False
            if was_away:
                log.info("Okta answers again")

    async def _check_redirect_uri(self) -> None:
        try:
            is_registered = await self._login.redirect_uri_is_registered()
        except OktaLoginError:
            return
        if not is_registered:
            log.warning(
                "Okta refuses OKTA_CLIENT_ID %s with the redirect URI %s: enter it under Sign-in"
                " redirect URIs of the app in Okta, exactly so, or logins end on a page of Okta's.",
                self._login.client_id,
                self._login.redirect_uri,
            )
