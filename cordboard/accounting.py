"""The store held against Asterisk's own queue_log: every stay in a queue once, and ended alike.
Pure.

queue_log is a line an event: seconds|callid|queue|agent|event|data…, where callid is the Uniqueid
of the caller's channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from cordboard.crm_core.model import EntryRecord

OUTCOMES = {
    "CONNECT": "connected",
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timed-out",
    "EXITEMPTY": "timed-out",
    "EXITWITHKEY": "moved",
    "WITHDRAW": "moved",
}
"""How queue_log's events end a stay, in the words of `EntryRecord.outcome`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One stay that the two do not agree about."""

    uniqueid: str
    queue: str
    what: str


@dataclass(frozen=True, slots=True)
class LoggedStay:
    uniqueid: str
    queue: str
    entered: int
    outcome: str | None


def read_queue_log(lines: Iterable[str]) -> list[LoggedStay]:
    """The stays that queue_log tells of, in the order in which they began. Lines of other events,
    and lines that a crash cut off, are passed over."""
    stays: list[LoggedStay] = []
    open_stays: dict[tuple[str, str], int] = {}
    for line in lines:
        fields = line.rstrip("\r\n").split("|")
        if len(fields) < 5 or not fields[0].isdigit():
            continue
        seconds, uniqueid, queue, _, event = fields[:5]
        if event == "ENTERQUEUE":
            open_stays[uniqueid, queue] = len(stays)
            stays.append(LoggedStay(uniqueid, queue, int(seconds), None))
        elif event in OUTCOMES and (uniqueid, queue) in open_stays:
            index = open_stays.pop((uniqueid, queue))
            stay = stays[index]
            stays[index] = LoggedStay(stay.uniqueid, queue, stay.entered, OUTCOMES[event])
    return stays


def compare(logged: Iterable[LoggedStay], stored: Iterable[EntryRecord]) -> list[Difference]:
    """What is in one and not, or not so, in the other. Stays of one caller in one queue are
    matched in their order."""
    ours: defaultdict[tuple[str, str], list[str | None]] = defaultdict(list)
    theirs: defaultdict[tuple[str, str], list[str | None]] = defaultdict(list)
    for entry in sorted(stored, key=lambda entry: entry.entered_at):
        ours[entry.uniqueid, entry.queue].append(entry.outcome)
    for stay in logged:
        theirs[stay.uniqueid, stay.queue].append(stay.outcome)
    found: list[Difference] = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, his = ours.get(key, []), theirs.get(key, [])
        if len(mine) != len(his):
            what = f"queue_log has {len(his)} stays, the store {len(mine)}"
            found.append(Difference(*key, what))
            continue
        found += [
            Difference(*key, f"queue_log says {theirs_said}, the store {ours_said}")
            for ours_said, theirs_said in zip(mine, his, strict=True)
            if ours_said != theirs_said
        ]
    return found
