"""Roles as Okta gives them at this moment, and a policy of one's own, over the whole application.

Time is the test's; Okta is the sandbox. What the two sources of groups say one by one is tested in
tests/okta/test_directory.py, the interval itself in test_roles.py.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected, signed_in
from tests.vocabulary.processes import SandboxProcess

HANA, GRETA = "hana.help@northwind.example", "greta.groups@northwind.example"
ROLE_TTL_SECONDS = 60
NOBODYS = {"GROUP_TO_ROLE_VIEWER": "", "GROUP_TO_ROLE_SECURITY_ADMIN": ""}


class Start(Protocol):
    """Starts the application with further settings."""

    async def __call__(self, **settings: str) -> LocalServer: ...


@pytest.fixture
async def start(sandbox: SandboxProcess, server_port: int, tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def started(**settings: str) -> LocalServer:
            given = sandbox.settings_for_server() | settings
            url = f"http://localhost:{server_port}"
            environment = {name: value for name, value in given.items() if value}
            return await stack.enter_async_context(local_server(tmp_path, url, environment))

        yield started


async def connected_to(local: LocalServer, person: str) -> OAuthClient:
    client = await local.client()
    await connected(local.browser(), client, person)
    return client


async def role_of(client: OAuthClient) -> str | None:
    answer = await client.rpc("resources/read", {"uri": "user://me"})
    role: str | None = json.loads(answer.json()["result"]["contents"][0]["text"])["role"]
    return role


def lookups(sandbox: SandboxProcess, login: str) -> list[str]:
    """What Okta was asked about a person for the role."""
    [user_id] = {
        each["path"].split("/")[4]
        for each in sandbox.requests()
        if each["path"].startswith("/api/v1/users/00u") and each["path"].endswith("/groups")
    }
    about = f"/api/v1/users/{user_id}"
    return [each["path"] for each in sandbox.requests() if each["path"].startswith(about)]


async def test_forty_calls_at_once_after_the_interval_ask_okta_once(
    start: Start, sandbox: SandboxProcess
) -> None:
    local = await start()
    client = await connected_to(local, "Hana Novak")
    before = len(lookups(sandbox, HANA))
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    answers = await asyncio.gather(*(client.call("get_current_time") for _ in range(40)))
    assert all("result" in answer for answer in answers)
    asked = lookups(sandbox, HANA)[before:]
    assert [path.endswith("/groups") for path in asked] == [False, True]


async def test_a_person_whom_okta_no_longer_knows_is_out(
    start: Start, sandbox: SandboxProcess
) -> None:
    """B-09: deleted, the grant and its refresh token end."""
    local = await start()
    client = await connected_to(local, "Hana Novak")
    sandbox.control("faults", {"match": "GET /api/v1/users/", "status": 404, "times": 100})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert (await client.rpc("tools/list")).status_code == 401
    assert [event["reason"] for event in local.events("grant.ended")] == ["account_inactive"]
    sandbox.control("reset")
    assert (await client.refresh()).json()["error"] == "invalid_grant"


async def test_a_locked_account_keeps_what_runs(start: Start, sandbox: SandboxProcess) -> None:
    """An outsider who guesses passwords must not be able to cut somebody off."""
    local = await start()
    client = await connected_to(local, "Hana Novak")
    sandbox.control(f"users/{HANA}", {"status": "LOCKED_OUT"})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert "result" in await client.call("get_current_time")
    assert (await client.refresh()).status_code == 200


async def test_the_last_of_more_than_a_hundred_groups_counts(
    start: Start, sandbox: SandboxProcess
) -> None:
    """Also mapped by its id; and the id of an application's group gives what its name does not."""
    group = "sso-super-admins"
    sandbox.control(f"groups/{group}/members", {"add": [GRETA]})
    local = await start(**NOBODYS, GROUP_TO_ROLE_SUPER_ADMIN=group)
    client = await connected_to(local, "Greta Grund")
    assert await role_of(client) == "super-admin"
    me = await client.rpc("resources/read", {"uri": "user://me"})
    assert json.loads(me.json()["result"]["contents"][0]["text"])["groups"] == [group]
    groups = (await client.call("list_okta_user_groups", user_id=GRETA))["result"]
    assert groups["structuredContent"]["count"] > 100 or groups["structuredContent"]["truncated"]


async def test_a_group_imported_from_an_application_counts_by_its_id_alone(
    start: Start, sandbox: SandboxProcess
) -> None:
    """U-27: its name, which is that of a role group, gives nothing."""
    asking = await connected_to(await start(), "Nora Lind")
    found = (await asking.call("list_okta_groups", filter='type eq "APP_GROUP"', limit=200))[
        "result"
    ]
    [imported] = [
        group["id"]
        for group in found["structuredContent"]["items"]
        if group["profile"]["name"] == "sso-super-admins"
    ]
    by_name = await start(**NOBODYS)
    browser = by_name.browser()
    await signed_in(browser, await by_name.client(), "Cole Baker")
    assert browser.status == 403
    by_id = await start(**NOBODYS, GROUP_TO_ROLE_SUPER_ADMIN=imported)
    assert await role_of(await connected_to(by_id, "Cole Baker")) == "super-admin"


