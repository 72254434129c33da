"""What a start of ours knows of callers' claims: their growth, their penalties and their old places
go on, in whatever state it found them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import board_desk
import pytest
from board_desk import ANNA, BORIS, PBX, QUEUE, Caller, customer
from store_fixtures import sqlite_template, sqlite_url
from test_priorities import GROWING, Hall

from cordboard.crm_core.model import Card, FactRecord
from cordboard.crm_core.store import Store
from cordboard.cti import facts as cti
from cordboard.desk.board import Board
from cordboard.desk.commands import FindCustomer, Reorder, Save, SendPlace, ShowMissed, ShowWaiting
from cordboard.desk.facts import BackAsked, CustomerChanged, Tick
from cordboard.memory import remembered
from cordboard.queue.decisions import Growth, Penalties
from cordboard.queue.policy import Policy

RULES = GROWING.replace(
    'raise = { by = 1, every = 30, up_to = 20 }\n[[rule]]\nname = "others"',
    "raise = { by = 1, every = 30, up_to = 20 }\npenalties = { most = 3, at_least = 1 }\n"
    '[[rule]]\nname = "others"',
)
GROWTH = Growth(1, 30.0, 20)


__all__ = ["sqlite_template", "sqlite_url"]


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    """An empty one: all that was saved waits in the spool."""
    empty = Store(sqlite_url)
    await empty.open()
    yield empty
    await empty.close()


def hall() -> Hall:
    found = Hall()
    found.board = Board(replace(board_desk.RULES, policy=Policy.parse(RULES)))
    found.tell(cti.LinkUp(PBX, "boot", "22"))
    return found


def managed(number: int) -> Card:
    """Of a caller who goes to his manager first."""
    card = customer("regular", "+79031110001")
    return replace(card, customer=replace(card.customer, id=f"c{number}", language="bg"))


async def started_again(store: Store, before: Hall, away: float) -> Hall:
    """The desk of the next process, which has read what this one has saved."""
    again = hall()
    again.now = before.now + away
    records = [save.record for save in before.all(Save)]
    told = await remembered(store, records, [PBX], again.now, 0.0, 30.0)
    again.tell(told)
    return again


def waits(call: Caller, position: int, waited: float, priority: int) -> list[Any]:
    """What a snapshot shows of a caller in the queue."""
    queued = replace(call.queued(position), waited=waited, priority=priority)
    return [call.offered(), queued]


def rows(desk: Hall) -> list[tuple[str, bool, int]]:
    shown = [one for one in desk.all(ShowWaiting) if one.queue == QUEUE][-1]
    return [(entry.call, entry.away, entry.priority) for entry, _, _ in shown.waiting]


async def test_who_waits_grows_on_as_it_was_decided_and_nobody_is_asked_anew(store: Store) -> None:
    before = hall()
    first = before.come(1)
    again = await started_again(store, before, away=100)
    again.tell(*waits(first, 1, 100, 2), cti.SnapshotDone(PBX))
    again.queue = [(first.uniqueid, 2)]
    again.tell(Tick())
    (asked,) = again.all(Reorder)
    assert [(move.uniqueid, move.priority) for move in asked.moves] == [(first.uniqueid, 3)]
    (call,) = again.board._book.calls.values()
    assert call.decision is not None
    assert (call.decision.growth, call.decision.rule) == (GROWTH, "others")
    assert not [fact for fact in again.saved(FactRecord) if fact.kind == "decided"]
    # The same customer as before is no news; another status is.
    again.tell(first.found(again.card(1, "regular")))
    assert len(again.all(Reorder)) == 1
    again.tell(again.obey())
    again.tell(CustomerChanged(again.card(1, "vip")), after=2)
    assert [move.priority for move in again.all(Reorder)[-1].moves] == [10]


async def test_a_status_that_changed_while_we_were_away_moves_him_when_he_is_known_again(
    store: Store,
) -> None:
    before = hall()
    first = before.come(1)
    again = await started_again(store, before, away=10)
    again.tell(*waits(first, 1, 10, 0), cti.SnapshotDone(PBX))
    assert again.all(FindCustomer)
    again.tell(first.found(again.card(1, "vip")))
    assert [move.priority for move in again.all(Reorder)[-1].moves] == [10]
    shown = again.board._priorities._turns[first.uniqueid]
    assert [reason.code for reason in shown.news] == ["customer-changed"]


async def test_the_place_of_who_is_at_his_managers_is_kept_with_all_that_it_has_grown(
    store: Store,
) -> None:
    before = hall()
    early, late = Caller(1), Caller(3)
    call = Caller(2)
    before.tell(*early.arrives(before.card(1, "regular")))
    before.tell(call.offered(), call.asked(), call.found(managed(2)), after=1)
    before.tell(late.offered(), late.asked(), late.found(before.card(3, "regular")), after=1)
    before.tell(late.queued(2))
    again = await started_again(store, before, away=60)
    again.tell(*waits(late, 2, 60, 0), call.offered(), *waits(early, 1, 62, 0))
    assert rows(again) == [("0000-1", False, 0), ("0000-3", False, 0)], "the lists are not whole"
    again.tell(cti.SnapshotDone(PBX))
    assert ("0000-2", True, 2) in rows(again)
    assert not again.all(ShowMissed)
    again.queue = [(early.uniqueid, 0), (late.uniqueid, 0)]
    for _ in range(2):
        again.tell(Tick(), after=15.5)
        again.tell(again.obey())
    again.tell(BackAsked("back", PBX, call.linkedid, QUEUE, 0, 91.0))
    assert again.last(SendPlace).priority == 3
    again.tell(replace(call.queued(1), priority=3))
    (missed,) = again.all(ShowMissed)
    assert (missed.missed.operator, missed.missed.why) == (ANNA, "not-taken")
    entry = again.board._floor.line(QUEUE).find(call.uniqueid)
    assert entry is not None
    assert entry.skills == Penalties(most=3, at_least=1)
    turn = again.board._priorities._turns[call.uniqueid]
    assert turn.own.at(again.now + 30) == 4


async def test_who_came_back_while_we_were_away_has_what_he_had_grown(store: Store) -> None:
    """The dialplan alone gave him the priority with which he went."""
    before = hall()
    call = Caller(2)
    before.tell(call.offered(), call.asked(), call.found(managed(2)))
    again = await started_again(store, before, away=65)
    again.tell(*waits(call, 1, 5, 0), cti.SnapshotDone(PBX), Tick())
    (asked,) = again.all(Reorder)
    assert [move.priority for move in asked.moves] == [2]
    assert [missed.missed.why for missed in again.all(ShowMissed)] == ["not-taken"]


async def test_who_was_back_before_grows_on_from_his_first_wait(store: Store) -> None:
    before = hall()
    call = Caller(2)
    before.tell(call.offered(), call.asked(), call.found(managed(2)))
    before.tell(replace(call.queued(1), priority=1), after=45)
    again = await started_again(store, before, away=20)
    again.tell(*waits(call, 1, 20, 1), cti.SnapshotDone(PBX), Tick())
    (asked,) = again.all(Reorder)
    assert [move.priority for move in asked.moves] == [2], "65 s, not 20"
    assert not again.all(ShowMissed)


@pytest.mark.parametrize("how", ["answered by him", "gone"])
async def test_whom_the_manager_took_or_who_is_gone_leaves_no_place(store: Store, how: str) -> None:
    before = hall()
    call = Caller(2)
    before.tell(call.offered(), call.asked(), call.found(managed(2)))
    again = await started_again(store, before, away=5)
    if how == "gone":
        again.tell(cti.SnapshotDone(PBX))
    else:
        again.tell(call.offered(), call.called(ANNA), call.talks(ANNA), cti.SnapshotDone(PBX))
        again.tell(*call.ends(ANNA))
    again.tell(Tick(), after=40)
    assert "places" not in again.board.held
    assert not again.board._floor.line(QUEUE).entries
    assert not again.all(ShowMissed)


async def test_a_call_that_talked_is_no_caller_at_somebody_in_person(store: Store) -> None:
    before = hall()
    call = Caller(2)
    before.tell(call.offered(), call.asked(), call.found(managed(2)), call.queued())
    before.tell(*call.is_answered_by(BORIS))
    again = await started_again(store, before, away=5)
    again.tell(call.offered(), call.called(BORIS), call.talks(BORIS), cti.SnapshotDone(PBX))
    again.tell(*call.ends(BORIS), after=5)
    assert not again.all(ShowMissed)
    assert "places" not in again.board.held
