"""The object `okta_mcp` of an entry of `mcp.json`: what only this server reads of it.

Called by `configuration.py`. Other programs pass over the object, so the file stays usable
elsewhere. Titles, purposes and overrides are words that people and models decide by: they are
bounded here and cleaned.
"""

from collections.abc import Callable, Mapping
from typing import Any

from okta_mcp.allowance import allowance
from okta_mcp.gateway.servers import Override
from okta_mcp.okta.text import clean_text
from okta_mcp.rbac.limits import suggestion

_LONGEST_TITLE = 60
_LONGEST_PURPOSE = 200
_LONGEST_DESCRIPTION = 4000
_MOST_OVERRIDES = 200
_HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
_OVERRIDE_KEYS = ("title", "description", "annotations")

# The least and the most of each number.
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "call_seconds": (0.1, 3600),
    "start_seconds": (0.1, 600),
    "largest_bytes": (1024, 256 * 1024 * 1024),
    "most_processes": (1, 500),
    "idle_seconds": (1, 86_400),
}
_COUNTS = ("largest_bytes", "most_processes")
_LIMITS = ("call_seconds", "start_seconds", "largest_bytes", "calls")
_COMMON = ("title", "purpose", "overrides", *_LIMITS)
_STDIO = ("shared", "per_person", "most_processes", "idle_seconds")
_HTTP = ("assertion",)

Note = Callable[[str, str], None]


def own_values(at: str, given: Any, name: str, is_http: bool, note: Note) -> dict[str, Any]:
    """The values by the names of the fields of the record; `title` is always among them."""
    values: dict[str, Any] = {"title": name}
    if not isinstance(given, dict):
        note(at, "must be an object")
        return values
    known = (*_COMMON, *(_HTTP if is_http else _STDIO))
    for key, value in given.items():
        here = f"{at}.{key}"
        if key not in known:
            elsewhere = key in (*_STDIO, *_HTTP)
            kind = "url" if key in _HTTP else "command"
            reason = f"is for a server with {kind}" if elsewhere else "no such key"
            note(here, reason + ("" if elsewhere else suggestion(key, known)))
            continue
        try:
            values[key] = _value(key, value, here, note)
        except ValueError as error:
            note(here, str(error))
    if values.get("shared") and values.get("per_person"):
        note(at, "shared and per_person contradict each other; keep one of them")
    if not values.get("per_person"):
        for key in ("most_processes", "idle_seconds"):
            if key in given and not is_http:
                note(f"{at}.{key}", "counts with per_person only; say that too, or take it away")
    return values


def _value(key: str, value: Any, at: str, note: Note) -> Any:
    if key in _NUMBERS:
        return _number(value, *_NUMBERS[key], whole=key in _COUNTS)
    match key:
        case "title":
            return _line(value, _LONGEST_TITLE)
        case "purpose":
            return _line(value, _LONGEST_PURPOSE)
        case "calls":
            return _rate(value)
        case "overrides":
            return _overrides(value, at, note)
    if value is not True and value is not False:
        raise ValueError("must be true or false")
    return value


def _line(value: Any, longest: int) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise ValueError(f"must be a text of 1 to {longest} characters")
    if clean_text(value, longest) != value:
        raise ValueError("holds a line end or a character that nobody can see; take it away")
    return value


def _number(value: Any, least: float, most: float, *, whole: bool) -> float:
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        raise ValueError(f"must be a {'whole ' if whole else ''}number from {least:g} to {most:g}")
    return int(value) if whole else float(value)


def _rate(value: Any) -> str:
    try:
        allowance(value)
    except (ValueError, TypeError):
        raise ValueError("must be a rate such as 60/minute") from None
    return str(value)


def _overrides(value: Any, at: str, note: Note) -> dict[str, Override]:
    if not isinstance(value, dict) or len(value) > _MOST_OVERRIDES:
        raise ValueError(f"must be an object of at most {_MOST_OVERRIDES} tools")
    overrides: dict[str, Override] = {}
    for tool, given in value.items():
        try:
            overrides[tool] = _override(given)
        except ValueError as error:
            note(f"{at}.{tool}", str(error))
    return overrides


def _override(given: Any) -> Override:
    if not isinstance(given, dict) or not given:
        raise ValueError(f"must be an object with {', '.join(_OVERRIDE_KEYS)}")
    for key in given:
        if key not in _OVERRIDE_KEYS:
            raise ValueError(f"no key {key!r}; there are {', '.join(_OVERRIDE_KEYS)}")
    description = given.get("description")
    if description is not None and (
        not isinstance(description, str) or not 0 < len(description) <= _LONGEST_DESCRIPTION
    ):
        raise ValueError(f"description must be a text of 1 to {_LONGEST_DESCRIPTION} characters")
    annotations = given.get("annotations", {})
    if not isinstance(annotations, dict) or any(
        key not in _HINTS or not isinstance(hint, bool) for key, hint in annotations.items()
    ):
        raise ValueError(f"annotations may be {', '.join(_HINTS)}, each true or false")
    title = _line(given["title"], _LONGEST_TITLE) if "title" in given else None
    return Override(title, description, annotations)
