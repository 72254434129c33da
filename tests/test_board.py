"""The joint rules: what a call, a queue, an operator and a customer do to each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest

from cordboard.board import Board
from cordboard.crm_core.model import (
    CallRecord,
    Card,
    Customer,
    EntryRecord,
    FactRecord,
    Interaction,
    Manager,
    User,
    link_id,
)
from cordboard.cti import facts as cti
from cordboard.desk import (
    ActionAsked,
    ActionDone,
    AnyFact,
    Command,
    CountFallbacks,
    CustomerChanged,
    CustomerFound,
    EndCall,
    EndPop,
    FindCustomer,
    HangUp,
    PauseMember,
    Remark,
    Remembered,
    RouteAsked,
    Rules,
    Save,
    SaveWrapUp,
    SendRoute,
    ShowAlarm,
    ShowCall,
    ShowLink,
    ShowOperator,
    ShowPop,
    ShowQueue,
    ShowWaiting,
    Tell,
    Tick,
    Unwritten,
    UsersChanged,
    WrapUpSaved,
)
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.routing import Policy

POLICY = Policy.parse((Path(__file__).parent.parent / "config/routing.toml").read_text())
WRAPUP = 30
RULES = Rules(POLICY, ZoneInfo("UTC"), wrapup=WRAPUP, threshold=20, short_abandon=5)
PBX, QUEUE = PbxName("pbx"), QueueName("support-ru")
CALLER = "PJSIP/inbound-00000001"
ANNA, BORIS = OperatorName("anna"), OperatorName("boris")
PHONES = {ANNA: "PJSIP/1001", BORIS: "PJSIP/1002"}

T = TypeVar("T")


def customer(status: str = "regular", mobile: str | None = None) -> Card:
    manager = Manager("anna", "Anna", mobile) if mobile else None
    return Card(
        Customer("c1", "person", "Ivan", ("+79161234567",), status, "ru", manager, None, 0, 0), ()
    )


class Desk:
    """A board with two operators, and the commands it has given."""

    def __init__(self) -> None:
        self.board = Board(RULES)
        self.now = 1000.0
        self.commands: list[Command] = []
        users = [User(n, n, n.title(), "operator", p, None, None, True) for n, p in PHONES.items()]
        self.tell(UsersChanged(tuple(users)))
        for phone in PHONES.values():
            self.tell(cti.MemberSeen(PBX, QUEUE, phone, phone, phone, 1, False, "", False))
        self.commands.clear()

    def tell(self, *facts: AnyFact, after: float = 0.0) -> list[Command]:
        given: list[Command] = []
        self.now += after
        for fact in facts:
            given += self.board.apply(fact, self.now)
            given += self.board.show_queues()
        self.commands += given
        return given

    def all(self, kind: type[T]) -> list[T]:
        return [command for command in self.commands if isinstance(command, kind)]

    def last(self, kind: type[T]) -> T:
        return self.all(kind)[-1]

    def saved(self, kind: type[T]) -> list[T]:
        return [save.record for save in self.all(Save) if isinstance(save.record, kind)]

    def state(self, name: OperatorName) -> str:
        shown = [s.operator for s in self.all(ShowOperator) if s.operator.name == name]
        return shown[-1].state


class Caller:
    """The facts of one call, as the call model tells them."""

    def __init__(self, number: int = 1) -> None:
        self.linkedid = Linkedid(f"100{number}.0")
        self.channel = f"PJSIP/inbound-0000000{number}"
        self.about = (None, CallId(f"0000-{number}"), self.linkedid, self.channel)
        self.uniqueid = Uniqueid(self.linkedid)

    def offered(self) -> cti.Offered:
        return cti.Offered(*self.about, PBX, "boot", self.uniqueid, "79161234567", "Ivan P", "100")

    def asked(self) -> RouteAsked:
        return RouteAsked("ask", PBX, self.linkedid, "79161234567", "100")

    def found(self, card: Card | None, failed: bool = False) -> CustomerFound:
        return CustomerFound(PBX, self.linkedid, "+79161234567", "RU", card, failed)

    def queued(self, position: int = 1) -> cti.Queued:
        return cti.Queued(*self.about, self.uniqueid, QUEUE, position)

    def left(self, outcome: cti.EntryOutcome = "connected") -> cti.QueueLeft:
        return cti.QueueLeft(*self.about, self.uniqueid, QUEUE, outcome)

    def peer(self, name: OperatorName) -> tuple[str, Uniqueid]:
        return f"{PHONES[name]}-000000aa", Uniqueid(f"{self.linkedid}-{name}")

    def called(self, name: OperatorName) -> cti.Called:
        return cti.Called(*self.about, *self.peer(name), QUEUE)

    def rings(self, name: OperatorName) -> cti.Delivered:
        return cti.Delivered(*self.about, *self.peer(name), QUEUE)

    def misses(self, name: OperatorName, cause: cti.Cause = "no-answer") -> cti.Undelivered:
        return cti.Undelivered(*self.about, *self.peer(name), cause)

    def talks(self, name: OperatorName) -> cti.Established:
        return cti.Established(*self.about, *self.peer(name), QUEUE)

    def hangs_up(self, name: OperatorName) -> cti.PeerCleared:
        return cti.PeerCleared(*self.about, *self.peer(name))

    def cleared(self, cause: cti.Cause = "completed") -> cti.Cleared:
        return cti.Cleared(*self.about, cause)

    def arrives(self, card: Card | None) -> list[AnyFact]:
        return [self.offered(), self.asked(), self.found(card), self.queued()]

    def is_answered_by(self, name: OperatorName) -> list[AnyFact]:
        return [self.called(name), self.rings(name), self.left(), self.talks(name)]

    def ends(self, name: OperatorName) -> list[AnyFact]:
        return [self.hangs_up(name), self.cleared()]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def call() -> Caller:
    return Caller()


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
    return [(c.id, c.card.customer.status if c.card else None) for _, c in shown]


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
    desk.tell(asked("pause", ANNA, kind="operator", reason="lunch"))
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
        ("manager", "BUSY", "manager-not-reached", {"status": "BUSY"}),
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
    assert desk.tell(cti.SnapshotDone(PBX))[-1] == CountFallbacks(PBX)


def test_a_lost_phone_pauses_its_operator_and_the_next_card_tells_of_it(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))
    gone = replace(call.hangs_up(ANNA), lost=True)
    desk.tell(gone)
    (pause,) = desk.all(PauseMember)
    assert (pause.id, pause.interface, pause.paused, pause.reason) == (
        "",
        PHONES[ANNA],
        True,
        "phone-lost",
    )
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
    assert desk.all(PauseMember) == []
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
