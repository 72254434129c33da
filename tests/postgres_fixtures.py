"""A PostgreSQL server of the tests' own: in a temporary folder, reached by a Unix socket, one for
each process of a test run, gone when that process ends however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from cordboard.crm_core.migrations import upgrade

_TEMPLATE = "cordboard_template"
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "50",
    "shared_buffers": "32MB",
}
_LENT = "cordboard_lent"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class PostgresServer:
    """`binaries` and `user` (None: our own) let a test stop and start it again."""

    folder: Path
    binaries: Path
    user: str | None

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def execute(self, *statements: str) -> None:
        asyncio.run(self._execute(statements))

    async def _execute(self, statements: tuple[str, ...]) -> None:
        connection = await asyncpg.connect(
            host=str(self.folder), user="postgres", database="postgres"
        )
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def start(self) -> None:
        """Returns when the server takes connections."""
        options = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.folder / "data"]
        command += ["-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                user=self.user,
                group=None if self.user is None else pwd.getpwnam(self.user).pw_gid,
                extra_groups=None if self.user is None else [],
                stdout=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        asked = [self.binaries / "pg_isready", "-q", "-h", self.folder, "-U", "postgres"]
        deadline = time.monotonic() + 30
        while subprocess.run(asked).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                said = (self.folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL does not start: {said}")
            time.sleep(0.05)
        process.returncode = 0  # `stop` reaps it

    def stop(self) -> None:
        """Returns when it is gone, with all its connections cut. `start` brings it back."""
        pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        # In order, for these settings do not keep the last commits over a crash.
        os.kill(pid, signal.SIGINT)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


class Lent:
    """A database with this release's tables, and how to make it as new."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        server.execute(f"CREATE DATABASE {_LENT} TEMPLATE {_TEMPLATE}")
        self._as_new = asyncio.run(self._statements())

    def empty(self) -> None:
        """Takes the rows out, one table after the other: quicker than TRUNCATE where they are few.
        As a replica does it, for whom no trigger and no foreign key speaks."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        await self.server._execute(
            (f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_LENT}'",)
        )
        connection = await self._connected()
        try:
            await connection.execute(self._as_new)
        finally:
            await connection.close()

    async def _statements(self) -> str:
        connection = await self._connected()
        try:
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename <> 'alembic_version'"
            )
            sequences = await connection.fetch(
                "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
            )
        finally:
            await connection.close()
        return ";".join(
            (
                "SET session_replication_role = replica",
                *(f'DELETE FROM "{row[0]}"' for row in tables),
                *(f'ALTER SEQUENCE "{row[0]}" RESTART' for row in sequences),
            )
        )

    async def _connected(self) -> asyncpg.Connection:
        return await asyncpg.connect(host=str(self.server.folder), user="postgres", database=_LENT)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _binaries() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        pytest.fail("PostgreSQL is missing; type: sudo apt-get install postgresql", pytrace=False)
    return installed[-1].parent


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="cordboard-pg-"))
    server = PostgresServer(folder, _binaries(), _unprivileged())
    try:
        if server.user is not None:
            entry = pwd.getpwnam(server.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        options = ["-U", "postgres", "-N", "-E", "UTF8", "--no-locale", "--auth=trust"]
        subprocess.run(
            [server.binaries / "initdb", "-D", folder / "data", *options],
            user=server.user,
            group=None if server.user is None else pwd.getpwnam(server.user).pw_gid,
            extra_groups=None if server.user is None else [],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        server.start()
        try:
            server.execute(f"CREATE DATABASE {_TEMPLATE}")
            asyncio.run(upgrade(server.url(_TEMPLATE)))
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_lent(postgres_server: PostgresServer) -> Lent:
    """The one database that is lent to test after test: to make one takes ten times as long."""
    return Lent(postgres_server)


@pytest.fixture
def postgres_url(postgres_lent: Lent) -> Iterator[str]:
    """A fresh database with this release's tables."""
    yield postgres_lent.server.url(_LENT)
    postgres_lent.empty()


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    yield from _database(postgres_server, "")


def _database(server: PostgresServer, options: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} {options}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")
