"""How long a caller will wait for an operator: our own estimate, and what it is made of. Pure.

    estimated wait = sum, over each caller who goes before and the caller himself, of
                     1 / (pace + callers still ahead / patience)
    pace           = sum, over the operators who serve the queue, of 1 / handling time

With nobody giving up that is position x handling time / operators. It is the mean wait of a queue
whose operators are all busy and whose handling times and patience have no memory (Erlang A); how
far it is from the truth with others, `cordboard simulate` measures. Where rules say which penalties
may serve whom, each caller sees his own operators, and those ahead who need them as well.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from cordboard.events import CallId, OperatorName, QueueName
from cordboard.queue.decisions import Penalties
from cordboard.queue.operators import AVAILABLE, WRAP_UP, Operator, Post

CALLS = 100
"""How many of a queue's last calls tell its handling time."""

PRIOR_CALLS = 5
"""The configured handling time counts as much as so many calls that were measured."""

OUTLIER = 8
"""A call of more than so many times the median counts as that much: somebody forgot to say that
the note is done."""

STAYS = 200
"""How many stays ago what callers did about waiting counts for a third of what it counts now."""


NEARLY = 1e-9
"""Of an operator: what sums of floating numbers may lack."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a queue moves. `prior` is the handling time, in seconds, to go by before there are
    measured ones; `handled` are those of the last calls, oldest first. `waited` seconds of waiting
    saw `gave_up` callers give up, both fading."""

    prior: float
    handled: tuple[float, ...] = ()
    waited: float = 0.0
    gave_up: float = 0.0
    handling: float = 0.0
    """Seconds that one call takes of an operator, from the ring to the end of the wrap-up."""

    @classmethod
    def fresh(cls, prior: float) -> Pace:
        return cls(prior, handling=prior)

    @property
    def leaving(self) -> float:
        """How many callers give up in a second of one caller's waiting."""
        return self.gave_up / self.waited if self.waited else 0.0

    def handling_one(self, seconds: float) -> Pace:
        """With one more call that was handled."""
        handled = (*self.handled[1 - CALLS :], seconds)
        most = OUTLIER * median(handled)
        known = sum([min(each, most) for each in handled])
        handling = (PRIOR_CALLS * self.prior + known) / (PRIOR_CALLS + len(handled))
        return Pace(self.prior, handled, self.waited, self.gave_up, handling)

    def counting(self, outcome: str, wait: float) -> Pace:
        """With one more stay of `wait` seconds."""
        fading = 1 - 1 / STAYS
        gave_up = self.gave_up * fading + (outcome == "abandoned")
        waited = self.waited * fading + wait
        return Pace(self.prior, self.handled, waited, gave_up, self.handling)


@dataclass(frozen=True, slots=True)
class Handled:
    """A call of a queue that took its operator `seconds`, from the ring to the end of the
    wrap-up."""

    call: CallId
    queue: QueueName
    operator: OperatorName
    seconds: float


class Paces:
    """The pace of each queue, and the calls at work that will tell of it."""

    def __init__(self, prior: float) -> None:
        self._fresh = Pace.fresh(prior)
        self._paces: dict[QueueName, Pace] = {}
        self._began: dict[OperatorName, float] = {}
        self._taken: dict[OperatorName, tuple[CallId, QueueName]] = {}
        self._handled: list[Handled] = []

    def of(self, queue: QueueName) -> Pace:
        return self._paces.get(queue, self._fresh)

    def begin(self, operator: OperatorName, now: float) -> None:
        """A call takes this operator's time from now on."""
        self.end(operator, now)
        self._began[operator] = now

    def take(self, operator: OperatorName, call: CallId, queue: QueueName) -> None:
        """It is a call of `queue`."""
        if operator in self._began:
            self._taken[operator] = (call, queue)

    def end(self, operator: OperatorName, now: float) -> None:
        """The operator is free for the next one."""
        began, taken = self._began.pop(operator, now), self._taken.pop(operator, None)
        if taken is not None:
            handled = Handled(*taken, operator, max(0.0, now - began))
            self.recall(handled.queue, handled.seconds)
            self._handled.append(handled)

    def recall(self, queue: QueueName, seconds: float) -> None:
        self._paces[queue] = self.of(queue).handling_one(seconds)

    def stay(self, queue: QueueName, outcome: str, wait: float) -> None:
        self._paces[queue] = self.of(queue).counting(outcome, wait)

    def handled(self) -> list[Handled]:
        """The calls that were handled since this was asked last."""
        handled, self._handled = self._handled, []
        return handled


