"""Text that came from outside, made fit to be shown, and times as people say them.

Called by the renderer for every value that it puts into a page. Unicode's invisible characters
can turn a name around, hide a word in it or close the quotation around it; nothing here may let
one through.
"""

import re
import unicodedata
from datetime import UTC, datetime

MAX_NAME_LENGTH = 128
NAMELESS = "an application without a name"

# Blank to the eye although Unicode files them as letters, marks or symbols.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
# Control, format (bidi, zero-width, tags), surrogate, private, unassigned.
_HIDDEN_CATEGORIES = frozenset({"Cf", "Cs", "Co", "Cn"})
_SPACE_CATEGORIES = frozenset({"Cc", "Zs", "Zl", "Zp"})
# More marks on one letter than any script needs paint over the lines around it.
_MAX_STACKED_MARKS = 3
_DOUBLE_QUOTES = re.compile('["\u00ab\u00bb\u201c\u201d\u201e\u201f\u2033\u301d\u301e\uff02]')


def visible(text: str) -> str:
    """`text` with white space folded to single spaces and without characters that do not show."""
    if text.isascii() and text.isprintable():
        # Nearly every value: of all these, spaces alone can be too many.
        return " ".join(text.split())
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in _SPACE_CATEGORIES:
            kept.append(" ")
        elif category not in _HIDDEN_CATEGORIES and character not in _BLANK:
            marks = marks + 1 if category in ("Mn", "Me") else 0
            if marks <= _MAX_STACKED_MARKS:
                kept.append(character)
    return " ".join("".join(kept).split())


def claimed_name(name: str) -> str:
    """A name that somebody gave themselves: visible, at most 128 characters, "" if nothing is left.

    Double quotation marks become single ones, so that the name cannot end its own quotation.
    """
    name = _DOUBLE_QUOTES.sub("'", visible(name)).strip()
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


def quoted_claim(name: str) -> str:
    """`claimed_name` in quotation marks, for the middle of a sentence."""
    claim = claimed_name(name)
    return f"“{claim}”" if claim else NAMELESS


def series(words: list[str]) -> str:
    """`["a", "b", "c"]` as "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def moment(at: float) -> str:
    """Epoch seconds as "Saturday 21 November 2026, 14:40 UTC"."""
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%A} {when.day} {when:%B %Y, %H:%M} UTC"


def machine_moment(at: float) -> str:
    """Epoch seconds for the `datetime` attribute of `<time>`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%MZ}"


def span(seconds: float) -> str:
    """A length of time as "1 hour", "1 hour 30 minutes", "24 hours" or "7 days"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes_left = divmod(minutes, 60)
    if hours >= 48:
        return _counted(round(hours / 24), "day")
    parts = (hours and _counted(hours, "hour"), minutes_left and _counted(minutes_left, "minute"))
    return " ".join(part for part in parts if part)


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
