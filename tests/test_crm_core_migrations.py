"""The migrations give the tables of this release, on both databases; other tables are refused."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.database import Database
from cordboard.crm_core.migrations import head, upgrade
from cordboard.crm_core.store import Store
from cordboard.crm_core.tables import metadata
from cordboard.errors import PeerError, UserError


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_all_migrations_together_are_the_tables_of_this_release(database_url: str) -> None:
    database = Database(database_url)
    database.open()
    assert await database.write(_differences) == []
    await database.close()


def test_sqlite_has_exactly_the_tables_options_and_indexes_of_this_release(
    sqlite_template: Path, tmp_path: Path
) -> None:
    """What Alembic does not compare: WITHOUT ROWID, AUTOINCREMENT, conditions of indexes."""
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    metadata.create_all(engine)
    engine.dispose()

    def schema(path: Path) -> dict[str, set[str]]:
        connection = sqlite3.connect(path)
        found = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
        connection.close()
        return {
            name: {" ".join(clause.split()) for clause in re.split(r",\s+|\(\n|\n?\)$", sql)}
            for name, sql in found
            if sql and not name.startswith("alembic")
        }

    assert schema(sqlite_template) == schema(tmp_path / "direct.db")


async def test_upgrade_makes_the_file_and_its_folder_and_may_be_repeated(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'new' / 'folder' / 'a.db'}"
    assert await upgrade(url) == await upgrade(url) == head()
    store = Store(url)
    await store.open()
    assert await store.users() == []
    await store.close()


@pytest.mark.postgres
async def test_upgrade_fills_an_empty_postgresql_database(empty_postgres_url: str) -> None:
    assert await upgrade(empty_postgres_url) == head()


async def test_a_store_without_tables_says_which_command_makes_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cordboard db upgrade"):
        await Store(f"sqlite:///{tmp_path / 'empty.db'}").open()


async def test_tables_of_a_newer_release_are_left_alone(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(UserError, match="newer release"):
        await Store(sqlite_url).open()
    with pytest.raises(UserError, match="newer release"):
        await upgrade(sqlite_url)


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense", ""]
)
def test_a_database_that_cannot_be_used_is_refused_in_words(url: str) -> None:
    with pytest.raises(UserError, match=r"\[database\] url"):
        Store(url)


async def test_an_absent_server_is_a_peer_error(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match="away"):
        await Store(f"postgresql://postgres@/x?host={tmp_path}").open()


async def test_a_file_that_is_no_database_is_a_peer_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("no database at all, only words " * 100)
    with pytest.raises(PeerError, match="not a database"):
        await Store(f"sqlite:///{tmp_path / 'a.db'}").open()
