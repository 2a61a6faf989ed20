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
from okta_mcp.okta.paging import Parameter
from okta_mcp.tools.answers import OktaTool, okta_tool
from okta_mcp.tools.phrases import PhraseError, okta_time, period_of
from okta_mcp.tools.reader import DEFAULT_LIMIT, After, Fields, Listing, Reader, Text
from okta_mcp.tools.schemas import list_schema
from okta_mcp.tools.shapes import LOG_EVENT

_DEFAULT_WINDOW = timedelta(days=7)
# Okta keeps events for 90 days and refuses windows that begin more than 180 days ago.
_OLDEST = timedelta(days=180)
_MAX_KEYWORDS = 10
_MAX_KEYWORD_CHARS = 40
_FILTER_EXAMPLE = 'eventType eq "user.session.start" and outcome.result eq "FAILURE"'

Moment = Annotated[str | None, Field(max_length=100)]


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
                    f" filter: {_FILTER_EXAMPLE}; actor.id, target.id, client.ipAddress;"
                    " operators eq ne sw co gt lt pr, and/or/not. q: keywords, all of them."
                    " Okta keeps 90 days."
                ),
                scope="okta.logs.read",
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
                **self._window(since, until),
                "filter": filter,
                "q": _checked_keywords(q),
                "sortOrder": sortOrder,
                "limit": limit,
            },
            after=after,
            filter_example=_FILTER_EXAMPLE,
        )
        # A cursor keeps the window of its first page.
        asked = parse_qs(self._reader.query_of(listing))
        window = {name: asked[name][0] for name in ("since", "until") if name in asked}
        answer = await self._reader.rows(listing)
        if not answer["items"]:
            # An empty page with a next link is how Okta polls; it would never end.
            answer |= {"truncated": False, "next_cursor": None}
        return answer | window

    def _window(self, since: str | None, until: str | None) -> dict[str, Parameter]:
        now = datetime.fromtimestamp(self._now(), UTC)
        end = _moment(until, "until", now) if until else now
        begin = _moment(since, "since", now) if since else end - _DEFAULT_WINDOW
        if begin >= end:
            raise InvalidArgumentError(
                "since",
                f"since ({okta_time(begin)}) is not before until ({okta_time(end)})",
                "give a since that is earlier than until",
            )
        if now - begin > _OLDEST:
            raise InvalidArgumentError(
                "since",
                "since is more than 180 days ago, and Okta keeps events for 90 days",
                "give a since within the last 90 days",
            )
        return {"since": okta_time(begin), "until": okta_time(end)}


def _moment(text: str, argument: str, now: datetime) -> datetime:
    try:
        period = period_of(text, now)
    except PhraseError as reason:
        raise InvalidArgumentError(argument, f"{argument}: {reason}", reason.fix) from reason
    return period.end if argument == "until" and period.end else period.start


def _checked_keywords(q: str | None) -> str | None:
    keywords = (q or "").split()
    if len(keywords) > _MAX_KEYWORDS or any(len(word) > _MAX_KEYWORD_CHARS for word in keywords):
        raise InvalidArgumentError(
            "q",
            "q takes at most 10 keywords of at most 40 characters",
            f"use filter for an exact condition: {_FILTER_EXAMPLE}",
        )
    return q
