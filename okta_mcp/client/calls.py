"""What is asked of a connected MCP server: who am I, which tools, call this one.

The pieces of work that `commands` hands to `Session.run`. Nothing here knows of tokens, and nothing
here prints. Pages are followed to the end, with a bound against a server that never ends.
"""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextResourceContents, Tool

from okta_mcp.client.arguments import parse_arguments
from okta_mcp.client.errors import ToolError, UnreachableError

IDENTITY_URI = "user://me"
MAX_PAGES = 100


async def identity(client: Client) -> dict[str, Any] | None:
    """The resource `user://me`: `person` (`id`, `login`, `name`), `role`, `groups`, `scopes`.

    None for a server that has no such resource, or one of another shape.
    """
    try:
        contents = (await client.read_resource(IDENTITY_URI)).contents
    except MCPError:
        return None
    text = next((part.text for part in contents if isinstance(part, TextResourceContents)), "")
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("person"), dict):
        return None
    return document


async def list_tools(client: Client) -> list[Tool]:
    """All tools that the server shows this person, in its order."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools.extend(page.tools)
        cursor = page.next_cursor
        if cursor is None:
            return tools
    raise UnreachableError(f"The list of tools has more than {MAX_PAGES} pages.")


async def call_tool(client: Client, name: str, texts: Sequence[str]) -> CallToolResult:
    """Call the tool `name` with `name=value` texts.

    Raises:
        ToolError: no such tool for this person, or the tool answered with an error.
        WrongUsageError: the texts do not fit the tool's input schema.
    """
    tools = {tool.name: tool for tool in await list_tools(client)}
    if name not in tools:
        close = difflib.get_close_matches(name, tools, n=1)
        hint = f" Did you mean {close[0]}?" if close else " The verb `tools` lists yours."
        raise ToolError(f"There is no tool {name} for you.{hint}")
    arguments = parse_arguments(texts, tools[name].input_schema)
    try:
        result = await client.call_tool(name, arguments)
    except MCPError as error:
        raise ToolError(f"{name}: {error}") from error
    except RuntimeError as error:
        # The SDK's word for an answer that its own output schema does not allow.
        raise ToolError(f"{name} answered against its own schema: {error}") from error
    if result.is_error:
        raise ToolError(f"{name}: {_error_text(result)}")
    return result


def _error_text(result: CallToolResult) -> str:
    texts = [part.text for part in result.content if part.type == "text"]
    return "\n".join(texts) or json.dumps(result.structured_content or "no reason given")
