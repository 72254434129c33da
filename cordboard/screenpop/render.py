"""From the board's commands to the messages of docs/stream.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from cordboard.crm_core.model import Card, Case, Customer, Interaction, Respondent
from cordboard.desk import refusals
from cordboard.desk.commands import (
    EndAlarm,
    EndCall,
    EndMissed,
    EndNotice,
    EndPop,
    EndRespondent,
    ShowAlarm,
    ShowCall,
    ShowLink,
    ShowMissed,
    ShowNotice,
    ShowOperator,
    ShowPop,
    ShowQueue,
    ShowRespondent,
    ShowWaiting,
    Tell,
)
from cordboard.desk.model import Alarm, Call, Gap, Holding, Link, Missed, Notice, PathStep, Pop
from cordboard.desk.records import reasons
from cordboard.queue.decisions import Reason
from cordboard.queue.lines import Entry, ServiceLevel
from cordboard.queue.operators import Operator
from cordboard.screenpop.views import Message, moment

Shown = (
    ShowPop
    | EndPop
    | ShowCall
    | EndCall
    | ShowOperator
    | ShowNotice
    | EndNotice
    | ShowQueue
    | ShowWaiting
    | ShowMissed
    | EndMissed
    | ShowRespondent
    | EndRespondent
    | ShowLink
    | ShowAlarm
    | EndAlarm
    | Tell
)


Names = Mapping[str, str]
"""Login name to the name that others see."""


def message(command: Shown, currency: str, names: Names) -> Message:
    """The message that shows what `command` says; money is in `currency`."""
    match command:
        case ShowPop(pop=pop):
            return {"type": "screenpop", **screenpop(pop, currency, names)}
        case EndPop(id=identity, reason=reason, saved=saved):
            return {"type": "screenpop-end", "id": identity, "reason": reason, "saved": saved}
        case ShowCall(call=call):
            return {"type": "call", "call": live_call(call)}
        case EndCall(id=identity):
            return {"type": "call-end", "id": identity}
        case ShowOperator(operator=shown):
            return {"type": "operators", "changed": [operator(shown)]}
        case ShowNotice(notice=shown_notice):
            return {"type": "notice", "notice": notice(shown_notice, names)}
        case EndNotice(operator=name):
            return {"type": "notice-end", "operator": name}
        case ShowQueue():
            return {"type": "queues", "changed": [queue(command)]}
        case ShowWaiting(queue=name, waiting=waiting, estimates=estimates):
            rows = zip(_places(each for each, *_ in waiting), waiting, estimates, strict=True)
            entries = [entry(*one, place, wait, names) for place, one, wait in rows]
            return {"type": "waiting", "queue": name, "entries": entries}
        case ShowMissed(missed=shown_missed):
            return {"type": "missed", "missed": missed(shown_missed, names)}
        case EndMissed(id=identity, operator=name):
            return {"type": "missed-end", "id": identity, "operator": name}
        case ShowRespondent(holding=shown_holding):
            return {"type": "respondent", "respondent": held(shown_holding, currency, names)}
        case EndRespondent(operator=name, respondent=gone):
            about = {"id": gone.id, "operator": name, "state": gone.state, "result": gone.result}
            return {"type": "respondent-end", **about, "due_at": _moment(gone.due_at)}
        case ShowLink(link=shown_link):
            return {"type": "pbx", "pbx": link(shown_link)}
        case ShowAlarm(alarm=shown_alarm):
            return {"type": "alarm", "alarm": alarm(shown_alarm)}
        case EndAlarm(kind=kind):
            return {"type": "alarm-end", "kind": kind}
        case Tell(id=identity, error=error):
            return {"type": "result", "id": identity, **outcome(error)}


def outcome(error: str | None) -> Message:
    """What a result says: all is well, or why not."""
    code, args = (None, {}) if error is None else refusals.read(error)
    return {"ok": error is None, "error": error, "code": code, "args": args}


def screenpop(pop: Pop, currency: str, names: Names) -> Message:
    call = pop.call
    decision = call.decision
    return {
        "id": pop.id,
        "operator": pop.operator,
        "call": {
            "id": call.id,
            "linkedid": call.linkedid,
            "from": call.number,
            "name": call.name,
            "to": call.dialled,
            "queue": call.queue,
            "direction": call.direction,
            "state": call.state,
            "unseen": unseen(call.unseen),
        },
        "customer": customer(call.card.customer, currency) if call.card else None,
        "history": [interaction(item, names) for item in call.card.history] if call.card else [],
        "cases": [case(item) for item in call.card.open_cases] if call.card else [],
        "others": call.card.others if call.card else 0,
        "sources": dict(call.card.sources) if call.card else {},
        "lookup_failed": call.lookup_failed,
        "route": {
            "queue": call.queue,
            "priority": decision.priority if decision else 0,
            "action": decision.action if decision else None,
            "why": why(call, names),
        },
        "path": [path_step(step) for step in call.path],
        "at": moment(pop.at),
    }


def path_step(shown: PathStep) -> Message:
    return {
        "script": shown.script,
        "step": shown.step,
        "title": dict(shown.title),
        "way": shown.way,
        "entered": shown.entered,
        "at": moment(shown.at),
    }


def customer(shown: Customer, currency: str) -> Message:
    manager = shown.manager
    minor = shown.balance_minor
    return {
        "id": shown.id or None,
        "kind": shown.kind,
        "name": shown.name,
        "phones": list(shown.phones),
        "status": shown.status or None,
        "language": shown.language,
        "manager": manager and {"name": manager.name, "display_name": manager.display_name},
        "balance": None if minor is None else minor / 100,
        "currency": currency,
        "segment": shown.segment,
        "tags": list(shown.tags),
        "do_not_disturb": shown.do_not_disturb,
        "attributes": dict(shown.attributes),
    }


def interaction(shown: Interaction, names: Names) -> Message:
    return {
        "id": shown.id,
        "call": shown.call_id,
        "operator": shown.operator,
        "operator_name": names.get(shown.operator or "", shown.operator),
        "queue": shown.queue,
        "started_at": moment(shown.started_at),
        "ended_at": _moment(shown.ended_at),
        "outcome": shown.outcome,
        "result": shown.result,
        "note": shown.note,
    }


def case(shown: Case) -> Message:
    return {
        "id": shown.id,
        "title": shown.title,
        "state": shown.state,
        "opened_at": moment(shown.opened_at),
    }


def live_call(call: Call) -> Message:
    return {
        "id": call.id,
        "linkedid": call.linkedid,
        "pbx": call.pbx,
        "from": call.number,
        "name": call.name,
        "to": call.dialled,
        "customer": _brief(call.card),
        "queue": call.queue,
        "operator": call.operator,
        "direction": call.direction,
        "state": call.state,
        "cause": call.cause,
        "started_at": moment(call.started),
        "answered_at": _moment(call.answered),
        "ended_at": _moment(call.ended),
        "unseen": unseen(call.unseen),
    }


def unseen(gaps: Iterable[Gap]) -> list[Message]:
    """When a call was not seen."""
    return [{"since": moment(since), "until": moment(until)} for since, until in gaps]


def why(call: Call, names: Names) -> list[Message]:
    """The reasons of the route and what befell the call since. Operators have their names."""
    found = _named(reasons(call), names)
    routed = call.decision or call.why or any(r.code == "fallback" for r in call.befell)
    return found if routed else [asdict(Reason("no-decision", {})), *found]


def _named(reasons: Iterable[Message], names: Names) -> list[Message]:
    found = []
    for reason in reasons:
        login = reason["args"].get("operator")
        if login is not None:
            reason = {**reason, "args": {**reason["args"], "operator": names.get(login, login)}}
        found.append(reason)
    return found


def operator(shown: Operator) -> Message:
    return {
        "name": shown.name,
        "display_name": shown.display_name,
        "state": shown.state,
        "since": moment(shown.since),
        "reason": shown.reason,
        "call": shown.call,
        "queues": list(shown.queues),
        "phone": shown.phone,
        "due": _moment(shown.duty.due),
        "at_most": _moment(shown.duty.at_most),
        "misses": shown.duty.misses,
    }


def notice(shown: Notice, names: Names) -> Message:
    return {
        "operator": shown.operator,
        "action": shown.action,
        "by": shown.by,
        "by_name": names.get(shown.by, shown.by),
        "why": shown.said,
        "at": moment(shown.at),
    }


def queue(shown: ShowQueue) -> Message:
    return {
        "name": shown.queue,
        "waiting": shown.waiting,
        "longest_since": _moment(shown.longest_since),
        "service_level": level(shown.level),
    }


def level(shown: ServiceLevel) -> Message:
    return {
        "percent": None if shown.percent is None else round(shown.percent, 1),
        "threshold": shown.threshold,
        "short_abandon": shown.short,
        "answered": shown.answered,
        "answered_in_time": shown.answered_in_time,
        "abandoned": shown.abandoned,
        "short_abandoned": shown.short_abandoned,
    }


def entry(
    shown: Entry,
    call: Call,
    stands: tuple[Reason, ...],
    place: int,
    estimate: float | None,
    names: Names,
) -> Message:
    return {
        "queue": shown.queue,
        "call": shown.call,
        "position": place,
        "name": (call.card and call.card.customer.name) or call.name,
        "from": call.number,
        "status": (call.card and call.card.customer.status) or None,
        "priority": shown.priority,
        "since": moment(shown.entered),
        "away": _away(call, names) if shown.away else None,
        "estimated_wait": None if estimate is None else round(estimate),
        "why": why(call, names) + _named(map(asdict, stands), names),
        "unseen": unseen(call.unseen),
        "callback": call.callback,
    }


def _places(entries: Iterable[Entry]) -> list[int]:
    """Of each one; whoever is away has the place that is kept, and takes nobody's."""
    places, here = [], 1
    for each in entries:
        places.append(here)
        here += not each.away
    return places


