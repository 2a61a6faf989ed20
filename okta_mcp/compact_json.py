"""JSON as this server writes it: one line, no spaces, UTF-8."""

import json
from typing import Any

import msgspec


def compact_json(value: Any) -> bytes:
    """`value` (what JSON can say, tuples included) as bytes.

    Half a surrogate pair, which no UTF-8 can hold, is written as the escape that it came as.
    """
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def compact_text(value: Any) -> str:
    """The same as text."""
    return compact_json(value).decode()
