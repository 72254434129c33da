"""The people and contacts that cordboard remembers. Pure records; `store` keeps them.

Times are seconds since the Unix epoch, UTC. Money is an integer of minor units (kopecks, cents)
in the one currency of the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cordboard.events import QueueName, derived_id

CustomerKind = Literal["person", "organisation"]
Attribute = str | int | float | bool
"""What a customer's attribute may be; its name is the house's own."""
Role = Literal["operator", "supervisor", "admin"]
ROLES: tuple[Role, ...] = ("operator", "supervisor", "admin")


@dataclass(frozen=True, slots=True)
class Manager:
    """A customer's personal manager: a colleague, reachable at `mobile` (E.164) where given."""

    name: str
    display_name: str
    mobile: str | None


@dataclass(frozen=True, slots=True)
class Customer:
    """`phones` are E.164, the first is the main one. `status` is one of the configured list;
    `segment`, `tags` and `attributes` are whatever the house tells its customers apart by."""

    id: str
    kind: CustomerKind
    name: str
    phones: tuple[str, ...]
    status: str
    language: str | None
    manager: Manager | None
    balance_minor: int | None
    created_at: float
    updated_at: float
    segment: str | None = None
    tags: tuple[str, ...] = ()
    do_not_disturb: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A customer as somebody wrote it down, not checked yet: see `rules.CustomerRules`.

    `phones` may be written in any way, `status` None means the first of the configured list,
    `manager` is the name of a user. The `pin` is never read back.
    """

    name: str
    kind: str = "person"
    phones: tuple[str, ...] = ()
    status: str | None = None
    language: str | None = None
    manager: str | None = None
    balance_minor: int | None = None
    segment: str | None = None
    tags: tuple[str, ...] = ()
    do_not_disturb: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    pin: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Created:
    """A new customer, and those who had one of its numbers before (the oldest ten): a household,
    or the same person twice, which only the operator can tell."""

    customer: Customer
    duplicates: tuple[Customer, ...]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One contact with a customer. `outcome` is what the telephone says (completed, abandoned, …),
    `result` and `note` are the operator's."""

    id: str
    customer_id: str | None
    call_id: str | None
    operator: str | None
    queue: str | None
    started_at: float
    ended_at: float | None
    outcome: str | None
    result: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Case:
    """A matter that is open with a customer. Filed by hand from a later release on; the card
    already has the place for it."""

    id: str
    title: str
    state: str
    opened_at: float


@dataclass(frozen=True, slots=True)
class Card:
    """All that the operator's screen shows of a customer when the phone rings."""

    customer: Customer
    history: tuple[Interaction, ...]
    """The last contacts, newest first."""
    open_cases: tuple[Case, ...] = ()
    others: int = 0
    """How many more customers share the number that was looked up: a household, an office."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Which outside system a value is from, by the field's name, such as `attributes.tariff`;
    what is not named is from our store."""

    @property
    def customer_id(self) -> str | None:
        """None for somebody whom an outside system alone knows."""
        return self.customer.id or None


@dataclass(frozen=True, slots=True)
class Report:
    """What an outside system says of a caller; None where it says nothing. `source` is the name
    of the lookup, and the one with the lowest `rank` goes before the others."""

    source: str
    rank: int = 0
    name: str | None = None
    status: str | None = None
    language: str | None = None
    balance_minor: int | None = None
    segment: str | None = None
    tags: tuple[str, ...] | None = None
    manager: Manager | None = None
    do_not_disturb: bool | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """Someone who logs in. `phone` is the queue member interface that rings on this person's desk,
    such as PJSIP/1001, None for one who chooses a phone when work begins; `mobile` is E.164."""

    id: str
    name: str
    display_name: str
    role: Role
    phone: str | None
    mobile: str | None
    language: str | None
    active: bool
    queues: tuple[tuple[QueueName, int], ...] = ()
    """The queues that this person serves once logged in, and the penalty in each."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call as it is remembered: one row a call, written again whenever it changes."""

    id: str
    pbx: str
    boot: str
    linkedid: str
    number: str
    name: str
    dialled: str
    customer_id: str | None
    queue: str | None
    operator: str | None
    direction: str
    """`in`, or `out` where an operator's phone was the first leg."""
    state: str
    cause: str | None
    why: str
    """The routing decision's reasons, as JSON."""
    started_at: float
    answered_at: float | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One stay of one caller in one queue: what service levels are counted from and what is held
    against Asterisk's queue_log. `uniqueid` is what queue_log calls callid."""

    id: str
    call_id: str
    pbx: str
    boot: str
    uniqueid: str
    queue: str
    priority: int
    entered_at: float
    outcome: str | None
    operator: str | None
    left_at: float | None


@dataclass(frozen=True, slots=True)
class FactRecord:
    """A call fact, appended as it came: `kind` names it, `data` is its JSON."""

    call_id: str
    at: float
    kind: str
    data: str


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A rule file by which decisions were made, from `since` on for the first time."""

    fingerprint: str
    since: float
    text: str


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One stretch of an operator's work in one state, `until` None while it lasts; what reports
    judge the day by. `due` is when a pause should have ended, or the wrap-up was to end. `pbx`,
    its `boot` and `phone` tell where the operator sat, empty for one who was not logged in."""

    id: str
    operator: str
    state: str
    reason: str | None
    since: float
    until: float | None
    due: float | None
    pbx: str
    boot: str
    phone: str


