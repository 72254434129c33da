"""What is known from before the start: the rows of the database, and over them what the spool has
not brought there yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from cordboard.crm_core.model import (
    AttemptRecord,
    CallbackRecord,
    CallRecord,
    EntryRecord,
    FactRecord,
    Record,
    Respondent,
    RunRecord,
    StateRecord,
    WrapUp,
)
from cordboard.crm_core.respondent_states import HELD
from cordboard.crm_core.store import Store
from cordboard.cti.facts import PeerCleared, Unseen
from cordboard.desk.facts import ByHand, Kept, Remembered, RespondentTaken, Unwritten
from cordboard.desk.model import Gap
from cordboard.desk.moves import MOVED, by_hand
from cordboard.desk.places import KEPT
from cordboard.desk.records import DECIDED, HANDLED, decision_of, fact_kind, handled_of
from cordboard.events import OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import Decision

HANDLED_KEPT = 4 * 3600.0
"""Seconds back from the start. How long calls took before that tells less of the next ones."""


async def remembered(
    store: Store,
    spooled: Sequence[Record],
    pbxs: Iterable[PbxName],
    now: float,
    day_began: float,
    wrapup: float,
    extended: float = 0.0,
) -> Remembered:
    """The calls of `pbxs` that have not ended, the stays in queues since `day_began`, the talks
    that ended within the last `wrapup` seconds (within `extended` where the operator was writing
    when last heard of), what calls took of operators within the last
    `HANDLED_KEPT`, and what each operator did last. Raises `PeerError`."""
    names = tuple(pbxs)
    calls = {call.id: call for name in names for call in await store.open_calls(name)}
    entries = {entry.id: entry for entry in await store.entries_since(day_began)}
    states = {state.id: state for state in await store.open_states()}
    ended = fact_kind(PeerCleared)
    facts = await store.facts_since(now - max(wrapup, extended), ended)
    handled = await store.facts_since(now - HANDLED_KEPT, HANDLED)
    callbacks = {each.id: each for name in names for each in await store.open_callbacks(name)}
    for record in spooled:
        if isinstance(record, CallRecord) and record.pbx in names:
            known = calls.get(record.id)
            customer = record.customer_id or (known.customer_id if known else None)
            calls[record.id] = replace(record, customer_id=customer)
        elif isinstance(record, EntryRecord) and record.entered_at >= day_began:
            entries[record.id] = record
        elif isinstance(record, CallbackRecord) and record.pbx in names:
            callbacks[record.id] = record
        elif isinstance(record, StateRecord):
            states[record.id] = record
        elif isinstance(record, FactRecord) and record.kind == ended:
            facts.append(record)
        elif isinstance(record, FactRecord) and record.kind == HANDLED:
            handled.append(record)
    writing = {s.phone for s in states.values() if s.until is None and s.state == "wrap-up"}
    late = dict.fromkeys(
        fact
        for fact in facts
        if fact.at >= now - wrapup or (fact.at >= now - extended and _phone(fact) in writing)
    )
    unwritten = [await _unwritten(store, fact, calls, spooled) for fact in late]
    open_calls = tuple(call for call in calls.values() if call.ended_at is None)
    ids = {call.id for call in open_calls}
    waiting = tuple(each for each in callbacks.values() if each.ended_at is None)
    return Remembered(
        open_calls,
        tuple(entries.values()),
        tuple(each for each in unwritten if each is not None),
        await _gaps(store, open_calls, spooled),
        tuple(handled_of(fact) for fact in dict.fromkeys(handled)),
        tuple(state for state in states.values() if state.until is None),
        await _hands(store, ids, spooled),
        waiting,
        await _decisions(store, {*ids, *(each.call_id for each in waiting)}, spooled),
        await _kept(store, ids, {entry.call_id for entry in entries.values()}, spooled),
        await _respondents(store, spooled),
        await _runs(store, ids, spooled),
    )


async def _respondents(store: Store, spooled: Sequence[Record]) -> tuple[RespondentTaken, ...]:
    """Whom operators have, each with the last call to that person."""
    people = {each.id: each for each in spooled if isinstance(each, Respondent)}
    calls = {each.id: each for each in spooled if isinstance(each, AttemptRecord)}
    found = []
    for stored, whose in await store.held():
        held = people.get(stored.id, stored)
        if held.state not in HELD or held.taken_by is None:
            continue
        attempts = {each.id: each for each in await store.attempts(held.id)}
        attempts |= {each.id: each for each in calls.values() if each.respondent_id == held.id}
        last = next((each for each in attempts.values() if each.dial == held.dials), None)
        card = await store.card(held.customer_id) if held.customer_id else None
        found.append(RespondentTaken(OperatorName(held.taken_by), held, whose, card, last))
    return tuple(found)


async def _runs(store: Store, ids: Set[str], spooled: Sequence[Record]) -> tuple[RunRecord, ...]:
    """Those of the phone: all of these calls, and whichever is open."""
    found = {run.id: run for run in await store.open_runs()}
    found |= {run.id: run for run in await store.runs_of_calls(sorted(ids))}
    found |= {run.id: run for run in spooled if isinstance(run, RunRecord)}
    runs = (run for run in found.values() if run.channel == "phone")
    wanted = (run for run in runs if run.ended_at is None or run.call_id in ids)
    return tuple(sorted(wanted, key=lambda run: run.started_at))


async def _facts(
    store: Store, ids: Set[str], kind: str, spooled: Sequence[Record]
) -> list[FactRecord]:
    """Those of these calls, in the order in which they came."""
    facts = await store.facts_of(sorted(ids), kind)
    more = (each for each in spooled if isinstance(each, FactRecord))
    return facts + [fact for fact in more if fact.kind == kind and fact.call_id in ids]


async def _hands(store: Store, ids: Set[str], spooled: Sequence[Record]) -> dict[str, ByHand]:
    facts = await _facts(store, ids, MOVED, spooled)
    return {f.call_id: hand for f in facts if (hand := by_hand(json.loads(f.data))) is not None}


async def _decisions(store: Store, ids: Set[str], spooled: Sequence[Record]) -> dict[str, Decision]:
    facts = await _facts(store, ids, DECIDED, spooled)
    return {fact.call_id: decision_of(fact) for fact in facts}


async def _kept(
    store: Store, ids: Set[str], queued: Set[str], spooled: Sequence[Record]
) -> dict[str, Kept]:
    """`queued`: the calls that have stood in a queue."""
    found = {}
    for fact in await _facts(store, ids, KEPT, spooled):
        queue = QueueName(json.loads(fact.data)["queue"])
        found[fact.call_id] = Kept(queue, fact.at, fact.call_id in queued)
    return found


def _phone(ended: FactRecord) -> str:
    """Whose leg it was that was put down."""
    return str(json.loads(ended.data)["peer"]).rpartition("-")[0]


async def _gaps(
    store: Store, calls: Sequence[CallRecord], spooled: Sequence[Record]
) -> dict[str, tuple[Gap, ...]]:
    found = await store.gaps([call.id for call in calls])
    for record in spooled:
        if isinstance(record, FactRecord) and record.kind == fact_kind(Unseen):
            said = json.loads(record.data)
            gap = (said["since"], said["until"])
            known = found.get(record.call_id, ())
            if gap not in known:
                found[record.call_id] = (*known, gap)
    return found


async def _unwritten(
    store: Store, fact: FactRecord, calls: dict[str, CallRecord], spooled: Sequence[Record]
) -> Unwritten | None:
    call = calls.get(fact.call_id) or await store.call(fact.call_id)
    if call is None:
        return None
    said = json.loads(fact.data)
    written = await store.wrapped_up(call.id)
    written |= {
        each.operator for each in spooled if isinstance(each, WrapUp) and each.call_id == call.id
    }
    card = await store.card(call.customer_id) if call.customer_id else None
    peer, uniqueid = str(said["peer"]), Uniqueid(str(said["peer_uniqueid"]))
    return Unwritten(call, card, peer, uniqueid, fact.at, frozenset(written))