Seat = tuple[Post, ...]
"""The queues whose calls an operator takes, with the penalty in each."""


@dataclass(frozen=True, slots=True)
class Team:
    """The operators who have the same penalty in a queue: so many who could take a call at once,
    and the calls that all of them together take in a second."""

    ready: int
    pace: float


class Crew:
    """Who serves which queues now, kept as counts: a floor of hundreds is asked for each call."""

    def __init__(self) -> None:
        self._seats: dict[OperatorName, tuple[Seat, bool]] = {}
        self._serving: dict[Seat, int] = {}
        self._ready: dict[Seat, int] = {}
        self._offered: dict[OperatorName, CallId] = {}

    def put(self, operator: Operator) -> None:
        """The operator is now so."""
        self.drop(operator.name)
        seat, ready = _seat(operator), operator.state == "ready"
        if seat:
            self._seats[operator.name] = (seat, ready)
            self._serving[seat] = self._serving.get(seat, 0) + 1
            self._ready[seat] = self._ready.get(seat, 0) + ready
            if operator.state == "offered" and operator.call is not None:
                self._offered[operator.name] = operator.call

    def drop(self, name: OperatorName) -> None:
        seat, ready = self._seats.pop(name, ((), False))
        self._offered.pop(name, None)
        if seat:
            self._serving[seat] -= 1
            self._ready[seat] -= ready
            if not self._serving[seat]:
                del self._serving[seat], self._ready[seat]

    def ready(self, queue: QueueName) -> int:
        """Operators who could take a call of `queue` at once."""
        return sum(
            count for seat, count in self._ready.items() if _penalty(seat, queue) is not None
        )

    def teams(
        self,
        queue: QueueName,
        calls: Container[CallId],
        callers: int,
        waiting: Mapping[QueueName, int],
        paces: Paces,
    ) -> dict[int, Team]:
        """The teams of `queue` by penalty, where so many `callers` wait: its own `calls`. Whose
        phone rings for one of these counts as ready. Operators take them in turn with those who
        are `waiting` in other queues that they serve, as long as there are some."""
        found: dict[int, Team] = {}
        for seat, count in self._serving.items():
            penalty = _penalty(seat, queue)
            if penalty is not None:
                turn = paces.of(queue).handling
                for other, _ in seat:
                    if other != queue and other in waiting:
                        turn += paces.of(other).handling * min(1.0, waiting[other] / callers)
                _add(found, penalty, self._ready[seat], count / turn)
        for name, call in self._offered.items():
            penalty = _penalty(self._seats[name][0], queue)
            if penalty is not None and call in calls:
                _add(found, penalty, 1, 0.0)
        return found


def _add(teams: dict[int, Team], penalty: int, ready: int, pace: float) -> None:
    known = teams.get(penalty, Team(0, 0.0))
    teams[penalty] = Team(known.ready + ready, known.pace + pace)


def _seat(operator: Operator) -> Seat:
    """A pause for the wrap-up is none from work. Of two PBXs the nearer one counts."""
    serves: dict[QueueName, int] = {}
    for m in operator.memberships:
        if m.status in AVAILABLE and (not m.paused or m.reason == WRAP_UP):
            serves[m.queue] = min(m.penalty, serves.get(m.queue, m.penalty))
    return tuple(sorted(serves.items()))


def _penalty(seat: Seat, queue: QueueName) -> int | None:
    """In `queue`; None where it is not served."""
    return next((penalty for name, penalty in seat if name == queue), None)


