"""What waiting callers are told: at the interval, in their language, and never worse news."""

from __future__ import annotations

from dataclasses import replace

from board_desk import Caller, Desk, call, customer, desk

from cordboard.cti.facts import Originated
from cordboard.desk.announcements import BACK_OFF, SPOKEN_FOR, rounded
from cordboard.desk.commands import Announce, Hush, Remark
from cordboard.desk.facts import Tick
from cordboard.desk.model import Announcing
from cordboard.events import PbxName, Uniqueid
from cordboard.queue.decisions import CallbackOffer
from cordboard.queue.lines import Entry

__all__ = ["call", "desk"]

FIRST, EVERY = Announcing().first, Announcing().every


class Expecting:
    """A desk whose forecast is as the test says."""

    def __init__(self, desk: Desk, seconds: float | None = None) -> None:
        self.desk, self.seconds = desk, seconds
        desk.board._floor.wait = self._wait  # type: ignore[method-assign]

    def _wait(self, entry: Entry) -> float | None:
        return self.seconds

    def after(self, seconds: float) -> list[Announce]:
        told = self.desk.tell(Tick(), after=seconds)
        return [command for command in told if isinstance(command, Announce)]


def test_a_caller_is_told_first_after_a_while_and_then_at_the_interval(
    desk: Desk, call: Caller
) -> None:
    hears = Expecting(desk, 130)
    desk.tell(*call.arrives(customer()))
    assert hears.after(FIRST - 1) == []
    (said,) = hears.after(1)
    assert (said.uniqueid, said.language, said.place, said.minutes) == (call.uniqueid, "ru", 1, 3)
    assert hears.after(EVERY - 1) == []
    assert [again.minutes for again in hears.after(1)] == [3]


def test_nobody_is_told_worse_news_than_before(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, 130)
    desk.tell(*call.arrives(customer()))
    hears.after(FIRST)
    hears.seconds = 400
    assert [(said.place, said.minutes) for said in hears.after(EVERY)] == [(1, None)]
    hears.seconds = 50
    assert [(said.place, said.minutes) for said in hears.after(EVERY)] == [(1, 0)]
    important = Caller(2)
    desk.tell(*important.arrives(customer("vip")))
    hears.seconds = 100
    assert [said.uniqueid for said in hears.after(EVERY)] == [important.uniqueid]


def test_what_nobody_knows_is_not_told(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, None)
    desk.tell(*call.arrives(customer()))
    assert [(said.place, said.minutes) for said in hears.after(FIRST)] == [(1, None)]


def test_a_long_wait_and_a_far_place_are_not_told(desk: Desk) -> None:
    callers = [Caller(number) for number in range(1, 10)]
    desk.board._announcements._rules = Announcing(places=2, minutes=5)
    hears = Expecting(desk, 290)
    for position, caller in enumerate(callers, start=1):
        caller.about = (None, type(caller.about[1])(f"000{position}-0"), *caller.about[2:])
        desk.tell(*caller.arrives(customer())[:-1], caller.queued(position))
    told = hears.after(FIRST)
    assert [said.place for said in told] == [1, 2, *[None] * 7]
    assert {said.minutes for said in told} == {5}
    hears.seconds = 301
    assert [said.place for said in hears.after(EVERY)] == [1, 2]


def test_nothing_is_said_while_a_phone_rings_for_him(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, 30)
    desk.tell(*call.arrives(customer()), call.called("anna"), call.rings("anna"))
    assert hears.after(FIRST) == []
    desk.tell(call.misses("anna"))
    assert len(hears.after(1)) == 1


def test_an_announcement_ends_with_the_wait_and_only_then(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, 30)
    desk.tell(*call.arrives(customer()))
    (said,) = hears.after(FIRST)
    told = desk.tell(call.called("anna"), call.rings("anna"))
    assert not [command for command in told if isinstance(command, Hush)]
    told = desk.tell(call.left())
    assert [c for c in told if isinstance(c, Hush)] == [Hush(said.pbx, said.channel_id)]
    assert desk.tell(call.talks("anna"), *call.ends("anna")) != []
    assert len(desk.all(Hush)) == 1
    hears.after(1)
    assert len(desk.board._announcements) == 0


def test_only_so_many_are_told_at_one_time_those_who_wait_longest_first(desk: Desk) -> None:
    desk.board._announcements._rules = Announcing(at_once=2)
    hears = Expecting(desk, 30)
    callers = [Caller(number) for number in (1, 2, 3)]
    for position, caller in enumerate(callers, start=1):
        desk.tell(*caller.arrives(customer())[:-1], caller.queued(position), after=1)
    first = hears.after(FIRST)
    assert [said.uniqueid for said in first] == [callers[0].uniqueid, callers[1].uniqueid]
    assert hears.after(1) == []
    assert [said.uniqueid for said in hears.after(SPOKEN_FOR)] == [callers[2].uniqueid]


def test_a_pbx_that_cannot_announce_is_left_alone_for_a_while(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, 30)
    desk.tell(*call.arrives(customer()))
    (said,) = hears.after(FIRST)
    told = desk.tell(Originated(PbxName("pbx"), Uniqueid(said.channel_id), 0))
    assert [type(command) for command in told] == [Remark]
    assert hears.after(BACK_OFF - 1) == []
    assert len(hears.after(1)) == 1


def test_every_zero_is_never(desk: Desk, call: Caller) -> None:
    desk.board._announcements._rules = Announcing(every=0)
    hears = Expecting(desk, 130)
    desk.tell(*call.arrives(customer()))
    assert [hears.after(FIRST), hears.after(EVERY)] == [[], []]


def test_a_wait_is_rounded_as_people_say_it() -> None:
    assert [rounded(seconds) for seconds in (0, 59.9, 60, 61, 130, 600, 601, 1500, 1501)] == [
        *(0, 0, 1, 2, 3, 10, 15, 25, 30)
    ]


def test_a_callback_is_offered_when_its_time_has_come(desk: Desk, call: Caller) -> None:
    hears = Expecting(desk, 130)
    desk.tell(*call.arrives(customer()))
    live = desk.board._book.calls[call.about[1]]
    assert live.decision is not None
    offer = CallbackOffer(int(FIRST) + 10)
    desk.board._book.calls[live.id] = replace(live, decision=replace(live.decision, callback=offer))
    assert [said.offer for said in hears.after(FIRST)] == [None]
    assert [said.offer for said in hears.after(EVERY)] == ["+79161234567"]
