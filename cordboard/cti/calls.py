"""The call model: what Asterisk's events mean for the people on the phones. Pure.

A call is what stays one for the person who rang, however many channels it takes. A leg belongs to
the call that its Linkedid names at first sight; when legs of two calls come together, by a
transfer or a pick-up, the younger call becomes part of the older one. The leg that came in is the
caller's; every other leg that is somebody's phone is a *peer*.

Events may come twice, or after the snapshot that contains them already, and events of different
channels in any order, so every step asks what is known before it says that something happened. A
leg whose first event was lost (or kept back, because a forger had put lines into it) is made at
the next event that names it.

Whoever calls in may do so only to take somebody else's call: to pick it up, to fetch it from the
parking lot, to step into a conference. So a call is told of when it dials, queues, meets somebody
or ends, or after a second.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sized
from dataclasses import replace

from cordboard.cti.ami import Message, unescape
from cordboard.cti.dialects import OLD_EVENTS, modern
from cordboard.cti.facts import (
    Called,
    Cause,
    Cleared,
    Delivered,
    Detour,
    Detoured,
    Diverted,
    Established,
    Fact,
    Held,
    Merged,
    Offered,
    Originated,
    PeerCleared,
    Retrieved,
    Undelivered,
    Unseen,
)
from cordboard.cti.legs import Leg, Legs, LiveCall
from cordboard.cti.members import Members, number
from cordboard.cti.snapshots import CHANNELS, QUEUES, Snapshot, age, lasted
from cordboard.cti.stays import About, Stays
from cordboard.cti.transfers import Transfers
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

LOST_CAUSES = frozenset({"18", "44"})
"""Of a leg that talked: no answer to the session timer, and no more sound (`rtp_timeout`)."""

DETOURS: dict[str, Detour] = {
    "CordboardFallback": "fallback",
    "CordboardManager": "manager",
    "CordboardTransfer": "transfer",
}
"""The shipped dialplan's user events."""

DOWN, RINGING, UP = "0", "5", "6"
"""Asterisk's ChannelState."""

HELD_BACK = 1.0
"""Seconds for which a new call may turn out to be part of another. A pick-up was seen to take
half a second: Asterisk answers first and waits that long for the phone's sound."""

UNHELD_FOR = 0.6
"""Seconds after an Unhold within which a transfer shows that nobody was taken back: Asterisk sends
one in front of every transfer, as do phones that ask for one, and then waits for half a second
where it has to lay a pipe between two bridges."""

IN_FLIGHT = 1.0
"""Seconds for which events may be on their way that a snapshot on a standing link has overtaken."""


