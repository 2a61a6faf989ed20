"""Whether Okta can be reached, for `/health`; warnings at start about what would stop logins."""

import asyncio
import logging

from okta_mcp.okta.authorization_server import AuthorizationServer, OktaLoginError
from okta_mcp.okta.oidc import OktaLogin

_LOOK_SECONDS = 30

log = logging.getLogger("okta_mcp")


class OktaWatch:
    """Whether Okta can be reached: asked at start, and again while it cannot."""

    def __init__(self, okta: AuthorizationServer | OktaLogin) -> None:
        self._okta = okta
        self.is_away = False

    async def run(self) -> None:
        """Warn at start about what would stop logins, then keep looking while Okta is away."""
        await self._look()
        if not self.is_away and isinstance(self._okta, OktaLogin):
            await _check_redirect_uri(self._okta)
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        was_away = self.is_away
        try:
            await self._okta.endpoints()
        except OktaLoginError:
            self.is_away = True
            if not was_away:
                log.warning(
                    "Okta cannot be reached at %s: nobody new gets in until it answers. Check"
                    " OKTA_ORG_URL, OKTA_ISSUER and the network: okta-mcp doctor --only"
                    " okta.discovery",
                    self._okta.issuer,
                )
        else:
            self.is_away = False
            if was_away:
                log.info("Okta answers again")


async def _check_redirect_uri(login: OktaLogin) -> None:
    try:
        is_registered = await login.redirect_uri_is_registered()
    except OktaLoginError:
        return
    if not is_registered:
        log.warning(
            "Okta refuses OKTA_CLIENT_ID %s with the redirect URI %s: enter it under Sign-in"
            " redirect URIs of the app in Okta, exactly so, or logins end on a page of Okta's."
            " Check: okta-mcp doctor --only okta.redirect_uri",
            login.client_id,
            login.redirect_uri,
        )
