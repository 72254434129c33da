"""Moves of callers who wait: what each has a right to, who wants him elsewhere, what is asked of
the PBX for it, and what the timeline tells of it. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cordboard.crm_core.model import FactRecord
from cordboard.desk.commands import Move, Save, Tell
from cordboard.desk.facts import ActionAsked, ByHand
from cordboard.desk.model import Call
from cordboard.desk.refusals import refusal
from cordboard.events import PbxName, QueueName, Uniqueid
from cordboard.queue.claims import Claim, Place
from cordboard.queue.decisions import Growth, Reason

MOVED = "moved"
"""The kind of a fact that tells of a place."""

Where = tuple[PbxName, QueueName]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one stay in a queue has a right to. `news` are the reasons for its latest change until
    that is made, `why` those before. `to` is the queue that the caller is on his way to."""

    stay: str
    where: Where
    own: Claim
    hand: ByHand | None = None
    news: tuple[Reason, ...] = ()
    why: tuple[Reason, ...] = ()
    to: QueueName | None = None

    def claim(self, now: float) -> Claim:
        if self.hand is None:
            return self.own
        if self.hand.less:
            return self.hand.claim
        return max(self.hand.claim, self.own, key=lambda one: (one.at(now), -one.since))

    def told(self) -> Turn:
        """The news are none any more."""
        codes = {reason.code for reason in self.news}
        kept = (reason for reason in self.why if reason.code not in codes)
        return replace(self, why=(*kept, *self.news), news=())

    def handed(self, hand: ByHand) -> Turn:
        """Somebody has moved him by hand."""
        return replace(self, hand=hand, news=(hand.why,)).told()


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants this caller moved, and would thereby get `hand` for him."""

    action: ActionAsked
    uniqueid: Uniqueid
    hand: ByHand | None = None

    def answer(self, error: str | None) -> Tell:
        return Tell(self.action.id, self.action.actor, error)


@dataclass(frozen=True, slots=True)
class Request:
    """A `Reorder` under way; `line` stood there when it was made."""

    moves: tuple[Move, ...]
    line: tuple[Uniqueid, ...]
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """A caller on his way to another queue: where he stood, and why he goes."""

    uniqueid: Uniqueid
    to: QueueName
    stood: dict[str, Any]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a move by hand comes to: the claim, whether it is `less` than the caller has, and the
    whole line with him in his new place."""

    claim: Claim
    less: bool
    line: list[Place]


def aim_by_hand(
    asked: Asked, turn: Turn, line: list[Place], claims: Mapping[Uniqueid, Claim], now: float
) -> Aim | str:
    """Where the caller, who stands in `line`, is wanted; in words why he cannot go there."""
    index = [uniqueid for uniqueid, _ in line].index(asked.uniqueid)
    to, number = asked.action.args.get("to"), asked.action.args.get("priority")
    rest = [place for place in line if place[0] != asked.uniqueid]
    present = turn.claim(now)
    less = False
    if to in ("head", "up"):
        if index == 0:
            return refusal("caller-first")
        place = 0 if to == "head" else index - 1
        other, priority = line[place]
        claim = claims.get(other, Claim(priority, present.since))
        claim = claim.over() if to == "head" else claim.beside(-1)
        priority += to == "head"
    elif to == "down":
        if index == len(rest):
            return refusal("caller-last")
        place = index + 1
        other, priority = line[place]
        claim, less = claims.get(other, Claim(priority, present.since)).beside(1), True
    else:
        priority = int(number or 0)
        place = sum(had >= priority for _, had in rest)
        place = index if priority == line[index][1] else place
        claim = Claim(priority, turn.own.since, turn.own.rule)
        less = priority < present.at(now)
    return Aim(claim, less, [*rest[:place], (asked.uniqueid, priority), *rest[place:]])


def moved(
    call: Call,
    now: float,
    stood: dict[str, Any],
    stands: dict[str, Any],
    reasons: tuple[Reason, ...],
    verified: bool,
    hand: ByHand | None = None,
) -> Save:
    """For the call's timeline: from where to where, why, and whether the PBX has confirmed it."""
    data: dict[str, Any] = {
        "queue": call.queue,
        "from": stood,
        "to": stands,
        "reasons": [{"code": reason.code, "args": reason.args} for reason in reasons],
        "verified": verified,
    }
    if hand is not None:
        data["hand"] = asdict(hand)
    return Save(FactRecord(call.id, now, MOVED, json.dumps(data, ensure_ascii=False)))


def by_hand(data: Mapping[str, Any]) -> ByHand | None:
    """What a supervisor made of a place, as a fact of the kind `MOVED` tells it."""
    said = data.get("hand")
    if not isinstance(said, dict):
        return None
    claim = said["claim"]
    growth = Growth(**claim["growth"]) if claim["growth"] else None
    return ByHand(
        QueueName(said["queue"]),
        Claim(**{**claim, "growth": growth}),
        said["less"],
        Reason(**said["why"]),
    )
