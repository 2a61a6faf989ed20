"""A report in the making: many reads of Okta, a part of the answer at a time.

A report is a tool that works through pages in steps. `Report.work` repeats the report's step until
nothing is left, or until one call has done enough, or until Okta stops it in the middle; then the
answer holds what was found so far and a cursor with the state of the work, and the next call goes
on from there. The state is the report's own small JSON object; a step changes it, and adds rows,
only when all its reads have succeeded, so a step that fails loses nothing and is repeated.

Reads that do not need each other's answers are under way together (`together`, `of_first`), a few
at a time. What they bring is looked at in the order in which it was asked for: an answer never
depends on which came first.

Every answer has the same form, see `report_schema`. All its texts are cleaned here. A report never
shows what its caller could not ask for directly: `Report.may` is asked before an optional part.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from okta_mcp.okta.errors import OktaRateLimitedError, OktaUnavailableError
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
# More would only wait: of Okta's slots one person has about half.
READS_AT_ONCE = 5
ROWS_SHOWN = 100
_MAX_TEXT_CHARS = 500

Row = Mapping[str, Any]
Item = TypeVar("Item")
Found = TypeVar("Found")
_Stop = OktaRateLimitedError | OktaUnavailableError


@dataclass(frozen=True, slots=True)
class ReportTools:
    """What all reports share; `now` is epoch seconds. Without a shelf there is no CSV."""

    reader: Reader
    cursors: Cursors
    shelf: Shelf | None
    now: Callable[[], float]

    def begun(
        self, tool: str, columns: Sequence[str], question: Mapping[str, Any], after: str | None
    ) -> "Report":
        """A new report, or the one whose cursor is `after`; `columns` are the table's, in order.

        `question` is what was asked: a cursor goes on with its own question, and is refused with
        another one; None says nothing. Raises `InvalidArgumentError`.
        """
        binding = f"{tool}|{current_call.get().user_id}"
        if after is None:
            place = _Place(dict(question), secrets.token_urlsafe(12), {})
            return Report(self, columns, binding, place)
        try:
            place = _Place(**json.loads(self.cursors.open(after, binding)))
            asked = {name: value for name, value in question.items() if value is not None}
            if asked != {name: place.question.get(name) for name in asked}:
                raise ValueError("the cursor of another question")
        except (TypeError, ValueError) as reason:
            raise InvalidArgumentError(
                "after",
                "after is no cursor of this report",
                "use the cursor that the previous answer gave as `next_cursor`, with the same tool"
                " and the same arguments",
            ) from reason
        return Report(self, columns, binding, place)


@dataclass(frozen=True, slots=True)
class _Place:
    """What a cursor keeps; `csv_chars` is how much of the CSV there was: None for a new report.

    A part that is asked for twice is written over itself.
    """

    question: dict[str, Any]
    report_id: str
    state: dict[str, Any]
    csv_chars: int | None = None


class Report:
    """One call's part of a report. Steps add to `rows`, and keep what the next part needs, the
    counts of the summary included, in `state`. `unseen` says what could not be looked at."""

    def __init__(
        self, tools: ReportTools, columns: Sequence[str], binding: str, place: _Place
    ) -> None:
        self._tools = tools
        self._columns = tuple(columns)
        self._binding = binding
        self._place = place
        self._deadline = tools.now() + SECONDS_A_CALL
        self._reads_left = READS_A_CALL
        self._is_finished = True
        self._retry_after_seconds: int | None = None
        self._stop: _Stop | None = None
        self.question = place.question
        self.state = place.state
        self.rows: list[Row] = []
        self.unseen: list[str] = []
        self.reader = _CountedReader(tools.reader, self)

    async def work(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """Repeats `step` until it answers False, nothing left, or this call has done enough.

        Whether all is done. What stops a step raises only where this call has got nowhere.
        """
        steps_done = 0
        while True:
            is_more = True
            try:
                is_more = await step()
            except (OktaRateLimitedError, OktaUnavailableError) as error:
                if steps_done == 0:
                    raise
                self._stop = error
            steps_done += 1
            if self._stop is not None:
                self._is_finished = False
                self._stopped_by(self._stop)
                return False
            if not is_more:
                return self._is_finished
            if self._reads_left <= 0 or self._tools.now() >= self._deadline:
                self._is_finished = False
                return False

    async def together(self, *reads: Awaitable[Any]) -> list[Any]:
        """What reads bring that do not need each other, in their order.

        All have ended when the first error, in their order, is raised.
        """
        return [task.result() for task in await self._ended(reads)]

    async def of_first(
        self,
        items: Sequence[Item],
        read: Callable[[Item], Awaitable[Found]],
        *,
        reads_each: int = 1,
    ) -> list[Found]:
        """What `read` brings for the first few items, in their order, as far as nothing stops it.

        So many as this call may still read, with `reads_each` for an item. Where Okta stops one,
        those before it are given, the step is the last of this call, and those after it are asked
        for again by the next one. Raises what stops the first one, and every other error.
        """
        most = min(READS_AT_ONCE, max(self._reads_left // reads_each, 1))
        found: list[Found] = []
        for task in await self._ended([read(item) for item in items[:most]]):
            error = task.exception()
            if found and isinstance(error, _Stop):
                self._stop = error
                break
            found.append(task.result())
        return found

    async def _ended(self, reads: Sequence[Awaitable[Any]]) -> list[asyncio.Future[Any]]:
        """The reads, of which none is under way any more, also where the call is cancelled."""
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(read) for read in reads]
        await asyncio.gather(*tasks, return_exceptions=True)
        return tasks

    def may(self, tool: str, what: str) -> bool:
        """Whether the caller may use the tool that shows `what`; if not, that is unseen."""
        if current_call.get().may(tool):
            return True
        self.note_unseen(f"{what}: your role or your connection does not include {tool}")
        return False

    def doing(self, what: str, done: int, total: int | None = None) -> None:
        """How far the report is, for clients that are told of progress."""
        progress = current_call.get().progress
        progress.doing, progress.done, progress.total = what, done, total

    def note_unseen(self, text: str) -> None:
        """Says once what could not be looked at."""
        if text not in self.unseen:
            self.unseen.append(text)

    async def answer(self, summary: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The answer of this part; `more` are further fields of the report's own."""
        table = [[_cleaned(row.get(name)) for name in self._columns] for row in self.rows]
        csv_chars, kept = await self._shelved(table)
        answer: dict[str, Any] = {
            "summary": _cleaned(summary),
            **{name: _cleaned(value) for name, value in more.items()},
            "rows": [dict(zip(self._columns, cells, strict=True)) for cells in table[:ROWS_SHOWN]],
            "count": len(table),
            "unseen": _cleaned(self.unseen),
            "truncated": not self._is_finished,
            "next_cursor": None if self._is_finished else self._cursor(csv_chars),
        }
        if self._retry_after_seconds is not None:
            answer["retry_after_seconds"] = self._retry_after_seconds
        if len(table) > ROWS_SHOWN:
            where = "the csv has all" if kept else "ask for less to see all"
            answer["hint"] = f"the first {ROWS_SHOWN} of {len(table)} rows; {where}"
        if kept:
            answer["csv"] = REPORT_URI.format(report_id=self._place.report_id)
        return answer

    def count_read(self) -> None:
        """One read of Okta."""
        self._reads_left -= 1

    def _stopped_by(self, error: _Stop) -> None:
        if isinstance(error, OktaRateLimitedError):
            self._retry_after_seconds = error.retry_after_seconds
            wait = f"go on with next_cursor in {error.retry_after_seconds} seconds"
            self.note_unseen(f"the rest, because Okta's rate limit is used up: {wait}")
        else:
            self.note_unseen(f"the rest ({error.message}): go on with next_cursor")

    def _cursor(self, csv_chars: int) -> str:
        place = _Place(self.question, self._place.report_id, self.state, csv_chars)
        return self._tools.cursors.seal(
            json.dumps(asdict(place), ensure_ascii=False), self._binding
        )

    async def _shelved(self, table: list[list[Any]]) -> tuple[int, bool]:
        """Adds this part's rows to the CSV of the whole: its length, and whether it is kept."""
        shelf, before = self._tools.shelf, self._place.csv_chars
        if shelf is None or not (before or table):
            return 0, False
        person = current_call.get().user_id
        text = csv_text([self._columns])
        if before:
            kept = await shelf.get(person, self._place.report_id)
            if kept is not None and len(kept) >= before:
                text = kept[:before]
            else:
                self.note_unseen("earlier parts in the CSV, which has expired; begin again for all")
        text += csv_text(table)
        if await shelf.put(person, self._place.report_id, text):
            return len(text), True
        self.note_unseen("the CSV: it is too large, or too many reports are kept here")
        return 0, False


class _CountedReader:
    """The reader of one report: each read counts towards what a call may do."""

    def __init__(self, reader: Reader, report: Report) -> None:
        self._reader = reader
        self._report = report
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    async def page(self, target: str) -> tuple[list[dict[str, Any]], str | None]:
        """The rows of a page and the target of the next one."""
        async with self._turn():
            page = await self._reader.page(target)
        rows = page.body if isinstance(page.body, list) else []
        return [row for row in rows if isinstance(row, dict)], page.next_path

    async def all(self, target: str, at_most_pages: int = 5) -> tuple[list[dict[str, Any]], bool]:
        """The rows of a list that is usually short, and whether these are all."""
        rows: list[dict[str, Any]] = []
        following: str | None = target
        for _ in range(at_most_pages):
            if following is None:
                break
            page, following = await self.page(following)
            rows += page
        return rows, following is None

    async def raw(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One object."""
        async with self._turn():
            return await self._reader.raw(path, params)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One read of the report's, of which a few are under way at once."""
        self._report.count_read()
        async with self._turns:
            yield


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
            "hint": {"type": "string"},
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
