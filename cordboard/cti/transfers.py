"""Transfers, forwarding and pick-up: who puts whom through to whom. Pure.

Asterisk tells of a blind transfer when it has agreed to it, before anybody has been called, so it
is kept until its target rings or fails. Of an attended one it tells when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from cordboard.cti.ami import Message
from cordboard.cti.facts import Diverted, Fact, Retrieved, Transferred
from cordboard.cti.legs import Leg, Legs, LiveCall, Transfer
from cordboard.cti.stays import About


class Transfers:
    """`tell` takes the facts, `about` gives what all facts of a call carry, `join` makes the first
    call a part of the second."""

    def __init__(
        self,
        legs: Legs,
        tell: Callable[[Fact], None],
        about: Callable[[LiveCall], About],
        join: Callable[[LiveCall, LiveCall], None],
    ) -> None:
        self._legs = legs
        self._tell = tell
        self._about = about
        self._join = join

    def blind(self, message: Message) -> Leg | None:
        """Returns who is out of the call by it."""
        by = self._legs.find(message["TransfererUniqueid"])
        stays = self._legs.find(message["TransfereeUniqueid"])
        if by is None or by.sent_on or message["Result"] != "Success":
            return None
        call = by.call
        # With more than two in the bridge Asterisk names no transferee.
        party = self._legs.person(stays) or call.caller
        if party is None or call.caller is None:
            return None
        by.held, by.sent_on = False, True
        if by is call.caller and party is not by:
            call.caller = party  # the caller put the operator through, and is out
        call.transfer = Transfer(party.channel, by.channel)
        return by

    def complete(self, call: LiveCall, target: Leg | None) -> None:
        """The target of a blind transfer rings or has failed, or there will be none."""
        transfer = call.transfer
        if transfer is not None and (target is None or target.channel != transfer.by):
            call.transfer = None
            self._transferred(call, transfer.stays, "blind", transfer.by, target)

    def attended(self, message: Message) -> tuple[Leg, ...]:
        """Returns the lines of who is out of the call by it."""
        first = self._legs.find(message["OrigTransfererUniqueid"])
        second = self._legs.find(message["SecondTransfererUniqueid"])
        if first is None or second is None or first.sent_on or message["Result"] != "Success":
            return ()
        stays = self._legs.person(self._legs.find(message["TransfereeUniqueid"]))
        call = first.call
        stays = stays or self._legs.opposite(first) or call.caller
        target = self._legs.consulted(message["TransferTargetUniqueid"], first, second)
        if stays is None or not call.offered:
            return ()
        # Where the phone has two lines there were two calls. That of a caller who stays goes on.
        consultation, leave = second.call, (first, second)
        met = target is not None and (target.talked or target is consultation.caller)
        if consultation is not call:
            if call.caller in leave and consultation.caller not in leave:
                call, consultation = consultation, call
            self._join(consultation, call)
        if message["DestType"] == "Threeway":
            if first.held:
                first.held = False
                self._tell(Retrieved(*self._about(call), first.channel))
            return ()
        if call.caller in (first, second):
            call.caller = stays if stays not in (first, second) else target
        kind: Literal["attended", "semi-attended"] = "attended" if met else "semi-attended"
        first.held = second.held = False
        first.sent_on = second.sent_on = True
        self._transferred(call, stays.channel, kind, first.channel, target)
        if target is not None:
            target.dialled_by = stays
        return leave

    def _transferred(
        self,
        call: LiveCall,
        stays: str,
        kind: Literal["blind", "attended", "semi-attended"],
        by: str,
        target: Leg | None,
    ) -> None:
        at, identity, linkedid, _ = self._about(call)
        channel, uniqueid = (target.channel, target.identity) if target else (None, None)
        self._tell(Transferred(at, identity, linkedid, stays, kind, by, channel, uniqueid))

    def forwarded(self, peer: Leg) -> None:
        """The phone sent the call on; what is dialled for it next rings instead."""
        for other in peer.call.legs.values():
            if other is not peer and not other.called and not other.came_in:
                other.diverted_from = peer.channel

    def divert(self, peer: Leg) -> None:
        """`peer` rings: instead of another phone, if that one sent the call on."""
        source = peer.diverted_from
        pipe = peer.dialled_by
        while source is None and pipe is not None and pipe.is_plumbing:
            twin = self._legs.twin(pipe)
            source = pipe.diverted_from or (twin.diverted_from if twin else None)
            pipe = twin.dialled_by if twin else None
        if source is not None:
            about = self._about(peer.call)
            self._tell(Diverted(*about, source, peer.channel, peer.identity))
