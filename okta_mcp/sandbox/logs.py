"""How a query reads the System Log: window, keywords, bounded and polling walks.

Routed by `management`; `select` reads the events of the organisation. Source: Okta's System Log
API, `since`, `until`, `after`; okta-facts 2.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from okta_mcp.sandbox import filters
from okta_mcp.sandbox.directory import Row, timestamp
from okta_mcp.sandbox.endpoint import Endpoints
from okta_mcp.sandbox.errors import OktaError, invalid

_DAY: Final = 86_400
_RETAINED_DAYS: Final = 90
_OLDEST_DAYS: Final = 180
_DEFAULT_DAYS: Final = 7
_MOST_KEYWORDS: Final = 10
_LONGEST_KEYWORD: Final = 40
_MOST: Final = 1_000
_DEFAULT: Final = 100


class SystemLog(Endpoints):
    """The one endpoint of the log."""

    def logs(self, request: Request) -> Response:
        query = dict(request.query_params)
        test = filters.parse(query["filter"], filters.LOGS_FILTER) if "filter" in query else _any
        after = self._listing.position(request)
        page = select(self._org.events, query, self._context.now(), test, after)
        # `after` stands for `since`: the two never go together.
        return self._listing.listed(request, page.events, page.following, without="since")


@dataclass(frozen=True, slots=True)
class LogPage:
    """`following` is where the next page goes on, None at the end."""

    events: list[Row]
    following: list[Any] | None


def select(
    events: list[Row],
    query: dict[str, str],
    now: float,
    test: Callable[[Row], bool],
    after: list[Any] | None = None,
) -> LogPage:
    """One page. With `until` or descending the walk ends; otherwise it polls and never does.

    `after` is `following` of the page before: its `since`, then the place of what it showed last.
    A bounded walk is ordered by `published`, a poll by arrival, as `events` is. `since` in the
    query is then not read. Raises OktaError.
    """
    limit = _limit(query.get("limit"))
    descending = query.get("sortOrder", "ASCENDING").upper() == "DESCENDING"
    until = _moment(query["until"], "until") if "until" in query else now
    polling = "until" not in query and not descending
    since = after[0] if after else _since(query, until, now)
    keywords = _keywords(query.get("q", ""))
    lower, upper = timestamp(max(since, now - _RETAINED_DAYS * _DAY)), timestamp(until)
    ranked = [
        ([number] if polling else [event["published"], event["uuid"]], event)
        for number, event in enumerate(events)
    ]
    ranked.sort(key=itemgetter(0), reverse=descending)
    last = _last_shown(after, polling=polling)
    found: list[Row] = []
    for place, event in ranked:
        if last is not None and not (place < last if descending else place > last):
            continue
        inside = lower <= event["published"] and (polling or event["published"] < upper)
        if not inside or not test(event) or not _mentions(event, keywords):
            continue
        if len(found) == limit:
            return LogPage(found, None if last is None else [since, *last])
        found.append(event)
        last = place
    # A poll always has a next link, also behind an empty page: it goes on with what comes later.
    return LogPage(found, [since, len(events) - 1] if polling else None)


def _any(_: Row) -> bool:
    return True


def _last_shown(after: list[Any] | None, *, polling: bool) -> list[Any] | None:
    if after is None:
        return [-1] if polling else None
    place = after[1:]
    if len(place) != (1 if polling else 2):
        raise invalid("after", "the cursor belongs to another query")
    return place


def _limit(value: str | None) -> int:
    if value is None:
        return _DEFAULT
    if not value.isascii() or not value.isdecimal() or int(value) > _MOST:
        raise OktaError(400, "E0000001", f"The limit parameter must be between 0 and {_MOST}.")
    return int(value)


def _since(query: dict[str, str], until: float, now: float) -> float:
    if "since" not in query:
        return until - _DEFAULT_DAYS * _DAY
    since = _moment(query["since"], "since")
    if since < now - _OLDEST_DAYS * _DAY:
        raise OktaError(
            400, "E0000053", "The since parameter is over 180 days prior to the current day."
        )
    if since > until:
        raise OktaError(400, "E0000053", "The since parameter must be before the until parameter.")
    return since


def _moment(value: str, name: str) -> float:
    try:
        read = datetime.fromisoformat(value)
    except ValueError as error:
        raise OktaError(
            400, "E0000053", f"The {name} parameter is not an ISO 8601 date."
        ) from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _keywords(q: str) -> list[str]:
    keywords = q.casefold().split()
    if len(keywords) > _MOST_KEYWORDS or any(len(word) > _LONGEST_KEYWORD for word in keywords):
        raise OktaError(
            400,
            "E0000001",
            f"q takes at most {_MOST_KEYWORDS} keywords of {_LONGEST_KEYWORD} characters.",
        )
    return keywords


def _mentions(event: Row, keywords: list[str]) -> bool:
    return not keywords or all(word in " ".join(_words(event)) for word in keywords)


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for entry in value.values() for word in _words(entry)]
    if isinstance(value, list):
        return [word for entry in value for word in _words(entry)]
    return [value.casefold()] if isinstance(value, str) else []
