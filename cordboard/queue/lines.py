"""The lines of waiting callers, in Asterisk's order, and the day's service level. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from cordboard.events import CallId, QueueName, Uniqueid

Outcome = Literal["connected", "abandoned", "timed-out", "moved", "lost"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One stay of one caller in one queue. `entered` and `left` are on our clock."""

    id: str
    call: CallId
    uniqueid: Uniqueid
    queue: QueueName
    priority: int
    entered: float
    outcome: Outcome | None = None
    left: float | None = None


class Line:
    """Who waits in one queue, the head first.

    Asterisk says at which place a caller joins, and says nothing of the others, who move up or
    down by it. So the order is kept here: put in at that place, taken out on leaving.
    """

    def __init__(self, queue: QueueName) -> None:
        self.queue = queue
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    @property
    def longest_since(self) -> float | None:
        return min((entry.entered for entry in self._entries), default=None)

    def join(self, entry: Entry, position: int) -> None:
        """Puts `entry` at `position`, 1 being the head. A caller who stands here already is moved
        there: after a snapshot the same caller is told of twice."""
        self._entries = [e for e in self._entries if e.uniqueid != entry.uniqueid]
        self._entries.insert(max(0, position - 1), entry)

    def find(self, uniqueid: Uniqueid) -> Entry | None:
        return next((e for e in self._entries if e.uniqueid == uniqueid), None)

    def leave(self, uniqueid: Uniqueid, outcome: Outcome, now: float) -> Entry | None:
        """The finished entry, or None when this caller does not stand here."""
        entry = self.find(uniqueid)
        if entry is None:
            return None
        self._entries.remove(entry)
        return replace(entry, outcome=outcome, left=now)


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Answered within `threshold` seconds / (answered + abandoned - short-abandoned), where a
    short abandon is one within `short` seconds. Counts of one queue and one day."""

    threshold: float
    short: float
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    short_abandoned: int = 0

    @property
    def percent(self) -> float | None:
        """None before the first call that counts."""
        counted = self.answered + self.abandoned - self.short_abandoned
        return 100 * self.answered_in_time / counted if counted else None

    def counting(self, outcome: str, wait: float) -> ServiceLevel:
        """With one more stay of `wait` seconds. Who was moved elsewhere counts where they end."""
        if outcome == "connected":
            in_time = self.answered_in_time + (wait <= self.threshold)
            return replace(self, answered=self.answered + 1, answered_in_time=in_time)
        if outcome in ("abandoned", "timed-out", "lost"):
            short = outcome == "abandoned" and wait <= self.short
            return replace(
                self,
                abandoned=self.abandoned + 1,
                short_abandoned=self.short_abandoned + short,
            )
        return self
