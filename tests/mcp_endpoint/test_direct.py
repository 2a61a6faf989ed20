"""Which calls of a server behind take the shorter way, and the form of their answers."""

from typing import Any

import pytest
from starlette.requests import Request

from okta_mcp.mcp_endpoint.direct import can_be_direct, direct_answer
from okta_mcp.mcp_endpoint.messages import Message

HEADERS = {
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2025-06-18",
}
PARAMS: dict[str, Any] = {"name": "files_echo", "arguments": {"text": "hello"}}
# What is wrong, and the headers and parameters with it: FastMCP answers these.
NOT_DIRECT: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"accept": "application/json"}, {}),
    ({"accept": "text/html"}, {}),
    ({"content-type": "text/plain"}, {}),
    ({"mcp-protocol-version": "1999-01-01"}, {}),
    ({}, {"arguments": ["hello"]}),
    ({}, {"arguments": None}),
    ({}, {"_meta": "text"}),
    ({}, {"inputResponses": {}}),
    ({}, {"task": {"ttl": 1}}),
]


def request(**changes: str) -> Request:
    headers = {**HEADERS, **changes}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/mcp", "headers": pairs})


def message(method: str = "tools/call", **params: Any) -> Message:
    given = PARAMS | params
    raw = {"jsonrpc": "2.0", "id": 7, "method": method, "params": given}
    return Message(method, given, 7, raw)


@pytest.mark.parametrize(("headers", "params"), NOT_DIRECT)
def test_a_request_of_another_form_goes_the_whole_way(
    headers: dict[str, str], params: dict[str, Any]
) -> None:
    assert not can_be_direct(request(**headers), message(**params))


@pytest.mark.parametrize("method", ["resources/read", "prompts/get", "tools/list"])
def test_other_methods_go_the_whole_way(method: str) -> None:
    assert not can_be_direct(request(), message(method))


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
def test_a_plain_call_is_direct(version: str) -> None:
    assert can_be_direct(request(**{"mcp-protocol-version": version}), message(_meta={}))


def test_meta_of_the_server_behind_is_not_shown() -> None:
    answer = direct_answer(request(), message(), {"content": [], "_meta": {"internal": "words"}})
    assert answer == {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}


def test_the_revision_of_2026_gets_what_it_demands() -> None:
    modern = request(**{"mcp-protocol-version": "2026-07-28"})
    result = direct_answer(modern, message(), {"content": []})["result"]
    assert result["resultType"] == "complete"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "okta_mcp"
