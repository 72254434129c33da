"""Interactions: the operator's side of a contact, saved when the call is wrapped up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cordboard.crm_core.database import Database, as_id
from cordboard.crm_core.model import Interaction, interaction_id
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
        call_key = as_id(call_id)
        customer_key = as_id(customer_id) if customer_id is not None else None
        if call_key is None:
            raise FieldsError([("call", f"there is no call {call_id!r}")])
        if len(note) > NOTE_AT_MOST:
            raise FieldsError([("note", f"at most {NOTE_AT_MOST} characters fit")])
        async with self._database.writing() as connection:
            if customer_id is not None:
                await _require_customer(connection, customer_id, customer_key)
                await _link(connection, call_key, customer_key)
            known = (await connection.execute(select(call).where(call.c.id == call_key))).first()
            began = (known.answered_at or known.started_at) if known else now
            row: dict[str, Any] = {
                "id": interaction_id(call_key, operator),
                "customer_id": customer_key or (known.customer_id if known else None),
                "call_id": call_key,
                "operator": operator,
                "queue": known.queue if known else None,
                "started_at": began,
                "ended_at": known.ended_at if known else None,
                "outcome": known.cause if known else None,
                "result": result,
                "note": note,
            }
            insert = postgresql.insert if not self._database.sqlite else sqlite.insert
            changes = {"result": result, "note": note}
            if customer_key is not None:
                changes["customer_id"] = customer_key
            unsaved = interaction.c.result.is_(None) & (interaction.c.note == "")
            saved = await connection.execute(
                insert(interaction)
                .values(row)
                .on_conflict_do_update(
                    index_elements=["call_id", "operator"],
                    set_=changes,
                    where=unsaved if first else None,
                )
                .returning(*(interaction.c[name] for name in row))
            )
            written = saved.one_or_none()
            if written is None:
                raise AlreadySavedError
            return Interaction(**written._mapping)

    async def link_call(self, call_id: str, customer_id: str) -> None:
        """Gives a call of an unknown caller, and its interactions, the customer who was found or
        made during it. What has a customer already keeps it. Raises `FieldsError`."""
        call_key, customer_key = as_id(call_id), as_id(customer_id)
        if call_key is None:
            raise FieldsError([("call", f"there is no call {call_id!r}")])
        async with self._database.writing() as connection:
            await _require_customer(connection, customer_id, customer_key)
            await _link(connection, call_key, customer_key)


async def _require_customer(connection: AsyncConnection, given: str, key: str | None) -> None:
    found = await connection.execute(select(customer.c.id).where(customer.c.id == key))
    if key is None or found.first() is None:
        raise FieldsError([("customer", f"there is no customer {given!r}")])


async def _link(connection: AsyncConnection, call_key: str, customer_key: str | None) -> None:
    for table, column in ((call, call.c.id), (interaction, interaction.c.call_id)):
        await connection.execute(
            update(table)
            .where(column == call_key, table.c.customer_id.is_(None))
            .values(customer_id=customer_key)
        )
