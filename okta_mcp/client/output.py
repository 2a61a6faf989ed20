"""Text for the terminal: tables, JSON, and the cleaning of everything that others wrote.

Called by the verbs. Data from a server is other people's text: a name may hold an escape sequence
that repaints the screen or a direction mark that turns a line around. Nothing of that kind passes
here, in a table or in JSON.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

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
from pydantic import BaseModel

MAX_CELL_WIDTH = 48
MAX_COLUMNS = 8
# Control, format (direction marks, zero width), surrogate, private use, unassigned, separators.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# What people look for first; the rest follows in the server's order.
_FIRST_COLUMNS = ("id", "login", "name", "label", "email", "type", "status")

WITHOUT_TOOLS = (
    "The server shows you no tools. If you should have some, ask whoever runs it for a role."
)


def clean(text: str, *, keep_lines: bool = True) -> str:
    """`text` without anything that steers a terminal; line ends and tabs may stay."""
    kept = "\n\t" if keep_lines else ""
    return "".join(
        character
        if character in kept or unicodedata.category(character) not in _UNPRINTABLE
        else (" " if character.isspace() else "\N{REPLACEMENT CHARACTER}")
        for character in text.replace("\r\n", "\n")
    )


def as_json(value: object) -> str:
    """`value` as indented JSON in which unprintable characters are written as escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in _UNPRINTABLE
        else json.dumps(character)[1:-1]
        if ord(character) > 0x7E
        else f"\\u{ord(character):04x}"
        for character in text
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns with a rule under the headings; long cells are cut with an ellipsis."""
    cells = [[_cell(text) for text in row] for row in (headings, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(headings))]
    lines = [
        "  ".join(
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        )
        for row in [cells[0], ["-" * width for width in widths], *cells[1:]]
    ]
    return "\n".join(line.rstrip() for line in lines)


def identity_lines(identity: Mapping[str, Any]) -> str:
    """Person and role, one line each."""
    person = identity["person"]
    name, login = str(person.get("name") or ""), str(person.get("login") or "")
    who = (
        f"{name} ({login})"
        if name and login and name != login
        else name or login or str(person.get("id"))
    )
    lines = [("Person", who), ("Role", str(identity.get("role") or "none"))]
    groups = identity.get("groups")
    if isinstance(groups, list) and groups:
        lines.append(("Groups", ", ".join(map(str, groups))))
    return "\n".join(f"{label:<8}{clean(text, keep_lines=False)}" for label, text in lines)


def tools_table(tools: Sequence[Tool], servers: Sequence[Mapping[str, Any]] = ()) -> str:
    """One line a tool: its name, and its title or the first sentence about it.

    `servers` are those of `user://me`, behind the one that was asked: each has a list of its own,
    of the tools that begin with its name, under its title and state.
    """
    by_server: dict[str, list[Tool]] = {str(each.get("name")): [] for each in servers}
    own: list[Tool] = []
    for tool in tools:
        by_server.get(tool.name.partition("_")[0], own).append(tool)
    parts = [_tool_lines(own)] if own or not servers else []
    for each in servers:
        name, reason = str(each.get("name")), str(each.get("reason") or "")
        state = f"{each.get('state')}{f': {reason}' if reason else ''}"
        heading = clean(f"{each.get('title') or name} ({state})", keep_lines=False)
        parts.append(f"{heading}\n\n{_tool_lines(by_server[name])}")
    return "\n\n".join(parts)


def _tool_lines(tools: Sequence[Tool]) -> str:
    return _listing("Tool", "What it does", "tool", [(tool.name, about(tool)) for tool in tools])


def resources_table(found: Sequence[Resource | ResourceTemplate]) -> str:
    """One line a resource: its URI, where `{}` stands for what the reader fills in, and what."""
    rows = [(resource_uri(one), about(one)) for one in found]
    return _listing("URI", "What it is", "resource", rows)


def prompts_table(prompts: Sequence[Prompt]) -> str:
    """One line a prompt: its name with its arguments, optional ones in brackets, and what."""
    rows = [(_signature(one), about(one)) for one in prompts]
    return _listing("Prompt", "What it is for", "prompt", rows)


def _listing(heading: str, about_heading: str, noun: str, rows: Sequence[tuple[str, str]]) -> str:
    """Names are what people copy, so they are never cut."""
    if not rows:
        return f"No {noun}s."
    cells = [(clean(name, keep_lines=False), clean(what, keep_lines=False)) for name, what in rows]
    width = max(_width(name) for name, _ in ((heading, ""), *cells))
    lines = [(heading, about_heading), ("-" * width, "-" * len(about_heading)), *cells]
    text = [f"{name}{' ' * (width - _width(name))}  {what}".rstrip() for name, what in lines]
    return "\n".join([*text, "", f"1 {noun}" if len(rows) == 1 else f"{len(rows)} {noun}s"])


def _signature(prompt: Prompt) -> str:
    names = [
        f"{one.name}=…" if one.required else f"[{one.name}=…]" for one in prompt.arguments or ()
    ]
    return " ".join([prompt.name, *names])


def resource_uri(resource: Resource | ResourceTemplate) -> str:
    """The URI, or the template of one."""
    if isinstance(resource, ResourceTemplate):
        return resource.uri_template
    return str(resource.uri)


def resource_text(resource: ReadResourceResult) -> str:
    """What was read, for people; what is not text is only named."""
    return "\n".join(
        clean(part.text)
        if isinstance(part, TextResourceContents)
        else f"[{clean(part.mime_type or 'binary', keep_lines=False)}; use --json]"
        for part in resource.contents
    )


def prompt_messages(prompt: GetPromptResult) -> list[tuple[str, str]]:
    """Role and text of each message."""
    return [
        (part.role, part.content.text if part.content.type == "text" else f"[{part.content.type}]")
        for part in prompt.messages
    ]


def prompt_text(prompt: GetPromptResult) -> str:
    """The messages for people, each under its role."""
    return "\n\n".join(f"{role}:\n{clean(text)}" for role, text in prompt_messages(prompt))


def as_written(model: BaseModel) -> Any:
    """A record of the protocol as it stands in JSON."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def result_text(result: CallToolResult) -> str:
    """A tool's answer for people: a list as a table, an object as fields, else its text."""
    structured = result.structured_content
    if isinstance(structured, Mapping) and structured:
        return _structured_text(structured)
    return "\n".join(
        clean(part.text) if part.type == "text" else f"[{part.type}]" for part in result.content
    )


