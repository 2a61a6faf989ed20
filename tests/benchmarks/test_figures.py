"""How figures are shown, for every benchmark."""

from pathlib import Path

import click
import pytest

from benchmarks.figures import Figure, Report, ratio, table, written

MET = Figure("calls", 1.5, 2.344)
LOW = Figure("lists", 20, 14.4)
SLOW = Figure("p99", 20, 31.7, "ms", is_most=True)


@pytest.mark.parametrize(
    ("figure", "is_met", "row"),
    [
        (MET, True, "| calls | at least 1.5 times | 2.34 times |"),
        (LOW, False, "| lists | at least 20 times | 14 times |"),
        (SLOW, False, "| p99 | at most 20 ms | 32 ms |"),
        (Figure("p99", 20, 20.0, "ms", is_most=True), True, "| p99 | at most 20 ms | 20 ms |"),
        (Figure("asked", 1, 1, "", is_most=True), True, "| asked | at most 1 | 1 |"),
    ],
)
def test_a_figure_is_shown_with_its_target(figure: Figure, is_met: bool, row: str) -> None:
    assert (figure.is_met, figure.row) == (is_met, row)


def test_each_missed_target_is_said() -> None:
    text = Report([LOW, MET, SLOW], ["Below."]).text(has_targets=True)
    assert text.split("\n\n")[1:] == [
        "MISSED lists: 14 instead of 20",
        "MISSED p99: 32 instead of 20",
        "Below.",
    ]


def test_a_short_run_misses_nothing_and_shows_all() -> None:
    text = Report([LOW], ["Below."]).text(has_targets=False)
    assert text == (
        "| measure | target | measured |\n|---|---|---|\n"
        "| lists | at least 20 times | 14 times |\n\nBelow."
    )


def test_a_report_without_targets_begins_with_what_it_has() -> None:
    shown = table("| memory | Redis", ["| bytes | 1 | 2 |"])
    assert Report([], [shown]).text(has_targets=True) == (
        "| | memory | Redis |\n|---|---|---|\n| bytes | 1 | 2 |"
    )


def test_a_ratio_is_made_within_its_round() -> None:
    assert ratio([10.0, 30.0, 2.0], [5.0, 10.0, 2.0]) == 2.0


def test_a_page_without_the_marks_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- other -->\n1\n<!-- end of other -->\n", encoding="utf-8")
    with pytest.raises(click.ClickException, match="no place for the figures of mcp"):
        written(page, "mcp", "2")
    assert page.read_text(encoding="utf-8") == "<!-- other -->\n1\n<!-- end of other -->\n"


def test_a_report_replaces_the_one_before_it_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- mcp -->\n1\n<!-- end of mcp -->\nb\n", encoding="utf-8")
    written(page, "mcp", "2\n\\1")
    assert page.read_text("utf-8") == "a\n<!-- mcp -->\n2\n\\1\n<!-- end of mcp -->\nb\n"
