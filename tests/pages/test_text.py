"""Outside text made fit to be shown (C-02, C-03), and times as people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okta_mcp.pages import text


@pytest.mark.parametrize(
    ("hidden", "what"),
    [
        ("\u202e", "right-to-left override"),
        ("\u2066", "isolate"),
        ("\u200f", "right-to-left mark"),
        ("\u061c", "Arabic letter mark"),
        ("\u200b", "zero-width space"),
        ("\u200d", "zero-width joiner"),
        ("\ufeff", "byte order mark"),
        ("\u00ad", "soft hyphen"),
        ("\u2060", "word joiner"),
        ("\u034f", "grapheme joiner"),
        ("\ufe0f", "variation selector"),
        ("\U000e0101", "variation selector supplement"),
        ("\U000e0041", "tag letter"),
        ("\u3164", "Hangul filler"),
        ("\u2800", "blank Braille pattern"),
        ("\ue000", "private use"),
        ("\U000f0000", "private plane"),
        ("\ud800", "lone surrogate"),
        ("\U0002fffe", "noncharacter"),
    ],
)
def test_hidden_character_is_removed(hidden: str, what: str) -> None:
    assert text.visible(f"Clau{hidden}de") == "Claude", what


@pytest.mark.parametrize(
    "control", ["\x00", "\n", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u00a0"]
)
def test_control_or_odd_space_becomes_one_space(control: str) -> None:
    assert text.visible(f" Visual {control} Studio{control}") == "Visual Studio"


def test_spaces_become_single_ones_in_plain_letters_and_in_others() -> None:
    assert text.visible("  Visual   Studio ") == "Visual Studio"
    assert text.visible("  Zoë's   Agent ") == "Zoë's Agent"


def test_stacked_marks_are_cut_so_that_they_cannot_paint_over_other_lines() -> None:
    assert len(text.visible("x" + "\u0338" * 40)) <= 4


def test_ordinary_names_in_any_script_stay_as_they_are() -> None:
    for name in ("Zoë's Agent", "セキュリティ", "नमस्ते", "مساعد", "Łukasz & Søn"):
        assert text.claimed_name(name) == name


@pytest.mark.parametrize("quote", ['"', "“", "”", "„", "«", "»", "＂"])
def test_claimed_name_cannot_end_its_quotation(quote: str) -> None:
    claim = text.quoted_claim(f"Claude{quote} is verified by {quote}Okta")
    assert claim == "“Claude' is verified by 'Okta”"


@pytest.mark.parametrize("name", ["", "   ", "\u200b\u202e", "\u3164"])
def test_name_of_which_nothing_shows_is_no_name(name: str) -> None:
    assert text.claimed_name(name) == ""
    assert text.quoted_claim(name) == "an application without a name"


@given(st.text(max_size=400))
def test_claimed_name_is_short_and_cleaning_it_again_changes_nothing(name: str) -> None:
    claim = text.claimed_name(name)
    assert len(claim) <= 128
    assert text.claimed_name(claim) == claim


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "less than a minute"),
        (20, "less than a minute"),
        (60, "1 minute"),
        (600, "10 minutes"),
        (3599, "1 hour"),
        (3600, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (86_400, "24 hours"),
        (604_800, "7 days"),
    ],
)
def test_span_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert text.span(seconds) == words


def test_moment_names_the_day_and_the_zone() -> None:
    assert text.moment(1_795_271_400) == "Saturday 21 November 2026, 14:30 UTC"
    assert text.machine_moment(1_795_271_400) == "2026-11-21T14:30Z"


@pytest.mark.parametrize(
    ("words", "said"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abc"), "a, b and c")],
)
def test_series_joins_words(words: list[str], said: str) -> None:
    assert text.series(words) == said
