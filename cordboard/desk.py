"""What is asked of the board, what it knows, and what it tells the shell to do. Pure records.

The facts here come from people, the store and the clock; those about calls are in `cti.facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cordboard.crm_core.model import (
    AuditRecord,
    CallbackRecord,
    CallRecord,
    Card,
    EntryRecord,
    Record,
    Report,
    Role,
    StateRecord,
    User,
)
from cordboard.cti.facts import Fact
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.claims import Claim
from cordboard.queue.decisions import Decision, Reason
from cordboard.queue.forecast import Handled
from cordboard.queue.lines import Entry, ServiceLevel
from cordboard.queue.operators import Operator, Post
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Inputs

Gap = tuple[float, float]
"""Since and until, on our clock."""

Part = Literal["calls", "queues", "phones"]

Direction = Literal["in", "out"]
CallState = Literal["routing", "waiting", "ringing", "talking", "ended"]
LinkState = Literal["up", "connecting", "down"]
MissedWhy = Literal["not-taken", "caller-left", "engaged"]
"""Of a call that went to somebody in person: rung in vain; the caller hung up meanwhile; not even
rung, because they were busy or paused."""
PopEnd = Literal[
    "answered-elsewhere", "no-answer", "rejected", "busy", "caller-left", "failed", "done", "lost"
]

AlarmKind = Literal[
    "forged-callers",
    "fallback-routed",
    "phone-lost",
    "calls-missed",
    "pause-over",
    "pops-missed",
    "spooling",
    "disk-full",
    "records-lost",
    "recorder-stopped",
    "behind",
    "clock-stepped",
    "policy-refused",
    "lookup-failing",
    "webhook-failing",
]
"""Callers with forged ids; callers who took the PBX's default way without us; phones that went
away in mid-call; operators who let calls ring and are paused; pauses that last longer than they
may; cards that an open console did not show; records that wait on disk; no room to write; records
given up; the flight recorder has stopped; we read the PBX's events seconds after it wrote them;
the machine's clock was set while calls lived; the rule file was changed and is faulty, so that
the last good rules stay in force; outside systems that are left alone because they do not answer;
webhooks whose receivers do not take what they are sent."""


# Facts


@dataclass(frozen=True, slots=True)
class RouteAsked:
    """The dialplan holds a call at the door and asks where it goes. `ask` names the session that
    waits for `SendRoute`; `ivr` are the answers that the caller gave to menus before."""

    ask: str
    pbx: PbxName
    linkedid: Linkedid
    number: str
    dialled: str
    ivr: Mapping[str, str] = field(default_factory=dict)
    callback: bool = False


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """A caller who left his queue by a key asks to be called back. `number` is E.164, None where
    he gave none that may be called."""

    ask: str
    pbx: PbxName
    linkedid: Linkedid
    number: str | None


@dataclass(frozen=True, slots=True)
class BackAsked:
    """Nobody took the call where it went first, and the dialplan brings the caller (back) to
    `queue`: at which place? `priority` is the one that he went with, `waited` for how many seconds
    he has waited, by the PBX's clock: the dialplan knows them also after a restart of ours."""

    ask: str
    pbx: PbxName
    linkedid: Linkedid
    queue: QueueName
    priority: int
    waited: float


