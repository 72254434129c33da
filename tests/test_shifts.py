"""Operators' shifts: who is paused and why, what ends it, and what outlives whom."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import board_desk
import pytest
from board_desk import ANNA, BORIS, PBX, PHONES, QUEUE, Caller, call, customer

from cordboard.crm_core.model import StateRecord, User
from cordboard.cti import facts as cti
from cordboard.desk.board import Board
from cordboard.desk.commands import (
    Audit,
    EndNotice,
    LogIn,
    LogOut,
    PauseMember,
    ShowAlarm,
    ShowNotice,
    ShowOperator,
    Tell,
)
from cordboard.desk.facts import (
    ActionAsked,
    ActionDone,
    Audited,
    Remembered,
    Tick,
    UsersChanged,
)
from cordboard.events import OperatorName, QueueName
from cordboard.queue.operators import Operator

__all__ = ["call"]

VERA, DORA, OLGA = OperatorName("vera"), OperatorName("dora"), OperatorName("olga")
SALES = QueueName("sales")
RULES = replace(
    board_desk.RULES,
    wrapup=30,
    wrapup_limit=60,
    misses=2,
    pauses={"lunch": 60.0, "meeting": None},
)


class Desk(board_desk.Desk):
    """The desk of the board's tests with a PBX that does at once what it is asked, `obeys`."""

    def __init__(self, obeys: bool = True) -> None:
        self.obeys = False
        super().__init__()
        self.board = Board(RULES)
        people = [*PHONES.items(), (VERA, None), (DORA, None)]
        queues = ((QUEUE, 1), (SALES, 0))
        self.users = tuple(
            User(n, n, n.title(), "operator", p, None, None, True, () if p else queues)
            for n, p in people
        )
        self.members: dict[str, str | None] = dict.fromkeys(PHONES.values())
        self.start()
        self.obeys = obeys

    def start(self, boot: str = "boot") -> None:
        self.tell(UsersChanged(self.users), cti.LinkUp(PBX, boot, "22"), cti.SnapshotBegan(PBX))
        for phone, reason in self.members.items():
            self.tell(member(phone, reason))
        self.tell(cti.SnapshotDone(PBX))
        self.commands.clear()

    def tell(self, *facts: Any, after: float = 0.0) -> list[Any]:
        given = super().tell(*facts, after=after)
        if self.obeys:
            for one in given:
                if isinstance(one, Audit):
                    self.tell(Audited(one.asked, None))
                if isinstance(one, PauseMember):
                    self.members[one.interface] = one.reason if one.paused else None
                    self.tell(ActionDone(one.id, one.actor, None))
        return given

    def ask(
        self, about: OperatorName, action: str, by: OperatorName | None = None, **args: Any
    ) -> list[Any]:
        reason = args.pop("reason", "")
        actor = by or about
        role = "supervisor" if by else "operator"
        return self.tell(
            ActionAsked("a1", actor, role, "operator", about, action, args, reason)  # type: ignore[arg-type]
        )

    def pauses(self) -> list[tuple[str, str | None]]:
        """What the PBX was asked, in order."""
        return [(p.interface, p.reason if p.paused else None) for p in self.all(PauseMember)]

    def shown(self, name: OperatorName) -> Operator:
        return [s.operator for s in self.all(ShowOperator) if s.operator.name == name][-1]

    def states(self) -> list[tuple[str, str, str | None]]:
        """The rows that began, as who, what and why."""
        rows = {row.id: row for row in self.saved(StateRecord)}
        return [(row.operator, row.state, row.reason) for row in rows.values()]


def member(phone: str, reason: str | None = None, **more: Any) -> cti.MemberSeen:
    paused = reason is not None
    seen = cti.MemberSeen(PBX, QUEUE, phone, phone, phone, 1, paused, reason or "", False)
    return replace(seen, **more)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def talk(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()), *call.is_answered_by(ANNA))


# Wrap-up


def test_the_member_is_paused_as_soon_as_the_operators_leg_is_down(
    desk: Desk, call: Caller
) -> None:
    talk(desk, call)
    assert desk.pauses() == []
    desk.tell(call.hangs_up(ANNA))
    assert desk.pauses() == [(PHONES[ANNA], "wrap-up")]
    assert desk.state(ANNA) == "wrap-up"
    assert desk.shown(ANNA).duty.due == desk.now + 30