def result_value(result: CallToolResult) -> object:
    """A tool's answer for programs: its structured content, else its content blocks."""
    if result.structured_content is not None:
        return result.structured_content
    return [as_written(part) for part in result.content]


def rows_and_rest(
    structured: Mapping[str, Any],
) -> tuple[Sequence[Mapping[str, Any]] | None, dict[str, Any]]:
    """The rows of an answer and what stands beside them; None and nothing if it has no rows.

    The rows are the list `items`, else the only list of objects.
    """
    lists = [
        name
        for name, value in structured.items()
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value)
    ]
    chosen = "items" if "items" in lists else lists[0] if len(lists) == 1 else None
    if chosen is None:
        return None, {}
    return structured[chosen], {name: it for name, it in structured.items() if name != chosen}


def _structured_text(structured: Mapping[str, Any]) -> str:
    found, rest = rows_and_rest(structured)
    if found is None:
        return fields(structured)
    rows = [flat(row) for row in found]
    body = _rows(rows) if rows else "Nothing found."
    return f"{body}\n\n{fields(rest)}" if rest else body


def _rows(rows: Sequence[Mapping[str, str]]) -> str:
    filled = {name: None for row in rows for name, text in row.items() if text}
    first = [name for name in _FIRST_COLUMNS if name in filled]
    columns = [*first, *(name for name in filled if name not in first)][:MAX_COLUMNS]
    return table(columns, [[row.get(name, "") for name in columns] for row in rows])


def fields(value: Mapping[str, Any]) -> str:
    """One line for each field of an object."""
    texts = {
        clean(name, keep_lines=False): str(text) for name, text in flat(value, nested=True).items()
    }
    width = max((_width(name) for name in texts), default=0)
    return "\n".join(
        f"{name:<{width}}  {clean(text, keep_lines=False)}".rstrip() for name, text in texts.items()
    )


def flat(value: Mapping[str, Any], *, nested: bool = False, typed: bool = False) -> dict[str, Any]:
    """Cells by name: objects one level deep as `outer.inner`; what is deeper only if `nested`.

    Cells are texts; with `typed`, single values stay what they are.
    """
    cells: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, Mapping):
            inner = {f"{name}.{key}": item for key, item in member.items()}
        else:
            inner = {str(name): member}
        for key, item in inner.items():
            if isinstance(item, list) and not any(isinstance(one, Mapping | list) for one in item):
                cells[key] = ", ".join(map(_scalar, item))
            elif not isinstance(item, Mapping | list):
                cells[key] = item if typed else _scalar(item)
            elif nested:
                cells[key] = json.dumps(item, ensure_ascii=False)
    return cells


def _scalar(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def about(named: Tool | Resource | ResourceTemplate | Prompt) -> str:
    """The title, or the first sentence of the description."""
    # Frameworks make a title out of the name, which tells nothing new.
    if named.title and named.title.casefold().replace(" ", "_") != named.name.casefold():
        return named.title
    description = " ".join((named.description or "").split())
    return description.split(". ", 1)[0].removesuffix(".")


def _cell(text: str) -> str:
    line = clean(text, keep_lines=False)
    if _width(line) <= MAX_CELL_WIDTH:
        return line
    while _width(line) > MAX_CELL_WIDTH - 1:
        line = line[:-1]
    return f"{line}…"


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two, combining marks none."""
    return sum(
        0
        if unicodedata.combining(character)
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )
