"""Where the CSV of a report waits to be read as a resource, and how its cells are made safe.

A report's CSV belongs to the person who asked for it and is gone after an hour.
"""

import csv
import io
from collections.abc import Iterable
from typing import Protocol

# What spreadsheet programs take for the beginning of a formula, also behind white space.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Shelf(Protocol):
    """Keeps texts for an hour, each for one person."""

    async def put(self, person: str, report_id: str, text: str) -> bool:
        """Keep it, in the place of what was there. Whether there is room for it."""

    async def get(self, person: str, report_id: str) -> str | None:
        """What is kept for this very person, or None."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Lines of RFC 4180; a cell that a spreadsheet would calculate begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        value = "; ".join(str(each) for each in value)
    text = str(value)
    is_formula = text.startswith(_FORMULA_SIGNS) or text.lstrip().startswith(_FORMULA_SIGNS)
    return f"'{text}" if is_formula else text
