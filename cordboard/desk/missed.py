"""Calls that somebody should have taken in person and did not, until they have seen them. Pure."""

from __future__ import annotations

from cordboard.desk.commands import Command, EndMissed, ShowMissed
from cordboard.desk.model import Call, Missed, MissedWhy
from cordboard.events import OperatorName, derived_id
from cordboard.queue.decisions import Personal

KEPT = 8 * 3600.0
"""Seconds. Longer than a shift nobody needs to be told."""

AT_MOST = 20
"""Of one operator; the oldest go first."""

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

    def talked(self, call: Call, name: OperatorName) -> list[Command]:
        """The two have talked after all, in this call or in another."""
        return [
            self._end(missed)
            for missed in self._of(name)
            if missed.call.id == call.id or (call.number and missed.call.number == call.number)
        ]

    def see(self, name: OperatorName, identity: str) -> list[Command]:
        """They have seen it."""
        return [self._end(missed) for missed in self._of(name) if missed.id == identity]

    def tick(self, now: float) -> list[Command]:
        return [self._end(m) for m in list(self._missed.values()) if now - m.at > KEPT]

    def _of(self, name: OperatorName) -> list[Missed]:
        return [missed for missed in self._missed.values() if missed.operator == name]

    def _put(self, call: Call, name: OperatorName, why: MissedWhy, now: float) -> list[Command]:
        own = self._of(name)
        ended = [m for m in own if m.call.id == call.id] or own[: max(len(own) - AT_MOST + 1, 0)]
        out: list[Command] = [self._end(missed) for missed in ended]
        identity = derived_id(int(now * 1000), call.id, "missed", str(len(self._missed)))
        missed = self._missed[identity] = Missed(identity, name, call, why, now)
        return [*out, ShowMissed(missed)]

    def _end(self, missed: Missed) -> EndMissed:
        del self._missed[missed.id]
        return EndMissed(missed.id, missed.operator)
