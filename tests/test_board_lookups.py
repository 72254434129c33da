"""What outside systems say of callers: on the card, in the decision, and again while they wait."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from board_desk import ANNA, RULES, Caller, Desk, call, customer, desk

from cordboard.crm_core.model import CallRecord, Card, Manager, Report
from cordboard.desk.arrivals import AGAIN_AFTER, AGAIN_AT_ONCE
from cordboard.desk.board import Board
from cordboard.desk.commands import FindCustomer, ForgetCustomer, SendRoute, ShowPop
from cordboard.desk.facts import CustomerChanged, CustomerFound, CustomerStale, Tick

__all__ = ["call", "desk"]

VIP = Report("erp", status="vip", language="bg", attributes={"tariff": "gold"})


def found(
    call: Caller, card: Card | None, *reports: Report, failures: tuple[str, ...] = ()
) -> CustomerFound:
    return replace(call.found(card), reports=reports, failures=failures)


def asked_again(desk: Desk) -> int:
    return len([command for command in desk.all(FindCustomer) if command.again])


def test_a_caller_is_routed_by_what_another_system_says(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), found(call, customer("regular"), VIP))
    decision = desk.last(SendRoute).decision
    assert (decision.priority, decision.queue) == (10, "support-bg")
    desk.tell(call.queued(), call.called(ANNA))
    card = desk.last(ShowPop).pop.call.card
    assert card
    assert (card.customer.name, card.customer.status) == ("Ivan", "vip")
    assert card.sources == {"status": "erp", "language": "erp", "attributes.tariff": "erp"}
    assert desk.saved(CallRecord)[-1].customer_id == "c1"


def test_a_manager_whom_another_system_names_is_rung_first(desk: Desk, call: Caller) -> None:
    sveta = replace(VIP, manager=Manager("sveta", "Света", "+79031110002"))
    desk.tell(call.offered(), call.asked(), found(call, customer(), sveta))
    personal = desk.last(SendRoute).decision.personal
    assert personal
    assert (personal.name, personal.mobile) == ("sveta", "+79031110002")


def test_somebody_whom_another_system_alone_knows_is_routed_and_shown(
    desk: Desk, call: Caller
) -> None:
    desk.tell(call.offered(), call.asked(), found(call, None, replace(VIP, name="Мария")))
    assert desk.last(SendRoute).decision.priority == 10
    desk.tell(call.queued(), *call.is_answered_by(ANNA), *call.ends(ANNA))
    pop = desk.last(ShowPop).pop
    assert pop.call.card
    assert (pop.call.card.customer.name, pop.call.card.customer_id) == ("Мария", None)
    assert {record.customer_id for record in desk.saved(CallRecord)} == {None}


def test_a_decision_says_which_lookup_it_was_made_without(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), found(call, customer("vip"), failures=("erp", "crm")))
    decision = desk.last(SendRoute).decision
    assert [(why.code, why.args) for why in decision.reasons[:2]] == [
        ("lookup-failed", {"lookup": "erp"}),
        ("lookup-failed", {"lookup": "crm"}),
    ]
    assert decision.priority == 10
    why = json.loads(desk.saved(CallRecord)[-1].why)
    assert why[0] == {"code": "lookup-failed", "args": {"lookup": "erp"}, "text": None}


def test_what_our_store_learns_meanwhile_goes_under_what_is_said_outside(
    desk: Desk, call: Caller
) -> None:
    desk.tell(call.offered(), call.asked(), found(call, None, VIP), call.queued())
    desk.tell(call.called(ANNA))
    desk.tell(CustomerChanged(customer("debtor")))
    card = desk.last(ShowPop).pop.call.card
    assert card
    assert (card.customer_id, card.customer.name, card.customer.status) == ("c1", "Ivan", "vip")
    assert desk.saved(CallRecord)[-1].customer_id == "c1"


@pytest.mark.parametrize("store", [True, False])
def test_a_lookup_that_failed_is_tried_again_while_the_call_lives(
    desk: Desk, call: Caller, store: bool
) -> None:
    first = call.found(None, failed=True) if store else found(call, None, failures=("erp",))
    desk.tell(call.offered(), call.asked(), first, call.queued(), call.called(ANNA))
    desk.tell(Tick(), after=AGAIN_AFTER - 0.1)
    assert asked_again(desk) == 0
    desk.tell(Tick(), after=0.1)
    assert asked_again(desk) == 1
    desk.tell(first, Tick(), after=AGAIN_AFTER)
    assert asked_again(desk) == 2
    desk.tell(found(call, customer("vip"), VIP))
    shown = desk.last(ShowPop).pop.call
    assert shown.card
    assert (shown.lookup_failed, shown.card.customer.status) == (False, "vip")
    assert desk.saved(CallRecord)[-1].customer_id == "c1"
    desk.tell(Tick(), after=60)
    assert asked_again(desk) == 2
    assert len(desk.all(SendRoute)) == 1


def test_nobody_is_looked_up_after_the_call(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), call.found(None, failed=True), call.cleared())
    desk.tell(Tick(), after=60)
    assert asked_again(desk) == 0


def test_what_was_known_stays_where_asking_again_comes_to_nothing(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), found(call, customer(), VIP), call.queued())
    desk.tell(call.called(ANNA), CustomerStale("+79161234567", None))
    desk.tell(replace(call.found(None, failed=True), failures=("erp",)))
    shown = desk.last(ShowPop).pop.call
    assert shown.card
    assert (shown.lookup_failed, shown.card.customer.status) == (False, "vip")
    desk.tell(Tick(), after=60)
    assert asked_again(desk) == 1


def test_a_system_that_knows_somebody_no_more_is_believed(desk: Desk, call: Caller) -> None:
    desk.tell(call.offered(), call.asked(), found(call, customer(), VIP), call.queued())
    desk.tell(call.called(ANNA), found(call, customer()))
    card = desk.last(ShowPop).pop.call.card
    assert card
    assert (card.customer.status, card.sources) == ("regular", {})


@pytest.mark.parametrize("by_number", [True, False])
def test_who_has_changed_elsewhere_is_looked_up_at_once(
    desk: Desk, call: Caller, by_number: bool
) -> None:
    desk.tell(call.offered(), call.asked(), found(call, customer()), call.queued())
    told = CustomerStale("+79161234567", None) if by_number else CustomerStale(None, "c1")
    given = desk.tell(told)
    assert ForgetCustomer(told.number, told.customer) in given
    assert [command.again for command in given if isinstance(command, FindCustomer)] == [True]
    others = (CustomerStale("+79160000000", None), CustomerStale(None, "c2"))
    assert not [each for each in desk.tell(*others) if isinstance(each, FindCustomer)]
    desk.tell(call.called(ANNA), found(call, customer(), VIP))
    card = desk.last(ShowPop).pop.call.card
    assert card
    assert card.customer.status == "vip"


def test_who_waits_is_looked_up_anew_as_often_as_configured_and_nobody_else() -> None:
    desk, waits, talks = Desk(), Caller(1), Caller(2)
    desk.board = Board(replace(RULES, refresh=10.0))
    desk.tell(*waits.arrives(customer()), *talks.arrives(None))
    desk.tell(talks.left(), talks.talks(ANNA))
    for _ in range(30):
        desk.tell(Tick(), after=1)
    again = [command for command in desk.all(FindCustomer) if command.again]
    assert [command.linkedid for command in again] == [waits.linkedid] * 3


def test_no_tick_asks_for_more_than_can_be_asked_at_once() -> None:
    desk = Desk()
    callers = [Caller(number) for number in range(AGAIN_AT_ONCE * 2)]
    for each in callers:
        desk.tell(each.offered(), each.asked(), each.found(None, failed=True))
    desk.tell(Tick(), after=AGAIN_AFTER)
    assert asked_again(desk) == AGAIN_AT_ONCE
    desk.tell(Tick())
    again = [command.linkedid for command in desk.all(FindCustomer) if command.again]
    assert sorted(again) == sorted(each.linkedid for each in callers)
