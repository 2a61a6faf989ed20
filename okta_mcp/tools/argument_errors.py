"""The outermost middleware around tool calls: no exception's own text ever reaches a client.

FastMCP shows the text of an exception that is raised in a middleware to older clients even when it
masks tools. Here arguments that do not fit become `invalid_argument` and everything unexpected
`internal_error`; an unknown tool and a protocol error go on to FastMCP. The composition root puts
it before every other middleware.
"""

from fastmcp.exceptions import DisabledError, McpError, NotFoundError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from mcp_types import CallToolRequestParams

from okta_mcp.tools.answers import failure


class ArgumentErrors(Middleware):
    """Turns what a tool call raises into a result with a stable code."""

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        try:
            return await call_next(context)
        except (NotFoundError, DisabledError, McpError):
            raise
        except Exception as error:  # noqa: BLE001
            return failure(error, context.message.name)
