"""The servers behind as FastMCP shows them: their names, their answers, their failures."""

import json
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as mt
import pytest
from fastmcp import FastMCP
from fastmcp.exceptions import NotFoundError, PromptError, ResourceError

from okta_mcp.gateway.assertions import Assertions
from okta_mcp.gateway.gateway import Gateway
from okta_mcp.gateway.provider import GatewayProvider
from okta_mcp.gateway.servers import Override
from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.rbac.principal import current_principal
from okta_mcp.tools.call import Call, current_call
from tests.vocabulary.behind import VARIABLES, eventually, person, stdio_server
from tests.vocabulary.servers_behind import BAD_TOOLS, ODD_COMPLETIONS, TOOLS

OVERRIDES = {
    "echo": Override("The echo", "Says it again.", {"readOnlyHint": True}),
    "crash": Override(description="Ends the server."),
}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    servers = (
        stdio_server(name="files", overrides=OVERRIDES, call_seconds=2.0, largest_bytes=100_000),
        stdio_server("bad-schemas", name="bad"),
        stdio_server("silent", name="slow"),
        stdio_server("crowded", name="crowded"),
        stdio_server("endless-list", name="endless"),
    )
    gateway = Gateway(servers, VARIABLES, Assertions("http://localhost", (b"x" * 32,), lambda: 0.0))
    async with gateway.running():
        names = ("files", "bad", "crowded", "endless")
        await eventually(lambda: all(gateway.upstreams[name].has_listed for name in names))
        yield gateway


@pytest.fixture
def provider(gateway: Gateway) -> GatewayProvider:
    return GatewayProvider(gateway)


@pytest.fixture
def call() -> Call:
    """The record of the call; the endpoint makes both."""
    current_principal.set(person())
    record = Call("00uhana", "files_echo")
    current_call.set(record)
    return record


@pytest.fixture
def mcp(provider: GatewayProvider) -> FastMCP:
    server = FastMCP("test", mask_error_details=True)
    server.add_provider(provider)
    return server


async def failure_of(mcp: FastMCP, call: Call, tool: str, **arguments: Any) -> dict[str, Any]:
    """The failure that a tool answers with, which is in the record too."""
    current_principal.set(person())
    current_call.set(call)
    result = await mcp.call_tool(tool, arguments)
    assert result.is_error
    told = json.loads(result.content[0].text)["error"]  # type: ignore[union-attr]
    assert told["code"] == call.error_code
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("files_crash", {}, "server_unavailable"),
        ("files_wait", {}, "server_timeout"),
        ("files_huge", {"bytes": 1_000_000}, "answer_too_large"),
        ("files_fail", {}, "server_refused"),
        ("files_nonsense", {}, "server_refused"),
        ("slow_echo", {}, "server_unavailable"),
    ],
)
async def test_a_failure_is_an_answer_with_a_code(
    mcp: FastMCP, call: Call, tool: str, arguments: dict[str, Any], code: str
) -> None:
    told = await failure_of(mcp, call, tool, **arguments)
    assert told["code"] == code
    assert set(told) == {"code", "message", "fix"}


async def test_a_call_too_many_never_reaches_the_server(mcp: FastMCP, call: Call) -> None:
    async def counted() -> None:
        raise OktaRateLimitedError(30, "too often")

    call.counted = counted
    assert (await failure_of(mcp, call, "files_echo"))["code"] == "rate_limited"


@pytest.mark.parametrize("name", ["files_nothing", "nobody_echo", "files", "_echo", "echo"])
async def test_a_tool_that_no_server_has_is_unknown(mcp: FastMCP, call: Call, name: str) -> None:
    current_call.set(call)
    with pytest.raises(NotFoundError):
        await mcp.call_tool(name, {})


async def test_tools_without_a_usable_schema_are_left_out_and_said_once(
    gateway: Gateway, mcp: FastMCP, caplog: pytest.LogCaptureFixture
) -> None:
    tools = [tool.name for tool in await mcp.list_tools() if tool.name.startswith("bad_")]
    assert tools == ["bad_fine"]
    left_out = gateway.upstreams["bad"].catalogue.left_out
    # A resource without a place for the namespace is one more.
    assert len(left_out) == len(BAD_TOOLS) + 1
    messages = [record.getMessage() for record in caplog.get_records("setup")]
    lines = [line for line in messages if line.startswith("server bad: left out")]
    assert len(lines) == len(set(lines)) == len(left_out)


async def test_a_list_without_end_is_cut(mcp: FastMCP) -> None:
    names = [tool.name for tool in await mcp.list_tools()]
    assert sum(name.startswith("crowded_") for name in names) == 500
    assert sum(name.startswith("endless_") for name in names) == 50


