"""The calls that live, as people see them. Pure.

Whatever changes of a call is kept, saved, shown, and on every card that is open for it. The
commands for that go behind those which the step has said already.
"""

from __future__ import annotations

from dataclasses import replace

from cordboard.desk.cards import Cards
from cordboard.desk.commands import Command, EndCall, Remark, Save, ShowCall
from cordboard.desk.model import Call, CallState, PathStep
from cordboard.desk.records import call_record
from cordboard.events import CallId, Linkedid, OperatorName, PbxName
from cordboard.queue.decisions import Reason
from cordboard.queue.floor import Floor
from cordboard.queue.operators import Surprise, WorkEvent


class Book:
    """`out` is what the present step says, in order, and `now` its moment."""

    def __init__(self, floor: Floor, cards: Cards) -> None:
        self._floor = floor
        self._cards = cards
        self._calls: dict[CallId, Call] = {}
        self._linked: dict[tuple[PbxName, Linkedid], CallId] = {}
        self.out: list[Command] = []
        self.now = 0.0

    def begin(self, now: float) -> list[Command]:
        """A step begins; the list is the one that it fills."""
        self.out, self.now = [], now
        return self.out

    @property
    def calls(self) -> dict[CallId, Call]:
        return self._calls

    @property
    def linked(self) -> dict[tuple[PbxName, Linkedid], CallId]:
        return self._linked

    def get(self, identity: str) -> Call | None:
        return self._calls.get(CallId(identity))

    def at(self, pbx: PbxName, linkedid: Linkedid) -> Call | None:
        """The call that a PBX knows by this Linkedid."""
        identity = self._linked.get((pbx, linkedid))
        return self._calls.get(identity) if identity else None

    def open(self, call: Call) -> None:
        """A call begins to be shown."""
        self._calls[call.id] = call
        self._linked[call.pbx, call.linkedid] = call.id

    def unlink(self, call: Call) -> None:
        """The PBX does not know the call any more."""
        self._linked.pop((call.pbx, call.linkedid), None)

    def merge(self, part: Call) -> None:
        """The call turned out to be a part of another."""
        del self._calls[part.id]
        self.unlink(part)

    def set_state(self, call: CallId, state: CallState) -> None:
        known = self._calls.get(call)
        if known and known.state not in (state, "talking", "ended"):
            self.change(replace(known, state=state))

    def change(self, call: Call, force: bool = False) -> None:
        """The call is now so: kept, saved, shown, and on every card that is open for it."""
        before = self._calls.get(call.id)
        if before == call and not force:
            return
        self._calls[call.id] = call
        self.out.append(Save(call_record(call)))
        self.out.append(ShowCall(call, self._cards.operators(call.id)))
        again = before is not None and _on_card(before) != _on_card(call)
        self.out += self._cards.change(call, again)
        if again and call.queue:
            self._floor.touch(call.queue)

    def walk(self, call: Call, path: tuple[PathStep, ...]) -> None:
        """The way through a script goes on. Whoever is in one costs nothing but this, however long
        it takes: there is nothing to save, and it shows on cards alone."""
        call = self._calls[call.id] = replace(call, path=path)
        self.out += self._cards.change(call, again=True)

    def befall(self, call: Call, reason: Reason) -> None:
        if reason not in call.befell:
            self.change(replace(call, befell=(*call.befell, reason)))

    def forget_if_over(self, identity: CallId) -> None:
        call = self._calls.get(identity)
        if call and call.state == "ended" and not self._cards.of(identity):
            del self._calls[identity]
            operators = (call.operator,) if call.operator else ()
            self.out.append(EndCall(identity, operators))

    # Who is at work on them

    def step(self, channel: str, event: WorkEvent, call: CallId) -> OperatorName | None:
        """A step of work of the operator whose phone `channel` is, if it is one's."""
        name = self._floor.at_phone(channel)
        if name is not None:
            self.advance(name, event, call)
        return name

    def advance(self, name: OperatorName, event: WorkEvent, call: CallId) -> None:
        try:
            self._floor.step(name, event, call, self.now)
        except Surprise as surprise:
            known = self.get(call)
            self.out.append(Remark(str(surprise), known.pbx if known else None))


def _on_card(call: Call) -> tuple[object, ...]:
    """What a card shows of the call, its state apart."""
    return call.card, call.lookup_failed, call.decision, call.number, call.befell, call.path
