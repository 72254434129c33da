"""Was the card seen? Every pop is counted, and ends as acknowledged or as missed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(slots=True)
class _Open:
    operator: str
    born: float | None
    written: bool = False


class PopMeter:
    """Counts pops from publication to the browser's `ack`. All moments are of one monotonic clock,
    in seconds; `patience` is how long a browser has for its ack before the pop counts as missed.
    """

    def __init__(self, registry: CollectorRegistry, patience: float) -> None:
        self._patience = patience
        self._open: dict[str, _Open] = {}
        self._deadlines: deque[tuple[float, str]] = deque()
        self.total = Counter("cordboard_pops", "Screen-pops published", registry=registry)
        self.acked = Counter("cordboard_pops_acked", "Pops painted in time", registry=registry)
        self.unacked = Counter(
            "cordboard_pops_unacked", "Pops that no console painted in time", registry=registry
        )
        self.seconds = Histogram(
            "cordboard_pop_seconds",
            "From the PBX's word that a phone is called to the pop written or painted",
            ["stage"],
            registry=registry,
            buckets=BUCKETS,
        )

    def published(self, pop: str, operator: str, born: float | None, now: float) -> None:
        """`born` is the moment at which the PBX's event was read. A card that is replaced under
        its id is no new pop, and is not told here."""
        self.total.inc()
        self._open[pop] = _Open(operator, born)
        self._deadlines.append((now + self._patience, pop))

    def written(self, pop: str, viewer: str, now: float) -> None:
        waiting = self._open.get(pop)
        if waiting is not None and waiting.operator == viewer and not waiting.written:
            waiting.written = True
            self._observe("written", waiting, now)

    def ack(self, pop: str, viewer: str, now: float) -> None:
        """Only the operator whose pop it is can acknowledge it; once, and in time."""
        waiting = self._open.get(pop)
        if waiting is not None and waiting.operator == viewer:
            del self._open[pop]
            self.acked.inc()
            self._observe("painted", waiting, now)

    def expire(self, now: float) -> list[tuple[str, str]]:
        """The pops that are missed from now on, each with its operator."""
        missed = []
        while self._deadlines and self._deadlines[0][0] <= now:
            pop = self._deadlines.popleft()[1]
            waiting = self._open.pop(pop, None)
            if waiting is not None:
                self.unacked.inc()
                missed.append((pop, waiting.operator))
        return missed

    def _observe(self, stage: str, pop: _Open, now: float) -> None:
        if pop.born is not None:
            self.seconds.labels(stage).observe(now - pop.born)
