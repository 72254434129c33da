"""What the people of the calls experience, and what is told of it. Pure.

`calls.py` reads Asterisk's events; here stands what follows from them: whose phone is called and
rings, who talks with whom, whose call goes on, and why it ended. Some things are put off until it
is known what they were.
"""

from __future__ import annotations

import math
from dataclasses import replace

from cordboard.cti.ami import Message
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
    PeerCleared,
    Reached,
    Retrieved,
    Taken,
    Undelivered,
)
from cordboard.cti.legs import UP, Leg, Legs, LiveCall
from cordboard.cti.snapshots import age
from cordboard.cti.stays import About, Stays
from cordboard.cti.transfers import Transfers

DIAL_FAILURES: dict[str, Cause] = {
    "BUSY": "busy",
    "NOANSWER": "no-answer",
    "CANCEL": "cancelled",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
    "ABORT": "cancelled",
}

HELD_BACK = 1.0
"""Seconds for which a new call may turn out to be part of another. A pick-up was seen to take
half a second: Asterisk answers first and waits that long for the phone's sound."""

UNHELD_FOR = 0.6
"""Seconds after an Unhold within which a transfer shows that nobody was taken back: Asterisk sends
one in front of every transfer, as do phones that ask for one, and then waits for half a second
where it has to lay a pipe between two bridges."""


