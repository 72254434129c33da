"""The database beneath the store: how statements get to it, and the words for its faults.

SQLite works in threads of its own, one that writes and a few that read: a statement, or a whole
transaction, is one hop there and one back. It has one writer at a time. Readers have connections
of their own in WAL mode, so a caller's lookup never waits for a group of facts or an import; the
one writing connection begins with BEGIN IMMEDIATE, so it waits for another process's turn instead
of failing in mid-transaction. PostgreSQL is spoken to by asyncpg.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import URL, Connection, Engine, Executable, Row, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cordboard.errors import PeerError, UserError
from cordboard.events import derived_id

T = TypeVar("T")
R = TypeVar("R")

Asked = tuple[Executable, Mapping[str, Any] | None]
"""A reading statement and its parameters."""
Rows = Sequence[Row[Any]]

READERS = 4
BUSY_MS = 5_000
"""How long a SQLite writer waits for another process's transaction."""
CONNECT_SECONDS = 5
COMMAND_SECONDS = 30

_NO_ROOM = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "53100"})  # 53100: disk_full

_SQLITE_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_MS}",  # first, for the others may have to wait too
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may cost the last commits, never the file
    "PRAGMA cache_size = -16000",
    "PRAGMA mmap_size = 268435456",
    "PRAGMA journal_size_limit = 67108864",
)


def database_url(url: str) -> URL:
    """`url` with the driver that we use. Raises `UserError` for what cordboard cannot keep its
    data in: another database, or memory, which the connections could not share."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UserError(f"[database] url: {error}") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if parsed.database in (None, "", ":memory:") or "mode=memory" in url:
            raise UserError(
                "[database] url: SQLite needs a file, such as sqlite:///var/cordboard.db"
            )
        return parsed.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise UserError(f"[database] url: {backend} is not supported; use sqlite or postgresql")


def new_id(now: float) -> str:
    """A fresh UUIDv7, which sorts by the time it was made."""
    return derived_id(int(now * 1000), secrets.token_hex(16))


def as_id(text: str) -> str | None:
    """`text` as a UUID in its usual writing, or None: an id from an address bar may be anything."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


class NoRoomError(PeerError):
    """The database cannot write, because its disk is full or fails; reading may go on."""


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turns what drivers raise when the database is away, full, locked or broken into
    `PeerError`, without parameters: they hold people's numbers."""
    try:
        yield
    except IntegrityError as error:
        raise PeerError(f"the database refused a row: {_reason(error)}") from error
    except DBAPIError as error:
        kind = NoRoomError if _no_room(error) else PeerError
        raise kind(f"the database failed: {_reason(error)}") from error
    except (SQLAlchemyError, OSError) as error:
        raise PeerError(f"the database is away: {str(error) or type(error).__name__}") from error


def records(kind: Callable[..., R], rows: Iterable[Row[Any]]) -> list[R]:
    """Rows whose columns are in the order of the record's fields."""
    return [kind(*row) for row in rows]


def _no_room(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", "")
    return state in _NO_ROOM


def _reason(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0] if error.orig is not None else "no reason given"


class Database:
    """One database. `open` before use, `close` after it. `foreign_keys` off is for migrations
    alone: SQLite changes a table by copying it, and dropping the old one would take the rows that
    refer to it along."""

    def __init__(self, url: str, *, foreign_keys: bool = True) -> None:
        self.url = database_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._foreign_keys = foreign_keys
        self._engine: _Engine | None = None

    def open(self) -> None:
        """Raises `UserError` where the folder of a SQLite file cannot be made."""
        if self.sqlite:
            _make_folder(self.url)
            self._engine = _Sqlite(self.url, self._foreign_keys)
        else:
            self._engine = _Postgres(self.url)

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Rows:
        """All rows of one reading statement. Raises `PeerError`."""
        return (await self.read([(statement, parameters)]))[0]

    async def read(self, asked: Sequence[Asked]) -> list[Rows]:
        """The rows of each of several statements, in one hop. Raises `PeerError`."""
        with peer_errors():
            return await self._opened.read(asked)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, done in one transaction that is committed after it. `work` runs in
        a thread, or a greenlet, where it must not wait for anything but this connection.

        Who gives up waiting does not know whether it was committed. Raises `PeerError`, and
        whatever `work` raises, after a rollback.
        """
        with peer_errors():
            return await self._opened.write(work)

    @property
    def _opened(self) -> _Engine:
        if self._engine is None:
            raise LookupError("the database is not open")
        return self._engine


class _Engine(Protocol):
    async def read(self, asked: Sequence[Asked]) -> list[Rows]: ...

    async def write(self, work: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None: ...


class _Sqlite:
    """A SQLite file: each thread keeps a connection of its own."""

    def __init__(self, url: URL, foreign_keys: bool) -> None:
        self._foreign_keys = foreign_keys
        self._reading = self._engine(url, READERS, **_READING)
        self._writing = self._engine(url, 1)
        event.listen(self._writing, "begin", _begin_immediate)
        self._readers = ThreadPoolExecutor(READERS, "cordboard-reader")
        self._writer = ThreadPoolExecutor(1, "cordboard-writer")

    async def read(self, asked: Sequence[Asked]) -> list[Rows]:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, asked)

    async def write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def close(self) -> None:
        # Not waiting in this thread: a writer may be waiting for another process's lock.
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    def _read(self, asked: Sequence[Asked]) -> list[Rows]:
        with self._reading.connect() as connection:
            return [connection.execute(*each).fetchall() for each in asked]

    def _write(self, work: Callable[[Connection], T]) -> T:
        with self._writing.begin() as connection:
            return work(connection)

    def _engine(self, url: URL, size: int, **options: Any) -> Engine:
        engine = create_engine(url, pool_size=size, max_overflow=0, hide_parameters=True, **options)
        event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        cursor = connection.cursor()
        keys = f"PRAGMA foreign_keys = {'ON' if self._foreign_keys else 'OFF'}"
        for pragma in (*_SQLITE_PRAGMAS, keys):
            cursor.execute(pragma)
        cursor.close()


class _Postgres:
    """A PostgreSQL server."""

    def __init__(self, url: URL) -> None:
        limits = {"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS}
        options: dict[str, Any] = {
            "pool_size": READERS,
            "max_overflow": 0,
            "hide_parameters": True,
            "pool_timeout": COMMAND_SECONDS,
            "connect_args": limits,
        }
        self._reader: AsyncEngine = create_async_engine(url, **options, **_READING)
        self._writer: AsyncEngine = create_async_engine(url, **options)

    async def read(self, asked: Sequence[Asked]) -> list[Rows]:
        try:
            return await self._read(asked)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # A restarted server leaves dead connections in the pool, found out by the first use, which
        # clears them all: the caller who meets it must not go unknown for that.
        return await self._read(asked)

    async def write(self, work: Callable[[Connection], T]) -> T:
        async with self._writer.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

    async def _read(self, asked: Sequence[Asked]) -> list[Rows]:
        async with self._reader.connect() as connection:
            return [(await connection.execute(*each)).fetchall() for each in asked]


_READING: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}
"""Single statements: no BEGIN before and no ROLLBACK after them, a round trip each."""


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_folder(url: URL) -> None:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"[database] url: cannot make {folder}: {error.strerror}") from error
