"""Where a server behind the gateway is: its program, its address, the headers that it is sent.

Called by `configuration.py` for texts whose variables are filled in; what is wrong goes to `note`,
and never with a value in it.
"""

import ipaddress
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# RFC 9110 section 5.5 without obs-text.
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
# The transport sets these itself, so the file's would be lost, or break the connection.
_TRANSPORTS_OWN = frozenset(
    "accept connection content-length content-type host keep-alive mcp-protocol-version"
    " mcp-session-id te trailer transfer-encoding upgrade".split()
)

Note = Callable[[str, str], None]


def checked_command(at: str, command: str, cwd: Path, search_path: str, note: Note) -> str:
    """The absolute path of the program; a relative path counts from `cwd`."""
    if "/" in command:
        found = shutil.which(str(cwd / Path(command).expanduser()))
    else:
        found = shutil.which(command, path=search_path)
    if found is None:
        note(at, "there is no such program; install it, correct PATH, or give its full path")
        return ""
    return str(Path(found).absolute())


def checked_url(at: str, url: str, note: Note) -> None:
    """An absolute https URL, or plain http on this computer."""
    try:
        parts = urlsplit(url)
        is_absolute = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_absolute = False
    if not is_absolute or parts.scheme not in ("http", "https") or re.search(r"[\s\x00-\x1f]", url):
        note(at, "must be an absolute https URL, such as https://mcp.example.com/mcp")
    elif parts.username is not None or parts.password is not None:
        note(at, "holds a name or password; give them in headers, as Authorization: ${VAR}")
    elif parts.fragment:
        note(at, "has a fragment (#), which no server sees; take it away")
    elif parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        note(at, "must be https; plain http is for servers on this computer")


def checked_headers(at: str, headers: Mapping[str, str], note: Note) -> None:
    """Names and values that HTTP can carry, and none that the transport sets."""
    seen: set[str] = set()
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            note(f"{at}.{name}", "is no name of a header")
        elif name.lower() in _TRANSPORTS_OWN:
            note(f"{at}.{name}", "is set by the gateway itself; take it away")
        elif name.lower() in seen:
            note(
                f"{at}.{name}", "is given before, in other letters; headers do not tell them apart"
            )
        elif value and not _VALUE.fullmatch(value):
            note(f"{at}.{name}", "holds a character that no header can carry, such as a line end")
        seen.add(name.lower())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
