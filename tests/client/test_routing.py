"""The headers of a message, revision by revision."""

from typing import Any

import pytest
from mcp_types import PROTOCOL_VERSION_META_KEY as REVISION

from okta_mcp.client.jsonrpc import Message, written
from okta_mcp.client.routing import Routing


def message(method: str, **params: Any) -> Message:
    return written({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def answer(**content: Any) -> Message:
    return written({"jsonrpc": "2.0", "id": 1, "result": content})


def modern(method: str, **params: Any) -> Message:
    return message(method, **params, _meta={REVISION: "2026-07-28"})


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        (modern("tools/list"), {}),
        (modern("tools/call", name="a"), {"mcp-name": "a"}),
        (modern("prompts/get", name="p"), {"mcp-name": "p"}),
        (modern("resources/read", uri="x://y"), {"mcp-name": "x://y"}),
        (modern("completion/complete", name="no"), {}),
        (modern("tools/call", name=5), {}),
        (modern("tools/call", name="né"), {"mcp-name": "=?base64?bsOp?="}),
        (modern("tools/call", name="a\r\nx: y"), {"mcp-name": "=?base64?YQ0KeDogeQ==?="}),
    ],
)
def test_a_request_that_names_its_revision_is_repeated_in_headers(
    sent: Message, headers: dict[str, str]
) -> None:
    expected = {"mcp-protocol-version": "2026-07-28", "mcp-method": sent.method} | headers
    assert Routing().headers(sent) == expected


@pytest.mark.parametrize(
    "sent",
    [
        message("ping"),
        message("ping", _meta={REVISION: 5}),
        message("ping", _meta=[REVISION]),
        written({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}),
        # Half a surrogate pair has no bytes; the server refuses what the headers lack.
        message("ping", _meta={REVISION: "\ud800"}),
    ],
)
def test_without_a_revision_that_is_known_there_is_no_header(sent: Message) -> None:
    assert Routing().headers(sent) == {}


def test_after_initialize_every_message_names_what_was_negotiated() -> None:
    routing = Routing()
    begin = message("initialize", protocolVersion="2025-11-25")
    assert routing.headers(begin) == {}
    routing.learn(begin, answer(protocolVersion="2025-06-18"))
    for sent in (message("ping"), written({"jsonrpc": "2.0", "id": 1, "result": {}})):
        assert routing.headers(sent) == {"mcp-protocol-version": "2025-06-18"}
    assert routing.negotiated_header() == {"mcp-protocol-version": "2025-06-18"}
    assert routing.headers(begin) == {}


def test_a_probe_before_initialize_leaves_no_trace() -> None:
    routing = Routing()
    routing.headers(modern("server/discover"))
    begin = message("initialize")
    assert routing.headers(begin) == {}
    routing.learn(begin, answer(protocolVersion="2025-06-18"))
    assert routing.headers(message("ping")) == {"mcp-protocol-version": "2025-06-18"}


def test_a_notification_between_requests_goes_with_their_revision() -> None:
    routing = Routing()
    routing.headers(modern("tools/list"))
    assert routing.headers(message("notifications/x")) == {"mcp-protocol-version": "2026-07-28"}


def test_arguments_that_a_tool_wants_as_headers_are_repeated() -> None:
    routing = Routing()
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {
            "type": "object",
            "properties": {"on": {"type": "boolean", "x-mcp-header": "On"}},
        },
        "plain": {"type": "string"},
    }
    bad = {"type": "object", "properties": {"x": {"type": "number", "x-mcp-header": "X"}}}
    good = {"type": "object", "properties": properties}
    tools = [{"name": "t", "inputSchema": good}, {"name": "bad", "inputSchema": bad}, 5, {}]
    arguments = {"region": "eu", "deep": {"on": True}, "plain": "no", "x": 1}
    call = modern("tools/call", name="t", arguments=arguments)
    assert "Mcp-Param-Region" not in routing.headers(call)
    routing.learn(modern("tools/list"), answer(tools=tools))
    mirrored = {
        name: value
        for name, value in routing.headers(call).items()
        if name.lower().startswith("mcp-param")
    }
    assert mirrored == {"Mcp-Param-Region": "eu", "Mcp-Param-On": "true"}
    bad_call = modern("tools/call", name="bad", arguments=arguments)
    assert set(routing.headers(bad_call)) == {"mcp-protocol-version", "mcp-method", "mcp-name"}
    routing.learn(modern("tools/list"), answer(tools=[{"name": "t", "inputSchema": {}}]))
    assert "Mcp-Param-Region" not in routing.headers(call)
