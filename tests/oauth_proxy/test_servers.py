"""Servers behind the gateway in the authorization server: one scope each, asked for by name.

The servers here are not running: consent, scopes and pages must not depend on that.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from okta_mcp.mcp_endpoint.endpoint import McpEndpoint
from okta_mcp.rbac.policy import Policy
from okta_mcp.serving.application import AtMcp
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import connected, signed_in
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.service import policy_file

HANA = "Hana Novak"
USERS = "okta.users.read"
RULES = """[servers.time]
role = "viewer"
[servers.files]
role = "super-admin"
"""
NOT_THERE = "http://127.0.0.1:9/mcp"
CONFIGURATION = {
    "time": {
        "url": NOT_THERE,
        "okta_mcp": {"title": "Time", "purpose": "tells the time anywhere", "calls": "2/minute"},
    },
    "files": {"url": NOT_THERE, "okta_mcp": {"title": "Case files"}},
    "orphan": {"url": NOT_THERE},
}


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    configuration = tmp_path / "mcp.json"
    configuration.write_text(json.dumps({"mcpServers": CONFIGURATION}))
    configuration.chmod(0o600)
    environment = sandbox.settings_for_server() | {
        "POLICY_FILE": str(policy_file(tmp_path, RULES)),
        "MCP_CONFIG": str(configuration),
    }
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, environment) as running:
        yield running


def take_away(local: LocalServer, *left: str) -> None:
    """What a reload does when servers are gone from the file."""
    behind = policy_of(local).behind
    behind.replace([server for server in behind.servers if server.name in left])


def policy_of(local: LocalServer) -> Policy:
    """The policy that the running application asks."""
    assert local.app is not None
    inner = next(each.kwargs["mcp"] for each in local.app.user_middleware if each.cls is AtMcp)
    while not isinstance(inner, McpEndpoint):
        inner = inner.app
    return inner._policy


async def test_metadata_lists_one_scope_for_each_server(local: LocalServer) -> None:
    client = await local.client()
    answer = await client.http.get(f"{local.url}/.well-known/oauth-authorization-server")
    assert answer.json()["scopes_supported"][-4:] == [
        "mcp.time",
        "mcp.files",
        "mcp.orphan",
        "offline_access",
    ]


async def test_metadata_follows_the_servers_that_there_are(local: LocalServer) -> None:
    client = await local.client()
    url = f"{local.url}/.well-known/oauth-authorization-server"
    before = (await client.http.get(url)).json()
    take_away(local, "time")
    after = (await client.http.get(url)).json()
    assert before["scopes_supported"][-2:] == ["mcp.orphan", "offline_access"]
    assert after["scopes_supported"][-2:] == ["mcp.time", "offline_access"]
    assert before | {"scopes_supported": after["scopes_supported"]} == after


async def test_consent_names_the_servers_of_the_role_and_no_other(local: LocalServer) -> None:
    """C-02: in the words of the configuration, and without a promise for them."""
    client, browser = await local.client(), local.browser()
    await signed_in(browser, client, HANA)
    text = browser.page.text
    assert "Time" in text
    assert "tells the time anywhere" in text
    assert "may change things" in text
    assert "Case files" not in text
    assert "orphan" not in text


async def test_a_token_holds_the_servers_of_the_role(local: LocalServer) -> None:
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA)
    scopes = client.tokens["scope"].split()
    assert "mcp.time" in scopes
    assert not {"mcp.files", "mcp.orphan"} & set(scopes)


async def test_a_request_for_a_server_that_the_role_has_not_is_refused(local: LocalServer) -> None:
    client, browser = await local.client(), local.browser()
    await signed_in(browser, client, HANA, scope="mcp.files mcp.orphan")
    assert browser.answer["error"] == "invalid_scope"


async def test_a_remembered_answer_covers_no_server_that_it_did_not_name(
    local: LocalServer,
) -> None:
    """C-10: the page is shown again, and names it."""
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA, scope=USERS)
    await browser.open(client.authorization_url(scope=USERS))
    assert "code" in browser.answer
    await browser.open(client.authorization_url(scope=f"{USERS} mcp.time"))
    assert browser.landed is None
    assert "tells the time anywhere" in browser.page.text


async def test_a_remembered_answer_covers_no_server_that_came_later(local: LocalServer) -> None:
    policy = policy_of(local)
    every = policy.behind.servers
    take_away(local, "files")
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA)
    policy.behind.replace(every)
    await browser.open(client.authorization_url())
    assert browser.landed is None
    assert "tells the time anywhere" in browser.page.text


async def test_the_scope_of_a_removed_server_is_narrowed_away(local: LocalServer) -> None:
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA, scope=f"{USERS} mcp.time offline_access")
    take_away(local, "files")
    answer = await client.refresh()
    assert answer.status_code == 200
    assert answer.json()["scope"].split() == [USERS, "offline_access"]
    await browser.open(f"{local.url}/oauth/connections")
    assert "mcp.time" not in browser.page.text
    await browser.open(client.authorization_url(scope="mcp.time"))
    assert browser.answer["error"] == "invalid_scope"


@pytest.mark.parametrize("tool", ["files_read", "orphan_x", "gone_x", "time_"])
async def test_a_server_that_is_not_given_answers_as_one_that_is_not_there(
    local: LocalServer, tool: str
) -> None:
    """R-02."""
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA)
    answer = await client.call(tool)
    assert answer["error"]["message"] == f"Unknown tool: {tool}"


async def test_a_token_without_the_scope_of_a_server_does_not_reach_it(local: LocalServer) -> None:
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA, scope=USERS)
    answer = await client.call("time_now")
    assert answer["error"]["message"] == "Unknown tool: time_now"
    (refused,) = local.events("tool.refused")
    assert (refused["reason"], refused["server"]) == ("scope", "time")


async def test_the_page_of_tools_is_for_those_who_are_signed_in(local: LocalServer) -> None:
    browser = local.browser()
    await browser.open(f"{local.url}/oauth/tools")
    assert [button.text for button in browser.page.buttons] == ["Sign in with Okta", "Cancel"]


async def test_the_page_of_tools_shows_a_persons_servers_and_their_state(
    local: LocalServer,
) -> None:
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA)
    await browser.open(f"{local.url}/oauth/tools")
    text = browser.page.text
    assert "get_okta_user" in text
    assert "tells the time anywhere" in text
    assert "down" in text or "starting" in text
    assert "Case files" not in text
    await browser.open(f"{local.url}/")
    assert ("See what you may use", "/oauth/tools") in browser.page.links


async def test_whoami_names_the_servers_with_their_state(local: LocalServer) -> None:
    client, browser = await local.client(), local.browser()
    await connected(browser, client, HANA)
    answer = await client.call("whoami")
    (server,) = answer["result"]["structuredContent"]["servers"]
    assert (server["name"], server["title"]) == ("time", "Time")
    assert server["state"] in ("down", "starting")
