"""The call model: what Asterisk's events mean for the people on the phones. Pure.

Asterisk speaks of channels; a call is what stays one for the person who rang, however many
channels it takes. Channels are *legs* here, found by Uniqueid (their names come again after a
restart). A leg belongs to the call that its Linkedid names at first sight. The caller's leg is the
one that came in; every other leg of the call is a phone that was called for it, a *peer*.

Events may come twice, or after the snapshot that contains them already, so every step asks what
is known before it says that something happened. A leg whose first event was lost (or kept back,
because a forger had put lines into it) is made at the next event that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cordboard.cti.ami import Message, unescape
from cordboard.cti.facts import (
    Abandoned,
    Called,
    Cause,
    Cleared,
    Delivered,
    EntryOutcome,
    Established,
    Fact,
    MemberGone,
    MemberSeen,
    Offered,
    PeerCleared,
    Placed,
    Queued,
    QueueLeft,
    QueueSeen,
    Undelivered,
)
from cordboard.events import CallId, Linkedid, PbxName, QueueName, Uniqueid, call_id

UNDECIDED_FOR = 1.0
"""Seconds to wait for the dialplan's word on why a caller left a queue."""

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

QUEUE_STATUSES: dict[str, EntryOutcome] = {
    "TIMEOUT": "timed-out",
    "FULL": "moved",
    "JOINEMPTY": "moved",
    "LEAVEEMPTY": "timed-out",
    "CONTINUE": "moved",
    "WITHDRAW": "moved",
}


@dataclass(slots=True, eq=False)
class Leg:
    """One channel. `came_in`: it called the PBX, rather than being called by it."""

    uniqueid: Uniqueid
    channel: str
    call: LiveCall
    came_in: bool
    seen_in: int
    state: str = ""
    bridge: str = ""
    called: bool = False
    rung: bool = False
    talked: bool = False
    refused: bool = False
    left_by_itself: bool = False
    """This phone hung up, rather than being hung up by the PBX."""
    said: Cause | None = None
    """What the phone itself gave as its reason."""

    @property
    def is_plumbing(self) -> bool:
        """Half of a Local channel: a pipe inside the PBX, nobody's phone."""
        return self.channel.startswith("Local/")


@dataclass(slots=True)
class Stay:
    """A wait in a queue. `undecided_since`: it is over, and why is not known yet."""

    queue: QueueName
    seen_in: int
    answered: bool = False
    abandon_seen: bool = False
    undecided_since: float | None = None


@dataclass(slots=True, eq=False)
class LiveCall:
    id: CallId
    linkedid: Linkedid
    legs: dict[Uniqueid, Leg] = field(default_factory=dict)
    caller: Leg | None = None
    offered: bool = False
    stay: Stay | None = None
    queued: bool = False
    talked: bool = False
    failure: Cause | None = None
    answered_from: QueueName | None = None


