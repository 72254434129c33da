"""The joint rules of the desk: what a call, a queue, an operator and a customer do to each other.
Pure.

`apply(fact, now)` is the one way in, the commands it returns the one way out. It asks no clock and
no database, so a recording of the inbox replays to the same commands. Rules of one machine stand
elsewhere (`cti.calls`, `queue.operators`, `queue.lines`, `queue.routing`); here stand those that
join them, such as "call ended and operator was talking: wrap-up".
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace
from datetime import datetime

from cordboard.actions import audited, command_for, is_audited
from cordboard.alarms import Alarms
from cordboard.announcements import Announcements
from cordboard.arrivals import Arrivals, new_call
from cordboard.callbacks import Callbacks
from cordboard.cards import Cards, pop_end
from cordboard.commands import (
    Command,
    CountFallbacks,
    EndCall,
    ForgetCustomer,
    Originate,
    Remark,
    Save,
    ShowCall,
    ShowOperator,
    Tell,
)
from cordboard.cti import facts as cti
from cordboard.desk import Call, CallState, MissedWhy, Pop, PopEnd, Rules
from cordboard.events import (
    CallId,
    Linkedid,
    OperatorName,
    PbxName,
    QueueName,
    Uniqueid,
)
from cordboard.links import Links
from cordboard.missed import MissedCalls
from cordboard.news import (
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
    Tick,
    Unwritten,
    UsersChanged,
    WrapUpSaved,
)
from cordboard.outgoing import ANSWERED, Outgoing
from cordboard.places import Places, not_reached, personal, returned
from cordboard.queue.decisions import Decision, Reason
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry
from cordboard.queue.operators import PHONE_LOST, Surprise, WorkEvent
from cordboard.recollection import Recollection
from cordboard.records import (
    call_record,
    contact,
    fact_record,
    handled_record,
    recalled,
)
from cordboard.shifts import Shifts
from cordboard.waits import Waits

_FALLBACKS = {"SUCCESS": "interrupted", "HANGUP": "late"}
"""AGISTATUS, in our words. A server that dies half way is SUCCESS to Asterisk, one that hangs until
the lease is over is HANGUP; every other one was never reached."""

_DETOURS: dict[cti.Detour, str] = {
    "transfer": "transfer-not-taken",
    "number": "number-not-reached",
    "voicemail": "voicemail-failed",
    "script": "script-failed",
    "overflow": "overflow",
}


class Board:
    """All state of the desk. One consumer calls `apply`, nobody else."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._floor = Floor(rules.threshold, rules.short_abandon, rules.handling)
        self._arrivals = Arrivals(rules, self._floor)
        self._places = Places(self._floor)
        self._missed = MissedCalls()
        self._calls: dict[CallId, Call] = {}
        self._linked: dict[tuple[PbxName, Linkedid], CallId] = {}
        self._cards = Cards(rules.wrapup, rules.wrapup_limit)
        self._past = Recollection()
        self._waits = Waits(self._floor, self._past)
        self._links = Links()
        self._alarms = Alarms()
        self._outgoing = Outgoing()
        self._shifts = Shifts(rules, self._floor, self._cards, self._links, self._alarms)
        self._announcements = Announcements(rules.announcing)
        self._callbacks = Callbacks(rules.calling, rules.zone)
        self._day = ""
        self._now = 0.0
        self._out: list[Command] = []

    @property
    def rules(self) -> Rules:
        """The settings as they are now: the policy may be another than at the start."""
        return self._rules

    @property
    def queues(self) -> frozenset[QueueName]:
        """All that any PBX has told of."""
        return self._floor.queues

    @property
    def live_calls(self) -> int:
        return len(self._calls)

    @property
    def held(self) -> dict[str, int]:
        """How much is kept of calls, by what it is; nothing once all are over."""
        kept: dict[str, Sized] = {
            "shown calls": self._calls,
            "linked": self._linked,
            "arrivals": self._arrivals,
            "cards": self._cards,
            "answered": self._waits,
            "turns": self._waits.priorities,
            "places": self._places,
            "announced": self._announcements,
            "asking": self._callbacks,
        }
        return {name: len(what) for name, what in kept.items() if what}

    def apply(self, fact: AnyFact, now: float) -> list[Command]:
        """What is to be done about `fact`, in order."""
        self._out, self._now = [], now
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
                self._set_state(fact.call, "ringing")
            case cti.Undelivered():
                self._undelivered(fact)
            case cti.Taken():
                self._taken(fact)
            case cti.Reached():
                self._reached(fact)
            case cti.Established():
                self._established(fact)
            case cti.Held():
                self._step(fact.by, "hold", fact.call)
            case cti.Retrieved():
                self._step(fact.by, "retrieve", fact.call)
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
                self._waits.priorities.linked(fact.pbx)
                self._shifts.linked(fact)
                self._out += self._links.keep(fact, now) + self._links.connecting(fact, now)
            case cti.SnapshotDone():
                self._snapshot_done(fact)
            case cti.LinkDown():
                self._out += self._links.keep(fact, now) + self._links.down(fact, now)
            case RouteAsked():
                self._route_asked(fact)
            case CallbackAsked():
                call = self._calls.get(self._linked.get((fact.pbx, fact.linkedid), CallId("")))
                self._out += self._callbacks.asked(fact, call, self._floor.line, now)
            case BackAsked():
                call = self._calls.get(self._linked.get((fact.pbx, fact.linkedid), CallId("")))
                seen = fact.pbx in self._links.up()
                self._out.append(self._places.answer(fact, call, seen, now))
            case CallbacksMade():
                self._out += self._callbacks.made(fact, now)
            case CustomerFound():
                self._customer_found(fact)
            case CustomerChanged():
                self._customer_changed(fact)
            case CustomerStale():
                self._customer_stale(fact)
            case PolicyChanged():
                self._rules = self._arrivals.rules = replace(self._rules, policy=fact.policy)
            case Remembered():
                self._remember(fact)
            case UsersChanged():
                self._floor.employ(fact.users, now)
            case cti.Originated():
                self._out += self._outgoing.originated(fact)
                self._out += self._announcements.originated(fact, now)
                if fact.reason != ANSWERED and not self._is_live(fact.pbx, fact.uniqueid):
                    self._out += self._callbacks.not_made(Linkedid(fact.uniqueid), now)
            case ActionAsked(kind="operator", action="call"):
                self._place(fact)
            case ActionAsked(kind="operator", action="seen"):
                self._out += self._missed.see(OperatorName(fact.target), str(fact.args["id"]))
                self._out.append(Tell(fact.id, fact.actor, None))
            case ActionAsked(kind="operator") if is_audited(fact):
                standing = self._shifts.standing(OperatorName(fact.target))
                self._out.append(audited(fact, standing, now))
            case ActionAsked(kind="operator"):
                self._change_state(fact)
            case Audited(asked, str() as error):
                self._out.append(Tell(asked.id, asked.actor, error))
            case Audited(asked=ActionAsked(kind="operator")):
                self._change_state(fact.asked)
            case ActionAsked(action="hangup") if self._callbacks.of(self._linkedid(fact.target)):
                before = {"callback": fact.target}
                self._out.append(audited(fact, before, now))
            case Audited(asked=ActionAsked(kind="call", action="hangup") as asked):
                self._out += self._callbacks.cancel(self._linkedid(asked.target), now)
                self._out.append(Tell(asked.id, asked.actor, None))
            case ActionAsked(action="move") | Audited(asked=ActionAsked(action="move")):
                self._move(fact)
            case Reordered():
                up = self._links.up()
                self._out += self._waits.priorities.reordered(fact, self._calls, up, now)
            case Requeued():
                self._out += self._waits.priorities.requeued(fact, now)
                self._reorder()
            case ActionAsked():
                self._out.append(command_for(fact, self._calls.get(CallId(fact.target))))
            case ActionDone():
                self._action_done(fact)
            case WrapUpSaved():
                self._wrapup_saved(fact)
            case AlarmRaised():
                self._out += self._alarms.raised(fact, now)
            case AlarmEnded():
                self._out += self._alarms.ended(fact)
            case Tick():
                self._tick()
            case cti.Abandoned() | cti.Diverted() | cti.SnapshotBegan():
                pass
        if isinstance(fact, cti.CallFact) and not isinstance(fact, cti.Placed):
            self._out.insert(0, Save(fact_record(fact, now)))
        self._out += self._shifts.settle(now)
        self._out += [Save(handled_record(h, now)) for h in self._floor.handled()]
        self._out += [ShowOperator(operator) for operator in self._floor.changed_operators()]
        return self._out

    @property
    def queues_changed(self) -> bool:
        return self._floor.has_changed_queues

    def show_queues(self) -> list[Command]:
        """The queues that changed since this was asked last. A line is shown whole, which costs
        as much as it is long, so it is for the shell to ask now and then, not for each event."""
        return self._waits.show(self._calls)

    # Who is calling, and where the call goes

    def _route_asked(self, fact: RouteAsked) -> None:
        self._out += self._arrivals.asked(fact, self._now)
        self._take_on(fact.pbx, fact.linkedid)

    def _customer_found(self, fact: CustomerFound) -> None:
        self._out += self._arrivals.found(fact, self._now)
        self._take_on(fact.pbx, fact.linkedid)

    def _take_on(self, pbx: PbxName, linkedid: Linkedid) -> None:
        """The call, if it is there, takes on what its arrival has learnt."""
        call = self._calls.get(self._linked.get((pbx, linkedid), CallId("")))
        if call is not None and self._arrivals.is_found(pbx, linkedid):
            before = call.decision
            self._out += self._arrivals.decided(call)
            self._change(self._arrivals.known(call))
            self._decided(self._calls[call.id], before)
            self._recall_priority(self._calls[call.id])
            if before is not None and self._calls[call.id].card != call.card:
                self._reconsider(call)

    def _decided(self, call: Call, before: Decision | None = None) -> None:
        """Whoever goes to somebody in person first has his place in the queue kept."""
        if call.decision is not before and call.direction == "in":
            self._out += self._places.keep(call, self._now)
            self._waits.kept(call, self._now)
            self._out += self._missed.skipped(call, self._now)

    def _release(
        self, call: Call, why: MissedWhy | None, into: QueueName | None = None
    ) -> Entry | None:
        """The attempt at somebody in person is over; with `why` they have missed it, and `into` is
        the queue that the caller has joined."""
        kept, first = self._places.release(call, into), personal(call)
        if kept is not None and first is not None and why is not None:
            self._out += self._missed.missed(call, first, why, self._now)
        return kept

    def _recall_priority(self, call: Call) -> None:
        """For a caller of whom no decision is known, since we were away, or have been started anew:
        what the policy says now counts for his place in the queue where he is."""
        entry = self._waits.entry(call) if call.decision is None else None
        opinion = self._arrivals.opinion(call, self._now) if entry is not None else None
        if entry is not None and opinion is not None and opinion[0].action == "queue":
            self._waits.priorities.decided(entry, opinion[0], self._now)

    def _reconsider(self, before: Call) -> None:
        """The policy is asked again for a caller who waits, whose customer was other `before`. He
        is moved in his queue, or to another one; from anything else he is spared."""
        call = self._calls[before.id]
        entry = self._waits.entry(call)
        opinion = self._arrivals.opinion(call, self._now) if entry is not None else None
        if entry is None or opinion is None or opinion[0] == call.decision:
            return
        decision, _ = opinion
        was, now = (c.card.customer.status if c.card else "" for c in (before, call))
        changed = Reason("status-changed", {"status": now, "before": was})
        changed = changed if was != now else Reason("customer-changed", {})
        priorities = self._waits.priorities
        if decision.action != "queue":
            priorities.noted(entry, Reason("stays", {"action": decision.action}))
            return
        if not entry.away:
            self._change(self._arrivals.settle(call, opinion, self._now))
            self._out += self._arrivals.decided(call)
        priorities.decided(entry, decision, self._now, changed)
        if decision.queue != entry.queue and entry.uniqueid == call.uniqueid and not entry.away:
            rings = call.state == "ringing" or bool(self._cards.of(call.id))
            to = decision.queue
            self._out += priorities.requeue(entry, self._calls[call.id], to, rings, changed)
        self._reorder()

    def _customer_changed(self, fact: CustomerChanged) -> None:
        card = fact.card
        for call in list(self._calls.values()):
            known = call.card.customer_id if call.card else None
            unknown = known is None and call.number in card.customer.phones
            if known == card.customer.id or unknown:
                shown = self._arrivals.changed(call, card)
                self._change(replace(call, card=shown, lookup_failed=False))
                self._reconsider(call)
                if call.operator and call.answered is not None:
                    self._out.append(Save(contact(self._calls[call.id], call.operator)))

    def _customer_stale(self, fact: CustomerStale) -> None:
        self._out.append(ForgetCustomer(fact.number, fact.customer))
        for call in self._calls.values():
            known = call.card.customer_id if call.card else None
            if call.state != "ended" and (
                (fact.number is not None and call.number == fact.number)
                or (fact.customer is not None and known == fact.customer)
            ):
                self._out += self._arrivals.look_up(call, self._now)

    def _look_again(self) -> None:
        """Whoever could not be looked up, and whoever waits, is not who we think for ever."""
        waiting = {key for key, of in self._linked.items() if self._calls[of].state == "waiting"}
        for key in self._arrivals.due(waiting, self._now):
            if (call := self._calls.get(self._linked.get(key, CallId("")))) is not None:
                self._out += self._arrivals.look_up(call, self._now)

    def _move(self, fact: ActionAsked | Audited) -> None:
        """A caller is to be moved by hand. The audit takes time, so all is looked at anew then."""
        asked = fact.asked if isinstance(fact, Audited) else fact
        call = self._calls.get(CallId(asked.target))
        entry = self._waits.entry(call) if call is not None else None
        if entry is None:
            self._out.append(command_for(asked, call))
        elif isinstance(fact, Audited):
            self._out += self._waits.priorities.asked(asked, entry, self._now)
            self._reorder()
        else:
            place = self._floor.line(entry.queue).place(entry.uniqueid)
            stands = {"queue": entry.queue, "priority": entry.priority, "place": place}
            self._out.append(audited(asked, stands, self._now))

    def _reorder(self) -> None:
        self._out += self._waits.priorities.step(self._calls, self._links.up(), self._now)

    def _place(self, asked: ActionAsked) -> None:
        """A call from the desk. Who is called is looked up while the operator's phone rings."""
        operator = self._floor.operator(OperatorName(asked.target))
        serves = {m.pbx for m in operator.memberships} if operator else set()
        up = self._links.up()
        pbx = next((name for name in up if name in serves or not serves), None)
        command = self._outgoing.place(asked, operator, pbx, self._now)
        self._out.append(command)
        if isinstance(command, Originate):
            self._out += self._arrivals.heard(
                command.pbx, command.channel_id, command.number, command.number, self._now
            )

    def _linkedid(self, target: str) -> Linkedid:
        call = self._calls.get(CallId(target))
        return call.linkedid if call else Linkedid("")

    def _is_live(self, pbx: PbxName, linkedid: str) -> bool:
        return (pbx, Linkedid(linkedid)) in self._linked

    # The life of a call

    def _offered(self, fact: cti.Offered) -> None:
        if fact.call in self._calls:
            return
        self._out += self._arrivals.heard(
            fact.pbx, fact.linkedid, fact.number, fact.dialled, self._now
        )
        attempt = self._outgoing.of(fact.linkedid)
        call = self._callbacks.known(self._past.call(new_call(fact, self._now)))
        was_out = call.direction == "out"
        self._calls[call.id] = call
        self._linked[call.pbx, call.linkedid] = call.id
        name = self._floor.at_phone(fact.channel)
        consults = self._calls.get(self._floor.is_busy(name) or CallId("")) if name else None
        if consults is not None:
            # A second line, opened in the middle of a call, is about that call's customer.
            call = replace(call, card=consults.card, decision=consults.decision, why=consults.why)
        elif name is not None:
            self._advance(name, "answer", fact.call)
            call = replace(call, direction="out", operator=name)
        if attempt is not None:
            call = replace(call, number=attempt.number, name="")
            self._out += self._outgoing.answered(attempt)
        self._change(self._arrivals.known(call), force=True)
        self._out += self._arrivals.decided(call)
        for left in self._past.unwritten(call.id):
            self._reopen(self._calls[call.id], left)
        if name is None:
            self._decided(self._calls[call.id])
        elif attempt is not None or was_out:
            self._pop(name, fact.uniqueid, self._calls[call.id], talked=True)

    def _queued(self, fact: cti.Queued) -> None:
        call = self._calls.get(fact.call)
        if call is None:
            return
        kept = self._release(call, "not-taken", fact.queue)
        joined = self._waits.join(fact, call, self._now, kept)
        self._out += joined + self._callbacks.came_himself(call, self._now)
        if kept is not None:
            self._out.append(returned(call, kept, fact.position, self._now))
        if joined and call.state == "talking":  # put back: the talk before is over
            call = replace(call, state="routing", operator=None)
        state: CallState = "waiting" if call.state == "routing" else call.state
        self._change(replace(call, state=state, queue=fact.queue))
        if joined:
            self._recall_priority(self._calls[call.id])

    def _detoured(self, fact: cti.Detoured) -> None:
        call = self._calls.get(fact.call)
        if call is None:
            return
        match fact.kind:
            case "fallback":
                how = _FALLBACKS.get(fact.status, "unreachable")
                self._befall(call, Reason("fallback", {"how": how}))
                self._out.append(CountFallbacks(call.pbx))
            case "manager":
                self._befall(call, not_reached(call, fact))
            case "callback":
                self._callbacks.failed(call.linkedid, fact.status)
                self._befall(call, Reason("callback-not-taken", {"status": fact.status}))
            case _:
                self._befall(call, Reason(_DETOURS[fact.kind], {"status": fact.status}))

    def _befall(self, call: Call, reason: Reason) -> None:
        if reason not in call.befell:
            self._change(replace(call, befell=(*call.befell, reason)))

    def _queue_left(self, fact: cti.QueueLeft) -> None:
        call = self._calls.get(fact.call)
        stood = self._floor.line(fact.queue).find(fact.uniqueid)
        if fact.asks and stood is not None:
            self._callbacks.left(fact.call, stood)
        left = self._waits.leave(fact, call, self._now)
        self._out += self._announcements.hush(fact.call) + left
        self._shifts.left(fact.call)
        if left and call is not None and call.state == "waiting":
            self._change(replace(call, state="routing"))

    def _called(self, fact: cti.Called) -> None:
        call = self._calls.get(fact.call)
        name = self._step(fact.peer, "offer", fact.call)
        if name is not None:
            self._shifts.rings(name, fact.call, fact.queue)
        if call is None or name is None or call.state == "ended":
            return
        self._pop(name, fact.peer_uniqueid, call)

    def _pop(
        self, name: OperatorName, uniqueid: Uniqueid, call: Call, talked: bool = False
    ) -> None:
        """The card opens for the operator whose leg has this Uniqueid."""
        self._end_wrapups(name, but=call.id)
        self._out.append(self._cards.open(name, uniqueid, call, self._now, talked))

    def _undelivered(self, fact: cti.Undelivered) -> None:
        name = self._step(fact.peer, "release", fact.call)
        call = self._calls.get(fact.call)
        if name is not None:
            self._out += self._shifts.rang_in_vain(name, fact.call, fact.cause, self._now)
        reason = pop_end(fact.cause, answered=call is not None and call.state == "talking")
        for pop in self._cards.of(fact.call):
            if pop.peer_uniqueid == fact.peer_uniqueid and not pop.talked:
                self._out.append(self._cards.end(pop, reason))
        if call and call.state == "ringing" and not self._cards.of(fact.call):
            entry = self._waits.entry(call)
            waiting = entry is not None and not entry.away
            self._set_state(fact.call, "waiting" if waiting else "routing")

    def _taken(self, fact: cti.Taken) -> None:
        """It is the operator's call from now on, whether or not the customer is reached."""
        call = self._calls.get(fact.call)
        name = self._step(fact.peer, "answer", fact.call)
        if call is None or name is None:
            return
        self._shifts.answered(name)
        self._cards.talk(fact.call, fact.peer_uniqueid)
        self._change(replace(call, operator=name))
        self._out += self._waits.answer(call, name)

    def _reached(self, fact: cti.Reached) -> None:
        """It is the customer's own phone from now on that the call is about."""
        call = self._calls.get(fact.call)
        if call is not None:
            self._callbacks.reached(call.linkedid)
            self._change(replace(call, channel=fact.channel, uniqueid=fact.uniqueid))

    def _established(self, fact: cti.Established) -> None:
        call = self._calls.get(fact.call)
        if call is None:
            return
        name = self._floor.at_phone(fact.peer)
        if name is not None and self._floor.is_busy(name) != fact.call:
            self._advance(name, "answer", fact.call)
            self._shifts.answered(name)
        consulted = fact.channel != call.channel
        if not consulted:
            first = personal(call)
            if self._release(call, None) is not None and first is not None:
                name = name or OperatorName(first.name)  # at the mobile, which is no phone of ours
            self._past.talks(call.id)
            call = replace(
                call,
                state="talking",
                operator=name or call.operator,
                answered=call.answered if call.answered is not None else self._now - fact.age,
            )
        self._cards.talk(fact.call, fact.peer_uniqueid)
        self._change(call)
        if name is None and call.direction == "out":
            name = call.operator
        if name and not consulted:
            self._out += self._missed.talked(call, name)
            self._out.append(Save(contact(call, name)))
            self._out += self._waits.answer(call, name)

    def _transferred(self, fact: cti.Transferred) -> None:
        """After the talk with the colleague the call is the colleague's; a blind one, or one that
        still rings, becomes so with the answer."""
        call = self._calls.get(fact.call)
        name = self._floor.at_phone(fact.peer) if fact.peer else None
        if call is not None and name is not None and fact.kind == "attended":
            self._change(replace(call, operator=name))
            self._out.append(Save(contact(self._calls[call.id], name)))

    def _merged(self, fact: cti.Merged) -> None:
        """So are the cards, and the operators who are in the part."""
        part, whole = self._calls.get(fact.call), self._calls.get(fact.into)
        if part is None:
            return
        if whole is None:  # it began and went on unseen, so this is the last we hear of the part
            self._cleared(cti.Cleared(fact.at, fact.call, fact.linkedid, fact.channel, "lost"))
            return
        self._release(part, None)
        self._out.append(Save(replace(call_record(part), state="merged", ended_at=self._now)))
        operators = self._cards.operators(part.id)
        self._out += self._cards.move(part.id, whole)
        for name in operators:
            self._floor.reassign(name, part.id, whole.id)
        del self._calls[part.id]
        del self._linked[part.pbx, part.linkedid]
        self._arrivals.over(part.pbx, part.linkedid)
        self._waits.over(part)
        self._out.append(EndCall(part.id, operators))
        self._out.append(ShowCall(whole, self._cards.operators(whole.id)))

    def _peer_cleared(self, fact: cti.PeerCleared) -> None:
        name = self._step(fact.peer, "hang-up", fact.call)
        if name is None:
            return
        if fact.lost:
            self._phone_lost(name, fact.call)
        self._begin_wrapup(name, fact.call, fact.peer_uniqueid)

    def _begin_wrapup(self, name: OperatorName, identity: CallId, uniqueid: Uniqueid) -> None:
        """The operator's leg is down; with a card there is a note to write, without one none."""
        pops = [p for p in self._cards.of(identity) if p.peer_uniqueid == uniqueid]
        for pop in pops:
            self._cards.await_note(pop, self._now)
        if not pops:
            self._advance(name, "done", identity)

    def _phone_lost(self, name: OperatorName, identity: CallId) -> None:
        """No more calls to a phone that went away in mid-call, until its operator says that it is
        there again. The shipped dialplan puts the caller back at the head of the queue."""
        operator, call = self._floor.operator(name), self._calls.get(identity)
        assert operator
        if call is not None:
            self._befall(call, Reason("phone-lost", {"operator": name}))
        lost = AlarmRaised("phone-lost", detail=operator.display_name)
        self._out += self._alarms.raised(lost, self._now)
        self._shifts.impose(name, PHONE_LOST)

    def _action_done(self, fact: ActionDone) -> None:
        self._outgoing.refused(fact)
        done = self._shifts.done(fact, self._now)
        if done is not None:
            self._out += done
        elif fact.id:
            self._out.append(Tell(fact.id, fact.actor, fact.error))
        elif fact.error:
            self._out.append(Remark(f"{fact.actor}: {fact.error}"))

    def _unseen(self, fact: cti.Unseen) -> None:
        call = self._calls.get(fact.call)
        if call is not None:
            self._change(replace(call, unseen=(*call.unseen, (fact.since, fact.until))))
            if call.queue:
                self._floor.touch(call.queue)

    def _cleared(self, fact: cti.Cleared) -> None:
        name = self._step(fact.channel, "hang-up", fact.call)
        call = self._calls.get(fact.call)
        if name is not None:
            self._begin_wrapup(name, fact.call, call.uniqueid if call else Uniqueid(""))
        if call is None:
            return
        self._release(call, "caller-left")
        call = replace(call, state="ended", ended=self._now, cause=fact.cause)
        self._change(call)
        if call.answered is not None or call.card:
            self._out.append(Save(contact(call, call.operator)))
        for pop in self._cards.of(call.id):
            if not pop.talked:
                left: PopEnd = "lost" if fact.cause == "lost" else "caller-left"
                self._out.append(self._cards.end(pop, left))
            elif pop.wrapup_until is None:  # whoever stays after a transfer is not told to leave
                self._cards.await_note(pop, self._now)
                if self._floor.is_busy(pop.operator) == call.id:
                    self._advance(pop.operator, "hang-up", call.id)
        self._outgoing.over(call.linkedid)
        self._out += self._callbacks.over(call, self._now)
        self._arrivals.over(call.pbx, call.linkedid)
        self._linked.pop((call.pbx, call.linkedid), None)
        self._waits.over(call)
        self._forget_if_over(call.id)

    def _change_state(self, asked: ActionAsked) -> None:
        if asked.action in ("done", "unpause"):
            self._end_wrapups(OperatorName(asked.target))
        self._out += self._shifts.asked(asked, self._now)

    # Wrap-up

    def _wrapup_saved(self, fact: WrapUpSaved) -> None:
        self._out.append(Tell(fact.id, fact.actor, None))
        if self._floor.operator(fact.actor):
            self._advance(fact.actor, "done", fact.call)
        for pop in self._cards.of(fact.call):
            if pop.operator == fact.actor and pop.wrapup_until is not None:
                self._out.append(self._cards.end(pop, "done", saved=True))
        self._forget_if_over(fact.call)

    def _end_wrapups(self, name: OperatorName, but: CallId | None = None) -> None:
        """The operator goes on: the next call rings, or there is nothing more to write. What was
        typed stays in the browser and may still be saved."""
        for pop in self._cards.awaited:
            if pop.operator == name and pop.call.id != but:
                self._end_wrapup(pop)

    def _end_wrapup(self, pop: Pop) -> None:
        operator = self._floor.operator(pop.operator)
        if operator is not None and operator.work == "wrap-up":
            self._advance(pop.operator, "done", pop.call.id)
        self._out.append(self._cards.end(pop, "done"))
        self._forget_if_over(pop.call.id)

    def _tick(self) -> None:
        self._out += self._alarms.tick(self._now)
        self._out += self._outgoing.tick(self._now)
        self._out += self._callbacks.tick(self._links.up(), self._floor.line, self._now)
        self._out += self._missed.tick(self._now)
        waiting = self._waits.places(self._calls)
        self._out += self._announcements.tick(waiting, self._estimate, self._offer, self._now)
        for pop in self._cards.awaited:
            if pop.wrapup_until is not None and pop.wrapup_until <= self._now:
                self._end_wrapup(pop)
        self._out += self._shifts.tick(self._now)
        self._arrivals.tick(self._now, live=self._linked)
        self._reorder()
        self._look_again()
        day = datetime.fromtimestamp(self._now, self._rules.zone).date().isoformat()
        if day != self._day:
            if self._day:
                self._floor.new_day()
            self._day = day

    # Operators and queues

    def _estimate(self, entry: Entry, place: int) -> float | None:
        """How long this caller has still to wait, in seconds, by our own forecast."""
        entries = self._floor.line(entry.queue).entries
        return self._floor.waits(entry.queue)[entries.index(entry)]

    def _offer(self, entry: Entry, call: Call) -> str | None:
        """The number at which this caller may be called back, if that is to be offered now."""
        offer = call.decision.callback if call.decision else None
        due = offer is not None and self._now - entry.entered >= offer.after
        return call.number if due and self._callbacks.may(call, self._now) else None

    def _step(self, channel: str, event: WorkEvent, call: CallId) -> OperatorName | None:
        """A step of work of the operator whose phone `channel` is, if it is one's."""
        name = self._floor.at_phone(channel)
        if name is not None:
            self._advance(name, event, call)
        return name

    def _advance(self, name: OperatorName, event: WorkEvent, call: CallId) -> None:
        try:
            self._floor.step(name, event, call, self._now)
        except Surprise as surprise:
            known = self._calls.get(call)
            self._out.append(Remark(str(surprise), known.pbx if known else None))

    # The memory, and the snapshot that it is held against

    def _remember(self, fact: Remembered) -> None:
        """Before the first snapshot: a restart in mid-call finds its calls again."""
        self._past.remember(fact)
        self._waits.remember(fact)
        self._callbacks.remember(fact.callbacks)
        self._shifts.remember(fact.states)
        self._floor.recall_handled(fact.handled)
        for left in fact.unwritten:
            if left.call.ended_at is not None:
                identity = CallId(left.call.id)
                if identity not in self._calls:
                    self._change(recalled(left.call, left.card), force=True)
                self._reopen(self._calls[identity], left)
                self._forget_if_over(identity)

    def _reopen(self, call: Call, left: Unwritten) -> None:
        """The card of a wrap-up that a restart cut into, for as long as the wrap-up has left."""
        name = self._floor.at_phone(left.peer)
        if name is None or name in left.written:
            return
        until = self._shifts.resumes_wrapup(name, self._cards.until(left.ended))
        if until is None or until <= self._now:
            return
        for step in ("answer", "hang-up"):
            self._floor.step(name, step, call.id, left.ended)
        self._out.append(self._cards.reopen(name, call, left, until))

    def _snapshot_done(self, fact: cti.SnapshotDone) -> None:
        """What the store held open and the PBX does not have any more ended unseen; so did a talk
        whose operator is not in the call any more."""
        self._out += self._links.keep(fact, self._now)
        for call in self._past.resumed(fact.pbx, self._calls):
            if call.operator and self._floor.is_busy(call.operator) != call.id:
                self._change(replace(call, state="routing", operator=None))
        self._out += [Save(record) for record in self._past.calls_gone(fact, self._now)]
        self._out += self._waits.gone(fact, self._calls, self._now)
        live = {linked for pbx, linked in self._linked if pbx == fact.pbx}
        self._out += self._callbacks.snapshot(fact.pbx, live, self._now)
        self._out += self._links.seen(fact, self._now)
        self._out += self._shifts.seen(fact, self._now)
        self._out.append(CountFallbacks(fact.pbx))

    # Showing and keeping

    def _set_state(self, call: CallId, state: CallState) -> None:
        known = self._calls.get(call)
        if known and known.state not in (state, "talking", "ended"):
            self._change(replace(known, state=state))

    def _change(self, call: Call, force: bool = False) -> None:
        """The call is now so: kept, saved, shown, and on every card that is open for it."""
        before = self._calls.get(call.id)
        if before == call and not force:
            return
        self._calls[call.id] = call
        self._out.append(Save(call_record(call)))
        self._out.append(ShowCall(call, self._cards.operators(call.id)))
        again = before is not None and _on_card(before) != _on_card(call)
        self._out += self._cards.change(call, again)
        if again and call.queue:
            self._floor.touch(call.queue)

    def _forget_if_over(self, identity: CallId) -> None:
        call = self._calls.get(identity)
        if call and call.state == "ended" and not self._cards.of(identity):
            del self._calls[identity]
            operators = (call.operator,) if call.operator else ()
            self._out.append(EndCall(identity, operators))


def _on_card(call: Call) -> tuple[object, ...]:
    """What a card shows of the call, its state apart."""
    return call.card, call.lookup_failed, call.decision, call.number, call.befell
