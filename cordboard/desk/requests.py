"""What people ask for at their consoles: done, answered in words, or first written into the audit.
Pure."""

from __future__ import annotations

from collections.abc import Callable

from cordboard.desk.actions import audited, command_for, is_audited
from cordboard.desk.arrivals import Arrivals
from cordboard.desk.book import Book
from cordboard.desk.callbacks import Callbacks
from cordboard.desk.callers import Callers
from cordboard.desk.commands import Originate, Tell
from cordboard.desk.facts import ActionAsked, Audited
from cordboard.desk.links import Links
from cordboard.desk.missed import MissedCalls
from cordboard.desk.outgoing import Outgoing
from cordboard.desk.shifts import Shifts
from cordboard.events import Linkedid, OperatorName
from cordboard.queue.floor import Floor


class Requests:
    """`end_wrapups` ends those of an operator who goes on to the next call."""

    def __init__(
        self,
        book: Book,
        floor: Floor,
        links: Links,
        arrivals: Arrivals,
        outgoing: Outgoing,
        missed: MissedCalls,
        shifts: Shifts,
        callbacks: Callbacks,
        callers: Callers,
        end_wrapups: Callable[[OperatorName], None],
    ) -> None:
        self._book = book
        self._floor = floor
        self._links = links
        self._arrivals = arrivals
        self._outgoing = outgoing
        self._missed = missed
        self._shifts = shifts
        self._callbacks = callbacks
        self._callers = callers
        self._end_wrapups = end_wrapups

    def made(self, fact: ActionAsked | Audited) -> None:
        """Somebody asks, or what was asked for stands in the audit and may be done."""
        now = self._book.now
        match fact:
            case ActionAsked(kind="operator", action="call"):
                self._place(fact)
            case ActionAsked(kind="operator", action="seen"):
                self._book.out += self._missed.see(
                    OperatorName(fact.target), str(fact.args["id"]), self._book.now
                )
                self._book.out.append(Tell(fact.id, fact.actor, None))
            case ActionAsked(kind="operator") if is_audited(fact):
                standing = self._shifts.standing(OperatorName(fact.target))
                self._book.out.append(audited(fact, standing, now))
            case ActionAsked(kind="operator"):
                self._change_state(fact)
            case Audited(asked, str() as error):
                self._book.out.append(Tell(asked.id, asked.actor, error))
            case Audited(asked=ActionAsked(kind="operator")):
                self._change_state(fact.asked)
            case ActionAsked(action="hangup") if self._callbacks.of(self._linkedid(fact.target)):
                before = {"callback": fact.target}
                self._book.out.append(audited(fact, before, now))
            case Audited(asked=ActionAsked(kind="call", action="hangup") as asked):
                self._book.out += self._callbacks.cancel(self._linkedid(asked.target), now)
                self._book.out.append(Tell(asked.id, asked.actor, None))
            case ActionAsked(action="move") | Audited(asked=ActionAsked(action="move")):
                self._callers.move(fact)
            case ActionAsked():
                self._book.out.append(command_for(fact, self._book.get(fact.target)))

    def _place(self, asked: ActionAsked) -> None:
        """A call from the desk. Who is called is looked up while the operator's phone rings."""
        operator = self._floor.operator(OperatorName(asked.target))
        serves = {m.pbx for m in operator.memberships} if operator else set()
        up = self._links.up()
        pbx = next((name for name in up if name in serves or not serves), None)
        command = self._outgoing.place(asked, operator, pbx, self._book.now)
        self._book.out.append(command)
        if isinstance(command, Originate):
            self._book.out += self._arrivals.heard(
                command.pbx, command.channel_id, command.number, command.number, self._book.now
            )

    def _linkedid(self, target: str) -> Linkedid:
        call = self._book.get(target)
        return call.linkedid if call else Linkedid("")

    def _change_state(self, asked: ActionAsked) -> None:
        if asked.action in ("done", "unpause"):
            self._end_wrapups(OperatorName(asked.target))
        self._book.out += self._shifts.asked(asked, self._book.now)
