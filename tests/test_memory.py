"""What a start remembers: the database, with what still waits in the spool over it."""

from __future__ import annotations

import json
from dataclasses import replace

from store_fixtures import *  # noqa: F403
from test_crm_core_calls import AT, a_call, a_customer, a_state, an_entry

from cordboard.crm_core.model import FactRecord, WrapUp
from cordboard.crm_core.store import Store
from cordboard.desk.records import handled_record
from cordboard.events import CallId, OperatorName, PbxName, QueueName
from cordboard.memory import HANDLED_KEPT, remembered
from cordboard.queue.forecast import Handled

PBX = [PbxName("pbx")]
DAY, WRAPUP = AT - 3600, 30.0


def hung_up(call_id: str, at: float) -> FactRecord:
    data = {"peer": "PJSIP/1001-000000aa", "peer_uniqueid": "1790000001.2"}
    return FactRecord(call_id, at, "peercleared", json.dumps(data))


async def test_what_waits_in_the_spool_goes_over_what_the_database_has(store: Store) -> None:
    customer = await a_customer(store)
    going, over, other = a_call("1", customer_id=customer.id), a_call("2"), a_call("3", pbx="b")
    waiting = an_entry(going)
    await store.write([going, over, waiting])
    talking = replace(going, customer_id=None, state="talking")
    left = replace(waiting, outcome="connected", left_at=AT + 9)
    new = a_call("4")
    spooled = [talking, replace(over, state="ended", ended_at=AT + 5), left, new, other]
    found = await remembered(store, spooled, PBX, AT + 10, DAY, WRAPUP)
    assert {call.id: call for call in found.calls} == {
        going.id: replace(going, state="talking"),
        new.id: new,
    }
    assert found.entries == (left,)


async def test_a_talk_that_ended_within_the_wrap_up_comes_with_its_card(store: Store) -> None:
    customer = await a_customer(store)
    call = a_call("1", customer_id=customer.id, ended_at=AT)
    older, spooled = a_call("2", ended_at=AT - 60), a_call("3", ended_at=AT)
    await store.write([call, hung_up(call.id, AT), older, hung_up(older.id, AT - 60)])
    note = WrapUp(spooled.id, "anna", None, "note", None, AT + 1)
    waiting = [spooled, hung_up(spooled.id, AT), hung_up(call.id, AT), note]
    found = await remembered(store, waiting, PBX, AT + 10, DAY, WRAPUP)
    assert [(each.call, each.ended) for each in found.unwritten] == [(call, AT), (spooled, AT)]
    assert [each.written for each in found.unwritten] == [frozenset(), frozenset({"anna"})]
    first = found.unwritten[0]
    assert first.card
    assert first.card.customer == customer
    assert (first.peer, first.peer_uniqueid) == ("PJSIP/1001-000000aa", "1790000001.2")


async def test_what_calls_took_of_operators_comes_back_oldest_first_and_once(store: Store) -> None:
    call = a_call("1")
    took = [
        Handled(CallId(call.id), QueueName("support"), OperatorName("anna"), s) for s in (60, 90)
    ]
    rows = [handled_record(each, AT + place) for place, each in enumerate(took)]
    long_ago = handled_record(replace(took[0], seconds=7.0), AT - HANDLED_KEPT - 60)
    await store.write([call, long_ago, rows[0]])
    found = await remembered(store, rows, PBX, AT + 10, DAY, WRAPUP)
    assert found.handled == tuple(took)


async def test_a_wrap_up_that_was_extended_is_remembered_for_as_long(store: Store) -> None:
    def ended(number: int, at: float) -> FactRecord:
        said = {"peer": f"PJSIP/100{number}-000000aa", "peer_uniqueid": f"1790000001.{number}"}
        return FactRecord(a_call(str(number)).id, at, "peercleared", json.dumps(said))

    calls = [a_call(str(number), ended_at=AT) for number in (1, 2)]
    states = [
        a_state("s1", state="wrap-up", reason=None, phone="PJSIP/1001"),
        a_state("s2", state="ready", reason=None, phone="PJSIP/1002"),
    ]
    await store.write([*calls, *states, ended(1, AT), ended(2, AT)])
    found = await remembered(store, (), PBX, AT + 200, DAY, WRAPUP, 600)
    assert [each.call.id for each in found.unwritten] == [calls[0].id]
    assert sorted(row.phone for row in found.states) == ["PJSIP/1001", "PJSIP/1002"]
