"""Output schemas of the tools, written from the projections so that the two cannot differ.

They name the fields and leave the values open: Okta adds enum values and omits nulls unannounced,
and a client that validates would then refuse a correct answer.
"""

from collections.abc import Mapping
from typing import Any

from okta_mcp.tools.projection import Shape

Schema = dict[str, Any]


def object_schema(shape: Shape) -> Schema:
    """The schema of one object in its fullest projection."""
    names = list(shape) if isinstance(shape, Mapping) else []
    return {"type": "object", "properties": {name: {} for name in names}}


def list_schema(shape: Shape, extra: Schema | None = None) -> Schema:
    """The schema of a page of such objects; `extra` are further properties of the answer."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": object_schema(shape)},
            "count": {"type": "integer"},
            "truncated": {"type": "boolean", "description": "there are more rows"},
            "next_cursor": {"type": ["string", "null"], "description": "pass as after"},
            "hint": {"type": "string"},
            **(extra or {}),
        },
        "required": ["items", "count", "truncated", "next_cursor"],
    }


EVENTUAL: Schema = {
    "consistency": {"const": "eventual", "description": "the search index lags a little"}
}
