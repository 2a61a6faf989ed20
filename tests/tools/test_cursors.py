"""Sealed cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.tools.cursors import SealedCursors

CURSORS = SealedCursors(b"k" * 32)
PLACE = "0:/api/v1/users?after=1"


@pytest.mark.parametrize("key", [b"", b"k" * 16, b"k" * 33])
def test_a_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError):
        SealedCursors(key)


@pytest.mark.parametrize("bound_to", ["list|bob", "other|ann", "", "list|ann "])
def test_a_cursor_of_another_tool_or_person_is_refused(bound_to: str) -> None:
    cursor = CURSORS.seal(PLACE, "list|ann")
    with pytest.raises(ValueError):
        CURSORS.open(cursor, bound_to)


def test_a_cursor_of_another_key_is_refused() -> None:
    with pytest.raises(ValueError):
        SealedCursors(b"x" * 32).open(CURSORS.seal(PLACE, "b"), "b")


@given(st.text(max_size=200))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        CURSORS.open(text, "list|ann")


@pytest.mark.parametrize("position", [0, 10, 20, -1])
def test_a_changed_cursor_is_refused(position: int) -> None:
    sign = list(CURSORS.seal(PLACE, "b"))
    sign[position] = "B" if sign[position] == "A" else "A"
    with pytest.raises(ValueError):
        CURSORS.open("".join(sign), "b")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=2000))
def test_a_cursor_gives_back_its_place_and_is_safe_in_a_url(place: str) -> None:
    cursor = CURSORS.seal(place, "list|ann")
    assert CURSORS.open(cursor, "list|ann") == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


def test_a_long_place_is_packed_because_a_model_has_to_copy_it() -> None:
    people = [[f"00u{number}", f"person{number}@northwind.example"] for number in range(50)]
    assert len(CURSORS.seal(str(people), "b")) < len(str(people)) / 3


def test_a_cursor_never_shows_its_place_and_never_repeats() -> None:
    first, second = (CURSORS.seal(PLACE, "b") for _ in range(2))
    assert first != second
    assert "users" not in first
