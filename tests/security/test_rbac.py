"""Who may do what: attempts to get more than the role, and how soon a change in Okta counts.

The application runs in the test's process where time has to pass; its interval of 60 seconds is
the shipped one.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess, ServerProcess
from tests.vocabulary.roles import SECURITY_ADMIN_TOOLS, SUPER_ADMIN_TOOLS, VIEWER_TOOLS

HANA = "hana.help@northwind.example"
ROLE_TTL_SECONDS = 60
DENIED = "list_okta_network_zones"


@pytest.fixture
async def viewer(browser: Browser, client: OAuthClient) -> OAuthClient:
    """A client that holds the tokens of a viewer."""
    await connected(browser, client, "Hana Novak")
    return client


async def local_viewer(local: LocalServer) -> OAuthClient:
    client = await local.client()
    await connected(local.browser(), client, "Hana Novak")
    return client


async def tool_names(client: OAuthClient) -> set[str]:
    answer = await client.rpc("tools/list")
    return {tool["name"] for tool in answer.json()["result"]["tools"]}


async def role_of(client: OAuthClient) -> str | None:
    answer = await client.rpc("resources/read", {"uri": "user://me"})
    me: dict[str, Any] = json.loads(answer.json()["result"]["contents"][0]["text"])
    return me["role"]


def api_requests(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    return [asked for asked in sandbox.requests() if asked["path"].startswith("/api/v1/")]


async def test_a_tool_that_is_not_listed_cannot_be_called(
    viewer: OAuthClient, sandbox: SandboxProcess, server: ServerProcess
) -> None:
    """B-01, B-02, B-03: every tool outside the role, in the words for an unknown one."""
    listed = await tool_names(viewer)
    asked = len(api_requests(sandbox))
    outside = {
        *("get_okta_event_logs", "list_okta_policy_rules", "get_okta_policy_rule", DENIED),
        *("list_okta_user_factors", "get_okta_application"),
    } - listed
    assert len(outside) >= 4
    for tool in outside:
        answer = await viewer.call(tool)
        assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {tool}"}
        written = server.events("tool.refused")[-1]
        assert (written["subject"], written["reason"]) == (tool, "role")
        assert written["client_id"] == viewer.client_id
        assert written["login"] == HANA
    assert len(api_requests(sandbox)) == asked


NEARLY = (
    "LIST_OKTA_NETWORK_ZONES",
    "list_okta_network_zones ",
    " list_okta_network_zones",
    "list_okta_network_zones\x00",
    "list_okta_network_zones\n",
    "list_okta_network_zoneѕ",
    "ｌist_okta_network_zones",
    "list-okta-network-zones",
    "okta_mcp/list_okta_network_zones",
    "list_okta_network_zones?x",
    "list_okta_network_zones@latest",
    "./list_okta_network_zones",
    "*",
    "",
    "__class__",
)


@pytest.mark.parametrize("name", NEARLY, ids=ascii)
async def test_a_name_that_nearly_is_a_tool_is_unknown(
    browser: Browser, client: OAuthClient, name: str
) -> None:
    """B-04: also for the super administrator, who has the tool."""
    await connected(browser, client, "Nora Lind")
    answer = await client.rpc("tools/call", {"name": name, "arguments": {}})
    assert answer.json()["error"] == {"code": -32602, "message": f"Unknown tool: {name}"}


@pytest.mark.parametrize("name", [["x"], {"name": DENIED}, 1, True, None])
async def test_a_name_that_is_no_text_is_not_made_one(viewer: OAuthClient, name: object) -> None:
    """B-04."""
    answer = await viewer.rpc("tools/call", {"name": name, "arguments": {}})
    assert answer.status_code == 400


CLAIMED = {
    "headers": {
        "x-user": "nora.super@northwind.example",
        "x-forwarded-user": "nora.super@northwind.example",
        "x-groups": "okta-mcp-super-admins",
        "x-role": "super-admin",
        "x-auth-request-groups": "okta-mcp-super-admins",
        "remote-user": "nora.super@northwind.example",
        "mcp-role": "super-admin",
    },
    "_meta": {"role": "super-admin", "user_id": "nora", "io.modelcontextprotocol/role": "admin"},
}


@pytest.mark.parametrize("where", ["headers", "_meta", "arguments", "params"])
async def test_who_asks_is_not_for_the_request_to_say(viewer: OAuthClient, where: str) -> None:
    """B-05."""
    claimed = {"role": "super-admin", "user": "nora.super@northwind.example", "groups": ["*"]}
    params: dict[str, Any] = {"name": DENIED, "arguments": {}}
    headers = CLAIMED["headers"] if where == "headers" else None
    match where:
        case "_meta":
            params["_meta"] = CLAIMED["_meta"]
        case "arguments":
            params["arguments"] = claimed
        case "params":
            params |= claimed
    answer = await viewer.rpc("tools/call", params, headers=headers)
    assert answer.json()["error"]["message"] == f"Unknown tool: {DENIED}"
    listed = await viewer.rpc("tools/list", {"_meta": CLAIMED["_meta"]}, headers=headers)
    assert len(listed.json()["result"]["tools"]) == VIEWER_TOOLS


async def test_who_loses_the_last_group_keeps_the_grant_and_has_no_tool(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-06, B-08: until a group is back."""
    client = await local_viewer(local)
    group = sandbox.ready["role_groups"]["viewer"]
    sandbox.control(f"groups/{group}/members", {"remove": [HANA]})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert await tool_names(client) == set()
    assert (await client.call("list_okta_users"))["error"]["message"].startswith("Unknown tool")
    assert (await client.refresh()).status_code == 200
    assert await tool_names(client) == set()
    sandbox.control(f"groups/{group}/members", {"add": [HANA]})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert len(await tool_names(client)) == VIEWER_TOOLS


