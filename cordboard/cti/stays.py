"""Waits in queues, and why they ended. Pure.

Asterisk says QueueCallerAbandon of every unanswered way out, not only of a caller who hangs up,
and QueueCallerLeave in every case; which it was shows only in what happened just before, or in
what the dialplan tells next.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from cordboard.cti.facts import Abandoned, EntryOutcome, Fact, Placed, Queued, QueueLeft
from cordboard.cti.legs import Leg, LiveCall, Stay
from cordboard.events import CallId, Linkedid, QueueName, Uniqueid

UNDECIDED_FOR = 1.0
"""Seconds to wait for the dialplan's word on why a caller left a queue."""

QUEUE_STATUSES: dict[str, EntryOutcome] = {
    "TIMEOUT": "timed-out",
    "FULL": "moved",
    "JOINEMPTY": "moved",
    "LEAVEEMPTY": "timed-out",
    "CONTINUE": "moved",
    "WITHDRAW": "moved",
    "KEY": "moved",
}

About = tuple[float | None, CallId, Linkedid, str]


class Stays:
    """`tell` takes the facts, `about` gives what all facts of a call carry."""

    def __init__(self, tell: Callable[[Fact], None], about: Callable[[LiveCall], About]) -> None:
        self._tell = tell
        self._about = about
        self.undecided: dict[Uniqueid, Leg] = {}

    @property
    def due(self) -> float:
        """The moment after which something is to be decided late."""
        waiting = (leg.call.stay for leg in self.undecided.values())
        moments = (stay.undecided_since for stay in waiting if stay)
        return min((at for at in moments if at is not None), default=math.inf) + UNDECIDED_FOR

    def join(
        self,
        leg: Leg,
        queue: QueueName,
        position: int,
        waited: float,
        snapshot: int,
        priority: int | None = None,
    ) -> None:
        """The caller stands in `queue`. A caller may be in a snapshot before the event of the
        joining arrives, so that event may be news of nothing."""
        call = leg.call
        if self.stands_in(leg, queue) and call.stay:
            call.stay.seen_in = snapshot
            return
        if call.stay:
            self.end(leg, "moved")
        call.stay = Stay(queue, snapshot)
        call.queued = True
        about = self._about(call)
        self._tell(Queued(*about, leg.uniqueid, queue, position, waited, priority))

    def place(
        self,
        leg: Leg,
        queue: QueueName,
        position: int,
        waited: float,
        snapshot: int,
        priority: int | None,
    ) -> None:
        """A snapshot's word on a caller who waits."""
        if self.stands_in(leg, queue):
            self._tell(Placed(*self._about(leg.call), leg.uniqueid, queue, position, priority))
        self.join(leg, queue, position, waited, snapshot, priority)

    def stands_in(self, leg: Leg, queue: QueueName) -> bool:
        stay = leg.call.stay
        return stay is not None and stay.queue == queue and stay.undecided_since is None

    def abandon(self, leg: Leg, queue: str) -> None:
        """QueueCallerAbandon: any way out but an answer."""
        stay = leg.call.stay
        if stay and stay.queue == queue:
            stay.abandon_seen = True

    def leave(self, leg: Leg, queue: str, now: float) -> None:
        """QueueCallerLeave. Where nothing before tells why, the dialplan has a second to. A
        snapshot may have overtaken the events of a wait before this one."""
        stay = leg.call.stay
        if stay is None or stay.queue != queue or leg.call.caller is not leg:
            return
        stay.left_at = self._about(leg.call)[0]
        if stay.answered:
            self.end(leg, "connected")
        elif leg.left_by_itself and not leg.stands_in:
            self.end(leg, "abandoned")
        else:
            stay.undecided_since = now
            self.undecided[leg.uniqueid] = leg

    def left(self, leg: Leg) -> None:
        """The caller does something else already."""
        stay = leg.call.stay
        if stay and stay.undecided_since is not None and leg.call.caller is leg:
            self.end(leg, _by_itself(leg, stay))

    def answer(self, leg: Leg) -> None:
        """Somebody takes the caller out of the queue."""
        stay = leg.call.stay
        if stay is None:
            return
        stay.answered = True
        if stay.undecided_since is not None:
            self.end(leg, "connected")

    def explain(self, leg: Leg, status: str) -> None:
        """The dialplan's QUEUESTATUS, told as soon as Queue() has returned."""
        stay = leg.call.stay
        if stay and stay.undecided_since is not None:
            self.end(leg, QUEUE_STATUSES.get(status, "timed-out"), asks=status == "KEY")

    def decide_late(self, now: float) -> None:
        for leg in list(self.undecided.values()):
            stay = leg.call.stay
            if stay is None or stay.undecided_since is None:
                del self.undecided[leg.uniqueid]
            elif now - stay.undecided_since >= UNDECIDED_FOR:
                self.end(leg, _by_itself(leg, stay))

    def hung_up(self, leg: Leg, lost: bool) -> None:
        """The caller's channel has gone."""
        stay = leg.call.stay
        if stay and lost:
            self.end(leg, "lost")
        elif stay and leg.left_by_itself and not stay.answered and not leg.stands_in:
            self.end(leg, "abandoned")
        elif stay:
            self.end(leg, _by_itself(leg, stay))
        self.undecided.pop(leg.uniqueid, None)

    def end(self, leg: Leg, outcome: EntryOutcome, asks: bool = False) -> None:
        call = leg.call
        if call.stay is None:
            return
        queue, left_at, call.stay = call.stay.queue, call.stay.left_at, None
        call.answered_from = queue if outcome == "connected" else None
        self.undecided.pop(leg.uniqueid, None)
        at, identity, linkedid, channel = self._about(call)
        about = at if left_at is None else left_at, identity, linkedid, channel
        self._tell(QueueLeft(*about, leg.uniqueid, queue, outcome, asks))
        if outcome == "abandoned":
            self._tell(Abandoned(*about, queue))


def _by_itself(leg: Leg, stay: Stay) -> EntryOutcome:
    """How a wait ended of which nobody said why."""
    if leg.stands_in and not stay.answered:
        # The callback was taken back. Which half of the channel went first says nothing: nobody
        # gave up.
        return "moved"
    left = stay.undecided_since is not None
    return "moved" if left and not stay.abandon_seen else "timed-out"
