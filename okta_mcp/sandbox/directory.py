"""The state of the stand-in organisation: tables of raw Okta JSON and questions to them.

Made by `seed.seeded`, read by the Management API and by the sign-in pages, changed by the control
API and by tests. Rows are what Okta would store; links and embedded objects are added when they are
shown.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

# An OKTA_GROUP of this name gives the role; an imported group of the same name must not.
ROLE_GROUPS = {
    "super-admin": "sso-super-admins",
    "security-admin": "sso-security-admins",
    "viewer": "sso-viewers",
}

# The application that stands for the registered client; its id is the client id.
OWN_APP = "Okta MCP"

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def identifier(prefix: str, name: str) -> str:
    """Twenty characters in the form of an Okta id; the same name always gives the same id."""
    number = int.from_bytes(hashlib.sha256(f"{prefix}:{name}".encode()).digest(), "big")
    characters = []
    for _ in range(20 - len(prefix)):
        number, digit = divmod(number, 62)
        characters.append(_BASE62[digit])
    return prefix + "".join(characters)


def timestamp(seconds: float) -> str:
    """Epoch seconds in Okta's spelling: UTC with three decimals."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody the sign-in page offers; `role` is the key of ROLE_GROUPS that a login leads to."""

    login: str
    name: str
    role: str | None
    note: str


@dataclass(slots=True)
class Organisation:
    """All tables, keyed by Okta id; `events` is sorted by `published`."""

    personas: list[Persona]
    users: dict[str, Row] = field(default_factory=dict)
    groups: dict[str, Row] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    apps: dict[str, Row] = field(default_factory=dict)
    # Application id -> user or group id -> the assignment as Okta shows it.
    app_users: dict[str, dict[str, Row]] = field(default_factory=dict)
    app_groups: dict[str, dict[str, Row]] = field(default_factory=dict)
    policies: dict[str, Row] = field(default_factory=dict)
    rules: dict[str, list[Row]] = field(default_factory=dict)
    zones: dict[str, Row] = field(default_factory=dict)
    factors: dict[str, list[Row]] = field(default_factory=dict)
    group_rules: dict[str, Row] = field(default_factory=dict)
    # User or group id -> the administrator roles assigned to that one itself.
    roles: dict[str, list[Row]] = field(default_factory=dict)
    api_tokens: dict[str, Row] = field(default_factory=dict)
    devices: dict[str, Row] = field(default_factory=dict)
    # Device id -> user id -> what binds the two.
    device_users: dict[str, dict[str, Row]] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)

    def user(self, login_or_id: str) -> Row | None:
        """By id, by full login, or by the part before the @ when only one person has it."""
        if login_or_id in self.users:
            return self.users[login_or_id]
        wanted = login_or_id.casefold()
        short: list[Row] = []
        for user in self.users.values():
            login = user["profile"]["login"].casefold()
            if login == wanted:
                return user
            if login.partition("@")[0] == wanted:
                short.append(user)
        return short[0] if len(short) == 1 else None

    def person(self, login: str) -> Row:
        """As `user`; LookupError where there is nobody."""
        user = self.user(login)
        if user is None:
            raise LookupError(f"no person {login!r}")
        return user

    def groups_of(self, user_id: str) -> list[Row]:
        return [group for key, group in self.groups.items() if user_id in self.members[key]]

    def group_named(self, name: str) -> Row | None:
        """The OKTA_GROUP when several groups share the name."""
        named = [group for group in self.groups.values() if group["profile"]["name"] == name]
        named.sort(key=lambda group: group["type"] != "OKTA_GROUP")
        return named[0] if named else None

    def role_of(self, user_id: str) -> str | None:
        """The strongest role that a role group of type OKTA_GROUP gives this person."""
        for role, name in ROLE_GROUPS.items():
            group = self.group_named(name)
            if group is not None and user_id in self.members[group["id"]]:
                return role
        return None

    def roles_of(self, user_id: str) -> list[Row]:
        """Administrator roles, direct ones first, then those of the groups of this person."""
        through = [group["id"] for group in self.groups_of(user_id)]
        return [row for key in (user_id, *through) for row in self.roles.get(key, [])]

    def set_status(self, user_id: str, status: str) -> None:
        """KeyError for an unknown person.

        Okta takes a deactivated person out of groups, applications and administrator roles.
        """
        self.users[user_id]["status"] = status
        if status == "DEPROVISIONED":
            self._release(user_id)

    def add_user(
        self, login: str, first: str, last: str, created: str, status: str = "ACTIVE"
    ) -> Row:
        """A new person, in the group Everyone; `created` is a date in Okta's spelling."""
        key = identifier("00u", login)
        user: Row = {
            "id": key,
            "status": status,
            "created": created,
            "activated": None if status == "STAGED" else created,
            "statusChanged": created,
            "lastLogin": None,
            "lastUpdated": created,
            "passwordChanged": None,
            "type": {"id": identifier("oty", "default")},
            "profile": {
                "login": login,
                "email": login.replace("/", "-"),
                "firstName": first,
                "lastName": last,
                "displayName": f"{first} {last}",
            },
            "credentials": {
                "password": {},
                "recovery_question": {"question": "What is the food you least liked as a child?"},
                "emails": [{"value": login, "status": "VERIFIED", "type": "PRIMARY"}],
                "provider": {"type": "OKTA", "name": "OKTA"},
            },
        }
        self.users[key] = user
        everyone = self.group_named("Everyone")
        if everyone is not None:
            self.add_member(everyone["id"], key)
        return user

    def remove_user(self, user_id: str) -> None:
        """Deletes a person and all that hangs on it; KeyError for an unknown person."""
        del self.users[user_id]
        self._release(user_id)
        self.factors.pop(user_id, None)
        for links in self.device_users.values():
            links.pop(user_id, None)

    def _release(self, user_id: str) -> None:
        for key in self.groups:
            self.remove_member(key, user_id)
        for assigned in self.app_users.values():
            assigned.pop(user_id, None)
        self.roles.pop(user_id, None)

    def add_member(self, group_id: str, user_id: str) -> None:
        """KeyError for an unknown group or person."""
        self.members[group_id].add(self.users[user_id]["id"])

    def remove_member(self, group_id: str, user_id: str) -> None:
        self.members[group_id].discard(user_id)

    def assignments(self, app_id: str) -> dict[str, Row]:
        """User id -> assignment; a direct one (scope USER) stands before one through a group."""
        found = dict(self.app_users[app_id])
        ranked: Iterable[tuple[str, Row]] = sorted(
            self.app_groups[app_id].items(), key=lambda item: item[1]["priority"]
        )
        for group_id, through in ranked:
            for user_id in sorted(self.members[group_id] - found.keys()):
                found[user_id] = app_user(self.users[user_id], "GROUP", through["lastUpdated"])
        return found


def app_user(user: Row, scope: str, created: str) -> Row:
    """The assignment of a person to an application; `scope` is USER (direct) or GROUP."""
    profile = user["profile"]
    return {
        "id": user["id"],
        "externalId": None,
        "created": created,
        "lastUpdated": created,
        "scope": scope,
        "status": "ACTIVE" if user["status"] == "ACTIVE" else "INACTIVE",
        "statusChanged": created,
        "syncState": "DISABLED",
        "credentials": {"userName": profile["login"]},
        "profile": {"name": profile["displayName"], "email": profile["email"]},
    }


def full_name(user: Row) -> str:
    """First and last name as the sign-in page and the claims show them."""
    return f"{user['profile']['firstName']} {user['profile']['lastName']}".strip()
