"""Legs, calls and bridges: who is connected with whom inside one PBX. Pure.

Asterisk speaks of channels. A channel is a *leg* here, found by Uniqueid (channel names come again
after a restart). Half of a Local channel is a leg, too, but nobody's phone: it is looked through,
to the people behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass, field

from cordboard.cti.facts import Cause, Offered
from cordboard.events import CallId, Linkedid, QueueName, Uniqueid

DOWN, RINGING, UP = "0", "5", "6"
"""Asterisk's ChannelState."""

PLUMBING = (
    "Local/",
    "Announcer/",
    "AsyncGoto/",
    "Bridge/",
    "CBAnn/",
    "CBRec/",
    "Message/",
    "Parking/",
    "Recorder/",
    "Snoop/",
    "Surrogate/",
)
"""Channels that Asterisk makes for itself: pipes, announcers, recorders, listeners, stand-ins."""

GONE_KEPT = 1000
"""Channels that hung up last; events that come after that are late by milliseconds."""

STAND_IN = "Local/wait@cordboard-callback-"
"""What waits in a queue for a customer who is to be called back: the second half of this."""

MASKED, ZOMBIE = "<MASQ>", "<ZOMBIE>"
"""Behind the name of a channel whose phone another channel takes over, and of what is left."""


def is_plumbing(channel: str) -> bool:
    """Whether a channel of this name is nobody's phone."""
    return channel.startswith(PLUMBING) or channel.endswith(ZOMBIE)


def stands_in(channel: str) -> bool:
    """Whether a channel of this name waits for somebody who is to be called back."""
    return channel.startswith(STAND_IN) and channel.endswith(";2")


@dataclass(slots=True, eq=False)
class Leg:
    """One channel. `came_in`: it called the PBX, rather than being called by it."""

    uniqueid: Uniqueid
    channel: str
    call: LiveCall
    came_in: bool
    seen_in: int
    """The number of the snapshot since which it was heard of."""
    state: str = ""
    bridge: str = ""
    dialled_by: Leg | None = None
    called: bool = False
    ringing: bool = False
    """It rings, or did; `rung` is whether that has been told."""
    rung: bool = False
    talked: bool = False
    took: bool = False
    """It has answered for somebody who is called back."""
    refused: bool = False
    held: bool | None = False
    """It has put the others on hold; None where that was not seen."""
    held_in: str = ""
    """The bridge that those stand in."""
    sent_on: bool = False
    """This phone has put its call through to somebody else."""
    cleared: bool = False
    """That it is on hook again has been told."""
    left_by_itself: bool = False
    """This phone hung up, rather than being hung up by the PBX."""
    ended_first: bool = False
    """The end of the talk began with this leg, by its phone or by the loss of it."""
    said: Cause | None = None
    """What the phone itself gave as its reason."""
    diverted_from: str | None = None
    """The phone that this one rings instead of, or took the call from."""
    turns: tuple[tuple[str, float], ...] = ()
    """The events, by name and time, that took it into or out of something: a bridge, a queue."""
    age: float = 0.0
    """Seconds since it was made, while a snapshot that says so is being read."""
    identity: Uniqueid = field(init=False)
    """The Uniqueid that the phone had at first; a masquerade gives it another."""
    is_plumbing: bool = field(init=False)
    """Nobody's phone, by its name."""
    stands_in: bool = field(init=False)
    """It waits for somebody who is to be called back."""

    def __post_init__(self) -> None:
        self.identity = self.uniqueid
        self.is_plumbing = is_plumbing(self.channel)
        self.stands_in = stands_in(self.channel)


@dataclass(slots=True)
class Stay:
    """A wait in a queue. `undecided_since`: it is over, and why is not known yet."""

    queue: QueueName
    seen_in: int
    answered: bool = False
    abandon_seen: bool = False
    undecided_since: float | None = None
    left_at: float | None = None
    """The PBX's time of the leaving, which may be known before the reason is."""


@dataclass(slots=True)
class Transfer:
    """A blind transfer whose target has not rung yet."""

    stays: str
    by: str


