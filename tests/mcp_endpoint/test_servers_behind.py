"""Calls to a server behind the gateway: who may, how often, and what the audit keeps of it."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp_types.jsonrpc import HEADER_MISMATCH

from tests.vocabulary.behind import SCRIPT
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.revisions import ask
from tests.vocabulary.service import policy_file

HANA = "Hana Novak"
RULES = """[servers.well]
role = "viewer"
tools = ["echo", "remember", "recall"]
resources = ["note://*"]
deny = ["note://secret*"]
[servers.mirror]
role = "viewer"
"""
ENTRY = {
    "command": sys.executable,
    "args": ["-I", "-S", SCRIPT, "well"],
    "okta_mcp": {"title": "Well", "calls": "3/hour"},
}
# Its one tool wants the argument `text` in a header too (MCP 2026-07-28, "Custom Headers").
MIRROR = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "mirroring"]}


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    configuration = tmp_path / "mcp.json"
    configuration.write_text(json.dumps({"mcpServers": {"well": ENTRY, "mirror": MIRROR}}))
    configuration.chmod(0o600)
    environment = sandbox.settings_for_server() | {
        "POLICY_FILE": str(policy_file(tmp_path, RULES)),
        "MCP_CONFIG": str(configuration),
    }
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, environment) as running:
        yield running


@pytest.fixture
async def hana(local: LocalServer) -> OAuthClient:
    """Connected, and the server behind is up."""
    client = await local.client()
    await connected(local.browser(), client, HANA)
    async with asyncio.timeout(20):
        while not {"well_echo", "mirror_echo"} <= set(await listed(client)):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.02)
    return client


async def listed(client: OAuthClient) -> list[str]:
    answer = await client.rpc("tools/list")
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


@pytest.mark.parametrize("tool", ["well_crash", "well_no_such_tool"])
async def test_what_is_not_given_is_unknown_and_recorded_without_arguments(
    local: LocalServer, hana: OAuthClient, tool: str
) -> None:
    """R-02."""
    answer = await hana.call(tool, text="of a caller")
    assert answer["error"]["message"] == f"Unknown tool: {tool}"
    (line,) = local.events("tool.refused")
    assert (line["server"], line["subject"]) == ("well", tool)
    assert line["reason"] in ("pattern", "unknown")
    assert "arguments_sha256" not in line


async def test_lists_hold_what_a_call_would_get(local: LocalServer, hana: OAuthClient) -> None:
    behind = [name for name in await listed(hana) if name.startswith("well_")]
    assert behind == ["well_echo", "well_remember", "well_recall"]
    assert local.events("tools.listed")[-1]["count"] == len(await listed(hana))


@pytest.mark.parametrize(
    "headers", [{}, {"mcp-param-text": "another"}, {"mcp-param-text": "=?base64?YW5vdGhlcg==?="}]
)
async def test_an_argument_that_its_header_does_not_repeat_goes_nowhere(
    local: LocalServer, hana: OAuthClient, headers: dict[str, str]
) -> None:
    """Something in between decides by the header, and the server behind by the body."""
    params = {"name": "mirror_echo", "arguments": {"text": "this"}}
    answer = await ask(hana, "2026-07-28", "tools/call", params, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, HEADER_MISMATCH)
    (line,) = local.events("tool.called")
    assert (line["outcome"], line["reason"]) == ("failure", "invalid_request")


async def test_an_argument_that_its_header_repeats_is_handed_on(hana: OAuthClient) -> None:
    params = {"name": "mirror_echo", "arguments": {"text": "this"}}
    for revision in ("2025-11-25", "2026-07-28"):
        sent = {"mcp-param-text": "this"} if revision == "2026-07-28" else {}
        answer = await ask(hana, revision, "tools/call", params, headers=sent)
        [content] = answer.json()["result"]["content"]
        assert json.loads(content["text"])["arguments"] == {"text": "this"}


async def test_a_call_is_recorded_by_server_with_a_digest_of_its_arguments(
    local: LocalServer, hana: OAuthClient
) -> None:
    await hana.call("well_echo", text="a secret", also={"b": 1, "a": "ä"})
    (line,) = local.events("tool.called")
    canonical = '{"also":{"a":"ä","b":1},"text":"a secret"}'
    assert (line["server"], line["subject"], line["outcome"]) == ("well", "well_echo", "success")
    assert line["arguments_sha256"] == hashlib.sha256(canonical.encode()).hexdigest()
    assert "a secret" not in local.audit_file.read_text()


@pytest.mark.parametrize(
    ("template", "begun", "named"),
    [
        ("note://well/{name}", "public", ["public-completed"]),
        ("note://well/{name}", "secret", []),
        ("note://well/{name}", "../secret", []),
        ("note://well/{+name}", "secret/of/all", []),
        ("note://well/{+name}", "public/of/all", ["public/of/all-completed"]),
    ],
)
async def test_a_completion_names_nothing_that_may_not_be_read(
    hana: OAuthClient, template: str, begun: str, named: list[str]
) -> None:
    """B-07."""
    params = {
        "ref": {"type": "ref/resource", "uri": template},
        "argument": {"name": "name", "value": begun},
    }
    answer = (await hana.rpc("completion/complete", params)).json()
    assert answer["result"]["completion"]["values"] == named


async def test_a_call_of_our_own_is_recorded_as_before(
    local: LocalServer, hana: OAuthClient
) -> None:
    await hana.call("get_current_time")
    (line,) = local.events("tool.called")
    assert not {"server", "arguments_sha256"} & set(line)


async def test_a_server_has_a_rate_of_its_own(local: LocalServer, hana: OAuthClient) -> None:
    answers = [await hana.call("well_echo", text=str(number)) for number in range(4)]
    assert [answer["result"].get("isError", False) for answer in answers] == [False] * 3 + [True]
    assert "rate_limited" in answers[3]["result"]["content"][0]["text"]
    assert local.events("tool.called")[3]["reason"] == "rate_limited"
    assert not (await hana.call("get_current_time"))["result"].get("isError", False)
