"""What supervisors must know of until it is over: forged caller ids, a database that is away. Pure.

An alarm that speaks of a state is ended by whoever raised it; one that speaks of events ends by
itself when none has come for a while.
"""

from __future__ import annotations

from dataclasses import replace

from cordboard.desk.commands import Command, EndAlarm, ShowAlarm
from cordboard.desk.facts import AlarmEnded, AlarmRaised
from cordboard.desk.model import Alarm, AlarmKind

QUIET_AFTER: dict[AlarmKind, float] = {
    "forged-callers": 900.0,
    "fallback-routed": 900.0,
    "phone-lost": 900.0,
    "calls-missed": 900.0,
    "pause-over": 900.0,
    "pops-missed": 900.0,
    "records-lost": 3600.0,
}
"""Seconds without another event, by alarms that speak of events."""


class Alarms:
    """The alarms that stand now. Each step returns what is to be shown."""

    def __init__(self) -> None:
        self._alarms: dict[AlarmKind, Alarm] = {}

    def raised(self, fact: AlarmRaised, now: float) -> list[Command]:
        """Events are counted together; a state's figure is the last one told."""
        before = self._alarms.get(fact.kind)
        if before is None:
            alarm = Alarm(fact.kind, fact.count, fact.detail, since=now, last=now)
        else:
            count = before.count + fact.count if fact.kind in QUIET_AFTER else fact.count
            alarm = replace(before, count=count, detail=fact.detail, last=now)
        self._alarms[fact.kind] = alarm
        return [ShowAlarm(alarm)]

    def ended(self, fact: AlarmEnded) -> list[Command]:
        return [EndAlarm(fact.kind)] if self._alarms.pop(fact.kind, None) else []

    def tick(self, now: float) -> list[Command]:
        over = [
            kind
            for kind, alarm in self._alarms.items()
            if kind in QUIET_AFTER and now - alarm.last >= QUIET_AFTER[kind]
        ]
        return [command for kind in over for command in self.ended(AlarmEnded(kind))]