@dataclass(slots=True, eq=False)
class LiveCall:
    """`caller` is the leg that the call is about: who rang in, or, when that person has put the
    other side through to somebody and left, who stays. `channel` stays the first caller's.
    `began` is on our clock."""

    id: CallId
    linkedid: Linkedid
    began: float
    legs: dict[Uniqueid, Leg] = field(default_factory=dict)
    aliases: list[Linkedid] = field(default_factory=list)
    caller: Leg | None = None
    channel: str = ""
    offer: Offered | None = None
    """What will be said of the call when it has shown that it is one of its own."""
    offered: bool = False
    stay: Stay | None = None
    queued: bool = False
    talked: bool = False
    failure: Cause | None = None
    answered_from: QueueName | None = None
    called_back: bool = False
    """Its customer's own phone is called, or was."""
    transfer: Transfer | None = None


class Legs:
    """All legs of one PBX, the bridges they stand in, and the calls they belong to."""

    def __init__(self) -> None:
        self._legs: dict[Uniqueid, Leg] = {}
        self._calls: dict[Linkedid, LiveCall] = {}
        self._bridges: dict[str, dict[Uniqueid, Leg]] = {}
        self._locals: dict[str, Leg] = {}
        self._masked: dict[str, Leg] = {}
        self._gone: dict[Uniqueid, None] = {}
        self.parked: set[Uniqueid] = set()
        """Those who stand in a parking lot: in one bridge, but each alone."""

    def __len__(self) -> int:
        return len(self._legs)

    @property
    def kept(self) -> dict[str, Sized]:
        """What holds legs or their names, by what it is."""
        return {
            "legs": self._legs,
            "calls": self._calls,
            "bridges": self._bridges,
            "locals": self._locals,
            "masked": self._masked,
            "parked": self.parked,
        }

    def __iter__(self) -> Iterator[Leg]:
        return iter(list(self._legs.values()))

    def calls(self) -> list[LiveCall]:
        return list({id(call): call for call in self._calls.values()}.values())

    def find(self, uniqueid: str) -> Leg | None:
        return self._legs.get(Uniqueid(uniqueid))

    def is_gone(self, uniqueid: str) -> bool:
        """Whether this channel was seen to hang up, of late."""
        return uniqueid in self._gone

    def bury(self, leg: Leg) -> None:
        """`leg` has hung up: what still comes under its name is late."""
        self._gone[leg.uniqueid] = None
        if len(self._gone) > GONE_KEPT:
            del self._gone[next(iter(self._gone))]

    def restart(self) -> None:
        """Uniqueids may come again after a restart of the PBX."""
        self._gone.clear()

    def call(self, linkedid: Linkedid) -> LiveCall | None:
        return self._calls.get(linkedid)

    def add_call(self, call: LiveCall) -> None:
        call.aliases.append(call.linkedid)
        self._calls[call.linkedid] = call

    def add(self, leg: Leg) -> None:
        self._legs[leg.uniqueid] = leg.call.legs[leg.uniqueid] = leg
        if leg.is_plumbing:
            self._locals[leg.channel] = leg

    def remove(self, leg: Leg) -> bool:
        """Takes a leg out; whether it was the last of its call, which is then forgotten."""
        self.exit(leg)
        self.parked.discard(leg.uniqueid)
        self._unname(leg)
        self._legs.pop(leg.uniqueid, None)
        leg.call.legs.pop(leg.uniqueid, None)
        for other in leg.call.legs.values():
            if other.dialled_by is leg:
                other.dialled_by = None
        if leg.call.legs:
            return False
        for alias in leg.call.aliases:
            self._calls.pop(alias, None)
        return True

    def rename(self, leg: Leg, channel: str) -> Leg | None:
        """Gives a leg its new name. Returns the leg whose phone this one has taken over, if that
        is what the name says: Asterisk marks the old holder of a name before it gives the name
        to another channel."""
        self._unname(leg)
        if channel.endswith(MASKED):
            self._masked[channel.removesuffix(MASKED)] = leg
        leg.channel, leg.is_plumbing = channel, is_plumbing(channel)
        if leg.is_plumbing:
            self._locals[channel] = leg
        return self._masked.pop(channel, None)

    def _unname(self, leg: Leg) -> None:
        if self._locals.get(leg.channel) is leg:
            del self._locals[leg.channel]
        if leg.channel.endswith(MASKED):
            self._masked.pop(leg.channel.removesuffix(MASKED), None)

    def merge(self, younger: LiveCall, older: LiveCall) -> None:
        """All legs and names of `younger` are `older`'s from now on."""
        for leg in younger.legs.values():
            leg.call = older
            older.legs[leg.uniqueid] = leg
        younger.legs = {}
        for alias in younger.aliases:
            self._calls[alias] = older
        older.aliases += younger.aliases
        younger.aliases = []
        older.talked = older.talked or younger.talked

    def alias(self, call: LiveCall, linkedid: Linkedid) -> None:
        """`call` goes by this name as well."""
        call.aliases.append(linkedid)
        self._calls[linkedid] = call

    def enter(self, leg: Leg, bridge: str) -> None:
        if leg.bridge == bridge:
            return
        self.exit(leg)
        leg.bridge = bridge
        self._bridges.setdefault(bridge, {})[leg.uniqueid] = leg

    def inside(self, bridge: str) -> list[Leg]:
        """The legs that stand in this bridge; none for a parking lot."""
        return [leg for leg in self._bridges.get(bridge, {}).values() if not self.is_parked(leg)]

    def is_parked(self, leg: Leg) -> bool:
        return leg.uniqueid in self.parked

    def exit(self, leg: Leg) -> None:
        inside = self._bridges.get(leg.bridge)
        if inside is not None:
            inside.pop(leg.uniqueid, None)
            if not inside:
                del self._bridges[leg.bridge]
        leg.bridge = ""

    def together(self, leg: Leg) -> list[Leg]:
        """The phones that hear each other around `leg`: those of its bridge, and those behind the
        Local channels that stand in it."""
        found: list[Leg] = []
        if leg.uniqueid in self.parked:
            return [leg]
        bridges, seen = [leg.bridge], {""}
        for bridge in bridges:
            if bridge in seen:
                continue
            seen.add(bridge)
            for other in self._bridges.get(bridge, {}).values():
                if not other.is_plumbing:
                    found.append(other)
                elif (twin := self.twin(other)) is not None:
                    bridges.append(twin.bridge)
        return found

    def twin(self, leg: Leg) -> Leg | None:
        """The other half of a Local channel: their names differ in the last character."""
        return self._locals.get(leg.channel[:-1] + ("2" if leg.channel.endswith("1") else "1"))

    def person(self, leg: Leg | None) -> Leg | None:
        """Who is at the near end of `leg`: itself, or the phone that a Local channel was made
        for, which stands in a bridge with its other half, or dials it."""
        for _ in range(8):  # pipes into pipes end somewhere
            if leg is None or not leg.is_plumbing:
                return leg
            twin = self.twin(leg)
            if twin is None:
                return None
            if twin.bridge:
                inside = [other for other in self.together(twin) if not other.is_plumbing]
                if inside:
                    return inside[0]
            leg = twin.dialled_by
        return None

    def opposite(self, leg: Leg) -> Leg | None:
        """Somebody who hears `leg`."""
        return next((other for other in self.together(leg) if other is not leg), None)

    def consulted(self, named: str, first: Leg, second: Leg) -> Leg | None:
        """The phone that a transferring party spoke with, or let ring, on its second line.
        Asterisk names a Local channel as the target, or none where it does not bridge but lets an
        application go on."""
        pipe = self.find(named)
        target = self.person(pipe)
        if target is not None and target not in (first, second):
            return target
        if pipe is not None and (twin := self.twin(pipe)):
            behind = [leg for leg in self if leg.dialled_by in (twin, pipe)]
            if behind:
                return behind[-1]
        rung = [
            leg
            for leg in second.call.legs.values()
            if leg.called and not leg.refused and leg not in (first, second)
        ]
        dialled = [leg for leg in rung if self.person(leg.dialled_by) is second]
        found = dialled or rung
        return found[-1] if found else None
