"""What webhooks still owe: how far each has read the facts of calls, and which of those that it has
read are not delivered yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from cordboard.crm_core.database import Database, records
from cordboard.crm_core.tables import call, call_fact, webhook, webhook_owed
from cordboard.envelope import KINDS, Happening

OWED_AT_MOST = 100_000
IDS_AT_ONCE = 500

_HAPPENING = select(
    call_fact.c.id,
    call_fact.c.digest,
    call_fact.c.call_id,
    call_fact.c.at,
    call_fact.c.kind,
    call_fact.c.data,
    call.c.linkedid,
    call.c.number,
    call.c.dialled,
    call.c.queue,
    call.c.operator,
    call.c.customer_id,
).select_from(call_fact.outerjoin(call, call.c.id == call_fact.c.call_id))


@dataclass(frozen=True, slots=True)
class Owed:
    """A fact that was read and is not delivered: how often it was tried, and when again."""

    position: int
    call_id: str
    at: float
    kind: str
    attempts: int
    due: float


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a webhook has come: all facts up to `position` are delivered or owed. `gone` is the
    URL that answered that nobody is there any more."""

    position: int
    gone: str | None = None


class Outbox:
    """The webhooks of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, name: str) -> Mark:
        """A webhook that is new begins with what happens from now on."""
        return await self._database.write(partial(_mark, name))

    async def owed(self, name: str) -> list[Owed]:
        """In the order in which they happened."""
        chosen = (
            select(
                webhook_owed.c.position,
                call_fact.c.call_id,
                call_fact.c.at,
                call_fact.c.kind,
                webhook_owed.c.attempts,
                webhook_owed.c.due,
            )
            .join(call_fact, call_fact.c.id == webhook_owed.c.position)
            .where(webhook_owed.c.webhook == name)
            .order_by(webhook_owed.c.position)
            .limit(OWED_AT_MOST)
        )
        return records(Owed, await self._database.rows(chosen))

    async def happenings(self, after: int, limit: int) -> list[Happening]:
        """What happened after this position, of what is told outside; in order."""
        chosen = _HAPPENING.where(call_fact.c.id > after, call_fact.c.kind.in_(KINDS))
        rows = await self._database.rows(chosen.order_by(call_fact.c.id).limit(limit))
        return records(Happening, rows)

    async def happenings_at(self, positions: Sequence[int]) -> list[Happening]:
        found: list[Happening] = []
        for first in range(0, len(positions), IDS_AT_ONCE):
            few = positions[first : first + IDS_AT_ONCE]
            rows = await self._database.rows(_HAPPENING.where(call_fact.c.id.in_(few)))
            found += records(Happening, rows)
        return found

    async def note(
        self,
        name: str,
        mark: Mark,
        delivered: Iterable[int],
        owed: Mapping[int, tuple[int, float]],
    ) -> None:
        """Writes all of it in one transaction; `owed` are attempts and next moment by position."""
        await self._database.write(partial(_note, name, mark, tuple(delivered), dict(owed)))


def _mark(name: str, connection: Connection) -> Mark:
    chosen = select(webhook.c.position, webhook.c.gone).where(webhook.c.name == name)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        last = connection.execute(select(func.max(call_fact.c.id))).scalar_one() or 0
        connection.execute(webhook.insert().values(name=name, position=last))
        return Mark(last)
    return Mark(row.position, row.gone)


def _note(
    name: str,
    mark: Mark,
    delivered: tuple[int, ...],
    owed: dict[int, tuple[int, float]],
    connection: Connection,
) -> None:
    changed = {"position": mark.position, "gone": mark.gone}
    connection.execute(webhook.update().where(webhook.c.name == name).values(changed))
    if delivered:
        connection.execute(
            delete(webhook_owed).where(
                webhook_owed.c.webhook == name, webhook_owed.c.position.in_(delivered)
            )
        )
    if owed:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = insert(webhook_owed)
        new = statement.excluded
        rows: list[dict[str, Any]] = [
            {"webhook": name, "position": position, "attempts": attempts, "due": due}
            for position, (attempts, due) in owed.items()
        ]
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["webhook", "position"],
                set_={"attempts": new.attempts, "due": new.due},
            ),
            rows,
        )
