"""CSV with other people's text in it."""

import csv
import io

import pytest
from mcp_types import CallToolResult, ReadResourceResult, TextContent, TextResourceContents

from okta_mcp.client.csv_output import csv_lines, records_csv, resource_csv, result_csv
from okta_mcp.client.errors import WrongUsageError


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def _resource(text: str, mime_type: str) -> ReadResourceResult:
    part = TextResourceContents(uri="x://y", text=text, mime_type=mime_type)
    return ReadResourceResult(contents=[part])


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\N{NO-BREAK SPACE}=1"),
        *("＝1", "＋1", "－1", "＠1", '=HYPERLINK("http://x","y")'),
    ],
)
def test_a_cell_that_a_spreadsheet_would_calculate_is_text(text: str) -> None:
    ((cell,),) = _rows(csv_lines((text,), ()))
    assert cell.startswith("'")


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\u202e", "\x00"])
def test_nothing_that_steers_a_terminal_gets_through(character: str) -> None:
    assert character not in records_csv([{f"a{character}": f"b{character}"}])


@pytest.mark.parametrize(
    "result",
    [
        CallToolResult(content=[TextContent(type="text", text="a,b")]),
        CallToolResult(content=[], structured_content={}),
    ],
)
def test_an_answer_without_structure_has_no_rows(result: CallToolResult) -> None:
    with pytest.raises(WrongUsageError, match="Use --json"):
        result_csv(result)


@pytest.mark.parametrize("text", ["words", "1", "[1]"])
def test_a_resource_without_rows_is_refused(text: str) -> None:
    with pytest.raises(WrongUsageError, match="Leave --csv out"):
        resource_csv(_resource(text, "application/json"))


def test_every_row_and_column_is_there_and_nothing_is_cut() -> None:
    records = [{"a": "x" * 500, "b": [1, 2]}, {"c": {"d": True, "e": [{"f": 1}]}, "a": None}]
    assert _rows(records_csv(records)) == [
        ["a", "b", "c.d", "c.e"],
        ["x" * 500, "1, 2", "", ""],
        ["", "", "true", '[{"f": 1}]'],
    ]


def test_a_number_below_zero_stays_a_number() -> None:
    assert _rows(records_csv([{"n": -1, "t": "-1"}]))[1] == ["-1", "'-1"]


def test_rows_and_what_stands_beside_them() -> None:
    result = CallToolResult(content=[], structured_content={"items": [{"a": 1}], "count": 1})
    assert result_csv(result) == ("a\r\n1\r\n", {"count": 1})


@pytest.mark.parametrize(
    ("text", "mime_type", "rows"),
    [
        ("a,b\r\n=1,'=1\r\n", "text/csv; charset=utf-8", [["a", "b"], ["'=1", "'=1"]]),
        ('{"items": [{"a": 1}], "count": 1}', "application/json", [["a"], ["1"]]),
        ('[{"a": 1}, {"a": 2}]', "application/json", [["a"], ["1"], ["2"]]),
        ('{"a": 1}', "application/json", [["a"], ["1"]]),
    ],
)
def test_a_resource_with_rows(text: str, mime_type: str, rows: list[list[str]]) -> None:
    assert _rows(resource_csv(_resource(text, mime_type))) == rows
