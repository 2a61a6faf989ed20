"""An MCP client's side of OAuth, request by request, with every value open to change."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.vocabulary.browser import PLAIN, Browser

REDIRECT_URI = "http://127.0.0.1:33418/client-callback"
JSON_RPC = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def s256(verifier: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


@dataclass
class OAuthClient:
    """A public client of one server. `http` sends without cookies."""

    url: str
    http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=60, verify=PLAIN)
    )
    client_id: str = ""
    client_secret: str | None = None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    tokens: dict[str, Any] = field(default_factory=dict)

    async def register(self, **changes: Any) -> httpx.Response:
        """Register; remembers the id. `changes` replace metadata, None leaves it out."""
        metadata = {
            "client_name": "A test client",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        } | changes
        answer = await self.http.post(
            f"{self.url}/oauth/register",
            json={name: value for name, value in metadata.items() if value is not None},
        )
        if answer.status_code == 201:
            self.client_id = answer.json()["client_id"]
            self.client_secret = answer.json().get("client_secret")
        return answer

    def authorization_url(self, **changes: str | None) -> str:
        """The URL for the browser. `changes` replace parameters, None leaves one out."""
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "code_challenge": s256(self.verifier),
            "code_challenge_method": "S256",
            "state": "client+state/=",
        } | changes
        query = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.url}/oauth/authorize?{urlencode(query)}"

    async def token(self, **changes: str | None) -> httpx.Response:
        """A request to the token endpoint. `changes` are its parameters."""
        parameters = {"client_id": self.client_id} | changes
        form = {name: value for name, value in parameters.items() if value is not None}
        return await self.http.post(f"{self.url}/oauth/token", data=form)

    async def redeem(self, code: str, **changes: str | None) -> httpx.Response:
        """The code for tokens; remembers them."""
        answer = await self.token(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "code_verifier": self.verifier,
                "redirect_uri": REDIRECT_URI,
            }
            | changes
        )
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    async def refresh(self, **changes: str | None) -> httpx.Response:
        """The next pair of tokens; remembers them."""
        answer = await self.token(
            **{"grant_type": "refresh_token", "refresh_token": self.tokens.get("refresh_token")}
            | changes
        )
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    async def revoke(self, token: str, **changes: str | None) -> httpx.Response:
        form = {"client_id": self.client_id, "token": token} | changes
        return await self.http.post(
            f"{self.url}/oauth/revoke", data={k: v for k, v in form.items() if v is not None}
        )

    async def rpc(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """One JSON-RPC request to /mcp with the access token."""
        bearer = token if token is not None else self.tokens.get("access_token")
        sent = JSON_RPC | {"mcp-protocol-version": "2025-06-18"} | (headers or {})
        if bearer:
            sent["authorization"] = f"Bearer {bearer}"
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return await self.http.post(f"{self.url}/mcp", json=body, headers=sent)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """A tool call's JSON-RPC answer."""
        answer = await self.rpc("tools/call", {"name": tool, "arguments": arguments})
        return dict(answer.json())

    async def close(self) -> None:
        await self.http.aclose()


async def signed_in(
    browser: Browser, client: OAuthClient, person: str, **changes: str | None
) -> None:
    """The person opens the client's URL and signs in; the consent page is open then."""
    await browser.open(client.authorization_url(**changes))
    await browser.press("Sign in with Okta")
    await browser.press(person)


async def connected(
    browser: Browser, client: OAuthClient, person: str, **changes: str | None
) -> None:
    """The whole way: sign in, allow, redeem. The client holds its tokens then."""
    await signed_in(browser, client, person, **changes)
    await browser.press("Allow")
    answer = await client.redeem(browser.answer["code"])
    assert answer.status_code == 200, answer.text
