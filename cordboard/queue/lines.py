"""The lines of waiting callers, in Asterisk's order, and the day's service level. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cordboard.events import CallId, QueueName, Uniqueid
from cordboard.queue.decisions import Penalties

Outcome = Literal["connected", "abandoned", "timed-out", "moved", "lost"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One stay of one caller in one queue. `priority` is the one that Asterisk has now, of which
    more is nearer to the head; `joined` the one he came with. `entered` and `left` are on our
    clock. An entry that is `away` keeps the place of somebody whom Asterisk does not have in the
    queue at the moment. His place counts from `since` where he waited before this stay. `skills`
    say which members may serve him; None is all of them."""

    id: str
    call: CallId
    uniqueid: Uniqueid
    queue: QueueName
    priority: int
    entered: float
    outcome: Outcome | None = None
    left: float | None = None
    joined: int = 0
    away: bool = False
    since: float | None = None
    skills: Penalties | None = None


class Line:
    """Who waits in one queue, the head first.

    Asterisk says at which place a caller joins, and says nothing of the others, who move up or
    down by it; of a changed priority it says nothing at all. So the order is kept here by
    Asterisk's own rules. Places count from 1, and count only those who are in Asterisk's queue.
    """

    def __init__(self, queue: QueueName) -> None:
        self.queue = queue
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All of them, those who are away at the places that are kept for them."""
        return tuple(self._entries)

    @property
    def longest_since(self) -> float | None:
        return min((each.entered for each in self._entries if not each.away), default=None)

    def join(self, entry: Entry, position: int) -> None:
        """Puts `entry` at `position`. A caller who stands here already is moved there: after a
        snapshot the same caller is told of twice, and one who was away comes back: to where he
        stood among others who are away, if that is the position."""
        known = self.find(entry.uniqueid)
        if known is not None and self.place(entry.uniqueid) == position:
            self._entries[self._entries.index(known)] = entry
            return
        self._take(entry.uniqueid)
        self._entries.insert(self._index(entry, position), entry)

    def keep(self, entry: Entry) -> None:
        """Keeps a place where Asterisk would put a caller who joins now with this priority."""
        self._take(entry.uniqueid)
        self._insert(replace(entry, away=True))

    def place(self, uniqueid: Uniqueid) -> int | None:
        """The place of a caller, or the one that is kept; None for one who does not wait here."""
        ahead = 0
        for entry in self._entries:
            if entry.uniqueid == uniqueid:
                return ahead + 1
            ahead += not entry.away
        return None

    def rank(self, priority: int, since: float) -> int:
        """The place of a caller with this priority who waits since then, and is not here: behind
        all who are more important, and behind those of his own who came before him."""
        return 1 + sum(
            each.priority > priority or (each.priority == priority and _since(each) <= since)
            for each in self._entries
            if not each.away
        )

    def move(self, uniqueid: Uniqueid, priority: int) -> Entry | None:
        """A caller has another priority: behind all who have as much, as Asterisk does it with
        QueueChangePriorityCaller, Immediate. The entry as it is now."""
        entry = self._take(uniqueid)
        if entry is None:
            return None
        moved = replace(entry, priority=priority)
        self._insert(moved)
        return moved

    def adopt(self, order: Sequence[tuple[Uniqueid, int]]) -> None:
        """Asterisk's own word on who stands where with which priority. Whoever it does not name,
        and so has left or has only just come, keeps the place between the others."""
        told = dict(order)
        known = {entry.uniqueid: entry for entry in self._entries if entry.uniqueid in told}
        named = iter([uniqueid for uniqueid, _ in order if uniqueid in known])
        for index, entry in enumerate(self._entries):
            if entry.uniqueid in known:
                one = known[next(named)]
                self._entries[index] = replace(one, priority=told[one.uniqueid])

    def find(self, uniqueid: Uniqueid) -> Entry | None:
        return next((e for e in self._entries if e.uniqueid == uniqueid), None)

    def leave(self, uniqueid: Uniqueid, outcome: Outcome, now: float) -> Entry | None:
        """The finished entry, or None when this caller does not stand here."""
        entry = self._take(uniqueid)
        return replace(entry, outcome=outcome, left=now) if entry else None

    def _take(self, uniqueid: Uniqueid) -> Entry | None:
        entry = self.find(uniqueid)
        if entry is not None:
            self._entries.remove(entry)
        return entry

    def _insert(self, entry: Entry) -> None:
        index = 0
        while index < len(self._entries) and self._entries[index].priority >= entry.priority:
            index += 1
        self._entries.insert(index, entry)

    def _index(self, entry: Entry, position: int) -> int:
        """Behind `position` - 1 who are here, and behind those who are away but are not less
        important than he is."""
        index = here = 0
        while index < len(self._entries) and here < position - 1:
            here += not self._entries[index].away
            index += 1
        while (
            index < len(self._entries)
            and self._entries[index].away
            and self._entries[index].priority >= entry.priority
        ):
            index += 1
        return index


def _since(entry: Entry) -> float:
    return entry.entered if entry.since is None else entry.since


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
