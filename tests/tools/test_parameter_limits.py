"""What a policy keeps from a role: refused before Okta is asked, and no tool becomes useless."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import respx
from fastmcp import Client, FastMCP
from mcp_types import CallToolResult

from okta_mcp.rbac.limits import Limit, Limits
from okta_mcp.tools import ArgumentErrors, OktaTool, okta_tools
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors
from tests.tools.conftest import ANN, NOW, USER

Limited = Callable[..., Awaitable[CallToolResult]]

TOOLS = okta_tools(None, SealedCursors(b"k" * 32), lambda: NOW)
PROPERTIES = {tool.name: tool.tool.parameters["properties"] for tool in TOOLS}


@pytest.fixture
def limited(tools: list[OktaTool]) -> Limited:
    """Calls a tool as somebody whose role has these limits."""
    server: FastMCP = FastMCP(
        "t", tools=[each.tool for each in tools], middleware=[ArgumentErrors()]
    )

    async def call(limits: Limits, name: str, /, **arguments: Any) -> CallToolResult:
        record = Call(ANN, name, limits=limits, longest_window_days=limits.window_days)
        token = current_call.set(record)
        try:
            async with Client(server) as client:
                return await client.call_tool_mcp(name, arguments)
        finally:
            current_call.reset(token)

    return call


def on(**parameters: Limit) -> Limits:
    return Limits(parameters)


def error_of(result: CallToolResult) -> dict[str, Any]:
    assert result.is_error
    return dict(json.loads(result.content[0].text)["error"])


def required(tool: str) -> dict[str, str]:
    [schema] = [each.tool.parameters for each in TOOLS if each.name == tool]
    return dict.fromkeys(schema.get("required", ()), USER)


@pytest.mark.parametrize(
    ("limits", "arguments", "allowed"),
    [
        (on(limit=Limit(most=20)), {"limit": 21}, "limit may be at most 20"),
        (on(limit=Limit(most=20)), {"limit": "200"}, "limit may be at most 20"),
        (on(limit=Limit(most=20)), {"limit": 50}, "limit may be at most 20"),
        (on(fields=Limit(one_of=("default",))), {"fields": "full"}, "fields may be default"),
        (on(search=Limit()), {"search": 'status eq "ACTIVE"'}, "search may not be given"),
        (on(after=Limit()), {"after": "anything"}, "after may not be given"),
        (on(q=Limit(one_of=("ann", "bob"))), {"q": "eve"}, "q may be ann or bob"),
    ],
)
async def test_a_value_beyond_a_limit_is_refused_and_nothing_is_asked(
    limited: Limited,
    okta: respx.MockRouter,
    limits: Limits,
    arguments: dict[str, Any],
    allowed: str,
) -> None:
    [parameter] = arguments
    error = error_of(await limited(limits, "list_okta_users", **arguments))
    assert (error["code"], error["parameter"]) == ("forbidden_parameter", parameter)
    assert error["message"].endswith(allowed)
    assert parameter in error["fix"]
    assert not okta.calls


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (tool, name)
        for tool, properties in PROPERTIES.items()
        for name, schema in properties.items()
        if schema.get("type") == "integer" and schema.get("minimum", 0) < schema["maximum"]
    ],
)
async def test_every_number_of_every_tool_can_be_limited(
    limited: Limited, okta: respx.MockRouter, tool: str, name: str
) -> None:
    schema = PROPERTIES[tool][name]
    limits = on(**{name: Limit(most=schema.get("minimum", 0))})
    error = error_of(await limited(limits, tool, **required(tool), **{name: schema["maximum"]}))
    assert (error["code"], error["parameter"]) == ("forbidden_parameter", name)
    assert not okta.calls


@pytest.mark.parametrize(
    "tool", [tool for tool, properties in PROPERTIES.items() if "since" in properties]
)
async def test_every_tool_with_a_window_keeps_to_the_longest(
    limited: Limited, okta: respx.MockRouter, tool: str
) -> None:
    """Reports too: otherwise one of them would be the way around the limit."""
    asked = required(tool) | {"since": "last 7 days"}
    if "user_id" in PROPERTIES[tool]:
        asked["user_id"] = USER
    error = error_of(await limited(Limits(window_days=3), tool, **asked))
    assert (error["code"], error["parameter"]) == ("forbidden_parameter", "since")
    assert "3 days" in error["message"]
    assert not okta.calls


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        (on(limit=Limit(most=20)), {"limit": "20"}),
        (on(limit=Limit(most=80)), {"limit": "50"}),
        (on(q=Limit(one_of=("ann", "bob"))), {"q": "ann"}),
        (on(q=Limit()), {"limit": "50"}),
    ],
)
async def test_where_nothing_is_given_the_nearest_allowed_value_is_used(
    limited: Limited, okta: respx.MockRouter, limits: Limits, sent: dict[str, str]
) -> None:
    okta.get("/api/v1/users").respond(200, json=[])
    assert not (await limited(limits, "list_okta_users")).is_error
    assert sent.items() <= dict(okta.calls.last.request.url.params).items()


async def test_without_a_window_the_longest_allowed_one_is_used(
    limited: Limited, okta: respx.MockRouter
) -> None:
    okta.get("/api/v1/logs").respond(200, json=[])
    assert not (await limited(Limits(window_days=1), "get_okta_event_logs")).is_error
    params = okta.calls.last.request.url.params
    assert (params["since"][:10], params["until"][:10]) == ("2026-11-20", "2026-11-21")


@pytest.mark.parametrize(
    ("limits", "arguments"),
    [
        (on(limit=Limit(most=20)), {"limit": 20}),
        (on(limit=Limit(most=20)), {"limit": None}),
        (on(fields=Limit(one_of=("default",))), {"fields": "default"}),
        (on(search=Limit()), {"search": None}),
        (on(search=Limit()), {}),
    ],
)
async def test_a_value_within_the_limits_goes_through(
    limited: Limited, okta: respx.MockRouter, limits: Limits, arguments: dict[str, Any]
) -> None:
    okta.get("/api/v1/users").respond(200, json=[])
    assert not (await limited(limits, "list_okta_users", **arguments)).is_error
