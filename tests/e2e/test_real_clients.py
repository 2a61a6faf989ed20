"""The Python SDK within the test: each role's list, every tool, and what it is told when refused.

The whole way of all clients is test_clients.py's.
"""

import json
from typing import Any

import httpx
import pytest
from mcp import MCPError

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.replicas import Server
from tests.vocabulary.roles import SECURITY_ADMIN_TOOLS, SUPER_ADMIN_TOOLS, VIEWER_TOOLS

pytestmark = pytest.mark.usefixtures("sandbox")

ROLES = [
    ("Nora Lind", SUPER_ADMIN_TOOLS),
    ("Sami Korhonen", SECURITY_ADMIN_TOOLS),
    ("Hana Novak", VIEWER_TOOLS),
]
# A call of each tool that answers with something, given ids found by the calls before it.
CALLS: list[tuple[str, dict[str, str]]] = [
    ("list_okta_users", {"q": "ann"}),
    ("get_okta_user", {"user_id": "{user}"}),
    ("list_okta_user_groups", {"user_id": "{user}"}),
    ("list_okta_user_applications", {"user_id": "{user}"}),
    ("list_okta_user_factors", {"user_id": "{user}"}),
    ("list_okta_groups", {"q": "sso"}),
    ("get_okta_group", {"group_id": "{group}"}),
    ("list_okta_group_users", {"group_id": "{group}"}),
    ("list_okta_applications", {}),
    ("get_okta_application", {"app_id": "{app}"}),
    ("list_okta_application_users", {"app_id": "{app}"}),
    ("list_okta_application_groups", {"app_id": "{app}"}),
    ("get_okta_event_logs", {"since": "last 7 days"}),
    ("list_okta_policy_rules", {"policy_id": "{policy}"}),
    ("get_okta_policy_rule", {"policy_id": "{policy}", "rule_id": "{rule}"}),
    ("list_okta_network_zones", {}),
    ("get_current_time", {}),
    ("parse_relative_time", {"time_expression": "last 7 days"}),
    ("whoami", {}),
    ("list_okta_group_applications", {"group_id": "{group}"}),
    ("list_okta_group_rules", {}),
    ("list_okta_policies", {"type": "ACCESS_POLICY"}),
    ("get_okta_policy", {"policy_id": "{policy}"}),
    ("list_okta_devices", {}),
    ("list_okta_admins", {}),
    ("list_okta_api_tokens", {}),
    ("inactive_users_report", {}),
    ("app_access_report", {"app_id": "{app}"}),
    ("mfa_posture_report", {"group_id": "{group}"}),
    ("offboarding_check", {"user_id": "{user}"}),
    ("explain_user_app_access", {"user_id": "{user}", "app_id": "{app}"}),
    ("investigate_login_activity", {"user_id": "{user}"}),
    ("incident_timeline", {"user_id": "{user}"}),
    ("admin_change_digest", {}),
]
# For each tool, arguments that must be refused with a code and without a call that succeeds.
BAD_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("list_okta_users", {"search": 'profile.login xx "a"'}, "bad_filter"),
    ("list_okta_users", {"limit": 100000}, "invalid_argument"),
    ("get_okta_user", {"user_id": "../groups"}, "invalid_argument"),
    ("get_okta_user", {"user_id": "00unobodyatall0000000"}, "not_found"),
    ("list_okta_user_groups", {"user_id": ".."}, "invalid_argument"),
    ("list_okta_user_applications", {"user_id": ""}, "invalid_argument"),
    ("list_okta_user_factors", {}, "invalid_argument"),
    ("list_okta_groups", {"after": "not-a-cursor"}, "invalid_argument"),
    ("get_okta_group", {"group_id": "a/b"}, "invalid_argument"),
    ("list_okta_group_users", {"group_id": "00gnogroupatall000000"}, "not_found"),
    ("list_okta_applications", {"filter": 'nonsense eq "x"'}, "bad_filter"),
    ("get_okta_application", {"app_id": "%2e%2e"}, "invalid_argument"),
    ("list_okta_application_users", {"app_id": "0oanoappatall00000000"}, "not_found"),
    ("list_okta_application_groups", {"app_id": "x y"}, "invalid_argument"),
    ("get_okta_event_logs", {"since": "some day"}, "invalid_argument"),
    ("list_okta_policy_rules", {"policy_id": "00pnopolicyatall00000"}, "not_found"),
    ("get_okta_policy_rule", {"policy_id": "00p1", "rule_id": "?"}, "invalid_argument"),
    ("list_okta_network_zones", {"filter": 'type eq "IP"'}, "bad_filter"),
    ("get_current_time", {"zone": "x"}, "invalid_argument"),
    ("parse_relative_time", {"time_expression": "gibberish"}, "invalid_argument"),
]


@pytest.fixture
async def logged_in(browser: Browser, client: OAuthClient) -> OAuthClient:
    await connected(browser, client, "Nora Lind")
    return client


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(("person", "count"), ROLES)
async def test_the_python_sdk_logs_in_and_lists(
    server: Server, person: str, count: int, mode: str
) -> None:
    async with sdk_client(server.mcp_url, person, mode=mode) as client:
        assert len((await client.list_tools()).tools) == count


async def test_the_python_sdk_calls_every_tool(server: Server, sandbox: SandboxProcess) -> None:
    known = {"policy": _a_policy(sandbox), "rule": ""}
    async with sdk_client(server.mcp_url, "Nora Lind", mode="auto") as client:
        for tool, arguments in CALLS:
            filled = {name: value.format(**known) for name, value in arguments.items()}
            result = await client.call_tool(tool, filled)
            assert not result.is_error, (tool, result.content)
            answer = result.structured_content
            assert answer is not None
            _remember(known, tool, answer)
            if "items" in answer:
                assert answer["count"] == len(answer["items"])
        assert {tool for tool, _ in CALLS} == {
            tool.name for tool in (await client.list_tools()).tools
        }


@pytest.mark.parametrize(("tool", "arguments", "code"), BAD_CALLS)
async def test_bad_arguments_have_a_code_and_a_text(
    logged_in: OAuthClient, tool: str, arguments: dict[str, Any], code: str
) -> None:
    result = (await logged_in.call(tool, **arguments))["result"]
    assert result["isError"] is True
    error = json.loads(result["content"][0]["text"])["error"]
    assert error["code"] == code
    assert error["message"]


async def test_a_refused_tool_is_unknown_to_the_sdk(server: Server) -> None:
    async with sdk_client(server.mcp_url, "Hana Novak", mode="auto") as client:
        with pytest.raises(MCPError, match="Unknown tool: list_okta_network_zones"):
            await client.call_tool("list_okta_network_zones", {})


def _a_policy(sandbox: SandboxProcess) -> str:
    answer = httpx.get(
        f"{sandbox.url}/api/v1/policies",
        params={"type": "OKTA_SIGN_ON"},
        headers={"Authorization": f"SSWS {sandbox.ready['api_token']}"},
    )
    return str(answer.json()[0]["id"])


def _remember(known: dict[str, str], tool: str, answer: dict[str, Any]) -> None:
    keys = {
        "list_okta_users": "user",
        "list_okta_groups": "group",
        "list_okta_applications": "app",
        "list_okta_policy_rules": "rule",
    }
    if tool in keys:
        known[keys[tool]] = answer["items"][0]["id"]