class CallModel:
    """The calls of one PBX. `feed` takes every message of the event connection, in order."""

    def __init__(self, pbx: PbxName) -> None:
        self.pbx = pbx
        self.boot = ""
        self.surprises: dict[str, int] = {}
        self._calls: dict[Linkedid, LiveCall] = {}
        self._legs: dict[Uniqueid, Leg] = {}
        self._bridges: dict[str, dict[Uniqueid, Leg]] = {}
        self._locals: dict[str, Leg] = {}
        self._members: dict[tuple[QueueName, str], int] = {}
        self._undecided: dict[Uniqueid, Leg] = {}
        self._listed: list[Message] = []
        self._snapshot = 0
        self._facts: list[Fact] = []
        self._at: float | None = None
        self._now = 0.0
        self._handlers: dict[str, Callable[[Message], None]] = {
            "Newchannel": self._newchannel,
            "Newstate": self._newstate,
            "DialBegin": self._called,
            "AgentCalled": self._called,
            "DialState": self._dial_state,
            "DialEnd": self._dial_end,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "HangupRequest": self._hangup_request,
            "Hangup": self._hangup,
            "QueueCallerJoin": self._join,
            "QueueCallerAbandon": self._abandon,
            "QueueCallerLeave": self._leave,
            "UserEvent": self._user_event,
            "QueueMemberAdded": self._member,
            "QueueMemberStatus": self._member,
            "QueueMemberPause": self._member,
            "QueueMemberPenalty": self._member,
            "QueueMember": self._member,
            "QueueMemberRemoved": self._member_removed,
            "QueueParams": self._queue_params,
            "CoreShowChannel": self._listed.append,
            "CoreShowChannelsComplete": self._channels_listed,
            "QueueEntry": self._join,
        }

    @property
    def size(self) -> int:
        """Legs that are held in memory."""
        return len(self._legs)

    def feed(self, message: Message, now: float) -> list[Fact]:
        """The facts that this message makes known, in order."""
        handler = self._handlers.get(message.headers.get("Event", ""))
        if handler is None and not self._undecided:
            return []
        self._begin(now, message["Timestamp"])
        if self._undecided:
            self._decide_late()
        if handler is not None:
            handler(message)
        return self._facts

    def linked(self, boot: str, now: float) -> list[Fact]:
        """The link is up. After another boot than before, every call that we knew is lost."""
        self._begin(now)
        if self.boot and boot != self.boot:
            for leg in list(self._legs.values()):
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
        for leg in list(self._legs.values()):
            if leg.seen_in < self._snapshot:
                self._remove(leg, lost=True)
        for call in list(self._calls.values()):
            if call.stay and call.stay.seen_in < self._snapshot and call.caller:
                self._end_stay(call.caller, "connected" if call.talked else "lost")
        for (queue, interface), seen_in in list(self._members.items()):
            if seen_in < self._snapshot:
                del self._members[queue, interface]
                self._facts.append(MemberGone(self.pbx, queue, interface))
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
        leg = self._legs.get(uniqueid)
        if leg is not None:
            leg.seen_in = self._snapshot
            return leg
        linkedid = Linkedid(headers.get(prefix + "Linkedid", "") or uniqueid)
        call = self._calls.get(linkedid)
        if call is None:
            identity = call_id(self.pbx, self.boot, linkedid, self._now)
            call = self._calls[linkedid] = LiveCall(identity, linkedid)
        leg = Leg(
            uniqueid,
            channel,
            call,
            came_in=prefix == "" and str(uniqueid) == str(linkedid),
            seen_in=self._snapshot,
        )
        self._legs[uniqueid] = call.legs[uniqueid] = leg
        if leg.is_plumbing:
            self._locals[leg.channel] = leg
        return leg

    def _offer(self, leg: Leg, message: Message) -> None:
        call = leg.call
        if call.offered or not leg.came_in:
            return
        call.offered, call.caller = True, leg
        name = message["CallerIDName"]
        self._facts.append(
            Offered(
                *self._about(call),
                pbx=self.pbx,
                boot=self.boot,
                uniqueid=leg.uniqueid,
                number=_known(message["CallerIDNum"]),
                name=_known(name if message["Event"] == "QueueEntry" else unescape(name)),
                dialled=message["Exten"],
            )
        )

    def _about(self, call: LiveCall) -> tuple[float | None, CallId, Linkedid, str]:
        return self._at, call.id, call.linkedid, call.caller.channel if call.caller else ""

    def _newchannel(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        # Asterisk makes the channel of somebody who calls in as Ring (4), and that of a phone it
        # is going to call as Down (0).
        leg.came_in = leg.came_in and leg.state != "0"
        self._offer(leg, message)

    def _newstate(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None:
            return
        leg.state = message["ChannelState"]
        if leg.state == "5":
            self._ring(leg)

    # Phones that are called

    def _called(self, message: Message) -> None:
        caller, peer = self._leg(message), self._leg(message, "Dest")
        if caller is None or peer is None:
            return
        self._offer(caller, message)
        self._call_peer(peer)
        if peer.state == "5":
            self._ring(peer)

    def _call_peer(self, peer: Leg) -> None:
        call = peer.call
        if peer.called or peer is call.caller or not call.offered or peer.is_plumbing:
            return
        peer.called = True
        self._facts.append(
            Called(
                *self._about(call),
                peer=peer.channel,
                peer_uniqueid=peer.uniqueid,
                queue=call.stay.queue if call.stay else None,
            )
        )

    def _ring(self, peer: Leg) -> None:
        if peer.called and not peer.rung and not peer.refused:
            peer.rung = True
            queue = peer.call.stay.queue if peer.call.stay else None
            about = self._about(peer.call)
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
            # A phone that says 603 Decline is NOANSWER to Dial().
            self._refuse(peer, peer.said or DIAL_FAILURES.get(status, "failed"))
        elif peer.call.stay:
            peer.call.stay.answered = True

    def _refuse(self, peer: Leg, cause: Cause) -> None:
        if not peer.called or peer.refused or peer.talked:
            return
        peer.refused = True
        peer.call.failure = cause
        about = self._about(peer.call)
        self._facts.append(Undelivered(*about, peer.channel, peer.uniqueid, cause))

    # Talking

    def _bridge_enter(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            self._offer(leg, message)
            self._enter(leg, message["BridgeUniqueid"])

    def _enter(self, leg: Leg, bridge: str) -> None:
        self._exit(leg)
        leg.bridge = bridge
        self._bridges.setdefault(bridge, {})[leg.uniqueid] = leg
        call = leg.call
        if call.caller is None:
            return
        for peer in self._hearing(call.caller):
            if peer.call is call and not peer.talked:
                self._call_peer(peer)
                peer.talked = call.talked = True
                if call.stay:
                    self._end_stay(call.caller, "connected")
                about = self._about(call)
                queue, call.answered_from = call.answered_from, None
                self._facts.append(Established(*about, peer.channel, peer.uniqueid, queue))

    def _hearing(self, leg: Leg) -> list[Leg]:
        """The phones that hear `leg`: those in its bridge, and those behind the Local channels
        that stand in it."""
        found: list[Leg] = []
        bridges, seen = [leg.bridge], {""}
        for bridge in bridges:
            if bridge in seen:
                continue
            seen.add(bridge)
            for other in self._bridges.get(bridge, {}).values():
                if not other.is_plumbing:
                    found += [other] if other is not leg else []
                elif twin := self._locals.get(_twin(other.channel)):
                    bridges.append(twin.bridge)
        return found

    def _bridge_leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            self._exit(leg)

    def _exit(self, leg: Leg) -> None:
        inside = self._bridges.get(leg.bridge)
        if inside is not None:
            inside.pop(leg.uniqueid, None)
            if not inside:
                del self._bridges[leg.bridge]
        leg.bridge = ""

    # The end

    def _hangup_request(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is not None:
            leg.left_by_itself = True
            leg.said = HANGUP_CAUSES.get(message["Cause"])

    def _hangup(self, message: Message) -> None:
        leg = self._legs.get(Uniqueid(message["Uniqueid"]))
        if leg is not None:
            self._remove(leg, cause=HANGUP_CAUSES.get(message["Cause"]))

    def _remove(self, leg: Leg, cause: Cause | None = None, lost: bool = False) -> None:
        call = leg.call
        self._exit(leg)
        if leg is call.caller:
            if call.stay:
                abandoned = leg.left_by_itself and not call.stay.answered
                outcome: EntryOutcome = "abandoned" if abandoned else "timed-out"
                self._end_stay(leg, "lost" if lost else outcome)
        elif leg.talked:
            about = self._about(call)
            self._facts.append(PeerCleared(*about, leg.channel, leg.uniqueid))
        elif leg.called and not leg.refused:
            self._refuse(leg, "lost" if lost else cause or "cancelled")
        self._undecided.pop(leg.uniqueid, None)
        self._locals.pop(leg.channel, None)
        del self._legs[leg.uniqueid]
        del call.legs[leg.uniqueid]
        if call.legs:
            return
        self._calls.pop(call.linkedid, None)
        if call.offered:
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
            return "no-answer" if call.queued or call.failure == "cancelled" else call.failure  # type: ignore[return-value]
        if caller.state == "6":
            return "completed"
        return hangup or ("cancelled" if caller.left_by_itself else "failed")

    # Queues

    def _join(self, message: Message) -> None:
        """QueueCallerJoin, or a snapshot's QueueEntry: a caller may be in a snapshot before the
        event of the joining arrives."""
        leg = self._leg(message)
        if leg is None:
            return
        self._offer(leg, message)
        call, queue = leg.call, QueueName(message["Queue"])
        if call.caller is not leg:
            return
        position = _number(message["Position"], 1)
        if call.stay and call.stay.queue == queue and call.stay.undecided_since is None:
            call.stay.seen_in = self._snapshot
            if message["Event"] == "QueueEntry":
                about = self._about(call)
                self._facts.append(Placed(*about, leg.uniqueid, queue, position))
            return
        if call.stay:
            self._end_stay(leg, "moved")
        call.stay = Stay(queue, self._snapshot)
        call.queued = True
        self._facts.append(
            Queued(
                *self._about(call),
                uniqueid=leg.uniqueid,
                queue=queue,
                position=position,
                waited=float(_number(message["Wait"], 0)),
            )
        )

    def _abandon(self, message: Message) -> None:
        """Asterisk says so of every unanswered way out of a queue, not only of a caller who hangs
        up; `_leave` comes next and finds out."""
        leg = self._leg(message)
        if leg is not None and leg.call.stay:
            leg.call.stay.abandon_seen = True

    def _leave(self, message: Message) -> None:
        leg = self._leg(message)
        if leg is None or leg.call.stay is None or leg.call.caller is not leg:
            return
        stay = leg.call.stay
        if stay.answered:
            self._end_stay(leg, "connected")
        elif leg.left_by_itself:
            self._end_stay(leg, "abandoned")
        elif stay.abandon_seen:
            stay.undecided_since = self._now
            self._undecided[leg.uniqueid] = leg
        else:
            self._end_stay(leg, "moved")

    def _user_event(self, message: Message) -> None:
        """Our dialplan tells QUEUESTATUS in a UserEvent as soon as Queue() returns."""
        leg = self._legs.get(Uniqueid(message["Uniqueid"]))
        if leg is None or message["UserEvent"] != "CordboardQueue":
            return
        stay = leg.call.stay
        if stay and stay.undecided_since is not None:
            self._end_stay(leg, QUEUE_STATUSES.get(message["Status"], "timed-out"))

    def _decide_late(self) -> None:
        for leg in list(self._undecided.values()):
            stay = leg.call.stay
            if stay is None or stay.undecided_since is None:
                del self._undecided[leg.uniqueid]
            elif self._now - stay.undecided_since > UNDECIDED_FOR:
                self._end_stay(leg, "timed-out")

    def _end_stay(self, leg: Leg, outcome: EntryOutcome) -> None:
        call = leg.call
        if call.stay is None:
            return
        queue, call.stay = call.stay.queue, None
        call.answered_from = queue if outcome == "connected" else None
        self._undecided.pop(leg.uniqueid, None)
        about = self._about(call)
        self._facts.append(QueueLeft(*about, leg.uniqueid, queue, outcome))
        if outcome == "abandoned":
            self._facts.append(Abandoned(*about, queue))

    def _queue_params(self, message: Message) -> None:
        self._facts.append(QueueSeen(self.pbx, QueueName(message["Queue"])))

    def _member(self, message: Message) -> None:
        # A list item says Name and Location where an event says MemberName and Interface.
        queue = QueueName(message["Queue"])
        interface = message["Interface"] or message["Location"]
        self._members[queue, interface] = self._snapshot
        self._facts.append(
            MemberSeen(
                self.pbx,
                queue,
                interface,
                name=message["MemberName"] or message["Name"],
                state_interface=message["StateInterface"] or interface,
                status=_number(message["Status"], 0),
                paused=message["Paused"] == "1",
                reason=message["PausedReason"],
                in_call=message["InCall"] == "1",
            )
        )

    def _member_removed(self, message: Message) -> None:
        queue, interface = QueueName(message["Queue"]), message["Interface"]
        if self._members.pop((queue, interface), None) is not None:
            self._facts.append(MemberGone(self.pbx, queue, interface))

    # Snapshots

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
            leg.came_in = leg.came_in and leg.state != "0"
            self._offer(leg, item)
            if not leg.came_in:
                self._call_peer(leg)
                if leg.state == "5":
                    self._ring(leg)
            if item["BridgeId"] and item["BridgeId"] != leg.bridge:
                self._enter(leg, item["BridgeId"])


def _twin(channel: str) -> str:
    """The other half of a Local channel: their names differ in the last character."""
    return channel[:-1] + ("2" if channel.endswith("1") else "1")


def _known(value: str) -> str:
    return "" if value == "<unknown>" else value


def _number(value: str, default: int) -> int:
    """Asterisk writes `<unknown>`, nothing at all or a negative where it has no number."""
    try:
        return int(value)
    except ValueError:
        return default


def _age(uniqueid: str) -> tuple[int, int]:
    seconds, _, sequence = uniqueid.rpartition("-")[2].partition(".")
    return _number(seconds, 0), _number(sequence, 0)
