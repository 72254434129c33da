"""The people of lists whom operators have: called by one key, followed by what their telephones
tell, let go with a result. Pure.

Whom an operator has stands in the store, which gives nobody to two (`crm_core.respondents`); from
then on this writes the row. The call to a person is named after the person and how many there were
before, so that the PBX makes it once, and it is found again after a restart.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cordboard.crm_core.model import AttemptRecord, RefusalRecord, Respondent, WrapUp
from cordboard.crm_core.respondent_states import HELD, UNWRITTEN, Step, after, can
from cordboard.cti import facts as cti
from cordboard.desk.book import Book
from cordboard.desk.commands import Command, EndRespondent, Originate, Save, ShowRespondent, Tell
from cordboard.desk.facts import (
    ActionAsked,
    ActionDone,
    AnyFact,
    CustomerChanged,
    PolicyChanged,
    Remembered,
    RespondentTaken,
    Tick,
)
from cordboard.desk.model import Holding, Rules
from cordboard.desk.outgoing import Outgoing
from cordboard.desk.refusals import refusal
from cordboard.desk.wrapups import WrapUps
from cordboard.events import CallId, Linkedid, OperatorName, derived_id

RESPONDENT_CHANNEL = "cordboard-respondent-"
"""How the Uniqueids of their channels begin."""

HELD_FOR = 900.0
"""Seconds. Whoever takes a person and does not call goes on without."""
WRITTEN_WITHIN = 1800.0
"""Seconds from the end of a talk to its result; without one it is over all the same."""

_STEPS: dict[str, Step] = {"dial": "dial", "release": "release"}

_IN_VAIN: dict[cti.Cause, Step] = {
    "no-answer": "no-answer",
    "busy": "busy",
    "rejected": "busy",
    "failed": "no-answer",
}
"""How a call ended that the person did not take. With any other cause he was not called, or it is
not known: the operator put the phone down, or the PBX went away."""


class Respondents:
    """Who has whom."""

    def __init__(self, book: Book, outgoing: Outgoing, wrapups: WrapUps, rules: Rules) -> None:
        self._book = book
        self._outgoing = outgoing
        self._wrapups = wrapups
        self._policy = rules.policy
        self._zone = rules.zone
        self._has: dict[OperatorName, Holding] = {}
        self._had: dict[OperatorName, tuple[str, float | None]] = {}
        self._unseen: set[OperatorName] = set()

    def hear(self, fact: AnyFact, now: float) -> list[Command]:
        """What follows of a fact, after everything else that follows of it."""
        match fact:
            case RespondentTaken():
                return self._taken(fact, now)
            case Remembered(respondents=held):
                self._unseen = {one.operator for one in held}
                return [command for one in held for command in self._taken(one, now)]
            case PolicyChanged(policy=policy):
                self._policy = policy
            case CustomerChanged(card=card):
                known = [h for h in self._all if h.respondent.customer_id == card.customer.id]
                return [c for h in known for c in self._show(replace(h, card=card))]
            case ActionAsked(kind="operator", action="logout", target=target):
                holding = self._has.get(OperatorName(target))
                if holding is not None and holding.respondent.state == "taken":
                    return self._go_on(holding, "release", now)
            case _ if self._has:
                return self._follow(fact, now)
        return []

    def asked(self, fact: ActionAsked, now: float) -> list[Command]:
        """What an operator does with the person whom he has."""
        holding = self._has.get(fact.actor)
        if holding is None or holding.respondent.id != fact.target:
            return [Tell(fact.id, fact.actor, refusal("respondent-gone"))]
        step: Step = fact.args["result"] if fact.action == "result" else _STEPS[fact.action]
        state = holding.respondent.state
        if fact.action == "dial" and state in ("dialled", "talking"):
            return [Tell(fact.id, fact.actor, None)]  # the key was pressed twice
        if not can(holding.respondent, step):
            return [Tell(fact.id, fact.actor, refusal("respondent-state", state=state))]
        if fact.action == "dial":
            return self._dial(holding, fact, now)
        if fact.action == "result":
            return [*self._end(holding, fact, now), Tell(fact.id, fact.actor, None)]
        return [*self._go_on(holding, step, now), Tell(fact.id, fact.actor, None)]

    # By the operator

    def _taken(self, fact: RespondentTaken, now: float) -> list[Command]:
        name, given = fact.operator, fact.respondent
        has = self._has.get(name)
        is_late = self._had.get(name) == (given.id, given.taken_at)
        if is_late or (has is not None and has.respondent.id == given.id):
            return []
        return self._show(Holding(name, given, fact.whose, fact.card, now, fact.attempt))

    def _dial(self, holding: Holding, fact: ActionAsked, now: float) -> list[Command]:
        if (fault := self._off_hours(holding.whose.hours, now)) is not None:
            return [Tell(fact.id, fact.actor, fault)]
        then = after(holding.respondent, "dial", holding.whose, now)
        args = {"number": then.number}
        call = replace(fact, kind="operator", target=fact.actor, action="call", args=args)
        placed = self._outgoing.place(call, now, channel_of(then))
        made = placed[0]
        if not isinstance(made, Originate):
            return placed
        identity = derived_id(int(now * 1000), then.id, str(then.dials))
        attempt = AttemptRecord(identity, then.id, then.dials, fact.actor, made.pbx, now)
        return [*self._becomes(holding, then, attempt, now), *placed]

    def _off_hours(self, hours: str | None, now: float) -> str | None:
        if hours is None:
            return None
        calendar = self._policy.calendar.get(hours)
        if calendar is None:
            return refusal("respondent-no-hours", hours=hours)
        local = datetime.fromtimestamp(now, self._zone)
        return None if calendar.at(local).open else refusal("respondent-hours")

    def _end(self, holding: Holding, fact: ActionAsked, now: float) -> list[Command]:
        """What came of the person, as the operator says."""
        result, args, before = fact.args["result"], fact.args, holding.respondent
        due_for = fact.actor if args.get("mine") else None
        then = after(before, result, holding.whose, now, due_at=args.get("at"), due_for=due_for)
        then = replace(then, note=args.get("note") or "", run_id=args.get("run") or before.run_id)
        attempt = holding.attempt
        if attempt is not None and attempt.result is None:
            ended = now if attempt.ended_at is None else attempt.ended_at
            attempt = replace(attempt, ended_at=ended, result=result)
        more: list[Command] = []
        if result == "refused" and args.get("never"):
            identity = derived_id(int(now * 1000), "refusal", then.id)
            refused = RefusalRecord(identity, then.customer_id, then.number, None, now)
            more.append(Save(refused))
        if then.note and attempt is not None and attempt.call_id is not None:
            about = (attempt.call_id, fact.actor, then.customer_id)
            more.append(Save(WrapUp(*about, then.note, None, now, first=True)))
        if before.state == "talked":
            self._wrapups.end(fact.actor, saved=True)
        return [*more, *self._becomes(holding, then, attempt, now)]

    # By the telephones

    def _follow(self, fact: AnyFact, now: float) -> list[Command]:
        match fact:
            case cti.Offered(linkedid=linkedid, call=call):
                found = [h for h in self._all if channel_of(h.respondent) == linkedid]
                return [c for h in found for c in self._call_is(h, call)]
            case cti.Merged(call=part, into=whole):
                return [c for h in self._of(part) for c in self._call_is(h, whole)]
            case cti.Established(call=call):
                talking = self._book.get(call)
                if talking is not None and talking.state == "talking":
                    return [c for h in self._of(call) for c in self._answered(h, now)]
            case cti.Cleared(call=call, cause=cause):
                return [c for h in self._of(call) for c in self._cleared(h, cause, now)]
            case cti.SnapshotDone(pbx=pbx) if "CoreShowChannels" not in fact.refused:
                self._unseen -= {
                    h.operator for h in self._all if h.attempt is None or h.attempt.pbx == pbx
                }
                return [c for h in self._all for c in self._missing(h, now)]
            case cti.Originated() | ActionDone():
                return [c for h in self._all for c in self._missing(h, now)]
            case Tick():
                return [c for h in self._all for c in self._grows_old(h, now)]
        return []

    def _call_is(self, holding: Holding, call: CallId) -> list[Command]:
        if holding.attempt is None:
            return []
        attempt = replace(holding.attempt, call_id=call)
        return [Save(attempt), *self._show(replace(holding, attempt=attempt))]

    def _answered(self, holding: Holding, now: float) -> list[Command]:
        if holding.attempt is None or not can(holding.respondent, "answer"):
            return []
        attempt = replace(holding.attempt, answered_at=now)
        return self._go_on(holding, "answer", now, attempt)

    def _cleared(self, holding: Holding, cause: cti.Cause, now: float) -> list[Command]:
        if holding.attempt is None:
            return []
        attempt = replace(holding.attempt, ended_at=now)
        if holding.respondent.state == "talking":
            return self._go_on(holding, "hang-up", now, attempt)
        if holding.respondent.state != "dialled":
            return []
        step = _IN_VAIN.get(cause, "unplaced")
        attempt = replace(attempt, result=cause if step != "unplaced" else step)
        self._wrapups.end(holding.operator, saved=True)  # there is nothing to write
        return self._go_on(holding, step, now, attempt)

    def _missing(self, holding: Holding, now: float) -> list[Command]:
        """The call that is to be there is not: it was not made, or ended unseen."""
        attempt, state = holding.attempt, holding.respondent.state
        if state not in ("dialled", "talking") or holding.operator in self._unseen:
            return []
        live = attempt is not None and attempt.call_id in self._book.calls
        if live or self._outgoing.of(channel_of(holding.respondent)) is not None:
            return []
        result = None if state == "talking" else "unplaced"
        if attempt is not None:
            attempt = replace(attempt, ended_at=now, result=result)
        step: Step = "hang-up" if state == "talking" else "unplaced"
        return self._go_on(holding, step, now, attempt)

    def _grows_old(self, holding: Holding, now: float) -> list[Command]:
        age, state = now - holding.since, holding.respondent.state
        if state == "taken" and age > HELD_FOR:
            return self._go_on(holding, "release", now)
        if state == "talked" and age > WRITTEN_WITHIN:
            then = after(holding.respondent, "done", holding.whose, now, result=UNWRITTEN)
            attempt = holding.attempt and replace(holding.attempt, result=UNWRITTEN)
            return self._becomes(holding, then, attempt, now)
        return self._missing(holding, now)

    # Inside

    @property
    def _all(self) -> list[Holding]:
        return list(self._has.values())

    def _of(self, call: CallId) -> list[Holding]:
        return [h for h in self._all if h.attempt is not None and h.attempt.call_id == call]

    def _go_on(
        self, holding: Holding, step: Step, now: float, attempt: AttemptRecord | None = None
    ) -> list[Command]:
        then = after(holding.respondent, step, holding.whose, now)
        return self._becomes(holding, then, attempt or holding.attempt, now)

    def _becomes(
        self, holding: Holding, then: Respondent, attempt: AttemptRecord | None, now: float
    ) -> list[Command]:
        """Kept, and shown."""
        out: list[Command] = [Save(then)]
        if attempt is not None and attempt != holding.attempt:
            out.append(Save(attempt))
        if then.state in HELD:
            return out + self._show(replace(holding, respondent=then, attempt=attempt, since=now))
        del self._has[holding.operator]
        self._had[holding.operator] = (then.id, holding.respondent.taken_at)
        return [*out, EndRespondent(holding.operator, then)]

    def _show(self, holding: Holding) -> list[Command]:
        self._has[holding.operator] = holding
        return [ShowRespondent(holding)]


def channel_of(respondent: Respondent) -> Linkedid:
    """The name of the channel of the last call to this person: the operator's leg, and the call's
    Linkedid."""
    return Linkedid(f"{RESPONDENT_CHANNEL}{respondent.id}-{respondent.dials}")
