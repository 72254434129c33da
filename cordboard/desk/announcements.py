"""What waiting callers are told of their place and their wait, and when. Pure.

An announcement is whispered to the caller over the music by a channel of its own, while app_queue
goes on offering him to operators; it is ended as soon as he leaves the queue. Nobody is told worse
news than he was told before: then that part is left out, and with nothing left nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cordboard.cti.facts import Originated
from cordboard.desk.callbacks import Callbacks
from cordboard.desk.commands import Announce, Command, Hush, Remark
from cordboard.desk.model import Announcing, Call
from cordboard.events import CallId, Linkedid, PbxName, derived_id
from cordboard.queue.floor import Floor
from cordboard.queue.lines import Entry

SPOKEN_FOR = 30.0
"""Seconds. No announcement takes longer; the longest of the shipped dialplan takes about 25."""

BACK_OFF = 60.0
"""Seconds without announcements after one that the PBX would not make."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller was told: the best place and the shortest wait, None where none was said."""

    next: float
    place: int | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """An announcement under way."""

    pbx: PbxName
    call: CallId
    until: float


class Announcements:
    """The stays of waiting callers of whom something was told, and what is being said now."""

    def __init__(self, rules: Announcing, floor: Floor, callbacks: Callbacks) -> None:
        self._rules = rules
        self._floor = floor
        self._callbacks = callbacks
        self._heard: dict[str, Told] = {}
        self._spoken: dict[Linkedid, Spoken] = {}
        self._silent_until = 0.0

    def __len__(self) -> int:
        return len(self._heard)

    def tick(self, waiting: Iterable[tuple[Entry, Call, int]], now: float) -> list[Command]:
        """`waiting` are all who stand in a queue, each with his place; the longest waiting of
        those whose turn it is to be told something come first."""
        rules, present = self._rules, set()
        self._spoken = {key: one for key, one in self._spoken.items() if one.until > now}
        due = []
        for entry, call, place in waiting:
            present.add(entry.id)
            told = self._heard.get(entry.id) or Told(entry.entered + rules.first)
            if told.next <= now and call.state == "waiting" and not call.callback:
                due.append((told, entry, call, place))
        self._heard = {key: told for key, told in self._heard.items() if key in present}
        if not rules.every or now < self._silent_until:
            return []
        due.sort(key=lambda one: one[0].next)
        out: list[Command] = []
        for told, entry, call, place in due:
            if len(self._spoken) >= rules.at_once:
                break
            seconds = self._floor.wait(entry)
            number = self._callbacks.offer(entry, call, now)
            out += self._tell(told, entry, call, place, seconds, number, now)
        return out

    def _tell(
        self,
        told: Told,
        entry: Entry,
        call: Call,
        place: int,
        seconds: float | None,
        number: str | None,
        now: float,
    ) -> list[Command]:
        rules = self._rules
        said = place if place <= rules.places and place <= (told.place or place) else None
        minutes = None if seconds is None else rounded(seconds)
        if minutes is not None and (
            minutes > rules.minutes or (told.minutes is not None and minutes > told.minutes)
        ):
            minutes = None
        self._heard[entry.id] = replace(
            told,
            next=now + rules.every,
            place=told.place if said is None else said,
            minutes=told.minutes if minutes is None else minutes,
        )
        if said is None and minutes is None and number is None:
            return []
        channel = Linkedid("cordboard-say-" + derived_id(int(now * 1000), entry.id, str(now)))
        self._spoken[channel] = Spoken(call.pbx, call.id, now + SPOKEN_FOR)
        language = call.decision.language if call.decision else rules.language
        return [Announce(call.pbx, channel, entry.uniqueid, language, said, minutes, number)]

    def hush(self, call: CallId) -> list[Command]:
        """The caller waits no more: nobody is to hear the rest."""
        over = [(key, one.pbx) for key, one in self._spoken.items() if one.call == call]
        for channel, _ in over:
            del self._spoken[channel]
        return [Hush(pbx, channel) for channel, pbx in over]

    def originated(self, fact: Originated, now: float) -> list[Command]:
        """The PBX's answer, where it is to one of ours."""
        spoken = self._spoken.get(Linkedid(fact.uniqueid))
        if spoken is None or fact.answered:
            return []
        del self._spoken[Linkedid(fact.uniqueid)]
        self._silent_until = now + BACK_OFF
        return [Remark(f"{spoken.pbx}: an announcement could not be made: {fact.reason}")]


def rounded(seconds: float) -> int:
    """Whole minutes as people say them, never fewer than expected: 0 is less than one minute,
    and from ten on they go by fives."""
    if seconds < 60:
        return 0
    minutes = math.ceil(seconds / 60)
    return minutes if minutes <= 10 else 5 * math.ceil(minutes / 5)