class CallModel:
    """The calls of one PBX. `feed` takes every message of the event connection, in order."""

    def __init__(self, pbx: PbxName) -> None:
        self.pbx = pbx
        self.boot = ""
        self._legs = Legs()
        self._members = Members(pbx)
        self._stays = Stays(self._tell, self._about)
        self._transfers = Transfers(self._legs, self._tell, self._about, self._join_calls)
        self._unheld: dict[Leg, tuple[Retrieved, float]] = {}
        self._snapshot = Snapshot()
        self._listed: list[Message] = []
        self._lost_at: float | None = None
        self._untold: dict[LiveCall, float] = {}
        self._doubt_until = math.inf
        self._soonest = math.inf
        self._catching_up = False
        self._facts: list[Fact] = []
        self._at: float | None = None
        self._now = 0.0
        self._handlers: dict[str, Callable[[Message], None]] = {
            "Newchannel": self._newchannel,
            "Newstate": self._newstate,
            "Rename": self._rename,
            "DialBegin": self._called,
            "AgentCalled": self._agent_called,
            "DialState": self._dial_state,
            "DialEnd": self._dial_end,
            "Pickup": self._pickup,
            "AgentConnect": self._agent_connect,
            "ParkedCall": self._parked,
            "UnParkedCall": self._unparked,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "Hold": self._hold,
            "Unhold": self._unhold,
            "BlindTransfer": self._blind_transfer,
            "AttendedTransfer": self._attended_transfer,
            "HangupRequest": self._hangup_request,
            "SoftHangupRequest": self._soft_hangup_request,
            "Hangup": self._hangup,
            "QueueCallerJoin": self._join,
            "QueueCallerAbandon": self._abandon,
            "QueueCallerLeave": self._leave,
            "OriginateResponse": self._originated,
            "UserEvent": self._user_event,
            "CoreShowChannel": self._list,
            "CoreShowChannelsComplete": self._channels_listed,
            "QueueEntry": self._join,
            "QueueStatusComplete": self._queues_listed,
            **dict.fromkeys(Members.EVENTS, self._member),
            **dict.fromkeys(OLD_EVENTS, self._old),
        }

    @property
    def size(self) -> int:
        """Legs that are held in memory."""
        return len(self._legs)

    @property
    def held(self) -> dict[str, int]:
        """How much is kept, by what it is; nothing once all channels are gone."""
        late: dict[str, Sized] = {
            "untold": self._untold,
            "unheld": self._unheld,
            "undecided": self._stays.undecided,
        }
        return {name: len(kept) for name, kept in (late | self._legs.kept).items() if kept}

    def feed(self, message: Message, now: float) -> list[Fact]:
        """The facts that this message makes known, in order."""
        handler = self._handlers.get(message.headers.get("Event", ""))
        if handler is None and now < self._soonest:
            return []
        self._begin(now, message["Timestamp"])
        if now >= self._soonest:
            self._decide_late()
        if handler is not None:
            handler(message)
        return self._facts

    def tick(self, now: float) -> list[Fact]:
        """What the passing of time makes known; to be asked about once a second."""
        self._begin(now)
        if now >= self._soonest:
            self._decide_late()
        return self._facts

    def link_lost(self, now: float) -> list[Fact]:
        """Nothing is seen from `now` on. Before the first link: nothing was seen since then."""
        self._begin(now)
        if self._lost_at is None:
            self._lost_at = now
        return self._facts

    def linked(self, boot: str, now: float) -> list[Fact]:
        """The link is up. After another boot than before, every call that we knew is lost."""
        self._begin(now)
        if self.boot and boot != self.boot:
            if self._lost_at is not None:
                self._mark_unseen(self._legs.calls(), now)
            for leg in self._legs:
                self._remove(leg, lost=True)
            self._legs.restart()
        self.boot = boot
        self._catching_up = True
        return self._facts

    def snapshot_began(self, now: float) -> list[Fact]:
        self._begin(now)
        self._snapshot.begin(now, live=self._snapshot.number > 0 and self._lost_at is None)
        self._listed.clear()
        self._doubt_until = math.inf
        return self._facts

    def snapshot_done(self, now: float) -> list[Fact]:
        """Marks the gap that the snapshot ends, and closes what it left out: at once after a gap;
        on a standing link a moment later, since its events may still be on their way."""
        self._begin(now)
        self._catching_up = False
        self._snapshot.is_open = False
        self._legs.parked = {each for each in self._legs.parked if self._legs.find(each)}
        if self._snapshot.has(QUEUES):
            self._facts += self._members.missing(self._snapshot.number)
        if self._snapshot.live:
            self._doubt_until = now + IN_FLIGHT
            self._soonest = min(self._soonest, self._doubt_until)
        else:
            self._close_missing()
            if self._snapshot.has(CHANNELS):
                self._lost_at = None
        return self._facts

    def _close_missing(self) -> None:
        """What ended while we could not see it."""
        number = self._snapshot.number
        if self._snapshot.has(CHANNELS):
            for leg in self._legs:
                if leg.seen_in < number:
                    self._remove(leg, lost=True)
        if self._snapshot.has(QUEUES):
            for call in self._legs.calls():
                if call.stay and call.stay.seen_in < number and call.caller:
                    self._stays.end(call.caller, "connected" if call.talked else "lost")

    def _mark_unseen(self, calls: list[LiveCall], seen_from: float) -> None:
        """A call that was there before `seen_from` has a gap: since the link was lost, or, if it
        began later than that, since it began."""
        for call in calls:
            since = call.began if self._lost_at is None else max(call.began, self._lost_at)
            if call.offered and since < seen_from:
                self._facts.append(Unseen(*self._about(call), since, self._now))

    def _decide_late(self) -> None:
        """What was put off until more is known, and nothing more came."""
        self._stays.decide_late(self._now)
        for call, since in list(self._untold.items()):
            if self._now - since >= HELD_BACK:
                self._announce(call)
        if self._now >= self._doubt_until:
            self._doubt_until = math.inf
            self._close_missing()
        for leg, (_, since) in list(self._unheld.items()):
            if self._now - since >= UNHELD_FOR:
                self._retrieve(leg)
        held = min(self._untold.values(), default=math.inf) + HELD_BACK
        unheld = min((since for _, since in self._unheld.values()), default=math.inf) + UNHELD_FOR
        self._soonest = min(held, unheld, self._stays.due, self._doubt_until)

    def _begin(self, now: float, timestamp: str = "") -> None:
        self._facts = []
        self._now = now
        try:
            self._at = float(timestamp) if timestamp else None
        except ValueError:
            self._at = None
        if self._at is not None and not math.isfinite(self._at):
            self._at = None

    def _tell(self, fact: Fact) -> None:
        self._facts.append(fact)

    def _old(self, message: Message) -> None:
        for each in modern(message):
            self._handlers[each["Event"]](each)

    # Legs and calls

    def _leg(self, message: Message, prefix: str = "") -> Leg | None:
        """The leg that a message speaks of, made if this is the first time; None where Asterisk
        named no channel, as some of its queue events do when the channel has just gone."""
        headers = message.headers
        uniqueid = Uniqueid(headers.get(prefix + "Uniqueid", ""))
        leg = self._leg_known(uniqueid)
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
            identity = call_id(self.pbx, self.boot, linkedid, self._now)
            call = LiveCall(identity, linkedid, self._now)
            self._legs.add_call(call)
        # Asterisk makes the channel of somebody who calls in as Ring (4), and that of a phone it
        # is going to call as Down (0).
        up = headers.get(prefix + "ChannelState", UP) not in (DOWN, RINGING)
        came_in = up and str(uniqueid) == str(linkedid)
        leg = Leg(uniqueid, channel, call, came_in=came_in, seen_in=self._snapshot.number)
        leg.state = headers.get(prefix + "ChannelState", "")
        self._legs.add(leg)
        if leg.is_plumbing and (twin := self._legs.twin(leg)) and twin.call is not call:
            self._join_calls(call, twin.call)  # no Linkedid told that they belong together
        return leg

    def _leg_known(self, uniqueid: str) -> Leg | None:
        leg = self._legs.find(uniqueid)
        if leg is not None:
            leg.seen_in = self._snapshot.number
        return leg

    def _turned(self, leg: Leg, message: Message) -> bool:
        """Whether this event, of a kind that comes and goes, was read before: a copy that comes
        late would undo what has happened since."""
        if self._at is None:
            return False
        turn = hash((message["Event"], self._at))
        if turn in leg.turns:
            return True
        leg.turns += (turn,)
        return False

    def _shown(self, message: Message, prefix: str = "") -> Leg | None:
        """The leg of an event that shows a caller, who is told of if he was not yet."""
        leg = self._leg(message, prefix)
        if leg is not None:
            self._offer(leg, message, prefix)
        return leg

    def _offer(self, leg: Leg, message: Message, prefix: str = "") -> None:
        """Prepares what is to be told of a call, at the first event that shows its caller."""
        call = leg.call
        if call.caller is not None or not leg.came_in or leg.is_plumbing:
            return
        call.caller, call.channel = leg, leg.channel
        name = message[prefix + "CallerIDName"]
        call.offer = Offered(
            *self._about(call),
            pbx=self.pbx,
            boot=self.boot,
            uniqueid=leg.uniqueid,
            number=_known(message[prefix + "CallerIDNum"]),
            name=_unquote(_known(name if message["Event"] == "QueueEntry" else unescape(name))),
            dialled=message[prefix + "Exten"],
        )
        self._hold_back(call)

    def _hold_back(self, call: LiveCall) -> None:
        self._untold[call] = self._now
        self._soonest = min(self._soonest, self._now + HELD_BACK)

    def _announce(self, call: LiveCall) -> None:
        """The call has shown that it is one of its own."""
        self._untold.pop(call, None)
        if call.offer is not None:
            late = max(self._now - call.began, 0.0)
            self._facts.append(replace(call.offer, age=late) if late else call.offer)
            call.offer, call.offered = None, True

    def _about(self, call: LiveCall, party: Leg | None = None) -> About:
        return self._at, call.id, call.linkedid, party.channel if party else call.channel

    def _newchannel(self, message: Message) -> None:
        fresh = self._legs.find(message["Uniqueid"]) is None
        leg = self._leg(message)
        if leg is None or not fresh:
            return
        leg.state = message["ChannelState"]
        self._offer(leg, message)

    def _newstate(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        if leg.state == RINGING:
            self._ring(leg)
        elif leg.state != UP or leg.is_plumbing:
            return
        elif leg.call.caller is None and not self._catching_up and self._began(leg):
            # The first party of a call that the PBX itself began has answered: for people it is
            # now that a call begins. It may be a phone that rings again after a transfer that
            # nobody answered, and soon steps into the call that it was. Before the snapshot that
            # ends a gap it may also be one that takes the call of somebody of whom we have not
            # heard; the snapshot will tell.
            leg.came_in = True
            leg.call.began = self._now
            self._offer(leg, message)
        elif leg.call in self._untold and leg is leg.call.caller:
            self._hold_back(leg.call)  # a pick-up begins with this

    def _began(self, leg: Leg) -> bool:
        """Whether this is the first party of its call, rather than a phone whose caller has not
        been seen: what the PBX begins has the Linkedid of that party, or of a pipe to it."""
        call = leg.call
        return str(leg.uniqueid) == str(call.linkedid) or any(
            other.is_plumbing for other in call.legs.values()
        )

    def _rename(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg and message["Newname"] and not self._turned(leg, message):
            before = self._legs.rename(leg, message["Newname"])
            if before is not None:
                self._take_over(leg, before)

    def _take_over(self, leg: Leg, before: Leg) -> None:
        """A masquerade: the phone that was `before` goes on as the channel `leg`, which was only
        made for it, or was the other line of whoever put the two together."""
        if leg.call is not before.call:
            self._meet(leg.call, before.call)
        call = leg.call
        self._clear(leg)
        leg.identity, leg.came_in = before.identity, before.came_in
        leg.called, leg.rung, leg.talked = before.called, before.rung, before.talked
        leg.refused, leg.held, leg.sent_on = before.refused, before.held, before.sent_on
        before.called = before.talked = False
        if call.caller is before:
            call.caller = leg

    # Phones that are called

    def _called(self, message: Message) -> None:
        caller, peer = self._leg(message), self._leg(message, "Dest")
        if peer is None:
            return
        if caller is not None:
            self._offer(caller, message)
            self._stays.left(caller)
            if not peer.called:
                peer.dialled_by = caller
            if peer.call is not caller.call and peer.call.caller is None:
                self._join_calls(peer.call, caller.call)  # no Linkedid told that they belong
        if peer.is_plumbing:
            return
        self._call_peer(peer)
        if peer.state == RINGING:
            self._ring(peer)

    def _call_peer(self, peer: Leg) -> None:
        call = peer.call
        if peer.called or peer.sent_on or peer.is_plumbing or call.caller in (None, peer):
            return
        self._announce(call)
        peer.called = True
        queue = call.stay.queue if call.stay else None
        about = self._about(call, self._dialler(peer))
        self._facts.append(Called(*about, peer.channel, peer.identity, queue))

    def _agent_called(self, message: Message) -> None:
        self._in_queue(message)
        self._called(message)

    def _agent_connect(self, message: Message) -> None:
        leg = self._shown(message)
        if leg is None:
            return
        self._stays.answer(leg)
        if not leg.call.queued and not leg.call.talked and message["Queue"]:
            leg.call.queued, leg.call.answered_from = True, QueueName(message["Queue"])

    def _in_queue(self, message: Message) -> None:
        """A queue calls a member for somebody whom we have not seen join it: an account may not
        be allowed those events. Who is called for stands at the head."""
        leg = self._leg(message)
        if leg is not None and message["Queue"]:
            self._offer(leg, message)
            if not leg.call.queued and not leg.call.talked and leg.call.caller is leg:
                self._announce(leg.call)
                self._stays.join(leg, QueueName(message["Queue"]), 1, 0.0, self._snapshot.number)

    def _dialler(self, peer: Leg) -> Leg | None:
        """Whose call the phone rings for: the caller, or the operator who consults."""
        dialler = self._legs.person(peer.dialled_by)
        if dialler is None and peer.dialled_by is not None:
            # The line for it is there, and whoever called for it steps into it any moment: that is
            # who has put the other on hold.
            dialler = next((leg for leg in peer.call.legs.values() if leg.held), None)
        return dialler or peer.call.caller

    def _ring(self, peer: Leg) -> None:
        peer.ringing = True
        if not peer.called or peer.rung or peer.refused or peer.talked:
            return
        peer.rung = True
        call = peer.call
        self._transfers.divert(peer)
        self._transfers.complete(call, peer)
        queue = call.stay.queue if call.stay else None
        about = self._about(call, self._dialler(peer))
        self._facts.append(Delivered(*about, peer.channel, peer.identity, queue))

    def _dial_state(self, message: Message) -> None:
        self._shown(message)
        peer = self._leg(message, "Dest")
        if peer is not None and message["DialStatus"] == "RINGING":
            self._call_peer(peer)
            self._ring(peer)

    def _dial_end(self, message: Message) -> None:
        caller = self._shown(message)
        peer = self._leg(message, "Dest")
        if peer is not None:
            self._dialled(peer, message)
        elif caller is not None:  # an old one says no more than that nobody answered
            for other in list(caller.call.legs.values()):
                if other.dialled_by is caller and other.called:
                    self._dialled(other, message)

    def _dialled(self, peer: Leg, message: Message) -> None:
        self._call_peer(peer)
        status = message["DialStatus"]
        if status != "ANSWER":
            if message["Forward"]:
                self._transfers.forwarded(peer)
            # A phone that says 603 Decline is NOANSWER to Dial().
            self._refuse(peer, peer.said or DIAL_FAILURES.get(status, "failed"))
        elif peer.call.caller and not peer.talked:
            self._stays.answer(peer.call.caller)

    def _refuse(self, peer: Leg, cause: Cause) -> None:
        if not peer.called or peer.refused or peer.talked:
            return
        peer.refused = True
        if cause != "lost":
            peer.call.failure = cause
        self._transfers.complete(peer.call, peer)
        about = self._about(peer.call)
        self._facts.append(Undelivered(*about, peer.channel, peer.identity, cause))

    def _pickup(self, message: Message) -> None:
        """The picker called in to do it, so what was a call of its own is part of this one."""
        picker, target = self._leg(message), self._leg(message, "Target")
        if picker is None or target is None or picker.call is target.call:
            return
        call, lost = target.call, target.channel
        if call.caller:
            self._stays.answer(call.caller)
        self._refuse(target, "cancelled")
        self._join_calls(picker.call, call)
        picker.called = picker.rung = True
        about = self._about(call)
        self._facts.append(Called(*about, picker.channel, picker.identity, None))
        self._facts.append(Diverted(*about, lost, picker.channel, picker.identity))

    # Talking

    def _bridge_enter(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None or self._turned(leg, message):
            return
        if message["BridgeTechnology"] == "holding_bridge":
            self._legs.parked.add(leg.uniqueid)
        else:
            self._legs.parked.discard(leg.uniqueid)
        self._offer(leg, message)
        self._relink(leg, message)
        self._enter(leg, message["BridgeUniqueid"])

    def _relink(self, leg: Leg, message: Message) -> None:
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
            self._meet(leg.call, other)
            if leg.ringing and not leg.called:
                self._call_peer(leg)
                self._ring(leg)

    def _enter(self, leg: Leg, bridge: str) -> None:
        self._legs.enter(leg, bridge)
        for other in self._legs.inside(bridge):
            # The same without a Linkedid: one of the two has nobody who called.
            if other.call is not leg.call and None in (other.call.caller, leg.call.caller):
                strange, known = sorted(
                    (other.call, leg.call), key=lambda call: call.caller is not None
                )
                self._join_calls(strange, known)
        people = self._legs.together(leg)
        if len(people) < 2:
            return
        # Two who had called in by themselves meet: a parked caller is fetched, a conference.
        for one in people:
            for other in people:
                if one.call is not other.call and one.came_in and other.came_in:
                    self._meet(one.call, other.call)
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
        if call.caller is None:
            return
        self._announce(call)
        self._call_peer(peer)
        if peer.ringing and not peer.came_in:
            self._ring(peer)  # it rang before we saw for whom
        peer.talked = call.talked = True
        if call.stay and call.caller and other is call.caller:
            self._stays.end(call.caller, "connected")
        queue, call.answered_from = call.answered_from, None
        about = self._about(call, other)
        talked_for = min(peer.age, other.age)
        self._facts.append(Established(*about, peer.channel, peer.identity, queue, talked_for))

    def _meet(self, one: LiveCall, other: LiveCall) -> None:
        older, younger = sorted((one, other), key=lambda call: (call.began, age(call.linkedid)))
        self._join_calls(younger, older)

    def _join_calls(self, younger: LiveCall, older: LiveCall) -> None:
        if younger is older:
            return
        if younger.stay and younger.caller:
            self._stays.end(younger.caller, "moved")
        self._untold.pop(younger, None)
        if younger.offered:
            self._announce(older)
        if younger.offered:
            self._facts.append(Merged(*self._about(younger), older.id))
        self._legs.merge(younger, older)

    def _bridge_leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg and not self._turned(leg, message) and message["BridgeUniqueid"] in ("", leg.bridge):
            self._legs.exit(leg)

    def _hold(self, message: Message) -> None:
        if message["Status"] == "Off":  # so said Asterisk before version 12
            self._unhold(message)
            return
        leg = self._leg(message)
        if leg and not self._turned(leg, message) and not leg.held and leg.call.offered:
            self._retrieve(leg)
            leg.held, leg.held_in = True, leg.bridge
            self._facts.append(Held(*self._about(leg.call), leg.channel))

    def _unhold(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None or self._turned(leg, message) or leg.held is False:
            return
        # Towards a colleague, whom the phone had put on hold in turn, it says nothing.
        if leg.call.offered and leg.held_in in ("", leg.bridge):
            leg.held = False
            self._unheld[leg] = Retrieved(*self._about(leg.call), leg.channel), self._now
            self._soonest = min(self._soonest, self._now + UNHELD_FOR)

    def _retrieve(self, leg: Leg) -> None:
        """No transfer followed: the others were taken back."""
        if leg in self._unheld:
            self._facts.append(self._unheld.pop(leg)[0])

    # Transfers

    def _blind_transfer(self, message: Message) -> None:
        for party in ("Transferee", "Transferer"):
            self._shown(message, party)
        by = self._transfers.blind(message)
        if by is not None:
            self._unheld.pop(by, None)

    def _attended_transfer(self, message: Message) -> None:
        for by in self._transfers.attended(message):
            self._unheld.pop(by, None)
            if by.left_by_itself:
                self._clear(by)

    def _clear(self, peer: Leg, gone: bool = False) -> None:
        if peer.talked and not peer.cleared and peer is not peer.call.caller:
            peer.cleared = True
            about = self._about(peer.call)
            self._facts.append(PeerCleared(*about, peer.channel, peer.identity, gone))

    # The end

    def _hangup_request(self, message: Message) -> None:
        leg = self._shown(message)
        if leg is not None:
            leg.left_by_itself = leg.ended_first = True
            leg.said = HANGUP_CAUSES.get(message["Cause"])

    def _soft_hangup_request(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is not None:
            leg.ended_first = True

    def _hangup(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is not None:
            cause = message["Cause"]
            gone = leg.ended_first and cause in LOST_CAUSES
            self._remove(leg, cause=HANGUP_CAUSES.get(cause), gone=gone)
            self._legs.bury(leg)

    def _remove(
        self, leg: Leg, cause: Cause | None = None, lost: bool = False, gone: bool = False
    ) -> None:
        """`lost` is what we did not see end, `gone` a phone of which Asterisk hears no more."""
        call = leg.call
        self._announce(call)
        self._retrieve(leg)
        if leg is call.caller:
            self._stays.hung_up(leg, lost)
        elif leg.talked:
            self._clear(leg, gone)
        elif leg.called and not leg.refused:
            self._refuse(leg, "lost" if lost else cause or "cancelled")
        if self._legs.remove(leg) and call.offered:
            self._transfers.complete(call, None)
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
        if message["Event"] == "QueueEntry":
            self._snapshot.item(QUEUES)
        leg = self._leg(message)
        if leg is None or self._turned(leg, message):
            return
        self._offer(leg, message)
        if leg.call.caller is leg:
            self._announce(leg.call)
            step = self._stays.place if message["Event"] == "QueueEntry" else self._stays.join
            queue, position = QueueName(message["Queue"]), max(number(message["Position"], 1), 1)
            waited = float(max(number(message["Wait"], 0), 0))
            step(leg, queue, position, waited, self._snapshot.number)

    def _abandon(self, message: Message) -> None:
        leg = self._shown(message)
        if leg is not None:
            leg.call.queued = True
        if leg and not self._turned(leg, message) and self._stays.is_in(leg, message["Queue"]):
            self._stays.abandon(leg)

    def _leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg and not self._turned(leg, message) and self._stays.is_in(leg, message["Queue"]):
            self._stays.leave(leg, self._now)
            self._soonest = min(self._soonest, self._stays.due)

    def _originated(self, message: Message) -> None:
        uniqueid = Uniqueid(message["Uniqueid"])
        self._facts.append(Originated(self.pbx, uniqueid, number(message["Reason"], 0)))

    def _user_event(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is None:
            return
        name, status = message["UserEvent"], message["Status"]
        if (name != "CordboardQueue" and name not in DETOURS) or self._turned(leg, message):
            return
        if name == "CordboardQueue":
            self._stays.explain(leg, status)
        else:
            self._facts.append(Detoured(*self._about(leg.call), DETOURS[name], status))

    def _member(self, message: Message) -> None:
        if message["Event"] in ("QueueParams", "QueueMember"):
            self._snapshot.item(QUEUES)
        self._facts += self._members.read(message, self._snapshot.number)

    # Parking

    def _parked(self, message: Message) -> None:
        """Also a list's item: the parked stand in one bridge there, but each alone."""
        uniqueid = Uniqueid(message["ParkeeUniqueid"])
        leg = self._legs.find(uniqueid)
        if leg is None:
            if self._snapshot.is_open:
                self._legs.parked.add(uniqueid)  # the list of channels comes next
        else:
            leg.seen_in = self._snapshot.number
            if not self._turned(leg, message):
                self._legs.parked.add(uniqueid)
                leg.call.transfer = None  # to a parking space is to nobody

    def _unparked(self, message: Message) -> None:
        self._legs.parked.discard(Uniqueid(message["ParkeeUniqueid"]))

    # Snapshots

    def _list(self, message: Message) -> None:
        self._snapshot.item(CHANNELS)
        self._listed.append(message)

    def _queues_listed(self, message: Message) -> None:
        self._snapshot.complete(QUEUES, message)

    def _channels_listed(self, message: Message) -> None:
        """The channels of a snapshot, oldest first, so that a caller is there before the phones
        that ring for them."""
        self._snapshot.complete(CHANNELS, message)
        listed = sorted(
            self._listed,
            key=lambda item: (item["Uniqueid"] != item["Linkedid"], age(item["Uniqueid"])),
        )
        self._listed.clear()
        gap = self._snapshot.has(CHANNELS) and not self._snapshot.live
        if gap:  # what has ended ended before whatever the list shows anew
            for item in listed:
                self._leg_known(item["Uniqueid"])
            self._mark_unseen(self._legs.calls(), self._snapshot.began)
            self._close_missing()
        read = []
        for item in listed:
            fresh = self._legs.find(item["Uniqueid"]) is None
            leg = self._leg(item)
            if leg is None:
                continue
            leg.state, leg.age = item["ChannelState"], lasted(item["Duration"])
            read.append(leg)
            self._relink(leg, item)
            if fresh:
                leg.call.began = min(leg.call.began, self._now - leg.age)
                if leg.call.caller is None and leg.state == UP and not leg.is_plumbing:
                    leg.came_in = True  # who began the call has left it, or the PBX began it
                leg.held = None
                self._offer(leg, item)
                if leg.call.caller is leg:
                    self._announce(leg.call)
                    if gap:
                        self._mark_unseen([leg.call], self._snapshot.began)
            if not leg.came_in:
                self._call_peer(leg)
                if leg.state == RINGING:
                    self._ring(leg)
            if item["BridgeId"]:
                self._enter(leg, item["BridgeId"])
            else:
                self._legs.exit(leg)
        for leg in read:
            leg.age = 0.0


def _unquote(name: str) -> str:
    """PJSIP leaves the backslashes of SIP's quoted strings in a caller's name."""
    return re.sub(r"\\(.)", r"\1", name)


def _known(value: str) -> str:
    return "" if value == "<unknown>" else value
