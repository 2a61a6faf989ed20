"""The store in one SQLite file: survives a restart, and serves several processes of one machine.

Reads run where they are asked, on a connection of their own, because a look-up by primary key takes
less time than a change of thread. Writes run on one thread of this process, each a transaction that
begins with the write lock, so that a check and the write that depends on it cannot be separated,
whichever process asks. Write-ahead log with a full sync: what was answered is on the disk.

The file is readable by its owner alone. Clock: epoch seconds of this machine.
"""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from okta_mcp.stores.interface import Kind, StoreFullError, StoreUnavailableError, named_key

Result = TypeVar("Result")

_BUSY_SECONDS = 1.5
_SCAN_ROWS = 200
_SWEEP_ROWS = 500

_TABLES = """
CREATE TABLE entries (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE INDEX entries_by_end ON entries (expires_at);
CREATE TABLE counts (kind TEXT PRIMARY KEY, entries INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER one_more AFTER INSERT ON entries BEGIN
    INSERT INTO counts VALUES (new.kind, 1)
        ON CONFLICT (kind) DO UPDATE SET entries = entries + 1;
END;
CREATE TRIGGER one_less AFTER DELETE ON entries BEGIN
    UPDATE counts SET entries = entries - 1 WHERE kind = old.kind;
END;
"""
# Step n brings a file from layout n (0: nothing in it) to n + 1; the version stands in the file's
# `user_version`. A step is never changed once it was published; a new layout adds one.
_STEPS = (_TABLES,)


class SqliteStore:
    """`now` gives epoch seconds. Implements `Store`; raises `StoreUnavailableError` at once where
    the file cannot be used."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        # A transaction of the sweep is short, but other processes wait for it too.
        self._threads = threading.local()
        try:
            _make_private(path)
            self._reader = connected(path)
            migrate(self._reader, path)
            found = path.stat()
            self._file = (found.st_dev, found.st_ino)
        except (OSError, sqlite3.Error) as error:
            raise unusable(path, error) from error

    async def get(self, kind: Kind, key: str) -> bytes | None:
        row = self._read(
            "SELECT value FROM entries WHERE kind = ? AND key = ? AND expires_at > ?",
            (kind.name, key, self._now()),
        )
        return row[0][0] if row else None

    async def follow(
        self, kind: Kind, key: str, field: str, to: Kind
    ) -> tuple[bytes, bytes] | None:
        value = await self.get(kind, key)
        found = await self.get(to, named_key(value, field)) if value is not None else None
        return (value, found) if value is not None and found is not None else None

    async def put(
        self, kind: Kind, key: str, value: bytes, *, ttl_seconds: float, if_absent: bool = False
    ) -> bool:
        now = self._now()

        def write(database: sqlite3.Connection) -> bool:
            found = _row(database, kind, key)
            is_live = found is not None and found[1] > now
            if is_live and if_absent:
                return False
            if found is None and _count(database, kind) >= kind.bound:
                database.execute(
                    "DELETE FROM entries WHERE kind = ? AND expires_at <= ?", (kind.name, now)
                )
                if _count(database, kind) >= kind.bound:
                    raise StoreFullError(kind)
            _write(database, kind, key, value, now + ttl_seconds)
            return True

        return await self._written(write)

    async def take(self, kind: Kind, key: str) -> bytes | None:
        now = self._now()

        def write(database: sqlite3.Connection) -> bytes | None:
            found = _row(database, kind, key)
            if found is None:
                return None
            database.execute("DELETE FROM entries WHERE kind = ? AND key = ?", (kind.name, key))
            return found[0] if found[1] > now else None

        return await self._written(write)

    async def swap(
        self, kind: Kind, key: str, *, expected: bytes, value: bytes, ttl_seconds: float
    ) -> bool:
        now = self._now()

        def write(database: sqlite3.Connection) -> bool:
            found = _row(database, kind, key)
            if found is None or found[1] <= now or found[0] != expected:
                return False
            _write(database, kind, key, value, now + ttl_seconds)
            return True

        return await self._written(write)

    async def delete(self, kind: Kind, key: str) -> bool:
        return await self.take(kind, key) is not None

    async def scan(self, kind: Kind, prefix: str = "") -> AsyncIterator[tuple[str, bytes]]:
        last = ""
        while True:
            rows = self._read(
                "SELECT key, value FROM entries WHERE kind = ? AND key > ? AND key >= ?"
                " AND substr(key, 1, ?) = ? AND expires_at > ? ORDER BY key LIMIT ?",
                (kind.name, last, prefix, len(prefix), prefix, self._now(), _SCAN_ROWS),
            )
            for key, value in rows:
                yield key, value
            if len(rows) < _SCAN_ROWS:
                return
            last = rows[-1][0]

    async def sweep(self) -> int:
        now, swept = self._now(), 0
        while True:
            # In small transactions: another process may have a person waiting.
            gone = await self._written(lambda database: _swept(database, now))
            swept += gone
            if gone < _SWEEP_ROWS:
                return swept

    async def close(self) -> None:
        def end(database: sqlite3.Connection) -> None:
            database.close()

        await self._on_writer(end)
        self._writer.shutdown()
        self._reader.close()

    def _read(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            self._check_in_place()
            return self._reader.execute(query, values).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise unusable(self._path, error) from error

    async def _written(self, write: Callable[[sqlite3.Connection], Result]) -> Result:
        def transaction(database: sqlite3.Connection) -> Result:
            self._check_in_place()
            database.execute("BEGIN IMMEDIATE")
            try:
                result = write(database)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
            return result

        # A caller that goes away must not leave its write in the middle.
        return await asyncio.shield(self._on_writer(transaction))

    def _check_in_place(self) -> None:
        """Raises `OSError` where the file is gone: an open one would be written to still, and all
        of it be lost at the end of the process."""
        found = self._path.stat()
        if (found.st_dev, found.st_ino) != self._file:
            raise OSError("another file has taken its place; start the server again")

    def _on_writer(self, work: Callable[[sqlite3.Connection], Result]) -> asyncio.Future[Result]:
        def run() -> Result:
            try:
                if not hasattr(self._threads, "database"):
                    self._check_in_place()
                    self._threads.database = connected(self._path)
                return work(self._threads.database)
            except (OSError, sqlite3.Error) as error:
                raise unusable(self._path, error) from error

        return asyncio.get_running_loop().run_in_executor(self._writer, run)


def _make_private(path: Path) -> None:
    """The file exists and is its owner's alone, before the first byte of anybody is in it."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            raise StoreUnavailableError(
                f"{path}: other users of this computer can read it; run: chmod 600 {path}"
            )
    finally:
        os.close(descriptor)


