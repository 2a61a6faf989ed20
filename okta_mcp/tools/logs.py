"""The tool about the system log.

Okta: /api/v1/logs. A query without `until` is a poll that never ends, so both ends of the window
are always sent, and the answer says which window it was.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import Field

from okta_mcp.okta.ids import InvalidArgumentError
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.grammars import LOGS_FILTER
from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema
from okta_mcp.tools.shapes import LOG_EVENT
from okta_mcp.tools.windows import RETENTION, Moment, check_length, window

_DEFAULT_WINDOW = timedelta(days=7)
_MAX_KEYWORDS = 10
_MAX_KEYWORD_CHARS = 40


class LogTools:
    """The one tool of `okta.logs.read`; `now` is epoch seconds."""

    def __init__(self, reader: Reader, now: Callable[[], float]) -> None:
        self._reader = reader
        self._now = now

    def tools(self) -> list[OktaTool]:
        """The tool, ready to be registered."""
        return [
            okta_tool(
                self.get_okta_event_logs,
                title="Search the system log",
                description=(
                    "Events of the system log between since (default: 7 days before until) and"
                    ' until (default: now), newest first; times are ISO 8601 or "24 hours ago".'
                    f" filter: {LOGS_FILTER.example}; actor.id, target.id, client.ipAddress;"
                    " operators eq ne sw co gt lt pr, and/or/not. q: keywords, all of them."
                    " Okta keeps 90 days."
                ),
                scopes=("okta.logs.read",),
                output_schema=list_schema(
                    LOG_EVENT.full, {"since": {"type": "string"}, "until": {"type": "string"}}
                ),
            )
        ]

    async def get_okta_event_logs(
        self,
        since: Moment = None,
        until: Moment = None,
        filter: Text = None,  # noqa: A002
        q: Text = None,
        sortOrder: Literal["ASCENDING", "DESCENDING"] = "DESCENDING",  # noqa: N803
        limit: Annotated[int, Field(ge=1, le=500)] = DEFAULT_LIMIT,
        after: After = None,
        fields: Fields = "default",
    ) -> dict[str, Any]:
        listing = Listing(
            tool="get_okta_event_logs",
            path="/api/v1/logs",
            shape=LOG_EVENT.of(fields),
            params={
                **window(since, until, self._now(), _DEFAULT_WINDOW).params,
                "filter": filter,
                "q": _checked_keywords(q),
                "sortOrder": sortOrder,
                "limit": limit,
            },
            after=after,
            grammars={"filter": LOGS_FILTER},
        )
        # A cursor keeps the window of its first page.
        asked = parse_qs(self._reader.query_of(listing))
        ends = {name: asked[name][0] for name in ("since", "until") if name in asked}
        if ends.keys() == {"since", "until"}:
            check_length(*(datetime.fromisoformat(ends[name]) for name in ("since", "until")))
        answer = await self._reader.rows(listing)
        if not answer["items"]:
            # An empty page with a next link is how Okta polls; it would never end.
            answer |= {"truncated": False, "next_cursor": None}
        return self._with_retention(answer, ends.get("since")) | ends

    def _with_retention(self, answer: dict[str, Any], since: str | None) -> dict[str, Any]:
        """The answer; where Okta holds less than was asked for, its `hint` says so."""
        kept_since = datetime.fromtimestamp(self._now(), UTC) - RETENTION
        if since is None or datetime.fromisoformat(since) >= kept_since:
            return answer
        told = f"Okta keeps 90 days: there is nothing before {okta_time(kept_since)}"
        return answer | {"hint": "; ".join(filter(None, [answer.get("hint"), told]))}


def _checked_keywords(q: str | None) -> str | None:
    keywords = (q or "").split()
    if len(keywords) > _MAX_KEYWORDS or any(len(word) > _MAX_KEYWORD_CHARS for word in keywords):
        raise InvalidArgumentError(
            "q",
            "q takes at most 10 keywords of at most 40 characters",
            f"use filter for an exact condition: {LOGS_FILTER.example}",
        )
    return q
