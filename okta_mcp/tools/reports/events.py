"""What the reports on the system log share: an event as a record, a filter, a walk by next links.

The walk is bounded by both ends of its window, ascending, and goes on where Okta's next link leads;
its window and its place are kept in the state of the report, so that a later part goes on with
them. Used by the reports on the log alone. Source: Okta's System Log API.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from okta_mcp.okta.ids import InvalidArgumentError, is_okta_id, user_segment
from okta_mcp.okta.paging import Parameter, target_of
from okta_mcp.okta.text import clean_text
from okta_mcp.tools.phrases import okta_time
from okta_mcp.tools.reports.raw import Raw, at, text
from okta_mcp.tools.reports.report import Report
from okta_mcp.tools.windows import RETENTION, Window, check_length, window

# A request costs the same whatever it brings; 1,000 large events may be more than a body may hold.
EVENTS_A_PAGE = 500
# Okta's log is eventually consistent; what is younger may still be on its way.
LATE = timedelta(minutes=10)
OTHERS = "(others)"
_MAX_NAME_BYTES = 60
_NOBODY = frozenset({"", "unknown", "null", "none"})


@dataclass(frozen=True, slots=True)
class Party:
    """An actor or a target."""

    id: str
    type: str
    login: str
    name: str

    @property
    def shown(self) -> str:
        """A name for people: the login, or what there is instead."""
        return self.login or self.name or self.id


@dataclass(frozen=True, slots=True)
class LogEvent:
    """The facts of one event; what Okta left out is an empty text or None. `at` is epoch seconds.

    The texts are bounded but were written by anybody.
    """

    uuid: str
    published: str
    at: float
    type: str
    message: str
    severity: str
    result: str
    reason: str
    actor: Party
    targets: tuple[Party, ...]
    ip: str
    city: str
    country: str
    coordinates: tuple[float, float] | None
    as_number: int | None
    as_org: str
    is_proxy: bool
    device: str
    factor: str
    risk: str
    is_threat: bool
    sessions: tuple[str, ...]
    transaction: str
    api_token: str
    changes: Mapping[str, Any]

    @property
    def network(self) -> str:
        """The autonomous system where Okta knows it, otherwise the address."""
        return f"AS{self.as_number}" if self.as_number is not None else self.ip

    @property
    def place(self) -> str:
        """City and country, as far as known."""
        return ", ".join(part for part in (self.city, self.country) if part)


def log_event(raw: Raw) -> LogEvent:
    """An event of Okta's as a record; what is not of the expected form is absent."""
    listed = at(raw, "target")
    targets = [each for each in listed if isinstance(each, dict)] if listed else []
    published, number = text(raw, "published"), at(raw, "securityContext", "asNumber")
    debug = at(raw, "debugContext", "debugData")
    client, context = at(raw, "client"), at(raw, "authenticationContext")
    agent = (text(client, "userAgent", "os"), text(client, "userAgent", "browser"))
    sessions = (text(context, "rootSessionId"), text(context, "externalSessionId"))
    return LogEvent(
        uuid=text(raw, "uuid"),
        published=published,
        at=_epoch(published),
        type=text(raw, "eventType"),
        message=text(raw, "displayMessage"),
        severity=text(raw, "severity"),
        result=text(raw, "outcome", "result"),
        reason=text(raw, "outcome", "reason"),
        actor=_party(at(raw, "actor")),
        targets=tuple(_party(each) for each in targets),
        ip=text(client, "ipAddress"),
        city=text(client, "geographicalContext", "city"),
        country=text(client, "geographicalContext", "country"),
        coordinates=_coordinates(at(client, "geographicalContext", "geolocation")),
        as_number=number if isinstance(number, int) else None,
        as_org=text(raw, "securityContext", "asOrg"),
        is_proxy=at(raw, "securityContext", "isProxy") is True,
        device=", ".join(_known(*agent, text(client, "device"))),
        factor=text(debug, "factor"),
        risk=text(raw, "securityContext", "risk", "level") or text(debug, "risk"),
        is_threat=str(at(debug, "threatSuspected")).lower() == "true",
        sessions=tuple(dict.fromkeys(_known(*sessions))),
        transaction=text(raw, "transaction", "id"),
        api_token=text(raw, "transaction", "detail", "requestApiTokenId"),
        changes=next(filter(None, (at(each, "changeDetails") for each in targets)), {}),
    )


def equal(attribute: str, values: Iterable[str], operator: str = "eq") -> str:
    """A filter: the attribute has one of these values, which hold no quotation marks."""
    return " or ".join(f'{attribute} {operator} "{value}"' for value in values)


