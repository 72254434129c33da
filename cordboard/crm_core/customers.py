"""Customers, their numbers, and the card of whoever calls."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    desc,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from cordboard.crm_core.database import Asked, Database, Rows, as_id, new_id
from cordboard.crm_core.model import (
    Attribute,
    Card,
    Created,
    Customer,
    Draft,
    Interaction,
    Manager,
)
from cordboard.crm_core.phones import normalise
from cordboard.crm_core.rules import CustomerRules, FieldsError, kind_of, search_key
from cordboard.crm_core.tables import app_user, customer, customer_attribute, interaction, phone

HISTORY_AT_MOST = 5
SHARED_AT_MOST = 100
"""How many customers of one number are looked at: a number that more share tells nothing about
who is calling, and must not cost the caller time."""
DUPLICATES_AT_MOST = 10
FOUND_AT_MOST = 100

FIELDS = frozenset(field.name for field in fields(Draft))

_CUSTOMER_COLUMNS = (
    customer.c.id,
    customer.c.kind,
    customer.c.name,
    customer.c.status,
    customer.c.language,
    customer.c.balance_minor,
    customer.c.created_at,
    customer.c.updated_at,
    customer.c.segment,
    customer.c.tags,
    customer.c.do_not_disturb,
    customer.c.attributes,
    app_user.c.name.label("manager_name"),
    app_user.c.display_name.label("manager_display_name"),
    app_user.c.mobile.label("manager_mobile"),
    phone.c.e164,
)
_INTERACTION_COLUMNS = tuple(interaction.c[field.name] for field in fields(Interaction))
_INTERACTION_WIDTH = len(_INTERACTION_COLUMNS)


def _customers(*more: Any) -> Select[Any]:
    """A row for each number of each customer, the main number first."""
    return (
        select(*_CUSTOMER_COLUMNS, *more)
        .select_from(customer)
        .outerjoin(app_user, app_user.c.id == customer.c.manager_id)
        .outerjoin(phone, phone.c.customer_id == customer.c.id)
    )


def _of_number() -> tuple[Any, Any]:
    """The customer of a number who was in contact last, and how many share the number."""
    shared = (
        select(phone.c.customer_id)
        .where(phone.c.e164 == bindparam("number"))
        .limit(SHARED_AT_MOST)
        .cte("shared")
    )
    contacted = (
        select(func.max(interaction.c.started_at))
        .where(interaction.c.customer_id == shared.c.customer_id)
        .scalar_subquery()
    )
    chosen = (
        select(shared.c.customer_id)
        .order_by(desc(contacted).nulls_last(), shared.c.customer_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return chosen, select(func.count()).select_from(shared).scalar_subquery()


def _cards(chosen: Any, sharing: Any) -> Select[Any]:
    """A card in one statement, since each costs the caller a round trip: the numbers of the
    chosen customer times the last contacts."""
    history = (
        select(*_INTERACTION_COLUMNS)
        .where(interaction.c.customer_id == chosen)
        .order_by(interaction.c.started_at.desc())
        .limit(HISTORY_AT_MOST)
        .subquery("history")
    )
    contacts = (
        history.c[field.name].label(f"history_{field.name}") for field in fields(Interaction)
    )
    return (
        _customers(sharing.label("sharing"), *contacts)
        .outerjoin(history, history.c.customer_id == customer.c.id)
        .where(customer.c.id == chosen)
        .order_by(phone.c.position, history.c.started_at.desc())
    )


_CARD_BY_NUMBER = _cards(*_of_number())
_CARD_BY_ID = _cards(bindparam("id", type_=customer.c.id.type), literal(1))
_BY_ID = _customers().where(customer.c.id == bindparam("id")).order_by(phone.c.position)
_MANAGERS = select(app_user.c.name, app_user.c.id).where(app_user.c.active == true())


class Customers:
    """The customers of a store."""

    def __init__(
        self,
        database: Database,
        rules: CustomerRules,
        clock: Callable[[], float],
        pin_hash: Callable[[str], str],
    ) -> None:
        """`pin_hash` takes a while."""
        self._database = database
        self._rules = rules
        self._pin_hash = pin_hash
        self._clock = clock
        # A search by a part of the name reads the whole index. One at a time, so that lookups
        # never find all reading connections taken by searches.
        self._searching = asyncio.Semaphore(1)

    @property
    def rules(self) -> CustomerRules:
        return self._rules

    async def card_by_number(self, raw: str) -> Card | None:
        """The card of whoever calls from `raw`, None where nobody is known by it.

        Of several customers with one number, the one who was in contact last (or, where none was,
        the newest); `others` says how many more there are.
        """
        number = normalise(raw, self._rules.region)
        return card_of(await self._database.rows(*card_asked(number))) if number else None

    async def card(self, customer_id: str) -> Card | None:
        """None for an id that is nobody's."""
        key = as_id(customer_id)
        return card_of(await self._database.rows(_CARD_BY_ID, {"id": key})) if key else None

    async def customer(self, customer_id: str) -> Customer | None:
        """None for an id that is nobody's."""
        key = as_id(customer_id)
        rows = await self._database.rows(_BY_ID, {"id": key}) if key else ()
        return _customer(rows) if rows else None

    async def create_customer(self, draft: Draft) -> Created:
        """A number that another customer has is allowed, since households and offices share one;
        the others come back as `duplicates`. Raises `FieldsError`."""
        managers = await self.managers()
        checked, faults = self._rules.check(draft, managers)
        if faults:
            raise FieldsError(faults)
        duplicates = await self._with_numbers(checked.phones, DUPLICATES_AT_MOST)
        now = self._clock()
        key = new_id(now)
        secret = await self._secret(checked.pin)

        def write(connection: Connection) -> Customer:
            insert_customers(connection, [(key, checked)], managers, now, {key: secret})
            return _customer(connection.execute(_BY_ID, {"id": key}).fetchall())

        return Created(await self._database.write(write), tuple(duplicates))

    async def update_customer(
        self, customer_id: str, changes: Mapping[str, Any]
    ) -> Customer | None:
        """`changes` are fields of `Draft`; `phones` replaces the whole list. Only what is changed
        is checked: a status that was taken out of the list since does not hold up a new number.
        None for an id that is nobody's. Raises `FieldsError`."""
        unknown = sorted(changes.keys() - FIELDS)
        if unknown:
            raise FieldsError([(field, "there is no such field") for field in unknown])
        known = await self.customer(customer_id)
        if known is None:
            return None
        managers = await self.managers()
        checked, found = self._rules.check(replace(_draft(known), **changes), managers)
        names = _api_names(changes)
        faults = [fault for fault in found if re.split(r"[\[.]", fault[0])[0] in names]
        if faults:
            raise FieldsError(faults)
        columns = _changed_columns(checked, changes, managers) | {"updated_at": self._clock()}
        if "pin" in changes:
            columns["pin_hash"] = await self._secret(checked.pin)

        def write(connection: Connection) -> Sequence[Row[Any]]:
            connection.execute(update(customer).where(customer.c.id == known.id), columns)
            if "attributes" in changes:
                write_attributes(connection, {known.id: checked.attributes})
            if "phones" in changes:
                connection.execute(delete(phone).where(phone.c.customer_id == known.id))
                if numbers := phone_rows(known.id, checked.phones):
                    connection.execute(insert(phone), numbers)
            return connection.execute(_BY_ID, {"id": known.id}).fetchall()

        rows = await self._database.write(write)
        return _customer(rows) if rows else None

    async def find_customers(
        self, *, phone: str | None = None, text: str | None = None, limit: int = 20
    ) -> list[Customer]:
        """Those with the number `phone` (written in any way) and with `text` in their names, by
        name; nothing where neither is given or `phone` is no number."""
        limit = max(1, min(limit, FOUND_AT_MOST))
        if phone is not None:
            number = normalise(phone, self._rules.region)
            found = await self._with_numbers((number,), limit) if number else []
            key = search_key(text or "")
            return [each for each in found if key in search_key(each.name)]
        if text is None or not (key := search_key(text)):
            return []
        matching = (
            select(customer.c.id)
            .where(customer.c.search.contains(key, autoescape=True))
            .order_by(customer.c.search)
            .limit(limit)
        )
        async with self._searching:
            return await self._ordered(matching)

    async def managers(self) -> dict[str, str]:
        """The ids of the active users by name: who can be a customer's manager."""
        return {row.name: row.id for row in await self._database.rows(_MANAGERS)}

    async def _secret(self, pin: str | None) -> str | None:
        return await asyncio.to_thread(self._pin_hash, pin) if pin else None

    async def _with_numbers(self, numbers: Sequence[str], limit: int) -> list[Customer]:
        if not numbers:
            return []
        owners = select(phone.c.customer_id).where(phone.c.e164.in_(numbers))
        return await self._ordered(
            select(customer.c.id)
            .where(customer.c.id.in_(owners))
            .order_by(customer.c.id)
            .limit(limit)
        )

    async def _ordered(self, ids: Select[Any]) -> list[Customer]:
        keys = ids.subquery()
        rows = await self._database.rows(
            _customers()
            .join(keys, keys.c.id == customer.c.id)
            .order_by(customer.c.search, customer.c.id, phone.c.position)
        )
        grouped: dict[str, list[Row[Any]]] = {}
        for row in rows:
            grouped.setdefault(row.id, []).append(row)
        return [_customer(each) for each in grouped.values()]


