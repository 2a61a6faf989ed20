"""`okta-mcp store check`, `stats`, `backup` and `restore`: the store as a whole, from outside.

Servers may run, except while a store is restored. Nothing here needs Okta, and no value is ever
printed. Exit status: 0 done or in order, 1 a fault was found or the restore was refused, 2 the
store or the file could not be used.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click

from okta_mcp.settings import Settings, SettingsError, load_settings
from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.memory import MemoryStore
from okta_mcp.stores.opening import opened_store, opened_upkeep
from okta_mcp.stores.records import SAFE_TO_BRING_BACK, Records, Repository
from okta_mcp.stores.resealing import RefreshTokens, Sealed, refresh_tokens_of, sealed_values
from okta_mcp.stores.sealing import NotSealedHereError, Sealer
from okta_mcp.stores.sqlite_upkeep import entries_of_backup
from okta_mcp.stores.upkeep import Entry, Upkeep

IN_ORDER, REFUSED, UNUSABLE = 0, 1, 2


@dataclass(slots=True)
class _Counted:
    """What lives of one kind; `bytes` are those of keys and values, without the backend's own."""

    live: int = 0
    bytes: int = 0
    first_end: float = float("inf")
    expired: int = 0


def check(env_file: Path) -> int:
    """Print every fault of the store; the exit status."""
    return _run(env_file, _check)


def stats(env_file: Path) -> int:
    """Print what the store holds, kind by kind; the exit status."""
    return _run(env_file, _stats)


def backup(env_file: Path, file: Path) -> int:
    """Write a copy of the store to a new file; the exit status."""

    async def write(upkeep: Upkeep, _settings: Settings) -> int:
        await upkeep.copy_to(file)
        kinds = Counter(entry.kind for entry in entries_of_backup(file))
        click.echo(f"{file}: {_listed(kinds)}")
        return IN_ORDER

    return _run(env_file, write)


def restore(env_file: Path, file: Path, *, replace: bool, with_access: bool) -> int:
    """Bring back what a backup holds; the exit status."""

    async def write(upkeep: Upkeep, _settings: Settings) -> int:
        there = [entry async for entry in upkeep.entries() if _is_alive(entry)]
        if there and not replace:
            click.echo(
                f"the store is not empty: {_listed(Counter(entry.kind for entry in there))}."
                " Name an empty store, or say --replace to delete what is there.",
                err=True,
            )
            return REFUSED
        left_out: Counter[str] = Counter()
        brought: Counter[str] = Counter()
        chosen = _chosen(file, with_access=with_access, brought=brought, left_out=left_out)
        # All is read before the first write: a damaged file changes nothing.
        await upkeep.load(list(chosen), replace=replace)
        click.echo(f"brought back: {_listed(brought)}")
        if left_out:
            click.echo(f"left out: {_listed(left_out)}")
        if with_access:
            click.echo(
                "Access is as it was when the backup was made: what was ended since then works"
                " again. End it again, or restore without --with-access."
            )
        return IN_ORDER

    return _run(env_file, write, creates=True)


def _chosen(
    file: Path, *, with_access: bool, brought: Counter[str], left_out: Counter[str]
) -> Iterator[Entry]:
    """What of a backup may live again: never what has expired, nor what nobody here knows."""
    for entry in entries_of_backup(file):
        if entry.expires_at <= time.time():
            left_out["expired"] += 1
        elif entry.kind in SAFE_TO_BRING_BACK or (with_access and _is_alive(entry)):
            brought[entry.kind] += 1
            yield entry
        else:
            left_out[entry.kind] += 1


def _is_alive(entry: Entry) -> bool:
    """Whether it is of a kind that is known here, and has not expired."""
    return entry.kind in _repositories() and entry.expires_at > time.time()


@cache
def _repositories() -> Mapping[str, Repository[Any]]:
    """The kinds that there are, without a store."""
    return Records(MemoryStore(time.time)).repositories


def _run(
    env_file: Path,
    work: Callable[[Upkeep, Settings], Awaitable[int]],
    *,
    creates: bool = False,
) -> int:
    async def run(settings: Settings) -> int:
        if creates and not settings.store.startswith("memory:"):
            await opened_store(settings.store, settings.store_prefix, time.time).close()
        upkeep = opened_upkeep(settings.store, settings.store_prefix, time.time)
        try:
            return await work(upkeep, settings)
        finally:
            await upkeep.close()

    try:
        return asyncio.run(run(load_settings(env_file=env_file)))
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
    except StoreUnavailableError as error:
        click.echo(str(error), err=True)
    return UNUSABLE


