"""Which frames Asterisk wrote itself, and which a caller had a hand in. Pure.

A SIP caller can put line ends into the number he calls from, and into the one he calls
(docs/asterisk.md, "Forged frames"). Asterisk writes them raw into the middle of its events, so
what is read is the *head* of the true event, cut short; then what the caller made up, which may
look like an event; then the true event's *tail*. Each of the two texts has 79 characters at most:
too few for the forger to write the fourteen headers that describe a channel himself. So a frame
is believed only if every header that belongs there is there, in Asterisk's own order; after a
head nothing is believed until its tail has come.

What stands in a head before the caller's number is Asterisk's word, Event and Channel above all:
a head is worth asking the PBX about.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from cordboard.cti.ami import Message

_CHANNEL = (
    *("Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName"),
    *("ConnectedLineNum", "ConnectedLineName", "Language", "AccountCode", "Context", "Exten"),
    *("Priority", "Uniqueid", "Linkedid"),
)
"""How Asterisk describes a channel, in this order, each key behind a prefix such as `Dest`."""

_ENTRY = (
    *("Queue", "Position", "Channel", "Uniqueid", "CallerIDNum", "CallerIDName"),
    *("ConnectedLineNum", "ConnectedLineName", "Wait", "Priority"),
)
_MEMBER = (
    *("StateInterface", "Membership", "Penalty", "CallsTaken", "LastCall", "InCall", "Status"),
    *("Paused", "PausedReason"),
)
_PARAMS = (
    *("Queue", "Max", "Strategy", "Calls", "Holdtime", "TalkTime", "Completed", "Abandoned"),
    *("ServiceLevel", "ServicelevelPerf"),
)
Row = tuple[str, ...]


def _channel(prefix: str = "") -> Row:
    return tuple(prefix + key for key in _CHANNEL)


NEEDED: dict[str, tuple[Row, ...]] = {
    **dict.fromkeys(
        (
            *("Newchannel", "Newstate", "BridgeEnter", "BridgeLeave", "Hold", "Unhold"),
            *("HangupRequest", "SoftHangupRequest", "Hangup", "QueueCallerJoin"),
            *("QueueCallerAbandon", "QueueCallerLeave", "CoreShowChannel"),
        ),
        (_channel(),),
    ),
    **dict.fromkeys(
        ("DialBegin", "DialState", "DialEnd", "AgentCalled", "AgentConnect"), (_channel("Dest"),)
    ),
    **dict.fromkeys(("ParkedCall", "UnParkedCall"), (_channel("Parkee"),)),
    "Pickup": (_channel(), _channel("Target")),
    "BlindTransfer": (_channel("Transferer"),),
    "AttendedTransfer": (_channel("OrigTransferer"), _channel("SecondTransferer")),
    "UserEvent": (),
    "Rename": (("Channel", "Newname", "Uniqueid"),),
    "QueueEntry": (_ENTRY,),
    "OriginateResponse": (("Reason", "Uniqueid", "CallerIDNum", "CallerIDName"),),
    "QueueParams": (_PARAMS,),
    **dict.fromkeys(("CoreShowChannelsComplete", "QueueStatusComplete"), (("EventList",),)),
    "QueueMember": (("Queue", "Name", "Location", *_MEMBER),),
    **dict.fromkeys(
        (
            *("QueueMemberAdded", "QueueMemberStatus", "QueueMemberPause"),
            *("QueueMemberPenalty", "QueueMemberRemoved"),
        ),
        (("Queue", "MemberName", "Interface", *_MEMBER),),
    ),
}
"""The events that the model reads, each with the headers it must have, in order. Other headers
may stand between them, for Asterisk gains some with each version, but none that is read."""

_READ = {
    *(prefix + key for prefix in ("", "Dest") for key in _CHANNEL),
    *(key for rows in NEEDED.values() for row in rows for key in row),
    *("Event", "Privilege", "Timestamp", "ActionID", "EventList", "Response", "Interface"),
    *("BridgeUniqueid", "BridgeId", "DialStatus", "Forward", "Cause", "Result", "UserEvent"),
    *("TransfereeUniqueid", "TransferTargetUniqueid"),
}

_TAIL_ENDS = ("Priority", "Linkedid")
_SHAPES = 1000
"""Orders of headers that are remembered as whole; a real PBX has under a hundred."""

_CHANNELS = 50_000
_ENDED = 1000
_PIECES = 32
"""Frames that one event can come apart into; two texts of 79 characters make some twenty."""


NO_TAIL = "no tail has come"
"""Why the last frame was kept back before we gave up waiting: true ones may be among them."""


@dataclass(slots=True)
class Judged:
    """`why` is empty for a frame that is believed. A `head` is one that is not, but whose
    beginning is Asterisk's word."""

    message: Message
    why: str = ""
    head: bool = False
    stray: bool = False
    """Nothing that Asterisk begins a frame with: what a forger left of the one before."""


