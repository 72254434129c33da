"""What people ask for at their consoles: done, answered in words, or first written into the audit.
Pure."""

from __future__ import annotations

from cordboard.desk.actions import audited, command_for, is_audited
from cordboard.desk.book import Book
from cordboard.desk.callbacks import Callbacks
from cordboard.desk.callers import Callers
from cordboard.desk.commands import Tell
from cordboard.desk.facts import ActionAsked, Audited
from cordboard.desk.missed import MissedCalls
from cordboard.desk.outgoing import Outgoing
from cordboard.desk.respondents import Respondents
from cordboard.desk.shifts import Shifts
from cordboard.desk.wrapups import WrapUps
from cordboard.events import Linkedid, OperatorName


class Requests:
    """Hands each on to whom it concerns."""

    def __init__(
        self,
        book: Book,
        callers: Callers,
        callbacks: Callbacks,
        outgoing: Outgoing,
        missed: MissedCalls,
        shifts: Shifts,
        wrapups: WrapUps,
        respondents: Respondents,
    ) -> None:
        self._book = book
        self._callers = callers
        self._callbacks = callbacks
        self._outgoing = outgoing
        self._missed = missed
        self._shifts = shifts
        self._wrapups = wrapups
        self._respondents = respondents

    def made(self, fact: ActionAsked | Audited) -> None:
        """Somebody asks, or what was asked for stands in the audit and may be done."""
        now = self._book.now
        match fact:
            case ActionAsked(kind="respondent"):
                self._book.out += self._respondents.asked(fact, now)
            case ActionAsked(kind="operator", action="call"):
                self._book.out += self._outgoing.place(fact, now)
            case ActionAsked(kind="operator", action="seen"):
                self._book.out += self._missed.see(
                    OperatorName(fact.target), str(fact.args["id"]), now
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

    def _linkedid(self, target: str) -> Linkedid:
        call = self._book.get(target)
        return call.linkedid if call else Linkedid("")

    def _change_state(self, asked: ActionAsked) -> None:
        if asked.action in ("done", "unpause"):
            self._wrapups.end(OperatorName(asked.target))
        self._book.out += self._shifts.asked(asked, self._book.now)
