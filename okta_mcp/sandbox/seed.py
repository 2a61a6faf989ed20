"""Fills the stand-in organisation, Northwind Bank, from the tables beside this module.

Called at the sandbox's start and at every reset. The same `now` always gives the same organisation;
ids and people do not depend on `now` at all, only dates do. The person of the claim-limit test is
in 130 further groups named project-001 and on, besides the forty of the organisation itself.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from okta_mcp.sandbox.directory import (
    ROLE_GROUPS,
    Organisation,
    Persona,
    Row,
    app_user,
    identifier,
    timestamp,
)
from okta_mcp.sandbox.history import history
from okta_mcp.sandbox.inventory import DOMAIN, Inventory

DAY: Final = 86_400
_SEED: Final = 42
_TABLES = Path(__file__).with_name("tables")
_NEVER_SIGNED_IN = ("STAGED", "PROVISIONED")
_NO_FACTORS = (*_NEVER_SIGNED_IN, "DEPROVISIONED")
_LONG_UNUSED: Final = 31
# Who is not active has been so for this long.
_ENDED_DAYS: Final = 9
_STRONG = ("push", "signed_nonce", "webauthn")
_WITHOUT_MFA: Final = 16
_WEAK_MFA: Final = 29


def seeded(now: float) -> Organisation:
    """The organisation as it stands at `now` (epoch seconds), with thirty days of log behind it."""
    return _Seeder(now).organisation()


def _table(name: str) -> Any:
    return json.loads((_TABLES / f"{name}.json").read_text(encoding="utf-8"))


class _Seeder:
    def __init__(self, now: float) -> None:
        self._now = now
        # Fixture data must repeat; nothing secret comes out of this generator.
        self._random = random.Random(_SEED)  # noqa: S311
        self._people = _table("people")
        self._org = Organisation(
            [
                Persona(f"{login}@{DOMAIN}", f"{first} {last}", role, note)
                for login, first, last, role, note, *_ in self._people["personas"]
            ]
        )

    def organisation(self) -> Organisation:
        self._add_users()
        self._add_groups()
        self._add_zones()
        self._add_policies()
        self._add_apps()
        self._add_inventory()
        self._add_factors()
        self._org.events = history(self._org, _table("incidents"), self._now, self._random)
        self._agree_with_the_log()
        return self._org

    def _add_inventory(self) -> None:
        table, inventory = _table("administration"), Inventory(self._org, self._ago)
        inventory.add_group_rules(table["group_rules"])
        inventory.add_roles(table["roles"], table["labels"])
        inventory.add_api_tokens(table["api_tokens"])
        inventory.add_devices(_table("devices"))

    def _agree_with_the_log(self) -> None:
        """The last sign-in of a person is the one that the log shows."""
        for event in self._org.events:
            signed_in = event["eventType"] == "user.session.start"
            if signed_in and event["outcome"]["result"] == "SUCCESS":
                self._org.users[event["actor"]["id"]]["lastLogin"] = event["published"]

    def _ago(self, days: float) -> str:
        return timestamp(self._now - days * DAY)

    def _add_users(self) -> None:
        left = dict(self._people["statuses"])
        for login, first, last, _, _, status, department, kind in self._people["personas"]:
            left[status] -= 1
            created = 3.0 if login == "nils.newjoiner" else 900.0
            idle = 0.2 if status == "ACTIVE" else _ENDED_DAYS + 0.5
            self._add_user(login, first, last, status, created, idle, department, kind)
        for login, first, last, display in self._people["particular"]:
            left["ACTIVE"] -= 1
            user = self._add_user(login, first, last, "ACTIVE", 400, 2)
            user["profile"]["displayName"] = display or user["profile"]["displayName"]
        names = self._names()
        unused = _LONG_UNUSED
        for status, count in left.items():
            for _ in range(count):
                first, last = next(names)
                idle = self._random.uniform(0.1, 60)
                if status != "ACTIVE":
                    idle += _ENDED_DAYS
                if status == "ACTIVE" and unused:
                    unused, idle = unused - 1, self._random.uniform(91, 400)
                created = self._random.uniform(401, 1500)
                self._add_user(f"{first}.{last}".lower(), first, last, status, created, idle)
        managers = [
            user for user in self._org.users.values() if "Manager" in user["profile"]["title"]
        ]
        for user in self._org.users.values():
            manager = self._random.choice(managers)["profile"]
            user["profile"] |= {"manager": manager["displayName"], "managerId": manager["login"]}

    def _names(self) -> Iterator[tuple[str, str]]:
        pairs = [(first, last) for first in self._people["first"] for last in self._people["last"]]
        self._random.shuffle(pairs)
        return iter(pairs)

    def _add_user(
        self,
        short: str,
        first: str,
        last: str,
        status: str,
        created: float,
        idle: float,
        department: str = "",
        kind: str = "",
    ) -> Row:
        city, country, timezone = self._random.choice(self._people["cities"])
        login = f"{short}@{DOMAIN}"
        user = self._org.add_user(login, first, last, self._ago(created), status)
        user["profile"] |= {
            "department": department or self._random.choice(self._people["departments"]),
            "title": self._random.choice(self._people["titles"]),
            "city": city,
            "countryCode": country,
            "timezone": timezone,
            "mobilePhone": f"+420700{self._random.randrange(10**6):06d}",
            "employeeNumber": str(9_999 + len(self._org.users)),
            "employeeType": kind or self._random.choices(("employee", "contractor"), (9, 1))[0],
            "riskTier": self._random.choices(("low", "medium", "high"), (80, 15, 5))[0],
        }
        user["lastUpdated"] = self._ago(min(created, self._random.uniform(1, 200)))
        if status != "ACTIVE":
            user["statusChanged"] = self._ago(min(created, _ENDED_DAYS))
        if status not in _NEVER_SIGNED_IN:
            user["lastLogin"] = self._ago(idle)
            user["passwordChanged"] = self._ago(min(created, 80))
        return user

    def _add_groups(self) -> None:
        table, users = _table("groups"), self._org.users
        present = [key for key, user in users.items() if user["status"] != "DEPROVISIONED"]
        active = [key for key in present if users[key]["status"] == "ACTIVE"]
        self._add_group("Everyone", "All users in your organization", "BUILT_IN", present)
        ordinary = active[len(self._people["personas"]) + len(self._people["particular"]) :]
        for name, description, named, further in table["roles"]:
            chosen, ordinary = ordinary[:further], ordinary[further:]
            members = [self._key(f"{login}@{DOMAIN}") for login in named]
            self._add_group(name, description, "OKTA_GROUP", members + chosen)
        for kind, rows in (("OKTA_GROUP", table["okta"]), ("APP_GROUP", table["imported"])):
            for name, description, by, value in rows:
                if by == "some":
                    chosen = self._random.sample(ordinary, value)
                elif by == "persona":
                    chosen = [self._key(f"{value}@{DOMAIN}")]
                else:
                    chosen = [key for key in present if users[key]["profile"][by] == value]
                self._add_group(name, description, kind, chosen)
        many = table["many"]
        member = [self._key(f"{many['login']}@{DOMAIN}")]
        for number in range(1, many["count"] + 1):
            name = many["name"].format(number)
            self._add_group(name, "One project", "OKTA_GROUP", member)

    def _key(self, login: str) -> str:
        return identifier("00u", login)

    def _add_group(self, name: str, description: str, kind: str, members: list[str]) -> None:
        key = identifier("00g", f"{kind}/{name}")
        profile: Row = {"name": name, "description": description}
        if kind == "APP_GROUP":
            profile |= {
                "dn": f"CN={name},OU=Groups,DC=northwind,DC=example",
                "samAccountName": name,
                "windowsDomainQualifiedName": f"NORTHWIND\\{name}",
                "externalId": identifier("", name),
            }
        objects = "windows_security_principal" if kind == "APP_GROUP" else "user_group"
        self._org.groups[key] = {
            "id": key,
            "created": self._ago(800),
            "lastUpdated": self._ago(self._random.uniform(30, 700)),
            "lastMembershipUpdated": self._ago(self._random.uniform(0.5, 30)),
            "objectClass": [f"okta:{objects}"],
            "type": kind,
            "profile": profile,
        }
        if kind == "APP_GROUP":
            self._org.groups[key]["source"] = {"id": identifier("0oa", "active_directory")}
        self._org.members[key] = set(members)

    def _add_zones(self) -> None:
        for row in _table("zones"):
            key = identifier("nzo", row["name"])
            changed = row.pop("changed_days_ago", 40)
            dates = {"created": self._ago(800), "lastUpdated": self._ago(changed)}
            self._org.zones[key] = {"id": key, "status": "ACTIVE", **row, **dates}

    def _add_policies(self) -> None:
        table = _table("policies")
        rank: dict[str, int] = {}
        for kind, name, description, rules in table["policies"]:
            prefix = "rst" if kind in ("ACCESS_POLICY", "PROFILE_ENROLLMENT") else "00p"
            key = identifier(prefix, f"{kind}/{name}")
            rank[kind] = rank.get(kind, 0) + 1
            common = {"status": "ACTIVE", "created": self._ago(800), "lastUpdated": self._ago(60)}
            self._org.policies[key] = {
                "id": key,
                "type": kind,
                "name": name,
                "description": description,
                "priority": rank[kind],
                "system": name in ("Default Policy", "Idp Discovery Policy"),
                "conditions": None,
                **common,
            }
            self._org.rules[key] = [
                {
                    "id": identifier("rul" if prefix == "rst" else "0pr", f"{key}/{title}"),
                    "type": "SIGN_ON" if kind == "OKTA_SIGN_ON" else kind,
                    "name": title,
                    "priority": number,
                    "system": title == "Default Rule",
                    "conditions": self._conditions(conditions),
                    "actions": table["actions"][kind][action],
                    **common,
                    **({"status": "INACTIVE", "lastUpdated": self._ago(*ended)} if ended else {}),
                }
                for number, (title, action, conditions, *ended) in enumerate(rules, start=1)
            ]

    def _conditions(self, row: Row) -> Row | None:
        """The table names zones and groups; Okta's conditions hold their ids."""
        shown: Row = {}
        for name, place in (("include", "inside"), ("exclude", "outside")):
            if place in row:
                zones = [identifier("nzo", zone) for zone in row[place]]
                shown["network"] = {"connection": "ZONE", name: zones}
        if "anywhere" in row:
            shown["network"] = {"connection": "ANYWHERE"}
        if "groups" in row:
            groups = [self._group(group)["id"] for group in row["groups"]]
            shown["people"] = {"groups": {"include": groups}}
        if "managed" in row:
            shown["device"] = {"registered": True, "managed": True}
        return shown or None

    def _group(self, name: str) -> Row:
        group = self._org.group_named(name)
        if group is None:
            raise LookupError(f"the tables name no group {name!r}")
        return group

    def _add_apps(self) -> None:
        active = [key for key, user in self._org.users.items() if user["status"] == "ACTIVE"]
        table = _table("apps")
        for label, name, kind, policy, direct, groups, *status in table["apps"]:
            key = identifier("0oa", label)
            created = self._ago(self._random.uniform(100, 900))
            self._org.apps[key] = {
                "id": key,
                "name": name,
                "label": label,
                "status": status[0] if status else "ACTIVE",
                "created": created,
                "lastUpdated": created,
                "features": [],
                "accessibility": {"selfService": False},
                "visibility": {
                    "autoSubmitToolbar": False,
                    "hide": {"iOS": False, "web": kind == "service"},
                    "appLinks": {"login": True},
                },
                "credentials": {"signing": {"kid": identifier("", f"kid/{key}")}},
                "accessPolicy": identifier("rst", f"ACCESS_POLICY/{policy}"),
                **table["kinds"][kind],
            }
            keys = [self._group(group)["id"] for group in groups]
            self._org.app_groups[key] = {
                group: {"id": group, "lastUpdated": created, "priority": number, "profile": {}}
                for number, group in enumerate(keys)
            }
            # A number of people by lot, and somebody by name where the row says so.
            count, *named = direct if isinstance(direct, list) else [direct]
            assigned = self._random.sample(active, count)
            assigned += [self._key(f"{login}@{DOMAIN}") for login in named]
            self._org.app_users[key] = {
                user: app_user(self._org.users[user], "USER", created) for user in sorted(assigned)
            }

    def _add_factors(self) -> None:
        personas = {self._key(person.login) for person in self._org.personas}
        administrators = {key for key in self._org.users if self._org.roles_of(key)}
        # One in each group of administrators has no factor: a posture report has to find them.
        groups = (ROLE_GROUPS["super-admin"], ROLE_GROUPS["security-admin"])
        without = {min(self._org.members[self._group(name)["id"]] - personas) for name in groups}
        others = [
            key
            for key, user in self._org.users.items()
            if user["status"] == "ACTIVE" and key not in personas | administrators
        ]
        self._random.shuffle(others)
        more = _WITHOUT_MFA - len(without)
        without |= set(others[:more])
        weak = set(others[more : more + _WEAK_MFA])
        for key, user in self._org.users.items():
            if user["status"] not in _NO_FACTORS and key not in without:
                kinds = ("sms", "call", "question") if key in weak else _STRONG
                self._org.factors[key] = [self._factor(user, self._random.choice(kinds))]
        newcomer = self._org.users[self._key(f"nils.newjoiner@{DOMAIN}")]
        pending = self._factor(newcomer, "token:software:totp") | {"status": "PENDING_ACTIVATION"}
        activation = {"timeStep": 30, "sharedSecret": "JBTWY3DPEHPK3PNP", "encoding": "base32"}
        pending["_embedded"] = {"activation": activation | {"keyLength": 6}}
        self._org.factors[newcomer["id"]].append(pending)

    def _factor(self, user: Row, kind: str) -> Row:
        person = user["profile"]
        prefix, provider, profile = self._people["factors"][kind]
        if "phoneNumber" in profile:
            profile = {"phoneNumber": person["mobilePhone"]}
        return {
            "id": identifier(prefix, f"{kind}/{person['login']}"),
            "factorType": kind,
            "provider": provider,
            "vendorName": provider,
            "status": "ACTIVE",
            "created": user["created"],
            "lastUpdated": user["created"],
            "profile": {"credentialId": person["login"], **profile},
        }