def first_page(expression: str, period: Window) -> str:
    """Where a walk begins."""
    params: dict[str, Parameter] = {
        **period.params,
        "sortOrder": "ASCENDING",
        "limit": EVENTS_A_PAGE,
        "filter": expression,
    }
    return target_of("/api/v1/logs", params)


async def events_of(report: Report, target: str) -> tuple[list[LogEvent], str | None]:
    """A page of events and where the next one is."""
    rows, following = await report.reader.page(target)
    # An empty page with a next link is how Okta polls; it would never end.
    return [log_event(row) for row in rows], following if rows else None


def window_of(report: Report, now: float, default: timedelta) -> Window:
    """The window of the question, which the first part of the report fixes for all others.

    Raises `InvalidArgumentError`, also where the caller's role may no longer ask for it.
    """
    kept = report.state.get("window")
    if kept is None:
        asked = (report.question.get("since"), report.question.get("until"))
        period = window(*asked, now, default)
        report.state["window"] = [okta_time(period.since), okta_time(period.until)]
        return period
    period = Window(*(datetime.fromisoformat(moment) for moment in kept))
    check_length(period.since, period.until)
    return period


def note_what_is_not_there(report: Report, period: Window, now: float) -> None:
    """Says which part of the window Okta does not have: no more, or not yet."""
    moment = datetime.fromtimestamp(now, UTC)
    if period.since < moment - RETENTION:
        report.note_unseen(
            f"events before {okta_time(moment - RETENTION)}: Okta keeps 90 days of the system log"
        )
    if period.until > moment - LATE:
        report.note_unseen(
            f"events that Okta logs late: what happened after {okta_time(moment - LATE)} may still"
            " be on its way"
        )


def only_one_of(question: Mapping[str, str | None], *names: str) -> str | None:
    """The one of these arguments that was given, or None; `InvalidArgumentError` for two."""
    given = [name for name in names if question.get(name) is not None]
    if len(given) > 1:
        raise InvalidArgumentError(
            given[1],
            f"{given[0]} and {given[1]} cannot be asked together",
            f"give one of {', '.join(names)}",
        )
    return given[0] if given else None


def checked_address(address: str | None) -> str | None:
    """An IP address in its usual spelling, where one is given; raises `InvalidArgumentError`."""
    if address is None:
        return None
    try:
        return str(ipaddress.ip_address(address.strip()))
    except ValueError as reason:
        raise InvalidArgumentError(
            "ip", "ip is not an IP address", "give one address such as 203.0.113.7 or 2001:db8::7"
        ) from reason


async def person_of(report: Report, user: str) -> tuple[str, str]:
    """Id and login of the person, looked up once a report. Raises `OktaError`, `not_found` too."""
    kept = report.state.get("person")
    if kept is None:
        found = await report.reader.raw(f"/api/v1/users/{user_segment(user)}")
        # The id becomes a part of a filter.
        user_id = text(found, "id")
        if not is_okta_id(user_id):
            raise InvalidArgumentError(
                "user_id", "Okta's answer for user_id has no id", "find it with list_okta_users"
            )
        kept = [user_id, text(found, "profile", "login")]
        report.state["person"] = kept
    return kept[0], kept[1]


def count_in(counts: dict[str, int], name: str, most: int) -> None:
    """Counts `name` in a table of at most so many names.

    Where it is full, the name that was counted least makes room and counts as others from then on:
    who occurs often stays, with a count that is at least so high.
    """
    name = short(name)
    if name not in counts and len(counts) >= most:
        least = min((each for each in counts if each != OTHERS), key=lambda each: counts[each])
        counts[OTHERS] = counts.get(OTHERS, 0) + counts.pop(least)
    counts[name] = counts.get(name, 0) + 1


def most_counted(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """The names that were counted most, the most counted first; all others together at the end."""
    ranked = sorted(counts.items(), key=lambda pair: (pair[0] == OTHERS, -pair[1], pair[0]))
    shown, rest = ranked[:most], ranked[most:]
    left = sum(count for _, count in rest)
    return dict(shown) | ({OTHERS: left} if left else {})


def short(name: str) -> str:
    """A name as the state of a report keeps it: clean and bounded, because a cursor has an end."""
    return clean_text(name[:200], 200).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")


def _known(*texts: str) -> list[str]:
    return [each for each in texts if each.lower() not in _NOBODY]


def _party(raw: Any) -> Party:
    login = "".join(_known(text(raw, "alternateId")))
    return Party(text(raw, "id"), text(raw, "type"), login, text(raw, "displayName"))


def _coordinates(raw: Any) -> tuple[float, float] | None:
    latitude, longitude = at(raw, "lat"), at(raw, "lon")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return float(latitude), float(longitude)


def _epoch(published: str) -> float:
    try:
        moment = datetime.fromisoformat(published)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
