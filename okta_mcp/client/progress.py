"""How far a long call is: one line on the terminal, written anew each time, and gone at the end.

Given to the MCP client by `calls` as its progress callback. Nothing is written where nobody looks:
into a file or a pipe, progress would be noise.
"""

from typing import TextIO

from okta_mcp.client.output import clean

MAX_LINE_CHARS = 78
_ANEW = "\r\x1b[K"


class ProgressLine:
    """One line of `stream`, which is a terminal or is left alone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._is_shown = False

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        """Show it; `message` is the server's."""
        far = f"{progress / total:.0%}" if total else f"{progress:.0f}" if progress >= 1 else ""
        words = clean(message or "working", keep_lines=False)
        self._write(f"{words} ({far})" if far else words)

    def clear(self) -> None:
        """Leave no trace of the line."""
        if self._is_shown:
            self._write("")
            self._is_shown = False

    def _write(self, line: str) -> None:
        if self._is_terminal:
            self._stream.write(_ANEW + line[:MAX_LINE_CHARS])
            self._stream.flush()
            self._is_shown = True
