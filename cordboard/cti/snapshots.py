"""Snapshots: which lists came whole, and what they allow to conclude. Pure.

A list's items stand among the events where they are true. What a list leaves out is gone only if
all of the list was seen: it may be refused, because its module is not loaded, or lack an item that
was kept back, because a forger had put lines into it.
"""

from __future__ import annotations

from cordboard.cti.ami import Message
from cordboard.cti.members import number
from cordboard.events import Uniqueid

NO_TIME = 1 << 31
CHANNELS, QUEUES = "CoreShowChannels", "QueueStatus"


class Snapshot:
    """The last snapshot that began; `number` counts them. `live` is true for one that was taken
    while the link stood, so that events may still be on their way that the lists are ahead of."""

    def __init__(self) -> None:
        self.number = 0
        self.began = 0.0
        self.live = False
        self.is_open = False
        self._items: dict[str, int] = {}
        self._whole: set[str] = set()

    def begin(self, now: float, live: bool) -> None:
        self.number += 1
        self.began, self.live, self.is_open = now, live, True
        self._items.clear()
        self._whole.clear()

    def item(self, action: str) -> None:
        self._items[action] = self._items.get(action, 0) + 1

    def complete(self, action: str, message: Message) -> None:
        """The end of a list. Asterisk says how many items it had, older ones do not."""
        seen = self._items.get(action, 0)
        if number(message["ListItems"], seen) == seen:
            self._whole.add(action)

    def has(self, action: str) -> bool:
        """Whether every item of this list was seen."""
        return action in self._whole


def lasted(duration: str) -> float:
    """Seconds of a list's `Duration`, `HH:MM:SS` or, from old Asterisk, a plain number."""
    seconds = 0.0
    for part in duration.split(":"):
        seconds = seconds * 60 + max(number(part, 0), 0)
    return seconds


def age(uniqueid: str) -> tuple[int, int, Uniqueid]:
    """Sorts channels by when they were made, as far as their Uniqueids tell: who originates a call
    may have chosen one, and that tells nothing."""
    seconds, _, sequence = uniqueid.rpartition("-")[2].partition(".")
    made = number(seconds, NO_TIME) if len(seconds) > 8 else NO_TIME
    return made, number(sequence, 0), Uniqueid(uniqueid)
