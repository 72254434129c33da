"""The joint rules of the desk: what a call, a queue, an operator and a customer do to each other.
Pure.

`apply(fact, now)` is the one way in, the commands it returns the one way out. It asks no clock and
no database, so a recording of the inbox replays to the same commands. Rules of one machine stand
elsewhere (`cti.calls`, `queue.operators`, `queue.lines`, `queue.routing`); here stand those that
join them, such as "call ended and operator was talking: wrap-up".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cordboard.actions import command_for
from cordboard.alarms import Alarms
from cordboard.crm_core.model import CallRecord, EntryRecord
from cordboard.cti import facts as cti
from cordboard.desk import (
    ActionAsked,
    ActionDone,
    AlarmEnded,
    AlarmRaised,
    AnyFact,
    Arrival,
    Call,
    CallState,
    Command,
    CountFallbacks,
    CustomerChanged,
    CustomerFound,
    EndCall,
    EndPop,
    FindCustomer,
    Gap,
    Link,
    LinkState,
    Originate,
    Part,
    PauseMember,
    Pop,
    PopEnd,
    Remark,
    Remembered,
    RouteAsked,
    Rules,
    Save,
    SendRoute,
    ShowCall,
    ShowLink,
    ShowOperator,
    ShowPop,
    ShowQueue,
    ShowWaiting,
    Tell,
    Tick,
    Unwritten,
    UsersChanged,
    WrapUpSaved,
)
from cordboard.events import (
    CallId,
    Linkedid,
    OperatorName,
    PbxName,
    QueueName,
    Uniqueid,
    derived_id,
)
from cordboard.outgoing import Outgoing
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry
from cordboard.queue.operators import Surprise, WorkEvent
from cordboard.queue.routing import Caller, Reason, decide
from cordboard.records import (
    call_record,
    contact,
    entry_record,
    fact_record,
    link_record,
    pop_id,
    reasons_json,
    recalled,
)

ARRIVAL_KEPT = 3600.0
"""Seconds. What we learnt of a caller whose call never showed up is forgotten after this."""

PHONE_LOST = "phone-lost"
"""The reason for a pause that consoles know the words for."""
_PARTS: dict[str, Part] = {
    "CoreShowChannels": "calls",
    "QueueStatus": "queues",
    "DeviceStateList": "phones",
}
"""What is missing where a list of the snapshot is refused. A PBX without parking is whole."""

_POP_ENDS: dict[cti.Cause, PopEnd] = {
    "no-answer": "no-answer",
    "busy": "busy",
    "rejected": "rejected",
    "failed": "failed",
    "lost": "lost",
}


_FALLBACKS = {"SUCCESS": "interrupted", "HANGUP": "late"}
"""AGISTATUS, in our words. A server that dies half way is SUCCESS to Asterisk, one that hangs until
the lease is over is HANGUP; every other one was never reached."""


class Board:
    """All state of the desk. One consumer calls `apply`, nobody else."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._floor = Floor(rules.threshold, rules.short_abandon)
        self._arrivals: dict[tuple[PbxName, Linkedid], Arrival] = {}
        self._calls: dict[CallId, Call] = {}
        self._linked: dict[tuple[PbxName, Linkedid], CallId] = {}
        self._pops: dict[CallId, dict[str, Pop]] = {}
        self._wrapups: dict[str, CallId] = {}
        self._answered_entries: dict[CallId, Entry] = {}
        self._remembered: dict[CallId, CallRecord] = {}
        self._resumed: set[CallId] = set()
        self._unwritten: dict[CallId, list[Unwritten]] = {}
        self._gaps: dict[str, tuple[Gap, ...]] = {}
        self._open_entries: dict[tuple[CallId, QueueName], EntryRecord] = {}
        self._links: dict[PbxName, Link] = {}
        self._alarms = Alarms()
        self._outgoing = Outgoing()
        self._day = ""
        self._now = 0.0
        self._out: list[Command] = []

    @property
    def live_calls(self) -> int:
        return len(self._calls)

    def apply(self, fact: AnyFact, now: float) -> list[Command]:
        """What is to be done about `fact`, in order."""
        self._out, self._now = [], now
        match fact:
            case cti.Offered():
                self._offered(fact)
            case cti.Queued():
                self._queued(fact)
            case cti.Placed():
                self._placed(fact)
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
                self._out.append(Save(link_record(fact, now)))
                self._link(fact.pbx, "connecting", boot=fact.boot)
            case cti.SnapshotDone():
                if not self._link_is("up", fact.pbx):
                    self._out.append(Save(link_record(fact, now)))
                self._snapshot_done(fact)
            case cti.LinkDown():
                if not self._link_is("down", fact.pbx):
                    self._out.append(Save(link_record(fact, now)))
                self._link(fact.pbx, "down", fact.reason, restarting=fact.restarting)
            case RouteAsked():
                self._route_asked(fact)
            case CustomerFound():
                self._customer_found(fact)
            case CustomerChanged():
                self._customer_changed(fact)
            case Remembered():
                self._remember(fact)
            case UsersChanged():
                self._floor.employ(fact.users, now)
            case cti.Originated():
                self._out += self._outgoing.originated(fact)
            case ActionAsked(kind="operator", action="call"):
                self._place(fact)
            case ActionAsked():
                call = self._calls.get(CallId(fact.target))
                operator = self._floor.operator(OperatorName(fact.target))
                self._out.append(command_for(fact, call, operator))
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
        self._out += [ShowOperator(operator) for operator in self._floor.changed_operators()]
        return self._out

    @property
    def queues_changed(self) -> bool:
        return self._floor.has_changed_queues

    def show_queues(self) -> list[Command]:
        """The queues that changed since this was asked last. A line is shown whole, which costs
        as much as it is long, so it is for the shell to ask now and then, not for each event."""
        out: list[Command] = []
        for queue in self._floor.changed_queues():
            line = self._floor.line(queue)
            entries, level = line.entries, self._floor.level(queue)
            out.append(ShowQueue(queue, len(entries), line.longest_since, level))
            waiting = tuple((e, self._calls[e.call]) for e in entries if e.call in self._calls)
            out.append(ShowWaiting(queue, waiting))
        return out

    # Who is calling, and where the call goes

    def _arrival(self, pbx: PbxName, linkedid: Linkedid, number: str, dialled: str) -> Arrival:
        arrival = self._arrivals.get((pbx, linkedid))
        if arrival is None:
            arrival = self._arrivals[pbx, linkedid] = Arrival(number, dialled, self._now)
            self._out.append(FindCustomer(pbx, linkedid, number))
        return arrival

    def _route_asked(self, fact: RouteAsked) -> None:
        arrival = self._arrival(fact.pbx, fact.linkedid, fact.number, fact.dialled)
        arrival.ask, arrival.dialled = fact.ask, fact.dialled
        if arrival.found:
            self._decide(fact.pbx, fact.linkedid, arrival)

    def _customer_found(self, fact: CustomerFound) -> None:
        arrival = self._arrivals.get((fact.pbx, fact.linkedid))
        if arrival is None:
            return
        arrival.found = fact
        if arrival.ask is not None:
            self._decide(fact.pbx, fact.linkedid, arrival)
        self._take_on(fact.pbx, fact.linkedid, arrival)

    def _decide(self, pbx: PbxName, linkedid: Linkedid, arrival: Arrival) -> None:
        assert arrival.found
        assert arrival.ask is not None
        found = arrival.found
        caller = Caller(
            found.e164 or arrival.number, found.country, arrival.dialled, found.card, found.failed
        )
        local = datetime.fromtimestamp(self._now, self._rules.zone)
        arrival.decision = decide(self._rules.policy, caller, local)
        self._out.append(SendRoute(arrival.ask, arrival.decision))
        arrival.ask = None
        self._take_on(pbx, linkedid, arrival)

    def _take_on(self, pbx: PbxName, linkedid: Linkedid, arrival: Arrival) -> None:
        """The call, if it is there, takes on what its arrival has learnt."""
        call = self._calls.get(self._linked.get((pbx, linkedid), CallId("")))
        if call is not None:
            self._change(self._with_arrival(call, arrival))

    def _with_arrival(self, call: Call, arrival: Arrival) -> Call:
        found, decision = arrival.found, arrival.decision or call.decision
        fresh = decision is not None and decision is not call.decision
        return replace(
            call,
            card=(found and found.card) or call.card,
            lookup_failed=found.failed if found else call.lookup_failed,
            number=(found and found.e164) or call.number,
            # Where Newchannel was kept back, the dialplan alone still knows what was dialled.
            dialled=arrival.dialled or call.dialled,
            decision=decision,
            why=reasons_json(decision.reasons) if decision and fresh else call.why,
        )

    def _customer_changed(self, fact: CustomerChanged) -> None:
        card = fact.card
        for call in list(self._calls.values()):
            same = call.card is not None and call.card.customer.id == card.customer.id
            if same or (call.card is None and call.number in card.customer.phones):
                self._change(replace(call, card=card, lookup_failed=False))
                if call.operator and call.answered is not None:
                    self._out.append(Save(contact(self._calls[call.id], call.operator)))

    def _place(self, asked: ActionAsked) -> None:
        """A call from the desk. Who is called is looked up while the operator's phone rings."""
        operator = self._floor.operator(OperatorName(asked.target))
        serves = {m.pbx for m in operator.memberships} if operator else set()
        up = [pbx for pbx, link in self._links.items() if link.state == "up"]
        pbx = next((name for name in up if name in serves or not serves), None)
        command = self._outgoing.place(asked, operator, pbx, self._now)
        self._out.append(command)
        if isinstance(command, Originate):
            self._arrival(command.pbx, command.channel_id, command.number, command.number)

    # The life of a call

    def _offered(self, fact: cti.Offered) -> None:
        if fact.call in self._calls:
            return
        arrival = self._arrival(fact.pbx, fact.linkedid, fact.number, fact.dialled)
        attempt = self._outgoing.of(fact.linkedid)
        call = Call(
            id=fact.call,
            pbx=fact.pbx,
            boot=fact.boot,
            linkedid=fact.linkedid,
            uniqueid=fact.uniqueid,
            channel=fact.channel,
            number=fact.number,
            name=fact.name,
            dialled=fact.dialled,
            state="routing",
            started=self._now - fact.age,
        )
        record = self._remembered.pop(fact.call, None)
        if record is not None:
            call = replace(
                call,
                number=record.number,
                name=record.name,
                dialled=record.dialled,
                started=record.started_at,
                answered=record.answered_at,
                why=record.why,
                direction="out" if record.direction == "out" else "in",
                queue=QueueName(record.queue) if record.queue else None,
                unseen=self._gaps.pop(record.id, ()),
            )
            if record.state == "talking" and record.operator:
                # Nobody may be in the caller's bridge now: the operator consults a colleague.
                call = replace(call, state="talking", operator=OperatorName(record.operator))
                self._resumed.add(call.id)
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
        self._change(self._with_arrival(call, arrival), force=True)
        for left in self._unwritten.pop(call.id, []):
            self._reopen(self._calls[call.id], left)
        if name is not None and (attempt is not None or (record and record.direction == "out")):
            self._pop(name, fact.uniqueid, self._calls[call.id], talked=True)

    def _queued(self, fact: cti.Queued) -> None:
        call = self._calls.get(fact.call)
        if call is None:
            return
        entry = self._floor.line(fact.queue).find(fact.uniqueid)
        if entry is None:
            entry = self._entry(call, fact)
            self._out.append(Save(entry_record(entry, call, None)))
            if call.state == "talking":  # put back: the talk before is over
                call = replace(call, state="routing", operator=None)
        self._floor.join(entry, fact.position)
        state: CallState = "waiting" if call.state == "routing" else call.state
        self._change(replace(call, state=state, queue=fact.queue))

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
                self._befall(call, Reason("manager-not-reached", {"status": fact.status}))
            case "transfer":
                self._befall(call, Reason("transfer-not-taken", {"status": fact.status}))

    def _befall(self, call: Call, reason: Reason) -> None:
        if reason not in call.befell:
            self._change(replace(call, befell=(*call.befell, reason)))

    def _placed(self, fact: cti.Placed) -> None:
        entry = self._floor.line(fact.queue).find(fact.uniqueid)
        if entry is not None:
            self._floor.join(entry, fact.position)

    def _entry(self, call: Call, fact: cti.Queued) -> Entry:
        record = self._open_entries.pop((call.id, fact.queue), None)
        if record is not None:
            identity, entered, priority = record.id, record.entered_at, record.priority
        else:
            # The PBX measures by its time of day, which may have been set meanwhile.
            entered = self._now - max(0.0, fact.waited)
            priority = call.decision.priority if call.decision else 0
            millis = int(entered * 1000)
            identity = derived_id(millis, call.id, fact.uniqueid, fact.queue, str(millis))
        return Entry(identity, call.id, fact.uniqueid, fact.queue, priority, entered)

    def _queue_left(self, fact: cti.QueueLeft) -> None:
        entry = self._floor.leave(fact.queue, fact.uniqueid, fact.outcome, self._now)
        call = self._calls.get(fact.call)
        if entry is None or call is None:
            return
        self._out.append(Save(entry_record(entry, call, call.operator)))
        if fact.outcome == "connected" and call.state != "ended":
            self._answered_entries[call.id] = entry
        if call.state == "waiting":
            self._change(replace(call, state="routing"))

    def _called(self, fact: cti.Called) -> None:
        call = self._calls.get(fact.call)
        name = self._step(fact.peer, "offer", fact.call)
        if call is None or name is None or call.state == "ended":
            return
        self._pop(name, fact.peer_uniqueid, call)

    def _pop(
        self, name: OperatorName, uniqueid: Uniqueid, call: Call, talked: bool = False
    ) -> None:
        """The card opens for the operator whose leg has this Uniqueid."""
        identity = pop_id(call, uniqueid)
        self._end_wrapups(name, call.id)
        pop = Pop(identity, name, uniqueid, call, self._now, talked)
        self._put(pop)
        self._out.append(ShowPop(pop, first=True))

    def _undelivered(self, fact: cti.Undelivered) -> None:
        self._step(fact.peer, "release", fact.call)
        for pop in self._pops_of(fact.call):
            if pop.peer_uniqueid == fact.peer_uniqueid and not pop.talked:
                self._end_pop(pop, self._pop_end(fact))
        call = self._calls.get(fact.call)
        if call and call.state == "ringing" and not self._pops_of(fact.call):
            waiting = call.queue and self._floor.line(call.queue).find(call.uniqueid)
            self._set_state(fact.call, "waiting" if waiting else "routing")

    def _pop_end(self, fact: cti.Undelivered) -> PopEnd:
        if fact.cause in _POP_ENDS:
            return _POP_ENDS[fact.cause]
        call = self._calls.get(fact.call)
        return "answered-elsewhere" if call and call.state == "talking" else "caller-left"

    def _established(self, fact: cti.Established) -> None:
        call = self._calls.get(fact.call)
        if call is None:
            return
        name = self._step(fact.peer, "answer", fact.call)
        consulted = fact.channel != call.channel
        if not consulted:
            call = replace(
                call,
                state="talking",
                operator=name or call.operator,
                answered=call.answered if call.answered is not None else self._now - fact.age,
            )
        for pop in self._pops_of(fact.call):
            if pop.peer_uniqueid == fact.peer_uniqueid:
                self._put(replace(pop, talked=True))
        self._change(call)
        if name is None and call.direction == "out":
            name = call.operator
        if name and not consulted:
            self._out.append(Save(contact(call, name)))
            if entry := self._answered_entries.pop(call.id, None):
                self._out.append(Save(entry_record(entry, call, name)))

    def _transferred(self, fact: cti.Transferred) -> None:
        """After the talk with the colleague the call is the colleague's; a blind one, or one that
        still rings, becomes so with the answer."""
        call = self._calls.get(fact.call)
        name = self._floor.at_phone(fact.peer) if fact.peer else None
        if call is not None and name is not None and fact.kind == "attended":
            self._change(replace(call, operator=name))
            self._out.append(Save(contact(self._calls[call.id], name)))

    def _merged(self, fact: cti.Merged) -> None:
        """The cards that were open for the part are the whole's from now on."""
        part, whole = self._calls.get(fact.call), self._calls.get(fact.into)
        if part is None:
            return
        if whole is None:  # it began and went on unseen, so this is the last we hear of the part
            self._cleared(cti.Cleared(fact.at, fact.call, fact.linkedid, fact.channel, "lost"))
            return
        self._out.append(Save(replace(call_record(part), state="merged", ended_at=self._now)))
        operators = tuple(pop.operator for pop in self._pops_of(part.id))
        for pop in self._pops.pop(part.id, {}).values():
            moved = replace(pop, call=whole)
            self._put(moved)
            if pop.id in self._wrapups:
                self._wrapups[pop.id] = whole.id
            self._out.append(ShowPop(moved, first=False))
            self._floor.reassign(pop.operator, part.id, whole.id)
        del self._calls[part.id]
        del self._linked[part.pbx, part.linkedid]
        self._arrivals.pop((part.pbx, part.linkedid), None)
        self._answered_entries.pop(part.id, None)
        self._out.append(EndCall(part.id, operators))
        shown = tuple(pop.operator for pop in self._pops_of(whole.id))
        self._out.append(ShowCall(whole, shown))

    def _peer_cleared(self, fact: cti.PeerCleared) -> None:
        name = self._step(fact.peer, "hang-up", fact.call)
        if name is None:
            return
        if fact.lost:
            self._phone_lost(name, fact.call)
        self._begin_wrapup(name, fact.call, fact.peer_uniqueid)

    def _begin_wrapup(self, name: OperatorName, identity: CallId, uniqueid: Uniqueid) -> None:
        """The operator's leg is down; with a card there is a note to write, without one none."""
        pops = [p for p in self._pops_of(identity) if p.peer_uniqueid == uniqueid]
        for pop in pops:
            self._await_note(pop)
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
        if operator.memberships and operator.reason is None:
            member = operator.memberships[0]
            why = PHONE_LOST
            self._out.append(PauseMember("", name, member.pbx, member.interface, True, why))

    def _action_done(self, fact: ActionDone) -> None:
        self._outgoing.refused(fact)
        if fact.id:
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
        call = replace(call, state="ended", ended=self._now, cause=fact.cause)
        self._change(call)
        if call.answered is not None or call.card:
            self._out.append(Save(contact(call, call.operator)))
        for pop in self._pops_of(call.id):
            if not pop.talked:
                self._end_pop(pop, "lost" if fact.cause == "lost" else "caller-left")
            elif pop.wrapup_until is None:  # whoever stays after a transfer is not told to leave
                self._await_note(pop)
                if self._floor.is_busy(pop.operator) == call.id:
                    self._advance(pop.operator, "hang-up", call.id)
        self._outgoing.over(call.linkedid)
        self._arrivals.pop((call.pbx, call.linkedid), None)
        self._linked.pop((call.pbx, call.linkedid), None)
        self._answered_entries.pop(call.id, None)
        self._forget_if_over(call.id)

    # Wrap-up

    def _await_note(self, pop: Pop) -> None:
        self._put(replace(pop, wrapup_until=self._now + self._rules.wrapup))
        self._wrapups[pop.id] = pop.call.id

    def _wrapup_saved(self, fact: WrapUpSaved) -> None:
        self._out.append(Tell(fact.id, fact.actor, None))
        if self._floor.operator(fact.actor):
            self._advance(fact.actor, "done", fact.call)
        for pop in self._pops_of(fact.call):
            if pop.operator == fact.actor and pop.wrapup_until is not None:
                self._end_pop(pop, "done", saved=True)
        self._forget_if_over(fact.call)

    def _end_wrapups(self, name: OperatorName, but: CallId) -> None:
        """The next call rings: the wrap-up before it is no state of the operator any more. What
        was typed stays in the browser and may still be saved."""
        for identity, call in list(self._wrapups.items()):
            pop = self._pops[call][identity]
            if pop.operator == name and call != but:
                self._end_pop(pop, "done")
                self._forget_if_over(call)

    def _tick(self) -> None:
        self._out += self._alarms.tick(self._now)
        self._out += self._outgoing.tick(self._now)
        for identity, call in list(self._wrapups.items()):
            pop = self._pops[call][identity]
            if pop.wrapup_until is not None and pop.wrapup_until <= self._now:
                self._advance(pop.operator, "done", call)
                self._end_pop(pop, "done")
                self._forget_if_over(call)
        for key, arrival in list(self._arrivals.items()):
            if self._now - arrival.at > ARRIVAL_KEPT and key not in self._linked:
                del self._arrivals[key]
        day = datetime.fromtimestamp(self._now, self._rules.zone).date().isoformat()
        if day != self._day:
            if self._day:
                self._floor.new_day()
            self._day = day

    # Operators and queues

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

    # The link and the memory

    def _link(
        self,
        pbx: PbxName,
        state: LinkState,
        reason: str = "",
        *,
        unavailable: tuple[Part, ...] = (),
        boot: str | None = None,
        restarting: bool = False,
    ) -> None:
        before = self._links.get(pbx)
        stale = before.stale_since if before else None
        if state == "down":
            stale = stale if stale is not None else self._now
        if boot is None:
            boot = before.boot if before else ""
        shown_stale = None if state == "up" else stale
        link = Link(pbx, state, self._now, shown_stale, reason, unavailable, boot, restarting)
        self._links[pbx] = link
        self._out.append(ShowLink(link))

    def _link_is(self, state: str, pbx: PbxName) -> bool:
        link = self._links.get(pbx)
        return link is not None and link.state == state

    def _remember(self, fact: Remembered) -> None:
        """Before the first snapshot: a restart in mid-call finds its calls again."""
        self._remembered = {CallId(record.id): record for record in fact.calls}
        self._gaps = dict(fact.gaps)
        for entry in fact.entries:
            if entry.left_at is None:
                self._open_entries[CallId(entry.call_id), QueueName(entry.queue)] = entry
            else:
                self._floor.recall(entry)
        for left in fact.unwritten:
            identity = CallId(left.call.id)
            if left.call.ended_at is None:  # somebody else still talks to the caller
                self._unwritten.setdefault(identity, []).append(left)
                continue
            if identity not in self._calls:
                self._change(recalled(left.call, left.card), force=True)
            self._reopen(self._calls[identity], left)
            self._forget_if_over(identity)

    def _reopen(self, call: Call, left: Unwritten) -> None:
        """The card of a wrap-up that a restart cut into, for as long as the wrap-up has left."""
        name = self._floor.at_phone(left.peer)
        until = left.ended + self._rules.wrapup
        if name is None or name in left.written or until <= self._now:
            return
        for step in ("answer", "hang-up"):
            self._floor.step(name, step, call.id, left.ended)
        at = call.answered if call.answered is not None else call.started
        identity = pop_id(call, left.peer_uniqueid)
        pop = Pop(identity, name, left.peer_uniqueid, call, at, talked=True, wrapup_until=until)
        self._put(pop)
        self._wrapups[identity] = call.id
        self._out.append(ShowPop(pop, first=False))

    def _snapshot_done(self, fact: cti.SnapshotDone) -> None:
        """What the store held open and the PBX does not have any more ended unseen; so did a talk
        whose operator is not in the call any more. A list that was refused says nothing of what it
        would have held."""
        resumed = [self._calls[i] for i in self._resumed if i in self._calls]
        for call in [call for call in resumed if call.pbx == fact.pbx]:
            self._resumed.discard(call.id)
            if call.operator and self._floor.is_busy(call.operator) != call.id:
                self._change(replace(call, state="routing", operator=None))
        for record in [r for r in self._remembered.values() if r.pbx == fact.pbx]:
            if "CoreShowChannels" not in fact.refused:
                del self._remembered[CallId(record.id)]
                ended = max(self._now, record.answered_at or record.started_at)
                gone = replace(record, state="ended", cause="lost", ended_at=ended)
                self._out.append(Save(gone))
        for key, entry in list(self._open_entries.items()):
            if entry.pbx == fact.pbx and "QueueStatus" not in fact.refused:
                del self._open_entries[key]
                left = self._ended_unseen(entry)
                self._floor.recall(left)
                self._out.append(Save(left))
        unavailable = tuple(_PARTS[name] for name in fact.refused if name in _PARTS)
        before = self._links.get(fact.pbx)
        if before is None or (before.state, before.unavailable) != ("up", unavailable):
            self._link(fact.pbx, "up", unavailable=unavailable)
        self._out.append(CountFallbacks(fact.pbx))

    def _ended_unseen(self, entry: EntryRecord) -> EntryRecord:
        """A wait that was over before we looked again: who talks by now was answered."""
        call = self._calls.get(CallId(entry.call_id))
        if call is None or call.state != "talking":
            left = max(self._now, entry.entered_at)
            return replace(entry, outcome="lost", left_at=left)
        left = call.answered if call.answered is not None else self._now
        return replace(entry, outcome="connected", operator=call.operator, left_at=left)

    # Showing and keeping

    def _pops_of(self, call: CallId) -> list[Pop]:
        return list(self._pops.get(call, {}).values())

    def _put(self, pop: Pop) -> None:
        self._pops.setdefault(pop.call.id, {})[pop.id] = pop

    def _end_pop(self, pop: Pop, reason: PopEnd, saved: bool = False) -> None:
        pops = self._pops[pop.call.id]
        del pops[pop.id]
        if not pops:
            del self._pops[pop.call.id]
        self._wrapups.pop(pop.id, None)
        self._out.append(EndPop(pop.id, pop.operator, reason, saved))

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
        pops = self._pops_of(call.id)
        self._out.append(ShowCall(call, tuple(pop.operator for pop in pops)))
        fresh_card = before is not None and _on_card(before) != _on_card(call)
        for pop in pops:
            shown = replace(pop, call=call)
            self._put(shown)
            if fresh_card:
                self._out.append(ShowPop(shown, first=False))
        if fresh_card and call.queue:
            self._floor.touch(call.queue)

    def _forget_if_over(self, identity: CallId) -> None:
        call = self._calls.get(identity)
        if call and call.state == "ended" and not self._pops_of(identity):
            del self._calls[identity]
            operators = (call.operator,) if call.operator else ()
            self._out.append(EndCall(identity, operators))


def _on_card(call: Call) -> tuple[object, ...]:
    """What a card shows of the call, its state apart."""
    return call.card, call.lookup_failed, call.decision, call.number, call.befell
