"""What administrators look after besides people: group rules, roles, API tokens and devices.

Called by `seed` once people, groups, zones and applications are there; reads two tables. The
numbers drawn here are this module's own, so that a further device changes nobody's history.
"""

import random
import re
from collections.abc import Callable
from typing import Any, Final

from okta_mcp.sandbox.directory import Organisation, Row, identifier

DOMAIN: Final = "northwind.example"
_TOKEN_DAYS: Final = 30


class Inventory:
    """Adds to one organisation; `ago` turns days before now into a date in Okta's spelling."""

    def __init__(self, organisation: Organisation, ago: Callable[[float], str]) -> None:
        self._org = organisation
        self._ago = ago

    def add_group_rules(self, rows: list[list[Any]]) -> None:
        """A rule's group that does not exist was deleted: that is what made the rule invalid."""
        for name, status, expression, groups, excluded in rows:
            key = identifier("0pr", f"group rule/{name}")
            value = re.sub(r"\{(.+?)\}", lambda match: _group_id(match[1]), expression)
            people = {"users": {"exclude": list(map(_user_id, excluded))}}
            self._org.group_rules[key] = {
                "id": key,
                "type": "group_rule",
                "name": name,
                "status": status,
                "created": self._ago(600),
                "lastUpdated": self._ago(45),
                "conditions": {
                    "people": people | {"groups": {"exclude": []}},
                    "expression": {"type": "urn:okta:expression:1.0", "value": value},
                },
                "actions": {"assignUserToGroups": {"groupIds": list(map(_group_id, groups))}},
            }

    def add_roles(self, rows: list[list[Any]], labels: dict[str, str]) -> None:
        for kind, name, role_type, bounds in rows:
            assignee = _user_id(name) if kind == "user" else _group_id(name)
            prefix = {"user": "ra1", "group": "gra"}[kind] if role_type != "CUSTOM" else "irb"
            row: Row = {
                "id": identifier(prefix, f"{name}/{role_type}"),
                "type": role_type,
                "label": bounds["role"] if role_type == "CUSTOM" else labels[role_type],
                "status": "ACTIVE",
                "created": self._ago(400),
                "lastUpdated": self._ago(400),
                "assignmentType": kind.upper(),
                "assignee": f"{kind}s/{assignee}",
                "targets": {
                    "groups": list(map(_group_id, bounds.get("groups", []))),
                    "apps": bounds.get("apps", []),
                },
            }
            row["targets"] = {name: keys for name, keys in row["targets"].items() if keys}
            if role_type == "CUSTOM":
                row["role"] = identifier("cr0", bounds["role"])
                row["resource-set"] = identifier("iam", bounds["resource-set"])
            self._org.roles.setdefault(assignee, []).append(row)

    def add_api_tokens(self, rows: list[list[Any]]) -> None:
        """A token ends thirty days after its last use, which Okta shows in no other way."""
        gone = (key for key, user in self._org.users.items() if user["status"] == "DEPROVISIONED")
        owners = {"deprovisioned": min(gone)}
        for name, owner, created, unused, zones in rows:
            key = identifier("00T", name)
            network: Row = {"connection": "ANYWHERE"}
            if zones:
                include = [identifier("nzo", zone) for zone in zones]
                network = {"connection": "ZONE", "include": include, "exclude": []}
            self._org.api_tokens[key] = {
                "id": key,
                "name": name,
                "userId": owners.get(owner) or _user_id(owner),
                "clientName": "Okta API",
                "tokenWindow": f"P{_TOKEN_DAYS}D",
                "network": network,
                "created": self._ago(created),
                "lastUpdated": self._ago(unused),
                "expiresAt": self._ago(unused - _TOKEN_DAYS),
            }

    def add_devices(self, table: Row) -> None:
        """The first devices belong to the named owners, the others to active people by lot."""
        generator = random.Random("devices")  # noqa: S311
        models = [row[:-1] for row in table["models"]]
        drawn = generator.choices(models, [row[-1] for row in table["models"]], k=table["count"])
        active = sorted(k for k, user in self._org.users.items() if user["status"] == "ACTIVE")
        owners = [_user_id(login) for login in table["owners"]]
        owners += generator.sample([key for key in active if key not in owners], k=table["count"])
        last = range(len(table["owners"]), table["count"])
        marked = {
            name: set(generator.sample(last, table[name]))
            for name in ("unmanaged", "unencrypted", "jailbroken", "shared")
        }
        statuses = [status for status, count in table["statuses"].items() for _ in range(count)]
        ended = dict(zip(reversed(last), statuses, strict=False))
        for number, (platform, maker, model, version, encryption) in enumerate(drawn):
            owner = self._org.users[owners[number]]
            key = identifier("guo", f"device/{number}")
            created = self._ago(generator.uniform(40, 700))
            name = f"{owner['profile']['firstName']}'s {model}"
            managed = number not in marked["unmanaged"]
            self._org.devices[key] = {
                "id": key,
                "status": ended.get(number, "ACTIVE"),
                "created": created,
                "lastUpdated": self._ago(generator.uniform(0.1, 40)),
                "resourceId": key,
                "resourceAlternateId": None,
                "resourceType": "UDDevice",
                "resourceDisplayName": {"value": name, "sensitive": False},
                "profile": {
                    "displayName": name,
                    "platform": platform,
                    "manufacturer": maker,
                    "model": model,
                    "osVersion": version,
                    "serialNumber": identifier("", f"serial/{number}")[:12].upper(),
                    "registered": True,
                    "managed": managed,
                    "secureHardwarePresent": True,
                    "diskEncryptionType": "NONE" if number in marked["unencrypted"] else encryption,
                    "integrityJailbreak": number in marked["jailbroken"],
                },
            }
            # Okta takes the people from a device that is deactivated.
            bound = owners[number : number + 1 + (number in marked["shared"])]
            if ended.get(number) == "DEACTIVATED":
                bound = []
            self._org.device_users[key] = {
                user: {
                    "created": created,
                    "managementStatus": "MANAGED" if managed else "NOT_MANAGED",
                    "screenLockType": generator.choice(("BIOMETRIC", "PASSCODE")),
                }
                for user in bound
            }


def _user_id(short: str) -> str:
    return identifier("00u", f"{short}@{DOMAIN}")


def _group_id(name: str) -> str:
    return identifier("00g", f"OKTA_GROUP/{name}")
