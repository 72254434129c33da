"""The joint rules of the desk: what a call, a queue, an operator and a customer do to each other.
Pure.

`apply(fact, now)` is the one way in, the commands it returns the one way out. It asks no clock and
no database, so a recording of the inbox replays to the same commands. Rules of one machine stand
elsewhere (`cti.calls`, `queue.operators`, `queue.lines`, `queue.routing`); here stand those that
join them, such as "call ended and operator was talking: wrap-up".
"""

from __future__ import annotations

from collections.abc import Collection, Sized
from dataclasses import replace
from datetime import datetime

from cordboard.cti import facts as cti
from cordboard.desk import detours
from cordboard.desk.alarms import Alarms
from cordboard.desk.announcements import Announcements
from cordboard.desk.arrivals import Arrivals, new_call
from cordboard.desk.book import Book
from cordboard.desk.callbacks import Callbacks
from cordboard.desk.callers import Callers
from cordboard.desk.cards import Cards, pop_end
from cordboard.desk.commands import (
    Command,
    CountFallbacks,
    EndCall,
    Remark,
    Save,
    ShowCall,
    ShowOperator,
    Tell,
)
from cordboard.desk.facts import (
    ActionAsked,
    ActionDone,
    AlarmEnded,
    AlarmRaised,
    AnyFact,
    Audited,
    BackAsked,
    CallbackAsked,
    CallbacksMade,
    CustomerChanged,
    CustomerFound,
    CustomerStale,
    PolicyChanged,
    Remembered,
    Reordered,
    Requeued,
    RouteAsked,
    ScriptStep,
    Tick,
    UsersChanged,
    WrapUpSaved,
)
from cordboard.desk.links import Links
from cordboard.desk.missed import MissedCalls
from cordboard.desk.model import Call, CallState, Known, MissedWhy, PopEnd, Rules
from cordboard.desk.outgoing import Outgoing
from cordboard.desk.places import Places, returned
from cordboard.desk.priorities import Priorities
from cordboard.desk.recollection import Recollection
from cordboard.desk.records import (
    call_record,
    contact,
    fact_record,
    handled_record,
    recalled,
)
from cordboard.desk.requests import Requests
from cordboard.desk.respondents import Respondents
from cordboard.desk.shifts import Shifts
from cordboard.desk.waits import Waits
from cordboard.desk.wrapups import WrapUps
from cordboard.events import (
    CallId,
    Linkedid,
    OperatorName,
    PbxName,
    QueueName,
    Uniqueid,
    call_id,
)
from cordboard.ivr.runs import interrupted
from cordboard.queue.decisions import Reason
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry
from cordboard.queue.operators import PHONE_LOST


