"""What befalls a call: links that break, restarts, detours, phones that go away."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from board_desk import ANNA, BORIS, PBX, PHONES, WRAPUP, Caller, Desk, call, customer, desk

from cordboard.crm_core.model import (
    CallRecord,
    EntryRecord,
    FactRecord,
    link_id,
)
from cordboard.cti import facts as cti
from cordboard.desk.commands import (
    CountFallbacks,
    EndPop,
    PauseMember,
    Remark,
    ShowAlarm,
    ShowCall,
    ShowLink,
    ShowPop,
    ShowQueue,
)
from cordboard.desk.facts import (
    ActionDone,
    CustomerChanged,
    Remembered,
    Tick,
    Unwritten,
    WrapUpSaved,
)
from cordboard.events import CallId, OperatorName

__all__ = ["call", "desk"]


# The link, and restarts


def test_a_lost_link_says_since_when_the_picture_is_stale_and_takes_nothing_away(
    desk: Desk, call: Caller
) -> None:
    desk.tell(cti.LinkUp(PBX, "boot", "22"), cti.SnapshotDone(PBX), *call.arrives(customer()))
    desk.tell(cti.LinkDown(PBX, "reset"), after=5)
    down = desk.last(ShowLink).link
    assert (down.state, down.stale_since) == ("down", desk.now)
    assert desk.board.live_calls == 1
    desk.tell(cti.LinkUp(PBX, "boot", "22"), after=5)
    assert desk.last(ShowLink).link.stale_since == desk.now - 5
    desk.tell(cti.SnapshotDone(PBX))
    assert (desk.last(ShowLink).link.state, desk.last(ShowLink).link.stale_since) == ("up", None)


def test_a_pbx_that_restarts_is_shown_so_until_it_is_back_with_another_boot(desk: Desk) -> None:
    desk.tell(cti.LinkUp(PBX, "monday", "22"), cti.SnapshotDone(PBX))
    desk.tell(cti.LinkDown(PBX, "Asterisk is shutting down", restarting=True), after=5)
    down = desk.last(ShowLink).link
    assert (down.restarting, down.boot) == (True, "monday")
    desk.tell(cti.LinkUp(PBX, "tuesday", "22"), cti.SnapshotDone(PBX), after=20)
    back = desk.last(ShowLink).link
    assert (back.state, back.restarting, back.boot) == ("up", False, "tuesday")


def test_a_restart_in_mid_call_finds_the_call_under_its_id_with_its_times_and_reasons(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer("vip")))
    desk.tell(*call.is_answered_by(ANNA), after=10)
    record = desk.saved(CallRecord)[-1]
    first_pop = desk.last(ShowPop).pop.id
    fresh = Desk()
    fresh.tell(Remembered((record,), ()), after=60)
    fresh.tell(call.offered(), call.called(ANNA), call.talks(ANNA), call.found(customer("vip")))
    again = fresh.saved(CallRecord)[-1]
    assert (again.id, again.started_at, again.answered_at) == (
        record.id,
        record.started_at,
        record.answered_at,
    )
    assert again.why == record.why
    assert fresh.last(ShowPop).pop.id == first_pop


def test_what_the_store_held_open_and_the_pbx_has_no_more_is_closed_as_lost(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()))
    record, entry = desk.saved(CallRecord)[-1], desk.saved(EntryRecord)[-1]
    fresh = Desk()
    fresh.tell(Remembered((record,), (entry,)), cti.SnapshotDone(PBX))
    assert [(r.state, r.cause) for r in fresh.saved(CallRecord)] == [("ended", "lost")]
    assert [e.outcome for e in fresh.saved(EntryRecord)] == ["lost"]


def test_who_was_answered_while_nobody_looked_was_answered_and_counts_so(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()))
    record, entry = desk.saved(CallRecord)[-1], desk.saved(EntryRecord)[-1]
    fresh = Desk()
    fresh.tell(Remembered((record,), (entry,)), after=30)
    fresh.tell(call.offered(), call.called(ANNA), call.talks(ANNA), cti.SnapshotDone(PBX))
    (ended,) = fresh.saved(EntryRecord)
    assert (ended.outcome, ended.operator, ended.left_at) == ("connected", ANNA, fresh.now)
    level = fresh.last(ShowQueue).level
    assert (level.answered, level.abandoned) == (1, 0)


def test_when_the_pbx_was_in_sight_and_when_not_is_kept_once_a_change(desk: Desk) -> None:
    desk.tell(cti.LinkUp(PBX, "boot", "22"), cti.SnapshotDone(PBX))
    desk.tell(cti.LinkDown(PBX, "reset"), after=5)
    desk.tell(cti.LinkDown(PBX, "refused"), after=5)
    kept = [fact for fact in desk.saved(FactRecord) if fact.call_id == link_id(PBX)]
    assert [fact.kind for fact in kept] == ["linkup", "snapshotdone", "linkdown"]
    assert kept[-1].at == desk.now - 5


def unwritten(desk: Desk, call: Caller, by: OperatorName, *written: str) -> Unwritten:
    """As the store tells of a talk that `by` ended at this moment."""
    record = desk.saved(CallRecord)[-1]
    return Unwritten(record, customer(), *call.peer(by), desk.now, frozenset(written))


def test_a_wrap_up_that_a_restart_cut_into_goes_on_until_its_deadline(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    pop, left = desk.last(ShowPop).pop, unwritten(desk, call, ANNA)
    fresh = Desk()
    fresh.tell(Remembered((), (), (left,)), after=WRAPUP - 1)
    again = fresh.last(ShowPop).pop
    assert (again.id, again.operator, again.call.card) == (pop.id, ANNA, customer())
    assert fresh.state(ANNA) == "wrap-up"
    fresh.tell(Tick(), after=0.5)
    assert fresh.all(EndPop) == []
    fresh.tell(Tick(), after=0.5)
    assert (fresh.last(EndPop).id, fresh.state(ANNA)) == (pop.id, "ready")
    assert fresh.board.live_calls == 0


@pytest.mark.parametrize(("written", "late"), [(("anna",), 0.0), ((), float(WRAPUP))])
def test_a_wrap_up_that_was_written_or_is_over_does_not_come_back(
    desk: Desk, call: Caller, written: tuple[str, ...], late: float
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    left = unwritten(desk, call, ANNA, *written)
    fresh = Desk()
    fresh.tell(Remembered((), (), (left,)), after=late)
    assert (fresh.all(ShowPop), fresh.board.live_calls) == ([], 0)


def test_a_wrap_up_of_a_call_that_goes_on_comes_back_with_the_call(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    pop, left = desk.last(ShowPop).pop, unwritten(desk, call, ANNA)
    fresh = Desk()
    fresh.tell(Remembered((left.call,), (), (left,)))
    assert fresh.all(ShowPop) == []
    fresh.tell(call.offered(), call.found(customer()))
    shown = fresh.last(ShowPop).pop
    assert (shown.id, shown.wrapup_until, shown.call.card) == (
        pop.id,
        left.ended + WRAPUP,
        customer(),
    )
    fresh.tell(Tick(), after=WRAPUP)
    assert fresh.state(ANNA) == "ready"


def test_a_card_says_that_the_lookup_failed_until_the_customer_is_known(
    desk: Desk, call: Caller
) -> None:
    desk.tell(call.offered(), call.asked(), call.found(None, failed=True), call.queued())
    desk.tell(call.called(ANNA))
    assert desk.last(ShowPop).pop.call.lookup_failed
    desk.tell(CustomerChanged(customer()))
    assert not desk.last(ShowPop).pop.call.lookup_failed


def test_the_days_service_level_survives_a_restart(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    fresh = Desk()
    fresh.tell(Remembered((), (desk.saved(EntryRecord)[-1],)))
    assert fresh.last(ShowQueue).level.answered == 1


# What befalls a call


def befallen(desk: Desk) -> list[tuple[str, dict[str, Any]]]:
    """What the last row of the call says, after the reasons of its route."""
    kept = json.loads(desk.saved(CallRecord)[-1].why)
    return [(reason["code"], reason["args"]) for reason in kept][1:]


@pytest.mark.parametrize(
    ("kind", "status", "code", "args"),
    [
        ("fallback", "SUCCESS", "fallback", {"how": "interrupted"}),
        ("fallback", "HANGUP", "fallback", {"how": "late"}),
        ("fallback", "FAILURE", "fallback", {"how": "unreachable"}),
        ("manager", "BUSY", "manager-not-reached", {"status": "BUSY", "where": "mobile"}),
        ("number", "BUSY", "number-not-reached", {"status": "BUSY"}),
        ("overflow", "queue", "overflow", {"status": "queue"}),
        ("transfer", "NOANSWER", "transfer-not-taken", {"status": "NOANSWER"}),
    ],
)
def test_a_detour_is_on_the_card_and_in_the_row_once(
    desk: Desk, call: Caller, kind: cti.Detour, status: str, code: str, args: dict[str, str]
) -> None:
    desk.tell(*call.arrives(None), call.called(ANNA))
    before = len(json.loads(desk.saved(CallRecord)[-1].why))
    for _ in range(2):
        desk.tell(cti.Detoured(*call.about, kind, status))
    assert befallen(desk)[before - 1 :] == [(code, args)]
    assert [reason.code for reason in desk.last(ShowPop).pop.call.befell] == [code]
    assert (CountFallbacks(PBX) in desk.commands) == (kind == "fallback")


def test_fallbacks_are_counted_after_each_snapshot(desk: Desk) -> None:
    assert CountFallbacks(PBX) in desk.tell(cti.SnapshotDone(PBX))


def test_a_lost_phone_pauses_its_operator_and_the_next_card_tells_of_it(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    gone = replace(call.hangs_up(ANNA), lost=True)
    desk.tell(gone)
    (pause,) = desk.all(PauseMember)
    assert (pause.interface, pause.paused, pause.reason) == (PHONES[ANNA], True, "phone-lost")
    assert desk.last(ShowAlarm).alarm.kind == "phone-lost"
    assert desk.state(ANNA) == "wrap-up"

    desk.tell(call.queued())
    waiting = desk.last(ShowCall).call
    assert (waiting.state, waiting.operator) == ("waiting", None)
    desk.tell(*call.is_answered_by(BORIS))
    pop = [shown.pop for shown in desk.all(ShowPop) if shown.pop.operator == BORIS][-1]
    assert [(r.code, r.args) for r in pop.call.befell] == [("phone-lost", {"operator": "anna"})]
    talking = desk.last(ShowCall).call
    assert (talking.state, talking.operator) == ("talking", BORIS)


def test_a_phone_that_was_put_down_pauses_nobody(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    assert [pause.reason for pause in desk.all(PauseMember)] == ["wrap-up"]
    assert desk.all(ShowAlarm) == []


def test_a_pause_of_our_own_that_fails_is_no_answer_to_anybody(desk: Desk) -> None:
    commands = desk.tell(ActionDone("", ANNA, "no such interface"))
    assert [type(command) for command in commands] == [Remark]


@pytest.mark.parametrize("there", [True, False])
def test_a_talk_is_taken_up_after_a_restart_if_its_operator_is_still_in_the_call(
    desk: Desk, call: Caller, there: bool
) -> None:
    """In a consultation the caller is alone in his bridge: no Established tells of the talk."""
    before = Desk()
    before.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    desk.tell(Remembered((before.saved(CallRecord)[-1],), ()), call.offered())
    if there:
        consulted = (None, call.about[1], call.linkedid, "PJSIP/1008-00000009")
        desk.tell(call.called(ANNA), cti.Established(*consulted, *call.peer(ANNA), None))
    desk.tell(cti.SnapshotDone(PBX))
    shown = desk.last(ShowCall).call
    assert (shown.state, shown.operator) == (("talking", ANNA) if there else ("routing", None))


def test_a_saved_wrapup_says_so_to_the_other_devices(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    desk.tell(WrapUpSaved("id", ANNA, call.about[1]))
    assert (desk.last(EndPop).reason, desk.last(EndPop).saved) == ("done", True)


def test_a_call_that_turns_out_to_be_part_of_one_never_seen_is_closed(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(None), cti.Merged(*call.about, CallId("unseen")))
    assert desk.saved(CallRecord)[-1].cause == "lost"
    assert desk.board.live_calls == 0


def test_a_phone_that_rings_for_a_call_that_is_over_gets_no_card(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(None), *call.is_answered_by(ANNA), *call.ends(ANNA))
    desk.tell(call.called(BORIS), call.misses(BORIS, "lost"))
    assert {shown.pop.operator for shown in desk.all(ShowPop)} == {ANNA}
    desk.tell(Tick(), after=31)
    assert desk.board.live_calls == 0


def test_a_card_whose_phone_was_not_told_to_hang_up_is_wrapped_up_with_its_call(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(None), *call.is_answered_by(ANNA), call.cleared())
    assert desk.state(ANNA) == "wrap-up"
    desk.tell(Tick(), after=31)
    assert desk.state(ANNA) == "ready"
    assert desk.board.live_calls == 0


def test_a_stay_that_is_closed_after_its_call_leaves_nothing_behind(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(None), call.called(ANNA), call.rings(ANNA), call.talks(ANNA))
    desk.tell(*call.ends(ANNA), call.left())
    desk.tell(Tick(), after=31)
    assert not desk.board.held


def test_a_part_that_left_a_queue_leaves_nothing_behind(desk: Desk) -> None:
    part, whole = Caller(1), Caller(2)
    desk.tell(*whole.arrives(None), *part.arrives(None), part.left())
    desk.tell(cti.Merged(*part.about, whole.about[1]))
    assert "answered" not in desk.board.held
