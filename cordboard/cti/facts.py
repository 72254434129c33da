"""What the call model says happened, in CSTA's words. Pure.

A fact is about people, not plumbing: `channel` is the caller's, `peer` the phone of the other
person. Local channels, queue internals and bridges never appear. The facts that
`cordboard replay` prints are those in `CSTA`; the others serve the board.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cordboard.cti.ami import Message
from cordboard.events import CallId, Linkedid, PbxName, QueueName, Uniqueid

Cause = Literal["completed", "no-answer", "busy", "rejected", "cancelled", "failed", "lost"]
"""How a call ended, or why a phone stopped ringing (`cancelled`: the caller left or another
phone took the call)."""

EntryOutcome = Literal["connected", "abandoned", "timed-out", "moved", "lost"]
"""How a caller left a queue. `moved` is every other way out: withdrawn, redirected, a key."""


@dataclass(frozen=True, slots=True)
class CallFact:
    """What all facts about a call carry. `at` is the PBX's clock, None where it gave none."""

    at: float | None
    call: CallId
    linkedid: Linkedid
    channel: str


@dataclass(frozen=True, slots=True)
class Offered(CallFact):
    """A call enters. `number` and `name` are the caller's as the PBX gave them, `dialled` is the
    extension that was called."""

    pbx: PbxName
    boot: str
    uniqueid: Uniqueid
    number: str
    name: str
    dialled: str
    age: float = 0.0
    """Seconds since the call began, where it is told later than it began: a snapshot knew of it
    first, or it had to show that it is a call of its own."""


@dataclass(frozen=True, slots=True)
class Queued(CallFact):
    """The caller stands in a queue at `position` (1 is the head)."""

    uniqueid: Uniqueid
    queue: QueueName
    position: int
    waited: float = 0.0
    """Seconds already waited, where a snapshot told us of a caller that we had not seen join."""
    priority: int | None = None
    """The caller's in the queue; Asterisk tells it in snapshots only."""


@dataclass(frozen=True, slots=True)
class Placed(CallFact):
    """A snapshot's word on the place of a caller whom we knew to be waiting."""

    uniqueid: Uniqueid
    queue: QueueName
    position: int
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class QueueLeft(CallFact):
    """The caller's wait in a queue is over."""

    uniqueid: Uniqueid
    queue: QueueName
    outcome: EntryOutcome
    asks: bool = False
    """He pressed a key to ask for something, and may come back to his place."""


Detour = Literal[
    "fallback", "manager", "transfer", "number", "voicemail", "script", "overflow", "callback"
]
"""Why the dialplan sent a call another way than it was meant to go: cordboard gave no route;
whoever it went to in person did not take it; the phone to which an operator sent it did not take
it; nobody took it at a number outside; no message could be left; there is no such script, or no
end of scripts; the caller has waited as long as he should; the customer who was to be called back
did not take it."""
Where = Literal["desk", "mobile"]


@dataclass(frozen=True, slots=True)
class Detoured(CallFact):
    """The dialplan's word on what befell this call. `status` is Asterisk's: of AGI() for a
    fallback, of Dial() for a phone; for an overflow it is where to. `where` (`Where`) is the phone
    that the manager did not take."""

    kind: Detour
    status: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Abandoned(CallFact):
    """The caller gave up waiting: hung up in the queue, unanswered."""

    queue: QueueName


@dataclass(frozen=True, slots=True)
class Called(CallFact):
    """Asterisk begins to call a phone for this caller; the earliest moment at which we know whose
    phone will ring, and so the moment of the screen-pop."""

    peer: str
    peer_uniqueid: Uniqueid
    queue: QueueName | None


@dataclass(frozen=True, slots=True)
class Delivered(CallFact):
    """The phone rings."""

    peer: str
    peer_uniqueid: Uniqueid
    queue: QueueName | None


@dataclass(frozen=True, slots=True)
class Undelivered(CallFact):
    """A phone that was called will not have this call: it did not answer, refused, was busy, or
    somebody else was quicker."""

    peer: str
    peer_uniqueid: Uniqueid
    cause: Cause


@dataclass(frozen=True, slots=True)
class Taken(CallFact):
    """An operator has answered for somebody who is called back, and hears him ring from now on."""

    peer: str
    peer_uniqueid: Uniqueid
    queue: QueueName | None


@dataclass(frozen=True, slots=True)
class Reached(CallFact):
    """The turn of somebody has come who is called back: his own phone, `channel`, is called, and
    stands from now on for what waited in his stead."""

    uniqueid: Uniqueid


@dataclass(frozen=True, slots=True)
class Established(CallFact):
    """Caller and peer hear each other."""

    peer: str
    peer_uniqueid: Uniqueid
    queue: QueueName | None
    age: float = 0.0
    """Seconds for which they may have talked already, where a snapshot found them talking: those
    since the younger channel was made."""


@dataclass(frozen=True, slots=True)
class Held(CallFact):
    """`by` has put the others on hold."""

    by: str


@dataclass(frozen=True, slots=True)
class Retrieved(CallFact):
    by: str