@pytest.mark.parametrize("end", ["time", "done", "ready"])
def test_the_pause_ends_with_the_wrap_up(desk: Desk, call: Caller, end: str) -> None:
    talk(desk, call)
    desk.tell(*call.ends(ANNA))
    if end == "time":
        desk.tell(Tick(), after=29)
        assert len(desk.pauses()) == 1
        desk.tell(Tick(), after=1)
    else:
        desk.ask(ANNA, "done" if end == "done" else "unpause")
    assert desk.pauses()[1:] == [(PHONES[ANNA], None)] * len(desk.pauses()[1:])
    assert desk.state(ANNA) == "ready"
    assert not desk.board.held


def test_a_pause_asked_for_during_the_talk_holds_after_the_wrap_up(
    desk: Desk, call: Caller
) -> None:
    talk(desk, call)
    desk.ask(ANNA, "pause", pause="lunch")
    desk.tell(*call.ends(ANNA))
    assert desk.state(ANNA) == "wrap-up"
    desk.ask(ANNA, "done")
    assert desk.pauses() == [(PHONES[ANNA], "lunch")]
    shown = desk.shown(ANNA)
    assert (shown.state, shown.reason, shown.duty.due) == ("paused", "lunch", desk.now + 60)


def test_a_pause_asked_for_in_wrap_up_holds_after_it(desk: Desk, call: Caller) -> None:
    talk(desk, call)
    desk.tell(*call.ends(ANNA))
    desk.ask(ANNA, "pause", pause="meeting")
    desk.tell(Tick(), after=31)
    assert desk.pauses() == [(PHONES[ANNA], "wrap-up"), (PHONES[ANNA], "meeting")]
    assert desk.state(ANNA) == "paused"


def test_a_pause_on_its_way_to_the_pbx_is_not_ended_by_the_wrap_ups_end(call: Caller) -> None:
    desk = Desk(obeys=False)
    talk(desk, call)
    desk.tell(*call.ends(ANNA))
    wrapup = desk.last(PauseMember)
    desk.tell(ActionDone(wrapup.id, ANNA, None))
    desk.ask(ANNA, "pause", pause="lunch")
    desk.tell(Tick(), after=31)
    assert [p.reason for p in desk.all(PauseMember)] == ["wrap-up", "lunch"]
    desk.tell(ActionDone("a1", ANNA, None), Tick())
    assert len(desk.all(PauseMember)) == 2
    assert desk.state(ANNA) == "paused"


def test_a_wrap_up_is_extended_up_to_its_limit(desk: Desk, call: Caller) -> None:
    talk(desk, call)
    desk.tell(*call.ends(ANNA))
    began = desk.now
    desk.ask(ANNA, "extend", seconds=20)
    assert desk.shown(ANNA).duty.due == began + 50
    desk.ask(ANNA, "extend", seconds=20)
    assert desk.shown(ANNA).duty.due == began + 60
    desk.ask(ANNA, "extend", seconds=20)
    assert desk.last(Tell).error == "a wrap-up may last 60 s at most"
    desk.tell(Tick(), after=59)
    assert desk.state(ANNA) == "wrap-up"
    desk.tell(Tick(), after=1)
    assert desk.state(ANNA) == "ready"
    desk.ask(ANNA, "extend", seconds=20)
    assert desk.last(Tell).error == "there is no wrap-up to extend"


def test_what_the_pbx_refuses_is_asked_for_again_but_not_at_once(call: Caller) -> None:
    desk = Desk(obeys=False)
    talk(desk, call)
    desk.tell(call.hangs_up(ANNA))
    desk.tell(ActionDone(desk.last(PauseMember).id, ANNA, "no answer"))
    desk.tell(Tick(), after=1)
    assert len(desk.all(PauseMember)) == 1
    desk.tell(Tick(), after=5)
    assert len(desk.all(PauseMember)) == 2


def test_nothing_is_asked_of_a_pbx_that_is_away(desk: Desk, call: Caller) -> None:
    talk(desk, call)
    desk.tell(call.hangs_up(ANNA))
    desk.tell(cti.LinkDown(PBX, "cut"))
    desk.tell(Tick(), after=40)
    assert len(desk.pauses()) == 1
    desk.tell(cti.LinkUp(PBX, "boot", "22"), member(PHONES[ANNA], "wrap-up"))
    desk.tell(cti.SnapshotDone(PBX), Tick())
    assert desk.pauses()[1:] == [(PHONES[ANNA], None)]


