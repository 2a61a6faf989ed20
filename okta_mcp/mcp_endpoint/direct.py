"""A call of a tool without FastMCP in between: the faster path of a dispatch.

The endpoint takes it after all its steps, for requests whose form leaves nothing to be said; any
other goes to FastMCP, which answers what is wrong with it. What the tool answered goes to the
caller as it is, but for what the revision of the request demands.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_types import SERVER_INFO_META_KEY
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from starlette.requests import Request

from okta_mcp import __version__
from okta_mcp.mcp_endpoint.messages import Message
from okta_mcp.mcp_endpoint.revisions import VERSION_HEADER, is_modern

# The result of a tool as JSON, None where there is no such tool; never raises for what it calls.
CallTool = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]]

_FORMS = frozenset({"application/json", "text/event-stream"})
_CALL = frozenset({"name", "arguments", "_meta"})


def has_usual_form(request: Request, message: Message, params: frozenset[str]) -> bool:
    """Whether headers and parameters are as every revision wants them, `params` at the most."""
    headers, meta = request.headers, message.params.get("_meta", {})
    accepted = {each.partition(";")[0].strip() for each in headers.get("accept", "").split(",")}
    return (
        accepted >= _FORMS
        and headers.get("content-type", "").partition(";")[0] == "application/json"
        and headers.get(VERSION_HEADER, KNOWN_PROTOCOL_VERSIONS[0]) in KNOWN_PROTOCOL_VERSIONS
        and message.params.keys() <= params
        and isinstance(meta, dict)
        and type(meta.get("progressToken", 0)) in (int, str)
    )


def can_be_direct(request: Request, message: Message) -> bool:
    """Whether it is a `tools/call` in the usual form."""
    return (
        message.method == "tools/call"
        and isinstance(message.params.get("arguments", {}), dict)
        and has_usual_form(request, message, _CALL)
    )


def direct_answer(request: Request, message: Message, result: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with `result`, in the form of the request's revision."""
    shown = {key: value for key, value in result.items() if key != "_meta"}
    if is_modern(request):
        named = {"name": "okta_mcp", "version": __version__}
        shown |= {"resultType": "complete", "_meta": {SERVER_INFO_META_KEY: named}}
    return {"jsonrpc": "2.0", "id": message.request_id, "result": shown}
