"""Calls placed from the desk: the operator's phone rings, then the number is dialled. Pure.

An attempt is made once. Its `channel` is the name that we give the operator's leg beforehand, so
that the PBX refuses to make it twice, and so that it can be asked for when the answer was lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from cordboard.cti.facts import Originated
from cordboard.desk.arrivals import Arrivals
from cordboard.desk.commands import Command, Originate, Tell
from cordboard.desk.facts import ActionAsked, ActionDone
from cordboard.desk.links import Links
from cordboard.desk.refusals import refusal
from cordboard.events import Linkedid, OperatorName, PbxName
from cordboard.queue.floor import Floor
from cordboard.queue.operators import Operator

ANSWER_WITHIN = 60.0
"""Seconds. The phone rings for 30; without a word after this the attempt is told as failed."""

_NOT_TAKEN = refusal("phone-not-there")
_REASONS = {1: refusal("phone-unanswered"), 3: refusal("phone-unanswered")}
"""Asterisk's reasons in OriginateResponse. A PJSIP phone that is busy or declines is 0, like every
other failure."""

_ENGAGED = ("offered", "talking", "on-hold")


@dataclass(frozen=True, slots=True)
class Attempt:
    """`linkedid` is also the Uniqueid of the operator's leg."""

    id: str
    actor: OperatorName
    operator: OperatorName
    pbx: PbxName
    linkedid: Linkedid
    number: str
    at: float


class Outgoing:
    """The attempts under way."""

    def __init__(self, floor: Floor, links: Links, arrivals: Arrivals) -> None:
        self._floor = floor
        self._links = links
        self._arrivals = arrivals
        self._attempts: dict[Linkedid, Attempt] = {}
        self._told: set[Linkedid] = set()

    def place(
        self, asked: ActionAsked, now: float, linkedid: Linkedid | None = None
    ) -> list[Command]:
        """A call from the desk, by this name if one is given. Who is called is looked up while the
        operator's phone rings."""
        operator = self._floor.operator(OperatorName(asked.target))
        pbx = self._pbx(operator)
        fault = None
        if operator is None or operator.phone is None:
            fault = refusal("no-phone")
        elif operator.work in _ENGAGED or any(a.operator == operator.name for a in self._open()):
            fault = refusal("in-a-call")
        elif pbx is None:
            fault = refusal("no-link")
        if fault or operator is None or operator.phone is None or pbx is None:
            return [Tell(asked.id, asked.actor, fault)]
        linkedid = linkedid or Linkedid(f"cordboard-{asked.id}")
        number = str(asked.args["number"])
        self._attempts[linkedid] = Attempt(
            asked.id, asked.actor, operator.name, pbx, linkedid, number, now
        )
        return [
            Originate(asked.id, asked.actor, pbx, operator.phone, number, linkedid),
            *self._arrivals.heard(pbx, linkedid, number, number, now),
        ]

    def _pbx(self, operator: Operator | None) -> PbxName | None:
        """Where the operator's call is placed: on one whose queues they serve, if they serve any.
        None while it is away."""
        serves = {m.pbx for m in operator.memberships} if operator else set()
        return next((name for name in self._links.up() if name in serves or not serves), None)

    def of(self, linkedid: Linkedid) -> Attempt | None:
        return self._attempts.get(linkedid)

    def originated(self, fact: Originated) -> list[Command]:
        """What became of the operator's leg."""
        attempt = self._attempts.get(Linkedid(fact.uniqueid))
        if attempt is None:
            return []
        if fact.answered:
            return self._tell(attempt, None)
        return self._fail(attempt, _REASONS.get(fact.reason, _NOT_TAKEN))

    def answered(self, attempt: Attempt) -> list[Command]:
        """The call is there, whatever became of the PBX's answer."""
        return self._tell(attempt, None)

    def refused(self, fact: ActionDone) -> bool:
        """Forgets the attempt that the PBX would not even begin; whether it was one of ours."""
        found = [a for a in self._attempts.values() if a.id == fact.id]
        for attempt in found:
            self.over(attempt.linkedid)
        return bool(found)

    def over(self, linkedid: Linkedid) -> None:
        """The call has ended."""
        self._attempts.pop(linkedid, None)
        self._told.discard(linkedid)

    def tick(self, now: float) -> list[Command]:
        late = [a for a in self._open() if now - a.at > ANSWER_WITHIN]
        return [c for a in late for c in self._fail(a, refusal("no-word"))]

    def _open(self) -> list[Attempt]:
        return [a for a in self._attempts.values() if a.linkedid not in self._told]

    def _tell(self, attempt: Attempt, error: str | None) -> list[Command]:
        if attempt.linkedid in self._told:
            return []
        self._told.add(attempt.linkedid)
        return [Tell(attempt.id, attempt.actor, error)]

    def _fail(self, attempt: Attempt, error: str) -> list[Command]:
        told = self._tell(attempt, error)
        self.over(attempt.linkedid)
        return told
