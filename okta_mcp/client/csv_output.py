"""Answers as CSV for spreadsheets and scripts: every row and every column, nothing cut.

Called by the verbs. Cells are other people's text: what a spreadsheet would calculate begins with
an apostrophe, as in the server's own reports, and nothing in them steers a terminal.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from mcp_types import CallToolResult, ReadResourceResult, TextResourceContents

from okta_mcp.client.errors import WrongUsageError
from okta_mcp.client.output import clean, flat, rows_and_rest

# What spreadsheet programs take for the beginning of a formula, also behind white space.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lines of RFC 4180, each with its end."""
    out = io.StringIO()
    csv.writer(out).writerows([_cell(value) for value in row] for row in (headings, *rows))
    return out.getvalue()


def records_csv(records: Sequence[Mapping[str, object]]) -> str:
    """One line for each record, one column for each name that any of them has."""
    lines = [flat(record, nested=True, typed=True) for record in records]
    columns = list({name: None for line in lines for name in line})
    return csv_lines(columns, [[line.get(name) for name in columns] for line in lines])


def result_csv(result: CallToolResult) -> tuple[str, Mapping[str, object]]:
    """A tool's rows, or its one object as one row; and what stands beside the rows.

    Raises:
        WrongUsageError: the answer is plain text.
    """
    structured = result.structured_content
    if not isinstance(structured, Mapping) or not structured:
        raise WrongUsageError("The answer has no rows for CSV. Use --json, or neither.")
    rows, rest = rows_and_rest(structured)
    return records_csv([structured] if rows is None else rows), {} if rows is None else rest


def resource_csv(resource: ReadResourceResult) -> str:
    """A resource that is CSV, or JSON with rows.

    Raises:
        WrongUsageError: it is neither.
    """
    for part in resource.contents:
        if not isinstance(part, TextResourceContents):
            continue
        if (part.mime_type or "").partition(";")[0] == "text/csv":
            headings, *rows = list(csv.reader(io.StringIO(part.text))) or [[]]
            return csv_lines(headings, rows)
        records = _records(part.text)
        if records is not None:
            return records_csv(records)
    raise WrongUsageError("The resource has no rows for CSV. Leave --csv out.")


def _records(text: str) -> list[Mapping[str, object]] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if isinstance(document, Mapping):
        rows, _ = rows_and_rest(document)
        return [document] if rows is None else list(rows)
    if isinstance(document, list) and all(isinstance(row, Mapping) for row in document):
        return document
    return None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    is_formula = text.startswith(_FORMULA_SIGNS) or text.lstrip().startswith(_FORMULA_SIGNS)
    return clean(f"'{text}" if is_formula else text)