class Sieve:
    """The frames of one event connection, judged in order."""

    def __init__(self) -> None:
        self._whole: dict[str, set[Row]] = {}
        self._shapes = 0
        self._expected: Row = ()
        self._pieces = 0
        self._names: dict[str, str] = {}
        self._uniqueids: dict[str, str] = {}
        self._ended: dict[str, None] = {}

    def sift(self, messages: Iterable[Message], ours: Container[str]) -> list[Judged]:
        """Judges what has been read in one go. `ours` are the ActionIDs of our open lists, which
        nobody else can know."""
        found: list[Judged] = []
        last: Judged | None = None
        for message in messages:
            headers = message.headers
            shape = tuple(headers)
            if not self._expected and not message.oddities:
                known = self._whole.get(headers.get("Event", ""))
                fine = known is not None and shape in known
            else:
                fine = False
            if fine and (shape[1] == "Privilege" or headers.get("ActionID") in ours):
                judged = Judged(message)
            else:
                judged = self._judge(message, shape, ours)
                if judged.stray and last and not last.why:
                    last.why, last.head = "its tail came apart", True
            if last:
                found.append(self._compare(last))
            last = judged
        if last:
            found.append(self._compare(last))
        return found

    # What the PBX has confirmed

    def uniqueid(self, channel: str) -> str:
        """The channel's Uniqueid as far as we know; empty when it is not known, or gone."""
        return self._names.get(channel, "")

    def confirmed(self, channel: str, uniqueid: str) -> None:
        self._forget(channel)
        if (name := self._uniqueids.get(uniqueid)) is not None:
            self._forget(name)
        self._names[channel], self._uniqueids[uniqueid] = uniqueid, channel

    def end(self, channel: str, uniqueid: str) -> None:
        self._forget(channel)
        self._ended[uniqueid] = None
        if len(self._ended) > _ENDED:
            del self._ended[next(iter(self._ended))]

    def has_ended(self, uniqueid: str) -> bool:
        """Whether its Hangup came lately; the PBX may still have known the channel a moment ago."""
        return uniqueid in self._ended

    # Judging

    def _judge(self, message: Message, shape: Row, ours: Container[str]) -> Judged:
        listed = message.headers.get("ActionID", "") in ours
        if listed:
            self._expected = ()  # nobody else knows the id, so this is no forger's
        if self._expected:
            return self._piece(message, shape)
        if shape[:1] != ("Event",):
            return Judged(message, "no Event", stray=True)
        event = message["Event"]
        rows = NEEDED.get(event, ())
        if event == "UserEvent" and "Uniqueid" in shape:
            rows = (_channel(),)
        self._expected, why, begun = _walk(shape, (), rows, message.repeated or ())
        self._pieces = 0
        if self._expected and not self._expected[-1].endswith(_TAIL_ENDS):
            self._expected = ()  # nothing that callers write in: this Asterisk is another one
        # Programs send user events of every kind, with headers of their own.
        stray = bool(why) and not begun and (event != "UserEvent" or "Linkedid" in shape)
        why = why or next((odd for odd in message.oddities if odd != "invalid UTF-8"), "")
        if not listed and shape[1:2] != ("Privilege",):
            # An entry of a queue is the one item that has its ActionID at the end.
            head = event == "QueueEntry" and bool(self._expected) and bool(ours)
            return Judged(message, why or "no Privilege", head, stray=not head)
        if why:
            return Judged(message, why, head=not stray, stray=stray)
        if self._shapes >= _SHAPES:
            self._whole.clear()
            self._shapes = 0
        self._whole.setdefault(event, set()).add(shape)
        self._shapes += 1
        return Judged(message)

    def _piece(self, message: Message, shape: Row) -> Judged:
        """A frame after a head: a forger's own, or the tail, or both."""
        self._pieces += 1
        wanted = self._expected[0]
        if wanted in shape:
            rest = shape[shape.index(wanted) :]
            self._expected, *_ = _walk(rest, self._expected, (), message.repeated or ())
        if self._expected and self._pieces >= _PIECES:
            self._expected = ()
            return Judged(message, NO_TAIL)
        return Judged(message, "behind a head")

    def _compare(self, judged: Judged) -> Judged:
        """Channel and Uniqueid go together from the channel's beginning to its end."""
        headers = judged.message.headers
        uniqueid, channel = headers.get("Uniqueid", ""), headers.get("Channel", "")
        if judged.why or not uniqueid or not channel:
            return judged
        event = headers["Event"]
        if event not in NEEDED or event == "OriginateResponse":  # of a call that may not exist
            return judged
        if self._names.get(channel) != uniqueid:
            if channel in self._names or uniqueid in self._uniqueids:
                judged.why, judged.head = "not the Uniqueid of this channel", True
                return judged
            if len(self._names) >= _CHANNELS:
                self._names.clear()
                self._uniqueids.clear()
            self._names[channel], self._uniqueids[uniqueid] = uniqueid, channel
        if event == "Hangup":
            self.end(channel, uniqueid)
        elif event == "Rename" and (name := headers["Newname"]):
            self._forget(channel)
            self._names[name], self._uniqueids[uniqueid] = uniqueid, name
        return judged

    def _forget(self, channel: str) -> None:
        self._uniqueids.pop(self._names.pop(channel, ""), None)


