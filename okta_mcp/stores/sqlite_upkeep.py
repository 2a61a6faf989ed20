"""The upkeep of an SQLite store, and the file of a backup, which is an SQLite store of its own.

Connections of its own beside those of running servers: a copy is of one moment (SQLite's backup
API), and a load is one transaction, so that no server ever sees half of it.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

from okta_mcp.stores.interface import StoreUnavailableError
from okta_mcp.stores.sqlite import check_layout, connected, layout_of, migrate, unusable
from okta_mcp.stores.upkeep import Entry, Findings

_ROWS_AT_ONCE = 500
_WRITE = (
    "INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (kind, key)"
    " DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)


class SqliteUpkeep:
    """Implements `Upkeep` for a file that exists. `now` gives epoch seconds."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        if not path.is_file():
            raise StoreUnavailableError(
                f"{path}: no such file; a server makes it at its first start, see STORE_URL"
            )
        self._path = path
        self._now = now
        with _told(path):
            self._database = connected(path)

    async def entries(self) -> AsyncIterator[Entry]:
        last = ("", "")
        while True:
            with _told(self._path):
                rows = self._database.execute(
                    "SELECT kind, key, value, expires_at FROM entries WHERE (kind, key) > (?, ?)"
                    " ORDER BY kind, key LIMIT ?",
                    (*last, _ROWS_AT_ONCE),
                ).fetchall()
            for row in rows:
                yield Entry(*row)
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1][:2]

    async def load(self, entries: Iterable[Entry], *, replace: bool) -> int:
        with _told(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                if replace:
                    self._database.execute("DELETE FROM entries")
                written = insert(self._database, entries)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        return written

    async def copy_to(self, path: Path) -> None:
        with new_backup(path) as target:
            self._database.backup(target)
            migrate(target, path)
            target.execute("DELETE FROM entries WHERE expires_at <= ?", (self._now(),))

    async def findings(self) -> Findings:
        faults = list(_file_faults(self._path))
        with _told(self._path):
            layout = layout_of(self._database)
            check_layout(layout, self._path)
            found = self._database.execute("PRAGMA integrity_check(20)").fetchall()
            faults += [f"{self._path}: {row[0]}" for row in found if row[0] != "ok"]
            self._database.execute("BEGIN")
            counted = dict(
                self._database.execute("SELECT kind, count(*) FROM entries GROUP BY kind")
            )
            kept = dict(self._database.execute("SELECT kind, entries FROM counts WHERE entries"))
            self._database.execute("COMMIT")
        faults += [
            f"{kind}: the counter says {kept.get(kind, 0)}, there are {counted.get(kind, 0)}"
            for kind in sorted({*counted, *kept})
            if counted.get(kind, 0) != kept.get(kind, 0)
        ]
        return Findings(tuple(faults), (f"{self._path}: layout {layout}",))

    async def close(self) -> None:
        self._database.close()


@contextlib.contextmanager
def new_backup(path: Path) -> Iterator[sqlite3.Connection]:
    """A store with nothing in it that becomes `path`, its owner's alone, once it is complete.

    Raises `StoreUnavailableError`, also where there is a file already.
    """
    part = path.with_name(path.name + ".part")
    with _told(path):
        if path.exists():
            raise StoreUnavailableError(f"{path}: is there already; name a new file")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as database:
                migrate(database, path)
                yield database
                # One file that can be carried away, with nothing beside it and no room in it.
                database.execute("PRAGMA journal_mode = DELETE")
                database.execute("VACUUM")
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)


def insert(database: sqlite3.Connection, entries: Iterable[Entry]) -> int:
    """Write them in the transaction that runs; how many."""
    written = 0
    for each in entries:
        database.execute(_WRITE, (each.kind, each.key, each.value, each.expires_at))
        written += 1
    return written


def entries_of_backup(path: Path) -> Iterator[Entry]:
    """What is in the file of a backup, of this or an earlier layout; the file is not changed.

    Raises `StoreUnavailableError` where it is no backup, or damaged.
    """
    if not path.is_file():
        raise StoreUnavailableError(f"{path}: no such file; name one that store backup has written")
    with _told(path), contextlib.ExitStack() as opened:
        source = opened.enter_context(contextlib.closing(_read_only(path)))
        layout = layout_of(source)
        damages = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if layout == 0 or damages != "ok":
            what = "not a backup of this server" if layout == 0 else f"damaged ({damages})"
            raise StoreUnavailableError(f"{path}: {what}; name another file")
        memory = opened.enter_context(
            contextlib.closing(sqlite3.connect(":memory:", isolation_level=None))
        )
        source.backup(memory)
        migrate(memory, path)
        for row in memory.execute("SELECT kind, key, value, expires_at FROM entries"):
            yield Entry(*row)


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _file_faults(path: Path) -> Iterator[str]:
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o077:
            yield f"{each}: other users of this computer can read it; run: chmod 600 {each}"
    folder = path.absolute().parent
    if stat.S_IMODE(folder.stat().st_mode) & 0o022:
        yield f"{folder}: other users can put files in the place of it; run: chmod 700 {folder}"


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error