@dataclass(frozen=True, slots=True)
class Transferred(CallFact):
    """`by` has put the call through to `peer` (None where a blind transfer led nowhere) and is out
    of it; `channel` is the party that stays. A blind one is told when its target rings or fails.
    Semi-attended: `by` left before the answer."""

    kind: Literal["blind", "attended", "semi-attended"]
    by: str
    peer: str | None
    peer_uniqueid: Uniqueid | None


@dataclass(frozen=True, slots=True)
class Diverted(CallFact):
    """The call goes to `peer` instead of `by`: forwarded by that phone, or picked up elsewhere."""

    by: str
    peer: str
    peer_uniqueid: Uniqueid


@dataclass(frozen=True, slots=True)
class Merged(CallFact):
    """This call was part of another one all along: a consultation that became a transfer, a
    pick-up. It has no end of its own."""

    into: CallId


@dataclass(frozen=True, slots=True)
class PeerCleared(CallFact):
    """The peer's phone is on hook again after it had talked, or `lost`: nothing is heard of it any
    more, and Asterisk has given it up."""

    peer: str
    peer_uniqueid: Uniqueid
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Unseen(CallFact):
    """What this call did between `since` and `until`, on our clock, was not seen: the link was
    down, or nobody looked yet. It is told after the snapshot that ends the gap, also of a call
    that ended in it."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Cleared(CallFact):
    """The call is over."""

    cause: Cause


AnyCallFact = (
    Offered
    | Queued
    | Placed
    | QueueLeft
    | Detoured
    | Abandoned
    | Called
    | Delivered
    | Undelivered
    | Taken
    | Reached
    | Established
    | Held
    | Retrieved
    | Transferred
    | Diverted
    | Merged
    | PeerCleared
    | Unseen
    | Cleared
)

CSTA: dict[type, str] = {
    Offered: "offered",
    Queued: "queued",
    Delivered: "delivered",
    Established: "established",
    Held: "held",
    Retrieved: "retrieved",
    Transferred: "transferred",
    Diverted: "diverted",
    Abandoned: "abandoned",
    Cleared: "cleared",
}
"""The facts that `replay` prints, under their names in ECMA-269."""


@dataclass(frozen=True, slots=True)
class Originated:
    """What became of the first leg of a call that we asked for. `reason` is Asterisk's: 4 answered,
    3 rang in vain, 5 busy, 8 declined, 0 any other failure."""

    pbx: PbxName
    uniqueid: Uniqueid
    reason: int

    @property
    def answered(self) -> bool:
        return self.reason == 4


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """A queue member as Asterisk describes it now. `status` is an AST_DEVICE number: 1 free, 2 in
    use, 3 busy, 4 invalid, 5 unavailable, 6 ringing, 7 ringing and in use, 8 on hold."""

    pbx: PbxName
    queue: QueueName
    interface: str
    name: str
    state_interface: str
    status: int
    paused: bool
    reason: str
    in_call: bool
    dynamic: bool = False
    """Added while the PBX ran; one of queues.conf cannot be taken out."""
    penalty: int = 0


@dataclass(frozen=True, slots=True)
class MemberGone:
    pbx: PbxName
    queue: QueueName
    interface: str


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """A queue that exists, from a snapshot."""

    pbx: PbxName
    queue: QueueName


@dataclass(frozen=True, slots=True)
class PhoneSeen:
    """A phone's state as Asterisk tells it of the device, in a queue or not. `status` is as in
    `MemberSeen`."""

    pbx: PbxName
    phone: str
    status: int


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The link is logged in, the PBX is fully booted. A `boot` other than before means that it was
    restarted: every channel of the old one is gone."""

    pbx: PbxName
    boot: str
    version: str


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The PBX cannot be seen; what we know is stale since `unseen` seconds ago, for a link falls
    silent or behind before it is lost. `restarting`: the PBX said itself that it is shutting
    down."""

    pbx: PbxName
    reason: str
    restarting: bool = False
    unseen: float = 0.0


@dataclass(frozen=True, slots=True)
class SnapshotBegan:
    """The lists that follow on the event connection are a barrier: what they leave out is gone."""

    pbx: PbxName


@dataclass(frozen=True, slots=True)
class SnapshotDone:
    """`refused` names the lists that the PBX would not give: a module is not there, or the
    account may not ask."""

    pbx: PbxName
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PbxMessage:
    """No fact yet, but what facts are made of: a frame from the event connection. `born` is
    `loop.time()` when its bytes were read."""

    pbx: PbxName
    message: Message
    born: float


@dataclass(frozen=True, slots=True)
class Forged:
    """Somebody wrote into an event by way of his number; told of each such event."""

    pbx: PbxName
    channel: str


LinkFact = LinkUp | LinkDown | SnapshotBegan | SnapshotDone
QueueFact = MemberSeen | MemberGone | QueueSeen | PhoneSeen
Fact = AnyCallFact | Originated | LinkFact | QueueFact
LinkItem = PbxMessage | Forged | LinkFact
"""What the link to a PBX has to say."""
