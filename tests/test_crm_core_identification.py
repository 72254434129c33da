"""Customers found by what a caller enters, and the PIN that proves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select
from store_fixtures import *  # noqa: F403

from cordboard.crm_core import tables
from cordboard.crm_core.identification import WRONG_AT_MOST, WRONG_WITHIN, Attempts
from cordboard.crm_core.imports import import_customers
from cordboard.crm_core.model import Draft
from cordboard.crm_core.store import Store

NUMBER, OTHER = "+79161234567", "+79160000001"


async def customer(store: Store, number: str = NUMBER, **fields: Any) -> str:
    created = await store.create_customer(Draft("Анна", phones=(number,), **fields))
    return created.customer.id


async def test_the_one_customer_of_an_account_is_found_whatever_its_type(store: Store) -> None:
    by_text = await customer(store, attributes={"account": "007", "tariff": "pro"})
    by_number = await customer(store, OTHER, attributes={"account": 123456, "limit": 1.5})
    for account, who in (("007", by_text), ("123456", by_number), ("7", None), ("", None)):
        card = await store.card_by_attribute("account", account)
        assert (card and card.customer.id) == who
    assert await store.card_by_attribute("limit", "1.5") is None


async def test_an_account_that_two_have_is_nobodys(store: Store) -> None:
    for number in (NUMBER, OTHER):
        await customer(store, number, attributes={"account": "77"})
    assert await store.card_by_attribute("account", "77") is None


async def test_a_changed_account_is_found_by_its_new_value_alone(store: Store) -> None:
    who = await customer(store, attributes={"account": "1"})
    await store.update_customer(who, {"attributes": {"account": "2"}})
    assert await store.card_by_attribute("account", "1") is None
    card = await store.card_by_attribute("account", "2")
    assert card is not None
    assert card.customer.id == who


async def test_a_pin_proves_its_own_customer_and_is_nowhere_to_be_read(store: Store) -> None:
    who, other = await customer(store, pin="4711"), await customer(store, OTHER)
    assert await store.is_proven(who, "4711", "a", NUMBER)
    assert not await store.is_proven(other, "4711", "b", NUMBER)
    assert not await store.is_proven(None, "4711", "c", NUMBER)
    rows = await store.database.rows(select(tables.customer))
    assert rows
    assert "4711" not in str([tuple(row) for row in rows])
    assert "4711" not in repr(Draft("Анна", pin="4711"))


async def test_a_pin_is_changed_and_taken_back(store: Store) -> None:
    who = await customer(store, pin="4711")
    await store.update_customer(who, {"pin": "0815"})
    assert not await store.is_proven(who, "4711", "a", "")
    assert await store.is_proven(who, "0815", "a", "")
    await store.update_customer(who, {"pin": None})
    assert not await store.is_proven(who, "0815", "a", "")


async def test_after_wrong_pins_the_right_one_is_none(store: Store) -> None:
    who = await customer(store, pin="4711")
    for _ in range(WRONG_AT_MOST):
        assert not await store.is_proven(who, "0000", "a", NUMBER)
    assert not await store.is_proven(who, "4711", "a", OTHER), "by the account"
    assert not await store.is_proven(who, "4711", "b", NUMBER), "by the caller"
    assert await store.is_proven(who, "4711", "b", "+79169999999")


async def test_an_import_brings_accounts_and_pins(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    text = "name;phone;pin;attribute.account\nАнна;+79161234567;0042;77001\n"
    path.write_text(text, encoding="utf-8")
    for _ in range(2):
        summary = await import_customers(store, path)
    assert (summary.skipped, summary.faults) == (1, 0)
    card = await store.card_by_attribute("account", "77001")
    assert card is not None
    assert await store.is_proven(card.customer.id, "0042", "77001", NUMBER)
    path.write_text(text.replace("0042", "12"), encoding="utf-8")
    faults: list[str] = []
    await import_customers(store, path, on_fault=lambda line, why: faults.append(why))
    assert faults == ["pin: must have 4 to 12 digits"]


def test_wrong_pins_are_forgotten_after_an_hour() -> None:
    attempts = Attempts()
    for second in range(WRONG_AT_MOST):
        attempts.note("a", float(second))
    assert attempts.is_locked("a", 10.0)
    assert not attempts.is_locked("a", WRONG_WITHIN)
    assert not attempts.is_locked("b", 10.0)
