"""The page that the browser shows at the end of a log-in: what happened, in the server's look.

Made by `callback` from a `Verdict`. It loads nothing, runs nothing, and holds text only: whatever
comes from elsewhere is escaped here. The look repeats the server's stylesheet in short, because
this page is served by the client, which knows any MCP server and imports nothing of ours.
"""

import html
from dataclasses import dataclass
from http import HTTPStatus

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{heading} · okta-mcp</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
:root {{ color-scheme: light dark; --ground: #f2f4f1; --card: #fff; --ink: #17211d;
  --quiet: #52605a; --line: #dce1dd; --accent: #0d6656; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ --ground: #0f1513; --card: #18201d; --ink: #e8eeeb; --quiet: #a6b3ad;
    --line: #2e3935; --accent: #74d8c2; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: clamp(1rem, 5vh, 3.5rem) 1rem 2rem; background: var(--ground);
  color: var(--ink); overflow-wrap: anywhere; font: 1rem/1.5 system-ui, -apple-system,
  "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
header, main {{ max-width: 30rem; margin-inline: auto; }}
header {{ padding: 0 .25rem 1rem; color: var(--accent); font-weight: 600; }}
main {{ padding: 1.75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 1rem; }}
h1 {{ margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }}
p {{ margin: 0 0 .75rem; }}
p:last-child {{ margin: 0; color: var(--quiet); }}
</style>
</head>
<body>
<header>okta-mcp, in your terminal</header>
<main>
<h1>{heading}</h1>
{paragraphs}
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a log-in: a heading, then paragraphs, the last of which says what to do."""

    status: HTTPStatus
    heading: str
    paragraphs: tuple[str, ...]

    def page(self) -> str:
        """The whole document."""
        return _FRAME.format(
            heading=html.escape(self.heading),
            paragraphs="\n".join(f"<p>{html.escape(text)}</p>" for text in self.paragraphs),
        )


def succeeded(server_url: str) -> Verdict:
    """The tokens are there and kept."""
    return Verdict(
        HTTPStatus.OK,
        "You are logged in.",
        (
            f"Your terminal can now use {server_url} as you.",
            "Close this page and go back to the terminal.",
        ),
    )


def denied(reason: str) -> Verdict:
    """The authorization server said no."""
    return Verdict(
        HTTPStatus.FORBIDDEN,
        "You were not logged in.",
        (reason, "Nobody got access by this. Close this page; the terminal says the same."),
    )


def not_ours(reason: str) -> Verdict:
    """The answer does not belong to the log-in that waits."""
    return Verdict(
        HTTPStatus.BAD_REQUEST,
        "This answer was not used.",
        (
            reason,
            "Nobody got access by this. If you have just logged in, start again in the terminal,"
            " and use only the page that it opens.",
        ),
    )


def failed(reason: str) -> Verdict:
    """The log-in broke off for another reason."""
    return Verdict(
        HTTPStatus.BAD_REQUEST,
        "The log-in did not succeed.",
        (reason, "Close this page and try again in the terminal."),
    )


NOT_FOUND = Verdict(
    HTTPStatus.NOT_FOUND, "There is nothing here.", ("Your terminal waits for another page.",)
)
ANSWERED_ALREADY = Verdict(
    HTTPStatus.GONE,
    "This log-in has already been answered.",
    ("The terminal says how it ended. Close this page.",),
)
INTERRUPTED = failed("The terminal stopped waiting.")
