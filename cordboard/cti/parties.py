"""The parties that an event of Asterisk speaks of: their legs, and the call each belongs to. Pure.

An event names its parties by the same headers with a prefix each: `Uniqueid`, `DestUniqueid`,
`TransfereeUniqueid`. A leg is made at the first event that names it, whichever that is.
"""

from __future__ import annotations

import re

from cordboard.cti.ami import Message, unescape
from cordboard.cti.facts import Offered
from cordboard.cti.legs import DOWN, RINGING, UP, Leg, Legs, LiveCall
from cordboard.cti.people import People
from cordboard.cti.snapshots import Snapshot
from cordboard.events import Linkedid, PbxName, Uniqueid, call_id


class Parties:
    """`boot` names the run of the PBX whose channels these are."""

    def __init__(self, pbx: PbxName, legs: Legs, people: People, snapshot: Snapshot) -> None:
        self.boot = ""
        self._pbx = pbx
        self._legs = legs
        self._people = people
        self._snapshot = snapshot

    def leg(self, message: Message, prefix: str = "") -> Leg | None:
        """The leg that a message speaks of, made if this is the first time; None where Asterisk
        named no channel, as some of its queue events do when the channel has just gone."""
        headers = message.headers
        uniqueid = Uniqueid(headers.get(prefix + "Uniqueid", ""))
        leg = self.known(uniqueid)
        if leg is not None:
            return leg
        channel = headers.get(prefix + "Channel", "")
        if not uniqueid or not channel or uniqueid == "<unknown>":
            return None
        if self._legs.is_gone(uniqueid):
            return None
        linkedid = Linkedid(headers.get(prefix + "Linkedid", "") or uniqueid)
        call = self._legs.call(linkedid)
        if call is None:
            identity = call_id(self._pbx, self.boot, linkedid, self._people.now)
            call = LiveCall(identity, linkedid, self._people.now)
            self._legs.add_call(call)
        # Asterisk makes the channel of somebody who calls in as Ring (4), and that of a phone it
        # is going to call as Down (0).
        up = headers.get(prefix + "ChannelState", UP) not in (DOWN, RINGING)
        came_in = up and str(uniqueid) == str(linkedid)
        leg = Leg(uniqueid, channel, call, came_in=came_in, seen_in=self._snapshot.number)
        leg.state = headers.get(prefix + "ChannelState", "")
        self._legs.add(leg)
        if leg.is_plumbing and (twin := self._legs.twin(leg)) and twin.call is not call:
            self._people.join(call, twin.call)  # no Linkedid told that they belong together
        return leg

    def known(self, uniqueid: str) -> Leg | None:
        """The leg, if it was seen before; now it is seen again."""
        leg = self._legs.find(uniqueid)
        if leg is not None:
            leg.seen_in = self._snapshot.number
        return leg

    def turned(self, leg: Leg, message: Message) -> bool:
        """Whether this event, of a kind that comes and goes, was read before: a copy that comes
        late would undo what has happened since."""
        if self._people.at is None:
            return False
        turn = (message["Event"], self._people.at)
        if turn in leg.turns:
            return True
        leg.turns += (turn,)
        return False

    def shown(self, message: Message, prefix: str = "") -> Leg | None:
        """The leg of an event that shows a caller, who is told of if he was not yet."""
        leg = self.leg(message, prefix)
        if leg is not None:
            self.offer(leg, message, prefix)
        return leg

    def offer(self, leg: Leg, message: Message, prefix: str = "") -> None:
        """Prepares what is to be told of a call, at the first event that shows its caller."""
        call = leg.call
        is_somebody = leg.stands_in or not leg.is_plumbing
        if call.caller is not None or not leg.came_in or not is_somebody:
            return
        call.caller, call.channel = leg, leg.channel
        call.offer = Offered(
            *self._people.about(call),
            pbx=self._pbx,
            boot=self.boot,
            uniqueid=leg.uniqueid,
            number=_known(message[prefix + "CallerIDNum"]),
            name=caller_name(message, prefix),
            dialled=message[prefix + "Exten"],
        )
        self._people.hold_back(call)

    def relink(self, leg: Leg, message: Message) -> None:
        """In a bridge all take the oldest Linkedid, and no event of its own says so. Where more
        than this phone comes along it is a transfer, of which an event tells whose call goes on."""
        linkedid = Linkedid(message["Linkedid"])
        if not linkedid or linkedid in leg.call.aliases:
            return
        if len(leg.call.legs) > 1 and message["Event"] == "BridgeEnter":
            return
        other = self._legs.call(linkedid)
        if other is None:
            self._legs.alias(leg.call, linkedid)
        elif other is not leg.call:
            self._people.meet(leg.call, other)
            if leg.ringing and not leg.called:
                self._people.call(leg)
                self._people.ring(leg)


def caller_name(message: Message, prefix: str = "") -> str:
    """The name of one of the parties that an event speaks of, as it was given."""
    name = message[prefix + "CallerIDName"]
    return _unquote(_known(name if message["Event"] == "QueueEntry" else unescape(name)))


def _unquote(name: str) -> str:
    """PJSIP leaves the backslashes of SIP's quoted strings in a caller's name."""
    return re.sub(r"\\(.)", r"\1", name) if "\\" in name else name


def _known(value: str) -> str:
    return "" if value == "<unknown>" else value