def test_a_stale_wrap_up_of_a_server_before_is_ended_at_the_start() -> None:
    desk = Desk()
    desk.tell(member(PHONES[ANNA], "wrap-up"))
    assert desk.pauses() == [(PHONES[ANNA], None)]
    assert desk.state(ANNA) == "ready"


def test_members_without_a_login_have_no_wrap_up_of_ours(desk: Desk, call: Caller) -> None:
    stranger = OperatorName("PJSIP/1005")
    desk.tell(member(stranger))
    desk.tell(*call.arrives(customer()))
    peer = (f"{stranger}-000000aa", call.peer(ANNA)[1])
    desk.tell(cti.Called(*call.about, *peer, QUEUE), call.left())
    desk.tell(cti.Established(*call.about, *peer, QUEUE), cti.PeerCleared(*call.about, *peer))
    assert desk.state(stranger) == "wrap-up"
    assert desk.pauses() == []


# Calls that are let ring, or declined


def ring(desk: Desk, call: Caller, name: OperatorName, cause: cti.Cause) -> None:
    desk.tell(call.called(name), call.rings(name), call.misses(name, cause))


def test_after_so_many_misses_in_a_row_the_operator_is_paused_and_told(
    desk: Desk, call: Caller
) -> None:
    desk.tell(*call.arrives(customer()))
    ring(desk, call, ANNA, "no-answer")
    assert (desk.pauses(), desk.shown(ANNA).duty.misses) == ([], 1)
    ring(desk, call, ANNA, "no-answer")
    assert desk.pauses() == [(PHONES[ANNA], "missed")]
    assert (desk.state(ANNA), desk.shown(ANNA).reason) == ("paused", "missed")
    alarm = desk.last(ShowAlarm).alarm
    assert (alarm.kind, alarm.detail) == ("calls-missed", "Anna")
    desk.tell(Tick(), after=3600)
    assert desk.state(ANNA) == "paused"
    desk.ask(ANNA, "unpause")
    assert (desk.state(ANNA), desk.shown(ANNA).duty.misses) == ("ready", 0)


def test_an_answer_between_begins_the_count_anew(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()))
    ring(desk, call, ANNA, "no-answer")
    desk.tell(*call.is_answered_by(ANNA), *call.ends(ANNA))
    desk.ask(ANNA, "done")
    other = Caller(2)
    desk.tell(*other.arrives(customer()))
    ring(desk, other, ANNA, "no-answer")
    assert "missed" not in [reason for _, reason in desk.pauses()]


@pytest.mark.parametrize("cause", ["cancelled", "failed", "lost"])
def test_a_ring_that_ends_by_others_is_no_miss(desk: Desk, call: Caller, cause: cti.Cause) -> None:
    desk.tell(*call.arrives(customer()))
    for _ in range(3):
        ring(desk, call, ANNA, cause)
    assert desk.pauses() == []


def test_a_personal_call_that_is_let_ring_is_no_miss(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()))
    for _ in range(3):
        desk.tell(replace(call.called(ANNA), queue=None), call.misses(ANNA, "rejected"))
    assert desk.pauses() == []


@pytest.mark.parametrize("until", ["another rings", "the call is taken", "time"])
def test_who_declined_is_not_rung_again_at_once(desk: Desk, call: Caller, until: str) -> None:
    desk.tell(*call.arrives(customer()))
    ring(desk, call, ANNA, "rejected")
    assert desk.pauses() == [(PHONES[ANNA], "declined")]
    desk.tell(Tick(), after=5)
    assert len(desk.pauses()) == 1
    if until == "another rings":
        desk.tell(call.called(BORIS))
    elif until == "the call is taken":
        desk.tell(call.left("abandoned"))
    else:
        desk.tell(Tick(), after=5)
    assert desk.pauses()[1:] == [(PHONES[ANNA], None)]
    assert desk.state(ANNA) == "ready"