def _away(call: Call, names: Names) -> Message:
    """At whose phone the caller is, whose place is kept."""
    first = call.personal
    name = first.name if first else None
    return {
        "who": first.who if first else None,
        "operator": name,
        "operator_name": names.get(name or "", name),
    }


def missed(shown: Missed, names: Names) -> Message:
    call = shown.call
    return {
        "id": shown.id,
        "operator": shown.operator,
        "operator_name": names.get(shown.operator, shown.operator),
        "call": call.id,
        "from": call.number,
        "name": call.card.customer.name if call.card else call.name,
        "customer": _brief(call.card),
        "why": shown.why,
        "at": moment(shown.at),
        "state": shown.state,
        "since": moment(shown.since),
    }


def held(shown: Holding, currency: str, names: Names) -> Message:
    """A person of a list, for the operator who has him."""
    attempt, card, whose = shown.attempt, shown.card, shown.whose
    return {
        **respondent(shown.respondent),
        "operator": shown.operator,
        "list": {"id": whose.id, "name": whose.name, "script": whose.script, "tries": whose.tries},
        "customer": customer(card.customer, currency) if card else None,
        "history": [interaction(item, names) for item in card.history] if card else [],
        "call": attempt and attempt.call_id,
        "answered_at": _moment(attempt.answered_at) if attempt else None,
        "ended_at": _moment(attempt.ended_at) if attempt else None,
        "since": moment(shown.since),
    }


def respondent(shown: Respondent) -> Message:
    return {
        "id": shown.id,
        "position": shown.position,
        "number": shown.number,
        "name": shown.name,
        "language": shown.language,
        "attributes": dict(shown.attributes),
        "state": shown.state,
        "dials": shown.dials,
        "tries": shown.tries,
        "due_at": _moment(shown.due_at),
        "due_for": shown.due_for,
        "taken_by": shown.taken_by,
        "result": shown.result,
        "run": shown.run_id,
        "note": shown.note,
    }


def link(shown: Link) -> Message:
    return {
        "name": shown.pbx,
        "state": shown.state,
        "since": moment(shown.since),
        "stale_since": _moment(shown.stale_since),
        "reason": shown.reason,
        "unavailable": list(shown.unavailable),
        "boot": shown.boot,
        "restarting": shown.restarting,
    }


def alarm(shown: Alarm) -> Message:
    return {
        "kind": shown.kind,
        "count": shown.count,
        "detail": shown.detail,
        "since": moment(shown.since),
        "last": moment(shown.last),
    }


def _brief(card: Card | None) -> Message | None:
    if card is None:
        return None
    shown = card.customer
    return {"id": card.customer_id, "name": shown.name, "status": shown.status or None}


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)
