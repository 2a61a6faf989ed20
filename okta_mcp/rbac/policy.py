"""The one place that decides who may use what. Default is deny.

The MCP endpoint asks `Policy.decision` before a call goes anywhere; lists, the consent page and
`user://me` show what the same decision allows, so none of them can say more than a call would get.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Literal

Component = Literal["tools", "resources"]
COMPONENTS: tuple[Component, ...] = ("tools", "resources")


class Role(StrEnum):
    """The three roles, from the least to the most."""

    VIEWER = "viewer"
    SECURITY_ADMIN = "security-admin"
    SUPER_ADMIN = "super-admin"

    @property
    def rank(self) -> int:
        """0 for the least role."""
        return list(Role).index(self)


class PolicyError(Exception):
    """The policy cannot be used; the text names the entry and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, and why: `reason` is one of allowed, no_role, role, scope, unknown."""

    allowed: bool
    reason: str


class Policy:
    """Which role may use which tool and resource, and which scopes each of them needs.

    `scopes` gives the data families of a component's name, none where it reads no Okta data; a
    token must hold all of them.
    """

    def __init__(
        self,
        least_roles: Mapping[Component, Mapping[str, Role]],
        scopes: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._least_roles = least_roles
        self._scopes = scopes

    def decision(
        self, component: Component, name: str, role: Role | None, scopes: Iterable[str]
    ) -> Decision:
        """May a person of `role`, with a token of `scopes`, use the component of exactly `name`?"""
        least = self._least_roles[component].get(name)
        if least is None:
            return Decision(False, "unknown")
        if role is None:
            return Decision(False, "no_role")
        if role.rank < least.rank:
            return Decision(False, "role")
        if not set(self._scopes[name]) <= set(scopes):
            return Decision(False, "scope")
        return Decision(True, "allowed")

    def allowed(
        self, component: Component, role: Role | None, scopes: Iterable[str]
    ) -> tuple[str, ...]:
        """The names that `decision` allows, in the order of the policy."""
        held = frozenset(scopes)
        return tuple(
            name
            for name in self._least_roles[component]
            if self.decision(component, name, role, held).allowed
        )

    def families(self, role: Role | None) -> tuple[str, ...]:
        """The scopes under which `role` has at least one tool."""
        return tuple(
            dict.fromkeys(
                scope
                for name, least in self._least_roles["tools"].items()
                if role is not None and role.rank >= least.rank
                for scope in self._scopes[name]
            )
        )

    def scopes_of(self, name: str) -> tuple[str, ...]:
        """The data families of a component that the policy knows; the first is its home."""
        return self._scopes[name]


def shipped_policy(components: Mapping[Component, Mapping[str, tuple[str, ...]]]) -> Policy:
    """The policy of `default_policy.toml` for the components that exist (name to scopes).

    Raises `PolicyError` where a component has no entry, or an entry no component: a new tool must
    never be reachable because somebody forgot to say by whom.
    """
    text = files("okta_mcp.rbac").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return policy_from(tomllib.loads(text), components)


def policy_from(
    document: Mapping[str, Mapping[str, str]],
    components: Mapping[Component, Mapping[str, tuple[str, ...]]],
) -> Policy:
    """A checked policy; raises `PolicyError`."""
    least_roles: dict[Component, dict[str, Role]] = {}
    scopes: dict[str, tuple[str, ...]] = {}
    for component in COMPONENTS:
        entries = document.get(component, {})
        existing = components[component]
        for name in existing.keys() - entries.keys():
            raise PolicyError(f"[{component}] {name}: has no entry; say which role may use it")
        for name in entries.keys() - existing.keys():
            raise PolicyError(f"[{component}] {name}: no such {component[:-1]}; remove the entry")
        least_roles[component] = {name: _role(component, name, entries[name]) for name in entries}
        scopes |= existing
    return Policy(least_roles, scopes)


def _role(component: str, name: str, text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        known = ", ".join(Role)
        raise PolicyError(f"[{component}] {name}: no role {text!r}; one of {known}") from None
