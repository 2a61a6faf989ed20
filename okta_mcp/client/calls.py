"""What is asked of a connected MCP server: who am I, what is there, call, read, get this one.

The pieces of work that the verbs hand to `Session.run`. Nothing here knows of tokens, and nothing
here prints. Pages are followed to the end, with a bound against a server that never ends.
"""

import difflib
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from mcp.client.client import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolResult,
    GetPromptResult,
    Prompt,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
    Tool,
)

from okta_mcp.client.arguments import parse_arguments
from okta_mcp.client.errors import ToolError, UnreachableError

IDENTITY_URI = "user://me"
MAX_PAGES = 100


class _Page(Protocol):
    @property
    def next_cursor(self) -> str | None: ...


Item = TypeVar("Item")
Page = TypeVar("Page", bound=_Page)


async def identity(client: Client) -> dict[str, Any] | None:
    """The resource `user://me`: `person` (`id`, `login`, `name`), `role`, `groups`, `scopes`.

    None for a server that has no such resource, or one of another shape.
    """
    if client.server_capabilities.resources is None:
        return None
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


def servers_behind(me: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The servers behind the one that was asked, as `identity` tells of them; none if it has no."""
    servers = me.get("servers") if me else None
    return [each for each in servers if isinstance(each, dict)] if isinstance(servers, list) else []


async def list_tools(client: Client) -> list[Tool]:
    """All tools that the server shows this person, in its order; none if it has no tools."""
    if client.server_capabilities.tools is None:
        return []
    return await _all("tools", lambda cursor: client.list_tools(cursor=cursor), lambda p: p.tools)


async def list_resources(client: Client) -> list[Resource | ResourceTemplate]:
    """All resources that the server shows this person, then the templates of resources."""
    if client.server_capabilities.resources is None:
        return []
    found = await _all(
        "resources", lambda cursor: client.list_resources(cursor=cursor), lambda p: p.resources
    )
    templates = await _all(
        "resource templates",
        lambda cursor: client.list_resource_templates(cursor=cursor),
        lambda p: p.resource_templates,
    )
    return [*found, *templates]


async def list_prompts(client: Client) -> list[Prompt]:
    """All prompts that the server shows this person."""
    if client.server_capabilities.prompts is None:
        return []
    return await _all(
        "prompts", lambda cursor: client.list_prompts(cursor=cursor), lambda p: p.prompts
    )


async def _all(
    what: str, ask: Callable[[str | None], Awaitable[Page]], items: Callable[[Page], Iterable[Item]]
) -> list[Item]:
    found: list[Item] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await ask(cursor)
        found.extend(items(page))
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise UnreachableError(f"The list of {what} has more than {MAX_PAGES} pages.")


async def find_tool(client: Client, name: str) -> Tool:
    """The tool `name`.

    Raises:
        ToolError: no such tool for this person.
    """
    tools = {tool.name: tool for tool in await list_tools(client)}
    if name not in tools:
        raise _unknown("tool", name, tools)
    return tools[name]


async def call_tool(
    client: Client, name: str, texts: Sequence[str], progress: ProgressFnT | None = None
) -> CallToolResult:
    """Call the tool `name` with `name=value` texts; `progress` hears how far it is.

    Raises:
        ToolError: no such tool for this person, or the tool answered with an error.
        WrongUsageError: the texts do not fit the tool's input schema.
    """
    arguments = parse_arguments(texts, (await find_tool(client, name)).input_schema)
    try:
        result = await client.call_tool(name, arguments, progress_callback=progress)
    except MCPError as error:
        raise ToolError(f"{name}: {error}") from error
    except RuntimeError as error:
        # The SDK's word for an answer that its own output schema does not allow.
        raise ToolError(f"{name} answered against its own schema: {error}") from error
    if result.is_error:
        raise ToolError(f"{name}: {_error_text(result)}")
    return result


async def read_resource(client: Client, uri: str) -> ReadResourceResult:
    """Read the resource `uri`.

    Raises:
        ToolError: the server does not give it to this person.
    """
    try:
        return await client.read_resource(uri)
    except MCPError as error:
        raise ToolError(f"{uri}: {error}. The verb `resources` lists yours.") from error


async def get_prompt(client: Client, name: str, texts: Sequence[str]) -> GetPromptResult:
    """Fill in the prompt `name` with `name=value` texts.

    Raises:
        ToolError: no such prompt for this person, or the server said no.
        WrongUsageError: an argument is unknown, given twice or missing.
    """
    prompts = {prompt.name: prompt for prompt in await list_prompts(client)}
    if name not in prompts:
        raise _unknown("prompt", name, prompts)
    declared = prompts[name].arguments or []
    schema = {
        "properties": {one.name: {"type": "string"} for one in declared},
        "required": [one.name for one in declared if one.required],
    }
    arguments = parse_arguments(texts, schema, of="prompt")
    try:
        return await client.get_prompt(name, arguments)
    except MCPError as error:
        raise ToolError(f"{name}: {error}") from error


def _unknown(what: str, name: str, known: Iterable[str]) -> ToolError:
    # Names of tools begin alike; less likeness than this leads to something else altogether.
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    hint = f"Did you mean {close[0]}?" if close else f"The verb `{what}s` lists yours."
    return ToolError(f"There is no {what} {name} for you. {hint}")


def _error_text(result: CallToolResult) -> str:
    texts = [part.text for part in result.content if part.type == "text"]
    if not texts:
        return json.dumps(result.structured_content or "no reason given")
    return "\n".join(map(_error_lines, texts))


def _error_lines(text: str) -> str:
    """An error in this project's form, `docs/errors.md`, as sentences; any other text as it is."""
    try:
        error = json.loads(text)["error"]
        lines = [f"{error.pop('message')} ({error.pop('code')})"]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return text
    lines += [f"To do: {error.pop('fix')}"] if error.get("fix") else []
    # What the message says already, about an expression.
    said = ("column", "fragment")
    return "\n".join(
        [*lines, *(f"{name}: {value}" for name, value in error.items() if name not in said)]
    )
