"""Interactions: the operator's side of a contact, saved when the call is wrapped up."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cordboard.crm_core.database import Database, as_id
from cordboard.crm_core.model import Interaction, WrapUp, interaction_id
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.tables import call, customer, interaction
from cordboard.errors import CordboardError

NOTE_AT_MOST = 10_000


class AlreadySavedError(CordboardError):
    """Somebody, most likely the same operator at another device, was first."""

    def __init__(self) -> None:
        super().__init__("already saved on another device")


class Interactions:
    """The interactions of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_wrapup(
        self,
        call_id: str,
        operator: str,
        customer_id: str | None,
        note: str,
        result: str | None,
        now: float,
        first: bool = False,
    ) -> Interaction:
        """The operator's note and result of a call; saving again replaces them, but for one who
        wants to be the `first`: then it raises `AlreadySavedError`.

        Makes the interaction where the telephone's side has not written it yet. A `customer_id`
        becomes the interaction's customer, and the call's where that was unknown; None leaves what
        is known. Raises `FieldsError`.
        """
        return await self.write_wrapup(
            checked_wrapup(call_id, operator, customer_id, note, result, now, first)
        )

    async def write_wrapup(self, written: WrapUp) -> Interaction:
        """The same, checked before. Raises `FieldsError` for a customer who is not there."""
        return await self._database.write(partial(wrap_up, written))

    async def wrapped_up(self, call_id: str) -> set[str]:
        """The operators who have written a note or chosen a result of this call."""
        written = or_(interaction.c.result.is_not(None), interaction.c.note != "")
        chosen = select(interaction.c.operator).where(interaction.c.call_id == call_id, written)
        return {row.operator for row in await self._database.rows(chosen) if row.operator}

    async def link_call(self, call_id: str, customer_id: str) -> None:
        """Gives a call of an unknown caller, and its interactions, the customer who was found or
        made during it. What has a customer already keeps it. Raises `FieldsError`."""
        call_key, customer_key = as_id(call_id), as_id(customer_id)
        if call_key is None:
            raise FieldsError([("call", f"there is no call {call_id!r}")])

        if customer_key is None:
            raise _no_customer(customer_id)

        def link(connection: Connection) -> None:
            _require_customer(connection, customer_key)
            _link(connection, call_key, customer_key)

        await self._database.write(link)


def checked_wrapup(
    call_id: str,
    operator: str,
    customer_id: str | None,
    note: str,
    result: str | None,
    now: float,
    first: bool = False,
) -> WrapUp:
    """The wrap-up, as far as it can be judged without the database. Raises `FieldsError`."""
    call_key = as_id(call_id)
    customer_key = as_id(customer_id) if customer_id is not None else None
    if call_key is None:
        raise FieldsError([("call", f"there is no call {call_id!r}")])
    if customer_id is not None and customer_key is None:
        raise _no_customer(customer_id)
    if len(note) > NOTE_AT_MOST:
        raise FieldsError([("note", f"at most {NOTE_AT_MOST} characters fit")])
    return WrapUp(call_key, operator, customer_key, note, result, now, first)


def wrap_up(written: WrapUp, connection: Connection) -> Interaction:
    """Writes what an operator wrote. Raises `FieldsError` for a customer who is not there, and
    `AlreadySavedError`."""
    if written.customer_id is not None:
        _require_customer(connection, written.customer_id)
        _link(connection, written.call_id, written.customer_id)
    chosen = select(call).where(call.c.id == written.call_id)
    known = connection.execute(chosen).first()
    began = (known.answered_at or known.started_at) if known else written.at
    row: dict[str, Any] = {
        "id": interaction_id(written.call_id, written.operator),
        "customer_id": written.customer_id or (known.customer_id if known else None),
        "call_id": written.call_id,
        "operator": written.operator,
        "queue": known.queue if known else None,
        "started_at": began,
        "ended_at": known.ended_at if known else None,
        "outcome": known.cause if known else None,
        "result": written.result,
        "note": written.note,
    }
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    changes = {"result": written.result, "note": written.note}
    if written.customer_id is not None:
        changes["customer_id"] = written.customer_id
    unsaved = interaction.c.result.is_(None) & (interaction.c.note == "")
    saved = connection.execute(
        insert(interaction)
        .values(row)
        .on_conflict_do_update(
            index_elements=["call_id", "operator"],
            set_=changes,
            where=unsaved if written.first else None,
        )
        .returning(*(interaction.c[name] for name in row))
    ).one_or_none()
    if saved is None:
        raise AlreadySavedError
    return Interaction(**saved._mapping)


def _require_customer(connection: Connection, key: str) -> None:
    found = connection.execute(select(customer.c.id).where(customer.c.id == key))
    if found.first() is None:
        raise _no_customer(key)


def _no_customer(given: str) -> FieldsError:
    return FieldsError([("customer", f"there is no customer {given!r}")])


def _link(connection: Connection, call_key: str, customer_key: str) -> None:
    for table, column in ((call, call.c.id), (interaction, interaction.c.call_id)):
        connection.execute(
            update(table)
            .where(column == call_key, table.c.customer_id.is_(None))
            .values(customer_id=customer_key)
        )