def connected(path: Path) -> sqlite3.Connection:
    """A connection with this store's ways of writing; no transaction begins by itself."""
    database = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        database.execute(f"PRAGMA {pragma}")
    return database


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to the present layout, all or nothing; `path` is for the error's text.

    Raises `StoreUnavailableError` for a newer layout and for a database of another program.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        layout = layout_of(database)
        check_layout(layout, path)
        if layout == 0 and database.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise StoreUnavailableError(
                f"{path}: a database of another program; name a file of its own in STORE_URL"
            )
        for step in _STEPS[layout:]:
            for statement in _statements(step):
                database.execute(statement)
        if layout < len(_STEPS):
            database.execute(f"PRAGMA user_version = {len(_STEPS)}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def layout_of(database: sqlite3.Connection) -> int:
    """The version of its tables; 0 where nothing was made yet."""
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def check_layout(layout: int, path: Path) -> None:
    """Raises `StoreUnavailableError` where a newer version of this server has written."""
    if layout > len(_STEPS):
        raise StoreUnavailableError(
            f"{path}: written by a newer version of this server (layout {layout}, this one knows"
            f" {len(_STEPS)}); start that version, or restore a backup of this one"
        )


def _statements(script: str) -> list[str]:
    statements, statement = [], ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            statements.append(statement)
            statement = ""
    return statements


def _row(database: sqlite3.Connection, kind: Kind, key: str) -> tuple[bytes, float] | None:
    found: tuple[bytes, float] | None = database.execute(
        "SELECT value, expires_at FROM entries WHERE kind = ? AND key = ?", (kind.name, key)
    ).fetchone()
    return found


def _write(
    database: sqlite3.Connection, kind: Kind, key: str, value: bytes, expires_at: float
) -> None:
    database.execute(
        "INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (kind, key)"
        " DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        (kind.name, key, value, expires_at),
    )


def _count(database: sqlite3.Connection, kind: Kind) -> int:
    found = database.execute("SELECT entries FROM counts WHERE kind = ?", (kind.name,)).fetchone()
    return int(found[0]) if found else 0


def _swept(database: sqlite3.Connection, now: float) -> int:
    return database.execute(
        "DELETE FROM entries WHERE (kind, key) IN"
        " (SELECT kind, key FROM entries WHERE expires_at <= ? LIMIT ?)",
        (now, _SWEEP_ROWS),
    ).rowcount


def unusable(path: Path, error: Exception) -> StoreUnavailableError:
    """The error for a file that SQLite or the system refuses."""
    return StoreUnavailableError(f"{path}: {error}; see that the disk has room and is writable")
