"""Where a message goes that was allowed: to FastMCP, or directly to the tool that it calls."""

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from okta_mcp.compact_json import compact_json
from okta_mcp.mcp_endpoint.answers import send_json
from okta_mcp.mcp_endpoint.decision import unknown
from okta_mcp.mcp_endpoint.direct import CallTool, can_be_direct, direct_answer
from okta_mcp.mcp_endpoint.messages import Message
from okta_mcp.mcp_endpoint.revisions import is_modern
from okta_mcp.tools.call import Call

# What a caller sends to prove who it is stays on this side of the dispatch.
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"content-length", b"transfer-encoding"})


class Dispatch:
    """`behind` is FastMCP's application, `call_tool` the way past it.

    `is_mirrored` tells of which tools arguments stand in headers too (`Mcp-Param-...` of MCP
    2026-07-28): FastMCP compares them.
    """

    def __init__(
        self, behind: ASGIApp, call_tool: CallTool, is_mirrored: Callable[[str], bool]
    ) -> None:
        self._behind = behind
        self._call_tool = call_tool
        self._is_mirrored = is_mirrored

    async def __call__(self, request: Request, message: Message, call: Call, send: Send) -> None:
        if not can_be_direct(request, message) or (
            is_modern(request) and self._is_mirrored(call.tool)
        ):
            await self._by_fastmcp(request, message, call, send)
            return
        result = await self._call_tool(call.tool, message.params.get("arguments", {}))
        if result is None:
            call.error_code = "not_found"
            await send_json(send, unknown(message))
        else:
            await send_json(send, direct_answer(request, message, result))

    async def _by_fastmcp(self, request: Request, message: Message, call: Call, send: Send) -> None:
        status, body = 0, b""

        async def noted(part: AsgiMessage) -> None:
            nonlocal status, body
            status = part.get("status", status)
            body += part.get("body", b"")
            await send(part)

        scope, receive = _handed_on(request, message)
        await self._behind(scope, receive, noted)
        # For the record: what FastMCP refuses for its form has not been done.
        if call.error_code is None and _is_refusal(status, body):
            call.error_code = "invalid_request"


def _is_refusal(status: int, body: bytes) -> bool:
    if status >= HTTPStatus.BAD_REQUEST:
        return True
    return bool(body) and "error" in msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def _handed_on(request: Request, message: Message) -> tuple[Scope, Receive]:
    """The request for FastMCP: the message as it was decided on, no credentials.

    The body is written again, so that no second reading of the same bytes can mean another call.
    """
    body = compact_json(message.raw)
    headers = [pair for pair in request.scope["headers"] if pair[0] not in _CREDENTIALS]
    headers.append((b"content-length", str(len(body)).encode()))
    pending: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> AsgiMessage:
        return pending.pop() if pending else await request.receive()

    return {**request.scope, "headers": headers}, receive
