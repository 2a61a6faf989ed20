"""Cells of a CSV: what a spreadsheet would calculate begins with an apostrophe."""

import csv
import io

import pytest

from okta_mcp.tools.reports.shelf import csv_text


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "＝1", "\ttext"],
)
def test_a_formula_is_made_text(cell: str) -> None:
    assert csv_text([[cell]]).lstrip('"').startswith("'")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("plain", "plain"),
        ("a=b", "a=b"),
        ('say "hi", twice\n', '"say ""hi"", twice\n"'),
        (None, '""'),
        (-5, "-5"),
        (True, "true"),
        (["a", "b"], "a; b"),
        (["=a", "b"], "'=a; b"),
        ("", '""'),
    ],
)
def test_other_cells_are_written_as_they_are(value: object, cell: str) -> None:
    assert csv_text([[value]]) == f"{cell}\r\n"


def test_rows_come_back_as_they_went_in() -> None:
    rows = [["a", 'b "c"', "d,e"], ["f\ng", "", "h"]]
    assert list(csv.reader(io.StringIO(csv_text(rows), newline=""))) == rows
