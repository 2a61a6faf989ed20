"""Turns `name=value` from the command line into the arguments of a tool, by its input schema.

Called by `calls`. A value is a string unless the schema says integer, number, boolean, array or
object (the last two as JSON). The server stays the judge of everything else, for example which
values there are.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from okta_mcp.client.errors import WrongUsageError

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# From the strictest to the one that takes any text.
_TYPE_ORDER = ("boolean", "integer", "number", "array", "object", "string")


def parse_arguments(
    texts: Iterable[str], schema: Mapping[str, Any], *, of: str = "tool"
) -> dict[str, Any]:
    """The arguments for a tool (or what `of` says) whose input schema is `schema`.

    Raises:
        WrongUsageError: not `name=value`, a name given twice, unknown or missing, a value of
            another type.
    """
    properties: Mapping[str, Any] = schema.get("properties") or {}
    arguments: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise WrongUsageError(f"{text!r} is not name=value.")
        if name in arguments:
            raise WrongUsageError(f"{name} is given twice.")
        if name not in properties and not schema.get("additionalProperties"):
            known = ", ".join(properties) or "none"
            raise WrongUsageError(f"The {of} has no argument {name}. Its arguments: {known}.")
        arguments[name] = _value(name, value, declared_types(properties.get(name, {}), schema))
    missing = [name for name in schema.get("required") or () if name not in arguments]
    if missing:
        raise WrongUsageError(
            f"The {of} needs {', '.join(f'{name}=…' for name in missing)}"
            + (". `call TOOL --help` tells what to put there." if of == "tool" else ".")
        )
    return arguments


def declared_types(declared: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property takes; optional ones are declared as `anyOf` with null."""
    reference = declared.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        definitions = schema.get("$defs") or {}
        # Definitions do not travel on: one that refers to itself must not loop.
        return declared_types(definitions.get(reference.removeprefix("#/$defs/"), {}), {})
    types: set[str] = set()
    for choice in (*(declared.get("anyOf") or ()), *(declared.get("oneOf") or ())):
        types |= declared_types(choice, schema)
    named = declared.get("type", ())
    types.update([named] if isinstance(named, str) else named)
    return types


def _value(name: str, text: str, types: set[str]) -> Any:
    wanted = [kind for kind in _TYPE_ORDER if kind in types] or ["string"]
    for kind in wanted:
        try:
            return _READERS[kind](text)
        except ValueError:
            continue
    if "null" in types and text == "null":
        return None
    article = "an" if wanted[0][0] in "aio" else "a"
    hint = " in JSON" if wanted[0] in ("array", "object") else ""
    raise WrongUsageError(f"{name} must be {article} {wanted[0]}{hint}, not {text!r}.")


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _json_of(kind: type) -> Any:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)  # noqa: TRY004 - the readers' one way to say "not mine"
        return value

    return read


_READERS = {
    "boolean": _boolean,
    "integer": int,
    "number": float,
    "array": _json_of(list),
    "object": _json_of(dict),
    "string": str,
}
