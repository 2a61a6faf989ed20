"""`mcp.json`: reads the usual `mcpServers` file and says everything that is wrong with it at once.

`servers_of` is called at the start, on SIGHUP, by the doctor and by `policy check`; docs/gateway.md
describes the form. Whoever writes the file decides what runs here, so a file that others may write
is refused unread, and one that others may read if it holds secrets. A problem names the path in
the file, the reason and the fix, and never a value: any of them may be a secret.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from okta_mcp.gateway.expansion import ExpansionError, expanded, has_literal
from okta_mcp.gateway.own_keys import own_values
from okta_mcp.gateway.places import checked_command, checked_headers, checked_url
from okta_mcp.gateway.servers import HttpServer, Override, Server, StdioServer
from okta_mcp.rbac.limits import suggestion
from okta_mcp.rbac.owned_file import TooLargeError, WritableByOthersError, owned_bytes
from okta_mcp.rbac.positions import UnreadableTextError, json_document

__all__ = ["ConfigurationError", "HttpServer", "Override", "Server", "StdioServer", "servers_of"]

LARGEST_BYTES = 256 * 1024
MOST_SERVERS = 64

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")

_STDIO_KEYS = ("command", "args", "env", "cwd")
_HTTP_KEYS = ("url", "headers")
# Of the usual clients: what they mean by them is for a client, and nothing here depends on it.
_FOREIGN_KEYS = tuple(
    "type transport disabled timeout description icon trust autoApprove alwaysAllow"
    " keep_alive".split()
)
_KEYS = (*_STDIO_KEYS, *_HTTP_KEYS, *_FOREIGN_KEYS, "okta_mcp")
_HTTP_TYPES = ("http", "streamable-http", "streamableHttp")
# What clients know and what would mislead if it were passed over in silence.
_REFUSED_KEYS = {
    "envFile": "is not read; name the values in env as ${VAR}, and give --env-file to this server",
    "auth": "is not done; give the server's own credential in headers as ${VAR}",
    "oauth": "is not done; give the server's own credential in headers as ${VAR}",
    **dict.fromkeys(
        ("includeTools", "excludeTools", "disabledTools", "include_tags", "exclude_tags"),
        "decides nothing here; say it in [servers] of the policy file, with tools and deny",
    ),
}
_TOP_KEYS = {
    "servers": "is VS Code's name for it; call it mcpServers",
    "inputs": "asks a person, and nobody is asked here; write ${VAR}, and set the variable",
}

# Notes what is wrong at a place in the file, such as `mcpServers.time.args[1]`.
Note = Callable[[str, str], None]


class ConfigurationError(Exception):
    """The file cannot be used; `problems` holds a printable line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def servers_of(
    path: Path, variables: Mapping[str, str], reserved: Iterable[str] = ()
) -> tuple[Server, ...]:
    """The servers of the file that are not disabled, in its order; raises `ConfigurationError`.

    `variables` are those that `${VAR}` may name, with the PATH by which commands are found.
    `reserved` are the names under which this server's own tools, prompts and resources begin.
    """
    problems: list[str] = []
    content = _content(path)
    if not isinstance(content, dict):
        raise ConfigurationError([f'{path}: must be an object: {{"mcpServers": {{...}}}}'])

    def note(at: str, reason: str) -> None:
        problems.append(f"{path}: {at}: {reason}")

    for key in content:
        if key not in ("mcpServers", "$schema"):
            note(key, _TOP_KEYS.get(key, "no such key; beside mcpServers nothing is read here"))
    entries = content.get("mcpServers")
    if not isinstance(entries, dict) or not entries:
        note("mcpServers", 'must be an object with a server: {"time": {"command": "..."}}')
        entries = {}
    if len(entries) > MOST_SERVERS:
        note("mcpServers", f"names {len(entries)} servers; the most is {MOST_SERVERS}")
    if problems == [] and path.stat().st_mode & 0o044 and _holds_literals(entries):
        problems.append(
            f"{path}: other users of this computer can read it, and it holds values of env or"
            f" headers; run: chmod 600 {path}, or write ${{VAR}} in their place"
        )
    read = _Entries(path.absolute().parent, variables, frozenset(reserved), note)
    servers = [read.server(name, given) for name, given in entries.items()]
    if problems:
        raise ConfigurationError(problems)
    return tuple(server for server in servers if server is not None)


def _content(path: Path) -> Any:
    try:
        text = owned_bytes(path, most=LARGEST_BYTES).decode("utf-8-sig")
        return json_document(text).content
    except WritableByOthersError:
        reason = (
            "others than its owner can write it, and with it run any program here; run: chmod go-w"
        )
        raise ConfigurationError([f"{path}: {reason} {path}"]) from None
    except OSError as error:
        example = "Example: MCP_CONFIG=/etc/okta-mcp/mcp.json"
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}. {example}"]) from None
    except TooLargeError:
        raise ConfigurationError([f"{path}: is larger than {LARGEST_BYTES // 1024} KiB"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"{path}: is not UTF-8"]) from None
    except UnreadableTextError as error:
        at = f":{error.line}" if error.line else ""
        raise ConfigurationError([f"{path}{at}: is not JSON: {error.reason}"]) from None


