"""Every revision of MCP on the one endpoint, message by message."""

from typing import Any

import httpx
import pytest

from tests.vocabulary.browser import Browser
from tests.vocabulary.oauth_client import JSON_RPC, OAuthClient, connected
from tests.vocabulary.roles import VIEWER_TOOLS

pytestmark = pytest.mark.usefixtures("sandbox")

WITH_HANDSHAKE = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
NEWEST = "2026-07-28"
META = "io.modelcontextprotocol"
CLIENT_INFO = {"name": "x", "version": "1"}
CALL = {"name": "list_okta_users", "arguments": {"q": "ann"}}
NO_SUCH_METHOD, NO_SUCH_TOOL = -32601, -32602


@pytest.fixture
async def member(browser: Browser, client: OAuthClient) -> OAuthClient:
    """A client whose person is a viewer."""
    await connected(browser, client, "Hana Novak")
    return client


def modern(method: str, **params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of the newest revision: its body, and the headers that repeat it."""
    meta = {
        f"{META}/protocolVersion": NEWEST,
        f"{META}/clientInfo": CLIENT_INFO,
        f"{META}/clientCapabilities": {},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}}
    headers = {"mcp-protocol-version": NEWEST, "mcp-method": method}
    if name := params.get("name") or params.get("uri"):
        headers["mcp-name"] = name
    return body, headers


async def sent(member: OAuthClient, body: Any, headers: dict[str, str]) -> httpx.Response:
    bearer = {"authorization": f"Bearer {member.tokens['access_token']}"}
    return await member.http.post(
        f"{member.url}/mcp", json=body, headers=JSON_RPC | bearer | headers
    )


@pytest.mark.parametrize("revision", WITH_HANDSHAKE)
async def test_a_client_begins_lists_and_calls(member: OAuthClient, revision: str) -> None:
    version = {"mcp-protocol-version": revision}
    params = {"protocolVersion": revision, "capabilities": {}, "clientInfo": CLIENT_INFO}
    begun = await member.rpc("initialize", params, headers=version)
    assert begun.json()["result"]["protocolVersion"] == revision
    tools = (await member.rpc("tools/list", headers=version)).json()["result"]["tools"]
    assert len(tools) == VIEWER_TOOLS
    called = (await member.rpc("tools/call", CALL, headers=version)).json()["result"]
    assert called["isError"] is False


async def test_a_revision_that_is_to_come_begins_with_one_that_both_know(
    member: OAuthClient,
) -> None:
    params = {"protocolVersion": "2099-01-01", "capabilities": {}, "clientInfo": CLIENT_INFO}
    begun = await member.rpc("initialize", params, headers={"mcp-protocol-version": "2025-06-18"})
    assert begun.json()["result"]["protocolVersion"] == WITH_HANDSHAKE[-1]


async def test_the_newest_revision_is_discovered_and_used_without_a_handshake(
    member: OAuthClient,
) -> None:
    found = (await sent(member, *modern("server/discover"))).json()["result"]
    assert NEWEST in found["supportedVersions"]
    assert {"tools", "resources", "prompts"} <= set(found["capabilities"])
    tools = (await sent(member, *modern("tools/list"))).json()["result"]["tools"]
    assert len(tools) == VIEWER_TOOLS
    called = (await sent(member, *modern("tools/call", **CALL))).json()["result"]
    assert called["structuredContent"]["count"] >= 1


async def test_discovery_needs_a_token_like_everything_else(member: OAuthClient) -> None:
    body, headers = modern("server/discover")
    answer = await member.http.post(f"{member.url}/mcp", json=body, headers=JSON_RPC | headers)
    assert answer.status_code == 401


WRONG_HEADERS: dict[str, dict[str, str | None]] = {
    "another method": {"mcp-method": "tools/list"},
    "no method": {"mcp-method": None},
    "another tool": {"mcp-name": "get_current_time"},
    "no tool": {"mcp-name": None},
    "another case": {"mcp-method": "TOOLS/CALL"},
}


@pytest.mark.parametrize("wrong", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
async def test_headers_that_do_not_say_what_the_body_says_are_refused(
    member: OAuthClient, wrong: dict[str, str | None]
) -> None:
    """Something in between may have decided on the headers."""
    body, headers = modern("tools/call", **CALL)
    said = {name: value for name, value in (headers | wrong).items() if value is not None}
    answer = await sent(member, body, said)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] < 0
    assert answer.json()["id"] == 1


WRONG_META: dict[str, dict[str, Any]] = {
    "another revision": {f"{META}/protocolVersion": "2025-11-25"},
    "no revision": {f"{META}/protocolVersion": None},
    "no capabilities": {f"{META}/clientCapabilities": None},
}


@pytest.mark.parametrize("wrong", WRONG_META.values(), ids=WRONG_META)
async def test_meta_that_does_not_say_what_the_headers_say_is_refused(
    member: OAuthClient, wrong: dict[str, Any]
) -> None:
    body, headers = modern("tools/call", **CALL)
    meta = body["params"]["_meta"] | wrong
    body["params"]["_meta"] = {name: value for name, value in meta.items() if value is not None}
    answer = await sent(member, body, headers)
    assert (answer.status_code, "error" in answer.json()) == (400, True)


@pytest.mark.parametrize("method", ["resources/subscribe", "tasks/get", "x"])
async def test_a_method_that_does_not_exist_has_the_status_of_its_revision(
    member: OAuthClient, method: str
) -> None:
    """404 with a body of JSON-RPC in the newest, where clients tell it from a missing server."""
    answer = await sent(member, *modern(method))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, NO_SUCH_METHOD)
    for revision in WITH_HANDSHAKE:
        older = await member.rpc(method, headers={"mcp-protocol-version": revision})
        assert (older.status_code, older.json()["error"]["code"]) == (200, NO_SUCH_METHOD)


async def test_a_refused_tool_is_an_unknown_tool_in_the_newest_revision_too(
    member: OAuthClient,
) -> None:
    refused, unknown = [
        await sent(member, *modern("tools/call", name=name, arguments={}))
        for name in ("list_okta_network_zones", "list_okta_nothing_at_all")
    ]
    assert refused.status_code == unknown.status_code
    assert refused.json()["error"]["code"] == unknown.json()["error"]["code"] == NO_SUCH_TOOL
    assert refused.headers["content-type"] == unknown.headers["content-type"]


async def test_a_batch_is_of_one_revision_only(member: OAuthClient) -> None:
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "ping"}]
    for revision in ("2025-06-18", "2025-11-25", NEWEST):
        answer = await sent(member, batch, {"mcp-protocol-version": revision})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)
    answer = await sent(member, batch, {"mcp-protocol-version": "2025-03-26"})
    assert answer.json() == [{"jsonrpc": "2.0", "id": 1, "result": {}}]
