"""The history of the tables, from the first one on, run by Alembic.

A change of `tables` comes with a new file in `versions/`, written by hand; the tests hold that all
migrations together give exactly `tables`, on both databases, and print what differs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cordboard.crm_core.database import Database
from cordboard.errors import UserError

_ONE_AT_A_TIME = 0x636F7264
"""The PostgreSQL advisory lock of an upgrade: several nodes may be started at once."""


async def upgrade(url: str) -> str:
    """Brings the database at `url` to this release's tables, in one transaction, and says which
    revision that is. Makes a SQLite file and its folder. Raises `PeerError`, `UserError`."""
    database = Database(url, foreign_keys=False)
    database.open()
    try:
        await database.write(_upgrade)
    finally:
        await database.close()
    return head()


async def check(database: Database) -> None:
    """Raises `UserError` where the tables are not those of this release, `PeerError` where the
    database cannot be written to: better now than at the first call."""
    found = await database.write(_refuse_newer)
    if found != head():
        raise UserError(
            "[database]: the tables are missing or of an older release; run: cordboard db upgrade"
        )


@cache
def head() -> str:
    """The revision of this release's tables."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def _config(**attributes: Any) -> Config:
    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:key)")
        connection.execute(lock, {"key": _ONE_AT_A_TIME})
    _refuse_newer(connection)
    command.upgrade(_config(connection=connection), "head")


def _refuse_newer(connection: Connection) -> str | None:
    """The revision of the tables that are there. Raises `UserError` for one we do not know."""
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise UserError(
            f"[database]: the tables are of a newer release (revision {found});"
            " run that release, or restore a backup made before the upgrade"
        )
    return found
