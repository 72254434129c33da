"""The call model: what Asterisk's events mean for the people on the phones. Pure.

A call is what stays one for the person who rang, however many channels it takes. A leg belongs to
the call that its Linkedid names at first sight; when legs of two calls come together, by a
transfer or a pick-up, the younger call becomes part of the older one. The leg that came in is the
caller's; every other leg that is somebody's phone is a *peer*.

Events may come twice, or after the snapshot that contains them already, and events of different
channels in any order, so every step asks what is known before it says that something happened. A
leg whose first event was lost (or kept back, because a forger had put lines into it) is made at
the next event that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from cordboard.cti.ami import Message, unescape
from cordboard.cti.facts import (
    Called,
    Cause,
    Cleared,
    Delivered,
    Diverted,
    Established,
    Fact,
    Held,
    Merged,
    Offered,
    Originated,
    PeerCleared,
    Retrieved,
    Transferred,
    Undelivered,
)
from cordboard.cti.legs import Leg, Legs, LiveCall, Transfer
from cordboard.cti.members import Members, number
from cordboard.cti.stays import About, Stays
from cordboard.events import Linkedid, PbxName, QueueName, Uniqueid, call_id

DIAL_FAILURES: dict[str, Cause] = {
    "BUSY": "busy",
    "NOANSWER": "no-answer",
    "CANCEL": "cancelled",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
    "ABORT": "cancelled",
}

HANGUP_CAUSES: dict[str, Cause] = {
    "17": "busy",
    "18": "no-answer",
    "19": "no-answer",
    "21": "rejected",
    "26": "cancelled",
}
"""Q.850 numbers of Asterisk's Hangup event; 26 is `answered elsewhere`."""

DOWN, RINGING, UP = "0", "5", "6"
"""Asterisk's ChannelState."""


