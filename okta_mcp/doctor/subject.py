"""What is looked at: one configuration, and the ways in which its server would ask Okta."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from okta_mcp.inventory import Inventory, named_only
from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.authorization_server import AuthorizationServer
from okta_mcp.okta.client_key import ClientKey
from okta_mcp.okta.oidc import OktaLogin
from okta_mcp.serving.okta_access import okta_login, own_api
from okta_mcp.settings import Settings

_TIMEOUT_SECONDS = 10.0


@dataclass
class Subject:
    """The settings and what follows from them. `now` is epoch seconds of this machine.

    `api` is None where no credentials of this server's own are configured. `discovered` is Okta's
    discovery document, once the check of it has passed.
    """

    settings: Settings
    now: Callable[[], float]
    http: httpx.AsyncClient
    key: ClientKey | None
    server: AuthorizationServer
    login: OktaLogin
    api: OktaApi | None
    offered: Inventory
    discovered: dict[str, Any] = field(default_factory=dict)

    def tools_reading(self, scope: str) -> list[str]:
        """The tools that read the data family `scope`."""
        return [
            name for name, scopes in self.offered.components["tools"].items() if scope in scopes
        ]


@asynccontextmanager
async def subject_of(
    settings: Settings, key: ClientKey | None, now: Callable[[], float]
) -> AsyncIterator[Subject]:
    """The subject, and a client of its own that ends with it."""
    async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as http:
        yield Subject(
            settings=settings,
            now=now,
            http=http,
            key=key,
            server=AuthorizationServer(
                http, issuer=settings.issuer, client_id=settings.okta_client_id, now=now
            ),
            login=okta_login(settings, http, key, now),
            api=own_api(settings, http, now),
            offered=named_only(),
        )
