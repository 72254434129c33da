"""The engines beneath the store: one for reading, one for writing, and the words for their faults.

SQLite has one writer at a time. Readers get connections of their own in WAL mode, so a caller's
lookup never waits for a group of facts or an import; the one writing connection begins with
BEGIN IMMEDIATE, so it waits for another process's turn instead of failing in mid-transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import URL, Executable, Row, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cordboard.errors import PeerError, UserError
from cordboard.events import derived_id

R = TypeVar("R")

READERS = 4
BUSY_MS = 5_000
"""How long a SQLite writer waits for another process's transaction."""
CONNECT_SECONDS = 5
COMMAND_SECONDS = 30

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
    data in: another database, or memory, which the two engines could not share."""
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
        return parsed.set(drivername="sqlite+aiosqlite")
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


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turns what drivers raise when the database is away, full, locked or broken into
    `PeerError`, without parameters: they hold people's numbers."""
    try:
        yield
    except IntegrityError as error:
        raise PeerError(f"the database refused a row: {_reason(error)}") from error
    except DBAPIError as error:
        raise PeerError(f"the database failed: {_reason(error)}") from error
    except (SQLAlchemyError, OSError) as error:
        raise PeerError(f"the database is away: {str(error) or type(error).__name__}") from error


def records(kind: Callable[..., R], rows: Iterable[Row[Any]]) -> list[R]:
    """Rows whose columns are in the order of the record's fields."""
    return [kind(*row) for row in rows]


def _reason(error: DBAPIError) -> str:
    return str(error.orig).partition("\n")[0] if error.orig is not None else "no reason given"


class Database:
    """Both engines of one database. `open` before use, `close` after it."""

    def __init__(self, url: str) -> None:
        self.url = database_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._reader: AsyncEngine | None = None
        self._writer: AsyncEngine | None = None

    def open(self) -> None:
        if self.sqlite:
            make_folder(self.url)
        self._reader = make_engine(self.url, pool_size=READERS, writing=False)
        self._writer = make_engine(self.url, pool_size=1 if self.sqlite else READERS, writing=True)

    async def close(self) -> None:
        for engine in (self._reader, self._writer):
            if engine is not None:
                await engine.dispose()
        self._reader = self._writer = None

    async def rows(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Row[Any]]:
        """All rows of one reading statement. Raises `PeerError`."""
        engine = self._reader
        if engine is None:
            raise LookupError("the database is not open")
        with peer_errors():
            try:
                return await _rows(engine, statement, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            # A restarted PostgreSQL leaves dead connections in the pool, found out by the first
            # use, which clears them all: the caller who meets it must not go unknown for that.
            return await _rows(engine, statement, parameters)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end of the block. Raises `PeerError`."""
        if self._writer is None:
            raise LookupError("the database is not open")
        with peer_errors():
            async with self._writer.begin() as connection:
                yield connection


async def _rows(
    engine: AsyncEngine, statement: Executable, parameters: Mapping[str, Any] | None
) -> Sequence[Row[Any]]:
    async with engine.connect() as connection:
        return (await connection.execute(statement, parameters)).fetchall()


def make_folder(url: URL) -> None:
    """The folder of a SQLite file. Raises `UserError` where it cannot be made."""
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"[database] url: cannot make {folder}: {error.strerror}") from error


def make_engine(
    url: URL, *, pool_size: int, writing: bool, foreign_keys: bool = True
) -> AsyncEngine:
    """`foreign_keys` off is for migrations alone: SQLite changes a table by copying it, and
    dropping the old one would take the rows that refer to it along."""
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 0,
        "hide_parameters": True,
        "pool_timeout": COMMAND_SECONDS,
    }
    if not writing:
        # Single statements: no BEGIN before and no ROLLBACK after them, a round trip each.
        options |= {
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "pool_reset_on_return": None,
        }
    if url.get_backend_name() != "sqlite":
        limits = {"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS}
        return create_async_engine(url, connect_args=limits, **options)
    engine = create_async_engine(url, **options)
    pragmas = (*_SQLITE_PRAGMAS, f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    if writing:

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
