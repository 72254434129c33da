"""What a simulated run comes to: waits by status, service level, fairness, occupancy, the error of
the estimated wait, and what Erlang C says of the same load. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from cordboard.queue import erlang
from cordboard.queue.lines import ServiceLevel
from cordboard.queue.simulation import Outcome, Run, Stay
from cordboard.queue.traffic import Service

HOUR = 3600.0
TALKED: tuple[Outcome, ...] = ("answered", "personal")
NEAR, SHARE = 30.0, 0.25
"""An estimate is near where it is off by no more seconds, or by no more of the wait."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Some of the calls. `waits` are those of who was answered, from the queue or by whoever was
    rung before it, in rising order; `longest` is anybody's who waited; both in seconds. `level`
    counts the same as answered. `unfinished` wait for ever: nobody serves them, and they do not
    give up."""

    calls: int
    outcomes: dict[Outcome, int]
    unfinished: int
    level: ServiceLevel
    waits: tuple[float, ...]
    longest: float

    @property
    def abandonment(self) -> float | None:
        """Percent of those who were answered or gave up, short abandons apart."""
        gave_up = self.level.abandoned - self.level.short_abandoned
        counted = self.level.answered + gave_up
        return 100 * gave_up / counted if counted else None

    @property
    def mean(self) -> float | None:
        return fmean(self.waits) if self.waits else None

    def quantile(self, share: float) -> float | None:
        """The wait that so great a share of the answered did not exceed."""
        if not self.waits:
            return None
        return self.waits[max(0, math.ceil(share * len(self.waits)) - 1)]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far an estimate was from the wait that it foretold, over so many callers: the median of
    the error without its sign, the mean with it, and the percentage that was near. Seconds."""

    callers: int
    error: float
    bias: float
    near: float


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour that had calls for the queues, as it was simulated and as Erlang C sees it, for one
    pool of all operators and nobody who gives up. Times in seconds, levels in percent; `operators`
    is the mean number of those who were there."""

    begins: float
    calls: int
    handling: float
    operators: float
    level: float | None
    wait: float | None
    erlang_waiting: float
    erlang_wait: float
    erlang_level: float
    needed: int

    @property
    def load(self) -> float:
        """In erlangs."""
        return self.calls * self.handling / HOUR


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one run. `least` are those with the lowest priority that the policy gave to anybody
    in a queue; `occupancy` is percent of the time that operators were there; `unserved` counts who
    came to queues that no operator serves, by queue. `estimate` is of all who were told one,
    `narrowed` of those whom the policy does not give every operator."""

    total: Tally
    by_status: dict[str, Tally]
    least_priority: int | None
    least: Tally
    occupancy: float | None
    unserved: dict[str, int]
    estimate: Accuracy | None
    narrowed: Accuracy | None
    holdtime: Accuracy | None
    hours: tuple[Hour, ...]


def figures(run: Run, service: Service) -> Figures:
    queued = [stay for stay in run.stays if stay.outcome != "elsewhere"]
    ranks: dict[str, int] = {}
    for stay in run.stays:
        status = stay.arrival.status
        ranks[status] = max(ranks.get(status, 0), stay.decision.priority)
    by_status = {
        status: _tally([s for s in run.stays if s.arrival.status == status], service)
        for status in sorted(ranks, key=lambda each: (-ranks[each], each))
    }
    lowest = min((stay.decision.priority for stay in queued), default=None)
    present = sum(clerk.present for clerk in run.clerks)
    busy = sum(clerk.busy for clerk in run.clerks)
    served = {queue for clerk in run.clerks for queue in clerk.queues}
    unserved = Counter(str(stay.queue) for stay in queued if stay.queue not in served)
    told = [s for s in queued if s.outcome == "answered" and s.estimated and not s.was_away]
    return Figures(
        _tally(run.stays, service),
        by_status,
        lowest,
        _tally([s for s in queued if s.decision.priority == lowest], service),
        100 * busy / present if present else None,
        dict(sorted(unserved.items())),
        accuracy(told, _estimated),
        accuracy([s for s in told if s.entry.skills is not None], _estimated),
        accuracy(told, lambda stay: stay.holdtime or 0.0),
        tuple(_hours(run, queued, service)),
    )


def accuracy(stays: Sequence[Stay], of: Callable[[Stay], float]) -> Accuracy | None:
    """Of an estimate for callers who were told one and were answered."""
    if not stays:
        return None
    errors = [of(stay) - stay.wait for stay in stays]
    near = [
        abs(error) <= max(NEAR, SHARE * stay.wait)
        for error, stay in zip(errors, stays, strict=True)
    ]
    return Accuracy(len(stays), median(map(abs, errors)), fmean(errors), 100 * fmean(near))


def _estimated(stay: Stay) -> float:
    return stay.estimated or 0.0


def mean_waits(run: Run, status: str, step: float) -> list[tuple[float, float]]:
    """The mean wait of the answered of a status by when they came, in steps of so many seconds."""
    waits: dict[int, list[float]] = {}
    for stay in run.stays:
        if stay.outcome in TALKED and stay.arrival.status == status:
            waits.setdefault(int(stay.entered // step), []).append(stay.wait)
    return [(place * step, fmean(found)) for place, found in sorted(waits.items())]


def _tally(stays: Sequence[Stay], service: Service) -> Tally:
    level = ServiceLevel(service.threshold, service.short_abandon)
    outcomes: Counter[Outcome] = Counter()
    waits, longest = [], 0.0
    for stay in stays:
        if stay.outcome is None:
            continue
        outcomes[stay.outcome] += 1
        if stay.outcome in TALKED:
            waits.append(stay.wait)
            level = level.counting("connected", stay.wait)
        elif stay.outcome == "abandoned":
            level = level.counting("abandoned", stay.wait)
        if stay.outcome in (*TALKED, "abandoned", "overflowed"):
            longest = max(longest, stay.wait)
    unfinished = len(stays) - sum(outcomes.values())
    return Tally(len(stays), dict(outcomes), unfinished, level, tuple(sorted(waits)), longest)


def _hours(run: Run, queued: Sequence[Stay], service: Service) -> Iterable[Hour]:
    by_hour: dict[int, list[Stay]] = {}
    for stay in queued:
        by_hour.setdefault(int(stay.entered // HOUR), []).append(stay)
    for place, stays in sorted(by_hour.items()):
        begins = place * HOUR
        tally = _tally(stays, service)
        handling = fmean(s.arrival.ring + s.arrival.talk + s.arrival.wrapup for s in stays)
        operators = sum(
            max(0.0, min(until, begins + HOUR) - max(since, begins))
            for clerk in run.clerks
            for since, until in clerk.spans
        )
        pool, load = round(operators / HOUR), len(stays) * handling / HOUR
        wanted = service.target / 100
        yield Hour(
            begins,
            len(stays),
            handling,
            operators / HOUR,
            tally.level.percent,
            tally.mean,
            100 * (erlang.waiting(pool, load) if pool else 1.0),
            erlang.mean_wait(pool, load, handling),
            100 * erlang.service_level(pool, load, handling, service.threshold),
            erlang.operators_needed(load, handling, service.threshold, wanted),
        )
