"""The outermost middleware: no exception's text reaches a client, whoever raises it."""

import json
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import NotFoundError, ToolError
from fastmcp.server.middleware import Middleware
from fastmcp.tools import Tool

from okta_mcp.tools import ArgumentErrors
from okta_mcp.tools.call import Call, current_call

SECRET = "S3CRET"


def plain(count: int) -> str:
    """A tool that is none of ours."""
    if count < 0:
        raise ValueError(SECRET)
    return "fine"


class Raises(Middleware):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def on_call_tool(self, context: Any, call_next: Any) -> Any:
        raise self._error


async def result_of(
    name: str, arguments: dict[str, Any], *inner: Middleware, mask: bool = True
) -> tuple[Any, Call]:
    server: FastMCP = FastMCP(
        "test",
        tools=[Tool.from_function(plain)],
        middleware=[ArgumentErrors(), *inner],
        mask_error_details=mask,
    )
    record = Call(user_id="00u", tool=name)
    token = current_call.set(record)
    try:
        async with Client(server) as client:
            return await client.call_tool_mcp(name, arguments), record
    finally:
        current_call.reset(token)


@pytest.mark.parametrize("error", [ValueError(SECRET), ToolError(SECRET), KeyError(SECRET)])
async def test_an_exception_of_another_middleware_is_an_internal_error(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    result, record = await result_of("plain", {"count": 1}, Raises(error))
    assert result.is_error
    assert json.loads(result.content[0].text)["error"]["code"] == "internal_error"
    assert record.error_code == "internal_error"
    assert SECRET not in result.model_dump_json() + caplog.text


@pytest.mark.parametrize("mask", [True, False])
async def test_an_exception_of_a_foreign_tool_is_an_internal_error(mask: bool) -> None:
    result, _ = await result_of("plain", {"count": -1}, mask=mask)
    assert json.loads(result.content[0].text)["error"]["code"] == "internal_error"
    assert SECRET not in result.model_dump_json()


async def test_bad_arguments_of_a_foreign_tool_are_invalid_arguments() -> None:
    result, _ = await result_of("plain", {"count": SECRET})
    error = json.loads(result.content[0].text)["error"]
    assert error["code"] == "invalid_argument"
    assert "count" in error["message"]
    assert SECRET not in result.model_dump_json()


async def test_a_tool_that_a_middleware_denies_reads_like_an_unknown_one() -> None:
    """B-01"""
    denied, record = await result_of("plain", {}, Raises(NotFoundError("Unknown tool: 'plain'")))
    unknown, _ = await result_of("missing", {})
    assert denied.content[0].text == unknown.content[0].text.replace("missing", "plain")
    assert denied.is_error
    assert record.error_code is None


async def test_a_good_call_passes() -> None:
    result, record = await result_of("plain", {"count": 1})
    assert (result.is_error, record.error_code) == (False, None)
