"""Resource-server mode: Okta's custom authorization server issues the tokens, by the whole way."""

import base64
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata

from tests.vocabulary.browser import PLAIN, Browser
from tests.vocabulary.mcp_clients import MemoryStorage
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.roles import SUPER_ADMIN_TOOLS, VIEWER_TOOLS

# As it stands in Okta; the tests' browser stops there.
REDIRECT_URI = "http://localhost:3030/oauth/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[SandboxProcess]:
    with running_sandbox("http://localhost:3001") as running:
        yield running


def environment(sandbox: SandboxProcess, **changes: str) -> dict[str, str]:
    custom = sandbox.ready["custom"]
    return sandbox.settings_for_server() | {
        "AUTH_MODE": "resource-server",
        "OKTA_ISSUER": custom["issuer"],
        "OKTA_OAUTH_AUDIENCE": custom["audience"],
        "OKTA_CLIENT_ID": custom["client_id"],
        "OKTA_CLIENT_SECRET": custom["client_secret"],
        "ROLE_TTL_SECONDS": "1",
        **changes,
    }


@pytest.fixture(scope="module", params=["introspection", "jwks"])
def server(
    request: pytest.FixtureRequest,
    shared_sandbox: SandboxProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """With a check by keys it is no application at Okta: it has neither id nor secret."""
    changes = {"OKTA_TOKEN_CHECK": request.param}
    if request.param == "jwks":
        changes |= {"OKTA_CLIENT_ID": "", "OKTA_CLIENT_SECRET": ""}
    settings = environment(shared_sandbox, **changes)
    with running_server(tmp_path_factory.mktemp(request.param), free_port(), settings) as running:
        yield running


@pytest.fixture
async def member(server: ServerProcess) -> AsyncIterator[OAuthClient]:
    """Whose tokens a test gets elsewhere."""
    opened = OAuthClient(server.url)
    yield opened
    await opened.close()


async def okta_tokens(
    sandbox: SandboxProcess,
    person: str = "Hana Novak",
    *,
    server: str = "/oauth2/default",
    scope: str = "openid mcp:access",
) -> dict[str, Any]:
    """The token answer of the organisation for a person who signs in to the native application."""
    browser, client_id = Browser(), sandbox.ready["custom"]["native_client_id"]
    query = httpx.QueryParams(
        {
            "client_id": client_id,
            "redirect_uri": REDIRECT_URI,
            "response_type": "code",
            "scope": scope,
            "state": "a-state",
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
        }
    )
    await browser.open(f"{sandbox.url}{server}/v1/authorize?{query}")
    button = browser.button(person)
    await browser.send(button, follow=False)
    code = parse_qs(urlsplit(browser.location).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    answer = await browser.client.post(f"{sandbox.url}{server}/v1/token", data=form)
    await browser.close()
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(client: OAuthClient, token: str) -> httpx.Response:
    return await client.rpc("tools/list", token=token)


async def test_without_a_token_the_way_to_okta_is_shown(
    server: ServerProcess, sandbox: SandboxProcess
) -> None:
    """RFC 9728, at both well-known paths."""
    async with httpx.AsyncClient(verify=PLAIN) as http:
        answer = await http.post(server.mcp_url, json={})
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        url = f"{server.url}/.well-known/oauth-protected-resource/mcp"
        assert challenge == f'Bearer resource_metadata="{url}"'
        for each in (url, url.removesuffix("/mcp")):
            document = (await http.get(each)).json()
            assert document["resource"] == server.mcp_url
            assert document["authorization_servers"] == [sandbox.ready["custom"]["issuer"]]
            assert document["scopes_supported"] == ["mcp:access"]


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_no_page_and_no_oauth_endpoint_is_served(server: ServerProcess, accept: str) -> None:
    paths = (
        *("/", "/oauth/authorize", "/oauth/login", "/oauth/callback", "/oauth/register"),
        *("/oauth/token", "/oauth/connections", "/authorize", "/token", "/register"),
        *("/static/style.css", "/.well-known/oauth-authorization-server"),
        "/.well-known/openid-configuration",
    )
    async with httpx.AsyncClient(verify=PLAIN, headers={"accept": accept}) as http:
        for path in paths:
            for method in ("GET", "POST"):
                answer = await http.request(method, f"{server.url}{path}")
                assert (answer.status_code, answer.json()) == (404, {"error": "not_found"}), path


async def test_tokens_that_are_not_for_this_server_are_refused(
    server: ServerProcess, sandbox: SandboxProcess, member: OAuthClient
) -> None:
    """An ID token, a token of the organisation's own server, and one without a person."""
    custom = sandbox.ready["custom"]
    own = await okta_tokens(sandbox, server="/oauth2", scope="openid")
    async with httpx.AsyncClient(verify=PLAIN) as http:
        of_service = await http.post(
            f"{custom['issuer']}/v1/token",
            data={"grant_type": "client_credentials", "scope": "mcp:access"},
            auth=(custom["client_id"], custom["client_secret"]),
        )
    refused = [
        (await okta_tokens(sandbox))["id_token"],
        own["access_token"],
        own["id_token"],
        of_service.json()["access_token"],
        sandbox.ready["api_token"],
        "nonsense",
    ]
    for token in refused:
        answer = await listed(member, token)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_token"
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert "resource_metadata=" in answer.headers["www-authenticate"]
    lines = server.events("bearer.refused")[-len(refused) :]
    assert "no person stands behind the token (uid)" in [line["reason"] for line in lines]
    assert not any(token in json.dumps(lines) for token in refused)


async def test_a_token_without_the_scope_is_told_which_one(
    sandbox: SandboxProcess, member: OAuthClient
) -> None:
    """M-17: 403 `insufficient_scope`, with the scope and where the metadata is."""
    token = (await okta_tokens(sandbox, scope="openid profile"))["access_token"]
    answer = await listed(member, token)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:access"' in challenge
    assert "resource_metadata=" in challenge


async def test_a_tool_outside_the_role_is_unknown_and_no_403(
    sandbox: SandboxProcess, member: OAuthClient
) -> None:
    member.tokens = await okta_tokens(sandbox)
    answer = await member.call("list_okta_network_zones")
    assert answer["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("person", "tools"), [("Nora Lind", SUPER_ADMIN_TOOLS), ("Hana Novak", VIEWER_TOOLS)]
)
async def test_the_role_alone_decides(
    sandbox: SandboxProcess, member: OAuthClient, person: str, tools: int
) -> None:
    """No scope of the token is a data family, and all of the role's tools are there."""
    member.tokens = await okta_tokens(sandbox, person)
    answer = (await member.rpc("tools/list")).json()
    assert len(answer["result"]["tools"]) == tools
    me = (await member.call("whoami"))["result"]["structuredContent"]
    assert (me["scopes"], len(me["tools"])) == (None, tools)
    assert me["client"]["id"] == sandbox.ready["custom"]["native_client_id"]
    assert me["source"] == "management_api"


async def test_roles_are_live_and_a_suspended_person_is_out(
    sandbox: SandboxProcess, member: OAuthClient, server: ServerProcess
) -> None:
    member.tokens = await okta_tokens(sandbox)
    assert (await member.rpc("tools/list")).status_code == 200
    sandbox.control("groups/sso-viewers/members", {"remove": ["hana.help"]})
    await _until_told(member, lambda answer: answer.json()["result"]["tools"] == [])
    sandbox.control("users/hana.help", {"status": "SUSPENDED"})
    await _until_told(member, lambda answer: answer.status_code == 401)
    assert server.events("role.changed")[-1]["role_before"] == "viewer"


async def _until_told(member: OAuthClient, is_so: Any) -> None:
    """Asked until the second is over for which a role is kept."""
    until = time.monotonic() + 15
    while not is_so(answer := await member.rpc("tools/list")):
        assert time.monotonic() < until, answer.text


async def test_a_call_stands_in_the_trail_with_the_application_of_the_token(
    sandbox: SandboxProcess, member: OAuthClient, server: ServerProcess
) -> None:
    member.tokens = await okta_tokens(sandbox)
    assert "result" in await member.call("get_current_time")
    line = server.events("tool.called")[-1]
    assert line["client_id"] == sandbox.ready["custom"]["native_client_id"]
    assert line["login"] == "hana.help@northwind.example"
    assert line["user_id"].startswith("00u")
    assert (line["role"], line["subject"]) == ("viewer", "get_current_time")
    assert member.tokens["access_token"] not in server.audit_file.read_text()
    assert member.tokens["access_token"] not in server.log_file.read_text()


async def test_the_python_sdk_with_an_application_that_stands_in_okta(
    sandbox: SandboxProcess, server: ServerProcess
) -> None:
    """401, metadata, Okta's page, token, tools, refresh: no registration anywhere."""
    async with _sdk_client(server.mcp_url, sandbox, "Nora Lind") as (client, storage, provider):
        assert len((await client.list_tools()).tools) == SUPER_ADMIN_TOOLS
        first = storage.tokens
        assert first is not None
        assert "mcp:access" in (first.scope or "")
        provider.context.token_expiry_time = 1
        assert len((await client.list_tools()).tools) == SUPER_ADMIN_TOOLS
        assert storage.tokens is not None
        assert storage.tokens.access_token != first.access_token
    asked = [entry["path"] for entry in sandbox.requests()]
    assert asked.count("/oauth2/default/v1/authorize") == 1
    assert asked.count("/oauth2/default/v1/token") == 2
    assert [path for path in asked if path.endswith("/clients")] == []


@contextlib.asynccontextmanager
async def _sdk_client(
    mcp_url: str, sandbox: SandboxProcess, person: str
) -> AsyncIterator[tuple[Client, MemoryStorage, OAuthClientProvider]]:
    browser, storage, custom = Browser(), MemoryStorage(), sandbox.ready["custom"]
    storage.client_info = OAuthClientInformationFull(
        client_id=custom["native_client_id"],
        redirect_uris=[REDIRECT_URI],
        token_endpoint_auth_method="none",
        issuer=custom["issuer"],
    )

    async def open_browser(url: str) -> None:
        await browser.open(url)
        await browser.send(browser.button(person), follow=False)

    async def callback() -> AuthorizationCodeResult:
        query = parse_qs(urlsplit(browser.location).query)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0])

    metadata = OAuthClientMetadata(redirect_uris=[REDIRECT_URI], token_endpoint_auth_method="none")
    provider = OAuthClientProvider(mcp_url, metadata, storage, open_browser, callback)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(mcp_url, http_client=http), mode="legacy") as client,
    ):
        yield client, storage, provider
    await browser.close()


