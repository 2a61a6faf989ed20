"""One line on a terminal, nothing anywhere else."""

import io

import pytest

from okta_mcp.client.progress import MAX_LINE_CHARS, ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_nothing_is_written_where_nobody_looks() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    await line(1, 2, "reading")
    line.clear()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("progress", "total", "message", "shown"),
    [
        (1, 4, "reading people", "reading people (25%)"),
        (7, None, "reading people", "reading people (7)"),
        (0.01, None, "waiting for Okta", "waiting for Okta"),
        (1, None, None, "working (1)"),
        (1, None, "a\x1b[2J\nb", "a\ufffd[2J b (1)"),
        (1, None, "x" * 200, "x" * MAX_LINE_CHARS),
    ],
)
async def test_the_line_says_what_and_how_far(
    progress: float, total: float | None, message: str | None, shown: str
) -> None:
    stream = Terminal()
    await ProgressLine(stream)(progress, total, message)
    assert stream.getvalue() == f"\r\x1b[K{shown}"


async def test_the_line_is_gone_at_the_end() -> None:
    stream = Terminal()
    line = ProgressLine(stream)
    line.clear()
    await line(1, None, "reading")
    line.clear()
    assert stream.getvalue() == "\r\x1b[Kreading (1)\r\x1b[K"
