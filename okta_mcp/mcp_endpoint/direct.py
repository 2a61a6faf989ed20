"""A call of a server behind the gateway without FastMCP in between: the faster path of a dispatch.

The endpoint takes it after all its steps, for requests whose form leaves nothing to be said; any
other goes to FastMCP, which answers what is wrong with it. What the server answered goes to the
caller as it is, but for what the revision of the request demands.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_types import SERVER_INFO_META_KEY
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request

from okta_mcp import __version__
from okta_mcp.mcp_endpoint.messages import Message

# The result of a tool as JSON, None where there is no such tool; never raises for what it calls.
CallBehind = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]

_VERSION = "mcp-protocol-version"


def can_be_direct(request: Request, message: Message) -> bool:
    """Whether the headers and the parameters of a `tools/call` are as every revision wants them."""
    accept = request.headers.get("accept", "")
    return (
        message.method == "tools/call"
        and "application/json" in accept
        and "text/event-stream" in accept
        and request.headers.get("content-type", "").partition(";")[0] == "application/json"
        and request.headers.get(_VERSION, KNOWN_PROTOCOL_VERSIONS[0]) in KNOWN_PROTOCOL_VERSIONS
        and message.params.keys() <= {"name", "arguments", "_meta"}
        and isinstance(message.params.get("arguments", {}), dict)
        and isinstance(message.params.get("_meta", {}), dict)
    )


def direct_answer(request: Request, message: Message, result: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with `result`, in the form of the request's revision."""
    shown = {key: value for key, value in result.items() if key != "_meta"}
    if request.headers.get(_VERSION) in MODERN_PROTOCOL_VERSIONS:
        named = {"name": "okta_mcp", "version": __version__}
        shown |= {"resultType": "complete", "_meta": {SERVER_INFO_META_KEY: named}}
    return {"jsonrpc": "2.0", "id": message.request_id, "result": shown}
