"""Thirty days of System Log: ordinary days that follow office hours, six incidents between them.

`history` is called by the seed, `log_event` also by whoever adds an event later. The incidents are
a table (`tables/incidents.json`), their answers stand in `scenarios.json`, where times are seconds
before the organisation's `now`. Source: Okta's System Log API.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from okta_mcp.sandbox.directory import Organisation, Row, identifier, timestamp

EVENTS: Final = 5_000
DAYS: Final = 30
_DAY: Final = 86_400
_MINUTE: Final = 60

# Address, city, country, latitude and longitude, number and name of the autonomous system.
_PLACES: Final = {
    "office": ("198.51.100.20", "Prague", "CZ", (50.08, 14.44), 64_496, "northwind bank"),
    "home": ("192.0.2.77", "Oslo", "NO", (59.91, 10.75), 64_497, "nordic telecom"),
    "spray": ("203.0.113.66", "Chisinau", "MD", (47.01, 28.86), 64_500, "bulk hosting"),
    "fatigue": ("203.0.113.91", "Lagos", "NG", (6.45, 3.39), 64_501, "mobile operator"),
    "far": ("203.0.113.140", "Singapore", "SG", (1.35, 103.82), 64_502, "straits telecom"),
}

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


def log_event(
    user: Row,
    event_type: str,
    message: str,
    at: float,
    place: str = "office",
    *,
    outcome: str = "SUCCESS",
    reason: str | None = None,
    targets: tuple[tuple[str, str, str], ...] = (),
    token: str | None = None,
    number: int = 0,
) -> Row:
    """One event in Okta's form; `targets` are (type, id, name), `token` the API token's id."""
    address, city, country, (latitude, longitude), number_as, organisation = _PLACES[place]
    login = user["profile"]["login"]
    name = f"{event_type}/{login}/{number}"
    location = {
        "city": city,
        "country": country,
        "state": None,
        "postalCode": None,
        "geolocation": {"lat": latitude, "lon": longitude},
    }
    session = identifier("102", f"{login}/{int(at) // _DAY}/{place}")
    return {
        "uuid": _uuid(name),
        "published": timestamp(at),
        "eventType": event_type,
        "version": "0",
        "severity": "WARN" if outcome in ("FAILURE", "DENY") else "INFO",
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
            "externalSessionId": session,
            "rootSessionId": session,
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


def history(
    organisation: Organisation, incidents: list[Row], now: float, generator: random.Random
) -> list[Row]:
    """EVENTS events of the DAYS before `now`, oldest first; `incidents` is the table's."""
    events = list(_incidents(organisation, incidents, now))
    start = now - DAYS * _DAY
    # Who has long been away, or is not here yet, leaves no trace.
    people = [
        user
        for user in organisation.users.values()
        if user["status"] == "ACTIVE" and user["lastLogin"] >= timestamp(now - 2 * DAYS * _DAY)
    ]
    apps = [app for app in organisation.apps.values() if app["status"] == "ACTIVE"]
    groups = [group for group in organisation.groups.values() if group["type"] == "OKTA_GROUP"]
    weights = [row[-1] for row in _ORDINARY]
    while len(events) < EVENTS:
        at = start + generator.random() * (DAYS * _DAY - _MINUTE)
        person = generator.choice(people)
        if generator.random() > _busyness(at) or timestamp(at) < person["created"]:
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
                person,
                event_type,
                message,
                at,
                # One in five works from home, always: ordinary people do not travel in minutes.
                "home" if int(person["profile"]["employeeNumber"]) % 5 == 0 else "office",
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


def _incidents(organisation: Organisation, incidents: list[Row], now: float) -> Iterator[Row]:
    """Each step of each incident, at a fixed time before `now`.

    A step happens `times` times, `every` seconds; `who` is a login, or the first of a number of
    ordinary people who take turns.
    """
    named = {persona.login for persona in organisation.personas}
    ordinary = [
        user
        for user in organisation.users.values()
        if user["status"] == "ACTIVE" and user["profile"]["login"] not in named
    ]
    number = EVENTS
    for incident in incidents:
        start = now - incident["days_ago"] * _DAY
        for step in incident["steps"]:
            targets = tuple(_target(organisation, text) for text in step.get("targets", []))
            token = step.get("token")
            for turn in range(step.get("times", 1)):
                who = step["who"]
                event_type, message = step["event"]
                yield log_event(
                    organisation.person(who)
                    if isinstance(who, str)
                    else ordinary[who[0] + turn % who[1]],
                    event_type,
                    message,
                    start + step.get("after", 0) + turn * step.get("every", 0),
                    step.get("place", incident["place"]),
                    outcome=step.get("outcome", "SUCCESS"),
                    reason=step.get("reason"),
                    targets=targets,
                    token=identifier("00T", token) if token else None,
                    number=number,
                )
                number += 1


def _target(organisation: Organisation, text: str) -> tuple[str, str, str]:
    """`kind:name` of the table as (Okta's type, id, name)."""
    kind, _, name = text.partition(":")
    if kind == "token":
        return "Token", identifier("00T", name), name
    if kind == "user":
        return "User", organisation.person(name)["id"], name
    if kind == "rule":
        policy, _, name = name.partition("/")
        key = _target(organisation, f"policy:{policy}")[1]
        return next(
            ("PolicyRule", rule["id"], name)
            for rule in organisation.rules[key]
            if rule["name"] == name
        )
    okta_type, rows, attribute = {
        "policy": ("Policy", organisation.policies, "name"),
        "zone": ("NetworkZone", organisation.zones, "name"),
        "app": ("AppInstance", organisation.apps, "label"),
    }[kind]
    return next((okta_type, key, name) for key, row in rows.items() if row[attribute] == name)
