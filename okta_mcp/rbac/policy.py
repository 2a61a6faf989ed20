"""The one place that decides who may use what. Default is deny.

The MCP endpoint asks `Policy.decision` before a call goes anywhere; lists, the consent page and
`user://me` show what the same decision allows, so none of them can say more than a call would get.
`policy_file.py` makes a `Policy` from the file of an administrator or from the shipped one.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from okta_mcp.rbac.behind import Behind, shown_name
from okta_mcp.rbac.behind import Component as Component
from okta_mcp.rbac.limits import NO_LIMITS, Limits
from okta_mcp.rbac.server_rules import ServerRule
from okta_mcp.rbac.services import Service

COMPONENTS: tuple[Component, ...] = ("tools", "resources", "prompts")

# The name of a role; which roles there are, and which of two is more, a policy says.
Role: TypeAlias = str

VIEWER: Role = "viewer"
SECURITY_ADMIN: Role = "security-admin"
SUPER_ADMIN: Role = "super-admin"
SHIPPED_ROLES: tuple[Role, ...] = (VIEWER, SECURITY_ADMIN, SUPER_ADMIN)

# What an entry says of a thing that exists and that no role may use.
NOBODY = "nobody"

_TEMPLATE_VARIABLE = re.compile(r"\{\w+\}", re.ASCII)
# What an expansion of RFC 6570, level 1, can put in the place of a variable. A segment of dots is
# none: something behind might read it as the way up.
_EXPANSION = r"(?!\.+(?:/|$))(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, and why: `reason` is one of allowed, no_role, role, pattern, scope, unknown."""

    allowed: bool
    reason: str


