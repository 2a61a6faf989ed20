"""The record of the one tool call that is running: who makes it, and what came of it.

The MCP endpoint makes it before the call is dispatched and writes the audit line from it
afterwards; the tools note Okta's request ids and the error code in it. A context variable carries
it, because FastMCP stands between the two and passes nothing of ours along.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One `tools/call`: `user_id` is Okta's; `error_code` is one of docs/errors.md."""

    user_id: str
    tool: str
    error_code: str | None = None
    okta_request_ids: list[str] = field(default_factory=list)


current_call: ContextVar[Call] = ContextVar("okta_mcp_current_call")
