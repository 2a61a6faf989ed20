"""Text that came from Okta, made safe to show: nothing invisible in it, and of bounded length.

Directory and log text is written by users of the organisation. Called by `errors` for the causes
that Okta names and by `tools.projection` for everything that a tool answers. It never judges what
a text says; it only removes what a reader could not see.
"""

import re

# Whole terminal sequences go first: without its ESC, "[31m" would stay behind as visible noise.
_ANSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_SPACES = re.compile("[\t\n\r\v\f\x85\u2028\u2029]+")
_INVISIBLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0 and C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers, soft hyphen
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero width, bidi
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # formats of single scripts
    "\U00013430-\U0001343f"
    "\ud800-\udfff"  # lone surrogates, which no UTF-8 answer can carry
    "\ufe00-\ufe0f\U000e0000-\U000e0fff"  # variation selectors and tags: hidden letters
    "]"
)


def clean_text(text: str, max_chars: int) -> str:
    """`text` without what cannot be seen, cut after `max_chars`; a cut says how much went."""
    if not (text.isascii() and text.isprintable()):
        text = _INVISIBLE.sub("", _SPACES.sub(" ", _ANSI.sub("", text)))
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}… ({len(text) - max_chars} more characters)"
