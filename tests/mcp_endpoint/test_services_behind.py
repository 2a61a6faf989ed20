"""Programs without a person at the servers behind: only those that `scopes` names, by the role."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.vocabulary.behind import SCRIPT
from tests.vocabulary.in_process import LocalServer, local_server
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.service import Signer, entry, key_pair, policy_file

RULES = """[servers.well]
role = "viewer"
tools = ["echo"]

[servers.vault]
role = "security-admin"

"""
KEYS = {"named": key_pair(), "unnamed": key_pair("ec", 1)}
PROGRAM = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "well"]}


@pytest.fixture
async def local(
    sandbox: SandboxProcess, server_port: int, tmp_path: Path
) -> AsyncIterator[LocalServer]:
    configuration = tmp_path / "mcp.json"
    configuration.write_text(json.dumps({"mcpServers": {"well": PROGRAM, "vault": PROGRAM}}))
    named = entry("named", KEYS["named"], scopes=["okta.users.read", "mcp.well", "mcp.vault"])
    policy = policy_file(
        tmp_path, RULES + named + entry("unnamed", KEYS["unnamed"], role="super-admin")
    )
    environment = sandbox.settings_for_server() | {
        "POLICY_FILE": str(policy),
        "MCP_CONFIG": str(configuration),
    }
    url = f"http://localhost:{server_port}"
    async with local_server(tmp_path, url, environment) as running:
        yield running


async def client_of(local: LocalServer, name: str) -> OAuthClient:
    """A client with the token of a service."""
    client = await local.client()
    form = Signer(local.url, local.clock, name, KEYS[name]).form()
    answer = await client.http.post(f"{local.url}/oauth/token", data=form)
    client.tokens = answer.json()
    return client


@pytest.mark.parametrize(
    ("name", "scopes", "reached"),
    [
        ("named", {"mcp.well"}, {"well_echo"}),
        ("unnamed", set(), set()),
    ],
)
async def test_a_service_reaches_what_its_scopes_name_and_its_role_gives(
    local: LocalServer, name: str, scopes: set[str], reached: set[str]
) -> None:
    client = await client_of(local, name)
    granted = set(client.tokens["scope"].split())
    assert {scope for scope in granted if scope.startswith("mcp.")} == scopes
    for tool in ("well_echo", "well_environment", "vault_echo"):
        answer = await client.call(tool)
        if tool in reached:
            assert "result" in answer
        else:
            assert answer["error"]["message"] == f"Unknown tool: {tool}"
    recorded = [(line["subject"], line["service"]) for line in local.events("tool.called")]
    assert recorded == [(tool, name) for tool in sorted(reached)]
