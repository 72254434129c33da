"""Who has a right to which place in a line, and by which steps Asterisk's order becomes that one.
Pure.

Asterisk knows one step: a caller is given a priority (`QueueChangePriorityCaller`, Immediate), also
the one he has, and then stands behind all who have as much. Everything here is made of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cordboard.events import Uniqueid
from cordboard.queue.decisions import Decision, Growth

Place = tuple[Uniqueid, int]
"""A caller and a priority."""

NEXT_TO = 1e-6
"""Seconds by which somebody has waited longer, or less, than the one whose claim he takes over: of
a time of day in seconds, a double tells no less apart."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a caller's place is worked out from: the priority `base`, more of it by `growth` as the
    wait grows that began at `since`, and never less than `floor`. Those of one `rule` who have the
    same priority stand in the order of their waits."""

    base: int
    since: float
    rule: str | None = None
    growth: Growth | None = None
    floor: int | None = None

    @classmethod
    def of(cls, decision: Decision, since: float) -> Claim:
        return cls(decision.priority, since, decision.rule, decision.growth)

    def at(self, now: float) -> int:
        """The priority that is due at the moment."""
        waited = max(0.0, now - self.since)
        due = self.growth.at(self.base, waited) if self.growth else self.base
        return due if self.floor is None else max(due, self.floor)

    def next(self, now: float) -> float:
        """When more is due; infinity where it has grown as far as it may."""
        after = self.growth.next(self.base, max(0.0, now - self.since)) if self.growth else None
        return math.inf if after is None else now + after

    def raised(self, priority: int) -> int | None:
        """After how many seconds of waiting `priority` was due; None where no growth gives it."""
        if self.growth is None or not self.base < priority <= max(self.base, self.growth.up_to):
            return None
        return round(-(-(priority - self.base) // self.growth.by) * self.growth.every)

    def beside(self, step: int) -> Claim:
        """The claim to stand directly ahead of (-1) or behind (1) whoever has this one, at every
        later moment too."""
        return replace(self, since=self.since + step * NEXT_TO)

    def over(self) -> Claim:
        """The claim to stand ahead of this one and of all who have as much."""
        growth = self.growth and replace(self.growth, up_to=self.growth.up_to + 1)
        floor = None if self.floor is None else self.floor + 1
        return replace(self.beside(-1), base=self.base + 1, growth=growth, floor=floor)


def aim(line: Sequence[Place], claims: Mapping[Uniqueid, Claim], now: float) -> list[Place]:
    """The order that is right now. `line` is Asterisk's. Whoever has no claim keeps what he has;
    who comes to a priority stands behind those who have it, as Asterisk does it, but before those
    of his own rule who have waited less."""
    levels: dict[int, list[Uniqueid]] = {}
    coming: list[tuple[float, Uniqueid, int]] = []
    for uniqueid, priority in line:
        claim = claims.get(uniqueid)
        due = priority if claim is None else claim.at(now)
        if claim is None or due == priority:
            levels.setdefault(due, []).append(uniqueid)
        else:
            coming.append((claim.since, uniqueid, due))
    for _, uniqueid, due in sorted(coming):
        levels.setdefault(due, []).append(uniqueid)
    return [
        (uniqueid, due)
        for due in sorted(levels, reverse=True)
        for uniqueid in _by_wait(levels[due], claims)
    ]


def _by_wait(level: Sequence[Uniqueid], claims: Mapping[Uniqueid, Claim]) -> list[Uniqueid]:
    """Those of one priority, with no one behind somebody of his own rule who has waited less."""
    ordered: list[Uniqueid] = []
    latest: dict[str | None, float] = {}
    for uniqueid in level:
        claim = claims.get(uniqueid)
        if claim is None:
            ordered.append(uniqueid)
            continue
        if claim.since >= latest.get(claim.rule, -math.inf):
            latest[claim.rule] = claim.since
            ordered.append(uniqueid)
            continue
        index = next(
            index
            for index, other in enumerate(ordered)
            if (theirs := claims.get(other)) is not None
            and theirs.rule == claim.rule
            and theirs.since > claim.since
        )
        ordered.insert(index, uniqueid)
    return ordered


def steps(line: Sequence[Place], aimed: Sequence[Place]) -> list[Place]:
    """What to ask of Asterisk, in this order, so that `line` becomes `aimed`, which has the same
    callers, the most important first. Of each priority as many stay untouched as stand right at
    its head; the others are sent behind them one by one."""
    was = {uniqueid: (index, priority) for index, (uniqueid, priority) in enumerate(line)}
    found: list[Place] = []
    level: int | None = None
    behind, stays = -1, True
    for uniqueid, priority in aimed:
        if priority != level:
            level, behind, stays = priority, -1, True
        index, had = was[uniqueid]
        stays = stays and had == priority and index > behind
        if stays:
            behind = index
        else:
            found.append((uniqueid, priority))
    return found
