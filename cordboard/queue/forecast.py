"""How long a caller will wait for an operator: our own estimate, and what it is made of. Pure.

    estimated wait = sum, over each caller who goes before and the caller himself, of
                     1 / (pace + callers still ahead / patience)
    pace           = sum, over the operators who serve the queue, of 1 / handling time

With nobody giving up that is position x handling time / operators. It is the mean wait of a queue
whose operators are all busy and whose handling times and patience have no memory (Erlang A); how
far it is from the truth with others, `cordboard simulate` measures.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from statistics import median

from cordboard.events import CallId, OperatorName, QueueName
from cordboard.queue.operators import AVAILABLE, WRAP_UP, Operator

CALLS = 100
"""How many of a queue's last calls tell its handling time."""

PRIOR_CALLS = 5
"""The configured handling time counts as much as so many calls that were measured."""

OUTLIER = 8
"""A call of more than so many times the median counts as that much: somebody forgot to say that
the note is done."""

STAYS = 200
"""How many stays ago what callers did about waiting counts for a third of what it counts now."""


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


Seat = tuple[QueueName, ...]
"""The queues whose calls an operator takes."""


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
        return sum(count for seat, count in self._ready.items() if queue in seat)

    def offered(self, calls: Container[CallId]) -> int:
        """Phones that ring for one of these."""
        return sum(call in calls for call in self._offered.values())

    def pace(
        self, queue: QueueName, callers: int, waiting: Mapping[QueueName, int], paces: Paces
    ) -> float:
        """Calls of `queue`, where so many `callers` wait, in a second. Operators take them in turn
        with those who are `waiting` in other queues that they serve, as long as there are some."""
        total = 0.0
        for seat, count in self._serving.items():
            if queue in seat:
                turn = paces.of(queue).handling
                for other in seat:
                    if other != queue and other in waiting:
                        turn += paces.of(other).handling * min(1.0, waiting[other] / callers)
                total += count / turn
        return total


def _seat(operator: Operator) -> Seat:
    """A pause for the wrap-up is none from work."""
    serves = {
        m.queue
        for m in operator.memberships
        if m.status in AVAILABLE and (not m.paused or m.reason == WRAP_UP)
    }
    return tuple(sorted(serves))


def waits(callers: int, free: int, pace: float, leaving: float) -> list[float | None]:
    """The estimated waits in seconds of so many `callers` in a line, the head first, where `free`
    operators can take one at once. None where nobody would ever take the call."""
    found: list[float | None] = [0.0] * min(free, callers)
    behind, wait = callers - len(found), 0.0
    if behind and pace <= 0:
        return [*found, *([None] * behind)]
    for ahead in range(behind):
        wait += 1 / (pace + ahead * leaving)
        found.append(wait)
    return found
