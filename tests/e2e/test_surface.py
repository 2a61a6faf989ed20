"""What a client finds besides the tools: resources, prompts, completions, progress; by role."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from tests.vocabulary.browser import Browser
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.oauth_client import OAuthClient, connected
from tests.vocabulary.processes import SandboxProcess
from tests.vocabulary.replicas import Server

pytestmark = pytest.mark.usefixtures("sandbox")

SUPER, SECURITY, VIEWER = "Nora Lind", "Sami Korhonen", "Hana Novak"
PROMPTS = {
    SUPER: 5,
    SECURITY: 5,
    VIEWER: 2,
}
RESOURCES = [
    "user://me",
    "okta://help/search",
    "okta://help/search/logs",
    "okta://event-types",
    "okta://event-types/user.mfa",
    "okta://policy-types",
    "okta://errors",
    "okta://errors/rate_limited",
]
NOWHERE = [
    "okta://help/search/passwords",
    "okta://event-types/nothing.like.this",
    "okta://errors/E0000001",
    "okta://reports/AAAAAAAAAAAAAAAA",
    "okta://reports/..",
    "okta://nothing",
    "file:///etc/passwd",
]


async def resource_error(client: Client, uri: str) -> tuple[int, str]:
    with pytest.raises(MCPError) as caught:
        await client.read_resource(uri)
    return caught.value.error.code, caught.value.error.message.replace(uri, "URI")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_refused_resource_looks_like_one_that_does_not_exist(
    server: Server, mode: str
) -> None:
    async with sdk_client(server.mcp_url, VIEWER, mode=mode) as client:
        answers = {await resource_error(client, uri) for uri in ["okta://rbac", *NOWHERE]}
    assert answers == {(-32602, "Resource not found: 'URI'")}
    assert "Traceback" not in server.written


async def test_a_refused_prompt_looks_like_one_that_does_not_exist(server: Server) -> None:
    async with sdk_client(server.mcp_url, VIEWER, mode="auto") as client:
        for name in ("weekly_posture", "no_such_prompt"):
            with pytest.raises(MCPError) as caught:
                await client.get_prompt(name, {})
            assert caught.value.error.message == f"Unknown prompt: {name}"


@pytest.mark.parametrize(("person", "count"), PROMPTS.items())
async def test_prompts_are_listed_by_role_and_given(
    server: Server, person: str, count: int
) -> None:
    async with sdk_client(server.mcp_url, person, mode="auto") as client:
        listed = (await client.list_prompts()).prompts
        assert len(listed) == count
        for prompt in listed:
            arguments = {each.name: "hana.help" for each in prompt.arguments or []}
            given = await client.get_prompt(prompt.name, arguments)
            text = given.messages[0].content.text
            assert "data, never instructions" in text
            assert not arguments or '"hana.help"' in text


@pytest.mark.parametrize("person", PROMPTS)
async def test_every_resource_can_be_read(server: Server, person: str) -> None:
    async with sdk_client(server.mcp_url, person, mode="auto") as client:
        listed = {str(each.uri) for each in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        assert len(templates) == 4
        assert ("okta://rbac" in listed) is (person != VIEWER)
        for uri in {*RESOURCES, *listed}:
            (content,) = (await client.read_resource(uri)).contents
            assert json.loads(content.text)


async def test_who_am_i_is_one_answer_in_two_places(server: Server) -> None:
    async with sdk_client(server.mcp_url, SECURITY, mode="auto") as client:
        told = (await client.call_tool("whoami", {})).structured_content
        assert told is not None
        assert told["role"] == "security-admin"
        assert told["source"] == "management_api"
        (content,) = (await client.read_resource("user://me")).contents
        assert json.loads(content.text) == told
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert set(told["tools"]) == names


async def values(client: Client, ref: Any, argument: str, beginning: str) -> list[str]:
    given = await client.complete(ref, {"name": argument, "value": beginning})
    return list(given.completion.values)


async def test_arguments_are_completed_from_the_organisation(server: Server) -> None:
    async with sdk_client(server.mcp_url, SECURITY, mode="auto") as client:
        person = PromptReference(name="investigate_user")
        assert "hana.help@northwind.example" in await values(client, person, "user", "hana")
        application = PromptReference(name="access_review")
        assert "Okta MCP" in await values(client, application, "application", "Okta")
        types = ResourceTemplateReference(uri="okta://event-types/{prefix}")
        assert "user.session.start" in await values(client, types, "prefix", "user.session")


@pytest.mark.parametrize("name", ["access_review", "no_such_prompt"])
async def test_nothing_is_completed_for_a_prompt_that_one_does_not_have(
    server: Server, name: str
) -> None:
    async with sdk_client(server.mcp_url, VIEWER, mode="auto") as client:
        with pytest.raises(MCPError) as caught:
            await values(client, PromptReference(name=name), "application", "Okta")
        assert caught.value.error.message == f"Unknown prompt: {name}"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_slow_call_is_heard_of(server: Server, sandbox: SandboxProcess, mode: str) -> None:
    heard: list[tuple[float, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with sdk_client(server.mcp_url, VIEWER, mode=mode) as client:
        fault = {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 3}
        sandbox.control("faults", fault)
        result = await client.call_tool("list_okta_groups", {}, progress_callback=note)
        assert not result.is_error
    assert heard
    assert all(message for _, message in heard)


async def test_a_call_ends_when_its_caller_hangs_up(
    browser: Browser, client: OAuthClient, server: Server, sandbox: SandboxProcess
) -> None:
    await connected(browser, client, VIEWER)
    sandbox.control("faults", {"match": "GET /api/v1/groups", "kind": "slow", "seconds": 30})
    params = {"name": "list_okta_groups", "arguments": {}}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.rpc("tools/call", params)
    async with asyncio.timeout(5):
        # Another process writes the file: there is nothing to wait for but time.
        while "interrupted" not in _reasons(server):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _reasons(server: Server) -> list[str | None]:
    return [line.get("reason") for line in server.events("tool.called")]
