"""Real MCP clients, each logged in by a browser that the test drives."""

import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)

from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import REDIRECT_URI


class MemoryStorage:
    """Keeps what the SDK's provider asks to be kept."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client_info: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client_info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client_info = client_info


async def signs_in(browser: Browser, url: str, person: str) -> None:
    """Open the client's URL, sign in as `person`, allow."""
    await browser.open(url)
    await browser.press("Sign in with Okta")
    await browser.press(person)
    await browser.press("Allow")


@contextlib.asynccontextmanager
async def sdk_client(
    mcp_url: str, person: str, *, mode: str, storage: MemoryStorage | None = None
) -> AsyncIterator[Client]:
    """The Python SDK's client, by the whole way: 401, discovery, registration, browser, token."""
    browser = Browser()

    async def open_browser(url: str) -> None:
        await signs_in(browser, url, person)

    async def callback() -> AuthorizationCodeResult:
        assert browser.landed is not None
        query = parse_qs(urlsplit(browser.landed).query)
        return AuthorizationCodeResult(
            code=query["code"][0], state=query["state"][0], iss=query["iss"][0]
        )

    metadata = OAuthClientMetadata.model_validate(
        {
            "client_name": "The Python SDK",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
    )
    provider = OAuthClientProvider(
        mcp_url, metadata, storage or MemoryStorage(), open_browser, callback
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(mcp_url, http_client=http), mode=mode) as client,
    ):
        yield client
    await browser.close()