async def test_everything_is_shown_under_the_name_of_its_server(mcp: FastMCP) -> None:
    tools = [tool.name for tool in await mcp.list_tools()]
    assert set(tools) >= {f"files_{name}" for name in TOOLS}
    assert "files_greet" in [prompt.name for prompt in await mcp.list_prompts()]
    assert "note://files/first" in [str(each.uri) for each in await mcp.list_resources()]
    templates = [each.uri_template for each in await mcp.list_resource_templates()]
    assert "note://files/{name}" in templates


async def test_words_of_the_file_take_the_place_of_the_servers(mcp: FastMCP) -> None:
    tools = {tool.name: tool for tool in await mcp.list_tools()}
    echo = tools["files_echo"].to_mcp_tool()
    assert (echo.title, echo.description) == ("The echo", "Says it again.")
    assert echo.annotations is not None
    assert echo.annotations.read_only_hint is True
    assert tools["files_crash"].to_mcp_tool().description == "Ends the server."


async def test_a_call_carries_the_servers_own_name_and_nothing_else(
    mcp: FastMCP, call: Call
) -> None:
    current_call.set(call)
    result = await mcp.call_tool("files_echo", {"text": "hello"})
    seen = json.loads(result.content[0].text)  # type: ignore[union-attr]
    token = seen.pop("_meta")
    assert seen == {"name": "echo", "arguments": {"text": "hello"}}
    assert set(token) == {"progressToken"}
    assert call.error_code is None


async def test_progress_of_the_server_is_in_the_record(mcp: FastMCP, call: Call) -> None:
    current_call.set(call)
    await mcp.call_tool("files_progress", {})
    assert (call.progress.done, call.progress.total, call.progress.doing) == (3, 7, "reading")


@pytest.mark.parametrize(
    ("uri", "own"),
    [("note://files/first", "note://first"), ("note://files/sub/other", "note://sub/other")],
)
async def test_a_resource_is_read_under_its_own_name(
    mcp: FastMCP, call: Call, uri: str, own: str
) -> None:
    current_call.set(call)
    result = await mcp.read_resource(uri)
    assert [each.content for each in result.contents] == [f"at {own}"]


async def test_a_prompt_and_a_completion_come_from_their_server(
    mcp: FastMCP, provider: GatewayProvider, call: Call
) -> None:
    current_call.set(call)
    result = await mcp.render_prompt("files_greet", {"who": "Hana"})
    assert result.messages[0].content.text == "Greet Hana."  # type: ignore[union-attr]
    argument = mt.CompletionArgument(name="who", value="Ha")
    prompt = mt.PromptReference(type="ref/prompt", name="files_greet")
    assert await provider.complete(prompt, argument, None) == ["Ha-completed"]
    ours = mt.PromptReference(type="ref/prompt", name="offboard")
    assert await provider.complete(ours, argument, None) is None


@pytest.mark.parametrize("odd", ODD_COMPLETIONS)
async def test_a_completion_of_no_form_is_none(
    provider: GatewayProvider, call: Call, odd: str
) -> None:
    current_call.set(call)
    argument = mt.CompletionArgument(name="who", value=odd)
    prompt = mt.PromptReference(type="ref/prompt", name="files_greet")
    assert await provider.complete(prompt, argument, None) == []


async def test_a_resource_of_no_form_is_a_refusal_of_its_server(mcp: FastMCP, call: Call) -> None:
    current_call.set(call)
    with pytest.raises(ResourceError, match="something that is no resource"):
        await mcp.read_resource("note://files/odd")
    assert call.error_code == "server_refused"


async def test_names_that_nobody_has_listed_are_not_counted(mcp: FastMCP, call: Call) -> None:
    """L-10: a caller would choose what is kept of the counting."""
    counts: list[str] = []

    async def counted() -> None:
        counts.append("one")

    call.counted = counted
    told = await failure_of(mcp, call, "slow_" + "x" * 10_000)
    assert (told["code"], counts) == ("server_unavailable", [])


async def test_resources_and_prompts_of_a_dead_server_say_so(
    gateway: Gateway, mcp: FastMCP, call: Call
) -> None:
    current_call.set(call)
    await gateway.upstreams["files"].stop()
    with pytest.raises(ResourceError, match="cannot be reached"):
        await mcp.read_resource("note://files/first")
    with pytest.raises(PromptError, match="cannot be reached"):
        await mcp.render_prompt("files_greet", {})
    assert call.error_code == "server_unavailable"
