"""The priorities of those who wait, kept as they are due: by rule, by the length of the wait, by a
change of the customer, by hand. Pure.

What is due is worked out again when it may have changed, and asked of the PBX only where Asterisk's
own differs. One request a queue is under way at a time; it comes back with the whole order, which
is believed. So no caller is moved twice at once, and equals are moved in the order of their waits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cordboard.desk.commands import Command, Move, Remark, Reorder, Requeue, Tell
from cordboard.desk.facts import ActionAsked, ByHand, Rank, Reordered, Requeued
from cordboard.desk.links import Links
from cordboard.desk.model import Call
from cordboard.desk.moves import Asked, Departure, Request, Turn, Where, aim_by_hand, moved
from cordboard.desk.pacing import Pace
from cordboard.desk.refusals import refusal
from cordboard.events import CallId, PbxName, QueueName, Uniqueid
from cordboard.queue.claims import Claim, Place, aim, steps
from cordboard.queue.decisions import Decision, Reason
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry, Outcome

BY_HAND_AT_MOST = 100
"""Moves that one place by hand may take, among many who have the same priority."""

_LEFT: dict[Outcome, str] = {
    "connected": refusal("caller-answered"),
    "abandoned": refusal("caller-hung-up"),
}


class Priorities:
    """The turns of all who wait. Each step returns what is to be asked, kept and told."""

    def __init__(self, floor: Floor, links: Links) -> None:
        self._floor = floor
        self._links = links
        self._turns: dict[Uniqueid, Turn] = {}
        self._paces: dict[Where, Pace] = {}
        self._late: dict[Uniqueid, Asked] = {}
        self._hands: dict[CallId, ByHand] = {}
        self._departures: dict[CallId, Departure] = {}
        self._unable: tuple[PbxName, ...] = ()

    def __len__(self) -> int:
        return len(self._turns) + len(self._departures)

    def remember(self, hands: Mapping[str, ByHand]) -> None:
        """From before the start: what was done by hand for those who waited."""
        self._hands = {CallId(call): hand for call, hand in hands.items()}

    def linked(self, pbx: PbxName) -> None:
        """It may be another release by now."""
        if pbx in self._unable:
            self._unable = tuple(other for other in self._unable if other != pbx)
            for turn in self._turns.values():
                self._pace(turn.where).look(0.0)

    def reasons(self, entry: Entry) -> tuple[Reason, ...]:
        """Why he stands where he stands, beside the reasons of his route."""
        turn = self._turns.get(entry.uniqueid)
        if turn is None:
            return ()
        seconds = turn.own.raised(entry.priority)
        raised = () if seconds is None else (_raised(seconds, entry.priority),)
        return (*raised, *turn.told().why)

    def standing(self, entry: Entry) -> dict[str, Any]:
        """Where a caller stands, for the audit and the timeline."""
        place = self._floor.line(entry.queue).place(entry.uniqueid)
        return {"queue": entry.queue, "priority": entry.priority, "place": place}

    # Coming and going

    def joined(
        self, entry: Entry, call: Call, now: float, since: float | None = None
    ) -> list[Command]:
        """A caller stands in a queue, with Asterisk's priority as far as it is known: one whom the
        dialplan sent another way may have one of the dialplan's own, so Asterisk is asked. `since`:
        he had waited already, while his place was kept."""
        own = self._own(entry, call, entry.entered if since is None else since, now)
        own = self._before(entry, own, now)
        hand = self._hands.get(call.id)
        known = hand is not None and hand.queue == entry.queue
        turn = Turn(entry.id, (call.pbx, entry.queue), own, hand if known else None)
        if hand is not None and known:
            turn = replace(turn, why=(hand.why,))
        departure = self._departures.pop(call.id, None)
        out: list[Command] = []
        if departure is not None:
            turn = replace(turn, why=departure.reasons)
            arrived = self.standing(entry)
            verified = entry.queue == departure.to
            call = replace(call, queue=entry.queue)
            out = [moved(call, now, departure.stood, arrived, departure.reasons, verified)]
        self._turns[entry.uniqueid] = turn
        claim, pace = turn.claim(now), self._pace(turn.where)
        pace.look(now if claim.at(now) != entry.priority else claim.next(now))
        if call.befell:
            pace.unsure = True
            pace.at_once(now)
        return out

    def kept(self, entry: Entry, call: Call, now: float) -> None:
        """A place is kept for a caller, and grows as if he stood there."""
        own = self._own(entry, call, entry.entered, now)
        self._turns[entry.uniqueid] = Turn(entry.id, (call.pbx, entry.queue), own)
        self._pace((call.pbx, entry.queue)).look(own.next(now))

    def seen(self, entry: Entry, priority: int, now: float) -> None:
        """Asterisk has another priority for this caller than we thought. More of it was given by
        the dialplan, or by a person at the PBX, and stays his; of less he gets his own."""
        turn = self._turns.get(entry.uniqueid)
        if turn is None or priority == entry.priority:
            return
        if priority > entry.priority and not (turn.hand and turn.hand.less):
            own = _floored(turn.own, priority, now)
            self._turns[entry.uniqueid] = replace(turn, own=own)
        self._pace(turn.where).look(now)

    def left(self, entry: Entry, outcome: Outcome) -> list[Command]:
        """Whoever wanted him moved is told what was quicker."""
        turn = self._turns.pop(entry.uniqueid, None)
        if turn is None:
            return []
        if outcome != "moved":
            self._departures.pop(entry.call, None)
        self._hands.pop(entry.call, None)
        late = [self._late.pop(entry.uniqueid)] if entry.uniqueid in self._late else []
        late += self._pace(turn.where).forget(entry.uniqueid)
        text = _LEFT.get(outcome, refusal("caller-left"))
        return [one.answer(text) for one in late]

    def over(self, call: Call) -> None:
        """The call has ended, or is part of another."""
        self._departures.pop(call.id, None)
        self._turns.pop(call.uniqueid, None)
        self._late.pop(call.uniqueid, None)
        self._hands.pop(call.id, None)

    def _own(self, entry: Entry, call: Call, since: float, now: float) -> Claim:
        if call.decision is None:
            return Claim(entry.priority, since)
        return _floored(Claim.of(call.decision, since), entry.priority, now)

    def _before(self, entry: Entry, own: Claim, now: float) -> Claim:
        """Where he was put before some of his own rule, at his old place, he counts as one who has
        waited longer than they."""
        entries = self._floor.line(entry.queue).entries
        index = next(n for n, one in enumerate(entries) if one.uniqueid == entry.uniqueid)
        turns = (self._turns.get(one.uniqueid) for one in entries[index + 1 :])
        claims = [turn.claim(now) for turn in turns if turn is not None]
        behind = [claim.beside(-1).since for claim in claims if claim.rule == own.rule]
        return replace(own, since=min([own.since, *behind]))

    # What changes a claim

    def decided(self, entry: Entry, decision: Decision, now: float, *news: Reason) -> None:
        """What the policy says of a caller by now, or again after a restart of ours (no `news`),
        when Asterisk's priority is not to become less for it."""
        turn = self._turns.get(entry.uniqueid)
        if turn is None:
            return
        own = replace(Claim.of(decision, turn.own.since), floor=turn.own.floor)
        if not news:
            own = _floored(own, entry.priority, now)
        self._turns[entry.uniqueid] = replace(turn, own=own, news=(*turn.news, *news))
        self._pace(turn.where).at_once(now)

    def noted(self, entry: Entry, reason: Reason) -> None:
        """Something to be said of his place that does not change it."""
        turn = self._turns.get(entry.uniqueid)
        if turn is not None:
            self._turns[entry.uniqueid] = replace(turn, news=(reason,)).told()

    def asked(self, action: ActionAsked, entry: Entry, now: float) -> list[Command]:
        """Somebody wants him moved by hand. The outcome is told when the PBX has confirmed it."""
        turn = self._turns.get(entry.uniqueid)
        if turn is None or turn.to is not None or entry.away:
            return [Tell(action.id, action.actor, refusal("caller-on-the-way"))]
        pace = self._pace(turn.where)
        pace.asked = (*pace.asked, Asked(action, entry.uniqueid))
        pace.at_once(now)
        return []

    def requeue(self, entry: Entry, call: Call, to: QueueName, *news: Reason) -> list[Command]:
        """He belongs into another queue."""
        turn = self._turns.get(entry.uniqueid)
        if turn is None or turn.to is not None or call.decision is None:
            return []
        turn = replace(turn, to=to, news=(*turn.news, *news))
        self._turns[entry.uniqueid] = turn
        stood = self.standing(entry)
        self._departures[call.id] = Departure(entry.uniqueid, to, stood, turn.news)
        due = call.decision
        place = (call.pbx, call.channel, entry.uniqueid, entry.queue)
        return [Requeue(*place, to, due.priority, due.penalties)]

    def requeued(self, fact: Requeued, now: float) -> list[Command]:
        """Only what failed is worth a word: who is on his way shows by joining there."""
        turn = self._turns.get(fact.uniqueid)
        if fact.error is None or turn is None or turn.to is None:
            return []
        self._turns[fact.uniqueid] = replace(turn, to=None).told()
        self._departures = {
            call: going
            for call, going in self._departures.items()
            if going.uniqueid != fact.uniqueid
        }
        self._pace(turn.where).at_once(now)
        return [Remark(f"{fact.queue}: a caller could not be taken to {fact.to}: {fact.error}")]

    # What is asked of the PBX

    def step(self, calls: Mapping[CallId, Call], now: float) -> list[Command]:
        """What is due now."""
        out: list[Command] = []
        for where, pace in self._paces.items():
            if pace.is_due(now):
                out += self._step(where, pace, calls, now)
        return out

    def _step(
        self, where: Where, pace: Pace, calls: Mapping[CallId, Call], now: float
    ) -> list[Command]:
        pbx, _ = where
        fault = None
        if pbx in self._unable:
            pace.wake = math.inf
            fault = refusal("moves-unknown")
        elif pbx not in self._links.up():
            fault = refusal("no-link")
        if fault is not None:
            asked, pace.asked = pace.asked, ()
            return [one.answer(fault) for one in asked]
        out: list[Command] = []
        while pace.asked and pace.request is None:
            first, *rest = pace.asked
            pace.asked = tuple(rest)
            out += self._by_hand(where, first, calls, now)
        if pace.request is not None or now < pace.not_before:
            return out
        line = self._line(where, calls)
        claims = self._claims(line, now)
        due = steps(line, aim(line, claims, now))
        pace.wake = min((claim.next(now) for claim in claims.values()), default=math.inf)
        if not due and not pace.unsure:
            return out
        most = pace.begin(len(line), now)
        if len(due) > most:
            pace.wake = now
        return out + self._request(where, line, due[:most])

    def _by_hand(
        self, where: Where, one: Asked, calls: Mapping[CallId, Call], now: float
    ) -> list[Command]:
        line = self._line(where, calls)
        if one.uniqueid not in dict(line):
            return [one.answer(refusal("caller-left"))]
        turn = self._turns[one.uniqueid]
        wanted = aim_by_hand(one, turn, line, self._claims(line, now), now)
        if isinstance(wanted, str):
            return [one.answer(wanted)]
        due = steps(line, wanted.line)
        if len(due) > BY_HAND_AT_MOST:
            fault = refusal("too-many-alike")
            return [one.answer(fault)]
        args = {"operator": one.action.actor, "reason": one.action.reason}
        hand = ByHand(where[1], wanted.claim, wanted.less, Reason("moved-by-hand", args))
        if not due:
            self._turns[one.uniqueid] = turn.handed(hand)
            return [one.answer(None)]
        return self._request(where, line, due, replace(one, hand=hand))

    def _request(
        self, where: Where, line: list[Place], due: list[Place], asked: Asked | None = None
    ) -> list[Command]:
        """The moves of those whom Asterisk has. A place that is kept moves with them, in ours."""
        was, ours, pace = dict(line), self._floor.line(where[1]), self._pace(where)
        moves = tuple(Move(uniqueid, was[uniqueid], priority) for uniqueid, priority in due)
        here = tuple(m for m in moves if not ((e := ours.find(m.uniqueid)) and e.away))
        if not here and not pace.unsure:
            for move in moves:
                ours.move(move.uniqueid, move.priority)
            self._floor.touch(where[1])
            if asked is None or asked.hand is None:
                return []
            self._turns[asked.uniqueid] = self._turns[asked.uniqueid].handed(asked.hand)
            return [asked.answer(None)]
        pace.unsure = False
        pace.request = Request(moves, tuple(was), asked)
        return [Reorder(*where, here)]

    # What came of it

    def reordered(self, fact: Reordered, calls: Mapping[CallId, Call], now: float) -> list[Command]:
        """Asterisk's order is ours from now on. That it is another than we expected is a surprise,
        unless somebody has joined meanwhile."""
        where = (fact.pbx, fact.queue)
        pace = self._pace(where)
        request, pace.request = pace.request, None
        if request is None:
            return []
        if fact.error is not None:
            pace.failed(now)
            return self._failed(fact, request)
        out, line = list[Command](), self._floor.line(fact.queue)
        refused = dict(fact.refused)
        before = {seat.uniqueid: seat for seat in fact.before}
        for told in fact.before:
            entry = line.find(told.uniqueid)
            if entry is not None:
                self.seen(entry, told.priority, now)
        made = [move for move in request.moves if move.uniqueid not in refused]
        for move in made:
            line.move(move.uniqueid, move.priority)
        kept = {entry.uniqueid for entry in line.entries if entry.away}
        made = [move for move in made if move.uniqueid not in kept]
        after = {seat.uniqueid: seat for seat in fact.after}
        ours = [e.uniqueid for e in line.entries if e.uniqueid in after]
        theirs = [told.uniqueid for told in fact.after if line.find(told.uniqueid)]
        quiet = {*after, *(e.uniqueid for e in line.entries)} <= set(request.line)
        if ours != theirs and quiet and not refused:
            out.append(Remark(f"{fact.queue}: Asterisk's order is another than its moves make it"))
        line.adopt([(told.uniqueid, told.priority) for told in fact.after])
        self._floor.touch(fact.queue)
        worked = not request.moves or bool(refused.keys() - before.keys())
        for move in made:
            seat, entry = after.get(move.uniqueid), line.find(move.uniqueid)
            worked = worked or seat is None or seat.priority == move.priority
            if entry is None or entry.call not in calls or move.priority == move.was:
                continue
            if request.asked is None or request.asked.uniqueid != move.uniqueid:
                said, stands = _said(before[move.uniqueid]), _said(seat) if seat else {}
                verified = seat is not None and seat.priority == move.priority
                reasons = self._reasons(move, now)
                out.append(moved(calls[entry.call], now, said, stands, reasons, verified))
        if request.asked is not None:
            out += self._handed(request.asked, fact, calls, now, ours == theirs)
        if pace.answered(worked, now):
            out.append(Remark(f"{fact.queue}: the PBX does not move callers as it is asked to"))
        elif refused.keys() & before.keys():  # what we thought was wrong, and is right now
            pace.not_before = 0.0
        pace.look(now)
        return out + self.step(calls, now)

    def _failed(self, fact: Reordered, request: Request) -> list[Command]:
        assert fact.error is not None
        out: list[Command] = []
        if request.asked is not None:
            out.append(request.asked.answer(fact.error))
        if fact.unable and fact.pbx not in self._unable:
            self._unable = (*self._unable, fact.pbx)
            out.append(Remark(f"{fact.pbx}: {fact.error}"))
        return out

    def _handed(
        self,
        asked: Asked,
        fact: Reordered,
        calls: Mapping[CallId, Call],
        now: float,
        verified: bool,
    ) -> list[Command]:
        """Whoever asked is told. Where the caller has left, that is about to be seen: then too."""
        turn = self._turns.get(asked.uniqueid)
        entry = self._floor.line(fact.queue).find(asked.uniqueid)
        if turn is None or entry is None or asked.hand is None:
            return []
        seats = {seat.uniqueid: seat for seat in fact.after}
        if asked.uniqueid not in seats:
            self._late[asked.uniqueid] = asked
            return []
        if (obstacle := dict(fact.refused).get(asked.uniqueid)) is not None:
            return [asked.answer(refusal("caller-not-moved", said=obstacle))]
        self._turns[asked.uniqueid] = turn.handed(asked.hand)
        out: list[Command] = [asked.answer(None)]
        if (call := calls.get(entry.call)) is not None:
            stood = next((_said(s) for s in fact.before if s.uniqueid == asked.uniqueid), {})
            stands, why = _said(seats[asked.uniqueid]), (asked.hand.why,)
            out.insert(0, moved(call, now, stood, stands, why, verified, asked.hand))
        return out

    def _reasons(self, move: Move, now: float) -> tuple[Reason, ...]:
        """Why this move was made; its news are told by it."""
        turn = self._turns.get(move.uniqueid)
        if turn is None:
            return ()
        if turn.news:
            self._turns[move.uniqueid] = turn.told()
            return turn.news
        claim = turn.claim(now)
        seconds = claim.raised(move.priority)
        if seconds is not None:
            return (_raised(seconds, move.priority),)
        return (Reason("rule", {"rule": claim.rule or ""}),)

    # Inside

    def _pace(self, where: Where) -> Pace:
        """That of this queue, made at first sight."""
        return self._paces.setdefault(where, Pace())

    def _line(self, where: Where, calls: Mapping[CallId, Call]) -> list[Place]:
        """Asterisk's order as far as we know it, with the places that are kept."""
        pbx, queue = where
        return [
            (entry.uniqueid, entry.priority)
            for entry in self._floor.line(queue).entries
            if entry.call in calls and calls[entry.call].pbx == pbx
        ]

    def _claims(self, line: list[Place], now: float) -> dict[Uniqueid, Claim]:
        """Of those who are not on their way to elsewhere."""
        turns = ((uniqueid, self._turns.get(uniqueid)) for uniqueid, _ in line)
        return {u: turn.claim(now) for u, turn in turns if turn is not None and turn.to is None}


def _floored(claim: Claim, priority: int, now: float) -> Claim:
    """The claim, but for no less than Asterisk gives already."""
    return claim if priority <= claim.at(now) else replace(claim, floor=priority)


def _raised(seconds: int, priority: int) -> Reason:
    return Reason("raised", {"seconds": str(seconds), "priority": str(priority)})


def _said(rank: Rank) -> dict[str, Any]:
    return {"priority": rank.priority, "place": rank.position}
