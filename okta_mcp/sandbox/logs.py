"""How a query reads the System Log: window, keywords, bounded and polling walks.

Called by the Management API with the events of the organisation. Source: Okta's System Log API,
`since`, `until`, `after`; okta-facts 2.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from okta_mcp.sandbox.directory import Row, timestamp
from okta_mcp.sandbox.errors import OktaError

_DAY: Final = 86_400
_RETAINED_DAYS: Final = 90
_OLDEST_DAYS: Final = 180
_DEFAULT_DAYS: Final = 7
_MOST_KEYWORDS: Final = 10
_LONGEST_KEYWORD: Final = 40
_MOST: Final = 1_000
_DEFAULT: Final = 100


@dataclass(frozen=True, slots=True)
class LogPage:
    """`position` is where the next page goes on, None at the end; `since` belongs to it."""

    events: list[Row]
    position: int | None
    since: float


def select(
    events: list[Row],
    query: dict[str, str],
    now: float,
    test: Callable[[Row], bool],
    after: tuple[int, float] | None = None,
) -> LogPage:
    """One page. With `until` or descending the walk ends; otherwise it polls and never does.

    `after` is (position, since) of the page before; `since` in the query is then not read.
    Raises OktaError.
    """
    limit = _limit(query.get("limit"))
    descending = query.get("sortOrder", "ASCENDING").upper() == "DESCENDING"
    until = _moment(query["until"], "until") if "until" in query else now
    polling = "until" not in query and not descending
    since = after[1] if after else _since(query, until, now)
    keywords = _keywords(query.get("q", ""))
    first, last = max(since, now - _RETAINED_DAYS * _DAY), timestamp(until)
    indices = range(after[0] if after else 0, len(events))
    if descending:
        indices = range(after[0] if after else len(events) - 1, -1, -1)
    found: list[Row] = []
    lower = timestamp(first)
    for index in indices:
        event = events[index]
        inside = lower <= event["published"] and (polling or event["published"] < last)
        if not inside or not test(event) or not _mentions(event, keywords):
            continue
        if len(found) == limit:
            return LogPage(found, index, since)
        found.append(event)
    # A poll always has a next link, also behind an empty page: it goes on with what comes later.
    return LogPage(found, len(events) if polling else None, since)


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
