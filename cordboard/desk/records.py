"""What the board knows, as the rows that the store keeps. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, get_args

from cordboard.crm_core.model import (
    CallRecord,
    Card,
    EntryRecord,
    FactRecord,
    Interaction,
    interaction_id,
    link_id,
)
from cordboard.cti.facts import CSTA, AnyCallFact, CallFact, LinkFact
from cordboard.desk.model import Call
from cordboard.events import (
    CallId,
    Linkedid,
    OperatorName,
    PbxName,
    QueueName,
    Uniqueid,
    derived_id,
)
from cordboard.queue.decisions import (
    CallbackOffer,
    Decision,
    Growth,
    Overflow,
    Penalties,
    Personal,
    Reason,
)
from cordboard.queue.forecast import Handled
from cordboard.queue.lines import Entry
from cordboard.queue.routing import Inputs

_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in get_args(AnyCallFact)}


def reasons(call: Call) -> list[dict[str, Any]]:
    """Why the call is where it is: the reasons of the route (after a restart those that the store
    kept), then what befell it."""
    routed: list[dict[str, Any]] = json.loads(call.why) if call.why else []
    return routed + [asdict(reason) for reason in call.befell]


def reasons_json(reasons: tuple[Reason, ...]) -> str:
    return json.dumps([asdict(reason) for reason in reasons], ensure_ascii=False)


def call_record(call: Call) -> CallRecord:
    return CallRecord(
        id=call.id,
        pbx=call.pbx,
        boot=call.boot,
        linkedid=call.linkedid,
        number=call.number,
        name=call.name,
        dialled=call.dialled,
        customer_id=call.card.customer_id if call.card else None,
        queue=call.queue,
        operator=call.operator,
        direction=call.direction,
        state=call.state,
        cause=call.cause,
        why=json.dumps(reasons(call), ensure_ascii=False) if call.befell else call.why,
        started_at=call.started,
        answered_at=call.answered,
        ended_at=call.ended,
    )


def recalled(record: CallRecord, card: Card | None) -> Call:
    """A call that is over, as far as its row tells: no channel of it is there any more."""
    return Call(
        id=CallId(record.id),
        pbx=PbxName(record.pbx),
        boot=record.boot,
        linkedid=Linkedid(record.linkedid),
        uniqueid=Uniqueid(""),
        channel="",
        number=record.number,
        name=record.name,
        dialled=record.dialled,
        state="ended",
        started=record.started_at,
        direction="out" if record.direction == "out" else "in",
        card=card,
        why=record.why,
        queue=QueueName(record.queue) if record.queue else None,
        operator=OperatorName(record.operator) if record.operator else None,
        answered=record.answered_at,
        ended=record.ended_at,
        cause=record.cause,
    )


def pop_id(call: Call, phone: Uniqueid) -> str:
    """The same card is known by the same id, also after a restart, and in a recording, where the
    operator's name may be another."""
    return derived_id(int(call.started * 1000), call.id, phone)


def entry_record(entry: Entry, call: Call, operator: OperatorName | None) -> EntryRecord:
    return EntryRecord(
        id=entry.id,
        call_id=entry.call,
        pbx=call.pbx,
        boot=call.boot,
        uniqueid=entry.uniqueid,
        queue=entry.queue,
        priority=entry.joined,
        entered_at=entry.entered,
        outcome=entry.outcome,
        operator=operator,
        left_at=entry.left,
    )


def fact_kind(kind: type[CallFact]) -> str:
    """How facts of this kind are called in the store."""
    return CSTA.get(kind) or kind.__name__.lower()


def fact_record(fact: CallFact, now: float) -> FactRecord:
    # Facts are flat: `asdict`, which copies deeply, costs ten times as much.
    data = {name: getattr(fact, name) for name in _NAMES[type(fact)]}
    return FactRecord(fact.call, now, fact_kind(type(fact)), json.dumps(data, ensure_ascii=False))


DECIDED = "decided"
_PARTS: dict[str, Callable[..., object]] = {
    "growth": Growth,
    "penalties": Penalties,
    "personal": Personal,
    "overflow": Overflow,
    "callback": CallbackOffer,
}


def decided_record(call: CallId, at: float, decision: Decision, inputs: Inputs) -> FactRecord:
    """What was decided of the call, and the values that it hung on: `routing.explain` makes the
    same decision of them again."""
    told = {"decision": asdict(decision), "inputs": inputs}
    return FactRecord(call, at, DECIDED, json.dumps(told, ensure_ascii=False))


def decision_of(fact: FactRecord) -> Decision:
    """What a fact of the kind `DECIDED` tells."""
    said = json.loads(fact.data)["decision"]
    parts = {
        name: kind(**said[name]) if said[name] is not None else None
        for name, kind in _PARTS.items()
    }
    told = tuple(Reason(**reason) for reason in said["reasons"])
    return Decision(**{**said, **parts, "reasons": told})


HANDLED = "handled"
"""How the fact is called that tells what a call of a queue took of its operator."""


def handled_record(handled: Handled, now: float) -> FactRecord:
    return FactRecord(handled.call, now, HANDLED, json.dumps(asdict(handled), ensure_ascii=False))


def handled_of(fact: FactRecord) -> Handled:
    return Handled(**json.loads(fact.data))


def link_record(fact: LinkFact, now: float) -> FactRecord:
    """When we saw the PBX, and when not: what is missing elsewhere is explained by it."""
    kind = type(fact).__name__.lower()
    return FactRecord(link_id(fact.pbx), now, kind, json.dumps(asdict(fact), ensure_ascii=False))


def contact(call: Call, operator: OperatorName | None) -> Interaction:
    """The telephone's side of the contact; note and result are the operator's to add."""
    return Interaction(
        id=interaction_id(call.id, operator),
        customer_id=call.card.customer_id if call.card else None,
        call_id=call.id,
        operator=operator,
        queue=call.queue,
        started_at=call.answered if call.answered is not None else call.started,
        ended_at=call.ended,
        outcome=call.cause,
        result=None,
        note="",
    )
