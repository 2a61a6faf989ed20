"""A gateway over the kept servers of `real_servers`, people who reach it, and its processes."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client

from okta_mcp.rbac import policy_file
from tests.vocabulary.mcp_clients import sdk_client
from tests.vocabulary.over_stdio import over_stdio
from tests.vocabulary.processes import ServerProcess, free_port, running_sandbox, running_server
from tests.vocabulary.real_servers import POLICY, write_entries

SHIPPED = Path(policy_file.__file__).with_name("default_policy.toml")


@dataclass
class Place:
    """The running gateway, its file, and where logins through the bridge are kept."""

    server: ServerProcess
    mcp_json: Path
    logins: Path

    def is_told(self, text: str) -> bool:
        """Whether its log says so."""
        return text in self.server.log_file.read_text()

    @property
    def processes(self) -> dict[int, str]:
        """All that it has started and that those have, with their command lines."""
        found: dict[int, str] = {}
        waiting = [self.server.process.pid]
        while waiting:
            for child in _children(waiting.pop()):
                found[child] = _command_line(child)
                waiting.append(child)
        return found

    def programs(self, word: str) -> list[int]:
        """The processes whose command names `word`, without the launchers and shells above them."""
        above = ("stdio_launcher", "mktemp")
        return [
            pid
            for pid, line in self.processes.items()
            if word in line and not any(each in line for each in above)
        ]


@contextmanager
def running_place(home: Path, servers: Mapping[str, Any], **environment: str) -> Iterator[Place]:
    """A gateway over `servers`, behind the policy of `real_servers`; none of them need be up."""
    port = free_port()
    policy, mcp_json = home / "policy.toml", home / "mcp.json"
    policy.write_text(SHIPPED.read_text() + POLICY)
    write_entries(mcp_json, servers)
    with running_sandbox(f"http://localhost:{port}") as sandbox:
        settings = sandbox.settings_for_server() | {
            "POLICY_FILE": str(policy),
            "MCP_CONFIG": str(mcp_json),
            "RATE_TOOL_CALLS": "100000/minute",
            "RATE_TOOL_CALLS_PER_TOOL": "100000/minute",
        }
        with running_server(home, port, settings | environment) as server:
            yield Place(server, mcp_json, home / "logins")


@asynccontextmanager
async def reached(place: Place, person: str, way: str = "auto") -> AsyncIterator[Client]:
    """A real client with the login of `person`: in a mode of the SDK, or through the bridge."""
    url = place.server.mcp_url
    if way == "bridge":
        async with over_stdio(url, place.logins / person, person=person) as (client, _):
            yield client
        return
    async with sdk_client(url, person, mode=way) as client:
        yield client


def text_of(result: Any) -> str:
    """The text that a tool answers."""
    return str(result.content[0].text)


def _children(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(each) for each in listed.split()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
