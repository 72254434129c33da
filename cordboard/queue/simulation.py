"""What a policy would do to given traffic: a discrete-event simulation. Pure.

Calls are routed by the server's own `decide`, wait in its own lines on its own floor, and are given
its own estimate of their wait. Who takes them is simulated after app_queue (autofill, ringinuse=no,
strategy leastrecent): as many callers from the head of a line are tried as there are members ready,
each is given to a ready member whose penalty he may have, least first, then to whoever took a call
least recently; a member of several queues takes from any of them that has somebody waiting, by
chance. Left out: members who do not answer, and the second that app_queue looks round in.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Literal

from cordboard.crm_core.model import User
from cordboard.cti.facts import MemberGone, MemberSeen
from cordboard.events import CallId, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue import lines
from cordboard.queue.calendars import clock
from cordboard.queue.conditions import During
from cordboard.queue.decisions import Decision, Penalties
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Seat, Situation, decide
from cordboard.queue.traffic import (
    CALLBACK,
    CALLED_BACK,
    DAY,
    MANAGER,
    RING,
    Arrival,
    Operators,
    Traffic,
    draw,
    operator_name,
    span,
)

PBX = PbxName("simulated")
TRIES = 25.0
"""Seconds for which a caller's phone rings who does not take the call back."""

Outcome = Literal[
    "answered", "abandoned", "personal", "called-back", "not-reached", "overflowed", "elsewhere"
]
"""Answered from the queue; gave up; answered by who is rung before it; called back, or tried to;
sent on because the wait was too long; never queued."""

IN_QUEUE: dict[Outcome, lines.Outcome] = {
    "answered": "connected",
    "called-back": "connected",
    "abandoned": "abandoned",
}

State = Literal["waiting", "away", "callback", "ringing", "over"]


@dataclass(slots=True, eq=False)
class Stay:
    """A call in the simulation. Times in seconds after the first midnight; `estimated` is what the
    caller could have been told at the beginning, `holdtime` what Asterisk would have said then."""

    arrival: Arrival
    decision: Decision
    queue: QueueName
    entered: float
    entry: Entry
    state: State = "waiting"
    outcome: Outcome | None = None
    left: float = math.inf
    estimated: float | None = None
    holdtime: float | None = None
    promised: bool = False
    """To be called back, so that there is nothing to give up."""
    was_away: bool = False
    """The wait was another than the one that was estimated: the caller was away, or elsewhere."""
    operator: Clerk | None = None

    @property
    def wait(self) -> float:
        return self.left - self.entered


@dataclass(slots=True, eq=False)
class Clerk:
    """An operator in the simulation: `on` while the shift says so, `here` until the last call is
    done. `busy` is how long calls took of them, `present` how long they were here, in `spans`."""

    name: OperatorName
    queues: dict[str, int]
    on: bool = False
    here: bool = False
    idle: bool = True
    idle_since: float = 0.0
    served: int = 0
    busy: float = 0.0
    since: float = 0.0
    began: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def present(self) -> float:
        return sum(until - since for since, until in self.spans)


@dataclass(slots=True)
class Run:
    """What became of all calls, in the order in which they came, and of the operators. `ended` is
    when the last caller had left and the last note was written."""

    stays: list[Stay] = field(default_factory=list)
    clerks: list[Clerk] = field(default_factory=list)
    ended: float = 0.0


