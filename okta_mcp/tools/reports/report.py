"""A report in the making: many reads of Okta, a part of the answer at a time.

A report is a tool that works through pages in steps. `Report.work` repeats the report's step until
nothing is left, or until one call has done enough, or until Okta's rate limit stops it in the
middle; then the answer holds what was found so far and a cursor with the state of the work, and the
next call goes on from there. The state is the report's own small JSON object; a step changes it
only when all its reads have succeeded, so a part that fails loses nothing.

Every answer has the same form, see `report_schema`. All its texts are cleaned here.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from okta_mcp.okta.errors import OktaRateLimitedError
from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.okta.text import clean_text
from okta_mcp.tools.call import current_call
from okta_mcp.tools.cursors import Cursors
from okta_mcp.tools.reader import Reader
from okta_mcp.tools.reports.shelf import Shelf, csv_text

REPORT_URI = "okta://reports/{report_id}"

# One call reads this often and works this long; a client waits about a minute by default.
READS_A_CALL = 60
SECONDS_A_CALL = 20.0
ROWS_SHOWN = 100
_MAX_TEXT_CHARS = 500

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReportTools:
    """What all reports share; `now` is epoch seconds."""

    reader: Reader
    cursors: Cursors
    shelf: Shelf
    now: Callable[[], float]

    def begun(
        self, tool: str, columns: Sequence[str], question: Mapping[str, Any], after: str | None
    ) -> "Report":
        """A new report, or the one whose cursor is `after`; `columns` are the table's, in order.

        `question` is what was asked: a cursor goes on with its own question, and is refused with
        another one. Raises `InvalidArgumentError`.
        """
        binding = f"{tool}|{current_call.get().user_id}"
        if after is None:
            return Report(self, columns, binding, dict(question), secrets.token_urlsafe(12), {})
        try:
            kept = json.loads(self.cursors.open(after, binding))
            if any(kept["question"].get(name) != value for name, value in question.items()):
                raise ValueError("the cursor of another question")
        except ValueError as reason:
            raise InvalidArgumentError(
                "after",
                "after is no cursor of this report",
                "use the cursor that the previous answer gave as `next_cursor`, with the same tool"
                " and the same arguments",
            ) from reason
        return Report(self, columns, binding, kept["question"], kept["id"], kept["state"])


class Report:
    """One call's part of a report. Steps add to `rows`, and keep what the next part needs, the
    counts of the summary included, in `state`. `unseen` says what could not be looked at."""

    def __init__(
        self,
        tools: ReportTools,
        columns: Sequence[str],
        binding: str,
        question: dict[str, Any],
        report_id: str,
        state: dict[str, Any],
    ) -> None:
        self._tools = tools
        self._columns = tuple(columns)
        self._binding = binding
        self._id = report_id
        self._is_resumed = bool(state)
        self._deadline = tools.now() + SECONDS_A_CALL
        self._reads_left = READS_A_CALL
        self._is_finished = True
        self._retry_after_seconds: int | None = None
        self.question = question
        self.state = state
        self.rows: list[Row] = []
        self.unseen: list[str] = []
        self.reader = _CountedReader(tools.reader, self)

    async def work(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Repeats `step` until it answers False, nothing left, or this call has done enough.

        Whether all is done. A rate limit raises only where this call has got nowhere.
        """
        steps_done = 0
        while True:
            try:
                is_more = await step()
            except OktaRateLimitedError as error:
                if steps_done == 0:
                    raise
                self._is_finished = False
                self._retry_after_seconds = error.retry_after_seconds
                return False
            steps_done += 1
            if not is_more:
                return self._is_finished
            if self._reads_left <= 0 or self._tools.now() >= self._deadline:
                self._is_finished = False
                return False

    def note_unseen(self, text: str) -> None:
        """Says once what could not be looked at."""
        if text not in self.unseen:
            self.unseen.append(text)

    async def answer(self, summary: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The answer of this part; `more` are further fields of the report's own."""
        table = [[_cleaned(row.get(name)) for name in self._columns] for row in self.rows]
        answer: dict[str, Any] = {
            "summary": _cleaned(summary),
            **{name: _cleaned(value) for name, value in more.items()},
            "rows": [dict(zip(self._columns, cells, strict=True)) for cells in table[:ROWS_SHOWN]],
            "count": len(table),
            "unseen": self.unseen,
            "truncated": not self._is_finished,
            "next_cursor": None if self._is_finished else self._cursor(),
        }
        if self._retry_after_seconds is not None:
            answer["retry_after_seconds"] = self._retry_after_seconds
        if table or self._is_resumed:
            answer["csv"] = await self._shelved(table)
        return answer

    def count_read(self) -> None:
        """One read of Okta."""
        self._reads_left -= 1

    def _cursor(self) -> str:
        place = {"question": self.question, "id": self._id, "state": self.state}
        return self._tools.cursors.seal(json.dumps(place), self._binding)

    async def _shelved(self, table: list[list[Any]]) -> str:
        """Adds this part's rows to the CSV of the whole; its URI."""
        person = current_call.get().user_id
        before = await self._tools.shelf.get(person, self._id) if self._is_resumed else None
        if before is None:
            before = csv_text([self._columns])
            if self._is_resumed:
                self.unseen.append("the CSV holds this part only: the earlier one has expired")
        await self._tools.shelf.put(person, self._id, before + csv_text(table))
        return REPORT_URI.format(report_id=self._id)


class _CountedReader:
    """The reader of one report: each read counts towards what a call may do."""

    def __init__(self, reader: Reader, report: Report) -> None:
        self._reader = reader
        self._report = report

    async def page(self, target: str) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of a page and the target of the next one."""
        self._report.count_read()
        page = await self._reader.page(target)
        rows = page.body if isinstance(page.body, list) else []
        return [row for row in rows if isinstance(row, dict)], page.next_path

    async def raw(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One object."""
        self._report.count_read()
        return await self._reader.raw(path, params)


def report_schema(columns: Sequence[str], **more: dict[str, Any]) -> dict[str, Any]:
    """The output schema of a report with these columns; `more` are its further fields."""
    return {
        "type": "object",
        "properties": {
            "summary": {"type": "object"},
            **more,
            "rows": {
                "type": "array",
                "maxItems": ROWS_SHOWN,
                "items": {"type": "object", "properties": {name: {} for name in columns}},
            },
            "count": {"type": "integer", "description": "rows of this part; the csv has all"},
            "unseen": {
                "type": "array",
                "items": {"type": "string"},
                "description": "what could not be looked at, and why",
            },
            "truncated": {"type": "boolean", "description": "the report is not finished"},
            "next_cursor": {"type": ["string", "null"], "description": "pass as after to go on"},
            "retry_after_seconds": {"type": "integer"},
            "csv": {"type": "string", "description": "a resource with the rows of all parts"},
        },
        "required": ["summary", "rows", "count", "unseen", "truncated", "next_cursor"],
    }


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value, _MAX_TEXT_CHARS)
    if isinstance(value, Mapping):
        return {clean_text(str(name), 100): _cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(element) for element in value]
    return value
