"""Walks a documented client through the steps of a connection, request by request.

Each step is named after what the client does; what a server must answer for the client to go on is
asserted where it is received.
"""

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from tests.vocabulary.browser import Browser
from tests.vocabulary.documented_clients import DocumentedClient
from tests.vocabulary.oauth_client import s256

_BOTH = "application/json, text/event-stream"


@dataclass
class Replay:
    """`client` at the server whose MCP endpoint is `mcp_url`."""

    client: DocumentedClient
    mcp_url: str
    http: httpx.AsyncClient
    client_id: str = ""
    client_secret: str = ""
    server: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)

    async def discovers(self) -> None:
        """A first request without a token, then the documents, in the client's own order."""
        refused = await self._posted(self._initialize())
        assert refused.status_code == 401
        challenge = refused.headers["www-authenticate"]
        named = re.search(r'resource_metadata="([^"]+)"', challenge)
        assert named, challenge
        resource = (await self._fetched(named[1])).json()
        assert resource["resource"] == self.mcp_url
        [issuer] = resource["authorization_servers"]
        answers = {path: await self._fetched(f"{issuer}{path}") for path in self.client.asks_for}
        for path, answer in answers.items():
            known = "openid" not in path
            assert answer.status_code == (200 if known else 404), path
        self.server = answers["/.well-known/oauth-authorization-server"].json()
        assert self.server["issuer"] == issuer
        assert "S256" in self.server["code_challenge_methods_supported"]

    async def registers(self) -> None:
        """Sends its body and keeps id and secret."""
        asked = self.client.registration
        answer = await self.http.post(
            self.server["registration_endpoint"], json=asked, headers=self._agent
        )
        assert answer.status_code == 201, answer.text
        stored = answer.json()
        assert stored["redirect_uris"] == asked["redirect_uris"]
        assert stored["token_endpoint_auth_method"] == self.client.method
        assert ("client_secret" in stored) == (self.client.method != "none")
        self.client_id, self.client_secret = stored["client_id"], stored.get("client_secret", "")

    async def logs_in(self, browser: Browser, person: str) -> None:
        """The person signs in and allows; the client redeems the code."""
        verifier = secrets.token_urlsafe(48)
        # The client's address is somebody's site: the browser of a test does not go there.
        browser.ends_at = self.client.redirect_uri
        await browser.open(self._authorization_url(verifier))
        assert browser.status == 200, browser.page.text
        await browser.press("Sign in with Okta")
        await browser.press(person)
        if browser.landed is None:
            # The first time, and where the client asks for the page each time.
            await browser.press("Allow")
        landed = browser.landed or ""
        assert landed.startswith(f"{self.client.redirect_uri}?")
        query = httpx.QueryParams(urlsplit(landed).query)
        assert (query["state"], query["iss"]) == (self.client.state, self.server["issuer"])
        answer = await self.asks_for_tokens(
            grant_type="authorization_code",
            code=query["code"],
            redirect_uri=self.client.redirect_uri,
            code_verifier=verifier,
        )
        assert answer.status_code == 200, answer.text
        self.tokens = answer.json()

    async def asks_for_tokens(self, **form: str) -> httpx.Response:
        """A request to the token endpoint, authenticated as the client does it."""
        return await self._proven(self.server["token_endpoint"], form | {"resource": self.mcp_url})

    async def refreshes(self) -> httpx.Response:
        """Uses its refresh token, and keeps what comes."""
        answer = await self.asks_for_tokens(
            grant_type="refresh_token", refresh_token=self.tokens["refresh_token"]
        )
        if answer.status_code == 200:
            self.tokens = answer.json()
        return answer

    async def revokes(self) -> httpx.Response:
        """Gives its refresh token back."""
        form = {"token": self.tokens["refresh_token"], "token_type_hint": "refresh_token"}
        return await self._proven(self.server["revocation_endpoint"], form)

    async def uses_tools(self) -> int:
        """The handshake, the list and a call; how many tools there are."""
        started = await self._posted(self._initialize())
        assert started.json()["result"]["protocolVersion"] == self.client.revision
        assert "mcp-session-id" not in started.headers
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await self._posted(ready)).status_code == 202
        if self.client.opens_stream:
            # Clients take this for a server without a stream, and go on.
            assert (await self._streamed("GET")).status_code == 405
        tools = await self._posted(_request("tools/list"))
        call = _request("tools/call", name="list_okta_users", arguments={"q": "ann"})
        found = (await self._posted(call)).json()["result"]
        assert found["isError"] is False
        assert found["structuredContent"]["count"] >= 1
        return len(tools.json()["result"]["tools"])

    async def is_admitted(self) -> bool:
        """Whether /mcp takes its access token."""
        answer = await self._posted(_request("tools/list"))
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    async def _proven(self, url: str, form: dict[str, str]) -> httpx.Response:
        headers = dict(self._agent)
        match self.client.method:
            case "client_secret_basic":
                pair = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
                headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            case "client_secret_post":
                form |= {"client_id": self.client_id, "client_secret": self.client_secret}
            case "none":
                form |= {"client_id": self.client_id}
        return await self.http.post(url, data=form, headers=headers)

    def _authorization_url(self, verifier: str) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.client.redirect_uri,
            "code_challenge": s256(verifier),
            "code_challenge_method": "S256",
            "state": self.client.state,
            "resource": self.mcp_url,
        }
        if self.client.scope == "listed":
            parameters["scope"] = " ".join(self.server["scopes_supported"])
        if self.client.prompt:
            parameters["prompt"] = self.client.prompt
        return f"{self.server['authorization_endpoint']}?{urlencode(parameters)}"

    def _initialize(self) -> dict[str, Any]:
        return _request(
            "initialize",
            protocolVersion=self.client.revision,
            capabilities={},
            clientInfo={"name": self.client.name, "version": "1"},
        )

    async def _fetched(self, url: str) -> httpx.Response:
        headers = {"accept": "application/json", "mcp-protocol-version": self.client.revision}
        return await self.http.get(url, headers=self._agent | headers)

    async def _posted(self, message: dict[str, Any]) -> httpx.Response:
        headers = {"accept": _BOTH} | self._bearer
        if message["method"] != "initialize":
            headers["mcp-protocol-version"] = self.client.revision
        return await self.http.post(self.mcp_url, json=message, headers=self._agent | headers)

    async def _streamed(self, verb: str) -> httpx.Response:
        headers = {"accept": "text/event-stream", "mcp-protocol-version": self.client.revision}
        return await self.http.request(
            verb, self.mcp_url, headers=self._agent | headers | self._bearer
        )

    @property
    def _agent(self) -> dict[str, str]:
        return {"user-agent": self.client.user_agent}

    @property
    def _bearer(self) -> dict[str, str]:
        token = self.tokens.get("access_token")
        return {"authorization": f"Bearer {token}"} if token else {}


def _request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
