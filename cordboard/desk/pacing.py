"""When the PBX is asked to reorder a queue, and for how much at a time. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cordboard.desk.moves import Asked, Request
from cordboard.events import Uniqueid

AT_ONCE = 50
"""Moves in one request, and so a second and queue; of more, the most important first."""

PAUSE, LISTED_A_SECOND = 1.0, 500
"""Seconds between two requests for one queue, longer where it is long: each lists it twice, and on
average no more than twice so many callers a second are listed. What people do goes at once."""

IN_VAIN = 3
"""Requests that change nothing, after which this queue is left alone for a while."""
LEFT_ALONE = 60.0


@dataclass(slots=True)
class Pace:
    """One queue of one PBX: the request that is under way, what people have asked for meanwhile,
    from when something may be due, and before when nothing is asked. With `unsure` it is asked
    what there is, also where nothing is due."""

    request: Request | None = None
    asked: tuple[Asked, ...] = ()
    wake: float = math.inf
    not_before: float = 0.0
    unsure: bool = False
    in_vain: int = 0

    def look(self, at: float) -> None:
        """Something may be due at this moment."""
        self.wake = min(self.wake, at)

    def at_once(self, now: float) -> None:
        self.look(now)
        self.not_before = 0.0

    def forget(self, uniqueid: Uniqueid) -> list[Asked]:
        """What people have asked for this caller, who has left."""
        found = [one for one in self.asked if one.uniqueid == uniqueid]
        self.asked = tuple(one for one in self.asked if one not in found)
        if self.request and self.request.asked and self.request.asked.uniqueid == uniqueid:
            found.append(self.request.asked)
            self.request = replace(self.request, asked=None)
        return found

    def is_due(self, now: float) -> bool:
        return self.request is None and self.wake <= now

    def begin(self, callers: int, now: float) -> int:
        """A line of so many is asked for; the moves that go in one request."""
        pause = max(PAUSE, callers / LISTED_A_SECOND)
        self.not_before = now + pause
        return round(AT_ONCE * pause / PAUSE)

    def failed(self, now: float) -> None:
        """The PBX could not be asked."""
        self.not_before = now + PAUSE
        self.look(now)

    def answered(self, worked: bool, now: float) -> bool:
        """Whether the queue is left alone from now on, because nothing works there."""
        self.in_vain = 0 if worked else self.in_vain + 1
        if self.in_vain < IN_VAIN:
            return False
        self.in_vain, self.not_before = 0, now + LEFT_ALONE
        return True
