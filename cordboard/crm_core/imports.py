"""The import of customers from a file: a million rows in short transactions.

A row is the customer who has one of its numbers and its name; anybody else is new. So the same
file twice changes nothing the second time, and a run that broke off is simply started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from cordboard.crm_core.customers import insert_customers, phone_rows, write_attributes
from cordboard.crm_core.database import new_id
from cordboard.crm_core.model import Draft
from cordboard.crm_core.rules import PHONES_AT_MOST, FieldsError, search_key, user_key
from cordboard.crm_core.spreadsheet import Line, columns_of, encoding_of, read
from cordboard.crm_core.store import Store
from cordboard.crm_core.tables import customer, phone

BATCH = 500
"""Rows in one transaction: some tens of milliseconds, so that the live writer gets its turn. While
the next rows are being checked, the database is free."""

_COLUMNS = {
    "kind": "kind",
    "status": "status",
    "language": "language",
    "manager": "manager_id",
    "balance": "balance_minor",
    "segment": "segment",
    "tags": "tags",
    "do_not_disturb": "do_not_disturb",
    "attributes": "attributes",
}
"""The file's fields that an import may change, and where they are kept."""
_UPDATE = (
    update(customer)
    .where(customer.c.id == bindparam("key"))
    .values(
        {
            name: bindparam(f"new_{name}", type_=customer.c[name].type)
            for name in (*_COLUMNS.values(), "updated_at")
        }
    )
)


_PIN = (
    update(customer).where(customer.c.id == bindparam("key")).values(pin_hash=bindparam("secret"))
)


@dataclass(slots=True)
class Summary:
    """What an import did. `skipped` rows are those that were there already, word for word."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    faults: int = 0
    unused_columns: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    """A customer as the import found or made it."""

    id: str
    search: str
    columns: dict[str, Any]
    phones: list[str]
    first_new_phone: int = 0
    changed: bool = False


async def import_customers(
    store: Store,
    path: Path,
    *,
    minor_digits: int = 2,
    on_fault: Callable[[int, str], None] = lambda line, reason: None,
    on_progress: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Imports `path`; each faulty row goes to `on_fault` with its line and reason, and leaves no
    trace. A cell that is empty, or a column that is missing, changes nothing at a known customer.

    Raises `UserError` for a file that cannot be read at all, `PeerError` where the database goes
    away: what `on_progress` was told of stays, and the next run goes on from there.
    """
    summary = Summary()

    def fault(line: int, reason: str) -> None:
        summary.faults += 1
        on_fault(line, reason)

    encoding = encoding_of(path)
    columns = columns_of(path, encoding)
    summary.unused_columns = columns.unused
    managers = await store.managers()
    lines = _checked(store, read(path, encoding, columns, minor_digits, fault), managers, fault)
    while batch := list(islice(lines, BATCH)):
        now = store.clock()
        pins = {line.number: store.pin_hash(pin) for line in batch if (pin := line.draft.pin)}
        done = await store.database.write(partial(_write, batch, managers, now, pins))
        summary.created += done.created
        summary.updated += done.updated
        summary.skipped += done.skipped
        on_progress(summary)
    return summary


def _checked(
    store: Store,
    lines: Iterator[Line],
    managers: Mapping[str, str],
    on_fault: Callable[[int, str], None],
) -> Iterator[Line]:
    for line in lines:
        draft = line.draft
        if draft.manager is not None:
            draft = replace(draft, manager=user_key(draft.manager))
        checked, faults = store.rules.check(draft, managers)
        if faults:
            on_fault(line.number, str(FieldsError(faults)))
        else:
            yield replace(line, draft=checked)


