"""The kept servers of pinned_clients.py behind the gateway: their tools, and who is given what.

`TOOLS` has every tool that they have for a client that only calls, with arguments that work;
`GIVEN` is what `POLICY` must come to for each person, written out, so that neither is derived from
the other.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.vocabulary.client_environments import Environments

VIEWER, SECURITY_ADMIN, SUPER_ADMIN = "Hana Novak", "Sami Korhonen", "Nora Lind"
SCRIPT_OF_FILES = "@modelcontextprotocol/server-filesystem"
SCRIPT_OF_EVERYTHING = "@modelcontextprotocol/server-everything"
LINE = "the first line of the note"
_GZIP = "data:text/plain;base64," + base64.b64encode(LINE.encode()).decode()
_EDIT = {"oldText": LINE, "newText": "another line"}

# By server and tool; `{folder}` is the folder of the filesystem server, as `prepared` leaves it.
TOOLS: Mapping[str, Mapping[str, dict[str, Any]]] = {
    "time": {
        "get_current_time": {"timezone": "Asia/Tokyo"},
        "convert_time": {
            "source_timezone": "Asia/Tokyo",
            "time": "12:00",
            "target_timezone": "Europe/Berlin",
        },
    },
    "files": {
        "read_file": {"path": "{folder}/note.txt"},
        "read_text_file": {"path": "{folder}/note.txt"},
        "read_media_file": {"path": "{folder}/dot.png"},
        "read_multiple_files": {"paths": ["{folder}/note.txt"]},
        "write_file": {"path": "{folder}/written.txt", "content": "new"},
        "edit_file": {"path": "{folder}/note.txt", "edits": [_EDIT], "dryRun": True},
        "create_directory": {"path": "{folder}/made"},
        "list_directory": {"path": "{folder}"},
        "list_directory_with_sizes": {"path": "{folder}"},
        "directory_tree": {"path": "{folder}"},
        "move_file": {"source": "{folder}/movable.txt", "destination": "{folder}/moved.txt"},
        "search_files": {"path": "{folder}", "pattern": "*.txt"},
        "get_file_info": {"path": "{folder}/note.txt"},
        "list_allowed_directories": {},
    },
    "everything": {
        "echo": {"message": "hello"},
        "get-annotated-message": {"messageType": "success"},
        "get-env": {},
        "get-resource-links": {"count": 2},
        "get-resource-reference": {"resourceType": "Text", "resourceId": 1},
        "get-structured-content": {"location": "Chicago"},
        "get-sum": {"a": 2, "b": 3},
        "get-tiny-image": {},
        "gzip-file-as-resource": {"name": "note.gz", "data": _GZIP, "outputType": "resource"},
        "toggle-simulated-logging": {},
        "toggle-subscriber-updates": {},
        "trigger-long-running-operation": {"duration": 0.2, "steps": 2},
    },
    "sqlite": {
        "create_table": {"query": "CREATE TABLE IF NOT EXISTS notes (text TEXT)"},
        "write_query": {"query": "INSERT INTO notes VALUES ('mine')"},
        "read_query": {"query": "SELECT * FROM notes"},
        "list_tables": {},
        "describe_table": {"table_name": "notes"},
        "append_insight": {"insight": "an insight"},
    },
}
# For clients that can be asked or run tasks. This server does neither, so they are not there.
NOT_OFFERED = (
    "simulate-research-query",
    "trigger-sampling-request",
    "trigger-elicitation-request",
    "trigger-url-elicitation",
    "get-roots-list",
)

POLICY = """
[servers.time]
role = "viewer"

[[servers.files]]
role = "security-admin"
tools = ["read_*", "list_*", "search_files"]
deny = ["read_media_*"]

[[servers.files]]
roles = ["super-admin"]
deny = ["move_file"]

[[servers.everything]]
role = "viewer"
tools = ["echo", "get-*"]
resources = ["demo://resource/static/*"]
prompts = ["simple-prompt"]
deny = ["get-env", "*/structure.md"]

[[servers.everything]]
roles = ["super-admin"]

[servers.sqlite]
roles = ["security-admin", "super-admin"]

[servers.late]
role = "viewer"

[servers.clock]
role = "viewer"
"""
_OF_VIEWERS = {
    "echo",
    "get-annotated-message",
    "get-resource-links",
    "get-resource-reference",
    "get-structured-content",
    "get-sum",
    "get-tiny-image",
}
_READING = {
    "read_file",
    "read_text_file",
    "read_multiple_files",
    "list_directory",
    "list_directory_with_sizes",
    "list_allowed_directories",
    "search_files",
}
_CLOCK = {"get_current_time", "convert_time"}
GIVEN: Mapping[str, Mapping[str, set[str]]] = {
    VIEWER: {"time": _CLOCK, "files": set(), "everything": _OF_VIEWERS, "sqlite": set()},
    SECURITY_ADMIN: {
        "time": _CLOCK,
        "files": _READING,
        "everything": _OF_VIEWERS,
        "sqlite": set(TOOLS["sqlite"]),
    },
    SUPER_ADMIN: {
        "time": _CLOCK,
        "files": set(TOOLS["files"]) - {"move_file"},
        "everything": set(TOOLS["everything"]),
        "sqlite": set(TOOLS["sqlite"]),
    },
}


def shown_tools(person: str) -> set[str]:
    """The names that `person` is to see."""
    return {f"{server}_{tool}" for server, tools in GIVEN[person].items() for tool in tools}


def arguments_of(server: str, tool: str, folder: Path) -> dict[str, Any]:
    """Arguments that work, in a folder that `prepared` has just left."""
    filled = json.dumps(TOOLS[server][tool]).replace("{folder}", str(folder))
    return dict(json.loads(filled))


def prepared(folder: Path) -> Path:
    """`folder` with the files that the arguments name."""
    folder.mkdir(exist_ok=True)
    for name in ("note.txt", "movable.txt"):
        (folder / name).write_text(f"{LINE}\n")
    (folder / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def entries(environments: Environments, folder: Path, **own: Any) -> dict[str, Any]:
    """The `mcpServers` of the four; `own` are further keys for the sqlite server.

    It has no state but its file and its memory, so each process makes a file and takes it away.
    """

    def entry(package: str, *arguments: str, **keys: Any) -> dict[str, Any]:
        command, *first = environments.server(package)
        return {"command": command, "args": [*first, *arguments], "okta_mcp": keys}

    [sqlite] = environments.server("mcp-server-sqlite")
    script = f'd=$(mktemp -d) && "{sqlite}" --db-path "$d/own.db"; rm -r "$d"'
    return {
        "time": entry("mcp-server-time", "--local-timezone", "Europe/Berlin", title="Time"),
        "files": entry(SCRIPT_OF_FILES, str(folder), title="Cases", purpose="files of cases"),
        "everything": entry(SCRIPT_OF_EVERYTHING, title="Everything", call_seconds=20),
        "sqlite": {
            "command": "sh",
            "args": ["-c", script],
            "okta_mcp": {"title": "Notes", "per_person": True, **own},
        },
    }


def write_entries(mcp_json: Path, servers: Mapping[str, Any]) -> None:
    """The file as the gateway reads it, whole at every moment."""
    beside = mcp_json.with_suffix(".new")
    beside.write_text(json.dumps({"mcpServers": servers}))
    beside.replace(mcp_json)
