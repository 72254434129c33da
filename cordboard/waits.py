"""The waits in queues: the lines on the floor, and the rows that the store keeps of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cordboard.cti.facts import Placed, Queued, QueueLeft, SnapshotDone
from cordboard.desk import Call, Command, Save, ShowQueue, ShowWaiting
from cordboard.events import CallId, OperatorName, derived_id
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry
from cordboard.recollection import Recollection
from cordboard.records import entry_record


class Waits:
    """Each step returns what is to be kept or shown."""

    def __init__(self, floor: Floor, past: Recollection) -> None:
        self._floor = floor
        self._past = past
        self._answered_entries: dict[CallId, Entry] = {}

    def __len__(self) -> int:
        """Answered calls of which we do not know yet by whom."""
        return len(self._answered_entries)

    def is_waiting(self, call: Call) -> bool:
        return call.queue is not None and bool(self._floor.line(call.queue).find(call.uniqueid))

    def join(
        self, fact: Queued, call: Call, now: float, kept: Entry | None = None
    ) -> list[Command]:
        """Nothing where the caller waits there already. `kept`: the place that he comes back to."""
        known = self._floor.line(fact.queue).find(fact.uniqueid)
        entry = known or self._entry(fact, call, now)
        if kept is not None and kept.queue == fact.queue:
            entry = replace(entry, priority=kept.priority, joined=kept.priority)
        self._floor.join(entry, fact.position)
        return [] if known else [Save(entry_record(entry, call, None))]

    def place(self, fact: Placed) -> None:
        entry = self._floor.line(fact.queue).find(fact.uniqueid)
        if entry is not None:
            self._floor.join(entry, fact.position)

    def leave(self, fact: QueueLeft, call: Call | None, now: float) -> list[Command]:
        """Nothing where nobody waited."""
        entry = self._floor.leave(fact.queue, fact.uniqueid, fact.outcome, now)
        if entry is None or call is None:
            return []
        if fact.outcome == "connected" and call.state != "ended":
            self._answered_entries[call.id] = entry
        return [Save(entry_record(entry, call, call.operator))]

    def answer(self, call: Call, name: OperatorName) -> list[Command]:
        """It is `name` who took the call from the queue, if it came from one."""
        entry = self._answered_entries.pop(call.id, None)
        if entry is None:
            return []
        self._floor.take(name, entry)
        return [Save(entry_record(entry, call, name))]

    def over(self, call: CallId) -> None:
        """The call has ended, or is part of another."""
        self._answered_entries.pop(call, None)

    def gone(self, fact: SnapshotDone, calls: Mapping[CallId, Call], now: float) -> list[Command]:
        """The waits from before the start that are over by now; `calls` tell how."""
        gone = self._past.entries_gone(fact, calls, now)
        for entry in gone:
            self._floor.recall(entry)
        return [Save(entry) for entry in gone]

    def show(self, calls: Mapping[CallId, Call]) -> list[Command]:
        """The queues that changed since this was asked last."""
        out: list[Command] = []
        for queue in self._floor.changed_queues():
            line = self._floor.line(queue)
            entries, level = line.entries, self._floor.level(queue)
            here = sum(not entry.away for entry in entries)
            out.append(ShowQueue(queue, here, line.longest_since, level))
            rows = zip(entries, self._floor.waits(queue), strict=True)
            known = [(e, calls[e.call], wait) for e, wait in rows if e.call in calls]
            waiting = tuple((entry, call) for entry, call, _ in known)
            out.append(ShowWaiting(queue, waiting, tuple(wait for *_, wait in known)))
        return out

    def places(self, calls: Mapping[CallId, Call]) -> Iterator[tuple[Entry, Call, int]]:
        """All who stand in Asterisk's queues, each with his place there."""
        for line in self._floor.lines():
            here = (entry for entry in line.entries if not entry.away)
            for place, entry in enumerate(here, start=1):
                call = calls.get(entry.call)
                if call is not None:
                    yield entry, call, place

    def _entry(self, fact: Queued, call: Call, now: float) -> Entry:
        record = self._past.entry(call.id, fact.queue)
        if record is not None:
            identity, entered, priority = record.id, record.entered_at, record.priority
        else:
            # The PBX measures by its time of day, which may have been set meanwhile.
            entered = now - max(0.0, fact.waited)
            priority = call.decision.priority if call.decision else 0
            millis = int(entered * 1000)
            identity = derived_id(millis, call.id, fact.uniqueid, fact.queue, str(millis))
        entry = Entry(identity, call.id, fact.uniqueid, fact.queue, priority, entered)
        return replace(entry, since=call.waits_since)
