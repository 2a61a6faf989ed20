"""Servers behind where Okta's own authorization server issues the tokens: no scope, the role."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.e2e.test_resource_server import environment, okta_tokens
from tests.vocabulary.behind import SCRIPT, eventually
from tests.vocabulary.oauth_client import OAuthClient
from tests.vocabulary.processes import (
    SandboxProcess,
    ServerProcess,
    free_port,
    running_sandbox,
    running_server,
)
from tests.vocabulary.servers_behind import TOOLS, Recorder, running_recorder
from tests.vocabulary.service import policy_file

RULES = """[servers.own]
role = "viewer"
tools = ["remember", "recall"]

[servers.vault]
role = "security-admin"

[servers.web]
role = "viewer"
tools = ["echo"]
"""
OF_VIEWERS = {"own_remember", "own_recall", "web_echo"}
OF_SECURITY_ADMINS = OF_VIEWERS | {f"vault_{name}" for name in TOOLS}


@dataclass
class Place:
    """The running gateway, what it is reached with, and one server behind."""

    server: ServerProcess
    sandbox: SandboxProcess
    recorder: Recorder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("resource-server")
    program = {"command": sys.executable, "args": ["-I", "-S", SCRIPT, "well"]}
    with running_sandbox("http://localhost:3001") as sandbox, running_recorder() as recorder:
        web = {"url": recorder.url, "okta_mcp": {"assertion": True}}
        own = program | {"okta_mcp": {"per_person": True}}
        mcp_json = folder / "mcp.json"
        mcp_json.write_text(json.dumps({"mcpServers": {"own": own, "vault": program, "web": web}}))
        settings = environment(
            sandbox, MCP_CONFIG=str(mcp_json), POLICY_FILE=str(policy_file(folder, RULES))
        )
        with running_server(folder, free_port(), settings) as server:
            yield Place(server, sandbox, recorder)


@pytest.fixture
async def place(running: Place) -> Place:
    """With all three up."""
    log_file: Path = running.server.log_file
    names = ("own", "vault", "web")
    await eventually(lambda: all(f"server {each} is up" in log_file.read_text() for each in names))
    return running


@asynccontextmanager
async def person(place: Place, name: str) -> AsyncIterator[OAuthClient]:
    """A client with Okta's token of a person."""
    client = OAuthClient(place.server.url)
    client.tokens = await okta_tokens(place.sandbox, name)
    yield client
    await client.close()


async def text_of(client: OAuthClient, tool: str, **arguments: Any) -> str:
    answer = await client.call(tool, **arguments)
    return str(answer["result"]["content"][0]["text"])


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        ("Hana Novak", OF_VIEWERS),
        ("Sami Korhonen", OF_SECURITY_ADMINS),
    ],
)
async def test_the_role_gives_exactly_what_the_policy_says(
    place: Place, name: str, tools: set[str]
) -> None:
    async with person(place, name) as client:
        answer = (await client.rpc("tools/list")).json()
        named = {tool["name"] for tool in answer["result"]["tools"]}
        behind = {each for each in named if each.partition("_")[0] in ("own", "vault", "web")}
        assert behind == tools
        for tool in ("vault_echo", "own_environment", "web_crash", "nobody_echo"):
            answer = await client.call(tool)
            if tool in tools:
                assert not answer["result"].get("isError")
            else:
                assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {tool}"}


async def test_nothing_of_oktas_token_reaches_a_server_and_who_asks_is_signed(place: Place) -> None:
    async with person(place, "Hana Novak") as client:
        await text_of(client, "web_echo", text="hello")
        token = str(client.tokens["access_token"])
        published = (await client.http.get(f"{place.server.url}/.well-known/jwks.json")).json()
    assert token not in json.dumps([place.recorder.requests, place.recorder.bodies])
    headers = place.recorder.headers[-1]
    assert not {"authorization", "cookie"} & set(headers)
    assertion = headers["okta-mcp-assertion"]
    key = jwt.PyJWKSet.from_dict(published)[jwt.get_unverified_header(assertion)["kid"]]
    told = jwt.decode(assertion, key, algorithms=["ES256"], audience=place.recorder.url)
    assert (told["login"], told["role"]) == ("hana.help@northwind.example", "viewer")


async def test_people_with_processes_of_their_own_share_nothing(place: Place) -> None:
    async with person(place, "Hana Novak") as hana, person(place, "Sami Korhonen") as sami:
        await asyncio.gather(
            text_of(hana, "own_remember", text="of Hana"),
            text_of(sami, "own_remember", text="of Sami"),
        )
        assert await text_of(hana, "own_recall") == "of Hana"
        assert await text_of(sami, "own_recall") == "of Sami"


async def test_without_a_token_nobody_reaches_anything(place: Place) -> None:
    client = OAuthClient(place.server.url)
    assert (await client.rpc("tools/call", {"name": "web_echo"})).status_code == 401
    await client.close()