class People:
    """`begin` with each event; `facts` are then those that it makes known, in order. `soonest` is
    when `decide_late` has something to decide."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self.stays = Stays(self.tell, self.about)
        self.transfers = Transfers(legs, self.tell, self.about, self.join)
        self.facts: list[Fact] = []
        self.at: float | None = None
        self.now = 0.0
        self.soonest = math.inf
        self.untold: dict[LiveCall, float] = {}
        self.unheld: dict[Leg, tuple[Retrieved, float]] = {}

    def begin(self, now: float, timestamp: str = "") -> None:
        self.facts = []
        self.now = now
        try:
            self.at = float(timestamp) if timestamp else None
        except ValueError:
            self.at = None
        if self.at is not None and not math.isfinite(self.at):
            self.at = None

    def decide_late(self) -> None:
        """What was put off until more is known, and nothing more came."""
        self.stays.decide_late(self.now)
        for call, since in list(self.untold.items()):
            if self.now - since >= HELD_BACK:
                self.announce(call)
        for leg, (_, since) in list(self.unheld.items()):
            if self.now - since >= UNHELD_FOR:
                self.retrieve(leg)
        held = min(self.untold.values(), default=math.inf) + HELD_BACK
        unheld = min((since for _, since in self.unheld.values()), default=math.inf) + UNHELD_FOR
        self.soonest = min(held, unheld, self.stays.due)

    def tell(self, fact: Fact) -> None:
        self.facts.append(fact)

    def about(self, call: LiveCall, party: Leg | None = None) -> About:
        return self.at, call.id, call.linkedid, party.channel if party else call.channel

    def hold_back(self, call: LiveCall) -> None:
        self.untold[call] = self.now
        self.soonest = min(self.soonest, self.now + HELD_BACK)

    def announce(self, call: LiveCall) -> None:
        """The call has shown that it is one of its own."""
        self.untold.pop(call, None)
        if call.offer is not None:
            late = max(self.now - call.began, 0.0)
            self.tell(replace(call.offer, age=late) if late else call.offer)
            call.offer, call.offered = None, True

    def call(self, peer: Leg) -> None:
        call = peer.call
        if peer.called or peer.sent_on or peer.is_plumbing or call.caller in (None, peer):
            return
        self.announce(call)
        peer.called = True
        queue = call.stay.queue if call.stay else None
        about = self.about(call, self._dialler(peer))
        self.tell(Called(*about, peer.channel, peer.identity, queue))

    def _dialler(self, peer: Leg) -> Leg | None:
        """Whose call the phone rings for: the caller, or the operator who consults."""
        dialler = self._legs.person(peer.dialled_by)
        if dialler is None and peer.dialled_by is not None:
            # The line for it is there, and whoever called for it steps into it any moment: that is
            # who has put the other on hold.
            dialler = next((leg for leg in peer.call.legs.values() if leg.held), None)
        return dialler or peer.call.caller

    def ring(self, peer: Leg) -> None:
        peer.ringing = True
        if not peer.called or peer.rung or peer.refused or peer.talked:
            return
        peer.rung = True
        call = peer.call
        self.transfers.divert(peer)
        self.transfers.complete(call, peer)
        queue = call.stay.queue if call.stay else None
        about = self.about(call, self._dialler(peer))
        self.tell(Delivered(*about, peer.channel, peer.identity, queue))

    def dialled(self, peer: Leg, message: Message) -> None:
        self.call(peer)
        status = message["DialStatus"]
        if status != "ANSWER":
            if peer.call.called_back and peer is peer.call.caller:
                peer.call.failure = peer.said or DIAL_FAILURES.get(status, "failed")
            if message["Forward"]:
                self.transfers.forwarded(peer)
            # A phone that says 603 Decline is NOANSWER to Dial().
            self.refuse(peer, peer.said or DIAL_FAILURES.get(status, "failed"))
        elif peer.call.caller and not peer.talked:
            self.stays.answer(peer.call.caller)

    def _take(self, bridge: str) -> None:
        """Who is in a bridge with what stands in for a customer has answered for him."""
        inside = self._legs.inside(bridge)
        if not any(leg.stands_in for leg in inside):
            return
        for peer in inside:
            if not (peer.is_plumbing or peer.took or peer.talked):
                self.announce(peer.call)
                self.call(peer)
                peer.took = True
                queue, about = peer.call.answered_from, self.about(peer.call)
                self.tell(Taken(*about, peer.channel, peer.identity, queue))

    def reach(self, peer: Leg, dialler: Leg) -> None:
        """The pipe that waited for a customer calls his own phone: it is about that one now."""
        stand_in = self._legs.twin(dialler)
        if stand_in is not None and stand_in.stands_in and peer.call.caller is stand_in:
            call = peer.call
            call.caller, call.channel, call.called_back = peer, peer.channel, True
            self.tell(Reached(*self.about(call), peer.uniqueid))

    def refuse(self, peer: Leg, cause: Cause) -> None:
        if not peer.called or peer.refused or peer.talked or peer.took:
            return
        peer.refused = True
        if cause != "lost":
            peer.call.failure = cause
        self.transfers.complete(peer.call, peer)
        about = self.about(peer.call)
        self.tell(Undelivered(*about, peer.channel, peer.identity, cause))

    def enter(self, leg: Leg, bridge: str) -> None:
        self._legs.enter(leg, bridge)
        for other in self._legs.inside(bridge):
            # The same without a Linkedid: one of the two has nobody who called.
            if other.call is not leg.call and None in (other.call.caller, leg.call.caller):
                strange, known = sorted(
                    (other.call, leg.call), key=lambda call: call.caller is not None
                )
                self.join(strange, known)
        self._take(bridge)
        people = self._legs.together(leg)
        if len(people) < 2:
            return
        for one in people:
            pipe = self._legs.twin(one.call.caller) if one.call.caller else None
            if pipe is not None and pipe.bridge == one.bridge:
                self.reach(one, pipe)  # his phone was called unseen
        # Two who had called in by themselves meet: a parked caller is fetched, a conference.
        arrived = [one for one in people if one.came_in]
        for other in arrived[1:]:
            if other.call is not arrived[0].call:
                self.meet(arrived[0].call, other.call)
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
        self.announce(call)
        self.call(peer)
        if peer.ringing and not peer.came_in:
            self.ring(peer)  # it rang before we saw for whom
        peer.talked = call.talked = True
        if call.stay and call.caller and other is call.caller:
            self.stays.end(call.caller, "connected")
        queue, call.answered_from = call.answered_from, None
        about = self.about(call, other)
        talked_for = min(peer.age, other.age)
        self.tell(Established(*about, peer.channel, peer.identity, queue, talked_for))

    def meet(self, one: LiveCall, other: LiveCall) -> None:
        older, younger = sorted((one, other), key=lambda call: (call.began, age(call.linkedid)))
        self.join(younger, older)

    def join(self, younger: LiveCall, older: LiveCall) -> None:
        if younger is older:
            return
        if younger.stay and younger.caller:
            self.stays.end(younger.caller, "moved")
        self.untold.pop(younger, None)
        if younger.offered:
            self.announce(older)
        if younger.offered:
            self.tell(Merged(*self.about(younger), older.id))
        self._legs.merge(younger, older)

    def leave(self, leg: Leg, queue: str) -> None:
        """Out of a queue, one way or another."""
        self.stays.leave(leg, queue, self.now)
        self.soonest = min(self.soonest, self.stays.due)

    def pick_up(self, picker: Leg, target: Leg) -> None:
        """The picker called in to do it, so what was a call of its own is part of this one."""
        call, lost = target.call, target.channel
        if call.caller:
            self.stays.answer(call.caller)
        self.refuse(target, "cancelled")
        self.join(picker.call, call)
        if call.caller:
            self.announce(call)
            picker.called = picker.rung = True
            about = self.about(call)
            self.tell(Called(*about, picker.channel, picker.identity, None))
            self.tell(Diverted(*about, lost, picker.channel, picker.identity))

    def hold(self, leg: Leg) -> None:
        if not leg.held and leg.call.offered:
            self.retrieve(leg)
            leg.held, leg.held_in = True, leg.bridge
            self.tell(Held(*self.about(leg.call), leg.channel))

    def unhold(self, leg: Leg) -> None:
        # Towards a colleague, whom the phone had put on hold in turn, it says nothing.
        here = leg.held_in in ("", leg.bridge)
        if leg.held is not False and leg.call.offered and here:
            leg.held = False
            self.unheld[leg] = Retrieved(*self.about(leg.call), leg.channel), self.now
            self.soonest = min(self.soonest, self.now + UNHELD_FOR)

    def retrieve(self, leg: Leg) -> None:
        """No transfer followed: the others were taken back."""
        if leg in self.unheld:
            self.tell(self.unheld.pop(leg)[0])

    def clear(self, peer: Leg, gone: bool = False) -> None:
        answered = peer.talked or peer.took
        if answered and not peer.cleared and peer is not peer.call.caller:
            peer.cleared = True
            about = self.about(peer.call)
            self.tell(PeerCleared(*about, peer.channel, peer.identity, gone))

    def remove(
        self, leg: Leg, cause: Cause | None = None, lost: bool = False, gone: bool = False
    ) -> None:
        """`lost` is what we did not see end, `gone` a phone of which Asterisk hears no more."""
        call = leg.call
        self.announce(call)
        self.retrieve(leg)
        if leg is call.caller:
            self.stays.hung_up(leg, lost)
        elif leg.talked or leg.took:
            self.clear(leg, gone)
        elif leg.called and not leg.refused:
            self.refuse(leg, "lost" if lost else cause or "cancelled")
        if self._legs.remove(leg) and call.offered:
            self.transfers.complete(call, None)
            self.tell(Cleared(*self.about(call), self._cause(call, leg, cause, lost)))

    def _cause(self, call: LiveCall, last: Leg, hangup: Cause | None, lost: bool) -> Cause:
        caller = call.caller or last
        if lost:
            return "lost"
        if call.talked:
            return "completed"
        if call.called_back:
            return call.failure or "cancelled"
        if call.queued or call.failure:
            if caller.left_by_itself:
                return "cancelled"
            if call.queued or call.failure == "cancelled" or call.failure is None:
                return "no-answer"
            return call.failure
        if caller.state == UP:
            return "completed"
        return hangup or ("cancelled" if caller.left_by_itself else "failed")
