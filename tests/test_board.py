"""The joint rules: what a call, a queue, an operator and a customer do to each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from board_desk import ANNA, BORIS, Caller, Desk, call, customer, desk

from cordboard.crm_core.model import (
    CallRecord,
    EntryRecord,
    Interaction,
)
from cordboard.cti import facts as cti
from cordboard.desk.commands import (
    EndCall,
    EndPop,
    FindCustomer,
    HangUp,
    PauseMember,
    SaveWrapUp,
    SendRoute,
    ShowCall,
    ShowPop,
    ShowQueue,
    ShowWaiting,
    Tell,
)
from cordboard.desk.facts import ActionAsked, CustomerChanged, Tick, WrapUpSaved

__all__ = ["call", "desk"]


# Routes


def test_the_route_waits_for_the_customer_and_the_store_is_asked_once(
    desk: Desk, call: Caller
) -> None:
    desk.tell(call.offered(), call.asked())
    assert len(desk.all(FindCustomer)) == 1
    assert desk.all(SendRoute) == []
    desk.tell(call.found(customer("vip")))
    assert desk.last(SendRoute).decision.priority == 10


@pytest.mark.parametrize("agi_first", [True, False])
def test_it_does_not_matter_whether_agi_or_ami_tells_of_a_call_first(
    desk: Desk, call: Caller, agi_first: bool
) -> None:
    if agi_first:
        desk.tell(call.asked(), call.found(customer("vip")), call.offered())
    else:
        desk.tell(call.offered(), call.found(customer("vip")), call.asked())
    shown = desk.last(ShowCall).call
    assert shown.card is not None
    assert shown.decision is not None
    assert shown.decision.priority == 10


def test_a_store_that_fails_still_gives_a_route(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), call.found(None, failed=True))
    assert desk.last(SendRoute).decision.action == "queue"


def test_the_reasons_of_a_route_are_kept_with_the_call(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer("vip")))
    assert '"rule"' in desk.saved(CallRecord)[-1].why


# Pops


def test_the_card_pops_when_the_phone_is_called_before_the_answer(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()))
    desk.tell(call.called(ANNA))
    pop = desk.last(ShowPop).pop
    assert (pop.operator, pop.call.card) == (ANNA, customer())
    assert desk.state(ANNA) == "offered"


def test_an_unknown_number_pops_too_and_takes_on_the_new_customer(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(None), call.called(ANNA))
    first = desk.last(ShowPop)
    assert first.pop.call.card is None
    assert first.pop.call.number == "+79161234567"
    desk.tell(CustomerChanged(customer()))
    again = desk.last(ShowPop)
    assert (again.pop.id, again.first) == (first.pop.id, False)
    assert again.pop.call.card == customer()


def test_a_phone_that_does_not_answer_loses_its_pop_and_the_next_one_gets_it(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), call.called(ANNA), call.rings(ANNA))
    desk.tell(call.misses(ANNA))
    assert (desk.last(EndPop).operator, desk.last(EndPop).reason) == (ANNA, "no-answer")
    assert desk.state(ANNA) == "ready"
    assert desk.last(ShowCall).call.state == "waiting"
    desk.tell(call.called(BORIS))
    assert desk.last(ShowPop).pop.operator == BORIS


def test_those_who_rang_and_lost_are_told_who_was_quicker(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), call.called(ANNA), call.called(BORIS))
    desk.tell(call.left(), call.talks(BORIS), call.misses(ANNA, "cancelled"))
    assert (desk.last(EndPop).operator, desk.last(EndPop).reason) == (ANNA, "answered-elsewhere")


def test_a_caller_who_leaves_while_it_rings_ends_the_pop_as_caller_left(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), call.called(ANNA))
    desk.tell(call.left("abandoned"), call.misses(ANNA, "cancelled"), call.cleared("cancelled"))
    assert desk.last(EndPop).reason == "caller-left"
    assert desk.last(EndCall).id == call.offered().call


# Wrap-up


def test_the_pop_stays_open_through_wrap_up_until_the_note_is_saved(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    assert desk.state(ANNA) == "wrap-up"
    assert desk.all(EndPop) == []
    desk.tell(WrapUpSaved("a1", ANNA, call.offered().call))
    assert desk.last(EndPop).reason == "done"
    assert desk.state(ANNA) == "ready"
    assert desk.last(Tell).error is None


def test_a_note_saved_while_talking_leaves_the_card_and_the_state(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    desk.tell(WrapUpSaved("a1", ANNA, call.offered().call))
    assert desk.state(ANNA) == "talking"
    assert desk.all(EndPop) == []


def test_wrap_up_ends_by_itself_when_its_time_is_up(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    desk.tell(Tick(), after=29)
    assert desk.state(ANNA) == "wrap-up"
    desk.tell(Tick(), after=1)
    assert desk.state(ANNA) == "ready"
    assert desk.last(EndPop).reason == "done"


def test_the_next_call_rings_into_a_wrap_up(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    other = Caller(2)
    desk.tell(*other.arrives(None), other.called(ANNA))
    assert desk.state(ANNA) == "offered"
    assert [pop.pop.call.id for pop in desk.all(ShowPop)] == ["0000-1", "0000-2"]
    assert desk.last(EndPop).reason == "done"


def test_every_answered_call_is_a_contact_in_the_history(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
    contacts = desk.saved(Interaction)
    assert len({contact.id for contact in contacts}) == 1
    last = contacts[-1]
    assert (last.customer_id, last.operator, last.outcome) == ("c1", "anna", "completed")


def test_an_abandoned_call_is_a_contact_too(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), call.left("abandoned"), call.cleared("cancelled"))
    assert [contact.outcome for contact in desk.saved(Interaction)] == ["cancelled"]


def test_an_operator_who_calls_out_is_talking_and_then_ready_without_wrap_up(desk: Desk) -> None:
    call = Caller()
    call.about = (*call.about[:3], "PJSIP/1001-00000009")
    desk.tell(call.offered())
    assert desk.state(ANNA) == "talking"
    desk.tell(call.cleared())
    assert desk.state(ANNA) == "ready"


# Transfers


def test_after_an_attended_transfer_the_call_and_its_card_are_the_colleagues(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    line = (*call.about[:3], call.peer(ANNA)[0])  # Anna rings Boris from within the call
    peer = call.peer(BORIS)
    desk.tell(cti.Held(*call.about, call.peer(ANNA)[0]))
    assert desk.state(ANNA) == "on-hold"
    desk.tell(cti.Called(*line, *peer, None), cti.Established(*line, *peer, None))
    assert (desk.last(ShowPop).pop.operator, desk.last(ShowPop).pop.call.card) == (
        BORIS,
        customer(),
    )
    assert desk.last(ShowCall).call.operator == ANNA
    desk.tell(cti.Transferred(*call.about, "attended", call.peer(ANNA)[0], *peer))
    assert desk.last(ShowCall).call.operator == BORIS
    desk.tell(call.hangs_up(ANNA))
    assert (desk.state(ANNA), desk.state(BORIS)) == ("wrap-up", "talking")


def test_a_consultation_on_a_second_line_shows_the_customer_it_is_about(desk: Desk) -> None:
    call, second = Caller(1), Caller(2)
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    second.about = (*second.about[:3], "PJSIP/1001-000000bb")
    desk.tell(second.offered(), second.found(None), second.called(BORIS))
    assert desk.last(ShowPop).pop.call.card == customer()
    desk.tell(second.talks(BORIS), cti.Merged(*second.about, call.offered().call))
    moved = desk.last(ShowPop)
    assert (moved.first, moved.pop.operator, moved.pop.call.id) == (False, BORIS, "0000-1")
    assert desk.board.live_calls == 1
    desk.tell(call.hangs_up(ANNA))
    assert (desk.state(ANNA), desk.state(BORIS)) == ("wrap-up", "talking")


# Queues


def waiting(desk: Desk) -> list[tuple[str, str | None]]:
    shown = desk.last(ShowWaiting).waiting
    return [(c.id, c.card.customer.status if c.card else None) for _, c, _ in shown]


def test_a_vip_stands_where_asterisk_put_them_before_those_who_came_earlier(desk: Desk) -> None:
    first, vip = Caller(1), Caller(2)
    desk.tell(*first.arrives(customer()))
    desk.tell(vip.offered(), vip.asked(), vip.found(customer("vip")), vip.queued(1))
    assert waiting(desk) == [("0000-2", "vip"), ("0000-1", "regular")]
    assert desk.last(ShowWaiting).waiting[0][0].priority == 10


def test_a_stay_in_a_queue_is_saved_open_and_then_closed_under_one_id(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()))
    desk.tell(*call.is_answered_by(ANNA), after=7)
    entries = desk.saved(EntryRecord)
    assert len({entry.id for entry in entries}) == 1
    assert entries[0].outcome is None
    last = entries[-1]
    assert (last.outcome, last.operator) == ("connected", "anna")
    assert last.left_at is not None
    assert last.left_at - last.entered_at == 7


def test_service_level_counts_the_day_and_begins_anew_at_midnight(desk: Desk, call: Caller) -> None:
    desk.tell(Tick(), *call.arrives(customer()), *call.is_answered_by(ANNA))
    assert desk.last(ShowQueue).level.percent == 100
    desk.tell(Tick(), after=86_400)
    assert desk.last(ShowQueue).level.percent is None


def test_a_caller_told_of_again_by_a_snapshot_is_not_a_second_entry(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), call.queued())
    assert len(desk.last(ShowWaiting).waiting) == 1
    assert len({entry.id for entry in desk.saved(EntryRecord)}) == 1


# Actions


def asked(action: str, target: str, kind: str = "call", **more: object) -> ActionAsked:
    fact = ActionAsked("a1", ANNA, "operator", "call", target, action, {}, "")
    return replace(fact, kind=kind, **more)  # type: ignore[arg-type]


def test_hanging_up_names_the_channel_with_its_uniqueid(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(None), asked("hangup", call.offered().call))
    assert desk.last(HangUp).uniqueid == call.uniqueid


def test_hanging_up_a_call_that_is_over_is_answered_in_words(desk: Desk) -> None:
    desk.tell(asked("hangup", "gone"))
    assert desk.last(Tell).error == "the call is over"


def test_a_pause_carries_its_reason(desk: Desk) -> None:
    desk.tell(asked("pause", ANNA, kind="operator", args={"pause": "lunch"}))
    pause = desk.last(PauseMember)
    assert (pause.interface, pause.paused, pause.reason) == ("PJSIP/1001", True, "lunch")


def test_a_wrap_up_goes_to_the_store_with_its_note(desk: Desk) -> None:
    desk.tell(asked("wrapup", "0000-1", args={"note": "ok", "result": "resolved"}))
    assert (desk.last(SaveWrapUp).note, desk.last(SaveWrapUp).result) == ("ok", "resolved")


def test_nothing_of_a_finished_call_stays_behind(desk: Desk) -> None:
    for number in range(1, 6):
        call = Caller(number)
        desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA), *call.ends(ANNA))
        desk.tell(WrapUpSaved("a", ANNA, call.offered().call))
    assert not desk.board.held
