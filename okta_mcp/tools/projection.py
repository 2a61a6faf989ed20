"""Projections: which fields of Okta's objects an answer holds, by allow-list, cleaned and bounded.

A shape names what may pass; everything else stays out, so a secret in a field that Okta adds
tomorrow stays out too. Used by the reader for every object that a tool answers.

One place takes more than names: `TREE`, for the conditions and actions of policies and their rules
and for network zones, which hold no credentials in Okta's description. Of attributes that only the
organisation knows `NamesBeyond` shows the names: nothing tells a secret among them from the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from okta_mcp.okta.text import clean_text

_MAX_TEXT_CHARS = 1000
_MAX_KEY_CHARS = 100
_MAX_DEPTH = 12
_DEEPER = "… (deeper than this server shows)"


class Leaf(Enum):
    """What may stand at a name: one value or a list of them, or more where a name is not enough."""

    VALUE = "texts, numbers, booleans, null, or a list of these"
    PHONE = "a phone number, all but its last digits masked"
    ID_OF_LINK = "a link object, of which only the last segment, an id, is shown"
    TREE = "anything"


@dataclass(frozen=True, slots=True)
class From:
    """A field that Okta keeps somewhere deeper: `path` from the object, then `shape`."""

    path: tuple[str, ...]
    shape: "Shape"


@dataclass(frozen=True, slots=True)
class NamesBeyond:
    """The names in an object that hold a value and are not `known`, in alphabetical order."""

    known: frozenset[str]


Shape: TypeAlias = "Leaf | From | NamesBeyond | Mapping[str, Shape]"


def values(*names: str) -> dict[str, Shape]:
    """A shape of plain values."""
    return dict.fromkeys(names, Leaf.VALUE)


def project(source: object, shape: Shape) -> Any:
    """`source` cut down to `shape`; a list is cut element by element."""
    if isinstance(shape, Leaf):
        return _leaf(source, shape)
    if isinstance(source, list):
        return [project(element, shape) for element in source]
    if not isinstance(source, dict):
        return None
    if isinstance(shape, From):
        return project(_dig(source, shape.path), shape.shape)
    if isinstance(shape, NamesBeyond):
        names = (name for name, value in source.items() if value not in (None, "", []))
        return sorted(clean_text(name, _MAX_KEY_CHARS) for name in names if name not in shape.known)
    shown = {}
    for name, inner in shape.items():
        if isinstance(inner, From):
            found = _dig(source, inner.path)
            if found is not None:
                shown[name] = project(found, inner.shape)
        elif name in source:
            shown[name] = project(source[name], inner)
    return shown


def masked_phone(number: str) -> str:
    """The last two digits of a number: enough to recognise it, too little to call it."""
    digits = [sign for sign in number if sign.isdigit()]
    return "•••" + "".join(digits[-2:]) if len(digits) > 4 else "•••"


def _leaf(source: object, leaf: Leaf) -> Any:
    match leaf:
        case Leaf.VALUE:
            return _value(source)
        case Leaf.PHONE:
            return masked_phone(source) if isinstance(source, str) else None
        case Leaf.ID_OF_LINK:
            href = source.get("href") if isinstance(source, dict) else None
            return clean_text(href.rpartition("/")[2], 64) if isinstance(href, str) else None
        case Leaf.TREE:
            return _tree(source, _MAX_DEPTH)


def _value(source: object) -> Any:
    if isinstance(source, str):
        return clean_text(source, _MAX_TEXT_CHARS)
    if isinstance(source, list):
        return [_value(element) for element in source if not isinstance(element, list | dict)]
    return None if isinstance(source, dict) else source


def _tree(source: object, depth: int) -> Any:
    if isinstance(source, dict):
        if depth == 0:
            return _DEEPER
        return {
            clean_text(name, _MAX_KEY_CHARS): _tree(inner, depth - 1)
            for name, inner in source.items()
            if name != "_links"
        }
    if isinstance(source, list):
        return [_tree(element, depth - 1) for element in source] if depth else [_DEEPER]
    return _value(source)


def _dig(source: dict[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = source
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
