"""What a server behind offers, read through its session and bounded: tools, resources, prompts.

`upstream.py` reads one at each connection and after each `list_changed`. Everything in it was
written by the server: what has no usable form is left out, and the reason is given for the log.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from okta_mcp.gateway.errors import ServerRefusedError
from okta_mcp.gateway.session import Session
from okta_mcp.okta.text import clean_text

# Of one list: so many things, which take so much as JSON.
MOST_THINGS = 500
LARGEST_LIST_BYTES = 2 * 1024 * 1024
LARGEST_SCHEMA_BYTES = 64 * 1024
_MOST_PAGES = 50
_LONGEST_NAME = 96
_LONGEST_URI = 1024
_LONGEST_TEXT = 4096
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")

# What tells things of a kind apart, where it is not their name.
_NAMED_BY = {"resources": "uri", "resourceTemplates": "uriTemplate"}

# Why a thing cannot be offered; empty if it can.
_Check = Callable[[dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The things as the server wrote them; `left_out` says of which not and why."""

    tools: tuple[dict[str, Any], ...] = ()
    resources: tuple[dict[str, Any], ...] = ()
    templates: tuple[dict[str, Any], ...] = ()
    prompts: tuple[dict[str, Any], ...] = ()
    left_out: frozenset[str] = field(default_factory=frozenset)


async def read_catalogue(session: Session, *, seconds: float) -> Catalogue:
    """All lists, `seconds` for each page; raises `ServerError`."""
    left_out: set[str] = set()

    async def listed(kind: str, key: str, capability: str, check: _Check) -> list[dict[str, Any]]:
        if capability not in session.capabilities:
            return []
        try:
            things, is_cut = await _pages(session, kind, key, seconds)
        except ServerRefusedError:
            # Some say that they have resources or prompts and then do not know the list.
            if capability == "tools":
                raise
            return []
        if is_cut:
            left_out.add(f"{key} beyond the first {len(things)}")
        named = _NAMED_BY.get(key, "name")
        return list(_usable(things, check, left_out, named))

    return Catalogue(
        tools=tuple(await listed("tools/list", "tools", "tools", _wrong_tool)),
        resources=tuple(await listed("resources/list", "resources", "resources", _wrong_resource)),
        templates=tuple(
            await listed(
                "resources/templates/list", "resourceTemplates", "resources", _wrong_template
            )
        ),
        prompts=tuple(await listed("prompts/list", "prompts", "prompts", _wrong_prompt)),
        left_out=frozenset(left_out),
    )


async def _pages(session: Session, method: str, key: str, seconds: float) -> tuple[list[Any], bool]:
    """The things of all pages, and whether there were more than are read."""
    things: list[Any] = []
    size = 0
    cursor: Any = None
    for _ in range(_MOST_PAGES):
        params = {"cursor": cursor} if cursor is not None else {}
        page = await session.request(method, params, seconds=seconds)
        found = page.get(key)
        for thing in found if isinstance(found, list) else []:
            size += len(json.dumps(thing))
            if len(things) == MOST_THINGS or size > LARGEST_LIST_BYTES:
                return things, True
            things.append(thing)
        following = page.get("nextCursor")
        if not isinstance(following, str) or following == cursor:
            return things, False
        cursor = following
    return things, True


def _usable(
    things: list[Any], check: _Check, left_out: set[str], named: str
) -> Iterable[dict[str, Any]]:
    seen: set[str] = set()
    for thing in things:
        if not isinstance(thing, dict):
            left_out.add("something that is no object")
            continue
        name = thing.get(named)
        wrong = check(thing) or _wrong_texts(thing)
        shown = clean_text(name, 60) if isinstance(name, str) else "something without a name"
        if not wrong and name in seen:
            wrong = "is listed twice"
        if wrong:
            left_out.add(f"{shown}: {wrong}")
            continue
        seen.add(str(name))
        yield thing


def _wrong_tool(tool: dict[str, Any]) -> str:
    if wrong := _wrong_name(tool):
        return wrong
    schema = tool.get("inputSchema")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "its input schema is no JSON schema of an object"
    if not isinstance(schema.get("properties", {}), dict):
        return "the properties of its input schema are no object"
    execution = tool.get("execution")
    if isinstance(execution, dict) and execution.get("taskSupport") == "required":
        return "it runs as a task only, and tasks are not spoken with servers behind"
    output = tool.get("outputSchema")
    if output is not None and (not isinstance(output, dict) or output.get("type") != "object"):
        return "its output schema is no JSON schema of an object"
    try:
        # Also what cannot be written again, such as a lone surrogate.
        size = len(json.dumps([schema, output], ensure_ascii=False).encode())
    except (ValueError, RecursionError):
        return "its schema cannot be written"
    if size > LARGEST_SCHEMA_BYTES:
        return f"its schema is larger than {LARGEST_SCHEMA_BYTES // 1024} KiB"
    return ""


def _wrong_prompt(prompt: dict[str, Any]) -> str:
    arguments = prompt.get("arguments")
    if not isinstance(arguments, list | None) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in arguments or ()
    ):
        return "its arguments are no list of names"
    return _wrong_name(prompt)


def _wrong_resource(resource: dict[str, Any]) -> str:
    return _wrong_uri(resource.get("uri"))


def _wrong_template(template: dict[str, Any]) -> str:
    return _wrong_uri(template.get("uriTemplate"))


def _wrong_uri(uri: object) -> str:
    if not isinstance(uri, str) or not uri.isprintable() or len(uri) > _LONGEST_URI:
        return "its URI is missing, too long or not printable"
    if not uri.partition("://")[2]:
        return "its URI has no :// after which the server's name could stand"
    return ""


def _wrong_name(thing: dict[str, Any]) -> str:
    name = thing.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        return f"its name is not 1 to {_LONGEST_NAME} characters long"
    if not _NAME_CHARACTERS.issuperset(name):
        return "its name holds something else than letters, digits and _ - . /"
    return ""


def _wrong_texts(thing: dict[str, Any]) -> str:
    for key in ("name", "title", "description", "mimeType"):
        text = thing.get(key)
        if text is not None and not isinstance(text, str):
            return f"its {key} is no text"
        if text is not None and len(text) > _LONGEST_TEXT:
            thing[key] = text[:_LONGEST_TEXT] + "..."
    return ""
