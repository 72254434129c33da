"""Customers and the card of whoever calls, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from store_fixtures import *  # noqa: F403
from store_fixtures import Clock

from cordboard.crm_core.customers import HISTORY_AT_MOST, SHARED_AT_MOST, insert_customers
from cordboard.crm_core.model import Created, Customer, Draft, Interaction
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

IVAN = Draft("Иван Ёлкин", phones=("8 (916) 123-45-67", "+359 888 123 456"), status="vip")


def contact(customer_id: str | None, at: float, **more: Any) -> Interaction:
    values: dict[str, Any] = {
        "id": derived_id(int(at * 1000), str(customer_id), str(at)),
        "customer_id": customer_id,
        "call_id": None,
        "operator": "anna",
        "queue": "sales",
        "started_at": at,
        "ended_at": at + 60,
        "outcome": "completed",
        "result": None,
        "note": "",
    }
    return Interaction(**(values | more))


async def faults_of(store: Store, draft: Draft) -> dict[str, str]:
    with pytest.raises(FieldsError) as raised:
        await store.create_customer(draft)
    return dict(raised.value.faults)


async def test_a_caller_is_known_by_any_number_written_in_any_way(store: Store) -> None:
    created = (await store.create_customer(IVAN)).customer
    for written in ("+79161234567", "89161234567", "79161234567", "00359888123456"):
        card = await store.card_by_number(written)
        assert card is not None
        assert card.customer == created
        assert (card.history, card.others) == ((), 0)


async def test_what_is_written_is_read_back_unchanged(store: Store, clock: Clock) -> None:
    await store.add_user("anna", "operator", "password", display_name="Анна", mobile="89160000001")
    draft = Draft("  ООО  «Ромашка» ", "organisation", (), "debtor", "bg", "anna", -123_456_789_012)
    created = (await store.create_customer(draft)).customer
    assert created.name == "ООО «Ромашка»"
    assert created.manager is not None
    assert (created.manager.display_name, created.manager.mobile) == ("Анна", "+79160000001")
    assert (created.kind, created.status, created.language) == ("organisation", "debtor", "bg")
    assert (created.balance_minor, created.phones) == (-123_456_789_012, ())
    assert created.created_at == created.updated_at == clock.now
    assert await store.customer(created.id) == created


@pytest.mark.parametrize(
    "raw", ["", "anonymous", "1001", "+79160000009", "\0", "\ud800", "x" * 9999]
)
async def test_a_number_that_is_nobodys_gives_no_card(store: Store, raw: str) -> None:
    await store.create_customer(IVAN)
    assert await store.card_by_number(raw) is None


async def test_the_card_holds_the_last_contacts_newest_first(store: Store) -> None:
    created = (await store.create_customer(IVAN)).customer
    contacts = [contact(created.id, 1000.0 + at, note=f"n{at}") for at in range(9)]
    await store.write(contacts)
    card = await store.card_by_number("+79161234567")
    assert card is not None
    assert card.history == tuple(reversed(contacts[-HISTORY_AT_MOST:]))
    assert card.customer == created
    assert await store.card(created.id) == card


async def test_of_a_household_the_one_in_contact_last_is_shown_and_the_others_counted(
    store: Store, clock: Clock
) -> None:
    household = []
    for name in ("Анна", "Борис", "Вера"):
        clock.now += 1
        created = await store.create_customer(Draft(name, phones=("+79161234567",)))
        household.append(created.customer)
    first, second, third = household
    card = await store.card_by_number("+79161234567")
    assert card is not None
    assert (card.customer, card.others) == (third, 2)
    await store.write([contact(second.id, 2000.0), contact(first.id, 1000.0)])
    card = await store.card_by_number("+79161234567")
    assert card is not None
    assert (card.customer, card.others, len(card.history)) == (second, 2, 1)


async def test_a_number_shared_by_thousands_still_gives_a_card(store: Store) -> None:
    drafts = [(derived_id(n, "c"), Draft(f"c{n}", phones=("+79161234567",))) for n in range(3000)]
    checked = [(key, store.rules.check(draft, ())[0]) for key, draft in drafts]
    await store.database.write(lambda connection: insert_customers(connection, checked, {}, 0.0))
    card = await store.card_by_number("+79161234567")
    assert card is not None
    assert card.others == SHARED_AT_MOST - 1


async def test_all_faults_of_a_customer_are_told_at_once(store: Store) -> None:
    await store.add_user("gone", "operator", "password")
    await store.update_user("gone", {"active": False})
    bad = Draft(" \u200b ", "robot", ("8916", "+79161234567", "x"), "gold", "fr", "gone", 10**16)
    assert (await faults_of(store, bad)).keys() == {
        "name",
        "kind",
        "phones[0]",
        "phones[2]",
        "status",
        "language",
        "manager",
        "balance",
    }
    assert await store.find_customers(phone="+79161234567") == []


@pytest.mark.parametrize(("length", "fits"), [(200, True), (201, False)])
async def test_a_name_has_at_most_200_characters(store: Store, length: int, fits: bool) -> None:
    draft = Draft("Ж" * length)
    if fits:
        assert (await store.create_customer(draft)).customer.name == draft.name
    else:
        assert (await faults_of(store, draft)).keys() == {"name"}


async def test_a_new_customer_gets_the_first_status_of_the_list(store: Store) -> None:
    assert (await store.create_customer(Draft("A"))).customer.status == "new"


async def test_a_number_that_another_customer_has_is_allowed_and_reported(store: Store) -> None:
    first = await store.create_customer(IVAN)
    second = await store.create_customer(Draft("Мария", phones=("+79161234567",)))
    assert (first.duplicates, second.duplicates) == ((), (first.customer,))


async def test_the_same_number_twice_is_kept_once(store: Store) -> None:
    draft = Draft("A", phones=("+79161234567", "8 916 123 45 67"))
    assert (await store.create_customer(draft)).customer.phones == ("+79161234567",)


async def test_names_that_could_be_code_or_break_the_wire_are_only_text(store: Store) -> None:
    for name in ("'; DROP TABLE customer;--", "=1+1", "<script>alert(1)</script>", "%_\\"):
        assert (await store.create_customer(Draft(name))).customer.name == name
    broken = (await store.create_customer(Draft("a\0b\ud800c\r\nd\u202ee"))).customer
    assert broken.name == "a b c de"


async def test_changes_touch_only_what_they_name(store: Store, clock: Clock) -> None:
    created = (await store.create_customer(IVAN)).customer
    clock.now += 10
    changed = await store.update_customer(created.id, {"status": "blocked"})
    assert changed is not None
    assert (changed.status, changed.updated_at) == ("blocked", clock.now)
    assert (changed.name, changed.phones) == (created.name, created.phones)
    changed = await store.update_customer(created.id, {"phones": ("+74951234567",), "name": "И"})
    assert changed is not None
    assert (changed.name, changed.phones) == ("И", ("+74951234567",))
    assert await store.card_by_number("+79161234567") is None


async def test_a_status_no_longer_in_the_list_does_not_hold_up_other_changes(
    database_url: str,
) -> None:
    before, after = Store(database_url, statuses=("old",)), Store(database_url)
    await before.open()
    created = (await before.create_customer(Draft("A"))).customer
    await before.close()
    await after.open()
    changed = await after.update_customer(created.id, {"name": "B"})
    assert changed is not None
    assert (changed.name, changed.status) == ("B", "old")
    await after.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "gold"}, "status"),
        ({"balance_minor": 10**17}, "balance"),
        ({"phones": ("nonsense",)}, "phones[0]"),
        ({"id": "x"}, "id"),
    ],
)
async def test_a_change_with_a_fault_changes_nothing(
    store: Store, changes: dict[str, Any], field: str
) -> None:
    created = (await store.create_customer(IVAN)).customer
    with pytest.raises(FieldsError) as raised:
        await store.update_customer(created.id, {"name": "X"} | changes)
    assert dict(raised.value.faults).keys() == {field}
    assert await store.customer(created.id) == created


@pytest.mark.parametrize("nobody", ["", "nonsense", "01a200e7-6ccf-73d8-b46c-656890155f00", "\0"])
async def test_an_id_that_is_nobodys_gives_nothing(store: Store, nobody: str) -> None:
    assert await store.card(nobody) is None
    assert await store.customer(nobody) is None
    assert await store.update_customer(nobody, {"name": "A"}) is None


async def test_customers_are_found_by_number_and_by_a_part_of_the_name(store: Store) -> None:
    ivan = (await store.create_customer(IVAN)).customer
    other = (
        await store.create_customer(Draft("Ёлкина 100% Ольга", phones=("+79161234567",)))
    ).customer

    async def found(**query: Any) -> list[Customer]:
        return await store.find_customers(**query)

    assert await found(phone="8 916 1234567") == [other, ivan]
    assert await found(phone="+79161234567", text="иван") == [ivan]
    assert await found(text="ЕЛКИН") == [other, ivan]
    assert await found(text="ёлкин", limit=1) == [other]
    assert await found(text="0% о") == [other]
    assert await found(text="_") == []
    assert await found(phone="nonsense") == await found(text=" ") == await found() == []


async def test_an_impatient_caller_leaves_a_store_that_works(store: Store) -> None:
    await store.create_customer(IVAN)
    for _ in range(30):
        try:
            async with asyncio.timeout(0.0003):
                await store.card_by_number("+79161234567")
        except TimeoutError:
            pass
    cards = await asyncio.gather(*(store.card_by_number("+79161234567") for _ in range(20)))
    assert all(card is not None for card in cards)


async def test_many_at_once_all_come_through(store: Store) -> None:
    async def one(number: int) -> Created:
        return await store.create_customer(Draft(f"c{number}", phones=(f"+7916{number:07}",)))

    created = await asyncio.gather(*(one(number) for number in range(40)))
    cards = await asyncio.gather(
        *(store.card_by_number(each.customer.phones[0]) for each in created)
    )
    assert [card.customer if card else None for card in cards] == [e.customer for e in created]


async def test_what_rules_ask_of_a_customer_is_kept_with_its_kinds(store: Store) -> None:
    attributes = {"tariff": "злато", "cases": 2, "rate": 7.5, "sla": False}
    draft = Draft(
        "A", phones=("+79161234567",), segment=" b2b ", tags=("press", " press ", ""),
        do_not_disturb=True, attributes=attributes,
    )  # fmt: skip
    created = (await store.create_customer(draft)).customer
    assert (created.segment, created.tags, created.do_not_disturb) == ("b2b", ("press",), True)
    assert created.attributes == attributes
    assert [type(value) for value in created.attributes.values()] == [str, int, float, bool]
    card = await store.card_by_number("+79161234567")
    assert card is not None
    assert card.customer == created
    changed = await store.update_customer(created.id, {"tags": (), "attributes": {"cases": 3}})
    assert changed is not None
    assert (changed.tags, changed.attributes, changed.segment) == ((), {"cases": 3}, "b2b")


async def test_segments_are_those_of_the_configured_list(sqlite_url: str) -> None:
    store = Store(sqlite_url, segments=["retail", "b2b"])
    await store.open()
    faults = await faults_of(store, Draft("A", segment="b2c", tags=("x" * 81,) * 1))
    assert faults == {
        "segment": "must be one of retail, b2b",
        "tags[0]": "at most 80 characters fit",
    }
    await store.close()
