"""What the store held open when the server started, until the PBX shows what became of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from cordboard.crm_core.model import CallRecord, EntryRecord, RunRecord
from cordboard.cti.facts import SnapshotDone
from cordboard.desk.detours import interrupted
from cordboard.desk.facts import Kept, Remembered, Unwritten
from cordboard.desk.model import Call, Gap, PathStep
from cordboard.events import CallId, OperatorName, PbxName, QueueName
from cordboard.queue.decisions import Decision


class Recollection:
    """Each thing is asked for once: what was found again is no memory any more."""

    def __init__(self) -> None:
        self._remembered: dict[CallId, CallRecord] = {}
        self._gaps: dict[str, tuple[Gap, ...]] = {}
        self._open_entries: dict[tuple[CallId, QueueName], EntryRecord] = {}
        self._unwritten: dict[CallId, list[Unwritten]] = {}
        self._resumed: dict[CallId, None] = {}
        self._decisions: dict[str, Decision] = {}
        self._kept: dict[str, Kept] = {}
        self._runs: dict[CallId, list[RunRecord]] = {}

    def remember(self, fact: Remembered) -> None:
        """What was open before the first snapshot."""
        self._remembered = {CallId(record.id): record for record in fact.calls}
        self._gaps = dict(fact.gaps)
        self._decisions = dict(fact.decisions)
        self._kept = dict(fact.kept)
        for run in fact.runs:
            if run.call_id is not None and run.queue is None:
                self._runs.setdefault(CallId(run.call_id), []).append(run)
        for entry in fact.entries:
            if entry.left_at is None:
                self._open_entries[CallId(entry.call_id), QueueName(entry.queue)] = entry
        for left in fact.unwritten:
            if left.call.ended_at is None:  # somebody else still talks to the caller
                self._unwritten.setdefault(CallId(left.call.id), []).append(left)

    def call(self, call: Call) -> Call:
        """A call that the PBX shows, with what the store knows of it."""
        record = self._remembered.pop(call.id, None)
        call = self._walked(call, record)
        if record is None:
            return call
        decision = self._decisions.pop(record.id, None)
        call = replace(
            call,
            decision=decision,
            recalled=decision is not None,
            number=record.number,
            name=record.name,
            dialled=record.dialled,
            started=record.started_at,
            answered=record.answered_at,
            why=record.why,
            direction="out" if record.direction == "out" else "in",
            queue=QueueName(record.queue) if record.queue else None,
            unseen=self._gaps.pop(record.id, ()),
        )
        if record.state == "talking" and record.operator:
            # Nobody may be in the caller's bridge now: the operator consults a colleague.
            call = replace(call, state="talking", operator=OperatorName(record.operator))
            self._resumed[call.id] = None
        return call

    def _walked(self, call: Call, record: CallRecord | None) -> Call:
        """The call with the way that its caller took through scripts. Where the last one did not
        end, the PBX has sent him to its default queue meanwhile."""
        runs = self._runs.pop(call.id, [])
        if not runs:
            return call
        call = replace(call, path=tuple(step for run in runs for step in _path(run)))
        went_on = record is not None and (record.queue or record.answered_at is not None)
        if runs[-1].outcome not in (None, "interrupted") or went_on:
            return call
        return replace(call, befell=(*call.befell, interrupted(runs[-1].script, runs[-1].step)))

    def kept(self, call: CallId) -> float | None:
        """Since when a place is kept for its caller, who was not back at it when last heard of."""
        kept = self._kept.get(call)
        if kept is None or kept.back:
            return None
        del self._kept[call]
        return kept.since

    def waits_since(self, call: CallId, queue: QueueName) -> float | None:
        """Since when he has waited, who is back at the place that was kept for him there."""
        kept = self._kept.pop(call, None)
        return kept.since if kept is not None and kept.queue == queue else None

    def entry(self, call: CallId, queue: QueueName) -> EntryRecord | None:
        """The stay in a queue that the store holds open."""
        return self._open_entries.pop((call, queue), None)

    def unwritten(self, call: CallId) -> list[Unwritten]:
        """The talks of a call that goes on, whose notes may be missing."""
        return self._unwritten.pop(call, [])

    def talks(self, call: CallId) -> None:
        """It is seen who talks in it."""
        self._resumed.pop(call, None)

    def resumed(self, pbx: PbxName, calls: Mapping[CallId, Call]) -> list[Call]:
        """Those of `calls` that talked when the store last heard of them."""
        found = [calls[i] for i in self._resumed if i in calls and calls[i].pbx == pbx]
        for call in found:
            del self._resumed[call.id]
        return found

    def calls_gone(self, fact: SnapshotDone, now: float) -> list[CallRecord]:
        """Those that the PBX does not have any more, which ended unseen. A list that was refused
        says nothing of what it would have held."""
        if "CoreShowChannels" in fact.refused:
            return []
        gone = [record for record in self._remembered.values() if record.pbx == fact.pbx]
        for record in gone:
            del self._remembered[CallId(record.id)]
        return [
            replace(
                record,
                state="ended",
                cause="lost",
                ended_at=max(now, record.answered_at or record.started_at),
            )
            for record in gone
        ]

    def entries_gone(
        self, fact: SnapshotDone, calls: Mapping[CallId, Call], now: float
    ) -> list[EntryRecord]:
        """The same of stays in queues; `calls` tell how they ended."""
        if "QueueStatus" in fact.refused:
            return []
        gone = {key: entry for key, entry in self._open_entries.items() if entry.pbx == fact.pbx}
        for key in gone:
            del self._open_entries[key]
        return [_ended_unseen(entry, calls.get(call), now) for (call, _), entry in gone.items()]


def _path(run: RunRecord) -> list[PathStep]:
    """The way through a script as its run tells it: without what was pressed, and what the steps
    are called."""
    return [
        PathStep(run.script, step, {"": step}, way, "", at)
        for step, way, at in json.loads(run.path)
    ]


def _ended_unseen(entry: EntryRecord, call: Call | None, now: float) -> EntryRecord:
    """A wait that was over before we looked again: who talks by now was answered."""
    if call is None or call.state != "talking":
        left = max(now, entry.entered_at)
        return replace(entry, outcome="lost", left_at=left)
    left = call.answered if call.answered is not None else now
    return replace(entry, outcome="connected", operator=call.operator, left_at=left)
