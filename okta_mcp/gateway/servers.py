"""What `mcp.json` says of each server behind the gateway, checked and expanded.

`configuration.py` makes these records; the running side and the pages read them. What may hold a
secret (arguments, environment, address, headers) is left out of every `repr`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Override:
    """What is shown of a tool in the place of the server's own words; None leaves them."""

    title: str | None = None
    description: str | None = None
    annotations: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Common:
    """What both kinds have: `title` and `purpose` are for people, `calls` is a rate per person.

    `overrides` are by the server's own tool names, without the namespace.
    """

    name: str
    title: str
    purpose: str = ""
    call_seconds: float = 60.0
    start_seconds: float = 30.0
    largest_bytes: int = 4 * 1024 * 1024
    calls: str | None = None
    overrides: Mapping[str, Override] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StdioServer(Common):
    """A program that is started here: `command` is an absolute path, `cwd` where it runs.

    `env` is all that the file names; `search_path` is the PATH by which the command was
    found. `shared` says that it keeps no state, so that several processes may each run one;
    `per_person` that each person gets one, at most `most_processes`, ended after `idle_seconds`.
    """

    command: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: Path = Path()
    search_path: str = ""
    shared: bool = False
    per_person: bool = False
    most_processes: int = 20
    idle_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class HttpServer(Common):
    """A server that is reached at `url`; with `assertion` it is told who asks, signed by us."""

    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    assertion: bool = False


Server: TypeAlias = StdioServer | HttpServer