def card_asked(number: str) -> Asked:
    """The rows of the card of whoever calls from `number`, in E.164; see `card_by_number`."""
    return _CARD_BY_NUMBER, {"number": number}


def card_with_id(customer_id: str) -> Asked:
    """The rows of this customer's card."""
    return _CARD_BY_ID, {"id": customer_id}


def card_of(rows: Rows) -> Card | None:
    """None where there are no rows."""
    if not rows:
        return None
    history = dict.fromkeys(tuple(row)[-_INTERACTION_WIDTH:] for row in rows)
    contacts = (Interaction(*each) for each in history if each[0] is not None)
    return Card(_customer(rows), tuple(contacts), others=rows[0].sharing - 1)


def insert_customers(
    connection: Connection,
    drafts: Iterable[tuple[str, Draft]],
    managers: Mapping[str, str],
    now: float,
    pins: Mapping[str, str | None] | None = None,
) -> None:
    """Writes checked drafts under their new ids; `pins` are digests by these."""
    rows, numbers, attributes = [], [], {}
    for key, draft in drafts:
        values = _changed_columns(draft, FIELDS, managers) | {"pin_hash": (pins or {}).get(key)}
        rows.append(values | {"id": key, "created_at": now, "updated_at": now})
        attributes[key] = draft.attributes
        numbers.extend(phone_rows(key, draft.phones))
    if rows:
        connection.execute(insert(customer), rows)
    if numbers:
        connection.execute(insert(phone), numbers)
    write_attributes(connection, attributes)


