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

from collections.abc import Callable, Sized

from cordboard.cti.ami import Message
from cordboard.cti.dialects import OLD_EVENTS, modern
from cordboard.cti.facts import (
    Cause,
    Detour,
    Detoured,
    Fact,
    Originated,
)
from cordboard.cti.legs import RINGING, UP, Leg, Legs
from cordboard.cti.members import Members, number
from cordboard.cti.parties import Parties
from cordboard.cti.people import People
from cordboard.cti.sight import Sight
from cordboard.cti.snapshots import QUEUES, Snapshot
from cordboard.events import PbxName, QueueName, Uniqueid

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
    "CordboardNumber": "number",
    "CordboardVoicemail": "voicemail",
    "CordboardScript": "script",
    "CordboardOverflow": "overflow",
    "CordboardCallback": "callback",
}
"""The shipped dialplan's user events."""


class CallModel:
    """The calls of one PBX. `feed` takes every message of the event connection, in order."""

    def __init__(self, pbx: PbxName) -> None:
        self.pbx = pbx
        self._legs = Legs()
        self._members = Members(pbx)
        self._people = People(self._legs)
        self._snapshot = Snapshot()
        self._parties = Parties(pbx, self._legs, self._people, self._snapshot)
        self._sight = Sight(self._legs, self._people, self._parties, self._snapshot)
        self._catching_up = False
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
            "CoreShowChannel": self._sight.item,
            "CoreShowChannelsComplete": self._sight.channels,
            "QueueEntry": self._join,
            "QueueStatusComplete": self._sight.queues,
            **dict.fromkeys(Members.EVENTS, self._member),
            **dict.fromkeys(OLD_EVENTS, self._old),
        }

    @property
    def size(self) -> int:
        """Legs that are held in memory."""
        return len(self._legs)

    def reads(self, message: Message) -> bool:
        """Whether events of this kind mean anything to the model."""
        return message["Event"] in self._handlers

    @property
    def held(self) -> dict[str, int]:
        """How much is kept, by what it is; nothing once all channels are gone."""
        late: dict[str, Sized] = {
            "listed": self._sight.listed,
            "untold": self._people.untold,
            "unheld": self._people.unheld,
            "undecided": self._people.stays.undecided,
        }
        return {name: len(kept) for name, kept in (late | self._legs.kept).items() if kept}

    @property
    def due(self) -> float:
        """When `tick` has something to tell, on our clock; infinity where nothing is put off."""
        return self._people.soonest

    def feed(self, message: Message, now: float) -> list[Fact]:
        """The facts that this message makes known, in order."""
        handler = self._handlers.get(message.headers.get("Event", ""))
        if handler is None and now < self._people.soonest:
            return []
        self._people.begin(now, message["Timestamp"])
        if now >= self._people.soonest:
            self._decide_late()
        if handler is not None:
            handler(message)
        return self._people.facts

    def tick(self, now: float) -> list[Fact]:
        """What the passing of time makes known; to be asked about once a second."""
        self._people.begin(now)
        if now >= self._people.soonest:
            self._decide_late()
        return self._people.facts

    def link_lost(self, now: float, unseen: float = 0.0) -> list[Fact]:
        """Nothing is seen since `unseen` seconds before `now`; before the first link: since the
        server before this one recorded something for the last time."""
        self._people.begin(now)
        self._sight.lose(unseen)
        return self._people.facts

    def linked(self, boot: str, now: float) -> list[Fact]:
        """The link is up. After another boot than before, every call that we knew is lost."""
        self._people.begin(now)
        if self._parties.boot and boot != self._parties.boot:
            self._sight.restart()
        self._parties.boot = boot
        self._catching_up = True
        return self._people.facts

    def snapshot_began(self, now: float) -> list[Fact]:
        self._people.begin(now)
        self._sight.begin()
        return self._people.facts

    def snapshot_done(self, now: float) -> list[Fact]:
        """Marks the gap that the snapshot ends, and closes what it left out: at once after a gap;
        on a standing link a moment later, since its events may still be on their way."""
        self._people.begin(now)
        self._catching_up = False
        if self._snapshot.has(QUEUES):
            self._people.facts += self._members.missing(self._snapshot.number)
        self._sight.end()
        return self._people.facts

    def _decide_late(self) -> None:
        self._people.decide_late()
        self._sight.decide_late()

    def _old(self, message: Message) -> None:
        for each in modern(message):
            self._handlers[each["Event"]](each)

    # Channels

    def _newchannel(self, message: Message) -> None:
        fresh = self._legs.find(message["Uniqueid"]) is None
        leg = self._parties.leg(message)
        if leg is None or not fresh:
            return
        leg.state = message["ChannelState"]
        self._parties.offer(leg, message)

    def _newstate(self, message: Message) -> None:
        leg = self._parties.leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        if leg.state == RINGING:
            self._people.ring(leg)
        elif leg.state != UP or leg.is_plumbing:
            return
        elif leg.call.caller is None and not self._catching_up and self._began(leg):
            # The first party of a call that the PBX itself began has answered: for people it is
            # now that a call begins. It may be a phone that rings again after a transfer that
            # nobody answered, and soon steps into the call that it was. Before the snapshot that
            # ends a gap it may also be one that takes the call of somebody of whom we have not
            # heard; the snapshot will tell.
            leg.came_in = True
            leg.call.began = self._people.now
            self._parties.offer(leg, message)
        elif leg.call in self._people.untold and leg is leg.call.caller:
            self._people.hold_back(leg.call)  # a pick-up begins with this

    def _began(self, leg: Leg) -> bool:
        """Whether this is the first party of its call, rather than a phone whose caller has not
        been seen: what the PBX begins has the Linkedid of that party, or of a pipe to it."""
        call = leg.call
        return str(leg.uniqueid) == str(call.linkedid) or any(
            other.is_plumbing for other in call.legs.values()
        )

    def _rename(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg and message["Newname"] and not self._parties.turned(leg, message):
            before = self._legs.rename(leg, message["Newname"])
            if before is not None:
                self._take_over(leg, before)

    def _take_over(self, leg: Leg, before: Leg) -> None:
        """A masquerade: the phone that was `before` goes on as the channel `leg`, which was only
        made for it, or was the other line of whoever put the two together."""
        if leg.call is not before.call:
            self._people.meet(leg.call, before.call)
        call = leg.call
        self._people.clear(leg)
        leg.identity, leg.came_in = before.identity, before.came_in
        leg.called, leg.rung, leg.talked = before.called, before.rung, before.talked
        leg.took = before.took
        leg.refused, leg.held, leg.sent_on = before.refused, before.held, before.sent_on
        before.called = before.talked = False
        if call.caller is before:
            call.caller = leg

    # Phones that are called

    def _called(self, message: Message) -> None:
        caller, peer = self._parties.leg(message), self._parties.leg(message, "Dest")
        if peer is None:
            return
        if caller is not None:
            self._parties.offer(caller, message)
            self._people.stays.left(caller)
            if not peer.called:
                peer.dialled_by = caller
            if peer.call is not caller.call and peer.call.caller is None:
                self._people.join(peer.call, caller.call)  # no Linkedid told that they belong
            self._people.reach(peer, caller)
        if peer.is_plumbing:
            return
        self._people.call(peer)
        if peer.state == RINGING:
            self._people.ring(peer)

    def _agent_called(self, message: Message) -> None:
        self._in_queue(message)
        self._called(message)

    def _agent_connect(self, message: Message) -> None:
        leg = self._parties.shown(message)
        if leg is None:
            return
        self._people.stays.answer(leg)
        if not leg.call.queued and not leg.call.talked and message["Queue"]:
            leg.call.queued, leg.call.answered_from = True, QueueName(message["Queue"])

    def _in_queue(self, message: Message) -> None:
        """A queue calls a member for somebody whom we have not seen join it: an account may not
        be allowed those events. Who is called for stands at the head."""
        leg = self._parties.leg(message)
        if leg is not None and message["Queue"]:
            self._parties.offer(leg, message)
            if not leg.call.queued and not leg.call.talked and leg.call.caller is leg:
                queue, snapshot = QueueName(message["Queue"]), self._snapshot.number
                self._people.announce(leg.call)
                self._people.stays.join(leg, queue, 1, 0.0, snapshot)

    def _dial_state(self, message: Message) -> None:
        self._parties.shown(message)
        peer = self._parties.leg(message, "Dest")
        if peer is not None and message["DialStatus"] == "RINGING":
            self._people.call(peer)
            self._people.ring(peer)

    def _dial_end(self, message: Message) -> None:
        caller = self._parties.shown(message)
        peer = self._parties.leg(message, "Dest")
        if peer is not None:
            self._people.dialled(peer, message)
        elif caller is not None:  # an old one says no more than that nobody answered
            for other in list(caller.call.legs.values()):
                if other.dialled_by is caller and other.called:
                    self._people.dialled(other, message)

    def _pickup(self, message: Message) -> None:
        picker, target = self._parties.leg(message), self._parties.leg(message, "Target")
        if picker and target and picker.call is not target.call:
            self._people.pick_up(picker, target)

    # Talking

    def _bridge_enter(self, message: Message) -> None:
        leg = self._parties.leg(message)
        if leg is None or self._parties.turned(leg, message):
            return
        if message["BridgeTechnology"] == "holding_bridge":
            self._legs.parked.add(leg.uniqueid)
        else:
            self._legs.parked.discard(leg.uniqueid)
        self._parties.offer(leg, message)
        self._parties.relink(leg, message)
        self._people.enter(leg, message["BridgeUniqueid"])

    def _bridge_leave(self, message: Message) -> None:
        leg = self._parties.leg(message)
        if leg is None or self._parties.turned(leg, message):
            return
        if message["BridgeUniqueid"] in ("", leg.bridge):
            self._legs.exit(leg)

    def _hold(self, message: Message) -> None:
        if message["Status"] == "Off":  # so said Asterisk before version 12
            self._unhold(message)
            return
        leg = self._parties.leg(message)
        if leg and not self._parties.turned(leg, message):
            self._people.hold(leg)

    def _unhold(self, message: Message) -> None:
        leg = self._parties.leg(message)
        if leg and not self._parties.turned(leg, message):
            self._people.unhold(leg)

    # Transfers

    def _blind_transfer(self, message: Message) -> None:
        for party in ("Transferee", "Transferer"):
            self._parties.shown(message, party)
        by = self._people.transfers.blind(message)
        if by is not None:
            self._people.unheld.pop(by, None)

    def _attended_transfer(self, message: Message) -> None:
        for by in self._people.transfers.attended(message):
            self._people.unheld.pop(by, None)
            if by.left_by_itself:
                self._people.clear(by)

    # The end

    def _hangup_request(self, message: Message) -> None:
        leg = self._parties.shown(message)
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
            self._people.remove(leg, cause=HANGUP_CAUSES.get(cause), gone=gone)
            self._legs.bury(leg)

    # Queues

    def _join(self, message: Message) -> None:
        """QueueCallerJoin, or a snapshot's QueueEntry."""
        if message["Event"] == "QueueEntry":
            self._snapshot.item(QUEUES)
        leg = self._parties.leg(message)
        if leg is None or self._parties.turned(leg, message):
            return
        if leg.stands_in:
            leg.came_in = True  # it is now that Asterisk names the customer
        self._parties.offer(leg, message)
        if leg.call.caller is leg:
            self._people.announce(leg.call)
            queue, position = QueueName(message["Queue"]), max(number(message["Position"], 1), 1)
            waited = float(max(number(message["Wait"], 0), 0))
            stays, snapshot = self._people.stays, self._snapshot.number
            if message["Event"] == "QueueEntry":
                # In an event this header is the dialplan's; an old list has none.
                priority = number(message["Priority"], 0) if message["Priority"] else None
                stays.place(leg, queue, position, waited, snapshot, priority)
            else:
                stays.join(leg, queue, position, waited, snapshot)

    def _abandon(self, message: Message) -> None:
        leg = self._parties.shown(message)
        if leg is not None and not self._parties.turned(leg, message):
            leg.call.queued = True
            self._people.stays.abandon(leg, message["Queue"])

    def _leave(self, message: Message) -> None:
        leg = self._parties.leg(message)
        if leg and not self._parties.turned(leg, message):
            self._people.leave(leg, message["Queue"])

    def _originated(self, message: Message) -> None:
        uniqueid = Uniqueid(message["Uniqueid"])
        self._people.tell(Originated(self.pbx, uniqueid, number(message["Reason"], 0)))

    def _user_event(self, message: Message) -> None:
        leg = self._legs.find(message["Uniqueid"])
        if leg is None:
            return
        name, status = message["UserEvent"], message["Status"]
        if (name != "CordboardQueue" and name not in DETOURS) or self._parties.turned(leg, message):
            return
        if name == "CordboardQueue":
            self._people.stays.explain(leg, status)
        else:
            self._people.announce(leg.call)
            about, where = self._people.about(leg.call), message["Where"]
            self._people.tell(Detoured(*about, DETOURS[name], status, where))

    def _member(self, message: Message) -> None:
        if message["Event"] in ("QueueParams", "QueueMember"):
            self._snapshot.item(QUEUES)
        self._people.facts += self._members.read(message, self._snapshot.number)

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
            if not self._parties.turned(leg, message):
                self._legs.parked.add(uniqueid)
                leg.call.transfer = None  # to a parking space is to nobody

    def _unparked(self, message: Message) -> None:
        self._legs.parked.discard(Uniqueid(message["ParkeeUniqueid"]))
