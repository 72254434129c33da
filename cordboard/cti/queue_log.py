"""Asterisk's own queue_log: its lines, as stays of callers in queues. Pure.

A line is `seconds|callid|queue|agent|event|data…`: whole seconds on the PBX's clock, and the
Uniqueid of the caller's channel as callid. What a stay was is spread over lines that stand among
those of other callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cordboard.cti.facts import EntryOutcome

OUTCOMES: dict[str, EntryOutcome] = {
    "CONNECT": "connected",
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timed-out",
    "EXITEMPTY": "timed-out",
    "EXITWITHKEY": "moved",
    "WITHDRAW": "moved",
}
"""How these events end a wait, in the words of `EntryRecord.outcome`."""

TRANSFERS = {"BLINDTRANSFER", "ATTENDEDTRANSFER", "TRANSFER"}
"""The last one is what Asterisk wrote up to 11."""

_TALKS_END = {"COMPLETECALLER", "COMPLETEAGENT", *TRANSFERS}
_WAITED = {
    "CONNECT": 0,
    "ABANDON": 2,
    "EXITWITHTIMEOUT": 2,
    "EXITEMPTY": 2,
    "EXITWITHKEY": 3,
    "WITHDRAW": 2,
}
"""Which field of the data has the wait. Old versions leave it out."""


@dataclass(frozen=True, slots=True)
class LoggedStay:
    """One stay, all times in whole seconds of the PBX's clock. None is what no line tells."""

    where: str
    """File and line of its beginning."""
    uniqueid: str
    queue: str
    entered: int
    event: str | None = None
    """What ended the wait."""
    left: int | None = None
    waited: int | None = None
    end: str | None = None
    """What ended the talk."""
    ended: int | None = None
    talked: int | None = None
    restarted: int | None = None
    """When Asterisk began anew with this stay, or its talk, still going on."""

    @property
    def outcome(self) -> EntryOutcome | None:
        return OUTCOMES[self.event] if self.event else None

    @property
    def transferred(self) -> bool:
        return self.end in TRANSFERS

    @property
    def over(self) -> bool:
        return self.end is not None if self.outcome == "connected" else self.event is not None


@dataclass(frozen=True, slots=True)
class QueueLog:
    """`stays` in the order in which they began; `faults` are lines that cannot be read, each with
    its place; `began` and `ended` are the stamps of the first and the last line."""

    stays: tuple[LoggedStay, ...]
    faults: tuple[str, ...]
    began: int
    ended: int
    lines: int
    """How many could be read."""


class UnreadableError(ValueError):
    """What is wrong with a line."""


class _Reader:
    def __init__(self) -> None:
        self.stays: list[LoggedStay] = []
        self._open: dict[tuple[str, str], int] = {}

    def take(self, where: str, line: str) -> int:
        """The line's stamp. Events that say nothing of a stay are passed over."""
        fields = line.split("|")
        if len(fields) < 5:
            raise UnreadableError("not seconds|callid|queue|agent|event|data")
        if not (fields[0].isascii() and fields[0].isdigit()):
            raise UnreadableError(f"{fields[0]!r} is no time in seconds")
        stamp, uniqueid, queue, event, data = int(fields[0]), *fields[1:3], fields[4], fields[5:]
        if event == "QUEUESTART":
            for index in self._open.values():
                self.stays[index] = replace(self.stays[index], restarted=stamp)
            self._open.clear()
        elif event == "ENTERQUEUE":
            self._open[uniqueid, queue] = len(self.stays)
            self.stays.append(LoggedStay(where, uniqueid, queue, stamp))
        elif event in OUTCOMES:
            self._leave(uniqueid, queue, event, stamp, data)
        elif event in _TALKS_END:
            self._end(uniqueid, queue, event, stamp, data)
        return stamp

    def _leave(self, uniqueid: str, queue: str, event: str, stamp: int, data: list[str]) -> None:
        waited = _seconds(data, _WAITED[event])
        index = self._open.get((uniqueid, queue))
        if index is None or self.stays[index].event is not None:
            return  # it began in an earlier file
        self.stays[index] = replace(self.stays[index], event=event, left=stamp, waited=waited)
        if event != "CONNECT":
            del self._open[uniqueid, queue]

    def _end(self, uniqueid: str, queue: str, event: str, stamp: int, data: list[str]) -> None:
        # Whereto has one field or two, so the times are found from the end.
        talked = _seconds(data, 1 if event.startswith("COMPLETE") else len(data) - 2)
        index = self._open.get((uniqueid, queue))
        if index is None or self.stays[index].event != "CONNECT":
            return
        self.stays[index] = replace(self.stays[index], end=event, ended=stamp, talked=talked)
        del self._open[uniqueid, queue]


def read_queue_log(files: Mapping[str, str]) -> QueueLog:
    """The texts of one log's files, by name, in any order. The last line of the last one may be
    cut, for Asterisk may be writing it."""
    reader = _Reader()
    faults: list[str] = []
    began = ended = 0
    lines = 0
    for name, text in sorted(files.items(), key=lambda item: _first_stamp(item[1])):
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            try:
                stamp = reader.take(f"{name}:{number}", line)
            except UnreadableError as error:
                faults.append(f"{name}:{number}: {error}")
                continue
            lines += 1
            began, ended = (min(began, stamp) if began else stamp), max(ended, stamp)
        if faults and not text.endswith("\n") and faults[-1].startswith(f"{name}:{number}: "):
            faults.pop()
    return QueueLog(tuple(reader.stays), tuple(faults), began, ended, lines)


def _first_stamp(text: str) -> int:
    head = text.lstrip().partition("|")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def _seconds(data: list[str], place: int) -> int | None:
    if not 0 <= place < len(data) or not data[place]:
        return None
    if not (data[place].isascii() and data[place].isdigit()):
        raise UnreadableError(f"{data[place]!r} is no number of seconds")
    return int(data[place])