def write_attributes(
    connection: Connection, attributes: Mapping[str, Mapping[str, Attribute] | None]
) -> None:
    """These customers are found by these attributes from now on: text and whole numbers, as they
    are entered. An attribute that is true or 1.5 is nobody's account."""
    rows = [
        {"customer_id": key, "name": name, "value": str(value)}
        for key, each in attributes.items()
        for name, value in (each or {}).items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    ]
    if attributes:
        keys = list(attributes)
        connection.execute(
            delete(customer_attribute).where(customer_attribute.c.customer_id.in_(keys))
        )
    if rows:
        connection.execute(insert(customer_attribute), rows)


def phone_rows(
    customer_id: str, numbers: Sequence[str], first: int = 0
) -> list[dict[str, str | int]]:
    """The rows of `numbers`, which take the positions from `first` on."""
    return [
        {"customer_id": customer_id, "e164": number, "position": position}
        for position, number in enumerate(numbers, first)
    ]


def _changed_columns(
    draft: Draft, changed: Iterable[str], managers: Mapping[str, str]
) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for field in changed:
        if field == "name":
            columns |= {"name": draft.name, "search": search_key(draft.name)}
        elif field == "manager":
            columns["manager_id"] = managers[draft.manager] if draft.manager else None
        elif field not in ("phones", "pin"):
            columns[field] = getattr(draft, field)
    return columns


def _api_names(changes: Iterable[str]) -> set[str]:
    """The names by which faults of these fields go: the outside knows a balance, not its unit."""
    return {"balance" if field == "balance_minor" else field for field in changes}


def _draft(known: Customer) -> Draft:
    return Draft(
        name=known.name,
        kind=known.kind,
        phones=known.phones,
        status=known.status,
        language=known.language,
        manager=known.manager.name if known.manager else None,
        balance_minor=known.balance_minor,
        segment=known.segment,
        tags=known.tags,
        do_not_disturb=known.do_not_disturb,
        attributes=known.attributes,
    )


def _customer(rows: Sequence[Row[Any]]) -> Customer:
    first = rows[0]
    manager = None
    if first.manager_name is not None:
        manager = Manager(first.manager_name, first.manager_display_name, first.manager_mobile)
    return Customer(
        id=first.id,
        kind=kind_of(first.kind),
        name=first.name,
        phones=tuple(dict.fromkeys(row.e164 for row in rows if row.e164 is not None)),
        status=first.status,
        language=first.language,
        manager=manager,
        balance_minor=first.balance_minor,
        created_at=first.created_at,
        updated_at=first.updated_at,
        segment=first.segment,
        tags=tuple(first.tags or ()),
        do_not_disturb=first.do_not_disturb,
        attributes=first.attributes or {},
    )
