"""Where the server writes: the store and the audit trail, neither of which is made here."""

import os
import secrets
from pathlib import Path

from okta_mcp.audit.trail import AuditFileError, BrokenChainError, FileTrail
from okta_mcp.doctor.subject import Subject
from okta_mcp.doctor.verdict import Verdict, failed, ok, warning
from okta_mcp.settings import Settings
from okta_mcp.stores.interface import Kind, Store, StoreFullError, StoreUnavailableError
from okta_mcp.stores.opening import opened_store, opened_upkeep

_PROBE = Kind("doctor", 16)
_PROBE_SECONDS = 30.0
_SQLITE = "sqlite:///"


async def store(subject: Subject) -> list[Verdict]:
    """Whether it can be reached, read and written, and its structures agree."""
    settings = subject.settings
    if settings.store.startswith("memory:"):
        return [ok("in memory: a restart forgets everything")]
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        return [_of_folder(file, "STORE_URL or DB_PATH")]
    try:
        opened = opened_store(settings.store, settings.store_prefix, subject.now)
        try:
            await _written_and_read(opened)
        finally:
            await opened.close()
        upkeep = opened_upkeep(settings.store, settings.store_prefix, subject.now)
        try:
            findings = await upkeep.findings()
        finally:
            await upkeep.close()
    except (StoreUnavailableError, StoreFullError) as error:
        return [failed(str(error), "correct STORE_URL, or bring the store back")]
    more = "okta-mcp store check looks at every value"
    if findings.faults:
        return [failed(fault, more) for fault in findings.faults]
    return [ok(f"{'; '.join(findings.notes)}; {more}")]


async def audit(subject: Subject) -> list[Verdict]:
    """Whether the trail can be written, and ends with a line of a trail."""
    target = subject.settings.audit_log
    if target == "-":
        return [ok("standard output; whoever starts the server keeps it")]
    return [_of_trail(Path(target))]


def _of_trail(path: Path) -> Verdict:
    if not path.exists():
        return _of_folder(path, "AUDIT_LOG")
    try:
        FileTrail(path).close()
    except AuditFileError as error:
        return failed(str(error), "set AUDIT_LOG to a file that this user can write")
    except BrokenChainError as error:
        return failed(str(error), "move the file away, keep it, and start again")
    if path.stat().st_mode & 0o077:
        return warning(f"{path}: others can read it", f"run: chmod 600 {path}")
    return ok(f"{path} can be written; okta-mcp audit verify {path} checks every line")


async def _written_and_read(opened: Store) -> None:
    """One value there and back; raises what the store raises."""
    key, value = secrets.token_hex(8), b"{}"
    await opened.put(_PROBE, key, value, ttl_seconds=_PROBE_SECONDS)
    if await opened.take(_PROBE, key) != value:
        raise StoreUnavailableError("what was written could not be read again")


def _sqlite_file(settings: Settings) -> Path | None:
    is_file = settings.store.startswith(_SQLITE)
    return Path(settings.store.removeprefix(_SQLITE)) if is_file else None


def _of_folder(file: Path, variable: str) -> Verdict:
    """Of a file that is not there yet: whether the server can make it."""
    folder = file.absolute().parent
    if not folder.is_dir():
        return failed(f"{folder}: no such folder", f"make the folder, or correct {variable}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return failed(
            f"{folder}: this user cannot write there",
            f"let the server's user write there, or correct {variable}",
        )
    return ok(f"{file} is not there yet; the server makes it at its first start")