def test_the_second_decline_in_a_row_is_a_miss_too(desk: Desk, call: Caller) -> None:
    desk.tell(*call.arrives(customer()))
    ring(desk, call, ANNA, "rejected")
    desk.tell(Tick(), after=11)
    ring(desk, call, ANNA, "busy")
    assert desk.pauses()[-1] == (PHONES[ANNA], "missed")


# Pauses and their limits


def test_a_pause_over_its_limit_is_told_to_supervisors_once(desk: Desk) -> None:
    desk.ask(ANNA, "pause", pause="lunch")
    desk.tell(Tick(), after=59)
    assert desk.all(ShowAlarm) == []
    desk.tell(Tick(), after=1)
    desk.tell(Tick(), after=1)
    (shown,) = desk.all(ShowAlarm)
    assert (shown.alarm.kind, shown.alarm.detail) == ("pause-over", "Anna")


def test_another_reason_is_another_state_with_its_own_time(desk: Desk) -> None:
    desk.ask(ANNA, "pause", pause="lunch")
    desk.tell(Tick(), after=30)
    desk.ask(ANNA, "pause", pause="meeting")
    shown = desk.shown(ANNA)
    assert (shown.reason, shown.since, shown.duty.due) == ("meeting", desk.now, None)
    assert desk.states()[-2:] == [("anna", "paused", "lunch"), ("anna", "paused", "meeting")]


def test_a_supervisors_doing_is_told_with_who_and_why(desk: Desk) -> None:
    desk.ask(ANNA, "pause", by=OLGA, pause="meeting", reason="Team talk at ten")
    notice = desk.last(ShowNotice).notice
    assert (notice.operator, notice.action, notice.by, notice.said) == (
        ANNA,
        "pause",
        OLGA,
        "Team talk at ten",
    )
    assert desk.all(EndNotice) == []
    desk.ask(ANNA, "unpause")
    assert desk.last(EndNotice).operator == ANNA


def test_a_refused_action_is_told_in_the_pbxs_words_and_changes_nothing() -> None:
    desk = Desk(obeys=False)
    desk.ask(ANNA, "pause", by=OLGA, pause="lunch")
    assert desk.all(PauseMember) == []
    desk.tell(Audited(desk.last(Audit).asked, None))
    desk.tell(ActionDone("a1", OLGA, "Interface not found"))
    assert desk.last(Tell).error == "Interface not found"
    assert desk.all(ShowNotice) == []


def test_what_cannot_be_written_down_is_not_done(desk: Desk) -> None:
    desk.obeys = False
    desk.ask(ANNA, "logout", by=OLGA, reason="gone home")
    record = desk.last(Audit).record
    assert (record.actor, record.target, record.reason) == (OLGA, ANNA, "gone home")
    assert '"ready"' in record.before
    desk.tell(Audited(desk.last(Audit).asked, "the database is away"))
    assert desk.last(Tell).error == "the database is away"
    assert desk.all(LogOut) == []


# Logging in and out


def joins(desk: Desk) -> LogIn:
    """The PBX does what the last log-in asks."""
    command = desk.last(LogIn)
    for queue, penalty in command.queues:
        desk.tell(
            member(
                command.phone,
                command.paused,
                queue=queue,
                name=command.operator,
                dynamic=True,
                penalty=penalty,
            )
        )
    desk.tell(ActionDone(command.id, command.actor, None))
    return command


def test_an_operator_without_a_phone_chooses_one(desk: Desk) -> None:
    desk.ask(VERA, "login")
    assert desk.last(Tell).error == "choose a phone to work at"
    desk.ask(VERA, "login", phone="PJSIP/1007")
    command = joins(desk)
    assert (command.phone, command.queues) == ("PJSIP/1007", ((QUEUE, 1), (SALES, 0)))
    shown = desk.shown(VERA)
    assert (shown.state, shown.phone, shown.queues) == ("ready", "PJSIP/1007", (SALES, QUEUE))


