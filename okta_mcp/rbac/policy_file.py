"""Policies from files: an administrator's `POLICY_FILE` and the shipped one, by the same checks.

docs/policy.md describes the form. A file that says something that cannot be meant stops the start,
with the line and the reason of everything that is wrong with it: a name that does not exist, a
thing that exists without an entry (nothing must be reachable because somebody forgot to say by
whom), a limit without an effect. A file that others may write is refused unread.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from okta_mcp.rbac.behind import is_server_scope
from okta_mcp.rbac.limits import (
    WINDOW_DAYS,
    Limit,
    Limits,
    checked_limit,
    checked_window,
    suggestion,
)
from okta_mcp.rbac.owned_file import TooLargeError, WritableByOthersError, owned_bytes
from okta_mcp.rbac.policy import COMPONENTS, NOBODY, SHIPPED_ROLES, Component, Policy, Role
from okta_mcp.rbac.positions import Document, UnreadableTextError, json_document, toml_document
from okta_mcp.rbac.server_rules import checked_rules
from okta_mcp.rbac.services import checked_services

LARGEST_BYTES = 256 * 1024

_TABLES = ("roles", "groups", *COMPONENTS, "limits", "services", "servers")
_READERS = {".toml": toml_document, ".json": json_document}


class PolicyError(Exception):
    """The policy cannot be used; `problems` holds a printable line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# What exists: the data families of each name.
Components = Mapping[Component, Mapping[str, tuple[str, ...]]]
# The input schema of each tool; one that is missing here can have no limits.
Schemas = Mapping[str, Mapping[str, Any]]


def shipped_policy(components: Components) -> Policy:
    """The policy of `default_policy.toml`; raises `PolicyError`."""
    name = "default_policy.toml"
    text = files("okta_mcp.rbac").joinpath(name).read_text(encoding="utf-8")
    return policy_of_text(text, name, components, {})


def policy_of_file(path: Path, components: Components, schemas: Schemas) -> Policy:
    """The policy of an administrator's file; raises `PolicyError`."""
    return policy_of_text(_text(path), str(path), components, schemas)


def policy_of_text(text: str, name: str, components: Components, schemas: Schemas) -> Policy:
    """The policy of a text whose `name` says by its ending what it is; raises `PolicyError`."""
    read = _READERS.get(Path(name).suffix)
    if read is None:
        raise PolicyError([f"{name}: the name must end in .toml or .json"])
    try:
        document = read(text)
    except UnreadableTextError as error:
        at = f":{error.line}" if error.line else ""
        raise PolicyError([f"{name}{at}: {error.reason}"]) from None
    check = _Check(document, name, components, schemas)
    policy = check.policy()
    if check.problems:
        in_order = sorted(check.problems, key=lambda problem: problem[0])
        raise PolicyError([line for _, line in in_order])
    return policy


def groups_by_role(
    policy: Policy, by_variable: Mapping[Role, tuple[str, ...]]
) -> dict[Role, tuple[str, ...]]:
    """The groups of each role: the file's, and those of the `GROUP_TO_ROLE_*` variables.

    Raises `PolicyError` where a variable gives a role that there is not, or nothing is mapped.
    """
    problems = [
        f"{variable_of(role)}: the policy has no role {role!r}; remove the variable, or name the"
        f" role in `roles`. There are {', '.join(policy.roles)}"
        for role, names in by_variable.items()
        if names and role not in policy.roles
    ]
    if problems:
        raise PolicyError(problems)
    mapped = {
        role: tuple(dict.fromkeys((*policy.groups.get(role, ()), *by_variable.get(role, ()))))
        for role in policy.roles
    }
    if not any(mapped.values()) and not policy.services:
        raise PolicyError(
            [
                "GROUP_TO_ROLE_VIEWER: no group is mapped to any role, so nobody could use a tool;"
                " set a GROUP_TO_ROLE_* variable, or [groups] in POLICY_FILE."
                " Example: GROUP_TO_ROLE_VIEWER=staff"
            ]
        )
    return mapped


def variable_of(role: Role) -> str:
    """The variable that maps groups to one of the three shipped roles."""
    return f"GROUP_TO_ROLE_{role.replace('-', '_').upper()}"


