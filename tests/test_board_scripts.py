"""Callers in scripts as the board sees them: where they go, their way, what a start finds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from board_desk import ANNA, PBX, QUEUE, Caller, Desk, call, customer, desk

from cordboard.crm_core.model import CallbackRecord, CallRecord, FactRecord, RunRecord
from cordboard.cti import facts as cti
from cordboard.desk.commands import CallBack, SendCallback, SendRoute, ShowPop
from cordboard.desk.facts import CallbackAsked, Remembered, RouteAsked, ScriptStep
from cordboard.desk.records import decision_of
from cordboard.events import QueueName
from cordboard.queue.decisions import Destination
from cordboard.queue.routing import explain

__all__ = ["call", "desk"]


def wishes(call: Caller, target: str, to: str = "", language: str | None = "ru") -> RouteAsked:
    wish = Destination("menu", target, to, language)  # type: ignore[arg-type]
    return RouteAsked("go", PBX, call.linkedid, "79161234567", "100", {"a": "1"}, wish=wish)


def step(call: Caller, name: str, way: str = "next", entered: str = "") -> ScriptStep:
    return ScriptStep(PBX, call.linkedid, "menu", name, {"": name.title()}, way, entered)


def enters(desk: Desk, call: Caller, status: str = "vip") -> None:
    """The caller is in a script, and it is known who it is."""
    desk.tell(call.offered(), call.asked(), call.found(customer(status, "+79035550102")))
    desk.commands.clear()


def test_the_queue_is_the_scripts_and_the_priority_that_of_the_rules(
    desk: Desk, call: Caller
) -> None:
    enters(desk, call)
    desk.tell(wishes(call, "queue", "support-ru"))
    route = desk.last(SendRoute)
    assert route.refused is None
    assert (route.decision.action, route.decision.queue) == ("queue", "support-ru")
    assert route.decision.priority > 0
    assert route.decision.personal is None
    assert route.decision.reasons[-1].code == "script"
    assert route.decision.reasons[-1].args == {
        "script": "menu",
        "target": "queue",
        "to": "support-ru",
    }


def test_what_a_script_decided_is_decided_again_from_what_was_looked_at(
    desk: Desk, call: Caller
) -> None:
    enters(desk, call)
    for wish in (wishes(call, "queue", "support-ru"), wishes(call, "manager")):
        desk.tell(wish)
        decision = desk.last(SendRoute).decision
        kept = [fact for fact in desk.saved(FactRecord) if fact.kind == "decided"][-1]
        assert decision_of(kept) == decision
        again, _ = explain(desk.board.rules.policy, json.loads(kept.data)["inputs"])
        assert again == decision


def test_the_language_that_the_script_spoke_is_the_callers(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    desk.tell(wishes(call, "rules", language="bg"))
    assert desk.last(SendRoute).decision.language == "bg"


@pytest.mark.parametrize(
    ("target", "to", "why"),
    [
        ("queue", "no-such", "there is no queue no-such"),
        ("operator", "nobody", "operator nobody cannot be rung now"),
    ],
)
def test_a_wish_that_cannot_be_met_changes_nothing(
    desk: Desk, call: Caller, target: str, to: str, why: str
) -> None:
    enters(desk, call)
    before = desk.board.caller(PBX, call.linkedid).call
    desk.tell(wishes(call, target, to))
    assert desk.last(SendRoute).refused == why
    after = desk.board.caller(PBX, call.linkedid).call
    assert before is not None
    assert after is not None
    assert after.decision == before.decision


def test_an_operator_whom_the_script_chose_is_rung_and_the_place_kept(
    desk: Desk, call: Caller
) -> None:
    enters(desk, call)
    desk.tell(wishes(call, "operator", "anna"))
    decision = desk.last(SendRoute).decision
    assert decision.personal is not None
    assert (decision.personal.who, decision.personal.name) == ("operator", "anna")
    assert decision.personal.desk == "PJSIP/1001"


def test_whoever_is_in_a_script_costs_no_record_and_no_message(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    for number in range(100):
        desk.tell(step(call, f"s{number}"), after=3)
    assert desk.commands == []


def test_the_card_shows_the_last_of_the_way(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    desk.tell(*(step(call, f"s{number}", "1", str(number)) for number in range(100)))
    desk.tell(call.queued(), call.called(ANNA))
    path = desk.last(ShowPop).pop.call.path
    assert len(path) == 40
    assert (path[-1].step, path[-1].way, path[-1].entered) == ("s99", "1", "99")


def test_the_way_is_known_also_where_the_call_is_seen_late(desk: Desk, call: Caller) -> None:
    desk.tell(call.asked(), call.found(customer()), step(call, "hello"))
    desk.tell(call.offered(), call.queued(), call.called(ANNA))
    assert [each.step for each in desk.last(ShowPop).pop.call.path] == ["hello"]


def test_a_caller_who_is_in_no_queue_is_called_back_by_a_script(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    asked = CallbackAsked("back", PBX, call.linkedid, "+79161234567", QUEUE)
    desk.tell(asked)
    assert desk.last(SendCallback).refused is None
    (record,) = desk.saved(CallbackRecord)
    assert (record.queue, record.entered_at) == (QUEUE, desk.now)
    assert desk.last(CallBack).number == "+79161234567"
    desk.tell(replace(asked, ask="again"))
    assert desk.last(SendCallback).refused == "double"
    desk.tell(replace(asked, number=None))
    assert desk.last(SendCallback).refused == "number"


def test_without_a_queue_only_those_who_left_one_are_called_back(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    desk.tell(CallbackAsked("back", PBX, call.linkedid, "+79161234567"))
    assert desk.last(SendCallback).refused == "not-offered"


def test_an_interrupted_script_says_at_which_step(desk: Desk, call: Caller) -> None:
    enters(desk, call)
    desk.tell(cti.Detoured(*call.about, "fallback", "HANGUP", "menu/pin"))
    known = desk.board.caller(PBX, call.linkedid).call
    assert known is not None
    assert known.befell[-1].args == {"how": "script", "script": "menu", "step": "pin"}


def run(call: Caller) -> RunRecord:
    path = json.dumps([["hello", "next", 990.0]])
    return RunRecord(
        *("r1", "menu", "v1", "phone", str(call.about[1]), None, None, "+79161234567", None, None),
        *("vip", "ru", 980.0, None, None, "pin", path),
    )


def record(desk: Desk, call: Caller) -> CallRecord:
    enters(desk, call)
    desk.tell(step(call, "x"), cti.Unseen(*call.about, 1.0, 2.0))
    return desk.saved(CallRecord)[-1]


def test_a_caller_who_was_in_a_script_when_we_went_away_is_told_of(
    desk: Desk, call: Caller
) -> None:
    """The PBX gave him to its default queue meanwhile, and nobody heard it say so."""
    known = record(desk, call)
    fresh = Desk()
    fresh.tell(Remembered((known,), (), runs=(run(call),)))
    (ended,) = fresh.saved(RunRecord)
    assert (ended.outcome, ended.step) == ("interrupted", "pin")
    assert json.loads(ended.path)[-1][:2] == ["pin", "interrupted"]
    fresh.tell(call.offered(), call.queued(), call.called(ANNA))
    shown = fresh.last(ShowPop).pop.call
    assert [(each.step, each.way) for each in shown.path] == [("hello", "next")]
    assert shown.befell[0].args == {"how": "script", "script": "menu", "step": "pin"}


def test_a_caller_who_was_through_with_the_script_keeps_the_way_he_took(
    desk: Desk, call: Caller
) -> None:
    known = replace(record(desk, call), state="waiting", queue=QueueName("support-ru"))
    fresh = Desk()
    over = replace(run(call), outcome="routed", ended_at=995.0)
    fresh.tell(Remembered((known,), (), runs=(over,)))
    assert fresh.saved(RunRecord) == []
    fresh.tell(call.offered(), call.queued(), call.called(ANNA))
    shown = fresh.last(ShowPop).pop.call
    assert [each.step for each in shown.path] == ["hello"]
    assert shown.befell == ()
