"""Without an API token: roles by the groups claim, however Okta delivers it."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.roles import SUPER_ADMIN_TOOLS, VIEWER_TOOLS


@pytest.fixture(scope="module")
def own_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared_sandbox(own_port: int) -> Iterator[SandboxProcess]:
    with running_sandbox(f"http://localhost:{own_port}") as running:
        yield running


@pytest.fixture(scope="module")
def server(
    shared_sandbox: SandboxProcess, own_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    environment = shared_sandbox.settings_for_server() | {
        "OKTA_API_TOKEN": "",
        "ROLE_TTL_SECONDS": "1",
    }
    with running_server(tmp_path_factory.mktemp("claims"), own_port, environment) as running:
        yield running


async def count(client: OAuthClient) -> int:
    return len((await client.rpc("tools/list")).json()["result"]["tools"])


@pytest.mark.parametrize("style", ["fat", "thin"])
@pytest.mark.parametrize(
    ("person", "tools"), [("Nora Lind", SUPER_ADMIN_TOOLS), ("Hana Novak", VIEWER_TOOLS)]
)
async def test_roles_by_claim(
    browser: Browser,
    client: OAuthClient,
    sandbox: SandboxProcess,
    style: str,
    person: str,
    tools: int,
) -> None:
    """A thin ID token has no groups: userinfo says them."""
    sandbox.control("settings", {"id_token_style": style})
    await connected(browser, client, person)
    assert await count(client) == tools


async def test_no_claim_is_no_role(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """U-27: absent is not a role, and nobody falls back to one."""
    sandbox.control("settings", {"groups_claim": "off"})
    await signed_in(browser, client, "Nora Lind")
    assert browser.status == 403


async def test_too_many_groups_has_a_text_of_its_own(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """More than 100 names match; who has fewer signs in as always."""
    sandbox.control("settings", {"groups_claim": "too_many"})
    await signed_in(browser, client, "Greta Grund")
    assert browser.status == 502
    assert "groups claim" in browser.page.text.lower()
    await browser.press("Back to the application")
    assert browser.answer["error"] == "server_error"


async def test_tools_that_ask_okta_say_what_is_missing(
    browser: Browser, client: OAuthClient
) -> None:
    await connected(browser, client, "Hana Novak")
    result = (await client.call("list_okta_users"))["result"]
    assert result["isError"] is True
    assert "OKTA_API_TOKEN" in result["content"][0]["text"]
    assert (await client.call("get_current_time"))["result"]["isError"] is False


@pytest.mark.parametrize("rotation", ["STATIC", "ROTATE"])
async def test_roles_follow_the_claim_by_oktas_refresh_token(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess, rotation: str
) -> None:
    """1.5: the same token, or a new one each time; and refreshes that follow each other work."""
    sandbox.control("settings", {"refresh_rotation": rotation})
    await connected(browser, client, "Hana Novak")
    for _ in range(3):
        assert (await client.refresh()).status_code == 200
    change = {"add": ["hana.help@northwind.example"]}
    sandbox.control("groups/sso-super-admins/members", change)
    assert (await client.refresh()).status_code == 200
    me = (await client.rpc("resources/read", {"uri": "user://me"})).json()
    assert json.loads(me["result"]["contents"][0]["text"])["role"] == "super-admin"


async def test_revoking_gives_oktas_refresh_token_back(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """T-09: when neither a session nor another grant needs it any more."""
    await connected(browser, client, "Hana Novak")
    await browser.open(f"{client.url}/oauth/logout")
    await browser.press("Sign out")
    assert "/oauth2/v1/revoke" not in [entry["path"] for entry in sandbox.requests()]
    await client.revoke(client.tokens["refresh_token"])
    assert "/oauth2/v1/revoke" in [entry["path"] for entry in sandbox.requests()]


async def test_a_person_whom_okta_ends_is_ended_here(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    await connected(browser, client, "Hana Novak")
    sandbox.control("users/hana.help@northwind.example", {"status": "SUSPENDED"})
    answer = await client.refresh()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await client.rpc("tools/list")).status_code == 401


async def test_a_sign_in_that_okta_ended_is_begun_anew(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """The browser's session hangs on it, and must not lead to the same refusal again."""
    await connected(browser, client, "Hana Novak")
    sandbox.control("users/hana.help@northwind.example", {"status": "SUSPENDED"})
    # The role that is known holds for the interval of this server, which is a second.
    for _ in range(50):
        await browser.open(client.authorization_url(prompt="consent"))
        if browser.status != 200:
            break
        await asyncio.sleep(0.1)
    assert "took too long" in browser.page.text
    await browser.open(client.authorization_url())
    assert "Sign in with Okta" in [button.text for button in browser.page.buttons]
