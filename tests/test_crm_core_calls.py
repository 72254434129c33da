"""Calls, entries, facts and interactions, written in groups, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from postgres_fixtures import PostgresServer
from sqlalchemy import delete, update
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.calls import RecordsError
from cordboard.crm_core.model import (
    AuditRecord,
    CallRecord,
    Customer,
    Draft,
    EntryRecord,
    FactRecord,
    Interaction,
    StateRecord,
    WrapUp,
    interaction_id,
    link_id,
)
from cordboard.crm_core.rules import FieldsError
from cordboard.crm_core.store import Store
from cordboard.crm_core.tables import audit
from cordboard.errors import PeerError
from cordboard.events import derived_id

AT = 1_790_000_000.125
NOBODY = derived_id(1, "nobody")


def a_call(key: str = "1", **more: Any) -> CallRecord:
    values: dict[str, Any] = {
        "id": derived_id(int(AT * 1000), key),
        "pbx": "pbx",
        "boot": "b1",
        "linkedid": f"1790000000.{key}",
        "number": "+79161234567",
        "name": "Иван",
        "dialled": "100",
        "customer_id": None,
        "queue": "sales",
        "operator": None,
        "direction": "in",
        "state": "waiting",
        "cause": None,
        "why": "[]",
        "started_at": AT,
        "answered_at": None,
        "ended_at": None,
    }
    return CallRecord(**(values | more))


def an_entry(call: CallRecord, **more: Any) -> EntryRecord:
    values: dict[str, Any] = {
        "id": derived_id(int(AT * 1000), "entry", call.id),
        "call_id": call.id,
        "pbx": "pbx",
        "boot": "b1",
        "uniqueid": call.linkedid,
        "queue": "sales",
        "priority": 0,
        "entered_at": AT,
        "outcome": None,
        "operator": None,
        "left_at": None,
    }
    return EntryRecord(**(values | more))


def a_contact(call: CallRecord, operator: str | None = "anna", **more: Any) -> Interaction:
    values: dict[str, Any] = {
        "id": interaction_id(call.id, operator),
        "customer_id": None,
        "call_id": call.id,
        "operator": operator,
        "queue": "sales",
        "started_at": AT + 5,
        "ended_at": None,
        "outcome": None,
        "result": None,
        "note": "",
    }
    return Interaction(**(values | more))


async def a_customer(store: Store, name: str = "Иван") -> Customer:
    return (await store.create_customer(Draft(name, phones=("+79161234567",)))).customer


async def history(store: Store, customer: Customer) -> list[Interaction]:
    card = await store.card(customer.id)
    assert card is not None
    return list(card.history)


async def test_a_group_of_all_kinds_is_read_back_unchanged(store: Store) -> None:
    customer = await a_customer(store)
    call = a_call(customer_id=customer.id)
    entry, contact = an_entry(call), a_contact(call, customer_id=customer.id)
    facts = [FactRecord(call.id, AT + n, "queued", f'{{"n": {n}}}') for n in range(3)]
    await store.write([facts[0], contact, entry, facts[1], call, facts[2]])
    assert await store.call(call.id) == call
    assert await store.call_entries(call.id) == [entry]
    assert await store.call_facts(call.id) == facts
    assert await history(store, customer) == [contact]


async def test_a_later_record_replaces_the_earlier_one_within_a_group_and_after_it(
    store: Store,
) -> None:
    call = a_call()
    ended = replace(call, state="ended", cause="completed", ended_at=AT + 60)
    await store.write([call, replace(call, state="talking", answered_at=AT + 5)])
    assert (await store.call(call.id)) == replace(call, state="talking", answered_at=AT + 5)
    await store.write([ended])
    assert await store.call(call.id) == ended


async def test_the_facts_of_queued_calls_come_with_those_of_the_calls_they_became_part_of(
    store: Store,
) -> None:
    part, whole, other, early = (a_call(str(number)) for number in range(4))
    merged = FactRecord(part.id, AT + 1, "merged", f'{{"into": "{whole.id}"}}')
    facts = [FactRecord(one.id, AT, "offered", "{}") for one in (part, whole, other, early)]
    late = an_entry(early, entered_at=AT + 60)
    elsewhere = an_entry(other, pbx="another")
    await store.write([*facts, merged, an_entry(part), late, elsewhere])
    assert await store.queued_facts(AT, AT + 1, pbx="pbx") == [facts[0], merged, facts[1]]


async def test_the_facts_of_a_link_know_what_was_recorded_before_each(store: Store) -> None:
    up, again = (FactRecord(link_id("pbx"), AT + n, "linkup", "{}") for n in (0, 9))
    between = FactRecord(a_call().id, AT + 4, "offered", "{}")
    await store.write([up])
    await store.write([between])
    await store.write([again, FactRecord(link_id("other"), AT + 10, "linkup", "{}")])
    assert await store.link_facts("pbx") == [(up, None), (again, AT + 4)]


async def test_a_call_that_is_told_again_without_its_customer_keeps_it(store: Store) -> None:
    customer, call = await a_customer(store), a_call()
    known = replace(call, customer_id=customer.id)
    await store.write([call, known, replace(call, state="talking")])
    assert await store.call(call.id) == replace(known, state="talking")
    await store.write([replace(call, state="ended")])
    assert await store.call(call.id) == replace(known, state="ended")


async def test_a_note_in_a_group_is_written_as_a_wrapup_whatever_its_place(store: Store) -> None:
    customer, call = await a_customer(store), a_call()
    note = WrapUp(call.id, "anna", customer.id, "позвонить", "callback", AT + 60)
    ended = a_contact(call, ended_at=AT + 50, outcome="completed")
    await store.write([note, call, a_contact(call), ended])
    expected = replace(ended, customer_id=customer.id, note="позвонить", result="callback")
    assert await history(store, customer) == [expected]
    await store.write([ended, note])
    assert await history(store, customer) == [expected]
    assert await store.wrapped_up(call.id) == {"anna"}
    assert await store.wrapped_up(NOBODY) == set()


async def test_a_note_about_a_customer_who_was_erased_meanwhile_is_kept(store: Store) -> None:
    call = a_call()
    await store.write([call, WrapUp(call.id, "anna", NOBODY, "note", None, AT)])
    assert await store.wrapped_up(call.id) == {"anna"}


async def test_facts_are_found_by_when_they_came(store: Store) -> None:
    call = a_call()
    facts = [FactRecord(call.id, AT + n, "held", str(n)) for n in range(4)]
    await store.write([*facts, FactRecord(call.id, AT + 3, "queued", "{}")])
    assert await store.facts_since(AT + 2, "held") == facts[2:]
    assert await store.facts_since(0.0, "held") == facts


async def test_an_empty_group_is_no_work(store: Store) -> None:
    await store.write([])


async def test_facts_are_appended_even_before_their_call_is_known(store: Store) -> None:
    fact = FactRecord(a_call().id, AT, "offered", "{}")
    await store.write([fact])
    assert await store.call_facts(fact.call_id) == [fact]


async def test_a_group_written_again_because_its_fate_was_not_known_is_there_once(
    store: Store,
) -> None:
    customer, call = await a_customer(store), a_call()
    facts = [FactRecord(call.id, AT, "held", str(n)) for n in (2, 1, 2, 3)]
    group = [call, an_entry(call), a_contact(call, customer_id=customer.id), *facts]
    await store.write(group)
    await store.write(group)
    assert await store.call_facts(call.id) == [facts[0], facts[1], facts[3]]
    assert (len(await history(store, customer)), len(await store.recent_calls())) == (1, 1)


async def test_an_interaction_of_the_same_call_and_operator_is_the_same_whatever_its_id(
    store: Store,
) -> None:
    customer, call = await a_customer(store), a_call()
    other = a_contact(call, id=derived_id(9, "x"), customer_id=customer.id, outcome="completed")
    saved = await store.save_wrapup(call.id, "anna", customer.id, "note", None, AT)
    await store.write([other, a_contact(call, None, customer_id=customer.id)])
    anna = next(each for each in await history(store, customer) if each.operator == "anna")
    assert (anna.id, anna.note, anna.outcome) == (saved.id, "note", "completed")
    assert len(await history(store, customer)) == 2


async def test_open_calls_are_those_of_the_pbx_that_have_not_ended(store: Store) -> None:
    first, second = a_call("1"), a_call("2", started_at=AT + 1)
    ended, other_boot = a_call("3", ended_at=AT + 9), a_call("4", boot="b0", started_at=AT - 99)
    await store.write([second, first, ended, other_boot, a_call("5", pbx="other")])
    assert await store.open_calls("pbx", "b1") == [first, second]
    assert await store.open_calls("pbx") == [other_boot, first, second]
    assert await store.open_calls("nowhere") == []


async def test_the_same_linkedid_may_come_again(store: Store) -> None:
    await store.write([a_call("1", linkedid="chosen"), a_call("2", linkedid="chosen")])
    assert len(await store.recent_calls()) == 2


async def test_recent_calls_come_newest_first(store: Store) -> None:
    await store.write([a_call(str(n), started_at=AT + n) for n in range(5)])
    assert [call.started_at for call in await store.recent_calls(2)] == [AT + 4, AT + 3]


async def test_entries_are_chosen_by_when_they_began(store: Store) -> None:
    calls = [a_call(str(n)) for n in range(4)]
    entries = [an_entry(call, entered_at=AT + n) for n, call in enumerate(calls)]
    await store.write([*reversed(entries)])
    assert await store.entries_since(AT + 1) == entries[1:]
    assert await store.entries_since(AT + 1, AT + 3, pbx="pbx") == entries[1:3]
    assert await store.entries_since(AT, pbx="other") == []


@pytest.mark.parametrize("nobody", ["", "nonsense", NOBODY])
async def test_an_id_that_no_call_has_gives_nothing(store: Store, nobody: str) -> None:
    assert await store.call(nobody) is None
    assert await store.call_entries(nobody) == []
    assert await store.call_facts(nobody) == []


async def test_text_that_no_database_can_hold_does_not_hold_up_the_group(store: Store) -> None:
    await store.write([a_call("1", name="a\0b\ud800"), a_call("2")])
    call = await store.call(a_call("1").id)
    assert call is not None
    assert call.name == "ab?"


async def test_a_customer_erased_meanwhile_is_left_out(store: Store) -> None:
    call = a_call(customer_id=NOBODY)
    await store.write([call, a_contact(call, customer_id=NOBODY)])
    assert await store.call(call.id) == replace(call, customer_id=None)


async def test_one_refused_record_does_not_take_the_others_with_it(store: Store) -> None:
    good, entry = a_call("1"), an_entry(a_call("1"))
    double = replace(entry, id=derived_id(2, "double"))
    with pytest.raises(RecordsError) as raised:
        await store.write([good, entry, double, FactRecord(good.id, AT, "queued", "{}")])
    assert [record for record, _ in raised.value.refused] == [double]
    assert await store.call(good.id) == good
    assert await store.call_entries(good.id) == [entry]
    assert len(await store.call_facts(good.id)) == 1


async def test_the_wrapup_makes_the_interaction_from_what_is_known_of_the_call(
    store: Store,
) -> None:
    customer = await a_customer(store)
    call = a_call(customer_id=customer.id, answered_at=AT + 5, ended_at=AT + 60, cause="completed")
    await store.write([call])
    saved = await store.save_wrapup(call.id, "anna", None, "позвонить", "callback", AT + 70)
    assert saved == a_contact(
        call,
        customer_id=customer.id,
        ended_at=AT + 60,
        outcome="completed",
        result="callback",
        note="позвонить",
    )
    assert await history(store, customer) == [saved]


async def test_saving_a_wrapup_again_replaces_note_and_result_and_makes_no_second_row(
    store: Store,
) -> None:
    customer, call = await a_customer(store), a_call()
    await store.write([call])
    first = await store.save_wrapup(call.id, "anna", customer.id, "one", "other", AT)
    again = await store.save_wrapup(call.id, "anna", customer.id, "one", "other", AT + 1)
    assert first == again
    last = await store.save_wrapup(call.id, "anna", None, "two", None, AT + 2)
    assert (last.note, last.result, last.customer_id) == ("two", None, customer.id)
    assert await history(store, customer) == [last]


async def test_a_wrapup_before_the_telephones_side_and_one_after_it_give_the_same_row(
    store: Store,
) -> None:
    customer = await a_customer(store)
    rows = []
    for name in ("1", "2"):
        call = a_call(name, customer_id=customer.id)
        phone_side = a_contact(call, customer_id=customer.id, ended_at=AT + 60, outcome="completed")
        await store.write([call])
        if name == "1":
            await store.write([phone_side])
        await store.save_wrapup(call.id, "anna", customer.id, "note", "order", AT + 61)
        if name == "2":
            await store.write([phone_side])
        rows.append((await history(store, customer))[0])
    assert replace(rows[0], id="", call_id=None) == replace(rows[1], id="", call_id=None)
    assert (rows[0].note, rows[0].result, rows[0].outcome) == ("note", "order", "completed")


async def test_each_operator_of_a_call_has_an_interaction_of_their_own(store: Store) -> None:
    customer, call = await a_customer(store), a_call()
    for operator in ("anna", "maria"):
        await store.save_wrapup(call.id, operator, customer.id, operator, None, AT)
    assert {each.note for each in await history(store, customer)} == {"anna", "maria"}


async def test_a_caller_who_becomes_known_during_the_call_gets_its_history(store: Store) -> None:
    call = a_call()
    await store.write([call, a_contact(call)])
    customer = await a_customer(store)
    await store.link_call(call.id, customer.id)
    assert await store.call(call.id) == replace(call, customer_id=customer.id)
    assert await history(store, customer) == [a_contact(call, customer_id=customer.id)]
    # The telephone's side goes on without knowing the customer, and takes nothing back.
    await store.write([replace(call, state="ended"), a_contact(call, outcome="completed")])
    known = await store.call(call.id)
    assert known is not None
    assert known.customer_id == customer.id
    assert (await history(store, customer))[0].outcome == "completed"


async def test_linking_leaves_a_customer_who_is_known_already(store: Store) -> None:
    first, second = await a_customer(store, "A"), await a_customer(store, "B")
    call = a_call(customer_id=first.id)
    await store.write([call, a_contact(call, customer_id=first.id)])
    await store.link_call(call.id, second.id)
    assert await store.call(call.id) == call
    # Only the operator says that it was somebody else.
    await store.save_wrapup(call.id, "anna", second.id, "", None, AT)
    await store.write([a_contact(call, customer_id=first.id)])
    assert (await history(store, first), len(await history(store, second))) == ([], 1)


@pytest.mark.parametrize(
    ("call_id", "customer_id", "note", "field"),
    [
        ("nonsense", None, "", "call"),
        (NOBODY, NOBODY, "", "customer"),
        (NOBODY, "nonsense", "", "customer"),
        (NOBODY, None, "x" * 10_001, "note"),
    ],
)
async def test_a_wrapup_of_nothing_is_refused(
    store: Store, call_id: str, customer_id: str | None, note: str, field: str
) -> None:
    with pytest.raises(FieldsError) as raised:
        await store.save_wrapup(call_id, "anna", customer_id, note, None, AT)
    assert dict(raised.value.faults).keys() == {field}


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    store = Store(url)
    await store.open()
    yield store
    await store.close()


async def test_a_locked_sqlite_is_a_peer_error_while_readers_go_on(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pragmas = "cordboard.crm_core.database._SQLITE_PRAGMAS"
    monkeypatch.setattr(pragmas, ("PRAGMA journal_mode = WAL", "PRAGMA busy_timeout = 50"))
    async with _opened(sqlite_url) as store:
        customer = await a_customer(store)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(PeerError, match="locked"):
            await store.write([a_call()])
        card = await store.card_by_number("+79161234567")
        assert card is not None
        assert card.customer == customer
        other.execute("ROLLBACK")
        other.close()
        await store.write([a_call()])
        assert len(await store.recent_calls()) == 1


async def test_a_writer_waits_for_another_process_and_a_reader_does_not(sqlite_url: str) -> None:
    async with _opened(sqlite_url) as store:
        await a_customer(store)
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.write([a_call()]))
        for _ in range(20):
            assert await store.card_by_number("+79161234567") is not None
        assert not writing.done()
        other.execute("COMMIT")
        other.close()
        await writing
        assert len(await store.recent_calls()) == 1


async def test_messages_of_failures_name_no_person(sqlite_url: str) -> None:
    async with _opened(sqlite_url) as store:
        await store.database.write(lambda found: found.exec_driver_sql("DROP TABLE call").close())
        with pytest.raises(PeerError) as raised:
            await store.write([a_call(number="+79169998877", name="Секретов")])
        assert "no such table" in str(raised.value)
        chain = f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"
        assert "+79169998877" not in chain
        assert "Секретов" not in chain


@pytest.mark.postgres
async def test_lookups_survive_a_cut_of_all_connections(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with _opened(postgres_url) as store:
        await a_customer(store)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
        name = postgres_url.removeprefix("postgresql://postgres@/").partition("?")[0]
        for _ in range(3):
            await asyncio.gather(*(store.card_by_number("+79161234567") for _ in range(4)))
            await asyncio.to_thread(postgres_server.execute, cut.format(name))
            assert await store.card_by_number("+79161234567") is not None


async def test_who_calls_and_how_often_is_asked_at_once(store: Store) -> None:
    number = "+79161234567"
    assert await store.caller(number, 100.0, but=("pbx", "1.1")) == (None, 0)
    ivan = await a_customer(store)
    calls = [
        a_call(id=derived_id(n, "call"), linkedid=f"{n}.1", number=number, started_at=100.0 + n)
        for n in range(1, 4)
    ]
    earlier = a_call(id=derived_id(9, "call"), linkedid="9.1", number=number, started_at=99.0)
    placed = a_call(
        id=derived_id(8, "call"), linkedid="8.1", number=number, started_at=105.0, direction="out"
    )
    await store.write([*calls, earlier, placed])
    card, count = await store.caller(number, 100.0, but=(calls[0].pbx, "1.1"))
    assert card is not None
    assert card == await store.card_by_number(number) == await store.card(ivan.id)
    assert count == 2
    assert (await store.caller(number, 100.0, but=("another", "1.1")))[1] == 3
    assert await store.caller(number) == (card, 0)


def an_audit(key: str, **more: Any) -> AuditRecord:
    values: dict[str, Any] = {
        "id": derived_id(int(AT * 1000), key),
        "at": AT,
        "actor": "maria",
        "role": "supervisor",
        "kind": "call",
        "action": "move",
        "target": derived_id(1, "call"),
        "reason": "обещали перезвонить",
        "before": '{"priority": 0}',
        "after": '{"to": "head"}',
    }
    return AuditRecord(**(values | more))


async def test_an_audit_is_kept_once_and_never_changed(store: Store) -> None:
    first, second = an_audit("1"), an_audit("2", at=AT + 5, target="anna", kind="operator")
    await store.write([first, second, a_call()])
    await store.write([replace(first, reason="another"), first])
    assert await store.audits() == [first, second]
    assert await store.audits(since=AT + 1) == [second]
    assert await store.audits(target="anna") == [second]
    for change in (update(audit).values(reason=""), delete(audit)):
        with pytest.raises(PeerError, match="only ever added"):
            await store.database.write(lambda connection, what=change: connection.execute(what))
    assert await store.audits() == [first, second]


async def test_the_audit_is_read_backwards_by_pages(store: Store) -> None:
    rows = [an_audit(str(number), at=AT + number // 2, target="anna") for number in range(5)]
    rows.append(an_audit("5", at=AT + 9, actor="anna", target="boris"))
    await store.write(rows)
    newest = sorted(rows, key=lambda row: (row.at, row.id), reverse=True)
    read: list[AuditRecord] = []
    while page := await store.last_audits(2, after=read[-1].id if read else None):
        assert len(page) == 2
        read += page
    assert read == newest
    assert await store.last_audits(9, who="boris") == newest[:1]
    assert await store.last_audits(9, who="maria") == newest[1:]
    assert await store.last_audits(9, who="anna", after=newest[0].id) == newest[1:]
    assert await store.last_audits(9, after=derived_id(1, "nobody")) == []


def a_state(key: str, **more: Any) -> StateRecord:
    values: dict[str, Any] = {
        "id": derived_id(int(AT * 1000), key),
        "operator": "anna",
        "state": "paused",
        "reason": "обед",
        "since": AT,
        "until": None,
        "due": AT + 3600,
        "pbx": "pbx",
        "boot": "2026-11-22 08:00:00",
        "phone": "PJSIP/1007",
    }
    return StateRecord(**(values | more))


async def test_states_of_operators_end_and_are_found_by_their_time(store: Store) -> None:
    lunch, ready = a_state("1"), a_state("2", state="ready", reason=None, since=AT + 60, due=None)
    other = a_state("3", operator="boris", since=AT + 5)
    await store.write([lunch, other])
    assert await store.open_states() == [lunch, other]
    ended = replace(lunch, until=AT + 60)
    await store.write([lunch, ended, ready])
    assert await store.open_states() == [other, ready]
    assert await store.states(AT, AT + 30) == [ended, other]
    assert await store.states(AT + 60, AT + 90) == [other, ready]
