"""What the PBX shows in its lists, and the gap before them, in which we saw nothing. Pure."""

from __future__ import annotations

import math

from cordboard.cti.ami import Message
from cordboard.cti.facts import Unseen
from cordboard.cti.legs import RINGING, UP, Legs, LiveCall, stands_in
from cordboard.cti.parties import Parties
from cordboard.cti.people import People
from cordboard.cti.snapshots import CHANNELS, QUEUES, Snapshot, age, lasted

IN_FLIGHT = 1.0
"""Seconds for which events may be on their way that a snapshot on a standing link has overtaken."""


class Sight:
    """`begin` with a snapshot, then its lists, then `end`."""

    def __init__(self, legs: Legs, people: People, parties: Parties, snapshot: Snapshot) -> None:
        self._legs = legs
        self._people = people
        self._parties = parties
        self._snapshot = snapshot
        self.listed: list[Message] = []
        self._lost_at: float | None = None
        self._doubt_until = math.inf

    def lose(self, unseen: float) -> None:
        """Nothing is seen since `unseen` seconds ago."""
        if self._lost_at is None:
            self._lost_at = self._people.now - unseen

    def restart(self) -> None:
        """The PBX has been started anew: nothing is there of what we knew."""
        if self._lost_at is not None:
            self._mark_unseen(self._legs.calls(), self._people.now)
        for leg in self._legs:
            self._people.remove(leg, lost=True)
        self._legs.restart()

    def begin(self) -> None:
        live = self._snapshot.number > 0 and self._lost_at is None
        self._snapshot.begin(self._people.now, live)
        self.listed.clear()
        self._doubt_until = math.inf

    def end(self) -> None:
        """Closes what the lists left out: at once after a gap; on a standing link a moment later,
        since its events may still be on their way."""
        self._snapshot.is_open = False
        self._legs.parked = {each for each in self._legs.parked if self._legs.find(each)}
        if self._snapshot.live:
            self._doubt_until = self._people.now + IN_FLIGHT
            self._people.soonest = min(self._people.soonest, self._doubt_until)
        else:
            self._close_missing()
            if self._snapshot.has(CHANNELS):
                self._lost_at = None

    def decide_late(self) -> None:
        people = self._people
        if people.now >= self._doubt_until:
            self._doubt_until = math.inf
            self._close_missing()
        people.soonest = min(people.soonest, self._doubt_until)

    def item(self, message: Message) -> None:
        self._snapshot.item(CHANNELS)
        self.listed.append(message)

    def queues(self, message: Message) -> None:
        self._snapshot.complete(QUEUES, message)

    def channels(self, message: Message) -> None:
        """The channels of a snapshot, oldest first, so that a caller is there before the phones
        that ring for them."""
        self._snapshot.complete(CHANNELS, message)
        listed = sorted(
            self.listed,
            key=lambda item: (
                not stands_in(item["Channel"]),
                item["Uniqueid"] != item["Linkedid"],
                age(item["Uniqueid"]),
            ),
        )
        self.listed.clear()
        whole = self._snapshot.has(CHANNELS)
        gap = whole and not self._snapshot.live
        if gap:  # what has ended ended before whatever the list shows anew
            for item in listed:
                self._parties.known(item["Uniqueid"])
            self._mark_unseen(self._legs.calls(), self._snapshot.began)
            self._close_missing()
        read = []
        for item in listed:
            fresh = self._legs.find(item["Uniqueid"]) is None
            leg = self._parties.leg(item)
            if leg is None:
                continue
            leg.state, leg.age = item["ChannelState"], lasted(item["Duration"])
            read.append(leg)
            self._parties.relink(leg, item)
            if fresh:
                leg.call.began = min(leg.call.began, self._people.now - leg.age)
                began = leg.stands_in or (leg.state == UP and not leg.is_plumbing)
                if whole and leg.call.caller is None and began:
                    leg.came_in = True  # who began the call has left it, or the PBX began it
                leg.held = None
                self._parties.offer(leg, item)
                if leg.call.caller is leg:
                    self._people.announce(leg.call)
                    if gap:
                        self._mark_unseen([leg.call], self._snapshot.began)
            if not leg.came_in:
                self._people.call(leg)
                if leg.state == RINGING:
                    self._people.ring(leg)
            if item["BridgeId"]:
                self._people.enter(leg, item["BridgeId"])
            else:
                self._legs.exit(leg)
        for leg in read:
            leg.age = 0.0

    def _close_missing(self) -> None:
        """What ended while we could not see it."""
        number = self._snapshot.number
        if self._snapshot.has(CHANNELS):
            for leg in self._legs:
                if leg.seen_in < number:
                    self._people.remove(leg, lost=True)
        if self._snapshot.has(QUEUES):
            for call in self._legs.calls():
                if call.stay and call.stay.seen_in < number and call.caller:
                    self._people.stays.end(call.caller, "connected" if call.talked else "lost")

    def _mark_unseen(self, calls: list[LiveCall], seen_from: float) -> None:
        """A call that was there before `seen_from` has a gap: since the link was lost, or, if it
        began later than that, since it began."""
        for call in calls:
            since = call.began if self._lost_at is None else max(call.began, self._lost_at)
            if call.offered and since < seen_from:
                self._people.tell(Unseen(*self._people.about(call), since, self._people.now))
