"""Who is calling, where the call goes, and which place in a queue that gives. Pure.

What is learnt of a caller comes before, beside and after the call itself, and may change while he
waits: then the policy is asked again.
"""

from __future__ import annotations

from dataclasses import replace

from cordboard.desk.actions import audited, command_for
from cordboard.desk.arrivals import Arrivals
from cordboard.desk.book import Book
from cordboard.desk.callbacks import Callbacks, Lines
from cordboard.desk.commands import ForgetCustomer, Save
from cordboard.desk.facts import (
    ActionAsked,
    Audited,
    CallbackAsked,
    CustomerChanged,
    CustomerFound,
    CustomerStale,
    RouteAsked,
    ScriptStep,
)
from cordboard.desk.missed import MissedCalls
from cordboard.desk.model import Call
from cordboard.desk.places import Places
from cordboard.desk.priorities import Priorities
from cordboard.desk.records import contact
from cordboard.desk.waits import Waits
from cordboard.events import Linkedid, PbxName
from cordboard.queue.decisions import Decision, Destination, Reason


class Callers:
    """The rules that join callers, the policy and the queues."""

    def __init__(
        self,
        book: Book,
        arrivals: Arrivals,
        waits: Waits,
        priorities: Priorities,
        places: Places,
        missed: MissedCalls,
        callbacks: Callbacks,
        lines: Lines,
    ) -> None:
        self._book = book
        self._arrivals = arrivals
        self._waits = waits
        self._priorities = priorities
        self._places = places
        self._missed = missed
        self._callbacks = callbacks
        self._lines = lines

    def route_asked(self, fact: RouteAsked) -> None:
        self._book.out += self._arrivals.asked(fact, self._book.now)
        self._take_on(fact.pbx, fact.linkedid)

    def script_step(self, fact: ScriptStep) -> None:
        path = self._arrivals.walked(fact, self._book.now)
        call = self._book.at(fact.pbx, fact.linkedid)
        if call is not None and path:
            self._book.walk(call, path)

    def callback_asked(self, fact: CallbackAsked) -> None:
        """By a caller who left his queue for it, or by a script, for a queue where he is not."""
        call, now = self._book.at(fact.pbx, fact.linkedid), self._book.now
        decision = None
        if call is not None and fact.queue is not None:
            wish = Destination("", "queue", fact.queue)
            decision = self._arrivals.wished(call, wish, now)
        self._book.out += self._callbacks.asked(fact, call, self._lines, now, decision)

    def customer_found(self, fact: CustomerFound) -> None:
        self._book.out += self._arrivals.found(fact, self._book.now)
        self._take_on(fact.pbx, fact.linkedid)

    def _take_on(self, pbx: PbxName, linkedid: Linkedid) -> None:
        """The call, if it is there, takes on what its arrival has learnt."""
        call = self._book.at(pbx, linkedid)
        if call is not None and self._arrivals.is_found(pbx, linkedid):
            before = call.decision
            self._book.out += self._arrivals.decided(call)
            self._book.change(self._arrivals.known(call))
            self.decided(self._book.calls[call.id], before)
            self.recall_priority(self._book.calls[call.id])
            if before is not None and self._book.calls[call.id].card != call.card:
                self._reconsider(call)

    def decided(self, call: Call, before: Decision | None = None) -> None:
        """Whoever goes to somebody in person first has his place in the queue kept."""
        if call.decision is not before and call.direction == "in":
            self._book.out += self._places.keep(call, self._book.now)
            self._waits.kept(call, self._book.now)
            self._book.out += self._missed.skipped(call, self._book.now)

    def recall_priority(self, call: Call) -> None:
        """For a caller of whom no decision is known, since we were away, or have been started anew:
        what the policy says now counts for his place in the queue where he is."""
        entry = self._waits.entry(call) if call.decision is None else None
        opinion = self._arrivals.opinion(call, self._book.now) if entry is not None else None
        if entry is not None and opinion is not None and opinion[0].action == "queue":
            self._priorities.decided(entry, opinion[0], self._book.now)

    def _reconsider(self, before: Call) -> None:
        """The policy is asked again for a caller who waits, whose customer was other `before`. He
        is moved in his queue, or to another one; from anything else he is spared."""
        call = self._book.calls[before.id]
        entry = self._waits.entry(call)
        opinion = self._arrivals.opinion(call, self._book.now) if entry is not None else None
        if entry is None or opinion is None or opinion[0] == call.decision:
            return
        decision, _ = opinion
        found_again = before.recalled and before.card is None
        if found_again and call.decision and _leads_as(decision, call.decision):
            return
        was, now = (c.card.customer.status if c.card else "" for c in (before, call))
        changed = Reason("status-changed", {"status": now, "before": was})
        if was == now or found_again:
            changed = Reason("customer-changed", {})
        if decision.action != "queue":
            self._priorities.noted(entry, Reason("stays", {"action": decision.action}))
            return
        if not entry.away:
            self._book.change(self._arrivals.settle(call, opinion, self._book.now))
            self._book.out += self._arrivals.decided(call)
        self._priorities.decided(entry, decision, self._book.now, changed)
        if decision.queue != entry.queue and entry.uniqueid == call.uniqueid and not entry.away:
            moved = self._book.calls[call.id]
            self._book.out += self._priorities.requeue(entry, moved, decision.queue, changed)
        self.reorder()

    def customer_changed(self, fact: CustomerChanged) -> None:
        card = fact.card
        for call in list(self._book.calls.values()):
            known = call.card.customer_id if call.card else None
            unknown = known is None and call.number in card.customer.phones
            if known == card.customer.id or unknown:
                shown = self._arrivals.changed(call, card)
                self._book.change(replace(call, card=shown, lookup_failed=False))
                self._reconsider(call)
                if call.operator and call.answered is not None:
                    self._book.out.append(Save(contact(self._book.calls[call.id], call.operator)))

    def customer_stale(self, fact: CustomerStale) -> None:
        self._book.out.append(ForgetCustomer(fact.number, fact.customer))
        for call in self._book.calls.values():
            known = call.card.customer_id if call.card else None
            if call.state != "ended" and (
                (fact.number is not None and call.number == fact.number)
                or (fact.customer is not None and known == fact.customer)
            ):
                self._book.out += self._arrivals.look_up(call, self._book.now)

    def look_again(self) -> None:
        """Whoever could not be looked up, and whoever waits, is not who we think for ever."""
        waiting = {
            key for key, of in self._book.linked.items() if self._book.calls[of].state == "waiting"
        }
        for key in self._arrivals.due(waiting, self._book.now):
            if (call := self._book.at(*key)) is not None:
                self._book.out += self._arrivals.look_up(call, self._book.now)

    def move(self, fact: ActionAsked | Audited) -> None:
        """A caller is to be moved by hand. The audit takes time, so all is looked at anew then."""
        asked = fact.asked if isinstance(fact, Audited) else fact
        call = self._book.get(asked.target)
        entry = self._waits.entry(call) if call is not None else None
        if entry is None:
            self._book.out.append(command_for(asked, call))
        elif isinstance(fact, Audited):
            self._book.out += self._priorities.asked(asked, entry, self._book.now)
            self.reorder()
        else:
            standing = self._priorities.standing(entry)
            self._book.out.append(audited(asked, standing, self._book.now))

    def reorder(self) -> None:
        self._book.out += self._priorities.step(self._book.calls, self._book.now)


def _leads_as(one: Decision, other: Decision) -> bool:
    """Whether two decisions give a caller the same place, whatever their reasons."""

    def place(of: Decision) -> tuple[object, ...]:
        return of.action, of.queue, of.priority, of.growth, of.penalties, of.rule

    return place(one) == place(other)