@pytest.mark.parametrize("action", ["login", "logout"])
def test_who_logs_in_or_out_is_answered_when_the_picture_shows_it(desk: Desk, action: str) -> None:
    """The PBX's word comes before the events of the queues."""
    desk.ask(VERA, "login", phone="PJSIP/1007")
    news: list[cti.MemberSeen | cti.MemberGone] = [
        member("PJSIP/1007", queue=queue, name=VERA, dynamic=True) for queue in (QUEUE, SALES)
    ]
    if action == "logout":
        joins(desk)
        desk.ask(VERA, "logout", by=OLGA, reason="gone home")
        news = [cti.MemberGone(PBX, queue, "PJSIP/1007") for queue in (QUEUE, SALES)]
    desk.commands.clear()
    desk.tell(ActionDone("a1", VERA, None))
    for one in news:
        assert desk.all(Tell) == desk.all(ShowNotice) == []
        desk.tell(one)
    assert [told.error for told in desk.all(Tell)] == [None]
    assert len(desk.all(ShowNotice)) == (action == "logout")
    assert desk.state(VERA) == ("ready" if action == "login" else "offline")
    desk.tell(Tick(), after=60)
    assert len(desk.all(Tell)) == 1


def test_who_logs_in_is_answered_also_where_the_event_is_lost(desk: Desk) -> None:
    desk.ask(VERA, "login", phone="PJSIP/1007")
    desk.tell(ActionDone("a1", VERA, None))
    desk.tell(Tick(), after=4)
    assert desk.all(Tell) == []
    desk.tell(Tick(), after=1)
    assert desk.last(Tell).error is None


def test_two_do_not_share_a_phone_not_even_in_the_same_moment(desk: Desk) -> None:
    desk.ask(VERA, "login", phone="PJSIP/1007")
    desk.ask(DORA, "login", phone="PJSIP/1007")
    assert desk.last(Tell).error == "vera is just logging in at PJSIP/1007"
    joins(desk)
    desk.ask(DORA, "login", phone="PJSIP/1007")
    assert desk.last(Tell).error == "Vera works at PJSIP/1007: two cannot share a phone"
    desk.ask(DORA, "login", phone=PHONES[ANNA])
    assert "Anna works at" in str(desk.last(Tell).error)


def test_who_logs_out_leaves_the_phone_to_others(desk: Desk) -> None:
    desk.ask(VERA, "login", phone="PJSIP/1007")
    joins(desk)
    desk.ask(VERA, "logout")
    command = desk.last(LogOut)
    assert (command.interface, set(command.queues)) == ("PJSIP/1007", {QUEUE, SALES})
    for queue in command.queues:
        desk.tell(cti.MemberGone(PBX, queue, "PJSIP/1007"))
    desk.tell(ActionDone(command.id, VERA, None))
    assert (desk.shown(VERA).state, desk.shown(VERA).phone) == ("offline", None)
    desk.ask(DORA, "login", phone="PJSIP/1007")
    assert joins(desk).operator == DORA
    assert desk.shown(DORA).state == "ready"


def test_who_logs_out_in_mid_call_keeps_card_and_phone_until_it_is_written_up(
    desk: Desk, call: Caller
) -> None:
    desk.ask(VERA, "login", phone="PJSIP/1007")
    joins(desk)
    peer = ("PJSIP/1007-000000aa", call.peer(ANNA)[1])
    desk.tell(*call.arrives(customer()), cti.Called(*call.about, *peer, QUEUE), call.left())
    desk.tell(cti.Established(*call.about, *peer, QUEUE))
    for queue in (QUEUE, SALES):
        desk.tell(cti.MemberGone(PBX, queue, "PJSIP/1007"))
    assert (desk.shown(VERA).state, desk.shown(VERA).phone) == ("talking", "PJSIP/1007")
    desk.tell(cti.PeerCleared(*call.about, *peer), call.cleared())
    assert desk.shown(VERA).state == "wrap-up"
    desk.tell(Tick(), after=31)
    assert (desk.shown(VERA).state, desk.shown(VERA).phone) == ("offline", None)
    assert desk.pauses() == []


def test_a_fixed_member_cannot_log_out_and_is_told_why(desk: Desk) -> None:
    desk.ask(ANNA, "logout")
    assert desk.last(Tell).error == (
        "a fixed member of support-ru in queues.conf cannot log out there; pause instead"
    )
    desk.ask(VERA, "logout")
    assert desk.last(Tell).error == "this operator is not logged in"


# Restarts


