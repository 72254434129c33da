"""The waits in queues: the lines on the floor, and the rows that the store keeps of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cordboard.cti.facts import Placed, Queued, QueueLeft, SnapshotDone
from cordboard.desk.commands import Command, Save, ShowQueue, ShowWaiting
from cordboard.desk.facts import Remembered
from cordboard.desk.model import Call
from cordboard.desk.priorities import Priorities
from cordboard.desk.recollection import Recollection
from cordboard.desk.records import entry_record
from cordboard.events import CallId, OperatorName, QueueName, derived_id
from cordboard.queue.decisions import Penalties
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry


class Waits:
    """Each step returns what is to be kept or shown."""

    def __init__(self, floor: Floor, past: Recollection, priorities: Priorities) -> None:
        self._floor = floor
        self._past = past
        self._priorities = priorities
        self._answered_entries: dict[CallId, Entry] = {}

    def __len__(self) -> int:
        """Answered calls of which we do not know yet by whom."""
        return len(self._answered_entries)

    def remember(self, fact: Remembered) -> None:
        self._priorities.remember(fact.hands)
        for entry in fact.entries:
            if entry.left_at is not None:
                self._floor.recall(entry)

    def entry(self, call: Call) -> Entry | None:
        """The call's stay in its queue, if it is there, or the place that is kept for it."""
        for queue in (call.queue, call.decision.queue if call.decision else None):
            for entry in self._floor.line(queue).entries if queue else ():
                if entry.call == call.id:
                    return entry
        return None

    def kept(self, call: Call, now: float) -> None:
        """A place may be kept for this call in the queue that was decided."""
        decision = call.decision
        entry = decision and self._floor.line(decision.queue).find(call.uniqueid)
        if entry and entry.away:
            self._priorities.kept(entry, call, now)

    def join(
        self, fact: Queued, call: Call, now: float, kept: Entry | None = None
    ) -> list[Command]:
        """Nothing where the caller waits there already. `kept`: the place that he comes back to."""
        known = self._floor.line(fact.queue).find(fact.uniqueid)
        if known is not None and known.away:
            known = None
        entry = known or self._entry(fact, call, now)
        since = None if kept is None else min(kept.entered, entry.entered)
        if kept is not None and kept.queue == fact.queue:
            entry = replace(entry, priority=kept.priority, joined=kept.priority, since=since)
        elif known is None and (since := self._past.waits_since(call.id, fact.queue)) is not None:
            entry = replace(entry, since=since)
        entry = self._join(entry, fact, now)
        if known:
            return []
        turn = self._priorities.joined(entry, call, now, since)
        return [Save(entry_record(entry, call, None)), *turn]

    def place(self, fact: Placed, now: float) -> None:
        entry = self._floor.line(fact.queue).find(fact.uniqueid)
        if entry is not None:
            self._join(entry, fact, now)

    def _join(self, entry: Entry, fact: Queued | Placed, now: float) -> Entry:
        if fact.priority is not None:
            self._priorities.seen(entry, fact.priority, now)
            entry = replace(entry, priority=fact.priority)
        self._floor.join(entry, fact.position)
        return entry

    def leave(self, fact: QueueLeft, call: Call | None, now: float) -> list[Command]:
        """Nothing where nobody waited."""
        entry = self._floor.leave(fact.queue, fact.uniqueid, fact.outcome, now)
        if entry is None:
            return []
        told = self._priorities.left(entry, fact.outcome)
        if call is None:
            return told
        if fact.outcome == "connected" and call.state != "ended":
            self._answered_entries[call.id] = entry
        return [Save(entry_record(entry, call, call.operator)), *told]

    def answer(self, call: Call, name: OperatorName) -> list[Command]:
        """It is `name` who took the call from the queue, if it came from one."""
        entry = self._answered_entries.pop(call.id, None)
        if entry is None:
            return []
        self._floor.take(name, entry)
        return [Save(entry_record(entry, call, name))]

    def over(self, call: Call) -> None:
        """The call has ended, or is part of another."""
        self._answered_entries.pop(call.id, None)
        self._priorities.over(call)

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
            reasons = self._priorities.reasons
            waiting = tuple((entry, call, reasons(entry)) for entry, call, _ in known)
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
            identity, entered, joined = record.id, record.entered_at, record.priority
        else:
            # The PBX measures by its time of day, which may have been set meanwhile.
            entered = now - max(0.0, fact.waited)
            joined = call.decision.priority if call.decision else 0
            if _fell_back(call):
                joined = 0  # so the dialplan does
            if fact.priority is not None:
                joined = fact.priority
            millis = int(entered * 1000)
            identity = derived_id(millis, call.id, fact.uniqueid, fact.queue, str(millis))
        now_has = joined if fact.priority is None else fact.priority
        entry = Entry(identity, call.id, fact.uniqueid, fact.queue, now_has, entered, joined=joined)
        return replace(entry, since=call.waits_since, skills=_skills(call, fact.queue))


def _skills(call: Call, queue: QueueName) -> Penalties | None:
    """Penalties are those of the members of the queue that was decided: the dialplan forgets them
    on the way to another one."""
    decision = call.decision
    if decision is None or decision.queue != queue or _fell_back(call):
        return None
    return decision.penalties


def _fell_back(call: Call) -> bool:
    return any(reason.code == "fallback" for reason in call.befell)
