"""`${VAR}` and `${VAR:-default}` in the texts of `mcp.json`, filled in from given variables.

Called by `configuration.py`. What is filled in is never looked at again, so a variable cannot
bring in another; an empty variable counts as missing, as it does for every setting. No error holds
a value.
"""

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\$\{([^}]*)\}")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.ASCII | re.DOTALL)


class ExpansionError(Exception):
    """The text names a variable that there is not, or is no such text; says what to do."""


def has_literal(text: str) -> bool:
    """Whether anything but blanks stands outside of the variables."""
    return bool(_PLACE.sub("", text).strip())


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`text` with every variable in its place; raises `ExpansionError`."""
    rest = _PLACE.sub("", text)
    if "${" in rest:
        raise ExpansionError("has a ${ that is not closed; write ${NAME} or ${NAME:-default}")
    return _PLACE.sub(lambda place: _value(place[1], variables), text)


def _value(inside: str, variables: Mapping[str, str]) -> str:
    parts = _INSIDE.fullmatch(inside)
    if parts is None:
        raise ExpansionError(_not_a_name(inside))
    name, default = parts[1], parts[2]
    value = variables.get(name, "")
    if value:
        return value
    if default is None:
        raise ExpansionError(
            f"the variable {name} is not set; set it in the environment or the env file, or give a"
            f" default: ${{{name}:-default}}"
        )
    return default


def _not_a_name(inside: str) -> str:
    kind, separator, _ = inside.partition(":")
    if separator and kind == "env":
        return "has ${env:NAME}, which only some clients know; write ${NAME}"
    if separator and kind == "input":
        return "has ${input:NAME}, which asks a person; nobody is asked here, so write ${NAME}"
    return "has a ${...} that names no variable; write ${NAME} or ${NAME:-default}"
