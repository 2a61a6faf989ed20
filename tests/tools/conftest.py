"""The tools in a FastMCP server, called by its in-memory client, with Okta played by respx."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema
import pytest
import respx
from fastmcp import Client, FastMCP

from okta_mcp.okta.api import OktaApi
from okta_mcp.okta.credentials import ApiToken
from okta_mcp.tools import ArgumentErrors, OktaTool, okta_tools
from okta_mcp.tools.call import Call, current_call
from okta_mcp.tools.cursors import SealedCursors

ORG = "https://acme.okta.example"
# 2026-11-21, a Saturday, 09:30:15.123 UTC.
NOW = 1_795_253_415.123
USER = "00u1234567890abcdefg"
ANN, BOB = "00uann1234567890", "00ubob1234567890"


@dataclass
class Answer:
    """What a client sees of one call, and what the record of the call holds."""

    structured: dict[str, Any] | None
    text: str
    is_error: bool
    call: Call
    error: dict[str, Any] = field(default_factory=dict)


Caller = Callable[..., Awaitable[Answer]]


async def no_sleep(_: float) -> None:
    return None


@pytest.fixture
async def tools() -> AsyncIterator[list[OktaTool]]:
    # Nothing here speaks TLS, and reading the list of authorities takes 20 ms a test.
    async with httpx.AsyncClient(verify=False) as http:
        api = OktaApi(
            http, ORG, ApiToken("00secret"), concurrency=15, now=lambda: NOW, sleep=no_sleep
        )
        yield okta_tools(api, SealedCursors(b"k" * 32), lambda: NOW)


@pytest.fixture
def call(tools: list[OktaTool]) -> Caller:
    return caller_of(tools)


def caller_of(tools: list[OktaTool]) -> Caller:
    server: FastMCP = FastMCP(
        "test",
        tools=[each.tool for each in tools],
        middleware=[ArgumentErrors()],
        mask_error_details=True,
    )
    schemas = {each.name: each.tool.output_schema for each in tools}

    async def call(name: str, /, person: str = ANN, **arguments: Any) -> Answer:
        record = Call(user_id=person, tool=name)
        token = current_call.set(record)
        try:
            async with Client(server) as client:
                result = await client.call_tool_mcp(name, arguments)
        finally:
            current_call.reset(token)
        text = result.content[0].text
        answer = Answer(result.structured_content, text, bool(result.is_error), record)
        if result.is_error:
            assert result.structured_content is None
            answer.error = json.loads(text)["error"]
            assert answer.error["code"] == record.error_code
        else:
            assert json.loads(text) == result.structured_content
            jsonschema.validate(result.structured_content, schemas[name])
        return answer

    return call


@pytest.fixture
def okta() -> respx.MockRouter:
    with respx.mock(base_url=ORG, assert_all_called=False) as router:
        yield router
