"""The System Log of the stand-in organisation: thirty days of history, and how a query reads it.

`history` is called by the seed, `select` by the Management API, `log_event` also by whoever adds an
event later. Ordinary days follow office hours; six incidents lie between them, whose answers stand
in `scenarios.json`. Source: Okta's System Log API, `since`, `until`, `after`, bounded and polling.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from okta_mcp.sandbox.directory import Organisation, Row, identifier, timestamp

EVENTS: Final = 5_000
DAYS: Final = 30
_DAY: Final = 86_400
_HOUR: Final = 3_600
_MINUTE: Final = 60
_RETAINED_DAYS: Final = 90
_OLDEST_DAYS: Final = 180
_DEFAULT_DAYS: Final = 7
_MOST_KEYWORDS: Final = 10
_LONGEST_KEYWORD: Final = 40
_MOST: Final = 1_000
_DEFAULT: Final = 100

_OFFICE = ("198.51.100.20", "Prague", "CZ", 64_496, "northwind bank")
_HOME = ("192.0.2.77", "Oslo", "NO", 64_497, "nordic telecom")
_SPRAYER = ("203.0.113.66", "Chisinau", "MD", 64_500, "bulk hosting")
_FATIGUE = ("203.0.113.91", "Lagos", "NG", 64_501, "mobile operator")
_FAR = ("203.0.113.140", "Singapore", "SG", 64_502, "straits telecom")

# Event type, message, outcome, reason, weight among ordinary events.
_ORDINARY: Final = (
    ("user.session.start", "User login to Okta", "SUCCESS", None, 30),
    ("user.session.start", "User login to Okta", "FAILURE", "INVALID_CREDENTIALS", 3),
    ("user.authentication.auth_via_mfa", "Authentication of user via MFA", "SUCCESS", None, 20),
    ("policy.evaluate_sign_on", "Evaluation of sign-on policy", "ALLOW", "Sign-on policy", 14),
    ("policy.evaluate_sign_on", "Evaluation of sign-on policy", "CHALLENGE", "Sign-on policy", 4),
    ("user.authentication.sso", "User single sign on to app", "SUCCESS", None, 24),
    ("user.session.end", "User logout from Okta", "SUCCESS", None, 8),
    ("app.oauth2.token.grant.access_token", "OAuth2 access token is granted", "SUCCESS", None, 6),
    ("group.user_membership.add", "Add user to group membership", "SUCCESS", None, 1),
    ("user.account.update_profile", "Update user profile for Okta", "SUCCESS", None, 1),
)


class LogQueryError(ValueError):
    """A query that Okta answers with 400; `code` is E0000001 or E0000053."""

    def __init__(self, code: str, summary: str) -> None:
        super().__init__(summary)
        self.code = code
        self.summary = summary


def log_event(
    user: Row,
    event_type: str,
    message: str,
    at: float,
    place: tuple[str, str, str, int, str] = _OFFICE,
    *,
    outcome: str = "SUCCESS",
    reason: str | None = None,
    targets: tuple[tuple[str, str, str], ...] = (),
    token: str | None = None,
    severity: str = "INFO",
    number: int = 0,
) -> Row:
    """One event in Okta's form; `targets` are (type, id, name), `token` the API token's id."""
    address, city, country, number_as, organisation = place
    login = user["profile"]["login"]
    name = f"{event_type}/{login}/{number}"
    location = {
        "city": city,
        "state": None,
        "country": country,
        "postalCode": None,
        "geolocation": None,
    }
    return {
        "uuid": _uuid(name),
        "published": timestamp(at),
        "eventType": event_type,
        "version": "0",
        "severity": "WARN" if outcome in ("FAILURE", "DENY") and severity == "INFO" else severity,
        "displayMessage": message,
        "legacyEventType": None,
        "actor": {
            "id": user["id"],
            "type": "User",
            "alternateId": login,
            "displayName": user["profile"]["displayName"],
            "detailEntry": None,
        },
        "client": {
            "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Windows 11", "browser": "FIREFOX"},
            "zone": "null",
            "device": "Computer",
            "id": None,
            "ipAddress": address,
            "geographicalContext": location,
        },
        "outcome": {"result": outcome, "reason": reason},
        "target": [
            {"id": key, "type": kind, "alternateId": shown, "displayName": shown}
            for kind, key, shown in targets
        ],
        "transaction": {
            "type": "WEB",
            "id": identifier("", f"transaction/{name}"),
            "detail": {"requestApiTokenId": token} if token else {},
        },
        "debugContext": {
            "debugData": {"requestUri": "/idp/idx/identify", "url": "/idp/idx/identify?"}
        },
        "authenticationContext": {
            "authenticationStep": 0,
            "externalSessionId": identifier("102", f"{login}/{int(at) // _DAY}"),
            "rootSessionId": identifier("102", f"{login}/{int(at) // _DAY}"),
        },
        "securityContext": {
            "asNumber": number_as,
            "asOrg": organisation,
            "isp": organisation,
            "domain": None,
            "isProxy": False,
        },
        "request": {"ipChain": [{"ip": address, "version": "V4", "geographicalContext": location}]},
    }


def _uuid(name: str) -> str:
    digits = identifier("", name).encode().hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def history(organisation: Organisation, now: float, generator: random.Random) -> list[Row]:
    """EVENTS events of the DAYS before `now`, oldest first."""
    events = list(_incidents(organisation, now))
    people = [user for user in organisation.users.values() if user["status"] == "ACTIVE"]
    apps = [app for app in organisation.apps.values() if app["status"] == "ACTIVE"]
    groups = [group for group in organisation.groups.values() if group["type"] == "OKTA_GROUP"]
    weights = [row[-1] for row in _ORDINARY]
    start = now - DAYS * _DAY
    while len(events) < EVENTS:
        at = start + generator.random() * (DAYS * _DAY - _MINUTE)
        if generator.random() > _busyness(at):
            continue
        event_type, message, outcome, reason, _ = generator.choices(_ORDINARY, weights)[0]
        targets: tuple[tuple[str, str, str], ...] = ()
        if event_type == "user.authentication.sso":
            app = generator.choice(apps)
            targets = (("AppInstance", app["id"], app["label"]),)
        elif event_type == "group.user_membership.add":
            group = generator.choice(groups)
            targets = (("UserGroup", group["id"], group["profile"]["name"]),)
        events.append(
            log_event(
                generator.choice(people),
                event_type,
                message,
                at,
                generator.choices((_OFFICE, _HOME), (4, 1))[0],
                outcome=outcome,
                reason=reason,
                targets=targets,
                number=len(events),
            )
        )
    return sorted(events, key=lambda event: (event["published"], event["uuid"]))


def _busyness(at: float) -> float:
    moment = datetime.fromtimestamp(at, UTC)
    if moment.weekday() >= 5:
        return 0.1
    return 1.0 if 7 <= moment.hour < 18 else 0.15


def _incidents(organisation: Organisation, now: float) -> list[Row]:
    """Six stories, each at a fixed time before `now`; the answers are in scenarios.json."""
    tell = _Story(organisation, now)
    for script in (_spray, _fatigue, _travel, _rogue_token, _leaver, _reuse):
        script(tell)
    return tell.events


class _Story:
    def __init__(self, organisation: Organisation, now: float) -> None:
        self.organisation = organisation
        self.now = now
        self.events: list[Row] = []
        named = {persona.login for persona in organisation.personas}
        self.ordinary = [
            user
            for user in organisation.users.values()
            if user["status"] == "ACTIVE" and user["profile"]["login"] not in named
        ]

    def person(self, short: str) -> Row:
        user = self.organisation.user(short)
        if user is None:
            raise LookupError(f"no person {short!r} for an incident")
        return user

    def tells(self, at: float, user: Row, event_type: str, message: str, **details: Any) -> None:
        number = EVENTS + len(self.events)
        details = {"place": _OFFICE, **details}
        self.events.append(log_event(user, event_type, message, at, number=number, **details))


def _spray(story: _Story) -> None:
    start = story.now - 5 * _DAY
    for attempt in range(48):
        user = story.ordinary[20 + attempt % 24]
        story.tells(
            start + attempt * 50,
            user,
            "user.session.start",
            "User login to Okta",
            place=_SPRAYER,
            outcome="FAILURE",
            reason="INVALID_CREDENTIALS",
        )
    for attempt in range(3):
        story.tells(
            start + (48 + attempt) * 50,
            story.ordinary[20 + attempt],
            "user.account.lock",
            "Max sign in attempts exceeded",
            place=_SPRAYER,
            outcome="FAILURE",
            reason="LOCKED_OUT",
        )


def _fatigue(story: _Story) -> None:
    start, user = story.now - 2 * _DAY, story.ordinary[60]
    message = "Authentication of user via MFA"
    for attempt in range(14):
        story.tells(
            start + attempt * _MINUTE,
            user,
            "user.authentication.auth_via_mfa",
            message,
            place=_FATIGUE,
            outcome="FAILURE",
            reason="INVALID_CREDENTIALS",
        )
    at = start + 15 * _MINUTE
    story.tells(at, user, "user.authentication.auth_via_mfa", message, place=_FATIGUE)
    story.tells(at + 2, user, "user.session.start", "User login to Okta", place=_FATIGUE)


def _travel(story: _Story) -> None:
    start, user = story.now - 3 * _DAY, story.ordinary[70]
    for at, place in ((start, _OFFICE), (start + 35 * _MINUTE, _FAR)):
        story.tells(at, user, "user.session.start", "User login to Okta", place=place)


def _rogue_token(story: _Story) -> None:
    start, admin = story.now - 8 * _DAY, story.person("nora.super")
    token = identifier("00T", "rogue")
    policy = next(row for row in story.organisation.policies.values() if row["name"] == "Payments")
    zone = next(row for row in story.organisation.zones.values() if row["name"] == "Anonymizers")
    changes = (
        ("system.api_token.create", "Create API token", ("Token", token, "backup-script")),
        ("policy.rule.update", "Update policy rule", ("Policy", policy["id"], policy["name"])),
        ("policy.rule.deactivate", "Deactivate policy rule", ("Policy", policy["id"], "Payments")),
        ("zone.deactivate", "Deactivate network zone", ("NetworkZone", zone["id"], zone["name"])),
    )
    for number, (event_type, message, target) in enumerate(changes):
        used = token if number else None
        story.tells(
            start + number * 4 * _MINUTE,
            admin,
            event_type,
            message,
            place=_FAR,
            targets=(target,),
            token=used,
        )


def _leaver(story: _Story) -> None:
    start, gone = story.now - 9 * _DAY, story.person("lena.leaver")
    target = ("User", gone["id"], gone["profile"]["displayName"])
    story.tells(
        start,
        story.person("hana.help"),
        "user.lifecycle.suspend",
        "Suspend Okta user",
        targets=(target,),
    )
    app = next(row for row in story.organisation.apps.values() if row["label"] == "Treasury")
    for hours in (3, 20, 44):
        story.tells(
            start + hours * _HOUR,
            gone,
            "user.authentication.sso",
            "User single sign on to app",
            place=_HOME,
            targets=(("AppInstance", app["id"], app["label"]),),
        )


def _reuse(story: _Story) -> None:
    start, user = story.now - 1 * _DAY, story.ordinary[80]
    story.tells(
        start,
        user,
        "app.oauth2.token.detect_reuse",
        "One-time refresh token reused",
        place=_FAR,
        outcome="FAILURE",
        reason="refresh token reuse",
        severity="WARN",
    )
    story.tells(start + 1, user, "app.oauth2.token.revoke", "OAuth2 token revocation request")


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
    Raises LogQueryError.
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
        raise LogQueryError("E0000001", f"The limit parameter must be between 0 and {_MOST}.")
    return int(value)


def _since(query: dict[str, str], until: float, now: float) -> float:
    if "since" not in query:
        return until - _DEFAULT_DAYS * _DAY
    since = _moment(query["since"], "since")
    if since < now - _OLDEST_DAYS * _DAY:
        raise LogQueryError(
            "E0000053", "The since parameter is over 180 days prior to the current day."
        )
    if since > until:
        raise LogQueryError("E0000053", "The since parameter must be before the until parameter.")
    return since


def _moment(value: str, name: str) -> float:
    try:
        read = datetime.fromisoformat(value)
    except ValueError as error:
        raise LogQueryError("E0000053", f"The {name} parameter is not an ISO 8601 date.") from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _keywords(q: str) -> list[str]:
    keywords = q.casefold().split()
    if len(keywords) > _MOST_KEYWORDS or any(len(word) > _LONGEST_KEYWORD for word in keywords):
        raise LogQueryError(
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