def _walk(
    shape: Row, expected: Row, rows: Sequence[Row], repeated: Container[str] = ()
) -> tuple[Row, str, bool]:
    """Follows the rows of headers in a frame: what an unfinished row still lacks, what is wrong,
    and whether any row began."""
    why = ""
    begun: set[Row] = set()
    for place, key in enumerate((*shape, "")):
        while expected and expected[0] != key and expected[0] in repeated:
            expected = expected[1:]  # a forger's line of the same name stood earlier
        if expected:
            if key == expected[0]:
                expected = expected[1:]
            elif key in _READ:
                why = why or f"{key} out of place"
            continue
        if shape[place + 1 : place + 2] == (key + "State",) and key.endswith("Channel"):
            row = _channel(key.removesuffix("Channel"))
        else:
            row = next((row for row in rows if row[0] == key), ())
        if row:
            begun.add(row)
            expected = row[1:]
        elif key.endswith("Linkedid"):
            why = why or f"{key} out of place"  # nothing but a channel has one
    if expected:
        why = why or f"cut short before {expected[0]}"
    elif lacking := next((row for row in rows if row not in begun), None):
        why = why or f"no {lacking[0]}"
    return expected, why, bool(begun)


_DIALLED = frozenset("0123456789+*#")


def number_of(text: str) -> str:
    """What of a caller's number can be dialled, up to the first line end."""
    line = text.partition("\n")[0].partition("\r")[0]
    return "".join(char for char in line if char in _DIALLED)


def printable(text: str, most: int = 60) -> str:
    """For the log: on one line, nothing that a terminal would act on, and not long."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:most])
    return shown + "…" if len(text) > most else shown


def beginning(message: Message) -> dict[str, str]:
    """The headers of a head before the first that a caller can write in."""
    found: dict[str, str] = {}
    for key, value in message.headers.items():
        if key.endswith("CallerIDNum"):
            break
        found[key] = value
    return found
