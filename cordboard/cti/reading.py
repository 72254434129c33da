"""How far the stream of events has been read, against what the PBX has written meanwhile. Pure.

Times are of one steady clock of ours, in seconds. The ping stands in line behind the events, and
its answer has the PBX's own time (fact 3), so each tells how the two clocks are apart.
"""

from __future__ import annotations

from cordboard.cti.ami import Message

IN_TIME = 0.5
"""Seconds by which events may come late while nothing is taken for unread."""


class Reading:
    """One connection's; it began at `now`, and nothing before that was to be read."""

    def __init__(self, now: float) -> None:
        self._proven = now
        self._asked: float | None = None
        self._answered_in = 0.0
        self._apart: float | None = None
        self._last: Message | None = None
        self._heard_at = now

    def ask(self, now: float) -> None:
        """A ping is sent."""
        self._asked = now

    def answer(self, pong: Message, now: float) -> None:
        """All that the PBX wrote before it was asked has been read."""
        assert self._asked is not None
        self._proven, self._answered_in, self._asked = self._asked, now - self._asked, None
        stamp = _stamp(pong)
        self._apart = None if stamp is None else self._proven - stamp

    def hear(self, event: Message, now: float) -> None:
        self._last, self._heard_at = event, now

    def lag(self, now: float) -> float:
        """Seconds by which we read events later than the PBX writes them: as long as the ping has
        waited for its answer."""
        waited = 0.0 if self._asked is None else now - self._asked
        return max(waited, self._answered_in)

    def unseen(self, now: float) -> float:
        """Seconds up to `now`, when the link is lost, of which not all has been read: none where
        it was read in time, else since the last that was, or the last proof."""
        late = self._late()
        if self._asked is None and late < IN_TIME:
            return 0.0
        return now - max(self._proven, self._heard_at - late)

    def _late(self) -> float:
        """How late the last event was when it was read."""
        stamp = _stamp(self._last) if self._last else None
        if stamp is None or self._apart is None:
            return self._answered_in
        return max(0.0, self._heard_at - stamp - self._apart)


def _stamp(message: Message) -> float | None:
    try:
        return float(message["Timestamp"])
    except ValueError:
        return None