async def _check(upkeep: Upkeep, settings: Settings) -> int:
    findings = await upkeep.findings()
    faults = list(findings.faults)
    for fault in faults:
        # At once: of a damaged file the rest may not be readable at all.
        click.echo(f"fault: {fault}", err=True)
    judged = _Judged(Sealer(settings.session_secrets, "sealing"))
    async for entry in upkeep.entries():
        judged.look_at(entry)
    await judged.open_waiting(upkeep)
    for fault in judged.faults():
        click.echo(f"fault: {fault}", err=True)
        faults.append(fault)
    for note in [*findings.notes, *judged.notes()]:
        click.echo(f"note: {note}")
    if faults:
        return REFUSED
    click.echo(f"in order: {_listed(judged.live)}")
    return IN_ORDER


class _Judged:
    """What a walk through all values finds."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._repositories = _repositories()
        self._waiting: list[Sealed] = []
        self._not_current = self._expired = 0
        self._unopened: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self.live: Counter[str] = Counter()

    def look_at(self, entry: Entry) -> None:
        """Whether the value is a record of its kind, and what is sealed in it opens."""
        if entry.expires_at <= time.time():
            self._expired += 1
            return
        self.live[entry.kind] += 1
        repository = self._repositories.get(entry.kind)
        if repository is not None and not repository.is_readable(entry.value):
            self._unreadable[entry.kind] += 1
            return
        for sealed in sealed_values(entry):
            self._not_current += not self._sealer.is_current(sealed.text)
            if entry.kind == "grants":
                self._waiting.append(sealed)
            else:
                self._open(sealed, {})

    async def open_waiting(self, upkeep: Upkeep) -> None:
        """The answers of grants, which open only by the refresh tokens that they answered."""
        tokens = await refresh_tokens_of(upkeep, {each.entry.key for each in self._waiting})
        for sealed in self._waiting:
            self._open(sealed, tokens)

    def faults(self) -> Iterator[str]:
        """A line each."""
        for kind, count in sorted(self._unreadable.items()):
            yield f"{kind}: {count} values are no records and count as absent"
        for kind, count in sorted(self._unopened.items()):
            yield (
                f"{kind}: {count} sealed values open with none of the secrets of"
                " SESSION_SECRET_KEY; if one was dropped too early, put it back at the end"
            )
        for kind, count in sorted(self.live.items()):
            repository = self._repositories.get(kind)
            if repository is not None and count > repository.kind.bound:
                yield f"{kind}: {count} live, and at most {repository.kind.bound} may be"

    def notes(self) -> Iterator[str]:
        """A line each."""
        if self._not_current:
            yield (
                f"{self._not_current} values are sealed with an earlier secret;"
                " run: okta-mcp keys rotate"
            )
        if self._expired:
            yield f"{self._expired} values have expired; a server deletes them within minutes"

    def _open(self, sealed: Sealed, tokens: RefreshTokens) -> None:
        try:
            sealed.opened(self._sealer, tokens)
        except NotSealedHereError:
            self._unopened[sealed.entry.kind] += 1


async def _stats(upkeep: Upkeep, _settings: Settings) -> int:
    counted: dict[str, _Counted] = {}
    async for entry in upkeep.entries():
        kind = counted.setdefault(entry.kind, _Counted())
        if entry.expires_at <= time.time():
            kind.expired += 1
            continue
        kind.live += 1
        kind.bytes += len(entry.key.encode()) + len(entry.value)
        kind.first_end = min(kind.first_end, entry.expires_at)
    repositories = _repositories()
    rows = [("kind", "live", "bound", "bytes", "first end (UTC)", "expired")]
    for name in sorted({*counted, *repositories}):
        kind, repository = counted.get(name, _Counted()), repositories.get(name)
        bound = str(repository.kind.bound) if repository else "-"
        numbers = (str(kind.live), bound, str(kind.bytes))
        rows.append((name, *numbers, _moment(kind.first_end), str(kind.expired)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        click.echo("  ".join((row[0].ljust(widths[0]), *cells)))
    return IN_ORDER


def _moment(epoch_seconds: float) -> str:
    if epoch_seconds == float("inf"):
        return "-"
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
