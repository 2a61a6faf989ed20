"""What each list of Okta's accepts in `search` and `filter`: the tables, hints and examples.

The tools check expressions by them before anything is sent; `HELP` shows the same tables to
assistants. Sources: Okta's API reference of each list and the System Log's page on filters.
"""

from typing import Any, Final

from okta_mcp.tools.expressions import OPERATORS, Attributes, Grammar

_EQ = ("eq",)
_ORDERED = ("eq", "gt", "ge", "lt", "le")
_SEARCH = ("eq", "sw", "gt", "ge", "lt", "le", "pr")
_SEARCH_CO = (*_SEARCH, "co")

# Okta's default user schema.
_PROFILE = (
    *("department", "title", "displayName", "nickName", "secondEmail", "userType"),
    *("organization", "division", "costCenter", "employeeNumber", "manager", "managerId"),
    *("city", "state", "countryCode", "zipCode", "streetAddress", "postalAddress"),
    *("mobilePhone", "primaryPhone", "middleName", "honorificPrefix", "honorificSuffix"),
    *("locale", "timezone", "preferredLanguage", "profileUrl"),
)
_NO_NE = 'Okta has no ne here: write attribute lt "value" or attribute gt "value"'
_NO_NOT = "Okta has no not here: ask for the values that you want, joined by or"
_LAST_LOGIN = (
    "Okta does not search by lastLogin: use inactive_users_report, or read lastLogin in the rows"
)