def _write(
    batch: list[Line],
    managers: Mapping[str, str],
    now: float,
    pins: Mapping[int, str],
    connection: Connection,
) -> Summary:
    """What a batch did, once it is committed. `pins` are digests by line; nobody can tell from one
    whether it is new."""
    done = Summary()
    fresh: list[tuple[str, Draft]] = []
    secrets: dict[str, str | None] = {}
    touched: dict[str, _Known] = {}
    known = _known(connection, {each for line in batch for each in line.draft.phones})
    for line in batch:
        match = _match(known, line.draft)
        if match is None:
            made = _new(new_id(now), line.draft, managers)
            fresh.append((made.id, line.draft))
            match = made
            touched[made.id] = made
            for number in made.phones:
                known.setdefault(number, []).append(made)
            done.created += 1
        elif _merge(match, line, managers, known):
            touched[match.id] = match
            done.updated += 1
        else:
            done.skipped += 1
        if line.number in pins:
            secrets[match.id] = pins[line.number]
    insert_customers(connection, fresh, managers, now)
    _update(connection, touched.values(), now)
    if secrets:
        values = [{"key": key, "secret": secret} for key, secret in secrets.items()]
        connection.execute(_PIN, values)
    return done


def _known(connection: Connection, numbers: Iterable[str]) -> dict[str, list[_Known]]:
    """The customers of these numbers, by number, with all their numbers."""
    owners = select(phone.c.customer_id).where(phone.c.e164.in_(list(numbers)))
    rows = connection.execute(
        select(customer.c.id, customer.c.search, *(customer.c[name] for name in _COLUMNS.values()))
        .add_columns(phone.c.e164)
        .join(phone, phone.c.customer_id == customer.c.id)
        .where(customer.c.id.in_(owners))
        .order_by(customer.c.id, phone.c.position)
    )
    by_id: dict[str, _Known] = {}
    by_number: dict[str, list[_Known]] = {}
    for row in rows:
        each = by_id.get(row.id)
        if each is None:
            columns = {name: getattr(row, name) for name in _COLUMNS.values()}
            each = by_id[row.id] = _Known(row.id, row.search, columns, [])
        each.phones.append(row.e164)
        each.first_new_phone = len(each.phones)
        by_number.setdefault(row.e164, []).append(each)
    return by_number


def _match(known: Mapping[str, list[_Known]], draft: Draft) -> _Known | None:
    key = search_key(draft.name)
    for number in draft.phones:
        for each in known.get(number, ()):
            if each.search == key:
                return each
    return None


def _new(key: str, draft: Draft, managers: Mapping[str, str]) -> _Known:
    phones = list(draft.phones)
    return _Known(key, search_key(draft.name), _values(draft, managers), phones, len(phones))


def _values(draft: Draft, managers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": draft.kind,
        "status": draft.status,
        "language": draft.language,
        "manager_id": managers[draft.manager] if draft.manager else None,
        "balance_minor": draft.balance_minor,
        "segment": draft.segment,
        "tags": list(draft.tags) or None,
        "do_not_disturb": draft.do_not_disturb,
        "attributes": dict(draft.attributes) or None,
    }


def _merge(
    match: _Known, line: Line, managers: Mapping[str, str], known: dict[str, list[_Known]]
) -> bool:
    """Whether the row tells anything new of this customer."""
    values = _values(line.draft, managers)
    columns = {_COLUMNS[field]: values[_COLUMNS[field]] for field in line.given & _COLUMNS.keys()}
    if "attributes" in columns:  # those that the file does not name stay
        columns["attributes"] = (match.columns["attributes"] or {}) | columns["attributes"]
    more = [number for number in line.draft.phones if number not in match.phones]
    more = more[: PHONES_AT_MOST - len(match.phones)]
    if match.columns | columns == match.columns and not more:
        return False
    match.columns |= columns
    match.phones += more
    match.changed = True
    for number in more:
        known.setdefault(number, []).append(match)
    return True


def _update(connection: Connection, touched: Iterable[_Known], now: float) -> None:
    changed: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    for each in touched:
        numbers += phone_rows(each.id, each.phones[each.first_new_phone :], each.first_new_phone)
        if each.changed:
            columns = {f"new_{name}": value for name, value in each.columns.items()}
            changed.append({"key": each.id, "new_updated_at": now} | columns)
    if changed:
        connection.execute(_UPDATE, changed)
        write_attributes(connection, {c["key"]: c["new_attributes"] for c in changed})
    if numbers:
        connection.execute(insert(phone), numbers)
