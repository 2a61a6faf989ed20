"""`[servers.NAME]` of the policy file: who may use which part of a server behind the gateway.

Read for `policy_file.py`, asked by `policy.py`. A rule is one table, or one of a list of tables;
what any rule of the server gives is given, and `deny` takes away from its own rule only. A server
without a rule exists for nobody.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias
from urllib.parse import unquote

from okta_mcp.rbac.behind import SERVER_NAME, Component
from okta_mcp.rbac.limits import suggestion

_COMPONENTS: tuple[Component, ...] = ("tools", "resources", "prompts")
_KEYS = ("role", "roles", "groups", *_COMPONENTS, "deny")
# A segment of dots leads up, however often its characters are encoded.
_DOTS = re.compile(
    r"(?:^|[/\\]|%(?:25)*(?:2f|5c))(?:\.|%(?:25)*2e){1,2}(?:$|[/\\?#]|%(?:25)*(?:2f|5c))"
)
_SLASHES = re.compile("(?<!:)/{2,}")

# Notes what is wrong: the path of keys in the file, and the reason.
Problem: TypeAlias = Callable[[tuple[str, ...], str], None]


@dataclass(frozen=True, slots=True)
class ServerRule:
    """Gives what `names` allows to `role` and every role above, to exactly `roles`, and to the
    members of `groups` (Okta names or ids) who have a role at all.

    `names` holds patterns of the server's own names, without the namespace; `deny` patterns count
    for every kind of name.
    """

    role: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    names: Mapping[Component, tuple[str, ...]]
    deny: tuple[str, ...] = ()

    def reaches(self, rank: int, ranks: tuple[str, ...], groups: Iterable[str]) -> bool:
        """Whether it is for a role of that rank in `ranks`, or for a member of these groups."""
        if self.role is not None and rank >= ranks.index(self.role):
            return True
        return ranks[rank] in self.roles or not frozenset(self.groups).isdisjoint(groups)

    def allows(self, component: Component, name: str) -> bool:
        """Whether its patterns give the server's own `name`."""
        spellings = [name]
        if component == "resources":
            # Readers of URLs pass over line ends and the ends of a text, and \\ is a / to some.
            if not name.isprintable() or name != name.strip() or "\\" in name:
                return False
            if _DOTS.search(name.partition("://")[2].lower()):
                return False
            # What is compared must be what the server will read, in either spelling.
            spellings.append(unquote(name))
        allowed = all(_matches(each, self.names[component]) for each in spellings)
        if component == "resources":
            # To many servers none of this makes a difference, so it may not get around `deny`.
            spellings += [_as_read(re.split("[?#]", each)[0]) for each in spellings]
            spellings += [_as_read(each) for each in spellings]
            deny = (*self.deny, *(_as_read(pattern) for pattern in self.deny))
        else:
            deny = self.deny
        return allowed and not any(_matches(each, deny) for each in spellings)

    def sentence(self) -> str:
        """All of it, in words."""
        who = [f"{self.role} and above"] if self.role else []
        who += [f"exactly {role}" for role in self.roles]
        who += [f'the group "{group}"' for group in self.groups]
        parts = [
            f"{component} {' '.join(self.names[component])}"
            for component in _COMPONENTS
            if self.names[component]
        ]
        every = all(self.names[component] == ("*",) for component in _COMPONENTS)
        what = "everything" if every else ", ".join(parts)
        but = f", but not {' '.join(self.deny)}" if self.deny else ""
        return f"{', '.join(who)}: {what}{but}"


def checked_rules(
    table: Mapping[str, Any], roles: tuple[str, ...], problem: Problem
) -> dict[str, tuple[ServerRule, ...]]:
    """The rules of the file's table by server, without those that `problem` was told of."""
    rules: dict[str, tuple[ServerRule, ...]] = {}
    for name, given in table.items():
        at = ("servers", name)
        tables = given if isinstance(given, list) else [given]
        if not SERVER_NAME.fullmatch(name):
            problem(at, "a server's name, as in mcp.json, is 1 to 31 lower-case letters, digits, -")
        elif not tables or not all(isinstance(each, dict) for each in tables):
            problem(at, "must be a table with role, roles or groups, or a list of such tables")
        else:
            rules[name] = tuple(_rule(at, each, roles, problem) for each in tables)
    return rules


def _rule(
    at: tuple[str, ...], given: Mapping[str, Any], roles: tuple[str, ...], problem: Problem
) -> ServerRule:
    for key in given:
        if key not in _KEYS:
            known = f"{suggestion(key, _KEYS)}; there are {', '.join(_KEYS)}"
            problem((*at, key), f"no such key{known}")
    role = given.get("role")
    if role is not None and role not in roles:
        near = suggestion(role, roles) if isinstance(role, str) else ""
        problem((*at, "role"), f"must be the lowest role{near}; one of {', '.join(roles)}")
        role = None
    exact, groups = (_texts(at, key, given, problem) for key in ("roles", "groups"))
    for each in exact:
        if each not in roles:
            problem((*at, "roles"), f"no role {each!r}{suggestion(each, roles)}")
    if not {"role", "roles", "groups"} & given.keys():
        problem(at, "gives it to nobody; say role (the lowest), roles or groups, or take it away")
    # Who names one kind of thing means that kind: the others are then not given by silence.
    silent = ("*",) if not any(component in given for component in _COMPONENTS) else ()
    names = {
        component: _texts(at, component, given, problem) if component in given else silent
        for component in _COMPONENTS
    }
    return ServerRule(role, exact, groups, names, _texts(at, "deny", given, problem))


def _texts(
    at: tuple[str, ...], key: str, given: Mapping[str, Any], problem: Problem
) -> tuple[str, ...]:
    value = given.get(key)
    if value is None:
        return ()
    if (
        isinstance(value, list)
        and all(isinstance(text, str) and text.strip() for text in value)
        and len(set(value)) == len(value)
        and (value or key in _COMPONENTS)
    ):
        return tuple(value)
    problem((*at, key), "must be a list of texts, each once")
    return ()


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _as_read(uri: str) -> str:
    """Of a URI or a pattern: in small letters, with one slash for several."""
    return _SLASHES.sub("/", uri).lower()