USERS_SEARCH: Final = Grammar(
    tool="list_okta_users",
    examples={
        'status eq "ACTIVE" and profile.department eq "Sales"': "active people of a department",
        'profile.login eq "ann@example.com"': "one person by login",
        'profile.email co "@example.com"': "addresses of a domain",
        'profile.lastName sw "Kor"': "last names by their beginning",
        'status lt "DEPROVISIONED" or status gt "DEPROVISIONED"': "everybody who is not that",
        'created gt "2026-01-01T00:00:00.000Z"': "accounts made since a time",
        'status eq "LOCKED_OUT" or status eq "SUSPENDED"': "one of several statuses",
        'profile.manager pr and (profile.city eq "Oslo" or profile.city eq "Bergen")': (
            "people who have a manager, in one of two cities"
        ),
    },
    table=(
        Attributes(("status", "id", "type.id"), _SEARCH),
        Attributes(
            ("created", "activated", "statusChanged", "lastUpdated", "passwordChanged"),
            (*_ORDERED, "pr"),
            is_date=True,
        ),
        Attributes(
            ("profile.firstName", "profile.lastName", "profile.email", "profile.login"), _SEARCH_CO
        ),
        Attributes(tuple(f"profile.{name}" for name in _PROFILE), _SEARCH),
    ),
    open_names={"profile.": _SEARCH},
    has_not=True,
    hints={
        "ne": _NO_NE,
        "lastLogin": _LAST_LOGIN,
        "co": "co works on profile.firstName, lastName, email and login only; use sw",
        "ew": "Okta has no ew here: use eq or sw; co works on email and login",
        "group": "membership is no attribute: use list_okta_group_users",
        "groups": "membership is no attribute: use list_okta_group_users",
    },
)
USERS_FILTER: Final = Grammar(
    tool="list_okta_users",
    examples={
        'status eq "LOCKED_OUT" or profile.login eq "ann@example.com"': "locked, or this person",
        'lastUpdated gt "2026-01-01T00:00:00.000Z" and status eq "ACTIVE"': "changed since a time",
    },
    table=(
        Attributes(
            (
                *("status", "id", "profile.login", "profile.email"),
                *("profile.firstName", "profile.lastName"),
            ),
            _EQ,
        ),
        Attributes(("lastUpdated",), _ORDERED, is_date=True),
    ),
    hints={"ne": _NO_NE.replace("here", "in filter"), "not": _NO_NOT, "lastLogin": _LAST_LOGIN}
    | dict.fromkeys(("sw", "co", "ew", "pr"), "filter takes eq only; use search for that")
    | dict.fromkeys(
        ("created", "statusChanged", *_PROFILE), "filter cannot ask that; use search for it"
    ),
)
GROUPS_SEARCH: Final = Grammar(
    tool="list_okta_groups",
    examples={
        'type eq "OKTA_GROUP" and profile.name sw "sso-"': "groups by the beginning of the name",
        'profile.name co "admin"': "groups whose name holds a word",
        'lastMembershipUpdated gt "2026-01-01T00:00:00.000Z"': "groups whose members changed",
    },
    table=(
        Attributes(("profile.name", "profile.description"), ("eq", "sw", "co", "pr")),
        Attributes(("id", "type", "source.id"), ("eq", "sw")),
        Attributes(("created", "lastUpdated", "lastMembershipUpdated"), _ORDERED, is_date=True),
    ),
    open_names={"profile.": _SEARCH_CO},
    has_not=True,
    hints={"ne": "Okta has no ne here: ask for what you want, joined by or"},
)
GROUPS_FILTER: Final = Grammar(
    tool="list_okta_groups",
    examples={
        'type eq "OKTA_GROUP" and lastUpdated gt "2026-01-01T00:00:00.000Z"': "changed since a time"
    },
    table=(
        Attributes(("id", "type"), _EQ),
        Attributes(("lastUpdated", "lastMembershipUpdated"), _ORDERED, is_date=True),
    ),
    hints={
        "not": _NO_NOT,
        "name": 'filter cannot ask names: use search=profile.name sw "…", or q',
        "description": "filter cannot ask descriptions: use search",
    },
)
APPS_FILTER: Final = Grammar(
    tool="list_okta_applications",
    examples={
        'status eq "ACTIVE"': "applications in use",
        'name eq "oidc_client"': "applications made from one template",
        'user.id eq "00u1ero7vZFVEIYLWPBN"': "the applications of a person",
    },
    table=(
        Attributes(
            (
                *("id", "status", "name", "user.id", "group.id"),
                *("credentials.signing.kid", "settings.slo.enabled"),
            ),
            _EQ,
        ),
    ),
    hints={
        "not": _NO_NOT,
        "label": "labels are found with q, by their beginning",
        "signOnMode": "filter cannot ask signOnMode: list the applications and look at it",
        **dict.fromkeys(("sw", "co", "ne", "pr"), "filter takes eq only; q finds beginnings"),
    },
)
ZONES_FILTER: Final = Grammar(
    tool="list_okta_network_zones",
    examples={
        'usage eq "BLOCKLIST"': "zones that are blocked",
        "system eq true": "the zones that Okta made",
    },
    table=(Attributes(("id", "usage", "system"), _EQ),),
    hints={
        "not": _NO_NOT,
        "type": "Okta cannot filter zones by type: use the parameter type",
        "status": "Okta cannot filter zones by status: use the parameter status",
        "name": "Okta cannot filter zones by name: list them and look",
    },
)
DEVICES_SEARCH: Final = Grammar(
    tool="list_okta_devices",
    examples={
        'status eq "ACTIVE" and profile.platform eq "WINDOWS"': "active devices of a platform",
        'profile.displayName co "laptop"': "devices whose name holds a word",
        'lastUpdated lt "2026-01-01T00:00:00.000Z"': "devices not seen to change since a time",
        "profile.registered eq true": "devices that are registered",
    },
    table=(
        Attributes(("id", "status"), _SEARCH),
        Attributes(("lastUpdated",), (*_ORDERED, "pr"), is_date=True),
        Attributes(
            (
                *("profile.displayName", "profile.serialNumber", "profile.imei", "profile.meid"),
                *("profile.udid", "profile.sid"),
            ),
            _SEARCH_CO,
        ),
        Attributes(
            (
                *("profile.platform", "profile.manufacturer", "profile.model"),
                *("profile.osVersion", "profile.registered", "profile.secureHardwarePresent"),
                *("profile.diskEncryptionType", "profile.integrityJailbreak", "profile.managed"),
            ),
            _SEARCH,
        ),
    ),
    open_names={"profile.": _SEARCH_CO},
    has_not=True,
    hints={
        "ne": _NO_NE,
        "user": "people are no attribute of a device: use the parameter user_id",
    },
)
_PUBLISHED = "the log cannot be filtered by time: use the parameters since and until"
_LOG_PEOPLE = (
    "whoever did it is actor.id, by login actor.alternateId; to whom, target.id, target.alternateId"
)
_LOG_TARGETS = "applications and groups are target.id, by name target.displayName"
LOGS_FILTER: Final = Grammar(
    tool="get_okta_event_logs",
    examples={
        'eventType eq "user.session.start" and outcome.result eq "FAILURE"': "sign-ins that failed",
        'actor.id eq "00u1ero7vZFVEIYLWPBN"': "what a person did",
        'target.id eq "0oa1gjh63g214q0Hq0g4" and eventType eq "user.authentication.sso"': (
            "sign-ins to an application"
        ),
        'client.ipAddress eq "192.0.2.10" or client.ipAddress sw "198.51.100."': "by address",
        'eventType sw "policy." or eventType sw "zone."': "changes of policies and zones",
        'outcome.result eq "DENY" and not (securityContext.isProxy eq true)': "without proxies",
        'debugContext.debugData.threatSuspected eq "true"': "what ThreatInsight suspects",
        'eventType eq "group.user_membership.add" and target.displayName eq "Admins"': (
            "who came into a group"
        ),
    },
    table=(
        Attributes(
            ("debugContext.debugData.url", "debugContext.debugData.requestUri"),
            tuple(each for each in OPERATORS if each != "co"),
        ),
        Attributes(
            (
                *("eventType", "outcome.result", "outcome.reason", "severity", "displayMessage"),
                *("actor.id", "actor.alternateId", "actor.displayName", "actor.type"),
                *("target.id", "target.alternateId", "target.displayName", "target.type"),
                *("client.ipAddress", "client.device", "client.zone"),
                *("client.geographicalContext.country", "client.geographicalContext.city"),
                *("client.userAgent.rawUserAgent", "client.userAgent.os"),
                *("transaction.id", "transaction.type", "uuid"),
                *("authenticationContext.externalSessionId", "authenticationContext.rootSessionId"),
                *("securityContext.asNumber", "securityContext.asOrg", "securityContext.isp"),
                *("securityContext.isProxy", "debugContext.debugData.threatSuspected"),
            ),
            OPERATORS,
        ),
    ),
    open_names={"": OPERATORS},
    has_not=True,
    hints={
        "published": _PUBLISHED,
        "co": "co does not work on debugData.url and requestUri; use sw, or q for a word",
        **dict.fromkeys(("ip", "sourceIp", "ipAddress"), "the address is client.ipAddress"),
        **dict.fromkeys(("login", "email", "user", "username"), _LOG_PEOPLE),
        **dict.fromkeys(("app", "application", "group"), _LOG_TARGETS),
    },
    impossible=frozenset({"published"}),
)


