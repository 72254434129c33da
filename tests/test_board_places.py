"""Callers who go to somebody in person first: the place kept for them, and who missed them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from board_desk import ANNA, BORIS, PBX, QUEUE, Caller, Desk, call, customer, desk

from cordboard.crm_core.model import EntryRecord, FactRecord
from cordboard.cti import facts as cti
from cordboard.desk.commands import (
    EndMissed,
    SendPlace,
    SendRoute,
    ShowMissed,
    ShowQueue,
    ShowWaiting,
)
from cordboard.desk.facts import ActionAsked, BackAsked, Tick
from cordboard.desk.missed import AT_MOST, KEPT
from cordboard.queue.lines import Entry, Line

__all__ = ["call", "desk"]

MOBILE = "+79031110001"
VIP = customer("vip", MOBILE)
PRIORITY = 20
"""Of the rule that rings the personal manager."""


def goes_to_the_manager(call: Caller) -> list[Any]:
    return [call.offered(), call.asked(), call.found(VIP)]


def waits(number: int, position: int) -> tuple[Caller, list[Any]]:
    call = Caller(number)
    return call, [*call.arrives(VIP)[:-1], call.queued(position)]


def back(call: Caller, waited: float = 0.0) -> BackAsked:
    return BackAsked("back", PBX, call.linkedid, QUEUE, PRIORITY, waited)


def row(desk: Desk) -> list[tuple[str, bool]]:
    """Who waits, and who is away, in order."""
    shown = [one for one in desk.all(ShowWaiting) if one.queue == QUEUE][-1]
    return [(row[0].call, row[0].away) for row in shown.waiting]


@pytest.fixture
def three(desk: Desk) -> list[Caller]:
    """Three vips wait who had no luck with their manager."""
    callers = []
    for number in (2, 3, 4):
        call, facts = waits(number, number - 1)
        desk.tell(*facts)
        callers.append(call)
    return callers


def test_old_place_is_before_those_who_joined_meanwhile_and_after_the_rest(
    desk: Desk, call: Caller, three: list[Caller]
) -> None:
    desk.tell(*goes_to_the_manager(call))
    assert desk.last(SendRoute).decision.personal is not None
    assert row(desk)[-1] == (call.about[1], True)
    desk.tell(three[0].left(), three[0].talks(BORIS))
    for number, position in ((5, 3), (6, 4)):
        desk.tell(*waits(number, position)[1])
    desk.tell(back(call))
    place = desk.last(SendPlace)
    assert (place.ask, place.position, place.priority) == ("back", 3, PRIORITY)
    desk.tell(call.queued(3))
    names = [three[1].about[1], three[2].about[1], call.about[1], "0000-5", "0000-6"]
    assert row(desk) == [(name, False) for name in names]


def test_who_is_away_is_not_counted_among_those_who_wait(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call))
    shown = desk.last(ShowQueue)
    assert (shown.waiting, shown.longest_since) == (0, None)
    assert not desk.saved(EntryRecord)
    desk.tell(call.queued())
    (entry,) = desk.saved(EntryRecord)
    assert (entry.priority, entry.entered_at) == (PRIORITY, desk.now)
    assert desk.last(ShowQueue).waiting == 1


def test_several_who_are_away_keep_their_order(desk: Desk, three: list[Caller]) -> None:
    first, second = Caller(7), Caller(8)
    desk.tell(*goes_to_the_manager(first), *goes_to_the_manager(second))
    desk.tell(back(second), second.queued(4), back(first))
    assert desk.last(SendPlace).position == 4
    desk.tell(first.queued(4))
    assert [name for name, _ in row(desk)][-2:] == [first.about[1], second.about[1]]


def test_a_priority_that_has_grown_meanwhile_is_brought_back(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call))
    desk.board._floor.line(QUEUE).move(call.uniqueid, 25)
    desk.tell(back(call))
    assert desk.last(SendPlace).priority == 25
    desk.tell(call.queued())
    (entry,) = desk.board._floor.line(QUEUE).entries
    assert (entry.priority, entry.joined) == (25, 25)


@pytest.mark.parametrize("end", ["answered", "hung up", "in another queue", "merged"])
def test_the_place_is_given_up_when_its_owner_needs_it_no_more(
    desk: Desk, call: Caller, end: str
) -> None:
    desk.tell(*goes_to_the_manager(call))
    whole = Caller(9)
    desk.tell(whole.offered())
    match end:
        case "answered":
            desk.tell(call.called(ANNA), call.rings(ANNA), call.talks(ANNA))
        case "hung up":
            desk.tell(call.cleared("cancelled"))
        case "in another queue":
            desk.tell(replace(call.queued(), queue="support"))
        case "merged":
            desk.tell(cti.Merged(*call.about, whole.about[1]))
    assert row(desk) == []
    assert "places" not in desk.board.held


def test_after_a_restart_the_place_is_found_by_how_long_he_waits(desk: Desk) -> None:
    """Of the dialplan's figures, and of a snapshot that shows who waits since when."""
    desk.tell(cti.LinkUp(PBX, "boot", "22"), cti.SnapshotDone(PBX))
    for number, (position, waited) in enumerate([(1, 30.0), (2, 20.0), (3, 5.0)], start=2):
        call, facts = waits(number, position)
        desk.tell(*facts[:-1], replace(call.queued(position), waited=waited))
    desk.tell(back(Caller(1), waited=12))
    assert desk.last(SendPlace) == SendPlace("back", PRIORITY, 3)