# --- people who get no consent page ---


async def test_somebody_without_a_role_is_on_the_record(start: Start) -> None:
    """B-06: also where the browser is signed in already, and no new sign-in is recorded."""
    local = await start()
    client, browser = await local.client(), local.browser()
    await signed_in(browser, client, "Cole Baker")
    assert browser.status == 403
    await browser.open(client.authorization_url())
    assert browser.status == 403
    assert [event["reason"] for event in local.events("consent.refused")] == ["no_role"] * 2


async def test_an_inactive_account_at_the_authorization_is_on_the_record(
    start: Start, sandbox: SandboxProcess
) -> None:
    """B-09."""
    local = await start()
    client, browser = await local.client(), local.browser()
    await signed_in(browser, client, "Hana Novak")
    sandbox.control(f"users/{HANA}", {"status": "SUSPENDED"})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    await browser.open(client.authorization_url())
    assert browser.status == 403
    assert [event["reason"] for event in local.events("consent.refused")] == ["account_inactive"]


# --- a policy of one's own ---

SHIPPED = files("okta_mcp.rbac").joinpath("default_policy.toml").read_text(encoding="utf-8")
OWN = (
    'roles = ["viewer", "help-desk", "security-admin", "super-admin"]\n'
    '[groups]\nhelp-desk = ["sso-viewers"]\n'
    + SHIPPED.replace(
        'list_okta_user_factors = "security-admin"', 'list_okta_user_factors = "help-desk"'
    ).replace('list_okta_applications = "viewer"', 'list_okta_applications = "nobody"')
    + '[limits.help-desk.get_okta_event_logs]\nwindow_days = 7\nlimit = 10\nfields = ["default"]\n'
)


@pytest.fixture
def own_policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.toml"
    path.write_text(OWN)
    path.chmod(0o600)
    return str(path)


async def error_of(client: OAuthClient, tool: str, **arguments: Any) -> dict[str, Any]:
    result = (await client.call(tool, **arguments))["result"]
    assert result["isError"]
    return dict(json.loads(result["content"][0]["text"])["error"])


async def test_a_role_of_ones_own_is_shown_and_has_its_tools(start: Start, own_policy: str) -> None:
    local = await start(**NOBODYS, POLICY_FILE=own_policy)
    client, browser = await local.client(), local.browser()
    await signed_in(browser, client, "Hana Novak")
    assert "help-desk" in browser.page.text
    assert "list_okta_user_factors" in browser.page.text
    await browser.press("Allow")
    await client.redeem(browser.answer["code"])
    assert await role_of(client) == "help-desk"
    listed = (await client.rpc("tools/list")).json()["result"]["tools"]
    names = {tool["name"] for tool in listed}
    assert "list_okta_user_factors" in names
    assert not {"list_okta_applications", "list_okta_policy_rules"} & names
    refused = await client.call("list_okta_applications")
    assert refused["error"]["message"] == "Unknown tool: list_okta_applications"


@pytest.mark.parametrize(
    ("arguments", "parameter", "said"),
    [
        ({"since": "last 30 days"}, "since", "at most 7 days"),
        ({"limit": 11}, "limit", "at most 10"),
        ({"fields": "full"}, "fields", "fields may be default"),
    ],
)
async def test_a_limit_of_the_policy_is_an_error_that_says_what_is_allowed(
    start: Start,
    sandbox: SandboxProcess,
    own_policy: str,
    arguments: dict[str, Any],
    parameter: str,
    said: str,
) -> None:
    local = await start(**NOBODYS, POLICY_FILE=own_policy)
    client = await connected_to(local, "Hana Novak")
    asked = len(sandbox.requests())
    error = await error_of(client, "get_okta_event_logs", **arguments)
    assert (error["code"], error["parameter"]) == ("forbidden_parameter", parameter)
    assert said in error["message"]
    assert len(sandbox.requests()) == asked
    assert local.events("tool.called")[-1]["reason"] == "forbidden_parameter"


async def test_within_its_limits_a_tool_works_without_any_argument(
    start: Start, own_policy: str
) -> None:
    local = await start(**NOBODYS, POLICY_FILE=own_policy)
    client = await connected_to(local, "Hana Novak")
    answer = (await client.call("get_okta_event_logs"))["result"]["structuredContent"]
    assert answer["count"] == 10


async def test_a_limit_binds_its_own_role_alone(start: Start, own_policy: str) -> None:
    local = await start(POLICY_FILE=own_policy)
    client = await connected_to(local, "Nora Lind")
    answer = await client.call("get_okta_event_logs", since="last 30 days", limit=20)
    assert answer["result"]["structuredContent"]["count"] == 20