class Policy:
    """Which role may use which tool, resource and prompt, and within which limits.

    `roles` go from the least to the most. `entries` name the lowest role of each thing, or
    `NOBODY`; a resource may be a URI template and then stands for the URIs that it makes. `scopes`
    gives the data families that a token must hold all of, none where no Okta data is read. `limits`
    are for exactly a role and a tool. `groups` are those that the policy itself maps to roles, and
    `services` those who call without a person. `servers` are the rules of each server behind the
    gateway, and `behind` says which of them there are now.
    """

    def __init__(
        self,
        roles: tuple[Role, ...],
        entries: Mapping[Component, Mapping[str, Role]],
        scopes: Mapping[Component, Mapping[str, tuple[str, ...]]],
        *,
        limits: Mapping[Role, Mapping[str, Limits]] | None = None,
        groups: Mapping[Role, tuple[str, ...]] | None = None,
        services: Mapping[str, Service] | None = None,
        servers: Mapping[str, tuple[ServerRule, ...]] | None = None,
    ) -> None:
        self.roles = roles
        self.services: Mapping[str, Service] = services or {}
        self.groups: Mapping[Role, tuple[str, ...]] = groups or {}
        self.servers: Mapping[str, tuple[ServerRule, ...]] = servers or {}
        self.behind = Behind()
        self._entries = entries
        self._scopes = scopes
        self._limits: Mapping[Role, Mapping[str, Limits]] = limits or {}
        self._templates = {
            name: _uris_of(name)
            for name in entries.get("resources", {})
            if _TEMPLATE_VARIABLE.search(name)
        }

    def decision(
        self,
        component: Component,
        name: str,
        role: Role | None,
        scopes: Iterable[str] | None,
        groups: Collection[str] = (),
    ) -> Decision:
        """May a person of `role`, with a token of `scopes`, use the component of exactly `name`?

        Without `scopes` (None, not empty) data families do not apply: the role alone decides.
        `groups` are those of `server_groups` that the person is in; they count for servers only.
        A URI that no entry names is decided by every template that makes it: each must allow it,
        because which of them answers is not for this place to say.
        """
        entries = self._entries.get(component, {})
        names = [name] if name in entries else self._templates_of(component, name)
        if not names:
            return self._of_server(component, name, role, scopes, groups)
        if role is None:
            return Decision(False, "no_role")
        if any(self._rank(role) < self._rank(entries[each]) for each in names):
            return Decision(False, "role")
        if scopes is not None:
            held = frozenset(scopes)
            if any(not held.issuperset(self._scopes[component][each]) for each in names):
                return Decision(False, "scope")
        return Decision(True, "allowed")

    def allowed(
        self,
        component: Component,
        role: Role | None,
        scopes: Iterable[str] | None,
        groups: Collection[str] = (),
    ) -> tuple[str, ...]:
        """The names (of resources: also templates) that `decision` allows, in the file's order;
        then those that the servers behind the gateway have listed."""
        held = None if scopes is None else frozenset(scopes)
        names = (*self._entries.get(component, {}), *self._listed(component))
        return tuple(
            name for name in names if self.decision(component, name, role, held, groups).allowed
        )

    def families(self, role: Role | None, groups: Collection[str] = ()) -> tuple[str, ...]:
        """The scopes under which `role` has at least one tool, and those of its servers."""
        tools = self._scopes["tools"]
        every = frozenset(scope for scopes in tools.values() for scope in scopes)
        own = (name for name in tools if self.decision("tools", name, role, every).allowed)
        return tuple(
            dict.fromkeys(
                (
                    *(scope for name in own for scope in tools[name]),
                    *(
                        server.scope
                        for server in self.behind.servers
                        if self.rules_for(server.name, role, groups)
                    ),
                )
            )
        )

    def rules_for(
        self, server: str, role: Role | None, groups: Collection[str]
    ) -> tuple[ServerRule, ...]:
        """The rules of a server that are for such a person."""
        if role is None:
            return ()
        rank, rules = self._rank(role), self.servers.get(server, ())
        return tuple(rule for rule in rules if rule.reaches(rank, self.roles, groups))

    @property
    def server_groups(self) -> tuple[str, ...]:
        """Every group, by name or id, that a rule of a server names."""
        return tuple(
            dict.fromkeys(
                group for rules in self.servers.values() for rule in rules for group in rule.groups
            )
        )

    def scopes_of(self, tool: str) -> tuple[str, ...]:
        """The scopes of a tool that the policy knows; the first is its home."""
        if tool not in self._scopes["tools"]:
            owner = self.behind.owner("tools", tool)
            return (owner[0].scope,) if owner is not None else ()
        return self._scopes["tools"][tool]

    def limits(self, tool: str, role: Role | None) -> Limits:
        """Within which bounds exactly this role may set the tool's parameters."""
        return self._limits.get(role, {}).get(tool, NO_LIMITS) if role else NO_LIMITS

    def least_role(self, component: Component, name: str) -> Role | None:
        """The role named in the entry, or `NOBODY`; None where there is no entry."""
        return self._entries.get(component, {}).get(name)

    def table(self) -> dict[str, Any]:
        """All of it, for people: roles, the entry of each name, and the limits in words."""
        return {
            "roles": list(self.roles),
            **{component: dict(self._entries.get(component, {})) for component in COMPONENTS},
            "limits": {
                role: {tool: list(limits.sentences()) for tool, limits in of_role.items()}
                for role, of_role in self._limits.items()
            },
            **(
                {
                    "servers": {
                        server.name: [rule.sentence() for rule in self.servers.get(server.name, ())]
                        for server in self.behind.servers
                    }
                }
                if self.behind.servers
                else {}
            ),
        }

    def _of_server(
        self,
        component: Component,
        name: str,
        role: Role | None,
        scopes: Iterable[str] | None,
        groups: Collection[str],
    ) -> Decision:
        """About a name of a server behind the gateway; unknown where it is nobody's."""
        owner = self.behind.owner(component, name)
        if owner is None or owner[0].name not in self.servers:
            return Decision(False, "unknown")
        server, own = owner
        listed = self.behind.names(server.name, component)
        # Of a template the URIs are not known, so a resource is not looked up.
        if component != "resources" and listed is not None and own not in listed:
            return Decision(False, "unknown")
        if role is None:
            return Decision(False, "no_role")
        rules = self.rules_for(server.name, role, groups)
        if not rules:
            return Decision(False, "role")
        if not any(rule.allows(component, own) for rule in rules):
            return Decision(False, "pattern")
        if scopes is not None and server.scope not in scopes:
            return Decision(False, "scope")
        return Decision(True, "allowed")

    def _listed(self, component: Component) -> tuple[str, ...]:
        """What the servers behind the gateway have listed, in their namespaces."""
        names = (
            shown_name(server.name, component, own)
            for server in self.behind.servers
            for own in self.behind.names(server.name, component) or ()
        )
        return tuple(name for name in names if name is not None)

    def _templates_of(self, component: Component, uri: str) -> list[str]:
        if component != "resources":
            return []
        return [name for name, uris in self._templates.items() if uris.fullmatch(uri)]

    def _rank(self, role: Role) -> int:
        """0 for the least role; `NOBODY` stands above all."""
        return (*self.roles, NOBODY).index(role)


def _uris_of(template: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in _TEMPLATE_VARIABLE.split(template))
    return re.compile(_EXPANSION.join(parts), re.ASCII)