@dataclass(frozen=True, slots=True)
class CallbacksMade:
    """The dialplan's word on callbacks that it has made, also while we did not look: DIALSTATUS by
    the callback's id without its hyphens."""

    pbx: PbxName
    made: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CustomerFound:
    """The answer to `FindCustomer`; `card` is our store's, None for a number that nobody has, and
    `failed` where the store gave none. `reports` are what outside systems say, `failures` the names
    of the lookups that came to nothing. `e164` and `country` are None where the number is no
    number, `calls_today` where it was not asked for, or could not be counted in time."""

    pbx: PbxName
    linkedid: Linkedid
    e164: str | None
    country: str | None
    card: Card | None
    failed: bool = False
    calls_today: int | None = None
    reports: tuple[Report, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerStale:
    """Somebody who knows says that what is known of this number (E.164) or customer (our id) is no
    longer so, wherever it is kept."""

    number: str | None
    customer: str | None


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A talk that was over shortly before the start, at our time `ended`: the operator whose
    channel was `peer` may have been writing the note. `written` are the operators who have written
    theirs of this call."""

    call: CallRecord
    card: Card | None
    peer: str
    peer_uniqueid: Uniqueid
    ended: float
    written: frozenset[str]


@dataclass(frozen=True, slots=True)
class ByHand:
    """A supervisor gave a caller this claim to a place in `queue`. It counts until he leaves:
    beside his own, or, where it is `less`, instead of it. `why` says who did it and why."""

    queue: QueueName
    claim: Claim
    less: bool
    why: Reason


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the store holds from before the start: calls that had not ended, the stays in queues of
    the current day, talks whose wrap-up may not be over, and what calls took of their operators,
    oldest first."""

    calls: tuple[CallRecord, ...]
    entries: tuple[EntryRecord, ...]
    unwritten: tuple[Unwritten, ...] = ()
    gaps: Mapping[str, tuple[Gap, ...]] = field(default_factory=dict)
    """By call, when it was not seen."""
    handled: tuple[Handled, ...] = ()
    states: tuple[StateRecord, ...] = ()
    """What each operator did when last heard of."""
    hands: Mapping[str, ByHand] = field(default_factory=dict)
    """By call, what a supervisor made of its place."""
    callbacks: tuple[CallbackRecord, ...] = ()
    """Those that are open."""


@dataclass(frozen=True, slots=True)
class UsersChanged:
    """All who may log in, as they are now."""

    users: tuple[User, ...]


@dataclass(frozen=True, slots=True)
class CustomerChanged:
    """A customer was created or changed: cards that are open show it, calls from this customer's
    numbers take it on."""

    card: Card


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """The rule file was changed, and is good. Calls that ask for a route from now on go by it;
    whoever has one keeps it."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class ActionAsked:
    """Somebody at a console, or a program with a token, asks for something to be done.

    `id` names the action; its outcome comes back to `actor` as a `result` on the stream.
    `target` is a call's id or an operator's name.
    """

    id: str
    actor: OperatorName
    role: Role
    kind: Literal["call", "operator"]
    target: str
    action: str
    args: dict[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Rank:
    """One caller in a queue, as the PBX lists them; `position` 1 is the head."""

    uniqueid: Uniqueid
    position: int
    priority: int


@dataclass(frozen=True, slots=True)
class Reordered:
    """What came of a `Reorder`: who stood in the queue before and who stands there now, in order
    (nobody, where the PBX could not be asked: then `error` says why, in words), and the moves that
    were not made, each with its reason. `unable`: this PBX moves nobody."""

    pbx: PbxName
    queue: QueueName
    before: tuple[Rank, ...] = ()
    after: tuple[Rank, ...] = ()
    refused: tuple[tuple[Uniqueid, str], ...] = ()
    error: str | None = None
    unable: bool = False


@dataclass(frozen=True, slots=True)
class Requeued:
    """What came of a `Requeue`; where it worked the caller is on his way."""

    pbx: PbxName
    uniqueid: Uniqueid
    queue: QueueName
    to: QueueName
    error: str | None


@dataclass(frozen=True, slots=True)
class Audited:
    """What was asked for stands in the audit, and may be done now; with an `error`, in words, it
    does not, and may not."""

    asked: ActionAsked
    error: str | None


@dataclass(frozen=True, slots=True)
class ActionDone:
    """The outcome of a command that an action led to; `error` is in words, None when it worked."""

    id: str
    actor: OperatorName
    error: str | None


@dataclass(frozen=True, slots=True)
class WrapUpSaved:
    """The note stands in the history."""

    id: str
    actor: OperatorName
    call: CallId


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """`count` more events of this kind, or the present figure where it is a state."""

    kind: AlarmKind
    count: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AlarmEnded:
    kind: AlarmKind


@dataclass(frozen=True, slots=True)
class Tick:
    """A second has gone by."""


AnyFact = (
    Fact
    | RouteAsked
    | BackAsked
    | CallbackAsked
    | CallbacksMade
    | CustomerFound
    | CustomerStale
    | Remembered
    | UsersChanged
    | CustomerChanged
    | PolicyChanged
    | ActionAsked
    | Audited
    | Reordered
    | Requeued
    | ActionDone
    | WrapUpSaved
    | AlarmRaised
    | AlarmEnded
    | Tick
)


# What the board knows


@dataclass(frozen=True, slots=True)
class Announcing:
    """What waiting callers are told: the `first` time after so many seconds, then `every` so many
    (0: never), their place up to `places`, their wait up to so many `minutes`. `at_once` is how
    many are told at one time, `language` that of callers of whom no other is known."""

    first: float = 30.0
    every: float = 60.0
    places: int = 10
    minutes: int = 30
    at_once: int = 10
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Calling:
    """Callbacks: how many `tries`, with `again` seconds in between."""

    tries: int = 3
    again: float = 900.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the board goes by. Times in seconds."""

    policy: Policy
    zone: ZoneInfo
    wrapup: float
    """How long an operator is in wrap-up who does not say anything."""
    threshold: float
    short_abandon: float
    handling: float = 180.0
    """What a call takes of an operator, before any was measured."""
    announcing: Announcing = Announcing()
    calling: Calling = Calling()
    wrapup_limit: float = 600.0
    """How long at most, with all extensions."""
    misses: int = 0
    """So many calls in a row that rang in vain pause an operator; 0 is never."""
    pauses: Mapping[str, float | None] = field(default_factory=dict)
    """The reasons for a pause, and for how long each may last."""
    refresh: float = 0.0
    """How often those who wait are looked up anew; 0 is never."""


@dataclass(slots=True)
class Arrival:
    """What is known of a caller before, and beside, the call itself: AGI and AMI are two
    connections, and either may bring the news of a call first."""

    number: str
    dialled: str
    at: float
    ask: str | None = None
    ivr: Mapping[str, str] = field(default_factory=dict)
    callback: bool = False
    found: CustomerFound | None = None
    decision: Decision | None = None
    unsaved: tuple[tuple[float, Decision, Inputs], ...] = ()
    """What was decided when and on which values, until the call is there that it is kept with."""
    asked_at: float = 0.0
    """When it was asked last who it is."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as people see it. Times are on our clock. `number` is E.164 where it is a number."""

    id: CallId
    pbx: PbxName
    boot: str
    linkedid: Linkedid
    uniqueid: Uniqueid
    channel: str
    number: str
    name: str
    dialled: str
    state: CallState
    started: float
    card: Card | None = None
    lookup_failed: bool = False
    """The store did not answer: that there is no card tells nothing of the caller."""
    decision: Decision | None = None
    why: str = ""
    """The decision's reasons as JSON, as the store keeps them, also after a restart."""
    befell: tuple[Reason, ...] = ()
    """What happened to it on its way since: another way than was decided, a phone that was lost."""
    queue: QueueName | None = None
    operator: OperatorName | None = None
    direction: Direction = "in"
    """`out` where an operator's phone is the first leg; `number` is then the one that was placed
    from the desk, or the operator's own where it was dialled by hand."""
    answered: float | None = None
    ended: float | None = None
    cause: str | None = None
    unseen: tuple[Gap, ...] = ()
    """When the link was down, or nobody looked, while the call lived."""
    callback: bool = False
    """The PBX waits in the stead of the customer, who is called back in his turn."""
    waits_since: float | None = None
    """From when his place in a queue counts, where that is before this call."""


@dataclass(frozen=True, slots=True)
class Pop:
    """A card on an operator's screen, from the moment the phone is called to the end of the
    wrap-up. `call` is the call as it was when the pop was last shown."""

    id: str
    operator: OperatorName
    peer_uniqueid: Uniqueid
    call: Call
    at: float
    talked: bool = False
    wrapup_until: float | None = None
    wrapup_at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a supervisor did to an operator, for this operator to read."""

    operator: OperatorName
    action: str
    by: OperatorName
    said: str
    """Why, in the supervisor's words."""
    at: float


@dataclass(frozen=True, slots=True)
class Link:
    pbx: PbxName
    state: LinkState
    since: float
    stale_since: float | None
    reason: str
    unavailable: tuple[Part, ...] = ()
    """What the PBX would not tell of: what is shown of it is old, or nothing."""
    boot: str = ""
    """When the PBX was started, in its own words; another one means that its calls were lost."""
    restarting: bool = False
    """It said itself that it is shutting down."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """`since` the first and `last` the latest time it was raised."""

    kind: AlarmKind
    count: int
    detail: str
    since: float
    last: float


@dataclass(frozen=True, slots=True)
class Missed:
    """A call that `operator` should have taken in person. `call` as it was then."""

    id: str
    operator: OperatorName
    call: Call
    why: MissedWhy
    at: float


# Commands


@dataclass(frozen=True, slots=True)
class FindCustomer:
    """Where `since` is given, it is also asked how often the number has called from then on.
    `again`: no answer from before is wanted."""

    pbx: PbxName
    linkedid: Linkedid
    number: str
    since: float | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class ForgetCustomer:
    """No answer that is kept of this number or customer is any good."""

    number: str | None
    customer: str | None


@dataclass(frozen=True, slots=True)
class SendRoute:
    ask: str
    decision: Decision


CallbackRefusal = Literal["not-offered", "number", "double", "hours"]
"""Why nobody is called back: no rule offers it, the number is none that may be called, he is to be
called back already, or nobody is called at this hour."""


@dataclass(frozen=True, slots=True)
class SendCallback:
    """To the caller who asked to be called back; `refused` is None where he will be."""

    ask: str
    refused: CallbackRefusal | None


@dataclass(frozen=True, slots=True)
class AskCallbacks:
    """Ask the PBX which callbacks it has made."""

    pbx: PbxName


@dataclass(frozen=True, slots=True)
class CallBack:
    """Wait in `queue` at `position` for the customer whose `number` this is, and call him when an
    operator has answered; he sees `shown`. `least` and `most` are the penalties of who may."""

    pbx: PbxName
    channel_id: Linkedid
    number: str
    name: str
    shown: str
    queue: QueueName
    priority: int
    position: int
    language: str
    least: int | None
    most: int | None


@dataclass(frozen=True, slots=True)
class SendPlace:
    """The place in the queue for whoever asked with `BackAsked`; None leaves it to the priority."""

    ask: str
    priority: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Save:
    """To be written before anything that follows is shown."""

    record: Record


@dataclass(frozen=True, slots=True)
class CountFallbacks:
    """Ask the PBX how many callers took its default way since this was asked last."""

    pbx: PbxName


@dataclass(frozen=True, slots=True)
class SaveWrapUp:
    """`first`: only where nobody has saved a note or a result before."""

    id: str
    actor: OperatorName
    call: CallId
    customer: str | None
    note: str
    result: str | None
    first: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """Write this down; only when it is written, what was asked for may be done."""

    asked: ActionAsked
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up this channel if it is still the one with this Uniqueid."""

    id: str
    actor: OperatorName
    pbx: PbxName
    channel: str
    uniqueid: Uniqueid


@dataclass(frozen=True, slots=True)
class Originate:
    """Let `phone` ring and, when it is answered, dial `number`. `channel_id` is the Uniqueid that
    the phone's leg will have: one that is live cannot be made again."""

    id: str
    actor: OperatorName
    pbx: PbxName
    phone: str
    number: str
    channel_id: Linkedid


@dataclass(frozen=True, slots=True)
class LogIn:
    """Make `phone` a member of these queues under the operator's name, `paused` for this reason
    or, with None, ready; on the first of `pbxs` that has such a phone."""

    id: str
    actor: OperatorName
    operator: OperatorName
    pbxs: tuple[PbxName, ...]
    phone: str
    queues: tuple[Post, ...]
    paused: str | None = None


@dataclass(frozen=True, slots=True)
class LogOut:
    """Take this member out of these queues."""

    id: str
    actor: OperatorName
    pbx: PbxName
    interface: str
    queues: tuple[QueueName, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the waiting caller `uniqueid` his place and the minutes that he has still to wait (0:
    less than one), and that he may press 1 and be called back at `offer`; each None where it is
    not to be told. `channel_id` is the Uniqueid of the channel that says it."""

    pbx: PbxName
    channel_id: Linkedid
    uniqueid: Uniqueid
    language: str
    place: int | None
    minutes: int | None
    offer: str | None = None


@dataclass(frozen=True, slots=True)
class Hush:
    """End this channel of ours, an announcement or a callback, if it is not over."""

    pbx: PbxName
    channel_id: Linkedid


@dataclass(frozen=True, slots=True)
class PauseMember:
    """Pause or unpause this interface in all its queues."""

    id: str
    actor: OperatorName
    pbx: PbxName
    interface: str
    paused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """This caller, whose priority `was` so, is to have `priority`, and to stand behind all who have
    as much, also where it is the same."""

    uniqueid: Uniqueid
    was: int
    priority: int


@dataclass(frozen=True, slots=True)
class Reorder:
    """Make these moves in one queue, one after the other; who has left it meanwhile, or has another
    priority than we thought, is left alone."""

    pbx: PbxName
    queue: QueueName
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Requeue:
    """Take a caller who waits in `queue` over into the queue `to`, where he has `priority`.
    `rings`: phones ring for him, which he would have to wait for."""

    pbx: PbxName
    channel: str
    uniqueid: Uniqueid
    queue: QueueName
    to: QueueName
    priority: int
    rings: bool


@dataclass(frozen=True, slots=True)
class ShowPop:
    pop: Pop
    first: bool
    """False when an open pop is shown again with new contents."""


@dataclass(frozen=True, slots=True)
class EndPop:
    id: str
    operator: OperatorName
    reason: PopEnd
    saved: bool = False
    """The note has been saved, here or on another device of the operator's."""


@dataclass(frozen=True, slots=True)
class ShowCall:
    """`operators` are those whose pops of this call are open: it is theirs to see."""

    call: Call
    operators: tuple[OperatorName, ...]


@dataclass(frozen=True, slots=True)
class EndCall:
    id: CallId
    operators: tuple[OperatorName, ...]


@dataclass(frozen=True, slots=True)
class ShowOperator:
    operator: Operator


@dataclass(frozen=True, slots=True)
class ShowNotice:
    notice: Notice


@dataclass(frozen=True, slots=True)
class EndNotice:
    operator: OperatorName


@dataclass(frozen=True, slots=True)
class ShowQueue:
    queue: QueueName
    waiting: int
    longest_since: float | None
    level: ServiceLevel


@dataclass(frozen=True, slots=True)
class ShowWaiting:
    """All who wait in one queue, in order, each with why he stands where he stands, and their
    estimated waits from now, in seconds; None where nobody serves the queue."""

    queue: QueueName
    waiting: tuple[tuple[Entry, Call, tuple[Reason, ...]], ...]
    estimates: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ShowMissed:
    missed: Missed


@dataclass(frozen=True, slots=True)
class EndMissed:
    """Seen, made good, or too old."""

    id: str
    operator: OperatorName


@dataclass(frozen=True, slots=True)
class ShowLink:
    link: Link


@dataclass(frozen=True, slots=True)
class ShowAlarm:
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class EndAlarm:
    kind: AlarmKind


@dataclass(frozen=True, slots=True)
class Tell:
    """The outcome of an action, for the one who asked."""

    id: str
    actor: OperatorName
    error: str | None


@dataclass(frozen=True, slots=True)
class Remark:
    """The PBX surprised us; to be logged and counted, and reason for a fresh snapshot of this
    PBX, where it is one's."""

    what: str
    pbx: PbxName | None = None


Command = (
    FindCustomer
    | ForgetCustomer
    | SendRoute
    | SendPlace
    | CountFallbacks
    | Save
    | SaveWrapUp
    | Audit
    | HangUp
    | Originate
    | LogIn
    | LogOut
    | Announce
    | SendCallback
    | AskCallbacks
    | CallBack
    | Hush
    | PauseMember
    | Reorder
    | Requeue
    | ShowPop
    | EndPop
    | ShowCall
    | EndCall
    | ShowOperator
    | ShowNotice
    | EndNotice
    | ShowQueue
    | ShowWaiting
    | ShowMissed
    | EndMissed
    | ShowLink
    | ShowAlarm
    | EndAlarm
    | Tell
    | Remark
)