class Simulation:
    """One policy on one traffic. `run` may be called once."""

    def __init__(self, policy: Policy, traffic: Traffic, day: date, seed: int) -> None:
        service = traffic.service
        handling = traffic.ring.mean + traffic.talk.mean + traffic.wrapup.mean
        self._policy, self._traffic, self._seed = policy, traffic, seed
        self._midnight = datetime.combine(day, datetime.min.time(), UTC)
        self._floor = Floor(service.threshold, service.short_abandon, handling)
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = 0
        self._now = self._last = 0.0
        self._stays: dict[Uniqueid, Stay] = {}
        self._clerks: dict[OperatorName, Clerk] = {}
        self._members: dict[QueueName, list[Clerk]] = {}
        self._holdtimes: dict[QueueName, int] = {}
        self._run = Run()

    def run(self, arrivals: Iterable[Arrival]) -> Run:
        """All calls, until the last one is over."""
        calls = list(arrivals)
        last = calls[-1].at if calls else 0.0
        days = range(int(last // DAY) + 1)
        for group in self._traffic.operator:
            for _ in range(group.count):
                self._employ(group, days)
        for arrival in calls:
            self._at(arrival.at, self._arrive, arrival)
        while self._events:
            self._now, _, step, args = heapq.heappop(self._events)
            step(*args)
        lefts = [stay.left for stay in self._run.stays if stay.left < math.inf]
        self._now = self._run.ended = max([last, self._last, *lefts])
        for clerk in self._run.clerks:
            if clerk.here:
                self._leave_desk(clerk)
        return self._run

    def _at(self, when: float, step: Callable[..., None], *args: object) -> None:
        if when < math.inf:
            self._order += 1
            heapq.heappush(self._events, (when, self._order, step, args))

    # Operators

    def _employ(self, group: Operators, days: range) -> None:
        name = operator_name(len(self._run.clerks))
        phone = f"PJSIP/{name}"
        clerk = Clerk(name, group.queues)
        self._run.clerks.append(clerk)
        self._clerks[name] = clerk
        user = User(name, name, name, "operator", phone, None, None, True)
        self._floor.employ([user], 0.0)
        for queue in group.queues:
            self._members.setdefault(QueueName(queue), []).append(clerk)
        begin, end = span(group.shift)
        edges = [begin, *(t for pause in sorted(group.pauses) for t in span(pause)), end]
        for day in days:
            for place, edge in enumerate(edges):
                if not (edge == DAY and begin == 0):  # round the clock, also after the last call
                    self._at(day * DAY + edge, self._come if place % 2 == 0 else self._go, clerk)

    def _come(self, clerk: Clerk) -> None:
        clerk.on = True
        if clerk.here:
            return
        clerk.here, clerk.since = True, self._now
        phone = f"PJSIP/{clerk.name}"
        for queue in clerk.queues:
            member = (PBX, QueueName(queue), phone, clerk.name, phone)
            penalty = clerk.queues[queue]
            seen = MemberSeen(*member, 1, False, "", False, penalty=penalty)
            self._floor.member_seen(seen, self._now)
        self._free(clerk)

    def _go(self, clerk: Clerk) -> None:
        """Who is in a call finishes it, and the note."""
        clerk.on = False
        if clerk.idle and clerk.here:
            self._leave_desk(clerk)

    def _leave_desk(self, clerk: Clerk) -> None:
        clerk.here = False
        clerk.spans.append((clerk.since, self._now))
        for queue in clerk.queues:
            gone = MemberGone(PBX, QueueName(queue), f"PJSIP/{clerk.name}")
            self._floor.member_gone(gone, self._now)

    def _free(self, clerk: Clerk) -> None:
        """The next call for an operator who has none."""
        clerk.idle = True
        if not clerk.on:
            self._leave_desk(clerk)
            return
        queues = [QueueName(q) for q in clerk.queues if len(self._floor.line(QueueName(q)))]
        if len(queues) > 1:  # each caller looks once in a second whether it is his turn
            self._order += 1
            by = {q: draw(self._seed, self._order, RING) for q in queues}
            queues.sort(key=by.__getitem__)
        for queue in queues:
            self._serve(queue)
            if not clerk.idle:
                return

    def _serve(self, queue: QueueName) -> None:
        """Gives callers to members, as far as there are both."""
        ready = [c for c in self._members.get(queue, ()) if c.on and c.idle]
        if not ready:
            return
        tried = 0
        turns = len(ready)
        for entry in self._floor.line(queue).entries:
            stay = self._stays[entry.uniqueid]
            if stay.state not in ("waiting", "callback"):
                continue
            tried += 1
            clerk = _choose(ready, queue, stay.entry.skills)
            if clerk is not None:
                ready.remove(clerk)
                self._ring(stay, clerk)
            if tried == turns or not ready:
                return

    def _ring(self, stay: Stay, clerk: Clerk) -> None:
        """The operator's phone rings; for a callback the caller's, after the operator took it."""
        arrival, was = stay.arrival, stay.state
        self._call(stay, clerk)
        if was == "waiting":
            self._at(self._now + arrival.ring, self._answer, stay, "answered")
        elif arrival.chance(CALLED_BACK) < self._traffic.callback.answers:
            self._at(self._now + 2 * arrival.ring, self._answer, stay, "called-back")
        else:
            self._at(self._now + arrival.ring + TRIES, self._not_reached, stay)

    def _call(self, stay: Stay, clerk: Clerk) -> None:
        clerk.idle, clerk.began = False, self._now
        stay.state, stay.operator = "ringing", clerk
        self._floor.step(clerk.name, "offer", stay.entry.call, self._now)

    def _answer(self, stay: Stay, outcome: Outcome) -> None:
        clerk = stay.operator
        if stay.state != "ringing" or clerk is None:
            return
        left = self._end(stay, outcome)
        if outcome == "answered":
            # app_queue's own: whole seconds, three parts of the old and one of the new.
            held = self._holdtimes.get(stay.queue, 0)
            self._holdtimes[stay.queue] = (3 * held + int(stay.wait)) >> 2
        self._floor.step(clerk.name, "answer", stay.entry.call, self._now)
        if left is not None and outcome != "personal":
            self._floor.take(clerk.name, left)
        clerk.served += 1
        self._at(self._now + stay.arrival.talk, self._hang_up, stay, clerk)

    def _not_reached(self, stay: Stay) -> None:
        clerk = stay.operator
        assert clerk is not None
        self._end(stay, "not-reached")
        self._floor.step(clerk.name, "release", stay.entry.call, self._now)
        self._done(clerk)

    def _hang_up(self, stay: Stay, clerk: Clerk) -> None:
        self._floor.step(clerk.name, "hang-up", stay.entry.call, self._now)
        self._at(self._now + stay.arrival.wrapup, self._written, stay, clerk)

    def _written(self, stay: Stay, clerk: Clerk) -> None:
        self._floor.step(clerk.name, "done", stay.entry.call, self._now)
        self._done(clerk)

    def _done(self, clerk: Clerk) -> None:
        self._last = self._now
        clerk.busy += self._now - clerk.began
        clerk.idle_since = self._now
        self._free(clerk)

    # Callers

    def _arrive(self, arrival: Arrival) -> None:
        decision = decide(
            self._policy,
            Situation(
                arrival.caller,
                arrival.approach,
                self._local(),
                partial(self._floor.standing, now=self._now),
                self._seat,
            ),
        )
        uniqueid = Uniqueid(str(arrival.number))
        entry = Entry(
            uniqueid,
            CallId(uniqueid),
            uniqueid,
            decision.queue,
            decision.priority,
            self._now,
            skills=decision.penalties,
        )
        stay = Stay(arrival, decision, decision.queue, self._now, entry)
        self._stays[uniqueid] = stay
        self._run.stays.append(stay)
        if decision.action != "queue":
            stay.state, stay.outcome, stay.left = "over", "elsewhere", self._now
            return
        self._at(self._now + arrival.patience, self._give_up, stay)
        self._join(stay)
        if decision.growth and (soon := decision.growth.next(decision.priority, 0.0)) is not None:
            self._at(self._now + soon, self._grow, stay)
        if decision.overflow:
            self._at(self._now + decision.overflow.after, self._overflow, stay)
        if decision.callback:
            self._at(self._now + decision.callback.after, self._offer_callback, stay)

    def _local(self) -> datetime:
        return self._midnight + timedelta(seconds=self._now)

    def _seat(self, name: OperatorName) -> Seat | None:
        operator = self._floor.operator(name)
        return Seat(operator.phone, operator.state == "ready") if operator else None

    def _join(self, stay: Stay) -> None:
        personal = stay.decision.personal
        if personal:
            stay.state, stay.was_away = "away", True
            self._floor.line(stay.queue).keep(stay.entry)
            clerk = self._clerks.get(OperatorName(personal.name))
            if clerk is not None and clerk.on and clerk.idle:
                self._call(stay, clerk)
                self._at(self._now + stay.arrival.ring, self._answer, stay, "personal")
                return
            phones = (personal.desk is not None) + (personal.mobile is not None)
            ring = self._traffic.personal.ring.at(stay.arrival.chance(RING))
            if ring < personal.seconds * phones and (
                stay.arrival.chance(MANAGER) < self._traffic.personal.answers
            ):
                self._at(self._now + ring, self._taken, stay)
            else:
                self._at(self._now + personal.seconds * phones, self._back, stay)
            return
        self._stand(stay)
        self._estimate(stay, self._place(stay))
        self._serve(stay.queue)

    def _estimate(self, stay: Stay, place: int) -> None:
        stay.estimated = self._floor.waits(stay.queue)[place]
        stay.holdtime = float(self._holdtimes.get(stay.queue, 0))

    def _stand(self, stay: Stay) -> None:
        """At the end of those who have as much priority, as Asterisk does it."""
        ahead = sum(
            not e.away and e.priority >= stay.entry.priority
            for e in self._floor.line(stay.queue).entries
        )
        self._floor.join(stay.entry, ahead + 1)

    def _place(self, stay: Stay) -> int:
        entries = self._floor.line(stay.queue).entries
        return next(i for i, e in enumerate(entries) if e.uniqueid == stay.entry.uniqueid)

    def _taken(self, stay: Stay) -> None:
        if stay.state == "away":
            self._end(stay, "personal")

    def _back(self, stay: Stay) -> None:
        """At the place that was kept."""
        if stay.state != "away":
            return
        stay.state = "waiting"
        place = self._floor.line(stay.queue).place(stay.entry.uniqueid)
        self._floor.join(stay.entry, place or 1)
        overflow = stay.decision.overflow
        if overflow and self._now - stay.entered >= overflow.after:
            self._overflow(stay)
        else:
            self._serve(stay.queue)

    def _grow(self, stay: Stay) -> None:
        growth = stay.decision.growth
        if stay.state == "over" or growth is None:
            return
        waited, base = self._now - stay.entered, stay.decision.priority
        waited = round(waited / growth.every) * growth.every
        if stay.state != "ringing":
            moved = self._floor.line(stay.queue).move(stay.entry.uniqueid, growth.at(base, waited))
            if moved is not None:
                stay.entry = replace(moved, away=False)
        soon = growth.next(base, waited)
        if soon is not None:
            self._at(self._now + soon, self._grow, stay)

    def _give_up(self, stay: Stay) -> None:
        if stay.promised or stay.state == "over":
            return
        clerk = stay.operator
        ringing = stay.state == "ringing"
        self._end(stay, "abandoned")
        if ringing and clerk is not None:
            self._floor.step(clerk.name, "release", stay.entry.call, self._now)
            self._done(clerk)

    def _overflow(self, stay: Stay) -> None:
        overflow = stay.decision.overflow
        if stay.state != "waiting" or overflow is None:
            return
        if overflow.kind != "queue":
            self._end(stay, "overflowed")
            return
        self._floor.leave(stay.queue, stay.entry.uniqueid, "moved", self._now)
        stay.queue, stay.was_away = QueueName(overflow.to), True
        stay.entry = replace(stay.entry, queue=stay.queue, skills=None)
        self._stand(stay)
        self._serve(stay.queue)

    def _offer_callback(self, stay: Stay) -> None:
        """Who accepts goes, and the place stays."""
        offer = stay.decision.callback
        accepts = stay.arrival.chance(CALLBACK) < self._traffic.callback.accepts
        open_now = (
            offer is None
            or offer.hours is None
            or (During("time", offer.hours).holds(clock(self._local())))
        )
        if stay.state == "waiting" and accepts and open_now:
            place = self._floor.line(stay.queue).place(stay.entry.uniqueid)
            self._floor.join(replace(stay.entry, away=True), place or 1)
            stay.state, stay.promised, stay.was_away = "callback", True, True

    def _end(self, stay: Stay, outcome: Outcome) -> Entry | None:
        """The call leaves the line."""
        if stay.outcome is not None:
            raise AssertionError(f"call {stay.arrival.number} ends twice")
        stay.state, stay.outcome, stay.left = "over", outcome, self._now
        how = IN_QUEUE.get(outcome, "moved")
        return self._floor.leave(stay.queue, stay.entry.uniqueid, how, self._now)


def _choose(ready: list[Clerk], queue: QueueName, allowed: Penalties | None) -> Clerk | None:
    """The member who is nearest to the caller's matter, and among those the one who took a call
    least recently; None where the caller may have none of them."""
    best: tuple[int, float] | None = None
    found = None
    for clerk in ready:
        penalty = clerk.queues[queue]
        if allowed is not None:
            if not allowed.allow(penalty):
                continue
            penalty = allowed.counted(penalty)
        rank = (penalty, clerk.idle_since)
        if best is None or rank < best:
            best, found = rank, clerk
    return found