def _holds_literals(entries: Mapping[str, Any]) -> bool:
    """Whether a value that may be a secret stands in the file itself."""
    for given in entries.values():
        if not isinstance(given, dict):
            continue
        values = [
            value
            for key in ("env", "headers")
            if isinstance(given.get(key), dict)
            for value in given[key].values()
        ]
        if any(isinstance(value, str) and has_literal(value) for value in values):
            return True
        args = given.get("args")
        texts = args if isinstance(args, list) else []
        if any(isinstance(text, str) and _PASSWORD_IN_URL.search(text) for text in texts):
            return True
    return False


class _Entries:
    """Reads one entry after the other; what is wrong goes to `note`."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str], reserved: frozenset[str], note: Note
    ) -> None:
        self._folder = folder
        self._variables = variables
        self._reserved = reserved | {"okta"}
        self._note = note

    def server(self, name: str, given: Any) -> Server | None:
        """The server of an entry; None where it is disabled, or of no use because of a problem."""
        at = f"mcpServers.{name}"
        self._check_name(at, name)
        if not isinstance(given, dict):
            self._note(at, "must be an object with command or url")
            return None
        self._check_keys(at, given)
        disabled = given.get("disabled", False)
        if not isinstance(disabled, bool):
            self._note(f"{at}.disabled", "must be true or false")
        if disabled is True:
            return None
        if ("command" in given) == ("url" in given):
            both = "has both command and url" if "url" in given else "has neither command nor url"
            self._note(at, f"{both}; a server is a program (command) or an address (url)")
            return None
        is_http = "url" in given
        self._check_type(at, given.get("type", given.get("transport")), is_http)
        for key in _STDIO_KEYS if is_http else _HTTP_KEYS:
            if key in given:
                self._note(f"{at}.{key}", f"is for a server with {'command' if is_http else 'url'}")
        own = own_values(f"{at}.okta_mcp", given.get("okta_mcp", {}), name, is_http, self._note)
        return self._http(at, name, given, own) if is_http else self._stdio(at, name, given, own)

    def _check_name(self, at: str, name: str) -> None:
        if not _NAME.fullmatch(name):
            near = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:31]
            hint = f'; "{near}" would do' if _NAME.fullmatch(near) else ""
            self._note(
                at,
                "a name is 1 to 31 lower-case letters, digits and hyphens and begins with a letter,"
                f" because the server's tools and its scope bear it{hint}",
            )
        elif name in self._reserved:
            self._note(
                at, f'is how names of this server\'s own begin; call it "my-{name}" or otherwise'
            )

    def _check_keys(self, at: str, given: Mapping[str, Any]) -> None:
        for key in given:
            if key in _REFUSED_KEYS:
                self._note(f"{at}.{key}", _REFUSED_KEYS[key])
            elif key not in _KEYS:
                self._note(f"{at}.{key}", f"no such key{suggestion(key, _KEYS)}")

    def _check_type(self, at: str, kind: Any, is_http: bool) -> None:
        if kind == "sse":
            reason = "the transport of 2024-11-05 is not spoken; give the server's streamable URL"
            self._note(f"{at}.type", reason)
        elif kind is not None and kind not in (_HTTP_TYPES if is_http else ("stdio",)):
            expected = "http, for a server with url" if is_http else "stdio, for one with command"
            self._note(f"{at}.type", f"must be {expected}, or be left out")

    def _stdio(
        self, at: str, name: str, given: Mapping[str, Any], own: Mapping[str, Any]
    ) -> StdioServer:
        env = self._texts(f"{at}.env", given.get("env", {}))
        for key in env:
            if not _VARIABLE.fullmatch(key):
                self._note(f"{at}.env.{key}", "is no name of a variable: letters, digits, _")
        cwd = self._folder / (self._text(f"{at}.cwd", given["cwd"]) if "cwd" in given else "")
        if not cwd.is_dir():
            self._note(f"{at}.cwd", "there is no such folder; make it, or correct the path")
        search_path = env.get("PATH") or self._variables.get("PATH", "")
        command = self._text(f"{at}.command", given["command"])
        if command:
            command = checked_command(f"{at}.command", command, cwd, search_path, self._note)
        args = given.get("args", [])
        if not isinstance(args, list):
            self._note(f"{at}.args", "must be a list of texts")
            args = []
        return StdioServer(
            name=name,
            command=command,
            args=tuple(self._text(f"{at}.args[{index}]", each) for index, each in enumerate(args)),
            env=env,
            cwd=cwd,
            search_path=search_path,
            **own,
        )

    def _http(
        self, at: str, name: str, given: Mapping[str, Any], own: Mapping[str, Any]
    ) -> HttpServer:
        url = self._text(f"{at}.url", given["url"])
        if url:
            checked_url(f"{at}.url", url, self._note)
        headers = self._texts(f"{at}.headers", given.get("headers", {}))
        checked_headers(f"{at}.headers", headers, self._note)
        return HttpServer(name=name, url=url, headers=headers, **own)

    def _texts(self, at: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self._note(at, "must be an object of texts")
            return {}
        return {key: self._text(f"{at}.{key}", each) for key, each in value.items()}

    def _text(self, at: str, value: Any) -> str:
        """A text with its variables filled in; empty where something is wrong with it."""
        if not isinstance(value, str):
            self._note(at, "must be a text, in quotes")
            return ""
        try:
            text = expanded(value, self._variables)
        except ExpansionError as error:
            self._note(at, str(error))
            return ""
        if "\0" in text:
            self._note(at, "holds a NUL character")
            return ""
        return text
