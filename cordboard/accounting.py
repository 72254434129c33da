"""The store held against Asterisk's own queue_log: every stay in a queue once, ended alike, and
as long. Pure.

A difference is explained only by evidence: what Asterisk is known to write otherwise than people
live it, a time in which cordboard did not see the PBX, or a log that does not tell the end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from statistics import median
from typing import Literal

from cordboard.crm_core.model import EntryRecord, FactRecord
from cordboard.cti.queue_log import LoggedStay, QueueLog
from cordboard.evidence import Gap, StoredStay, clock_offset, stored_stays

SECOND = 1.0
"""How far two durations may be apart: Asterisk takes the difference of two whole seconds."""
_JITTER = 0.1
"""Seconds between Asterisk's look at its clock and the stamp of its event."""
NEAR = 2.0
"""Seconds around a time without sight that still count as unseen; and how far apart both sides may
say that a stay began."""

About = Literal["stay", "outcome", "entered", "wait", "end", "talk"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about one stay that the two do not agree about; `cause` None is unexplained.
    `at` is when the stay began, on the PBX's clock."""

    uniqueid: str
    queue: str
    at: float
    about: About
    log: str
    store: str
    cause: str | None

    @property
    def what(self) -> str:
        return f"{self.about}: queue_log says {self.log}, the store {self.store}"


@dataclass(slots=True)
class Sums:
    """What one side counts of one queue."""

    entered: int = 0
    answered: int = 0
    abandoned: int = 0
    timed_out: int = 0
    transferred: int = 0
    moved: int = 0
    lost: int = 0
    open: int = 0
    waits: list[float] = field(default_factory=list)
    talks: list[float] = field(default_factory=list)

    def add(self, outcome: str | None, wait: float | None, talk: float | None, on: bool) -> None:
        self.entered += 1
        name = {"connected": "answered", "timed-out": "timed_out", None: "open"}.get(
            outcome, str(outcome)
        )
        setattr(self, name, getattr(self, name) + 1)
        self.transferred += on
        self.waits += [] if wait is None else [wait]
        self.talks += [] if talk is None else [talk]


@dataclass(frozen=True, slots=True)
class Account:
    """`queues`: by name, what queue_log counts and what the store counts. `offset` is our clock
    less the PBX's, in seconds."""

    compared: int
    offset: float
    queues: dict[str, tuple[Sums, Sums]]
    differences: tuple[Difference, ...]
    common: int
    """Stays that both have."""

    @property
    def unexplained(self) -> int:
        return sum(difference.cause is None for difference in self.differences)


def account(
    log: QueueLog,
    entries: Sequence[EntryRecord],
    facts: Sequence[FactRecord],
    gaps: Sequence[Gap] = (),
    period: Gap = (-math.inf, math.inf),
    zone: tzinfo = UTC,
) -> Account:
    """What is in one and not, or not so, in the other, of the stays that began in `period` (PBX
    clock) and between the log's first and last line. `gaps` are of our clock, `zone` is for times
    in the words of causes."""
    offset = clock_offset(facts)
    if offset is None:
        offset = _offset_of_stays(log, entries)
    unseen = [(since - offset, until - offset) for since, until in gaps]
    judge = _Judge(log, unseen, zone)
    queues: defaultdict[str, tuple[Sums, Sums]] = defaultdict(lambda: (Sums(), Sums()))
    differences: list[Difference] = []
    compared = common = 0
    for logged, stored in _pairs(log.stays, stored_stays(entries, facts, offset)):
        entered = float(logged.entered) if logged else stored.entered if stored else 0.0
        if not period[0] <= entered < period[1]:
            continue
        if logged is None and log.lines and not log.began - SECOND <= entered <= log.ended + SECOND:
            continue
        compared += 1
        common += logged is not None and stored is not None
        sums = queues[logged.queue if logged else stored.queue if stored else ""]
        if logged:
            lost = None if logged.outcome or not logged.restarted else "lost"
            sums[0].add(logged.outcome or lost, logged.waited, logged.talked, logged.transferred)
        if stored:
            wait = None if stored.outcome == "lost" else stored.wait
            sums[1].add(stored.outcome, wait, stored.talk, stored.transferred)
        differences += judge.differences(logged, stored)
    differences.sort(key=lambda difference: difference.at)
    return Account(compared, offset, dict(sorted(queues.items())), tuple(differences), common)


def _offset_of_stays(log: QueueLog, entries: Sequence[EntryRecord]) -> float:
    """Without a Timestamp: the middle of what the beginnings of the stays are apart."""
    first: dict[tuple[str, str], int] = {}
    for stay in log.stays:
        first.setdefault((stay.uniqueid, stay.queue), stay.entered)
    apart: dict[tuple[str, str], float] = {}
    for entry in sorted(entries, key=lambda entry: entry.entered_at):
        key = entry.uniqueid, entry.queue
        if key in first:
            apart.setdefault(key, entry.entered_at - first[key] - 0.5)
    return median(apart.values()) if apart else 0.0


def _pairs(
    logged: Iterable[LoggedStay], stored: Iterable[StoredStay]
) -> Iterator[tuple[LoggedStay | None, StoredStay | None]]:
    """The same caller's stays in the same queue, in order; where one side has more of them, those
    that began together belong together."""
    theirs: defaultdict[tuple[str, str], list[LoggedStay]] = defaultdict(list)
    ours: defaultdict[tuple[str, str], list[StoredStay]] = defaultdict(list)
    for one in logged:
        theirs[one.uniqueid, one.queue].append(one)
    for other in stored:
        ours[other.uniqueid, other.queue].append(other)
    for key in sorted(theirs.keys() | ours.keys()):
        left, right = theirs.get(key, []), ours.get(key, [])
        if len(left) == len(right):
            yield from zip(left, right, strict=True)
            continue
        free = list(right)
        for one in left:
            near = [o for o in free if abs(o.entered - one.entered) <= NEAR + SECOND]
            found = min(near, key=lambda o: abs(o.entered - one.entered), default=None)
            if found is not None:
                free.remove(found)
            yield one, found
        yield from ((None, other) for other in free)


class _Judge:
    """Finds what differs about one stay, and why."""

    def __init__(self, log: QueueLog, unseen: Sequence[Gap], zone: tzinfo) -> None:
        self._log = log
        self._zone = zone
        self._unseen = sorted(unseen)
        self._ends = [until for _, until in self._unseen]

    def differences(
        self, logged: LoggedStay | None, stored: StoredStay | None
    ) -> Iterator[Difference]:
        if logged is None:
            assert stored
            late = self._log_ends_before(stored.entered)
            yield self._say(None, stored, "stay", "nothing", _stay_words(stored.outcome), late)
        elif stored is None:
            words = _stay_words(logged.outcome)
            yield self._say(logged, None, "stay", words, "nothing", self._never_seen(logged))
        else:
            yield from self._both(logged, stored)

    def _both(self, logged: LoggedStay, stored: StoredStay) -> Iterator[Difference]:
        apart = stored.entered - logged.entered
        if not -NEAR <= apart <= NEAR + SECOND:
            cause = self._blind(stored, logged.entered, stored.entered)
            words = self._clock(logged.entered), self._clock(stored.entered)
            yield self._say(logged, stored, "entered", *words, cause)
        if logged.outcome != stored.outcome:
            words = logged.event or "no end", stored.outcome or "still open"
            yield self._say(logged, stored, "outcome", *words, self._outcome(logged, stored))
            return
        if _differ(logged.waited, stored.wait):
            words = _span(logged.waited), _span(stored.wait)
            yield self._say(logged, stored, "wait", *words, self._wait(logged, stored))
        if logged.outcome == "connected":
            yield from self._talk(logged, stored)

    def _outcome(self, logged: LoggedStay, stored: StoredStay) -> str | None:
        if logged.event == "ABANDON" and stored.outcome == "moved" and stored.went_on:
            return "redirected: Asterisk writes ABANDON of every caller who is taken out of a queue"
        if logged.event == "ABANDON" and stored.outcome == "moved" and stored.stands_in:
            return "a callback that was taken back: Asterisk writes ABANDON"
        if logged.outcome is None:
            ends = self._no_end(logged, stored, stored.left)
            if ends:
                return ends
        return self._blind(stored, logged.left, stored.left)

    def _wait(self, logged: LoggedStay, stored: StoredStay) -> str | None:
        if stored.answered is not None and not _differ(
            logged.waited, stored.answered - stored.entered
        ):
            return "Asterisk counts the wait up to the end of what it tells the operator first"
        return self._blind(stored, logged.left, logged.entered, stored.left)

    def _talk(self, logged: LoggedStay, stored: StoredStay) -> Iterator[Difference]:
        here, there = _end_words(logged), _stored_end(stored)
        if here != there:
            if logged.end is None:
                cause = self._no_end(logged, stored, stored.out)
            else:
                cause = self._blind(stored, logged.ended, stored.out)
            yield self._say(logged, stored, "end", here, there, cause)
        elif _differ(logged.talked, stored.talk):
            cause = None
            if not logged.transferred and _is(logged.talked, stored.over, stored.answered):
                cause = (
                    "the caller was taken out of the talk, to a parking space or by a redirect:"
                    " Asterisk counts until his call is over"
                )
            cause = cause or self._blind(stored, logged.left, logged.ended, stored.out)
            words = _span(logged.talked), _span(stored.talk)
            yield self._say(logged, stored, "talk", *words, cause)

    def _no_end(self, logged: LoggedStay, stored: StoredStay, ours: float | None) -> str | None:
        """Why the log does not tell the end of what it began."""
        if logged.restarted is not None:
            if not stored.lost:
                return self._blind(stored, ours)
            return f"the PBX went away: Asterisk began anew at {self._clock(logged.restarted)}"
        return self._log_ends_before(ours)

    def _log_ends_before(self, moment: float | None) -> str | None:
        if moment is None or not self._log.lines or int(moment) <= self._log.ended:
            return None
        return f"the log's last line is of {self._clock(self._log.ended)}"

    def _never_seen(self, logged: LoggedStay) -> str | None:
        """Of a stay that the store does not have: it must have passed unseen as a whole, for
        a snapshot shows who waits."""
        end = logged.left if logged.left is not None else logged.restarted
        for since, until in self._unseen:
            last = until if end is None else end
            if since - NEAR <= logged.entered and last <= until + NEAR:
                return self._not_seen((since, until))
        return None

    def _blind(self, stored: StoredStay, *moments: float | None) -> str | None:
        """A time without sight around one of `moments`."""
        for moment in moments:
            if moment is None:
                continue
            index = bisect_left(self._ends, moment - NEAR)
            near = [*stored.unseen, *self._unseen[index : index + 1]]
            for since, until in near:
                if since - NEAR <= moment <= until + NEAR:
                    return self._not_seen((since, until))
        return None

    def _not_seen(self, gap: Gap) -> str:
        since, until = gap
        if since == -math.inf:
            return f"cordboard did not see the PBX before {self._clock(until)}"
        if until == math.inf:
            return f"cordboard has not seen the PBX since {self._clock(since)}"
        return (
            f"cordboard did not see the PBX between {self._clock(since)} and {self._clock(until)}"
        )

    def _clock(self, moment: float) -> str:
        return datetime.fromtimestamp(moment, self._zone).strftime("%H:%M:%S")

    def _say(
        self,
        logged: LoggedStay | None,
        stored: StoredStay | None,
        about: About,
        log: str,
        store: str,
        cause: str | None,
    ) -> Difference:
        one = logged or stored
        assert one
        return Difference(one.uniqueid, one.queue, float(one.entered), about, log, store, cause)


def _differ(theirs: float | None, ours: float | None) -> bool:
    return theirs is not None and ours is not None and not abs(ours - theirs) <= SECOND + _JITTER


def _is(theirs: int | None, end: float | None, begin: float | None) -> bool:
    return None not in (theirs, end, begin) and not _differ(theirs, (end or 0.0) - (begin or 0.0))


def _span(seconds: float | None) -> str:
    return "nothing" if seconds is None else f"{seconds:.1f}".removesuffix(".0") + " s"


def _stay_words(outcome: str | None) -> str:
    return f"a stay, {outcome or 'open'}"


def _end_words(logged: LoggedStay) -> str:
    return "no end" if logged.end is None else "transferred" if logged.transferred else "hung up"


def _stored_end(stored: StoredStay) -> str:
    return "no end" if stored.out is None else "transferred" if stored.transferred else "hung up"
