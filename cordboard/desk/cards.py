"""The cards on the operators' screens, from the pop to the end of the wrap-up. Pure."""

from __future__ import annotations

from dataclasses import replace

from cordboard.cti.facts import Cause
from cordboard.desk.commands import Command, EndPop, ShowPop
from cordboard.desk.facts import Unwritten
from cordboard.desk.model import Call, Pop, PopEnd
from cordboard.desk.records import pop_id
from cordboard.events import CallId, OperatorName, Uniqueid

_ENDS: dict[Cause, PopEnd] = {
    "no-answer": "no-answer",
    "busy": "busy",
    "rejected": "rejected",
    "failed": "failed",
    "lost": "lost",
}


class Cards:
    """The open ones. `wrapup` is how long a note is awaited, in seconds, and `limit` how long at
    most where the operator asks for more."""

    def __init__(self, wrapup: float, limit: float) -> None:
        self._wrapup = wrapup
        self._limit = max(wrapup, limit)
        self._pops: dict[CallId, dict[str, Pop]] = {}
        self._wrapups: dict[str, CallId] = {}

    def __len__(self) -> int:
        return sum(map(len, self._pops.values()))

    def of(self, call: CallId) -> list[Pop]:
        return list(self._pops.get(call, {}).values())

    def operators(self, call: CallId) -> tuple[OperatorName, ...]:
        """Whose screens have a card of this call."""
        return tuple(pop.operator for pop in self.of(call))

    @property
    def awaited(self) -> list[Pop]:
        """The cards whose note is awaited, in the order in which that began."""
        return [self._pops[call][identity] for identity, call in self._wrapups.items()]

    def open(
        self, name: OperatorName, uniqueid: Uniqueid, call: Call, now: float, talked: bool
    ) -> ShowPop:
        """The card opens for the operator whose leg has this Uniqueid."""
        pop = Pop(pop_id(call, uniqueid), name, uniqueid, call, now, talked)
        self._put(pop)
        return ShowPop(pop, first=True)

    def reopen(self, name: OperatorName, call: Call, left: Unwritten, until: float) -> ShowPop:
        """The card of a wrap-up that a restart cut into, and that lasts `until`."""
        identity = pop_id(call, left.peer_uniqueid)
        at = call.answered if call.answered is not None else call.started
        pop = Pop(identity, name, left.peer_uniqueid, call, at, talked=True, wrapup_until=until)
        pop = replace(pop, wrapup_at_most=left.ended + self._limit)
        self._put(pop)
        return ShowPop(pop, first=False)

    def until(self, ended: float) -> float:
        """When the wrap-up after a talk that ended then is over."""
        return ended + self._wrapup

    def talk(self, call: CallId, uniqueid: Uniqueid) -> None:
        for pop in self.of(call):
            if pop.peer_uniqueid == uniqueid:
                self._put(replace(pop, talked=True))

    def change(self, call: Call, again: bool) -> list[Command]:
        """The call is now so on all its cards; `again` where one can see that."""
        changed = [replace(pop, call=call) for pop in self.of(call.id)]
        for pop in changed:
            self._put(pop)
        return [ShowPop(pop, first=False) for pop in changed] if again else []

    def move(self, part: CallId, whole: Call) -> list[Command]:
        """The cards that were open for the part are the whole's from now on."""
        moved = [replace(pop, call=whole) for pop in self._pops.pop(part, {}).values()]
        for pop in moved:
            self._put(pop)
        return [ShowPop(pop, first=False) for pop in moved]

    def await_note(self, pop: Pop, now: float) -> None:
        until, at_most = self.until(now), now + self._limit
        self._put(replace(pop, wrapup_until=until, wrapup_at_most=at_most))

    def wrapup(self, name: OperatorName) -> tuple[float | None, float | None]:
        """When this operator's wrap-up ends, and when at most; None where there is none."""
        ends = [
            (pop.wrapup_until, pop.wrapup_at_most) for pop in self.awaited if pop.operator == name
        ]
        return max(ends, key=lambda end: end[0] or 0.0, default=(None, None))

    def extend(self, name: OperatorName, seconds: float) -> bool:
        """So much more for the operator's notes, as far as it may be; whether it was any more."""
        extended = False
        for pop in self.awaited:
            if pop.operator != name or pop.wrapup_until is None or pop.wrapup_at_most is None:
                continue
            until = min(pop.wrapup_until + seconds, pop.wrapup_at_most)
            extended = extended or until > pop.wrapup_until
            self._put(replace(pop, wrapup_until=until))
        return extended

    def end(self, pop: Pop, reason: PopEnd, saved: bool = False) -> EndPop:
        pops = self._pops[pop.call.id]
        del pops[pop.id]
        if not pops:
            del self._pops[pop.call.id]
        self._wrapups.pop(pop.id, None)
        return EndPop(pop.id, pop.operator, reason, saved)

    def _put(self, pop: Pop) -> None:
        self._pops.setdefault(pop.call.id, {})[pop.id] = pop
        if pop.wrapup_until is None:
            self._wrapups.pop(pop.id, None)
        else:
            self._wrapups[pop.id] = pop.call.id


def pop_end(cause: Cause, answered: bool) -> PopEnd:
    """Why the card goes of a phone that lost the call, which somebody else may have `answered`."""
    return _ENDS.get(cause) or ("answered-elsewhere" if answered else "caller-left")