def test_without_a_view_of_the_queue_there_is_no_place_but_the_priority(desk: Desk) -> None:
    desk.tell(cti.LinkDown(PBX, "lost"), back(Caller(1), waited=12))
    assert desk.last(SendPlace) == SendPlace("back", PRIORITY, None)


def test_the_timeline_tells_of_the_place(desk: Desk, call: Caller, three: list[Caller]) -> None:
    desk.tell(*goes_to_the_manager(call), back(call), call.queued(4))
    told = {f.kind: json.loads(f.data) for f in desk.saved(FactRecord) if f.call_id == "0000-1"}
    assert told["kept"]["place"] == told["back"]["place"] == 4
    assert (told["kept"]["operator"], told["kept"]["who"]) == ("anna", "manager")


# Who missed the call


def detoured(call: Caller, where: str, status: str) -> cti.Detoured:
    return cti.Detoured(*call.about, "manager", status, where)


def test_whoever_did_not_answer_is_told_until_they_have_seen_it(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call), detoured(call, "mobile", "UNCONFIRMED"), back(call))
    assert not desk.all(ShowMissed)
    desk.tell(call.queued())
    missed = desk.last(ShowMissed).missed
    assert (missed.operator, missed.why, missed.call.id) == (ANNA, "not-taken", call.about[1])
    why = desk.last(ShowWaiting).waiting[0][1].befell[-1]
    assert why.args == {
        "status": "UNCONFIRMED",
        "where": "mobile",
        "who": "manager",
        "operator": "anna",
    }
    seen = ActionAsked("a", ANNA, "operator", "operator", ANNA, "seen", {"id": missed.id}, "")
    desk.tell(replace(seen, target=BORIS))
    assert len(desk.all(ShowMissed)) == 1
    desk.tell(seen, after=5)
    since = desk.now
    desk.tell(seen, after=5)
    assert desk.all(ShowMissed)[1:] == [ShowMissed(replace(missed, state="seen", since=since))]


def test_a_caller_who_gave_up_is_told_so(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call), call.cleared("cancelled"))
    assert desk.last(ShowMissed).missed.why == "caller-left"


def test_who_answered_has_missed_nothing(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call), call.called(ANNA), call.rings(ANNA), call.talks(ANNA))
    desk.tell(*call.ends(ANNA))
    assert not desk.all(ShowMissed)


def test_the_call_is_the_managers_who_talks_at_the_mobile(desk: Desk, call: Caller) -> None:
    trunk = ("PJSIP/trunk-00000001", call.uniqueid)
    desk.tell(*goes_to_the_manager(call), cti.Called(*call.about, *trunk, None))
    desk.tell(cti.Established(*call.about, *trunk, None))
    assert desk.board._book.calls[call.about[1]].operator == ANNA


def test_it_is_over_when_the_two_have_talked_after_all(desk: Desk, call: Caller) -> None:
    desk.tell(*goes_to_the_manager(call), call.queued())
    missed = desk.last(ShowMissed).missed
    seen = ActionAsked("a", ANNA, "operator", "operator", ANNA, "seen", {"id": missed.id}, "")
    desk.tell(seen)
    desk.tell(*call.is_answered_by(ANNA))
    talked = desk.last(ShowMissed)
    assert (talked.missed.id, talked.missed.state) == (missed.id, "talked")
    desk.tell(seen)
    assert desk.last(ShowMissed) == talked


def test_whom_nobody_called_back_outlasts_those_who_were(desk: Desk) -> None:
    for number in range(1, AT_MOST + 1):
        call = Caller(number)
        desk.tell(*goes_to_the_manager(call), call.queued(), after=1)
    shown = [command.missed for command in desk.all(ShowMissed)]
    seen = ActionAsked("a", ANNA, "operator", "operator", ANNA, "seen", {"id": shown[7].id}, "")
    late = Caller(AT_MOST + 1)
    desk.tell(seen, *goes_to_the_manager(late), late.queued(), after=1)
    assert [end.id for end in desk.all(EndMissed)] == [shown[7].id]


def test_an_operator_who_is_busy_is_not_rung_and_is_told(desk: Desk, call: Caller) -> None:
    other = Caller(2)
    desk.tell(*other.arrives(customer()), *other.is_answered_by(ANNA))
    desk.tell(*goes_to_the_manager(call))
    decision = desk.last(SendRoute).decision
    assert decision.personal is None
    assert row(desk) == []


def test_no_more_are_kept_than_anybody_reads(desk: Desk) -> None:
    for number in range(1, AT_MOST + 3):
        call = Caller(number)
        desk.tell(*goes_to_the_manager(call), call.queued(), after=1)
    kept = len(desk.all(ShowMissed)) - len(desk.all(EndMissed))
    assert kept == AT_MOST
    desk.now += KEPT
    desk.tell(Tick())
    desk.tell(Tick(), after=AT_MOST)
    assert len(desk.all(ShowMissed)) == len(desk.all(EndMissed))


def test_rank_is_behind_the_more_important_and_the_earlier() -> None:
    line = Line(QUEUE)
    for place, (priority, entered) in enumerate([(9, 50.0), (5, 10.0), (5, 30.0), (1, 5.0)], 1):
        uniqueid = Caller(place).uniqueid
        line.join(Entry("", Caller(place).about[1], uniqueid, QUEUE, priority, entered), place)
    assert line.rank(5, since=20.0) == 3
    assert line.rank(5, since=40.0) == 4
    assert line.rank(0, since=0.0) == 5
    assert line.rank(10, since=99.0) == 1