RESTRICTED: list[tuple[str, dict[str, Any]]] = [
    ("resources/read", {"uri": "okta://secrets"}),
    ("resources/read", {"uri": "user://me/"}),
    ("resources/read", {"uri": "USER://me"}),
    ("resources/read", {"uri": "user://other"}),
    ("resources/read", {"uri": "file:///etc/passwd"}),
    ("resources/subscribe", {"uri": "user://me"}),
    ("resources/unsubscribe", {"uri": "user://me"}),
    ("prompts/get", {"name": "x"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": "b"}},
    ),
    ("sampling/createMessage", {"messages": []}),
    ("roots/list", {}),
]


@pytest.mark.parametrize(("method", "params"), RESTRICTED, ids=str)
async def test_what_is_no_tool_is_under_the_same_check(
    viewer: OAuthClient, sandbox: SandboxProcess, method: str, params: dict[str, Any]
) -> None:
    """B-07: nothing is given, and nothing asked of Okta."""
    asked = len(api_requests(sandbox))
    answer = await viewer.rpc(method, params)
    assert "error" in answer.json()
    assert len(api_requests(sandbox)) == asked


async def test_lists_of_other_things_hold_only_what_everybody_may_read(viewer: OAuthClient) -> None:
    """B-07."""
    resources = (await viewer.rpc("resources/list")).json()["result"]["resources"]
    templates = (await viewer.rpc("resources/templates/list")).json()["result"]
    prompts = (await viewer.rpc("prompts/list")).json()["result"]["prompts"]
    # What the policy keeps for higher roles is neither listed nor read.
    uris = [each["uri"] for each in resources]
    assert "user://me" in uris
    assert "okta://rbac" not in uris
    answer = (await viewer.rpc("resources/read", {"uri": "okta://rbac"})).json()
    assert answer["error"]["message"] == "Resource not found: 'okta://rbac'"
    assert {each["name"] for each in prompts} == {"investigate_user", "triage_suspicious_login"}
    assert templates["resourceTemplates"]


async def test_a_removed_group_counts_after_a_minute_at_the_latest(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-08: on lists, calls and resources; within the minute the known role holds."""
    client = await local.client()
    await connected(local.browser(), client, "Nora Lind")
    assert await role_of(client) == "super-admin"
    groups = sandbox.ready["role_groups"]
    person = {"remove": ["nora.super@northwind.example"]}
    sandbox.control(f"groups/{groups['super_admin']}/members", person)
    sandbox.control(f"groups/{groups['viewer']}/members", {"add": person["remove"]})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert (await client.call(DENIED))["error"]["message"] == f"Unknown tool: {DENIED}"
    assert len(await tool_names(client)) == VIEWER_TOOLS
    assert await role_of(client) == "viewer"
    [changed] = local.events("role.changed")
    assert (changed["role_before"], changed["role"]) == ("super-admin", "viewer")


async def test_a_refresh_sees_a_removed_group_at_once(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-08: Okta is asked at every refresh, whatever is remembered."""
    client = await local_viewer(local)
    group = sandbox.ready["role_groups"]["viewer"]
    sandbox.control(f"groups/{group}/members", {"remove": [HANA]})
    assert (await client.refresh()).status_code == 200
    assert await tool_names(client) == set()


@pytest.mark.parametrize("status", ["SUSPENDED", "DEPROVISIONED"])
async def test_an_account_that_may_not_act_is_out_after_a_minute_at_the_latest(
    local: LocalServer, sandbox: SandboxProcess, status: str
) -> None:
    """B-09, T-17: 401 on the next call, and the grant, its refresh token and the session end."""
    client, browser = await local.client(), local.browser()
    await connected(browser, client, "Hana Novak")
    sandbox.control(f"users/{HANA}", {"status": status})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    answer = await client.rpc("tools/call", {"name": "get_current_time", "arguments": {}})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    refreshed = await client.refresh()
    assert (refreshed.status_code, refreshed.json()["error"]) == (400, "invalid_grant")
    [ended] = local.events("grant.ended")
    assert ended["reason"] == "account_inactive"
    await browser.open(client.authorization_url())
    assert "Sign in with Okta" in [button.text for button in browser.page.buttons]


async def test_a_suspended_person_stays_out_when_active_again(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-09: what was ended does not come back to life."""
    client = await local_viewer(local)
    sandbox.control(f"users/{HANA}", {"status": "SUSPENDED"})
    assert (await client.refresh()).status_code == 400
    sandbox.control(f"users/{HANA}", {"status": "ACTIVE"})
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert (await client.rpc("tools/list")).status_code == 401
    assert (await client.refresh()).status_code == 400


@pytest.mark.parametrize("status", [500, 503, 429, 403])
async def test_without_okta_the_known_role_ends_with_its_minute(
    local: LocalServer, sandbox: SandboxProcess, status: int
) -> None:
    """B-10: never longer, a clear error, no data; and back when Okta is."""
    client = await local_viewer(local)
    fault = {"match": "GET /api/v1/users/", "status": status, "times": 1000, "seconds": 60}
    sandbox.control("faults", fault)
    assert len(await tool_names(client)) == VIEWER_TOOLS
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    for method, params in (
        ("tools/call", {"name": "get_current_time", "arguments": {}}),
        ("tools/list", {}),
        ("resources/read", {"uri": "user://me"}),
    ):
        body = (await client.rpc(method, params)).json()
        assert "result" not in body
        assert "cannot be checked" in body["error"]["message"]
    refused = await client.refresh()
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
    sandbox.control("reset")
    local.clock.pass_seconds(ROLE_TTL_SECONDS + 1)
    assert (await client.refresh()).status_code == 200
    assert len(await tool_names(client)) == VIEWER_TOOLS


async def test_every_tool_reads_and_only_gets_are_sent(
    browser: Browser, client: OAuthClient, sandbox: SandboxProcess
) -> None:
    """B-11: by its annotations, and by what arrives at Okta."""
    await connected(browser, client, "Nora Lind")
    tools = (await client.rpc("tools/list")).json()["result"]["tools"]
    assert len(tools) == SUPER_ADMIN_TOOLS
    assert all(tool["annotations"]["readOnlyHint"] is True for tool in tools)
    assert not any(tool["annotations"].get("destructiveHint") for tool in tools)
    for tool in tools:
        await client.call(
            tool["name"], **dict.fromkeys(tool["inputSchema"].get("required", ()), HANA)
        )
    assert {asked["method"] for asked in api_requests(sandbox)} == {"GET"}


async def test_nothing_of_one_person_is_given_to_another(
    browser: Browser, viewer: OAuthClient, attacker: Browser, other_client: OAuthClient
) -> None:
    """B-12: interleaved and at once, lists, identities and cursors."""
    await connected(attacker, other_client, "Nora Lind")
    both = (viewer, other_client)
    lists = await asyncio.gather(*(tool_names(client) for client in both * 10))
    assert [len(names) for names in lists] == [VIEWER_TOOLS, SUPER_ADMIN_TOOLS] * 10
    roles = await asyncio.gather(*(role_of(client) for client in both * 10))
    assert roles == ["viewer", "super-admin"] * 10
    page = (await other_client.call("list_okta_users", limit=1))["result"]["structuredContent"]
    foreign = await viewer.call("list_okta_users", limit=1, after=page["next_cursor"])
    assert foreign["result"]["isError"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/list"},
        {"mcp-name": "get_current_time"},
        {"mcp-method": "tools/list", "mcp-name": "get_current_time"},
        {"mcp-method": "tools/call", "mcp-name": "get_current_time"},
    ],
    ids=str,
)
async def test_the_decision_is_about_the_body_whatever_the_headers_say(
    viewer: OAuthClient, headers: dict[str, str]
) -> None:
    """B-13: what is decided on is what is dispatched."""
    for revision in ("2025-06-18", "2026-07-28"):
        params = {"name": DENIED, "arguments": {}}
        version = {"mcp-protocol-version": revision}
        answer = await viewer.rpc("tools/call", params, headers=headers | version)
        assert answer.status_code in (200, 400)
        assert "result" not in answer.json()


@pytest.mark.parametrize(
    "routing",
    [
        {"mcp-method": "tools/list", "mcp-name": "get_current_time"},
        {"mcp-method": "tools/call", "mcp-name": DENIED},
        {"mcp-method": "tools/call"},
        {},
    ],
    ids=["another method", "another name", "no name", "neither"],
)
async def test_headers_that_say_something_else_are_refused(
    viewer: OAuthClient, server: ServerProcess, routing: dict[str, str]
) -> None:
    """B-13: where the revision repeats the body in headers, both must say the same."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "get_current_time", "arguments": {}, "_meta": meta}
    version = {"mcp-protocol-version": "2026-07-28"}
    before = len(server.events("tool.called"))
    answer = await viewer.rpc("tools/call", params, headers=version | routing)
    assert answer.status_code == 400
    assert "header does not match" in answer.json()["error"]["message"]
    assert len(server.events("tool.called")) == before
    agreeing = {"mcp-method": "tools/call", "mcp-name": "get_current_time"}
    assert (await viewer.rpc("tools/call", params, headers=version | agreeing)).status_code == 200


async def test_one_person_cannot_use_up_everyones_calls(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """B-15: per tool and together; local tools and other people are not counted."""
    environment = sandbox.settings_for_server() | {
        "RATE_TOOL_CALLS": "5/hour",
        "RATE_TOOL_CALLS_PER_TOOL": "3/hour",
    }
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as local:
        busy, other = await local_viewer(local), await local.client()
        await connected(local.browser(), other, "Nora Lind")

        async def codes(client: OAuthClient, tool: str, times: int) -> list[str | None]:
            results = [(await client.call(tool))["result"] for _ in range(times)]
            return [
                json.loads(result["content"][0]["text"])["error"]["code"]
                if result["isError"]
                else None
                for result in results
            ]

        assert await codes(busy, "list_okta_users", 4) == [None] * 3 + ["rate_limited"]
        assert await codes(busy, "list_okta_groups", 3) == [None] * 2 + ["rate_limited"]
        assert await codes(busy, "get_current_time", 6) == [None] * 6
        assert await codes(other, "list_okta_users", 2) == [None] * 2
        refused = (await busy.call("list_okta_users"))["result"]["content"][0]["text"]
        assert json.loads(refused)["error"]["retry_after_seconds"] > 0


async def test_a_prompt_with_a_blank_is_refused_by_its_name_and_fills_no_log(
    local: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    viewer = await local_viewer(local)
    answer = await viewer.rpc("prompts/get", {"name": "investigate_user", "arguments": {}})
    assert answer.json()["error"] == {"code": -32602, "message": "the prompt needs user"}
    [event] = local.events("prompt.given")
    assert (event["outcome"], event["reason"]) == ("failure", "invalid_argument")
    assert not [line for line in caplog.records if line.exc_info]


async def test_a_template_under_which_nothing_lies_stands_in_the_record_as_not_found(
    local: LocalServer,
) -> None:
    viewer = await local_viewer(local)
    await viewer.rpc("resources/read", {"uri": "okta://reports/of-somebody-else"})
    [event] = local.events("resource.read")
    assert (event["outcome"], event["reason"]) == ("failure", "not_found")


async def test_what_a_completion_is_for_does_not_make_it_another_thing_to_count(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> None:
    """B-15: a URI that a template makes is the caller's text."""
    environment = sandbox.settings_for_server() | {"RATE_TOOL_CALLS_PER_TOOL": "2/hour"}
    async with local_server(tmp_path, f"http://localhost:{server_port}", environment) as local:
        viewer = await local_viewer(local)
        found = []
        for prefix in ("a", "b", "c"):
            asked = {
                "ref": {"type": "ref/resource", "uri": f"okta://event-types/{prefix}"},
                "argument": {"name": "user", "value": "hana"},
            }
            answer = await viewer.rpc("completion/complete", asked)
            found.append(answer.json()["result"]["completion"]["values"])
        assert found == [[HANA], [HANA], []]


@pytest.mark.parametrize(
    "twice",
    [
        '"name": "get_current_time", "name": "list_okta_network_zones"',
        '"name": "list_okta_network_zones", "name": "get_current_time"',
    ],
)
async def test_a_repeated_key_has_one_meaning_for_decision_and_dispatch(
    viewer: OAuthClient, sandbox: SandboxProcess, twice: str
) -> None:
    """B-13: parsers differ about which one counts, so the message is written anew."""
    asked = len(api_requests(sandbox))
    answer = await viewer.http.post(
        f"{viewer.url}/mcp",
        content='{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {' + twice + "}}",
        headers={
            "authorization": f"Bearer {viewer.tokens['access_token']}",
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
        },
    )
    body = answer.json()
    assert ("error" in body) == twice.endswith('zones"')
    assert len(api_requests(sandbox)) == asked


async def test_the_highest_role_of_several_groups_wins(
    local: LocalServer, sandbox: SandboxProcess
) -> None:
    """B-14."""
    group = sandbox.ready["role_groups"]["security_admin"]
    sandbox.control(f"groups/{group}/members", {"add": [HANA]})
    client = await local_viewer(local)
    assert await role_of(client) == "security-admin"
    assert len(await tool_names(client)) == SECURITY_ADMIN_TOOLS
