"""The places kept in queues for callers who ring first at somebody who is theirs personally. Pure.

Asterisk knows nothing of such a caller until he joins, so the place is kept in our line, where it
moves like everybody's; when nobody took the call the dialplan asks for it, and Queue() puts him
there. What the dialplan brings along (queue, priority, seconds waited) is enough to find the place
again after a restart of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cordboard.crm_core.model import FactRecord
from cordboard.desk.commands import Command, Save, SendPlace
from cordboard.desk.facts import BackAsked
from cordboard.desk.model import Call
from cordboard.events import CallId, QueueName, derived_id
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry


class Places:
    """The kept ones, by call."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._kept: dict[CallId, QueueName] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, call: Call, now: float) -> list[Command]:
        """The call goes to somebody in person first; nothing where it does not."""
        decision = call.decision
        if decision is None or decision.personal is None or call.state != "routing":
            return []
        identity = derived_id(int(now * 1000), call.id, call.uniqueid, decision.queue, "away")
        entry = Entry(
            identity,
            call.id,
            call.uniqueid,
            decision.queue,
            decision.priority,
            now,
            joined=decision.priority,
            skills=decision.penalties,
        )
        line = self._floor.line(decision.queue)
        line.keep(entry)
        self._kept[call.id] = decision.queue
        self._floor.touch(decision.queue)
        first = decision.personal
        told = {"who": first.who, "operator": first.name, "place": line.place(call.uniqueid)}
        return [_fact(call, now, "kept", decision.queue, decision.priority, told)]

    def answer(self, asked: BackAsked, call: Call | None, seen: bool, now: float) -> SendPlace:
        """The place in the queue for a caller whom nobody took. `seen`: the queues of his PBX are
        in sight, so that his place can be told from them where it was not kept."""
        line = self._floor.line(asked.queue)
        entry = line.find(call.uniqueid) if call else None
        if call and entry and entry.away:
            return SendPlace(asked.ask, entry.priority, line.place(call.uniqueid))
        place = line.rank(asked.priority, now - asked.waited) if seen else None
        return SendPlace(asked.ask, asked.priority, place)

    def release(self, call: Call, into: QueueName | None = None) -> Entry | None:
        """The place is not kept any more: its owner was answered, has gone, or is back; then
        `into` is the queue that he has joined, and if it is this one he takes the place himself."""
        queue = self._kept.pop(call.id, None)
        if queue is None:
            return None
        line = self._floor.line(queue)
        entry = line.find(call.uniqueid)
        if queue != into:
            line.leave(call.uniqueid, "moved", 0.0)
        self._floor.touch(queue)
        return entry


def returned(call: Call, entry: Entry, position: int, now: float) -> Command:
    """For the call's timeline: he is back in the queue, at this place."""
    return _fact(call, now, "back", entry.queue, entry.priority, {"place": position})


def _fact(
    call: Call, now: float, kind: str, queue: QueueName, priority: int, more: Mapping[str, object]
) -> Command:
    data = json.dumps({"queue": queue, "priority": priority, **more}, ensure_ascii=False)
    return Save(FactRecord(call.id, now, kind, data))
