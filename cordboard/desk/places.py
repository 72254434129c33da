"""The places kept in queues for callers who ring first at somebody who is theirs personally. Pure.

Asterisk knows nothing of such a caller until he joins, so the place is kept in our line, where it
moves like everybody's; when nobody took the call the dialplan asks for it, and Queue() puts him
there. After a start of ours the place is found again by how long he waits, which the facts of his
call tell, and the dialplan too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from cordboard.crm_core.model import FactRecord
from cordboard.desk.commands import Command, Save, SendPlace
from cordboard.desk.facts import BackAsked
from cordboard.desk.model import Call
from cordboard.events import CallId, PbxName, QueueName, derived_id
from cordboard.queue.claims import Claim
from cordboard.queue.decisions import Decision
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry

KEPT = "kept"
"""The kind of a fact that tells of a place, and since when it is kept."""


class Places:
    """The kept ones, by call."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._kept: dict[CallId, QueueName] = {}
        self._resumed: dict[CallId, Entry] = {}
        """From before a start, until a snapshot shows the lines in which they belong."""

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, call: Call, now: float) -> list[Command]:
        """The call goes to somebody in person first; nothing where it does not."""
        decision = call.decision
        if decision is None or decision.personal is None or call.state != "routing":
            return []
        entry = _entry(call, decision, now)
        line = self._floor.line(decision.queue)
        line.keep(entry)
        self._kept[call.id] = decision.queue
        self._floor.touch(decision.queue)
        first = decision.personal
        told = {"who": first.who, "operator": first.name, "place": line.place(call.uniqueid)}
        return [_fact(call, now, KEPT, decision.queue, decision.priority, told)]

    def resume(self, call: Call, since: float) -> None:
        """The place of a caller who was at somebody in person before a start of ours."""
        if call.decision is not None and call.decision.personal is not None:
            self._resumed[call.id] = _entry(call, call.decision, since)
            self._kept[call.id] = call.decision.queue

    def seen(self, pbx: PbxName, calls: Mapping[CallId, Call], now: float) -> list[Call]:
        """A snapshot shows who waits: those whose places are kept among them from now on."""
        found = []
        for entry in sorted(self._resumed.values(), key=lambda one: one.entered):
            call = calls.get(entry.call)
            if call is None or call.pbx != pbx:
                continue
            del self._resumed[entry.call]
            line, priority = self._floor.line(entry.queue), _due(call, entry.entered, now)
            kept = replace(entry, priority=priority, away=True)
            line.join(kept, line.rank(priority, entry.entered))
            self._floor.touch(entry.queue)
            found.append(call)
        return found

    def answer(self, asked: BackAsked, call: Call | None, seen: bool, now: float) -> SendPlace:
        """The place in the queue for a caller whom nobody took. `seen`: the queues of his PBX are
        in sight, so that his place can be told from them where it was not kept."""
        line = self._floor.line(asked.queue)
        entry = line.find(call.uniqueid) if call else None
        if call and entry and entry.away:
            return SendPlace(asked.ask, entry.priority, line.place(call.uniqueid))
        since = now - asked.waited
        priority = max(asked.priority, _due(call, since, now)) if call else asked.priority
        return SendPlace(asked.ask, priority, line.rank(priority, since) if seen else None)

    def release(self, call: Call, into: QueueName | None = None) -> Entry | None:
        """The place is not kept any more: its owner was answered, has gone, or is back; then
        `into` is the queue that he has joined, and if it is this one he takes the place himself."""
        queue = self._kept.pop(call.id, None)
        if queue is None:
            return None
        line = self._floor.line(queue)
        entry = self._resumed.pop(call.id, None) or line.find(call.uniqueid)
        if queue != into:
            line.leave(call.uniqueid, "moved", 0.0)
        self._floor.touch(queue)
        return entry


def _entry(call: Call, decision: Decision, since: float) -> Entry:
    identity = derived_id(int(since * 1000), call.id, call.uniqueid, decision.queue, "away")
    return Entry(
        identity,
        call.id,
        call.uniqueid,
        decision.queue,
        decision.priority,
        since,
        joined=decision.priority,
        skills=decision.penalties,
    )


def _due(call: Call, since: float, now: float) -> int:
    """The priority of a caller who has waited since then for what was decided of him."""
    decision = call.decision
    if decision is None or decision.action != "queue":
        return 0
    return Claim.of(decision, since).at(now)


def returned(call: Call, entry: Entry, position: int, now: float) -> Command:
    """For the call's timeline: he is back in the queue, at this place."""
    return _fact(call, now, "back", entry.queue, entry.priority, {"place": position})


def _fact(
    call: Call, now: float, kind: str, queue: QueueName, priority: int, more: Mapping[str, object]
) -> Command:
    data = json.dumps({"queue": queue, "priority": priority, **more}, ensure_ascii=False)
    return Save(FactRecord(call.id, now, kind, data))
