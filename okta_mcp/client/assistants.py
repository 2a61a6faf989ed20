"""The assistants that `okta-mcp connect` knows: what each wants to be told, and in which file.

Called by `connect.py`. Files and forms are those of each assistant's own documentation (November
2026). An entry holds a URL or a command and never a token: every assistant logs in by itself.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a person's files are: at home, in the system's place for settings, in this folder.

    `bridge` is the command, with its first arguments, that starts the bridge on this machine, and
    `checkout` the folder that Python must know for it where the project is not installed.
    """

    home: Path
    settings: Path
    folder: Path
    bridge: tuple[str, ...]
    checkout: Path | None = None


@dataclass(frozen=True, slots=True)
class Assistant:
    """`section` is the member of the file that holds the servers by name.

    `other_way` says how to do it without a file, and `afterwards` what the person does then.
    """

    title: str
    file: Callable[[Machine], Path]
    section: str
    entry: Callable[[str, Machine], Entry]
    afterwards: str
    other_way: Callable[[str, str, Entry], str | None] = lambda _name, _url, _entry: None


def _http(url: str, _: Machine) -> Entry:
    return {"type": "http", "url": url}


def _vscode_link(name: str, _: str, entry: Entry) -> str:
    text = json.dumps({"name": name} | entry, separators=(",", ":"))
    return f"Or open this link: vscode:mcp/install?{quote(text, safe='')}"


def _bridged(url: str, machine: Machine) -> Entry:
    program, *words = machine.bridge
    entry: Entry = {"command": program, "args": [*words, "bridge", url]}
    if machine.checkout is not None:
        entry["env"] = {"PYTHONPATH": str(machine.checkout)}
    return entry


def _claude_command(name: str, url: str) -> str:
    """To be pasted into a shell, which must take both as they are."""
    return shlex.join(["claude", "mcp", "add", "--transport", "http", name, url])


def _connector(_name: str, url: str, _entry: Entry) -> str | None:
    if not url.startswith("https:"):
        return None
    return (
        "If the URL can be reached from the internet, no file is needed: in Claude, Settings,"
        f" Connectors, Add custom connector, and paste {url}"
    )


ASSISTANTS: Mapping[str, Assistant] = {
    "vscode": Assistant(
        "VS Code",
        lambda machine: machine.settings / "Code" / "User" / "mcp.json",
        "servers",
        _http,
        "In VS Code, run the command MCP: List Servers and start the server; the browser opens.",
        _vscode_link,
    ),
    "cursor": Assistant(
        "Cursor",
        lambda machine: machine.home / ".cursor" / "mcp.json",
        "mcpServers",
        lambda url, _: {"url": url},
        "In Cursor, open Settings, MCP, and press Connect at the server; the browser opens.",
    ),
    "claude-desktop": Assistant(
        "Claude Desktop",
        lambda machine: machine.settings / "Claude" / "claude_desktop_config.json",
        "mcpServers",
        _bridged,
        "Quit Claude Desktop wholly and start it again; the browser opens.",
        _connector,
    ),
    "claude-code": Assistant(
        "Claude Code",
        # The file of the person also holds Claude Code's own state; a project's holds servers only.
        lambda machine: machine.folder / ".mcp.json",
        "mcpServers",
        _http,
        "In Claude Code, in this folder, type /mcp and log in; the browser opens.",
        lambda name, url, _: f"Or for all folders: {_claude_command(name, url)}",
    ),
    "windsurf": Assistant(
        "Windsurf",
        lambda machine: machine.home / ".codeium" / "windsurf" / "mcp_config.json",
        "mcpServers",
        lambda url, _: {"serverUrl": url},
        "In Windsurf's Cascade panel, press the plug, then Refresh; the browser opens.",
    ),
}
