"""Callers who hung up and are called back in their turn. Pure.

The PBX waits in the customer's stead: a channel of ours stands in the queue at his old place, and
calls him when an operator has taken it. So there are never more callbacks than free operators, and
they go on without us. What is kept here is who was promised a callback, so that it is made once,
tried again where it was in vain, and made anew where the PBX has lost it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from cordboard.crm_core.model import CallbackRecord, FactRecord
from cordboard.desk.commands import (
    AskCallbacks,
    CallBack,
    CallbackRefusal,
    Command,
    Hush,
    Save,
    SendCallback,
)
from cordboard.desk.facts import CallbackAsked, CallbacksMade
from cordboard.desk.model import Call, Calling
from cordboard.desk.records import reasons
from cordboard.events import CallId, Linkedid, PbxName, QueueName, derived_id
from cordboard.queue.calendars import clock, within
from cordboard.queue.claims import Claim
from cordboard.queue.decisions import Decision, Penalties
from cordboard.queue.lines import Entry, Line

CALLBACK_CHANNEL = "cordboard-callback-"
"""How the Uniqueids of their channels begin."""

LEFT_QUEUE = 60.0
"""Seconds after which it is tried again to wait in a queue that took nobody, or let go."""

SEEN_WITHIN = 10.0
"""Seconds for the PBX to show the channel that it was asked for."""

Lines = Callable[[QueueName], Line]


class Callbacks:
    """The open ones, by id."""

    def __init__(self, rules: Calling, zone: ZoneInfo) -> None:
        self._rules = rules
        self._zone = zone
        self._open: dict[str, CallbackRecord] = {}
        self._decisions: dict[str, Decision] = {}
        self._waiting: dict[Linkedid, tuple[str, float]] = {}
        self._reached: dict[str, str] = {}
        self._left: dict[CallId, Entry] = {}

    def __len__(self) -> int:
        """Callers who are asked whether they want to be called back."""
        return len(self._left)

    def remember(
        self, records: Iterable[CallbackRecord], decisions: Mapping[str, Decision]
    ) -> None:
        """What the store held open at the start, and what was decided of the calls in which it was
        asked for; the snapshots tell what became of it."""
        for record in records:
            self._open[record.id] = record
            decision = decisions.get(record.call_id)
            if decision is not None:
                there = decision.queue == record.queue
                skills = decision.penalties if there else _bounds(record)
                queue = QueueName(record.queue)
                self._decisions[record.id] = _standing_in(decision, queue, skills)

    def of(self, linkedid: Linkedid) -> CallbackRecord | None:
        """Whom the call of this name is for, if it is one of ours."""
        identity, _ = self._waiting.get(linkedid, ("", 0.0))
        return self._open.get(identity)

    # Promised

    def left(self, call: CallId, entry: Entry) -> None:
        """The caller left his queue by a key, to ask for it."""
        self._left[call] = entry

    def asked(
        self,
        fact: CallbackAsked,
        call: Call | None,
        lines: Lines,
        now: float,
        decision: Decision | None = None,
    ) -> list[Command]:
        """`decision` is what would be decided of one who is in no queue, and whom a script offered
        it: he waits from now on, and where that is not the hour, until it is."""
        entry = self._left.get(call.id) if call else None
        by_script = entry is None and decision is not None and fact.queue is not None
        if call is not None and by_script and decision is not None:
            identity = derived_id(int(now * 1000), call.id, fact.ask, "script")
            entry = Entry(identity, call.id, call.uniqueid, decision.queue, decision.priority, now)
            entry = replace(entry, skills=decision.penalties)
        decision = decision if by_script else call.decision if call else None
        if call is None or entry is None or decision is None:
            return [SendCallback(fact.ask, "not-offered")]
        refused = (
            self._unwanted(fact.number) if by_script else self._refused(fact.number, decision, now)
        )
        if refused is not None or fact.number is None:
            return [SendCallback(fact.ask, refused or "number")]
        skills, offer = entry.skills, decision.callback
        record = CallbackRecord(
            id=derived_id(int(now * 1000), call.id, fact.ask),
            pbx=call.pbx,
            call_id=call.id,
            number=fact.number,
            name=call.name,
            shown=call.dialled,
            queue=entry.queue,
            priority=entry.priority,
            least=skills.least if skills else None,
            most=skills.most if skills else None,
            language=decision.language,
            hours=offer.hours if offer else None,
            why=json.dumps(reasons(call), ensure_ascii=False),
            entered_at=entry.entered,
            asked_at=now,
        )
        self._decisions[record.id] = _standing_in(decision, entry.queue, skills)
        promised = {"callback": record.id, "queue": record.queue}
        told = FactRecord(call.id, now, "callback", json.dumps(promised))
        if self._is_time(record.hours, now):
            made = self._make(record, lines, now)
        else:
            made = self._later(record, now)
        return [SendCallback(fact.ask, None), Save(told), *made]

    def offer(self, entry: Entry, call: Call, now: float) -> str | None:
        """The number at which this caller may be called back, if that is to be offered now."""
        offered = call.decision.callback if call.decision else None
        if call.decision is None or offered is None or now - entry.entered < offered.after:
            return None
        number = call.number if call.number.startswith("+") else None
        return number if self._refused(number, call.decision, now) is None else None

    def _refused(
        self, number: str | None, decision: Decision, now: float
    ) -> CallbackRefusal | None:
        if decision.callback is None:
            return "not-offered"
        if (unwanted := self._unwanted(number)) is not None:
            return unwanted
        return None if self._is_time(decision.callback.hours, now) else "hours"

    def _unwanted(self, number: str | None) -> CallbackRefusal | None:
        if number is None:
            return "number"
        double = any(record.number == number for record in self._open.values())
        return "double" if double else None

    def _is_time(self, hours: str | None, now: float) -> bool:
        local = datetime.fromtimestamp(now, self._zone)
        return hours is None or within(hours, clock(local))

    # Made

    def _make(self, record: CallbackRecord, lines: Lines, now: float) -> list[Command]:
        decision = self._decisions.get(record.id)
        due = Claim.of(decision, record.entered_at).at(now) if decision else record.priority
        priority = max(record.priority, due)
        record = replace(record, made=record.made + 1, priority=priority, due_at=None)
        self._open[record.id] = record
        channel = channel_of(record)
        self._waiting[channel] = record.id, now
        queue = QueueName(record.queue)
        return [
            Save(record),
            CallBack(
                PbxName(record.pbx),
                channel,
                record.number,
                record.name,
                record.shown,
                queue,
                record.priority,
                lines(queue).rank(record.priority, record.entered_at),
                record.language,
                decision.penalties if decision else _bounds(record),
            ),
        ]

    def known(self, call: Call) -> Call:
        """The call, with what is known of the customer whom it is for."""
        record = self.of(call.linkedid)
        if record is None:
            return call
        queue, skills = QueueName(record.queue), _bounds(record)
        decision = Decision("queue", queue, 0, record.language, (), penalties=skills)
        decision = self._decisions.get(record.id, decision)
        return replace(
            call,
            number=record.number,
            name=record.name,
            dialled=record.shown,
            decision=replace(decision, priority=record.priority),
            why=record.why,
            callback=True,
            waits_since=record.entered_at,
        )

    # What became of it

    def reached(self, linkedid: Linkedid) -> None:
        """His turn has come: he is called."""
        record = self.of(linkedid)
        if record is not None:
            self._reached[record.id] = "no-answer"

    def failed(self, linkedid: Linkedid, status: str) -> None:
        """He did not take it; `status` is DIALSTATUS."""
        record = self.of(linkedid)
        if record is not None:
            self._reached[record.id] = "busy" if status == "BUSY" else "no-answer"

    def over(self, call: Call, now: float) -> list[Command]:
        """A call has ended, whichever it is."""
        self._left.pop(call.id, None)
        record = self.of(call.linkedid)
        self._waiting.pop(call.linkedid, None)
        if record is None:
            return []
        status = self._reached.pop(record.id, None)
        if call.answered is not None:
            return self._close(record, "answered", now)
        if status is not None:
            return self._in_vain(record, status, now)
        return self._later(record, now if call.cause == "lost" else now + LEFT_QUEUE)

    def _in_vain(self, record: CallbackRecord, status: str, now: float) -> list[Command]:
        record = replace(record, tries=record.tries + 1)
        if record.tries >= self._rules.tries:
            return self._close(record, status, now)
        return self._later(record, now + self._rules.again)

    def not_made(self, linkedid: Linkedid, now: float) -> list[Command]:
        """The PBX would not make the channel, of which no call was seen."""
        record = self.of(linkedid)
        self._waiting.pop(linkedid, None)
        return self._later(record, now + LEFT_QUEUE) if record else []

    def came_himself(self, call: Call, now: float) -> list[Command]:
        """A caller waits himself; whoever called him back now would do it twice."""
        found = [one for one in self._open.values() if one.number == call.number]
        if not found or call.callback:
            return []
        return self._withdraw(found[0], "called-again", now)

    def cancel(self, linkedid: Linkedid, now: float) -> list[Command]:
        """Somebody who may do so takes it back."""
        record = self.of(linkedid)
        return self._withdraw(record, "cancelled", now) if record else []

    def _withdraw(self, record: CallbackRecord, result: str, now: float) -> list[Command]:
        channel = channel_of(record)
        stop = [Hush(PbxName(record.pbx), channel)] if channel in self._waiting else []
        return [*self._close(record, result, now), *stop]

    def _later(self, record: CallbackRecord, due: float) -> list[Command]:
        self._open[record.id] = replace(record, due_at=due)
        return [Save(self._open[record.id])]

    def _close(self, record: CallbackRecord, result: str, now: float) -> list[Command]:
        self._open.pop(record.id, None)
        self._decisions.pop(record.id, None)
        self._reached.pop(record.id, None)
        return [Save(replace(record, result=result, ended_at=now, due_at=None))]

    # Later

    def tick(self, up: Container[PbxName], lines: Lines, now: float) -> list[Command]:
        """Makes those whose time it is, the longest waiting first, on the PBXs that are `up`."""
        out: list[Command] = []
        for record in sorted(self._open.values(), key=lambda one: one.entered_at):
            on_time, channel = self._is_time(record.hours, now), channel_of(record)
            if record.due_at is not None:
                if record.due_at <= now and on_time and record.pbx in up:
                    out += self._make(record, lines, now)
            elif channel in self._waiting and not on_time and record.id not in self._reached:
                del self._waiting[channel]
                out += [*self._later(record, now), Hush(PbxName(record.pbx), channel)]
        return out

    def snapshot(self, pbx: PbxName, live: Container[Linkedid], now: float) -> list[Command]:
        """What the PBX does not have any more was made, or is lost: it is asked. `live` are the
        calls that it has."""
        missing = False
        for record in self._open.values():
            channel = channel_of(record)
            if record.pbx != pbx or record.due_at is not None:
                continue
            _, made = self._waiting.get(channel, ("", 0.0))
            if channel in live:
                self._waiting.setdefault(channel, (record.id, now))
            elif now - made > SEEN_WITHIN:
                self._waiting.pop(channel, None)
                missing = True
        return [AskCallbacks(pbx)] if missing else []

    def made(self, fact: CallbacksMade, now: float) -> list[Command]:
        """What became of those that the PBX does not have any more: what it has not made is made
        again."""
        out: list[Command] = []
        for record in list(self._open.values()):
            gone = channel_of(record) not in self._waiting and record.due_at is None
            if record.pbx == fact.pbx and gone:
                status = fact.made.get(record.id.replace("-", ""))
                if status == "ANSWER":
                    out += self._close(record, "answered", now)
                elif status is not None:
                    out += self._in_vain(record, "busy" if status == "BUSY" else "no-answer", now)
                else:
                    out += self._later(record, now)
        return out


def _bounds(record: CallbackRecord) -> Penalties | None:
    """Who may serve him, as far as the row tells."""
    if record.least is None and record.most is None:
        return None
    return Penalties(record.least, record.most)


def _standing_in(decision: Decision, queue: QueueName, skills: Penalties | None) -> Decision:
    """What holds for the channel that waits in the caller's stead."""
    return replace(decision, queue=queue, penalties=skills, callback=None, personal=None)


def channel_of(record: CallbackRecord) -> Linkedid:
    """The name of the channel that waits for him, or did last: the Uniqueid of its dialling half,
    and the call's Linkedid."""
    return Linkedid(f"{CALLBACK_CHANNEL}{record.id}-{record.made}")
