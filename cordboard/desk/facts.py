"""What the board is told by people, the store and the clock; what it is told of calls is in
`cti.facts`. Pure records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cordboard.crm_core.model import (
    AttemptRecord,
    CallbackRecord,
    CallRecord,
    Card,
    EntryRecord,
    Report,
    Respondent,
    RespondentList,
    Role,
    RunRecord,
    StateRecord,
    User,
)
from cordboard.cti.facts import Fact
from cordboard.desk.model import AlarmKind, Gap
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.claims import Claim
from cordboard.queue.decisions import Decision, Destination, Reason
from cordboard.queue.forecast import Handled
from cordboard.queue.policy import Policy


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
    wish: Destination | None = None
    """Where the script wants it to go that the caller has been through."""


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """The caller has left a step of a script by this `way`. `title` is what people call the step,
    by language, or with "" in any; `entered` what he pressed, masked where it is secret."""

    pbx: PbxName
    linkedid: Linkedid
    script: str
    step: str
    title: Mapping[str, str]
    way: str
    entered: str


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """A caller who left his queue by a key asks to be called back, or one whom a script offered it
    for `queue`. `number` is E.164, None where he gave none that may be called."""

    ask: str
    pbx: PbxName
    linkedid: Linkedid
    number: str | None
    queue: QueueName | None = None


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
class Kept:
    """Since when a caller has waited for whom a place in `queue` was kept, and whether he is
    `back` at it."""

    queue: QueueName
    since: float
    back: bool


@dataclass(frozen=True, slots=True)
class RespondentTaken:
    """An operator was given this person of a list; `card` is our store's."""

    operator: OperatorName
    respondent: Respondent
    whose: RespondentList
    card: Card | None
    attempt: AttemptRecord | None = None
    """Of one whom an operator had before the start: the call to him."""


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
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    """By call, what was decided last; of callbacks, by the call in which they were asked for."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """By call, the place that was kept last for its caller."""
    respondents: tuple[RespondentTaken, ...] = ()
    """Whom operators had."""
    runs: tuple[RunRecord, ...] = ()
    """Of scripts on the phone: all of the open calls, and those of others that are open. In the
    order in which they began."""


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
    `target` is a call's or a respondent's id, or an operator's name.
    """

    id: str
    actor: OperatorName
    role: Role
    kind: Literal["call", "operator", "respondent"]
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
    | ScriptStep
    | BackAsked
    | CallbackAsked
    | CallbacksMade
    | CustomerFound
    | CustomerStale
    | Remembered
    | RespondentTaken
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