class TestWithServersOfTheirOwn:
    """What needs another configuration, or an Okta that is away."""

    async def test_while_okta_is_away_a_new_token_is_503_with_a_time(
        self, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder, settings = tmp_path_factory.mktemp("away"), environment(sandbox)
        with running_server(folder, free_port(), settings) as server:
            client = OAuthClient(server.url)
            known, other = [(await okta_tokens(sandbox))["access_token"] for _ in range(2)]
            assert (await listed(client, known)).status_code == 200
            fault = {"match": "POST /oauth2/default/v1/introspect", "status": 503, "times": 10}
            sandbox.control("faults", fault)
            answer = await listed(client, other)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "Okta does not answer" in answer.json()["error"]["message"]
            # What is known stays known for its half minute.
            assert (await client.rpc("ping", token=known)).status_code == 200
            await client.close()

    async def test_an_address_that_makes_okta_be_asked_in_vain_is_stopped(
        self, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        settings = environment(sandbox, RATE_TOKEN_FAILURES="3/hour")
        with running_server(tmp_path_factory.mktemp("rate"), free_port(), settings) as server:
            client = OAuthClient(server.url)
            good = (await okta_tokens(sandbox))["access_token"]
            assert (await listed(client, good)).status_code == 200
            told = [(await listed(client, f"made-up-{number}")).status_code for number in range(6)]
            assert told == [401, 401, 401, 429, 429, 429]
            asked = [each["path"] for each in sandbox.requests()]
            assert asked.count("/oauth2/default/v1/introspect") == 4
            assert (await listed(client, good)).status_code == 200
            await client.close()

    @pytest.mark.parametrize("check", ["introspection", "jwks"])
    async def test_without_the_api_the_groups_claim_of_the_token_gives_the_role(
        self, sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory, check: str
    ) -> None:
        settings = environment(sandbox, OKTA_API_TOKEN="", OKTA_TOKEN_CHECK=check)
        with running_server(tmp_path_factory.mktemp("claims"), free_port(), settings) as server:
            client = OAuthClient(server.url)
            client.tokens = await okta_tokens(sandbox)
            assert (await client.rpc("tools/list")).json()["result"]["tools"] == []
            sandbox.control("settings", {"custom_groups_claim": "on"})
            client.tokens = await okta_tokens(sandbox)
            answer = (await client.rpc("tools/list")).json()
            assert len(answer["result"]["tools"]) == VIEWER_TOOLS
            me = (await client.call("whoami"))["result"]["structuredContent"]
            assert (me["role"], me["source"]) == ("viewer", "access_token")
            await client.close()

    async def test_one_command_starts_it_with_the_sandbox_and_says_what_to_type_next(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("sandbox")
        with running_server(
            folder, free_port(), {}, "--sandbox", module="okta_mcp.resource_server"
        ) as server:
            log = server.log_file.read_text()
            command = log.partition("Try it now")[2].split()[:7]
            assert command[:6] == [
                *("python", "-m", "okta_mcp", "login", server.mcp_url, "--client-id"),
            ]
            async with httpx.AsyncClient(verify=PLAIN) as http:
                metadata = (
                    await http.get(f"{server.url}/.well-known/oauth-protected-resource")
                ).json()
                issuer = metadata["authorization_servers"][0]
                assert issuer in log
                answer = await http.get(
                    f"{issuer}/v1/authorize",
                    params={"client_id": command[6], "redirect_uri": REDIRECT_URI},
                )
            # An application that Okta knows, with this redirect URI: anything else is a page.
            assert answer.status_code == 302
