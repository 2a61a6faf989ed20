"""Rows that come and go in an organisation while somebody reads it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from okta_mcp.sandbox.access import API_TOKEN_OWNER
from okta_mcp.sandbox.directory import Organisation, Row, app_user, identifier, timestamp


@dataclass
class Turnover:
    """Changes around one person, group, application and policy, which stay themselves.

    The lot is the same in every run. An id that has gone never comes back.
    """

    organisation: Organisation
    now: Callable[[], float]
    event: Callable[[float, str], Row]
    user: str
    group: str
    apps: tuple[str, ...]
    policy: str
    _count: int = 0
    _lot: random.Random = field(default_factory=lambda: random.Random("turnover"))

    def grow(self) -> None:
        """Something of every kind is added."""
        self._count += 1
        org, made = self.organisation, timestamp(self.now())
        login = f"new.{self._count}@northwind.example"
        newcomer = org.add_user(login, "New", str(self._count), made)
        org.add_member(self.group, newcomer["id"])
        group = self._copied(org.groups)
        org.members[group] = {self.user}
        for app in self.apps:
            org.app_users[app][newcomer["id"]] = app_user(newcomer, "USER", made)
            priority = self._lot.randrange(100)
            org.app_groups[app][group] = {
                **next(iter(org.app_groups[app].values())), "id": group, "priority": priority
            }  # fmt: skip
        app = self._copied(org.apps)
        org.apps[app] |= {"status": "ACTIVE", "visibility": org.apps[self.apps[0]]["visibility"]}
        org.app_users[app] = {self.user: app_user(org.users[self.user], "USER", made)}
        org.app_groups[app] = {self.group: next(iter(org.app_groups[self.apps[0]].values()))}
        device = self._copied(org.devices)
        link = next(iter(links for links in org.device_users.values() if links))
        org.device_users[device] = {self.user: next(iter(link.values()))}
        policy = self._copied(org.policies)
        org.rules[policy] = []
        for rows in (org.rules[self.policy], org.factors[self.user]):
            first = rows[0]
            rows.append(first | {"id": self._new_id(first["id"])})
        for table in (org.group_rules, org.zones, org.api_tokens):
            self._copied(table)
        at = self.now() - self._lot.uniform(0, 86_400)
        org.events.append(self.event(at, f"event {self._count}"))

    def shrink(self) -> None:
        """Something of every kind goes: people by being deleted, deactivated or moved."""
        org = self.organisation
        # The API token of the tools ends with its owner.
        kept = {self.user, org.person(API_TOKEN_OWNER)["id"]}
        people = sorted(org.users.keys() - kept)
        deleted, deactivated = self._lot.sample(people, k=2)
        org.remove_user(deleted)
        org.set_status(deactivated, "DEPROVISIONED")
        org.remove_member(self.group, self._drawn(org.members[self.group] - {self.user}))
        group = self._drawn(org.groups.keys() - {self.group})
        del org.groups[group], org.members[group]
        for assigned in org.app_groups.values():
            assigned.pop(group, None)
        org.roles.pop(group, None)
        app = self._drawn(org.apps.keys() - set(self.apps))
        del org.apps[app], org.app_users[app], org.app_groups[app]
        device = self._drawn(org.devices)
        del org.devices[device], org.device_users[device]
        policy = self._drawn(org.policies.keys() - {self.policy})
        del org.policies[policy], org.rules[policy]
        for rows in (org.rules[self.policy], org.factors[self.user]):
            rows.pop(self._lot.randrange(len(rows)))
        for table in (org.group_rules, org.zones, org.api_tokens):
            del table[self._drawn(table)]

    def _drawn(self, keys: object) -> str:
        return self._lot.choice(sorted(keys))

    def _copied(self, table: dict[str, Row]) -> str:
        """The id of a new row like some row of the table; it may stand anywhere in the order."""
        like = self._drawn(table)
        key = self._new_id(like)
        table[key] = table[like] | {"id": key}
        return key

    def _new_id(self, like: str) -> str:
        return identifier(like[:3], f"new {like} {self._count}")
