"""One entry in the JSON file of an assistant, and everything else in it as it was.

Called by `connect.py`. A file that is not plain JSON (some editors allow comments) is not touched:
what could not be read could not be written again either. The old file stays beside the new one.
"""

import contextlib
import json
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from okta_mcp.client.errors import WrongUsageError

_LARGEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """`backup` is the copy of the old file, None where there was none; `changed` whether at all."""

    changed: bool
    backup: Path | None


def snippet(section: str, name: str, entry: dict[str, Any]) -> str:
    """The file as it would be with this entry alone."""
    return json.dumps({section: {name: entry}}, indent=2, ensure_ascii=False)


def write_entry(
    path: Path, section: str, name: str, entry: dict[str, Any], *, replace: bool
) -> Written:
    """Put `entry` under `name` into the `section` of the file at `path`, in one step.

    Raises:
        WrongUsageError: the file cannot be read, is not a JSON object, has another entry of that
            name and `replace` is False, or cannot be written. Nothing is changed then.
    """
    try:
        # Settings are often links into a folder that is kept elsewhere; the link stays one.
        path = path.resolve()
        old = _read(path)
        document = _document(path, old)
        servers = document.setdefault(section, {})
        if not isinstance(servers, dict):
            raise WrongUsageError(
                f'{path}: "{section}" is not an object; put the entry in by hand.'
            )
        if servers.get(name) == entry:
            return Written(changed=False, backup=None)
        if name in servers and not replace:
            raise WrongUsageError(
                f"{path} has another entry named {name!r}; nothing was changed. Take another name"
                " with --name, or replace it with --replace."
            )
        servers[name] = entry
        return Written(changed=True, backup=_replaced(path, old, document))
    except (OSError, RuntimeError) as error:
        # RuntimeError: a link that leads to itself.
        reason = error.strerror if isinstance(error, OSError) else "a link that leads to itself"
        raise WrongUsageError(
            f"{path} cannot be written ({reason}); put the entry in by hand."
        ) from error


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(content) > _LARGEST_BYTES:
        raise WrongUsageError(
            f"{path} is too large to be a configuration; put the entry in by hand."
        )
    return content


def _document(path: Path, content: bytes | None) -> dict[str, Any]:
    if content is None or not content.strip():
        return {}
    try:
        document = json.loads(content, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise WrongUsageError(
            f"{path} is not plain JSON (comments and trailing commas would be lost), so nothing"
            " was changed. Put the entry in by hand."
        )
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members with one name, writing would lose one."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name appears twice")
    return members


def _replaced(path: Path, old: bytes | None, document: dict[str, Any]) -> Path | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=_indent(old), ensure_ascii=False) + "\n"
    backup = _kept(path, old) if old is not None else None
    # Other entries may hold secrets: as private as the file was, and private if it is new.
    mode = stat.S_IMODE(path.stat().st_mode) if old is not None else 0o600
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return backup


def _kept(path: Path, content: bytes) -> Path:
    """A copy of the old file under the first free name; no backup is ever overwritten."""
    mode = stat.S_IMODE(path.stat().st_mode)
    for number in range(1, 1000):
        backup = path.with_name(f"{path.name}.backup{number}")
        try:
            descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        return backup
    raise WrongUsageError(f"{path} has a thousand backups beside it; delete some of them.")


def _indent(old: bytes | None) -> int | str:
    """The file's own indentation: that of its first member."""
    for line in (old or b"").splitlines()[1:]:
        text = line.decode(errors="replace")
        if text.strip():
            margin = text[: len(text) - len(text.lstrip())]
            return "\t" if margin.startswith("\t") else len(margin) or 2
    return 2