def test_a_restarted_pbx_is_told_again_who_was_logged_in_and_who_was_paused(desk: Desk) -> None:
    desk.ask(VERA, "login", phone="PJSIP/1007")
    joins(desk)
    desk.ask(ANNA, "pause", pause="lunch")
    desk.ask(VERA, "pause", pause="meeting")
    desk.commands.clear()
    desk.tell(cti.LinkDown(PBX, "EOF"), cti.LinkUp(PBX, "another boot", "22"))
    desk.tell(cti.SnapshotBegan(PBX), member(PHONES[ANNA]), member(PHONES[BORIS]))
    for queue in (QUEUE, SALES):
        desk.tell(cti.MemberGone(PBX, queue, "PJSIP/1007"))
    desk.tell(cti.SnapshotDone(PBX))
    assert joins(desk) == LogIn(
        desk.last(LogIn).id,
        VERA,
        VERA,
        (PBX,),
        "PJSIP/1007",
        ((SALES, 0), (QUEUE, 1)),
        "meeting",
    )
    assert desk.pauses() == [(PHONES[ANNA], "lunch")]
    assert (desk.state(ANNA), desk.state(BORIS), desk.state(VERA)) == ("paused", "ready", "paused")


def test_a_link_that_was_cut_changes_nothing_and_believes_the_pbx(desk: Desk) -> None:
    desk.ask(ANNA, "pause", pause="lunch")
    desk.commands.clear()
    desk.tell(cti.LinkDown(PBX, "cut"), cti.LinkUp(PBX, "boot", "22"), member(PHONES[ANNA]))
    desk.tell(cti.SnapshotDone(PBX), Tick())
    assert desk.pauses() == []
    assert desk.state(ANNA) == "ready"


@pytest.mark.parametrize("boot", ["boot", "another boot"])
def test_a_restarted_server_takes_up_the_rows_and_what_the_pbx_forgot(boot: str) -> None:
    before = Desk()
    before.ask(ANNA, "pause", pause="lunch")
    rows = tuple({r.id: r for r in before.saved(StateRecord)}.values())
    left = tuple(row for row in rows if row.until is None)
    after = Desk()
    after.board = Board(RULES)
    after.now = before.now + 40
    after.members[PHONES[ANNA]] = "lunch" if boot == "boot" else None
    after.tell(Remembered((), (), states=left))
    after.start(boot)
    (shown,) = (o for o in after.board._floor.operators if o.name == ANNA)
    assert (shown.state, shown.reason) == ("paused", "lunch")
    if boot == "boot":
        assert (shown.since, shown.duty.due) == (before.now, before.now + 60)
        assert after.saved(StateRecord) == []


# Rows


def test_every_change_of_state_is_a_row_that_ends_where_the_next_begins(
    desk: Desk, call: Caller
) -> None:
    talk(desk, call)
    desk.tell(*call.ends(ANNA), after=10)
    desk.ask(ANNA, "done")
    rows = [r for r in {r.id: r for r in desk.saved(StateRecord)}.values() if r.operator == ANNA]
    assert [(r.state, r.until is None) for r in rows] == [
        ("ready", False),
        ("offered", False),
        ("talking", False),
        ("wrap-up", False),
        ("ready", True),
    ]
    for one, other in pairwise(rows):
        assert one.until == other.since
    assert {r.phone for r in rows} == {PHONES[ANNA]}
    assert {(r.pbx, r.boot) for r in rows} == {(PBX, "boot")}


def test_where_there_is_no_time_to_write_nobody_is_paused(call: Caller) -> None:
    desk = Desk()
    desk.board = Board(replace(RULES, wrapup=0))
    desk.start()
    talk(desk, call)
    desk.tell(*call.ends(ANNA), Tick())
    assert (desk.pauses(), desk.state(ANNA)) == ([], "ready")


def test_another_phone_takes_its_memberships_along_and_leaves_the_old_ones(desk: Desk) -> None:
    desk.tell(member("PJSIP/1005"))
    moved = [replace(u, phone="PJSIP/1005") if u.name == ANNA else u for u in desk.users]
    desk.tell(UsersChanged(tuple(moved)))
    assert {m.interface for m in desk.shown(ANNA).memberships} == {"PJSIP/1005"}
    desk.tell(member(PHONES[ANNA]))
    assert desk.state(OperatorName(PHONES[ANNA])) == "ready"
    assert {m.interface for m in desk.shown(ANNA).memberships} == {"PJSIP/1005"}
