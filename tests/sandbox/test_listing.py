"""The order of a list, which the cursors of its pages rest on."""

import pytest

from okta_mcp.sandbox.listing import by_value


@pytest.mark.parametrize(
    ("descending", "expected"),
    [(False, ["a", "ab", "b", "ž", "𝔷", ""]), (True, ["𝔷", "ž", "b", "ab", "a", ""])],
)
def test_texts_are_ordered_both_ways_and_nothing_stands_last(
    descending: bool, expected: list[str]
) -> None:
    order = by_value(lambda row: row["text"], descending=descending)
    rows = [{"id": text, "text": text} for text in ("b", "", "𝔷", "a", "ž", "ab")]
    assert [row["text"] for row in sorted(rows, key=order)] == expected


def test_equal_texts_are_ordered_by_id() -> None:
    order = by_value(lambda row: "same", descending=True)
    rows = [{"id": "2"}, {"id": "1"}]
    assert [row["id"] for row in sorted(rows, key=order)] == ["1", "2"]
