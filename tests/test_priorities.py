"""The rules of live priorities on the board: what is asked of the PBX, when, and what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import board_desk
import pytest
from board_desk import PBX, QUEUE, Caller, Desk, customer

from cordboard.crm_core.model import AuditRecord, Card, FactRecord, Manager
from cordboard.cti import facts as cti
from cordboard.desk.board import Board
from cordboard.desk.commands import Audit, Remark, Reorder, Requeue, ShowWaiting, Tell
from cordboard.desk.facts import (
    ActionAsked,
    Audited,
    CustomerChanged,
    Rank,
    Remembered,
    Reordered,
    Requeued,
    Tick,
)
from cordboard.desk.moves import by_hand
from cordboard.desk.pacing import AT_ONCE, LEFT_ALONE
from cordboard.events import OperatorName, Uniqueid
from cordboard.queue.policy import Policy

MARIA = OperatorName("maria")
GROWING = """
default_queue = "support-ru"
[[rule]]
name = "debtor"
when = { status = ["debtor"] }
action = "queue"
queue = "support-bg"
raise = { by = 1, every = 30, up_to = 20 }
[[rule]]
name = "blocked"
when = { status = ["blocked"] }
action = "message"
to = "goodbye"
[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
priority = 10
[[rule]]
name = "personal"
when = { manager = true, language = ["bg"], status = ["regular"] }
action = "queue"
queue = "support-ru"
first = { who = "manager", seconds = 25, desk = true, mobile = true }
raise = { by = 1, every = 30, up_to = 20 }
[[rule]]
name = "others"
action = "queue"
raise = { by = 1, every = 30, up_to = 20 }
"""


class Hall(Desk):
    """A desk whose callers grow, and the queue that Asterisk would have."""

    def __init__(self) -> None:
        super().__init__()
        rules = replace(board_desk.RULES, policy=Policy.parse(GROWING))
        self.board = Board(rules)
        self.tell(cti.LinkUp(PBX, "boot", "22"), cti.SnapshotDone(PBX))
        self.queue: list[tuple[Uniqueid, int]] = []

    def come(self, number: int, priority: int = 0, status: str = "regular") -> Caller:
        caller = Caller(number)
        place = 1 + sum(had >= priority for _, had in self.queue)
        self.queue.insert(place - 1, (caller.uniqueid, priority))
        card = self.card(number, status)
        come = (caller.offered(), caller.asked(), caller.found(card), caller.queued(place))
        self.tell(*come, after=0.01)
        return caller

    def card(self, number: int, status: str) -> Card:
        card = customer(status)
        return replace(card, customer=replace(card.customer, id=f"c{number}"))

    def asked(self) -> list[Reorder]:
        return self.all(Reorder)

    def ranks(self) -> tuple[Rank, ...]:
        return tuple(Rank(u, place, p) for place, (u, p) in enumerate(self.queue, 1))

    def obey(self) -> Reordered:
        """What Asterisk does with the last request."""
        command, before = self.asked()[-1], self.ranks()
        for move in command.moves:
            self.queue = [one for one in self.queue if one[0] != move.uniqueid]
            place = sum(had >= move.priority for _, had in self.queue)
            self.queue.insert(place, (move.uniqueid, move.priority))
        return Reordered(PBX, QUEUE, before, self.ranks())

    def move(self, caller: Caller, **args: Any) -> None:
        """A supervisor asks, and it is written down."""
        asked = ActionAsked(
            "a1", MARIA, "supervisor", "call", caller.about[1], "move", args, "promised"
        )
        self.tell(asked)
        if self.commands and isinstance(self.commands[-1], Audit):
            self.tell(Audited(asked, None))

    def names(self) -> list[str]:
        return [str(uniqueid) for uniqueid, _ in self.queue]

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(f.data) for f in self.saved(FactRecord) if f.kind == "moved"]


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_nothing_is_asked_before_something_is_due_and_then_once(hall: Hall) -> None:
    hall.come(1)
    hall.tell(Tick(), after=29.0)
    assert hall.asked() == []
    hall.tell(Tick(), after=1.0)
    (first,) = hall.asked()
    assert [(move.was, move.priority) for move in first.moves] == [(0, 1)]
    hall.tell(Tick(), after=40.0)  # no answer yet: nobody is moved twice at once
    assert len(hall.asked()) == 1
    hall.tell(hall.obey(), Tick(), after=1.0)
    assert [move.priority for move in hall.asked()[-1].moves] == [2]
    assert hall.facts()[0] == {
        "queue": QUEUE,
        "from": {"priority": 0, "place": 1},
        "to": {"priority": 1, "place": 1},
        "reasons": [{"code": "raised", "args": {"seconds": "30", "priority": "1"}}],
        "verified": True,
    }


def test_of_many_the_most_important_go_first_and_no_more_than_the_bound(hall: Hall) -> None:
    for number in range(AT_ONCE + 10):
        hall.come(number)
    hall.tell(Tick(), after=31.0)
    (first,) = hall.asked()
    assert [move.uniqueid for move in first.moves] == [u for u, _ in hall.queue][:AT_ONCE]
    hall.tell(hall.obey())
    assert len(hall.asked()) == 1  # the rest is for the next second
    hall.tell(Tick(), after=1.0)
    assert len(hall.asked()[-1].moves) == 10
    hall.tell(hall.obey())
    hall.tell(Tick(), after=1.0)
    assert len(hall.asked()) == 2
    assert hall.all(Remark) == []


def test_a_changed_status_moves_at_once_and_back_to_the_old_place(hall: Hall) -> None:
    callers = [hall.come(number) for number in range(1, 5)]
    before = hall.names()
    hall.tell(CustomerChanged(hall.card(3, "vip")))
    hall.tell(hall.obey())
    assert hall.names()[0] == callers[2].uniqueid
    why = hall.last(ShowWaiting).waiting[0][2]
    assert [(r.code, r.args) for r in why] == [
        ("status-changed", {"status": "vip", "before": "regular"})
    ]
    hall.tell(CustomerChanged(hall.card(3, "regular")))
    hall.tell(hall.obey())
    assert hall.names() == before
    assert [f["to"]["priority"] for f in hall.facts()] == [10, 0]


def test_a_change_that_the_policy_does_not_mind_asks_for_nothing(hall: Hall) -> None:
    hall.come(1)
    card = hall.card(1, "regular")
    hall.tell(CustomerChanged(replace(card, customer=replace(card.customer, name="Else"))))
    assert hall.asked() == []


def test_who_belongs_into_another_queue_is_taken_there_also_while_phones_ring(
    hall: Hall,
) -> None:
    quiet, ringing = hall.come(1), hall.come(2)
    hall.tell(CustomerChanged(hall.card(1, "debtor")))
    hall.tell(ringing.rings(board_desk.ANNA))
    hall.tell(CustomerChanged(hall.card(2, "debtor")))
    assert [(c.uniqueid, c.to) for c in hall.all(Requeue)] == [
        (quiet.uniqueid, "support-bg"),
        (ringing.uniqueid, "support-bg"),
    ]
    hall.tell(Tick(), after=31.0)
    assert hall.asked() == []  # they are on their way
    gone = Requeued(PBX, quiet.uniqueid, QUEUE, hall.all(Requeue)[0].to, "the PBX has no queue")
    hall.tell(gone)
    assert len(hall.all(Remark)) == 1
    assert len(hall.asked()) == 1  # he stays, and grows here


def test_from_what_would_end_his_call_somebody_who_waits_is_spared(hall: Hall) -> None:
    hall.come(1)
    hall.tell(CustomerChanged(hall.card(1, "blocked")))
    assert (hall.asked(), hall.all(Requeue)) == ([], [])
    assert hall.board.show_queues() == []


def test_by_hand_is_written_down_first_and_told_when_it_is_confirmed(hall: Hall) -> None:
    callers = [hall.come(number) for number in range(1, 4)]
    asked = ActionAsked(
        "a1", MARIA, "supervisor", "call", callers[2].about[1], "move", {"to": "head"}, "promised"
    )
    (audit,) = hall.tell(asked)
    assert isinstance(audit, Audit)
    record = audit.record
    assert isinstance(record, AuditRecord)
    assert (record.actor, record.reason) == ("maria", "promised")
    assert json.loads(record.before) == {"queue": QUEUE, "priority": 0, "place": 3}
    assert hall.asked() == []
    hall.tell(Audited(asked, None))
    assert hall.all(Tell) == []
    hall.tell(hall.obey())
    assert hall.all(Tell) == [Tell("a1", MARIA, None)]
    assert hall.names()[0] == callers[2].uniqueid
    (fact,) = hall.facts()
    assert fact["reasons"][0]["args"] == {"operator": "maria", "reason": "promised"}
    hand = by_hand(fact)
    assert hand is not None
    assert hand.claim.at(hall.now) == 1


def test_what_is_not_written_down_is_not_done(hall: Hall) -> None:
    caller = hall.come(1)
    hall.come(2)
    asked = ActionAsked(
        "a1", MARIA, "supervisor", "call", caller.about[1], "move", {"to": "down"}, "x"
    )
    hall.tell(asked, Audited(asked, "the server's disk is full"))
    assert hall.asked() == []
    assert hall.last(Tell).error == "the server's disk is full"


def test_among_equals_one_place_up_sends_the_others_behind(hall: Hall) -> None:
    callers = [hall.come(number) for number in range(1, 5)]
    one, two, three, four = (caller.uniqueid for caller in callers)
    hall.move(callers[2], to="up")
    assert [move.uniqueid for move in hall.asked()[-1].moves] == [two, four]
    hall.tell(hall.obey())
    assert hall.names() == [one, three, two, four]
    # And it lasts, whatever grows.
    for _ in range(40):
        count = len(hall.asked())
        hall.tell(Tick(), after=20.0)
        if len(hall.asked()) > count:
            hall.tell(hall.obey())
        assert hall.names() == [one, three, two, four]
    assert [p for _, p in hall.queue] == [20, 20, 20, 20]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("connected", "already been answered"),
        ("abandoned", "already hung up"),
        ("timed-out", "already left the queue"),
    ],
)
def test_what_was_quicker_than_the_hand_is_told(
    hall: Hall, outcome: cti.EntryOutcome, words: str
) -> None:
    first, second = hall.come(1), hall.come(2)
    hall.move(second, to="head")
    hall.queue = [one for one in hall.queue if one[0] != second.uniqueid]
    hall.tell(Reordered(PBX, QUEUE, hall.ranks(), hall.ranks(), ((second.uniqueid, "gone"),)))
    assert hall.all(Tell) == []  # why is not known yet
    hall.tell(second.left(outcome))
    assert words in (hall.last(Tell).error or "")
    hall.move(second, to="head")
    assert hall.last(Tell).error
    assert len(hall.asked()) == 1
    assert first.uniqueid in hall.names()


def test_the_first_cannot_go_up_and_the_last_not_down(hall: Hall) -> None:
    first, last = hall.come(1), hall.come(2)
    hall.move(first, to="up")
    hall.move(last, to="down")
    assert [tell.error for tell in hall.all(Tell)] == [
        "the caller is first already",
        "the caller is last already",
    ]


def test_a_pbx_without_the_action_is_said_once_and_not_asked_again(hall: Hall) -> None:
    caller = hall.come(1)
    hall.come(2)
    hall.tell(Tick(), after=31.0)
    hall.tell(Reordered(PBX, QUEUE, hall.ranks(), error="needs a newer Asterisk", unable=True))
    for _ in range(5):
        hall.tell(Tick(), after=31.0)
    assert len(hall.asked()) == 1
    assert len(hall.all(Remark)) == 1
    hall.move(caller, to="down")
    assert hall.last(Tell).error == "this PBX cannot move callers who wait"
    hall.tell(cti.LinkUp(PBX, "another", "23"), cti.SnapshotDone(PBX), Tick())
    assert len(hall.asked()) == 2


def test_a_pbx_that_moves_nobody_is_left_alone_for_a_while(hall: Hall) -> None:
    hall.come(1)
    hall.tell(Tick(), after=31.0)
    for _ in range(10):
        hall.tell(Reordered(PBX, QUEUE, hall.ranks(), hall.ranks()), Tick(), after=1.0)
    assert len(hall.asked()) == 3
    assert [r.what for r in hall.all(Remark)] == [
        "support-ru: the PBX does not move callers as it is asked to"
    ]
    hall.tell(Tick(), after=LEFT_ALONE)
    assert len(hall.asked()) == 4


def test_an_order_that_no_move_explains_is_a_surprise_and_is_believed(hall: Hall) -> None:
    for number in range(1, 4):
        hall.come(number)
    hall.tell(Tick(), after=31.0)
    answer = hall.obey()
    hall.queue.reverse()
    hall.tell(replace(answer, after=hall.ranks()))
    assert len(hall.all(Remark)) == 1
    shown = [entry.uniqueid for entry, *_ in hall.last(ShowWaiting).waiting]
    assert shown == hall.names()


def test_an_order_that_a_newcomer_explains_is_none(hall: Hall) -> None:
    """He joined behind the one who had been moved already; we heard of it the other way round."""
    hall.come(1)
    raised = hall.come(2)
    hall.tell(CustomerChanged(hall.card(2, "vip")))
    answer = hall.obey()
    hall.come(3, 10, "vip")
    hall.tell(replace(answer, after=hall.ranks()))
    assert hall.all(Remark) == []
    shown = [entry.uniqueid for entry, *_ in hall.last(ShowWaiting).waiting]
    assert shown == hall.names()
    assert shown[0] == raised.uniqueid


def test_a_priority_of_the_dialplans_own_is_not_taken_away(hall: Hall) -> None:
    """A caller whose operator's phone went away is put back at the head by the dialplan."""
    lost = hall.come(1)
    hall.come(2)
    hall.queue = [(lost.uniqueid, 100), *hall.queue[1:]]
    hall.tell(Tick(), after=31.0)
    moves = {move.uniqueid: move.priority for move in hall.asked()[-1].moves}
    ranks = hall.ranks()
    hall.tell(Reordered(PBX, QUEUE, ranks, ranks, tuple((u, "has 100") for u in moves)))
    last = {m.uniqueid: (m.was, m.priority) for m in hall.asked()[-1].moves}
    assert lost.uniqueid not in last


def test_while_the_link_is_down_nothing_is_asked_and_the_hand_is_told(hall: Hall) -> None:
    caller = hall.come(1)
    hall.come(2)
    hall.tell(cti.LinkDown(PBX, "cut"))
    hall.tell(Tick(), after=31.0)
    hall.move(caller, to="down")
    assert hall.asked() == []
    assert "no link" in (hall.last(Tell).error or "")
    hall.tell(cti.LinkUp(PBX, "boot", "22"), cti.SnapshotDone(PBX), Tick(), after=1.0)
    assert len(hall.asked()) == 1


def test_after_a_restart_asterisks_priorities_count_and_growth_goes_on(hall: Hall) -> None:
    old = Hall()
    callers = [old.come(1), old.come(2)]
    old.move(callers[1], to="head")
    old.tell(old.obey())
    fact = json.loads(next(f for f in old.saved(FactRecord) if f.kind == "moved").data)
    hand = by_hand(fact)
    assert hand is not None
    hall.now = old.now + 65
    hall.tell(Remembered((), (), hands={callers[1].about[1]: hand}))
    for place, (caller, priority) in enumerate([(callers[1], 1), (callers[0], 0)], 1):
        queued = replace(caller.queued(place), waited=65.0, priority=priority)
        found = caller.found(hall.card(1, "regular"))
        hall.tell(caller.offered(), queued, found)
    hall.queue = [(callers[1].uniqueid, 1), (callers[0].uniqueid, 0)]
    hall.tell(Tick())
    while len(hall.asked()) and hall.queue != [(callers[1].uniqueid, 3), (callers[0].uniqueid, 2)]:
        hall.tell(hall.obey(), Tick(), after=1.0)
    assert hall.queue == [(callers[1].uniqueid, 3), (callers[0].uniqueid, 2)]
    rows = hall.last(ShowWaiting).waiting
    codes = [[r.code for r in why] for _, _, why in rows]
    assert codes == [["raised", "moved-by-hand"], ["raised"]]


def test_nothing_is_kept_once_all_have_gone(hall: Hall) -> None:
    callers = [hall.come(number) for number in range(1, 4)]
    hall.move(callers[2], to="head")
    hall.tell(CustomerChanged(hall.card(1, "debtor")))
    for caller in callers:
        hall.tell(caller.left("abandoned"), caller.cleared())
    assert hall.board.held == {}


def test_a_kept_place_moves_with_its_owners_status_and_wait(hall: Hall) -> None:
    """He rings at his manager's; nothing is asked of the PBX, which does not have him."""
    hall.come(1)
    away = Caller(2)
    manager = Manager("anna", "Anna", "+79031110001")
    card = hall.card(2, "regular")
    card = replace(card, customer=replace(card.customer, manager=manager, language="bg"))
    hall.tell(away.offered(), away.asked(), away.found(card))
    assert [e.away for e, *_ in hall.last(ShowWaiting).waiting] == [False, True]
    hall.tell(Tick(), after=31.0)
    assert [len(one.moves) for one in hall.asked()] == [1]
    hall.tell(hall.obey(), Tick(), after=1.0)
    rows = hall.last(ShowWaiting).waiting
    assert [(e.away, e.priority) for e, *_ in rows] == [(False, 1), (True, 1)]
    vip = replace(card, customer=replace(card.customer, status="vip"))
    hall.tell(CustomerChanged(vip))
    rows = hall.last(ShowWaiting).waiting
    assert [(e.away, e.priority) for e, *_ in rows] == [(True, 10), (False, 1)]
    assert len(hall.asked()) == 1