class CallModel:
    """The calls of one PBX. `feed` takes every message of the event connection, in order."""

    def __init__(self, pbx: PbxName) -> None:
        self.pbx = pbx
        self.boot = ""
        self._legs = Legs()
        self._members = Members(pbx)
        self._stays = Stays(lambda fact: self._facts.append(fact), self._about)
        self._listed: list[Message] = []
        self._snapshot = 0
        self._facts: list[Fact] = []
        self._at: float | None = None
        self._now = 0.0
        self._handlers: dict[str, Callable[[Message], None]] = {
            "Newchannel": self._newchannel,
            "Newstate": self._newstate,
            "Rename": self._rename,
            "DialBegin": self._called,
            "AgentCalled": self._called,
            "DialState": self._dial_state,
            "DialEnd": self._dial_end,
            "Pickup": self._pickup,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "Hold": self._hold,
            "Unhold": self._unhold,
            "BlindTransfer": self._blind_transfer,
            "AttendedTransfer": self._attended_transfer,
            "HangupRequest": self._hangup_request,
            "Hangup": self._hangup,
            "QueueCallerJoin": self._join,
            "QueueCallerAbandon": self._abandon,
            "QueueCallerLeave": self._leave,
            "OriginateResponse": self._originated,
            "UserEvent": self._user_event,
            "CoreShowChannel": self._list,
            "CoreShowChannelsComplete": self._channels_listed,
            "QueueEntry": self._join,
            **dict.fromkeys(Members.EVENTS, self._member),
        }

    @property
    def size(self) -> int:
        """Legs that are held in memory."""
        return len(self._legs)

    def reads(self, message: Message) -> bool:
        """Whether events of this kind mean anything to the model."""
        return message["Event"] in self._handlers

    def feed(self, message: Message, now: float) -> list[Fact]:
        """The facts that this message makes known, in order."""
        handler = self._handlers.get(message.headers.get("Event", ""))
        if handler is None and not self._stays.undecided:
            return []
        self._begin(now, message["Timestamp"])
        if self._stays.undecided:
            self._stays.decide_late(now)
        if handler is not None:
            handler(message)
        return self._facts

    def linked(self, boot: str, now: float) -> list[Fact]:
        """The link is up. After another boot than before, every call that we knew is lost."""
        self._begin(now)
        if self.boot and boot != self.boot:
            for leg in self._legs:
                self._remove(leg, lost=True)
        self.boot = boot
        return self._facts

    def snapshot_began(self, now: float) -> list[Fact]:
        self._begin(now)
        self._snapshot += 1
        self._listed.clear()
        return self._facts

    def snapshot_done(self, now: float) -> list[Fact]:
        """Closes what the snapshot left out: it ended while we could not see it."""
        self._begin(now)
        for leg in self._legs:
            if leg.seen_in < self._snapshot:
                self._remove(leg, lost=True)
        for call in self._legs.calls():
            if call.stay and call.stay.seen_in < self._snapshot and call.caller:
                self._stays.end(call.caller, "connected" if call.talked else "lost")
        self._facts += self._members.missing(self._snapshot)
        return self._facts

    def _begin(self, now: float, timestamp: str = "") -> None:
        self._facts = []
        self._now = now
        try:
            self._at = float(timestamp) if timestamp else None
        except ValueError:
            self._at = None

    # Legs and calls

    def _leg(self, message: Message, prefix: str = "") -> Leg | None:
        """The leg that a message speaks of, made if this is the first time; None where Asterisk
        named no channel, as some of its queue events do when the channel has just gone."""
        headers = message.headers
        uniqueid = Uniqueid(headers.get(prefix + "Uniqueid", ""))
        channel = headers.get(prefix + "Channel", "")
        if not uniqueid or not channel or uniqueid == "<unknown>":
            return None
        leg = self._legs.find(uniqueid)
        if leg is not None:
            leg.seen_in = self._snapshot
            return leg
        linkedid = Linkedid(headers.get(prefix + "Linkedid", "") or uniqueid)
        call = self._legs.call(linkedid)
        if call is None:
            call = LiveCall(call_id(self.pbx, self.boot, linkedid, self._now), linkedid)
            self._legs.add_call(call)
        first = not call.legs and prefix == "" and str(uniqueid) == str(linkedid)
        leg = Leg(uniqueid, channel, call, came_in=first, seen_in=self._snapshot)
        self._legs.add(leg)
        return leg

    def _offer(self, leg: Leg, message: Message) -> None:
        call = leg.call
        if call.offered or not leg.came_in or leg.is_plumbing:
            return
        call.offered, call.caller, call.channel = True, leg, leg.channel
        self._facts.append(
            Offered(
                *self._about(call),
                pbx=self.pbx,
                boot=self.boot,
                uniqueid=leg.uniqueid,
                number=_known(message["CallerIDNum"]),
                name=caller_name(message),
                dialled=message["Exten"],
            )
        )

    def _about(self, call: LiveCall, party: Leg | None = None) -> About:
        return self._at, call.id, call.linkedid, party.channel if party else call.channel

    def _newchannel(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        # Asterisk makes the channel of somebody who calls in as Ring (4), and that of a phone it
        # is going to call as Down (0).
        leg.came_in = leg.came_in and leg.state != DOWN
        self._offer(leg, message)

    def _newstate(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        if leg.state == RINGING:
            self._ring(leg)
        elif leg.state == UP and not leg.call.offered and not leg.is_plumbing:
            # The first party of a call that the PBX itself began has answered: for people it is
            # now that a call begins.
            leg.came_in = True
            self._offer(leg, message)

    def _rename(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is not None and message["Newname"]:
            self._legs.rename(leg, message["Newname"])

    # Phones that are called

    def _called(self, message: Message) -> None:
        caller, peer = self._leg(message), self._leg(message, "Dest")
        if peer is None:
            return
        if caller is not None:
            self._offer(caller, message)
            peer.dialled_by = caller
        if peer.is_plumbing or not peer.call.offered:
            return
        self._call_peer(peer)
        if peer.state == RINGING:
            self._ring(peer)

    def _call_peer(self, peer: Leg) -> None:
        call = peer.call
        if peer.called or peer is call.caller or not call.offered or peer.is_plumbing:
            return
        peer.called = True
        queue = call.stay.queue if call.stay else None
        about = self._about(call, self._dialler(peer))
        self._facts.append(Called(*about, peer.channel, peer.uniqueid, queue))

    def _dialler(self, peer: Leg) -> Leg | None:
        """Whose call the phone rings for: the caller, or the operator who consults."""
        return self._legs.person(peer.dialled_by) or peer.call.caller

    def _ring(self, peer: Leg) -> None:
        if not peer.called or peer.rung or peer.refused:
            return
        peer.rung = True
        call = peer.call
        self._divert(peer)
        self._complete_blind(call, peer)
        queue = call.stay.queue if call.stay else None
        about = self._about(call, self._dialler(peer))
        self._facts.append(Delivered(*about, peer.channel, peer.uniqueid, queue))

    def _dial_state(self, message: Message) -> None:
        peer = self._leg(message, "Dest")
        if peer is not None and message["DialStatus"] == "RINGING":
            self._ring(peer)

    def _dial_end(self, message: Message) -> None:
        peer = self._leg(message, "Dest")
        if peer is None:
            return
        status = message["DialStatus"]
        if status != "ANSWER":
            if message["Forward"]:
                self._forwarded(peer)
            # A phone that says 603 Decline is NOANSWER to Dial().
            self._refuse(peer, peer.said or DIAL_FAILURES.get(status, "failed"))
        elif peer.call.stay:
            peer.call.stay.answered = True

    def _forwarded(self, peer: Leg) -> None:
        """The phone sent the call on; what is dialled for it next rings instead."""
        for other in peer.call.legs.values():
            if other is not peer and not other.called and not other.came_in:
                other.diverted_from = peer.channel

    def _divert(self, peer: Leg) -> None:
        source = peer.diverted_from
        pipe = peer.dialled_by
        while source is None and pipe is not None and pipe.is_plumbing:
            twin = self._legs.twin(pipe)
            source = pipe.diverted_from or (twin.diverted_from if twin else None)
            pipe = twin.dialled_by if twin else None
        if source is not None:
            about = self._about(peer.call)
            self._facts.append(Diverted(*about, source, peer.channel, peer.uniqueid))

    def _refuse(self, peer: Leg, cause: Cause) -> None:
        if not peer.called or peer.refused or peer.talked:
            return
        peer.refused = True
        peer.call.failure = cause
        self._complete_blind(peer.call, peer)
        about = self._about(peer.call)
        self._facts.append(Undelivered(*about, peer.channel, peer.uniqueid, cause))

    def _pickup(self, message: Message) -> None:
        """The picker called in to do it, so what was a call of its own is part of this one."""
        picker, target = self._leg(message), self._leg(message, "Target")
        if picker is None or target is None or picker.call is target.call:
            return
        call, lost = target.call, target.channel
        if call.stay:
            call.stay.answered = True
        self._refuse(target, "cancelled")
        self._join_calls(picker.call, call)
        picker.called = picker.rung = True
        about = self._about(call)
        self._facts.append(Called(*about, picker.channel, picker.uniqueid, None))
        self._facts.append(Diverted(*about, lost, picker.channel, picker.uniqueid))

    # Talking

    def _bridge_enter(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            self._offer(leg, message)
            self._enter(leg, message["BridgeUniqueid"])

    def _enter(self, leg: Leg, bridge: str) -> None:
        self._legs.enter(leg, bridge)
        people = self._legs.together(leg)
        if len(people) < 2:
            return
        # Two who had called in by themselves meet: a parked caller is fetched, a conference.
        for one in people:
            for other in people:
                if one.call is not other.call and one.came_in and other.came_in:
                    self._meet(one, other)
        for peer in people:
            if not peer.talked and peer is not peer.call.caller:
                others = [one for one in people if one is not peer]
                self._establish(peer, self._opposite(peer, others))

    def _opposite(self, peer: Leg, others: list[Leg]) -> Leg:
        """Whom `peer` talks with, to people: who called it, else the caller, else anybody."""
        dialler, caller = self._dialler(peer), peer.call.caller
        return next((leg for leg in (dialler, caller) if leg in others), others[0])

    def _establish(self, peer: Leg, other: Leg) -> None:
        call = peer.call
        if not call.offered:
            return
        self._call_peer(peer)
        peer.talked = call.talked = True
        if call.stay and call.caller and other is call.caller:
            self._stays.end(call.caller, "connected")
        queue, call.answered_from = call.answered_from, None
        about = self._about(call, other)
        self._facts.append(Established(*about, peer.channel, peer.uniqueid, queue))

    def _meet(self, one: Leg, other: Leg) -> None:
        older, younger = (one, other) if one.uniqueid < other.uniqueid else (other, one)
        self._join_calls(younger.call, older.call)

    def _join_calls(self, younger: LiveCall, older: LiveCall) -> None:
        if younger is older:
            return
        if younger.stay and younger.caller:
            self._stays.end(younger.caller, "moved")
        if younger.offered:
            self._facts.append(Merged(*self._about(younger), older.id))
        self._legs.merge(younger, older)

    def _bridge_leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            self._legs.exit(leg)

    def _hold(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None and not leg.held and leg.call.offered:
            leg.held = True
            self._facts.append(Held(*self._about(leg.call), leg.channel))

    def _unhold(self, message: Message) -> None:
        leg = self._leg(message)
        # SIP phones also send it, unasked, when they ask for a transfer.
        if leg is not None and leg.held:
            leg.held = False
            self._facts.append(Retrieved(*self._about(leg.call), leg.channel))

    # Transfers

    def _blind_transfer(self, message: Message) -> None:
        by = self._legs.find(message["TransfererUniqueid"])
        stays = self._legs.find(message["TransfereeUniqueid"])
        if by is None or by.sent_on or message["Result"] != "Success":
            return
        call = by.call
        # With more than two in the bridge Asterisk names no transferee.
        party = self._legs.person(stays) or call.caller
        if party is None or not call.offered:
            return
        by.held, by.sent_on = False, True
        if by is call.caller and party is not by:
            call.caller = party  # the caller put the operator through, and is out
        call.transfer = Transfer(party.channel, by.channel)

    def _complete_blind(self, call: LiveCall, target: Leg | None) -> None:
        transfer, call.transfer = call.transfer, None
        if transfer is not None:
            self._transferred(call, transfer.stays, "blind", transfer.by, target)

    def _transferred(
        self, call: LiveCall, stays: str, kind: str, by: str, target: Leg | None
    ) -> None:
        at, identity, linkedid, _ = self._about(call)
        self._facts.append(
            Transferred(
                at,
                identity,
                linkedid,
                stays,
                "blind"
                if kind == "blind"
                else "attended"
                if kind == "attended"
                else "semi-attended",
                by,
                target.channel if target else None,
                target.uniqueid if target else None,
            )
        )

    def _attended_transfer(self, message: Message) -> None:
        first = self._legs.find(message["OrigTransfererUniqueid"])
        second = self._legs.find(message["SecondTransfererUniqueid"])
        if first is None or second is None or first.sent_on or message["Result"] != "Success":
            return
        stays = self._legs.person(self._legs.find(message["TransfereeUniqueid"]))
        call = first.call
        stays = stays or self._legs.opposite(first) or call.caller
        target = self._legs.consulted(message["TransferTargetUniqueid"], first, second)
        if stays is None or not call.offered:
            return
        # The consultation was a call of its own where the phone has two lines.
        consultation = second.call
        if consultation is not call:
            older, younger = call, consultation
            if target is not None and target.call.caller is target and not call.offered:
                older, younger = consultation, call
            self._join_calls(younger, older)
            call = older
        if call.caller in (first, second):
            call.caller = stays if stays not in (first, second) else target
        kind = "attended" if target is not None and target.talked else "semi-attended"
        first.held = second.held = False
        first.sent_on = second.sent_on = True
        self._transferred(call, stays.channel, kind, first.channel, target)
        if target is not None:
            target.dialled_by = stays

    # The end

    def _hangup_request(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            leg.left_by_itself = True
            leg.said = HANGUP_CAUSES.get(message["Cause"])

    def _hangup(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is not None:
            self._remove(leg, cause=HANGUP_CAUSES.get(message["Cause"]))

    def _remove(self, leg: Leg, cause: Cause | None = None, lost: bool = False) -> None:
        call = leg.call
        if leg is call.caller:
            self._stays.hung_up(leg, lost)
        elif leg.talked:
            about = self._about(call)
            self._facts.append(PeerCleared(*about, leg.channel, leg.uniqueid))
        elif leg.called and not leg.refused:
            self._refuse(leg, "lost" if lost else cause or "cancelled")
        if self._legs.remove(leg) and call.offered:
            self._complete_blind(call, None)
            self._facts.append(Cleared(*self._about(call), self._cause(call, leg, cause, lost)))

    def _cause(self, call: LiveCall, last: Leg, hangup: Cause | None, lost: bool) -> Cause:
        caller = call.caller or last
        if lost:
            return "lost"
        if call.talked:
            return "completed"
        if call.queued or call.failure:
            if caller.left_by_itself:
                return "cancelled"
            if call.queued or call.failure == "cancelled" or call.failure is None:
                return "no-answer"
            return call.failure
        if caller.state == UP:
            return "completed"
        return hangup or ("cancelled" if caller.left_by_itself else "failed")

    # Queues

    def _join(self, message: Message) -> None:
        """QueueCallerJoin, or a snapshot's QueueEntry."""
        leg = self._leg(message)
        if leg is None:
            return
        self._offer(leg, message)
        if leg.call.caller is leg:
            step = self._stays.place if message["Event"] == "QueueEntry" else self._stays.join
            queue, position = QueueName(message["Queue"]), number(message["Position"], 1)
            step(leg, queue, position, float(number(message["Wait"], 0)), self._snapshot)

    def _abandon(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None and leg.call.stay:
            leg.call.stay.abandon_seen = True

    def _leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            self._stays.leave(leg, self._now)

    def _originated(self, message: Message) -> None:
        uniqueid = Uniqueid(message["Uniqueid"])
        self._facts.append(Originated(self.pbx, uniqueid, number(message["Reason"], 0)))

    def _user_event(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is not None and message["UserEvent"] == "CordboardQueue":
            self._stays.explain(leg, message["Status"])

    def _member(self, message: Message) -> None:
        self._facts += self._members.read(message, self._snapshot)

    # Snapshots

    def _list(self, message: Message) -> None:
        self._listed.append(message)

    def _channels_listed(self, message: Message) -> None:
        """The channels of a snapshot, oldest first, so that a caller is there before the phones
        that ring for them."""
        listed = sorted(self._listed, key=lambda item: _age(item["Uniqueid"]))
        self._listed.clear()
        for item in listed:
            leg = self._leg(item)
            if leg is None:
                continue
            leg.state = item["ChannelState"]
            leg.came_in = leg.came_in and leg.state != DOWN
            self._offer(leg, item)
            if not leg.came_in:
                self._call_peer(leg)
                if leg.state == RINGING:
                    self._ring(leg)
            if item["BridgeId"] and item["BridgeId"] != leg.bridge:
                self._enter(leg, item["BridgeId"])


def caller_name(message: Message) -> str:
    """The caller's name as it was given."""
    name = message["CallerIDName"]
    return _unquote(_known(name if message["Event"] == "QueueEntry" else unescape(name)))


def _unquote(name: str) -> str:
    """PJSIP leaves the backslashes of SIP's quoted strings in a caller's name."""
    return re.sub(r"\\(.)", r"\1", name) if "\\" in name else name


def _known(value: str) -> str:
    return "" if value == "<unknown>" else value


def _age(uniqueid: str) -> tuple[int, int]:
    seconds, _, sequence = uniqueid.rpartition("-")[2].partition(".")
    return number(seconds, 0), number(sequence, 0)
