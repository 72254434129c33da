"""The wrap-up after a talk: while it lasts the note is awaited, then it is given up. Pure."""

from __future__ import annotations

from cordboard.desk.book import Book
from cordboard.desk.cards import Cards
from cordboard.desk.commands import Tell
from cordboard.desk.facts import Unwritten, WrapUpSaved
from cordboard.desk.model import Call, Pop
from cordboard.desk.shifts import Shifts
from cordboard.events import CallId, OperatorName, Uniqueid
from cordboard.queue.floor import Floor


class WrapUps:
    """What joins cards, calls and the work of their operators when the telephone is down."""

    def __init__(self, book: Book, floor: Floor, cards: Cards, shifts: Shifts) -> None:
        self._book = book
        self._floor = floor
        self._cards = cards
        self._shifts = shifts

    def tick(self) -> None:
        for pop in self._cards.awaited:
            if pop.wrapup_until is not None and pop.wrapup_until <= self._book.now:
                self._end_one(pop)

    def begin(self, name: OperatorName, identity: CallId, uniqueid: Uniqueid) -> None:
        """The operator's leg is down; with a card there is a note to write, without one none."""
        pops = [p for p in self._cards.of(identity) if p.peer_uniqueid == uniqueid]
        for pop in pops:
            self._cards.await_note(pop, self._book.now)
        if not pops:
            self._book.advance(name, "done", identity)

    def saved(self, fact: WrapUpSaved) -> None:
        self._book.out.append(Tell(fact.id, fact.actor, None))
        if self._floor.operator(fact.actor):
            self._book.advance(fact.actor, "done", fact.call)
        for pop in self._cards.of(fact.call):
            if pop.operator == fact.actor and pop.wrapup_until is not None:
                self._book.out.append(self._cards.end(pop, "done", saved=True))
        self._book.forget_if_over(fact.call)

    def end(self, name: OperatorName, but: CallId | None = None, saved: bool = False) -> None:
        """The operator goes on: the next call rings, or there is nothing more to write, as when it
        is `saved` elsewhere. What was typed stays in the browser and may still be saved."""
        for pop in self._cards.awaited:
            if pop.operator == name and pop.call.id != but:
                self._end_one(pop, saved)

    def _end_one(self, pop: Pop, saved: bool = False) -> None:
        operator = self._floor.operator(pop.operator)
        if operator is not None and operator.work == "wrap-up":
            self._book.advance(pop.operator, "done", pop.call.id)
        self._book.out.append(self._cards.end(pop, "done", saved))
        self._book.forget_if_over(pop.call.id)

    def reopen(self, call: Call, left: Unwritten) -> None:
        """The card of a wrap-up that a restart cut into, for as long as the wrap-up has left."""
        name = self._floor.at_phone(left.peer)
        if name is None or name in left.written:
            return
        until = self._shifts.resumes_wrapup(name, self._cards.until(left.ended))
        if until is None or until <= self._book.now:
            return
        for step in ("answer", "hang-up"):
            self._floor.step(name, step, call.id, left.ended)
        self._book.out.append(self._cards.reopen(name, call, left, until))
