"""Calls that somebody should have taken in person, and what has become of them since. Pure."""

from __future__ import annotations

from dataclasses import replace

from cordboard.desk.commands import Command, EndMissed, ShowMissed
from cordboard.desk.model import Call, Missed, MissedState, MissedWhy
from cordboard.events import OperatorName, derived_id
from cordboard.queue.decisions import Personal

KEPT = 8 * 3600.0
"""Seconds. Longer than a shift nobody needs to be told."""

AT_MOST = 20
"""Of one operator; those go first about which nothing is to be done, the oldest of them before."""

SKIPPED = "personal-away"
"""The reason of a decision not to ring at whose caller it is: they cannot take him now."""


class MissedCalls:
    """Each step returns what is to be shown."""

    def __init__(self) -> None:
        self._missed: dict[str, Missed] = {}

    def skipped(self, call: Call, now: float) -> list[Command]:
        """Whoever was not even rung, because they could not take the call."""
        reasons = call.decision.reasons if call.decision else ()
        return [
            command
            for reason in reasons
            if reason.code == SKIPPED
            for command in self._put(call, OperatorName(reason.args["operator"]), "engaged", now)
        ]

    def missed(self, call: Call, first: Personal, why: MissedWhy, now: float) -> list[Command]:
        return self._put(call, OperatorName(first.name), why, now)

    def talked(self, call: Call, name: OperatorName, now: float) -> list[Command]:
        """The two have talked after all, in this call or in another."""
        return [
            command
            for missed in self._of(name)
            if missed.call.id == call.id or (call.number and missed.call.number == call.number)
            for command in self._come_to(missed, "talked", now)
        ]

    def see(self, name: OperatorName, identity: str, now: float) -> list[Command]:
        """They have seen it."""
        missed = self._missed.get(identity)
        if missed is None or missed.operator != name or missed.state != "open":
            return []
        return self._come_to(missed, "seen", now)

    def tick(self, now: float) -> list[Command]:
        return [self._end(m) for m in list(self._missed.values()) if now - m.at > KEPT]

    def _of(self, name: OperatorName) -> list[Missed]:
        return [missed for missed in self._missed.values() if missed.operator == name]

    def _come_to(self, missed: Missed, state: MissedState, now: float) -> list[Command]:
        if missed.state == "talked":
            return []
        changed = self._missed[missed.id] = replace(missed, state=state, since=now)
        return [ShowMissed(changed)]

    def _put(self, call: Call, name: OperatorName, why: MissedWhy, now: float) -> list[Command]:
        own = self._of(name)
        own.sort(key=lambda missed: (missed.state == "open", missed.at))
        ended = [m for m in own if m.call.id == call.id] or own[: max(len(own) - AT_MOST + 1, 0)]
        out: list[Command] = [self._end(missed) for missed in ended]
        identity = derived_id(int(now * 1000), call.id, "missed", str(len(self._missed)))
        missed = self._missed[identity] = Missed(identity, name, call, why, now, since=now)
        return [*out, ShowMissed(missed)]

    def _end(self, missed: Missed) -> EndMissed:
        del self._missed[missed.id]
        return EndMissed(missed.id, missed.operator)