class Board:
    """All state of the desk. One consumer calls `apply`, nobody else."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._floor = Floor(rules.threshold, rules.short_abandon, rules.handling)
        self._links = Links()
        self._alarms = Alarms()
        self._past = Recollection()
        self._missed = MissedCalls()
        self._places = Places(self._floor)
        self._cards = Cards(rules.wrapup, rules.wrapup_limit)
        self._callbacks = Callbacks(rules.calling, rules.zone)
        self._announcements = Announcements(rules.announcing, self._floor, self._callbacks)
        self._arrivals = Arrivals(rules, self._floor)
        self._outgoing = Outgoing(self._floor, self._links, self._arrivals)
        self._priorities = Priorities(self._floor, self._links)
        self._waits = Waits(self._floor, self._past, self._priorities)
        self._shifts = Shifts(rules, self._floor, self._cards, self._links, self._alarms)
        self._book = Book(self._floor, self._cards)
        self._callers = Callers(
            self._book,
            self._arrivals,
            self._waits,
            self._priorities,
            self._places,
            self._missed,
            self._callbacks,
            self._floor.line,
        )
        self._wrapups = WrapUps(self._book, self._floor, self._cards, self._shifts)
        self._respondents = Respondents(self._book, self._outgoing, self._wrapups, rules)
        self._requests = Requests(
            self._book,
            self._callers,
            self._callbacks,
            self._outgoing,
            self._missed,
            self._shifts,
            self._wrapups,
            self._respondents,
        )
        self._day = ""

    @property
    def rules(self) -> Rules:
        """The settings as they are now: the policy may be another than at the start."""
        return self._rules

    def queues(self, pbxs: Collection[PbxName]) -> frozenset[QueueName] | None:
        """All queues of these PBXs; None as long as one of them has not told its own."""
        return self._floor.queues if self._links.telling("queues").issuperset(pbxs) else None

    def caller(self, pbx: PbxName, linkedid: Linkedid) -> Known:
        """What is known of this caller, whose call may not be told of yet."""
        call, boot = self._book.at(pbx, linkedid), self._links.boot(pbx)
        card = call.card if call is not None else self._arrivals.card(pbx, linkedid)
        identity = call_id(pbx, boot, linkedid, 0.0) if call is None and boot else None
        return Known(call, card, call.id if call else identity)

    @property
    def live_calls(self) -> int:
        return len(self._book.calls)

    @property
    def held(self) -> dict[str, int]:
        """How much is kept of calls, by what it is; nothing once all are over."""
        kept: dict[str, Sized] = {
            "shown calls": self._book.calls,
            "linked": self._book.linked,
            "arrivals": self._arrivals,
            "cards": self._cards,
            "answered": self._waits,
            "turns": self._priorities,
            "places": self._places,
            "announced": self._announcements,
            "asking": self._callbacks,
        }
        return {name: len(what) for name, what in kept.items() if what}

    def apply(self, fact: AnyFact, now: float) -> list[Command]:
        """What is to be done about `fact`, in order."""
        self._book.begin(now)
        match fact:
            case cti.Offered():
                self._offered(fact)
            case cti.Queued():
                self._queued(fact)
            case cti.Placed():
                self._waits.place(fact, now)
            case cti.QueueLeft():
                self._queue_left(fact)
            case cti.Detoured():
                self._detoured(fact)
            case cti.Called():
                self._called(fact)
            case cti.Delivered():
                self._book.set_state(fact.call, "ringing")
            case cti.Undelivered():
                self._undelivered(fact)
            case cti.Taken():
                self._taken(fact)
            case cti.Reached():
                self._reached(fact)
            case cti.Established():
                self._established(fact)
            case cti.Held():
                self._book.step(fact.by, "hold", fact.call)
            case cti.Retrieved():
                self._book.step(fact.by, "retrieve", fact.call)
            case cti.Transferred():
                self._transferred(fact)
            case cti.Merged():
                self._merged(fact)
            case cti.PeerCleared():
                self._peer_cleared(fact)
            case cti.Unseen():
                self._unseen(fact)
            case cti.Cleared():
                self._cleared(fact)
            case cti.MemberSeen():
                self._floor.member_seen(fact, now)
            case cti.MemberGone():
                self._floor.member_gone(fact, now)
            case cti.QueueSeen():
                self._floor.line(fact.queue)
            case cti.PhoneSeen():
                self._floor.phone_seen(fact, now)
            case cti.LinkUp():
                self._priorities.linked(fact.pbx)
                self._shifts.linked(fact)
                self._book.out += self._links.keep(fact, now) + self._links.connecting(fact, now)
            case cti.SnapshotDone():
                self._snapshot_done(fact)
            case cti.LinkDown():
                self._book.out += self._links.keep(fact, now) + self._links.down(fact, now)
            case RouteAsked():
                self._callers.route_asked(fact)
            case ScriptStep():
                self._callers.script_step(fact)
            case CallbackAsked():
                self._callers.callback_asked(fact)
            case BackAsked():
                call = self._book.at(fact.pbx, fact.linkedid)
                seen = fact.pbx in self._links.up()
                self._book.out.append(self._places.answer(fact, call, seen, now))
            case CallbacksMade():
                self._book.out += self._callbacks.made(fact, now)
            case CustomerFound():
                self._callers.customer_found(fact)
            case CustomerChanged():
                self._callers.customer_changed(fact)
            case CustomerStale():
                self._callers.customer_stale(fact)
            case PolicyChanged():
                self._rules = self._arrivals.rules = replace(self._rules, policy=fact.policy)
            case Remembered():
                self._remember(fact)
            case UsersChanged():
                self._floor.employ(fact.users, now)
            case cti.Originated():
                self._book.out += self._outgoing.originated(fact)
                self._book.out += self._announcements.originated(fact, now)
                if not fact.answered and self._book.at(fact.pbx, Linkedid(fact.uniqueid)) is None:
                    self._book.out += self._callbacks.not_made(Linkedid(fact.uniqueid), now)
            case ActionAsked() | Audited():
                self._requests.made(fact)
            case Reordered():
                self._book.out += self._priorities.reordered(fact, self._book.calls, now)
            case Requeued():
                self._book.out += self._priorities.requeued(fact, now)
                self._callers.reorder()
            case ActionDone():
                self._action_done(fact)
            case WrapUpSaved():
                self._wrapups.saved(fact)
            case AlarmRaised():
                self._book.out += self._alarms.raised(fact, now)
            case AlarmEnded():
                self._book.out += self._alarms.ended(fact)
            case Tick():
                self._tick()
        self._book.out += self._respondents.hear(fact, now)
        if isinstance(fact, cti.CallFact) and not isinstance(fact, cti.Placed):
            self._book.out.insert(0, Save(fact_record(fact, now)))
        self._book.out += self._shifts.settle(now)
        self._book.out += [Save(handled_record(h, now)) for h in self._floor.handled()]
        self._book.out += [ShowOperator(operator) for operator in self._floor.changed_operators()]
        return self._book.out

    @property
    def queues_changed(self) -> bool:
        return self._floor.has_changed_queues

    def show_queues(self) -> list[Command]:
        """The queues that changed since this was asked last. A line is shown whole, which costs
        as much as it is long, so it is for the shell to ask now and then, not for each event."""
        return self._waits.show(self._book.calls)

    # The life of a call

    def _release(
        self, call: Call, why: MissedWhy | None, into: QueueName | None = None
    ) -> Entry | None:
        """The attempt at somebody in person is over; with `why` they have missed it, and `into` is
        the queue that the caller has joined."""
        kept, first = self._places.release(call, into), call.personal
        if kept is not None and first is not None and why is not None:
            self._book.out += self._missed.missed(call, first, why, self._book.now)
        return kept

    def _offered(self, fact: cti.Offered) -> None:
        if fact.call in self._book.calls:
            return
        self._book.out += self._arrivals.heard(
            fact.pbx, fact.linkedid, fact.number, fact.dialled, self._book.now
        )
        attempt = self._outgoing.of(fact.linkedid)
        call = self._callbacks.known(self._past.call(new_call(fact, self._book.now)))
        was_out = call.direction == "out"
        self._book.open(call)
        name = self._floor.at_phone(fact.channel)
        consults = self._book.get(self._floor.is_busy(name) or CallId("")) if name else None
        if consults is not None:
            # A second line, opened in the middle of a call, is about that call's customer.
            call = replace(call, card=consults.card, decision=consults.decision, why=consults.why)
        elif name is not None:
            self._book.advance(name, "answer", fact.call)
            call = replace(call, direction="out", operator=name)
        if attempt is not None:
            call = replace(call, number=attempt.number, name="")
            self._book.out += self._outgoing.answered(attempt)
        self._book.change(self._arrivals.known(call), force=True)
        self._book.out += self._arrivals.decided(call)
        for left in self._past.unwritten(call.id):
            self._wrapups.reopen(self._book.calls[call.id], left)
        if name is None and call.recalled:
            since = self._past.kept(call.id) if call.state == "routing" else None
            if since is not None:
                self._places.resume(self._book.calls[call.id], since)
        elif name is None:
            self._callers.decided(self._book.calls[call.id])
        elif attempt is not None or was_out:
            self._pop(name, fact.uniqueid, self._book.calls[call.id], talked=True)

    def _queued(self, fact: cti.Queued) -> None:
        call = self._book.get(fact.call)
        if call is None:
            return
        kept = self._release(call, "not-taken", fact.queue)
        joined = self._waits.join(fact, call, self._book.now, kept)
        self._book.out += joined + self._callbacks.came_himself(call, self._book.now)
        if kept is not None:
            self._book.out.append(returned(call, kept, fact.position, self._book.now))
        if joined and call.state == "talking":  # put back: the talk before is over
            call = replace(call, state="routing", operator=None)
        state: CallState = "waiting" if call.state == "routing" else call.state
        self._book.change(replace(call, state=state, queue=fact.queue))
        if joined:
            self._callers.recall_priority(self._book.calls[call.id])

    def _detoured(self, fact: cti.Detoured) -> None:
        call = self._book.get(fact.call)
        if call is None:
            return
        self._book.befall(call, detours.reason(fact, call))
        if fact.kind == "fallback":
            self._book.out.append(CountFallbacks(call.pbx))
        elif fact.kind == "callback":
            self._callbacks.failed(call.linkedid, fact.status)

    def _queue_left(self, fact: cti.QueueLeft) -> None:
        call = self._book.get(fact.call)
        stood = self._floor.line(fact.queue).find(fact.uniqueid)
        if fact.asks and stood is not None:
            self._callbacks.left(fact.call, stood)
        left = self._waits.leave(fact, call, self._book.now)
        self._book.out += self._announcements.hush(fact.call) + left
        self._shifts.left(fact.call)
        if left and call is not None and call.state == "waiting":
            self._book.change(replace(call, state="routing"))

    def _called(self, fact: cti.Called) -> None:
        call = self._book.get(fact.call)
        name = self._book.step(fact.peer, "offer", fact.call)
        if name is not None:
            self._shifts.rings(name, fact.call, fact.queue)
        if call is None or name is None or call.state == "ended":
            return
        self._pop(name, fact.peer_uniqueid, call)

    def _pop(
        self, name: OperatorName, uniqueid: Uniqueid, call: Call, talked: bool = False
    ) -> None:
        """The card opens for the operator whose leg has this Uniqueid."""
        self._wrapups.end(name, but=call.id)
        self._book.out.append(self._cards.open(name, uniqueid, call, self._book.now, talked))

    def _undelivered(self, fact: cti.Undelivered) -> None:
        name = self._book.step(fact.peer, "release", fact.call)
        call = self._book.get(fact.call)
        if name is not None:
            self._book.out += self._shifts.rang_in_vain(name, fact.call, fact.cause, self._book.now)
        reason = pop_end(fact.cause, answered=call is not None and call.state == "talking")
        for pop in self._cards.of(fact.call):
            if pop.peer_uniqueid == fact.peer_uniqueid and not pop.talked:
                self._book.out.append(self._cards.end(pop, reason))
        if call and call.state == "ringing" and not self._cards.of(fact.call):
            entry = self._waits.entry(call)
            waiting = entry is not None and not entry.away
            self._book.set_state(fact.call, "waiting" if waiting else "routing")

    def _taken(self, fact: cti.Taken) -> None:
        """It is the operator's call from now on, whether or not the customer is reached."""
        call = self._book.get(fact.call)
        name = self._book.step(fact.peer, "answer", fact.call)
        if call is None or name is None:
            return
        self._shifts.answered(name)
        self._cards.talk(fact.call, fact.peer_uniqueid)
        self._book.change(replace(call, operator=name))
        self._book.out += self._waits.answer(call, name)

    def _reached(self, fact: cti.Reached) -> None:
        """It is the customer's own phone from now on that the call is about."""
        call = self._book.get(fact.call)
        if call is not None:
            self._callbacks.reached(call.linkedid)
            self._book.change(replace(call, channel=fact.channel, uniqueid=fact.uniqueid))

    def _established(self, fact: cti.Established) -> None:
        call = self._book.get(fact.call)
        if call is None:
            return
        name = self._floor.at_phone(fact.peer)
        if name is not None and self._floor.is_busy(name) != fact.call:
            self._book.advance(name, "answer", fact.call)
            self._shifts.answered(name)
        consulted = fact.channel != call.channel
        if not consulted:
            first = call.personal
            if self._release(call, None) is not None and first is not None:
                name = name or OperatorName(first.name)  # at the mobile, which is no phone of ours
            self._past.talks(call.id)
            call = replace(
                call,
                state="talking",
                operator=name or call.operator,
                answered=call.answered if call.answered is not None else self._book.now - fact.age,
            )
        self._cards.talk(fact.call, fact.peer_uniqueid)
        self._book.change(call)
        if name is None and call.direction == "out":
            name = call.operator
        if name and not consulted:
            self._book.out += self._missed.talked(call, name, self._book.now)
            self._book.out.append(Save(contact(call, name)))
            self._book.out += self._waits.answer(call, name)

    def _transferred(self, fact: cti.Transferred) -> None:
        """After the talk with the colleague the call is the colleague's; a blind one, or one that
        still rings, becomes so with the answer."""
        call = self._book.get(fact.call)
        name = self._floor.at_phone(fact.peer) if fact.peer else None
        if call is not None and name is not None and fact.kind == "attended":
            self._book.change(replace(call, operator=name))
            self._book.out.append(Save(contact(self._book.calls[call.id], name)))

    def _merged(self, fact: cti.Merged) -> None:
        """So are the cards, and the operators who are in the part."""
        part, whole = self._book.get(fact.call), self._book.get(fact.into)
        if part is None:
            return
        if whole is None:  # it began and went on unseen, so this is the last we hear of the part
            self._cleared(cti.Cleared(fact.at, fact.call, fact.linkedid, fact.channel, "lost"))
            return
        self._release(part, None)
        self._book.out.append(
            Save(replace(call_record(part), state="merged", ended_at=self._book.now))
        )
        operators = self._cards.operators(part.id)
        self._book.out += self._cards.move(part.id, whole)
        for name in operators:
            self._floor.reassign(name, part.id, whole.id)
        self._book.merge(part)
        self._arrivals.over(part.pbx, part.linkedid)
        self._waits.over(part)
        self._book.out.append(EndCall(part.id, operators))
        self._book.out.append(ShowCall(whole, self._cards.operators(whole.id)))

    def _peer_cleared(self, fact: cti.PeerCleared) -> None:
        name = self._book.step(fact.peer, "hang-up", fact.call)
        if name is None:
            return
        if fact.lost:
            self._phone_lost(name, fact.call)
        self._wrapups.begin(name, fact.call, fact.peer_uniqueid)

    def _phone_lost(self, name: OperatorName, identity: CallId) -> None:
        """No more calls to a phone that went away in mid-call, until its operator says that it is
        there again. The shipped dialplan puts the caller back at the head of the queue."""
        operator, call = self._floor.operator(name), self._book.get(identity)
        assert operator
        if call is not None:
            self._book.befall(call, Reason("phone-lost", {"operator": name}))
        lost = AlarmRaised("phone-lost", detail=operator.display_name)
        self._book.out += self._alarms.raised(lost, self._book.now)
        self._shifts.impose(name, PHONE_LOST)

    def _action_done(self, fact: ActionDone) -> None:
        self._outgoing.refused(fact)
        done = self._shifts.done(fact, self._book.now)
        if done is not None:
            self._book.out += done
        elif fact.id:
            self._book.out.append(Tell(fact.id, fact.actor, fact.error))
        elif fact.error:
            self._book.out.append(Remark(f"{fact.actor}: {fact.error}"))

    def _unseen(self, fact: cti.Unseen) -> None:
        call = self._book.get(fact.call)
        if call is not None:
            self._book.change(replace(call, unseen=(*call.unseen, (fact.since, fact.until))))
            if call.queue:
                self._floor.touch(call.queue)

    def _cleared(self, fact: cti.Cleared) -> None:
        name = self._book.step(fact.channel, "hang-up", fact.call)
        call = self._book.get(fact.call)
        if name is not None:
            self._wrapups.begin(name, fact.call, call.uniqueid if call else Uniqueid(""))
        if call is None:
            return
        self._release(call, "caller-left")
        call = replace(call, state="ended", ended=self._book.now, cause=fact.cause)
        self._book.change(call)
        if call.answered is not None or call.card:
            self._book.out.append(Save(contact(call, call.operator)))
        for pop in self._cards.of(call.id):
            if not pop.talked:
                left: PopEnd = "lost" if fact.cause == "lost" else "caller-left"
                self._book.out.append(self._cards.end(pop, left))
            elif pop.wrapup_until is None:  # whoever stays after a transfer is not told to leave
                self._cards.await_note(pop, self._book.now)
                if self._floor.is_busy(pop.operator) == call.id:
                    self._book.advance(pop.operator, "hang-up", call.id)
        self._outgoing.over(call.linkedid)
        self._book.out += self._callbacks.over(call, self._book.now)
        self._arrivals.over(call.pbx, call.linkedid)
        self._book.unlink(call)
        self._waits.over(call)
        self._book.forget_if_over(call.id)

    def _tick(self) -> None:
        self._book.out += self._alarms.tick(self._book.now)
        self._book.out += self._outgoing.tick(self._book.now)
        self._book.out += self._callbacks.tick(self._links.up(), self._floor.line, self._book.now)
        self._book.out += self._missed.tick(self._book.now)
        waiting = self._waits.places(self._book.calls)
        self._book.out += self._announcements.tick(waiting, self._book.now)
        self._wrapups.tick()
        self._book.out += self._shifts.tick(self._book.now)
        self._arrivals.tick(self._book.now, live=self._book.linked)
        self._callers.reorder()
        self._callers.look_again()
        day = datetime.fromtimestamp(self._book.now, self._rules.zone).date().isoformat()
        if day != self._day:
            if self._day:
                self._floor.new_day()
            self._day = day

    # The memory, and the snapshot that it is held against

    def _remember(self, fact: Remembered) -> None:
        """Before the first snapshot: a restart in mid-call finds its calls again."""
        self._past.remember(fact)
        self._waits.remember(fact)
        self._callbacks.remember(fact.callbacks, fact.decisions)
        self._shifts.remember(fact.states)
        self._floor.recall_handled(fact.handled)
        self._book.out += [
            Save(interrupted(run, self._book.now)) for run in fact.runs if run.ended_at is None
        ]
        for left in fact.unwritten:
            if left.call.ended_at is not None:
                identity = CallId(left.call.id)
                if identity not in self._book.calls:
                    self._book.change(recalled(left.call, left.card), force=True)
                self._wrapups.reopen(self._book.calls[identity], left)
                self._book.forget_if_over(identity)

    def _snapshot_done(self, fact: cti.SnapshotDone) -> None:
        """What the store held open and the PBX does not have any more ended unseen; so did a talk
        whose operator is not in the call any more."""
        self._book.out += self._links.keep(fact, self._book.now)
        for call in self._past.resumed(fact.pbx, self._book.calls):
            if call.operator and self._floor.is_busy(call.operator) != call.id:
                self._book.change(replace(call, state="routing", operator=None))
        self._book.out += [Save(record) for record in self._past.calls_gone(fact, self._book.now)]
        self._book.out += self._waits.gone(fact, self._book.calls, self._book.now)
        if "QueueStatus" not in fact.refused:
            for call in self._places.seen(fact.pbx, self._book.calls, self._book.now):
                self._waits.kept(call, self._book.now)
        live = {linked for pbx, linked in self._book.linked if pbx == fact.pbx}
        self._book.out += self._callbacks.snapshot(fact.pbx, live, self._book.now)
        self._book.out += self._links.seen(fact, self._book.now)
        self._book.out += self._shifts.seen(fact, self._book.now)
        self._book.out.append(CountFallbacks(fact.pbx))
