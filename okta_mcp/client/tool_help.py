"""What a tool takes, for the person who is about to call it: `call URL TOOL --help`.

Called by the verb `call`. All of it is the server's text and is cleaned.
"""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from mcp_types import Tool

from okta_mcp.client.arguments import declared_types
from okta_mcp.client.output import clean

_EXAMPLES = {"integer": "10", "number": "0.5", "boolean": "true", "array": "'[\"…\"]'"}
_EXAMPLES["object"] = '\'{"…": "…"}\''


def tool_help(tool: Tool, call: str) -> str:
    """Its description, its arguments with types, and an example; `call` is the command so far."""
    schema = tool.input_schema
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = [name for name in schema.get("required") or () if name in properties]
    ordered = [*required, *(name for name in properties if name not in required)]
    lines = [_line(tool.title or tool.name)]
    if tool.description:
        lines += ["", clean(tool.description).strip()]
    lines += ["", "Arguments:" if ordered else "It takes no arguments."]
    for name in ordered:
        declared = properties[name]
        lines.append(
            f"  {_line(name)}=…  {_kind(declared, schema)}, {_need(name in required, declared)}"
        )
        if declared.get("description"):
            lines.append(f"      {_line(str(declared['description']))}")
    example = [
        f"{_quoted(name)}={_example(properties[name], schema)}" for name in required or ordered[:1]
    ]
    words = " ".join([call, _quoted(tool.name), *example])
    return "\n".join([*lines, "", "Example:", f"  {_line(words)}"])


def _kind(declared: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    choices = declared.get("enum")
    if isinstance(choices, list):
        return "one of " + ", ".join(_line(str(choice)) for choice in choices)
    types = sorted(declared_types(declared, schema) - {"null"})
    kinds = " or ".join(types) or "text"
    return (
        f"{kinds} (JSON)" if {"array", "object"} & set(types) else kinds.replace("string", "text")
    )


def _need(is_required: bool, declared: Mapping[str, Any]) -> str:
    if is_required:
        return "required"
    default = declared.get("default")
    return f"optional ({_line(json.dumps(default))})" if default not in (None, "") else "optional"


def _example(declared: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    choices = declared.get("enum")
    if isinstance(choices, list) and choices:
        return _quoted(str(choices[0]))
    types = declared_types(declared, schema)
    return next((text for kind, text in _EXAMPLES.items() if kind in types), "…")


def _quoted(text: str) -> str:
    """For a shell, into which the example is pasted: it must not run what a server wrote."""
    return shlex.quote(_line(text))


def _line(text: str) -> str:
    return clean(text, keep_lines=False)