def waits(
    line: Sequence[Penalties | None], teams: Mapping[int, Team], leaving: float
) -> list[float | None]:
    """The estimated waits in seconds of the callers in a line, the head first, by who may serve
    each of them. None where nobody would ever take the call."""
    if not any(line):
        together = Team(sum(t.ready for t in teams.values()), sum(t.pace for t in teams.values()))
        return _served_by_all(len(line), together, leaving)
    outlook = _Outlook(teams, leaving)
    found = [outlook.next(_serving(teams, skills)) for skills in line]
    return [wait if wait < math.inf else None for wait in found]


def _served_by_all(callers: int, team: Team, leaving: float) -> list[float | None]:
    found: list[float | None] = [0.0] * min(team.ready, callers)
    behind, wait = callers - len(found), 0.0
    if behind and team.pace <= 0:
        return [*found, *([None] * behind)]
    for ahead in range(behind):
        wait += 1 / (team.pace + ahead * leaving)
        found.append(wait)
    return found


def _serving(teams: Mapping[int, Team], skills: Penalties | None) -> frozenset[int]:
    return frozenset(p for p in teams if skills is None or skills.allow(p))


class _Outlook:
    """A line whose callers may not all have the same operators, from the head on.

    What those ahead take of a team's time is taken evenly; a caller's turn comes when his teams
    together have had the time for one more. But app_queue looks at no more callers from the head
    than there are operators idle, whomever these may serve. So somebody whose operator is idle
    waits behind others whose operators are not, until more are idle than stand before him."""

    def __init__(self, teams: Mapping[int, Team], leaving: float) -> None:
        self._teams = teams
        self._leaving = leaving
        self._ready = {penalty: team.ready for penalty, team in teams.items()}
        self._until = dict.fromkeys(teams, 0.0)
        self._ahead: dict[frozenset[int], int] = {}
        self._waits: list[float] = []

    def next(self, own: frozenset[int]) -> float:
        """The wait of the next caller, whom these teams may serve; infinity for never."""
        free = [penalty for penalty in own if self._ready[penalty]]
        at = 0.0 if free else self._served(own)
        wait = self._looked_at(at)
        if free:
            self._ready[min(free)] -= 1
        else:
            self._until |= {penalty: max(at, self._until[penalty]) for penalty in own}
            self._ahead[own] = self._ahead.get(own, 0) + 1
        insort(self._waits, wait)
        return wait

    def _served(self, own: frozenset[int]) -> float:
        """When these teams have had the time for all who need them and one more."""
        if not any(self._teams[penalty].pace for penalty in own):
            return math.inf
        rate = self._leaving * sum(n for others, n in self._ahead.items() if others & own)
        begins = sorted((self._until[penalty], self._teams[penalty].pace) for penalty in own)
        lacking, at = 1.0, begins[0][0]
        for begin, pace in begins:
            if rate * (begin - at) >= lacking:
                break
            lacking -= rate * (begin - at)
            at, rate = begin, rate + pace
        return at + lacking / rate

    def _looked_at(self, at: float) -> float:
        """The first moment from `at` on when more operators are idle than callers wait ahead."""
        first, count = bisect_right(self._waits, at), len(self._waits)
        if first == count or at == math.inf or self._idle(at) >= count - first + 1 - NEARLY:
            return at
        last = count
        while first < last:
            middle = (first + last) // 2
            then = self._waits[middle]
            if then == math.inf or self._idle(then) >= count - middle:
                last = middle
            else:
                first = middle + 1
        since = max(at, self._waits[first - 1]) if first else at
        idle = sum(t.pace for p, t in self._teams.items() if self._until[p] <= since)
        until = self._waits[first] if first < count else math.inf
        lacking = count - first + 1 - self._idle(since)
        return min(until, since + lacking / idle) if idle else until

    def _idle(self, at: float) -> float:
        """How many operators those ahead leave idle, on the mean."""
        return sum(
            self._ready[penalty] + team.pace * max(0.0, at - self._until[penalty])
            for penalty, team in self._teams.items()
        )
