"""The servers behind the gateway, as rights see them: their names, their scopes, what they list.

Made by the composition root, empty where there is no gateway, and kept by the policy. `replace` is
called when `mcp.json` was read again: everything that depends on which servers there are asks here
at the moment it needs it. Names are shown in the namespace of their server, as FastMCP's
`Namespace` does it: `time` + `now` is the tool `time_now`, `docs://a` the resource
`docs://time/a`. A URI without `://` has no place for a namespace and is not offered.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from okta_mcp.rbac.families import FAMILIES, OFFLINE_ACCESS, Family

Component = Literal["tools", "resources", "prompts"]

SCOPE_PREFIX = "mcp."
SERVER_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_URI = re.compile(r"([^:/]+://)([^/]+)/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BehindServer:
    """`title` and `purpose` are the words of the configuration, `calls` its rate per person."""

    name: str
    title: str
    purpose: str = ""
    calls: str | None = None

    @property
    def scope(self) -> str:
        """The one scope of the server."""
        return f"{SCOPE_PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class State:
    """`state` is up, starting or down; `reason` is for people, empty while it is up."""

    state: Literal["up", "starting", "down"]
    reason: str = ""


class Running(Protocol):
    """What the running gateway says of its servers; both answer at once, from what is known."""

    def states(self) -> Mapping[str, tuple[str, str]]:
        """By name: `up`, `starting` or `down`, and the reason."""

    def names(self, server: str, component: Component) -> tuple[str, ...] | None:
        """The server's own names as it listed them last (of resources: URIs and templates); None
        where it has not listed yet."""

    def listed(self) -> tuple[object, ...]:
        """The servers and what each has listed, as objects that stay while nothing changes."""


class Behind:
    """Which servers there are now."""

    def __init__(
        self, servers: Iterable[BehindServer] = (), running: Running | None = None
    ) -> None:
        self._servers = {server.name: server for server in servers}
        self._running = running

    def replace(self, servers: Iterable[BehindServer]) -> None:
        """The configuration was read again."""
        self._servers = {server.name: server for server in servers}

    def attach(self, running: Running) -> None:
        """From now on `running` is asked for states and names."""
        self._running = running

    @property
    def servers(self) -> tuple[BehindServer, ...]:
        """In the order of the configuration."""
        return tuple(self._servers.values())

    def server(self, name: str) -> BehindServer | None:
        """The server of that name."""
        return self._servers.get(name)

    def state(self, name: str) -> State:
        """What a server does now; one that nobody runs is down."""
        states = self._running.states() if self._running is not None else {}
        match states.get(name):
            case ("up", _):
                return State("up")
            case ("starting" | "down" as state, reason):
                return State(state, reason)
        return State("down", "it is not started here")

    def names(self, server: str, component: Component) -> tuple[str, ...] | None:
        """The server's own names; None where they are not known."""
        return self._running.names(server, component) if self._running is not None else None

    @property
    def listed(self) -> tuple[object, ...]:
        """Equal to what it was while every list of theirs would say the same."""
        if self._running is None:
            return self.servers
        return (*self.servers, *self._running.listed())

    def owner(self, component: Component, name: str) -> tuple[BehindServer, str] | None:
        """The server that a name as people see it belongs to, and the server's own name for it."""
        if not self._servers:
            return None
        parts = own_name(component, name)
        server = self._servers.get(parts[0]) if parts is not None else None
        return (server, parts[1]) if server is not None and parts is not None else None

    @property
    def families(self) -> tuple[Family, ...]:
        """Of Okta, then one for each server."""
        return (*FAMILIES, *(_family(server) for server in self._servers.values()))

    @property
    def family_scopes(self) -> tuple[str, ...]:
        """Every scope but `offline_access`."""
        return tuple(family.scope for family in self.families)

    @property
    def supported_scopes(self) -> tuple[str, ...]:
        """Every scope that exists now."""
        return (*self.family_scopes, OFFLINE_ACCESS)


def shown_name(server: str, component: Component, name: str) -> str | None:
    """A server's own name in its namespace; None for a URI that has no place for it."""
    if component != "resources":
        return f"{server}_{name}"
    protocol, separator, path = name.partition("://")
    return f"{protocol}://{server}/{path}" if separator and protocol else None


def own_name(component: Component, name: str) -> tuple[str, str] | None:
    """The namespace of a name, whether such a server exists or not, and the name within it."""
    if component != "resources":
        server, separator, own = name.partition("_")
        return (server, own) if separator and own else None
    parts = _URI.fullmatch(name)
    return (parts[2], f"{parts[1]}{parts[3]}") if parts is not None else None


def is_server_scope(scope: str) -> bool:
    """Whether it has the form of the scope of a server, existing or not."""
    name = scope.removeprefix(SCOPE_PREFIX)
    return name != scope and SERVER_NAME.fullmatch(name) is not None


def _family(server: BehindServer) -> Family:
    purpose = f": {server.purpose}" if server.purpose else ""
    return Family(server.scope, server.title, f"use {server.title}{purpose}", server=server.name)
