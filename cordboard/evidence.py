"""What the store's facts tell of the stays in queues, and when cordboard did not see. Pure.

The rows of `queue_entry` have our clock. The facts of their calls carry the PBX's, too, wherever
AMI gave a Timestamp; where it did not, ours is set by the middle of what both say.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cordboard.crm_core.model import EntryRecord, FactRecord

LINGERS = 1.0
"""Seconds after which a call that goes on has outlived its wait."""

Gap = tuple[float, float]
"""Since and until, in seconds."""


@dataclass(frozen=True, slots=True)
class StoredStay:
    """A stay as our facts tell it; times on the PBX's clock, in seconds."""

    uniqueid: str
    queue: str
    outcome: str | None
    entered: float
    left: float | None
    answered: float | None
    """Caller and operator hear each other."""
    out: float | None
    """The operator is out of the talk."""
    over: float | None
    """The whole call is over."""
    lost: bool
    """It ended with the PBX."""
    transferred: bool
    went_on: bool
    """After the wait the caller was still on the line."""
    unseen: tuple[Gap, ...]

    @property
    def stands_in(self) -> bool:
        """It is the wait of a callback, and no caller's."""
        return self.uniqueid.startswith("cordboard-callback-")

    @property
    def wait(self) -> float | None:
        return None if self.left is None else self.left - self.entered

    @property
    def talk(self) -> float | None:
        return None if self.answered is None or self.out is None else self.out - self.answered


@dataclass(frozen=True, slots=True)
class _Told:
    """A fact with its data, `time` on the PBX's clock."""

    kind: str
    time: float
    ours: float
    data: Mapping[str, Any]


def clock_offset(facts: Iterable[FactRecord]) -> float | None:
    """Our clock less the PBX's, by the facts that have both; None without any."""
    apart = [
        fact.at - stamp for fact in facts if isinstance(stamp := _data(fact).get("at"), float | int)
    ]
    return median(apart) if apart else None


def gaps_of(facts: Sequence[tuple[FactRecord, float | None]]) -> list[Gap]:
    """When cordboard did not see the PBX, on our clock, from the facts of its link, each with the
    time of what was recorded before it. A lost link tells since when; a server that was killed says
    nothing at its end, so its blindness begins with the last that it recorded."""
    gaps: list[Gap] = []
    since: float | None = None
    for fact, before in facts:
        if fact.kind == "linkdown" and since is None:
            since = fact.at - float(_data(fact)["unseen"])
        elif fact.kind == "linkup" and since is None:
            since = -math.inf if before is None else before
        elif fact.kind == "snapshotdone" and since is not None:
            gaps.append((since, fact.at))
            since = None
    return gaps if since is None else [*gaps, (since, math.inf)]


def stored_stays(
    entries: Sequence[EntryRecord], facts: Sequence[FactRecord], offset: float
) -> list[StoredStay]:
    """The stays with what the facts of their calls add; calls that were merged into another one
    go on in that one's facts."""
    told: defaultdict[str, list[_Told]] = defaultdict(list)
    for fact in facts:
        data = _data(fact)
        stamp = data.get("at")
        time = fact.at - offset if stamp is None else float(stamp)
        time -= float(data.get("age") or 0.0)  # a snapshot tells late of what began before
        told[fact.call_id].append(_Told(fact.kind, time, fact.at, data))
    calls: defaultdict[str, list[EntryRecord]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.entered_at):
        calls[entry.call_id].append(entry)
    stays: list[StoredStay] = []
    for call, stood in calls.items():
        story = _story(call, told)
        for entry, after in zip(stood, [*stood[1:], None], strict=True):
            until = after.entered_at if after else math.inf
            stays.append(_stay(entry, story, until, offset))
    return sorted(stays, key=lambda stay: stay.entered)


def _data(fact: FactRecord) -> dict[str, Any]:
    data = json.loads(fact.data)
    return data if isinstance(data, dict) else {}


def _story(call: str, told: Mapping[str, list[_Told]]) -> list[_Told]:
    story: list[_Told] = []
    seen: set[str] = set()
    while call and call not in seen:
        seen.add(call)
        story += told.get(call, [])
        call = next((fact.data["into"] for fact in reversed(story) if fact.kind == "merged"), "")
    return sorted(story, key=lambda fact: fact.ours)


def _stay(entry: EntryRecord, story: list[_Told], until: float, offset: float) -> StoredStay:
    """`until` is when the same call's next stay begins, on our clock."""

    def moment(kind: str, ours: float | None) -> float | None:
        """The PBX's time of what an entry holds in ours: both were written at one moment."""
        same = [f.time for f in story if f.kind == kind and f.ours == ours and _of(f, entry)]
        return same[0] if same else None if ours is None else ours - offset

    left = moment("queueleft", entry.left_at)
    entered = moment("queued", entry.entered_at)
    assert entered is not None
    channel = next((f.data["channel"] for f in story if _of(f, entry)), None)
    later = [f for f in story if f.ours >= entry.entered_at]
    over = next((f.time for f in later if f.kind == "cleared"), None)
    talk = None
    if entry.outcome == "connected":
        talk = next(
            (
                f
                for f in later
                if f.kind in ("established", "taken")
                and f.ours < until
                and (f.data["queue"] == entry.queue or f.data["channel"] == channel)
            ),
            None,
        )
    out, transferred = None, False
    if talk is not None:
        peer, leg = talk.data["peer"], talk.data["peer_uniqueid"]
        after = [f for f in later if f.ours >= talk.ours]
        ends = [f.time for f in after if f.kind == "peercleared" and f.data["peer_uniqueid"] == leg]
        passed = [f.time for f in after if f.kind == "transferred" and f.data["by"] == peer]
        transferred = bool(passed)
        out = min([*ends, *passed, *([over] if over is not None else [])], default=None)
    went_on = entry.left_at is not None and any(
        f.ours >= entry.left_at and f.kind in _ALIVE for f in story
    )
    if over is not None and left is not None and over - left > LINGERS:
        went_on = True
    return StoredStay(
        uniqueid=entry.uniqueid,
        queue=entry.queue,
        outcome=entry.outcome,
        entered=entered,
        left=left,
        answered=talk.time if talk else None,
        out=out,
        over=over,
        lost=entry.outcome == "lost" or any(f.data.get("cause") == "lost" for f in later),
        transferred=transferred,
        went_on=went_on,
        unseen=tuple(
            (float(f.data["since"]) - offset, float(f.data["until"]) - offset)
            for f in story
            if f.kind == "unseen"
        ),
    )


_ALIVE = {"queued", "called", "delivered", "established", "transferred"}
"""What happens only to a caller who is still on the line."""


def _of(fact: _Told, entry: EntryRecord) -> bool:
    data = fact.data
    return data.get("uniqueid") == entry.uniqueid and data.get("queue", "") == entry.queue
