"""What the board tells the shell to do. Pure records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cordboard.crm_core.model import (
    AuditRecord,
    Record,
    Respondent,
)
from cordboard.desk.facts import ActionAsked
from cordboard.desk.model import Alarm, AlarmKind, Call, Holding, Link, Missed, Notice, Pop, PopEnd
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import Decision, Penalties, Reason
from cordboard.queue.lines import Entry, ServiceLevel
from cordboard.queue.operators import Operator, Post


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
    """`refused`: the script's wish cannot be, for this reason, and the call stays in the script."""

    ask: str
    decision: Decision
    refused: str | None = None


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
    operator has answered; he sees `shown`. `skills` say who may."""

    pbx: PbxName
    channel_id: Linkedid
    number: str
    name: str
    shown: str
    queue: QueueName
    priority: int
    position: int
    language: str
    skills: Penalties | None


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
    `skills`: who may serve him there."""

    pbx: PbxName
    channel: str
    uniqueid: Uniqueid
    queue: QueueName
    to: QueueName
    priority: int
    skills: Penalties | None = None


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
    """Too old, or one of too many."""

    id: str
    operator: OperatorName


@dataclass(frozen=True, slots=True)
class ShowRespondent:
    holding: Holding


@dataclass(frozen=True, slots=True)
class EndRespondent:
    """The operator has nothing more to do with this person, of whom it is now so."""

    operator: OperatorName
    respondent: Respondent


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
    | ShowRespondent
    | EndRespondent
    | ShowLink
    | ShowAlarm
    | EndAlarm
    | Tell
    | Remark
)