def _told(grammar: Grammar) -> dict[str, Any]:
    attributes = {
        name: " ".join(entry.operators) + (' "time"' if entry.is_date else "")
        for entry in grammar.table
        for name in entry.names
    }
    others = {f"{start}…": " ".join(operators) for start, operators in grammar.open_names.items()}
    return {
        "attributes": attributes | others,
        "joined_by": "and, or, not, ( )" if grammar.has_not else "and, or, ( )",
        "examples": [
            {"expression": expression, "finds": finds}
            for expression, finds in grammar.examples.items()
        ],
        "instead_of": dict(grammar.hints),
    }


def _help(tool: str, q: str | None, **grammars: Grammar) -> dict[str, Any]:
    told: dict[str, Any] = {
        "tool": tool,
        "form": 'attribute operator "value"; names are case-sensitive, operators are not;'
        ' texts and times stand in "…", numbers, true and false do not; times are UTC',
        "operators": {
            "eq": "equal",
            "ne": "not equal",
            "co": "contains",
            "sw": "starts with",
            "ew": "ends with",
            "gt ge lt le": "after, from, before, until",
            "pr": "has a value; takes none",
        },
    }
    if q:
        told["q"] = q
    return told | {parameter: _told(grammar) for parameter, grammar in grammars.items()}


HELP: Final[dict[str, dict[str, Any]]] = {
    "users": _help(
        "list_okta_users",
        "the beginning of first name, last name or email; one page",
        search=USERS_SEARCH,
        filter=USERS_FILTER,
    ),
    "groups": _help(
        "list_okta_groups",
        "the beginning of the name; one page",
        search=GROUPS_SEARCH,
        filter=GROUPS_FILTER,
    ),
    "apps": _help("list_okta_applications", "the beginning of name or label", filter=APPS_FILTER),
    "logs": _help(
        "get_okta_event_logs",
        "at most 10 words of at most 40 characters, all of them, in any field",
        filter=LOGS_FILTER,
    ),
    "zones": _help("list_okta_network_zones", None, filter=ZONES_FILTER),
    "devices": _help("list_okta_devices", None, search=DEVICES_SEARCH),
}