class _Check:
    """Walks through one document and notes everything that is wrong with it."""

    def __init__(
        self, document: Document, name: str, components: Components, schemas: Schemas
    ) -> None:
        self._document = document
        self._name = name
        self._components = components
        self._schemas = schemas
        self.problems: list[tuple[int, str]] = []

    def policy(self) -> Policy:
        """The policy; of no use where there are problems."""
        content = self._document.content
        if not isinstance(content, dict):
            self._problem((), "must be an object of tables")
            content = {}
        for key in content:
            if key not in _TABLES:
                known = f"{suggestion(key, _TABLES)}; there are {', '.join(_TABLES)}"
                self._problem((key,), f"no such key or table{known}")
        roles = self._roles(content.get("roles", list(SHIPPED_ROLES)))
        entries = {
            component: self._entries(component, self._table(content, component), roles)
            for component in COMPONENTS
        }
        policy = Policy(
            roles,
            entries,
            {component: self._components.get(component, {}) for component in COMPONENTS},
            limits=self._limits(self._table(content, "limits"), roles, entries["tools"]),
            groups=self._groups(self._table(content, "groups"), roles),
            services=checked_services(
                self._table(content, "services"), roles, Path(self._name).parent, self._problem
            ),
            servers=checked_rules(self._table(content, "servers"), roles, self._problem),
        )
        for name, service in policy.services.items():
            # Which servers there are is for another file to say.
            reads = {*policy.families(service.role), *filter(is_server_scope, service.scopes)}
            if not set(service.scopes) & reads:
                text = f"{service.role} reads none of its scopes, so it could get no token"
                self._problem(("services", name), text)
        return policy

    def _problem(self, path: tuple[str, ...], reason: str) -> None:
        """Notes it with the line of the nearest key that the file has."""
        lines = self._document.lines
        near = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in lines), ())
        line = lines.get(near, 1)
        where = " ".join([f"[{'.'.join(path[:-1])}]", path[-1]]) if path[1:] else "".join(path)
        self.problems.append((line, f"{self._name}:{line}: {where}{': ' if where else ''}{reason}"))

    def _table(self, content: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = content.get(key, {})
        if isinstance(value, dict):
            return value
        self._problem((key,), "must be a table")
        return {}

    def _roles(self, value: Any) -> tuple[Role, ...]:
        if not _is_names(value):
            self._problem(("roles",), "must be a list of names, from the least role to the most")
            return SHIPPED_ROLES
        if NOBODY in value:
            self._problem(("roles",), f"{NOBODY!r} is what an entry says when no role may")
        return tuple(value)

    def _groups(
        self, table: Mapping[str, Any], roles: tuple[Role, ...]
    ) -> dict[Role, tuple[str, ...]]:
        groups: dict[Role, tuple[str, ...]] = {}
        for role, names in table.items():
            if role not in roles:
                self._problem(("groups", role), _no_role(role, roles))
            elif not _is_names(names):
                self._problem(("groups", role), "must be a list of group names or ids, each once")
            else:
                groups[role] = tuple(names)
        return groups

    def _entries(
        self, component: Component, table: Mapping[str, Any], roles: tuple[Role, ...]
    ) -> dict[str, Role]:
        existing = self._components.get(component, {})
        choices = (*roles, NOBODY)
        entries: dict[str, Role] = {}
        for name, role in table.items():
            if name not in existing:
                fix = suggestion(name, existing) or "; remove the entry"
                self._problem((component, name), f"no such {component[:-1]}{fix}")
            elif not isinstance(role, str):
                self._problem((component, name), "must be the name of the lowest role, in quotes")
            elif role not in choices:
                self._problem((component, name), _no_role(role, choices))
            else:
                entries[name] = role
        for name in existing:
            if name not in table:
                text = f'has no entry; say which role may use it, or "{NOBODY}"'
                self._problem((component, name), text)
        return entries

    def _limits(
        self, table: Mapping[str, Any], roles: tuple[Role, ...], tools: Mapping[str, Role]
    ) -> dict[Role, dict[str, Limits]]:
        limits: dict[Role, dict[str, Limits]] = {}
        for role, by_tool in table.items():
            if role not in roles:
                self._problem(("limits", role), _no_role(role, roles))
                continue
            if not isinstance(by_tool, dict):
                self._problem(("limits", role), "must be a table of tools")
                continue
            for tool, given in by_tool.items():
                at = ("limits", role, tool)
                schema = self._schemas.get(tool)
                if schema is None:
                    self._problem(at, f"no such tool{suggestion(tool, self._schemas)}")
                elif not isinstance(given, dict) or not given:
                    self._problem(at, "must be a table of parameters")
                else:
                    if tool in tools and not _reaches(role, tools[tool], roles):
                        self._problem(at, f"{role} may not use the tool, so this limits nothing")
                    limits.setdefault(role, {})[tool] = self._limits_of(at, given, schema)
        return limits

    def _limits_of(
        self, at: tuple[str, ...], given: Mapping[str, Any], schema: Mapping[str, Any]
    ) -> Limits:
        window_days: float | None = None
        parameters: dict[str, Limit] = {}
        for name, value in given.items():
            try:
                if name == WINDOW_DAYS:
                    window_days = checked_window(value, schema)
                else:
                    parameters[name] = checked_limit(name, value, schema)
            except ValueError as error:
                self._problem((*at, name), str(error))
        return Limits(parameters, window_days)


def _text(path: Path) -> str:
    """The text of a file that nobody but its owner can write; raises `PolicyError`."""
    try:
        raw = owned_bytes(path, most=LARGEST_BYTES)
    except WritableByOthersError:
        raise PolicyError(
            [
                f"{path}: others than its owner can write it, and with it give themselves any"
                f" role; run: chmod go-w {path}"
            ]
        ) from None
    except OSError as error:
        example = "Example: POLICY_FILE=/etc/okta-mcp/policy.toml"
        raise PolicyError([f"{path}: cannot be read: {error.strerror}. {example}"]) from None
    except TooLargeError:
        raise PolicyError([f"{path}: is larger than {LARGEST_BYTES // 1024} KiB"]) from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyError([f"{path}:{line}: is not UTF-8"]) from None


def _is_names(value: Any) -> bool:
    """Whether it is a list of texts, not empty, none of them twice."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(name, str) and name.strip() for name in value)
        and len(set(value)) == len(value)
    )


def _reaches(role: Role, least: Role, roles: tuple[Role, ...]) -> bool:
    return least != NOBODY and roles.index(role) >= roles.index(least)


def _no_role(role: str, roles: tuple[str, ...]) -> str:
    return f"no role {role!r}{suggestion(role, roles)}; one of {', '.join(roles)}"