@dataclass(frozen=True, slots=True)
class WrapUp:
    """The operator's note and result of a call, said `at`; the interaction that they become is
    made where the telephone's side has not written it yet. `customer_id` None leaves what is
    known; `first` writes over nothing that an operator wrote before."""

    call_id: str
    operator: str
    customer_id: str | None
    note: str
    result: str | None
    at: float
    first: bool = False


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who made somebody else's call or state another, in what role, and why, or had what people
    answered; written before it is done, and never changed. `id` is the action's, `kind` what
    `target` is (`call`, `operator`, `survey`, `answer`); `before` and `after`, as it was and as
    it was asked for, are JSON."""

    id: str
    at: float
    actor: str
    role: str
    kind: str
    action: str
    target: str
    reason: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """Somebody who waited in `queue` since `entered_at`, and is called back at `number` (E.164) in
    his turn; he sees `shown`, the number that he had called. `made` is how often the PBX was asked
    to wait in his stead, `tries` how often he was called in vain; before `due_at` he is not called.
    `least` and `most` are penalties, `hours` those at which he may be called. Open until there is a
    `result`."""

    id: str
    pbx: str
    call_id: str
    number: str
    name: str
    shown: str
    queue: str
    priority: int
    least: int | None
    most: int | None
    language: str
    hours: str | None
    why: str
    entered_at: float
    asked_at: float
    made: int = 0
    tries: int = 0
    due_at: float | None = None
    result: str | None = None
    ended_at: float | None = None


RunChannel = Literal["phone", "form", "terminal"]
"""Where a script was run."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a script with one person; written again whenever it changes. `version` is the
    fingerprint of the script's text, `operator` whose form it is, or on the phone who talked
    before, `status` the customer's then. `path` is JSON, [[step, way, at], ...]; there is no
    `outcome` while it lasts, and `step` is where it stands, or ended."""

    id: str
    script: str
    version: str
    channel: RunChannel
    call_id: str | None
    customer_id: str | None
    respondent_id: str | None
    number: str
    operator: str | None
    queue: str | None
    status: str | None
    language: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    step: str
    path: str


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answer of a run; a later one to the same question replaces it. `value` is canonical
    text, of money in minor units; `file` is a recorded answer's name."""

    run_id: str
    question: str
    step: str
    kind: str
    value: str
    at: float
    file: str | None
    scale: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """Somebody does not want to be asked (again), by this `script`, or with None by any."""

    id: str
    customer_id: str | None
    number: str
    script: str | None
    at: float


RespondentState = Literal[
    "waiting",
    "taken",
    "dialled",
    "talking",
    "talked",
    "done",
    "refused",
    "no-answer",
    "busy",
    "callback",
    "wrong-number",
    "given-up",
    "do-not-call",
]
"""`talked`: the telephone is down, and the operator has not said yet what came of it."""


@dataclass(frozen=True, slots=True)
class RespondentList:
    """People who are to be asked by `script`. Whoever does not answer is called again after
    `again_minutes`, `tries` times in all; `hours` names the calendar of when they may be called,
    `language` is that of people of whom no other is known."""

    id: str
    name: str
    script: str
    language: str | None
    hours: str | None
    tries: int
    again_minutes: float
    created_at: float
    created_by: str
    closed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Respondent:
    """One of a list, at `number` (E.164); `attributes` are the columns of the file. Written again
    at each step, `revision` counts them. `dials` counts the calls, `tries` those in vain. Before
    `due_at` nobody is given this person, and then `due_for` before others; `result` is what came
    of it last, and there is an `ended_at` when nothing more is to come."""

    id: str
    list_id: str
    position: int
    number: str
    name: str
    customer_id: str | None
    language: str | None
    attributes: Mapping[str, Attribute]
    state: RespondentState = "waiting"
    revision: int = 0
    dials: int = 0
    tries: int = 0
    due_at: float | None = None
    due_for: str | None = None
    taken_by: str | None = None
    taken_at: float | None = None
    result: str | None = None
    run_id: str | None = None
    note: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One call to a respondent, the `dial`th, from the key to what came of it."""

    id: str
    respondent_id: str
    dial: int
    operator: str
    pbx: str
    at: float
    call_id: str | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    result: str | None = None


def interaction_id(call_id: str, operator: str | None) -> str:
    """The id of the one interaction of this operator (None: nobody answered) in this call, the
    same for the telephone's side and for the operator's wrap-up, whichever comes first."""
    millis = int(call_id.replace("-", "")[:12], 16)
    return derived_id(millis, "interaction", call_id, operator or "")


def link_id(pbx: str) -> str:
    """What stands for a call in the facts of the link to this PBX."""
    return derived_id(0, "link", pbx)


Record = (
    CallRecord
    | EntryRecord
    | FactRecord
    | PolicyRecord
    | Interaction
    | WrapUp
    | AuditRecord
    | StateRecord
    | CallbackRecord
    | RunRecord
    | AnswerRecord
    | RefusalRecord
    | Respondent
    | AttemptRecord
)
