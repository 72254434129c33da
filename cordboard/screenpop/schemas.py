"""What the API takes and gives, as pydantic models: they check what comes in and describe both in
OpenAPI. What goes out is built in `views` and `shapes` and described here; a test holds them
together. Each is built when it is first used: a server starts a tenth sooner.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from cordboard.crm_core.interactions import NOTE_AT_MOST
from cordboard.crm_core.rules import (
    ATTRIBUTES_AT_MOST,
    KINDS,
    NAME_AT_MOST,
    PHONES_AT_MOST,
    TAGS_AT_MOST,
)


class Taken(BaseModel):
    """What comes in: nothing converted, nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class Given(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


def _amount(value: Any) -> Any:
    """JSON has one kind of number; a bool is none, although Python thinks so."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(max_digits=17, decimal_places=2, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "multipleOf": 0.01}),
]


def _plain(value: Any) -> Any:
    """Our reader gives numbers with a point as `Decimal`, for amounts; an attribute is none."""
    return float(value) if isinstance(value, Decimal) else value


OneLine = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
# The rules of customers say what is wrong with a value in better words than a schema does, and
# all at once. These bounds only keep out what is no attempt at one.
Words = Annotated[str, Field(max_length=1000)]
Kind = Annotated[str, Field(max_length=100, json_schema_extra={"enum": list(KINDS)})]
Phones = Annotated[list[Words], Field(max_length=PHONES_AT_MOST * 5)]
Tags = Annotated[list[Words], Field(max_length=TAGS_AT_MOST * 5)]
Attribute = Annotated[bool | int | float | Words, BeforeValidator(_plain)]
Attributes = Annotated[
    dict[Annotated[str, Field(max_length=100)], Attribute],
    Field(max_length=ATTRIBUTES_AT_MOST * 5),
]
Name = Annotated[Words, Field(json_schema_extra={"minLength": 1, "maxLength": NAME_AT_MOST})]


Pin = Annotated[
    str, Field(max_length=50, json_schema_extra={"pattern": "^[0-9]{4,12}$", "writeOnly": True})
]


class NewCustomer(Taken):
    """`phones` may be written in any way; `manager` is a user's name; `balance` is in whole units
    of the configured currency. The `pin`, by which the customer proves to scripts who is calling,
    is never given out."""

    name: Name
    kind: Kind = "person"
    phones: Phones = []
    status: Words | None = None
    language: Words | None = None
    manager: Words | None = None
    balance: Amount | None = None
    segment: Words | None = None
    tags: Tags = []
    do_not_disturb: bool = False
    attributes: Attributes = {}
    pin: Pin | None = None


class CustomerChanges(Taken):
    """What is left out stays as it is; `phones`, `tags` and `attributes` replace all that was
    there."""

    name: Name = Field(default_factory=str)
    kind: Kind = Field(default_factory=str)
    phones: Phones = Field(default_factory=list)
    status: Words = Field(default_factory=str)
    language: Words | None = None
    manager: Words | None = None
    balance: Amount | None = None
    segment: Words | None = None
    tags: Tags = Field(default_factory=list)
    do_not_disturb: bool = Field(default_factory=bool)
    attributes: Attributes = Field(default_factory=dict)
    pin: Pin | None = None


class StaleCustomer(Taken):
    """Of whom something has changed elsewhere: one of the two. `phone` may be written in any way,
    `customer` is our id."""

    phone: Words | None = None
    customer: Words | None = None


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class CustomerQuery(Query):
    """One of the two at least."""

    phone: Annotated[str, Field(max_length=100)] | None = None
    text: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class CallQuery(Query):
    """How many of the calls that are over are given beside those that are live."""

    recent: Annotated[int, Field(ge=0, le=200)] = 50


class AuditQuery(Query):
    """`after` is the id of the last one had, `who` a user who did it or had it done to them."""

    after: Annotated[str, Field(max_length=100)] | None = None
    who: Annotated[str, Field(max_length=100)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class StreamQuery(Query):
    """A session and the last number received resume that session's stream."""

    session: str | None = None
    after: str | None = None


class NoArgs(Taken):
    pass


class WrapupArgs(Taken):
    """`result` is one of the configured list, `customer` the id of whom the call was with. `first`
    refuses to write over what was saved before, as from another device."""

    note: Annotated[str, Field(max_length=NOTE_AT_MOST)] = ""
    result: Words | None = None
    customer: Words | None = None
    first: bool = False


class Hangup(Taken):
    action: Literal["hangup"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class Wrapup(Taken):
    action: Literal["wrapup"]
    args: WrapupArgs = WrapupArgs()
    reason: OneLine = ""


class PauseArgs(Taken):
    """`pause` is one of the configured reasons. It may be left out where `reason` is one or says
    nothing (then it is the first), and where a supervisor does this to somebody else, whose pause
    is then called `forced`."""

    pause: Words | None = None


class Pause(Taken):
    action: Literal["pause"]
    args: PauseArgs = PauseArgs()
    reason: OneLine = ""


class LoginArgs(Taken):
    """The phone to work at, such as PJSIP/1001; not for those who have one of their own."""

    phone: Annotated[str, Field(max_length=100)] | None = None


class Login(Taken):
    action: Literal["login"]
    args: LoginArgs = LoginArgs()
    reason: OneLine = ""


class Logout(Taken):
    action: Literal["logout"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class ExtendArgs(Taken):
    """By how much the wrap-up is to last longer."""

    seconds: Annotated[int, Field(ge=1, le=3600)] = 30


class Extend(Taken):
    action: Literal["extend"]
    args: ExtendArgs = ExtendArgs()
    reason: OneLine = ""


class Done(Taken):
    """Ends the wrap-up without a note. A pause that was asked for meanwhile begins."""

    action: Literal["done"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class PlaceArgs(Taken):
    """A number as people write it, or an extension."""

    number: Annotated[str, Field(max_length=40)]


class Place(Taken):
    """The operator's phone rings first, then the number is dialled."""

    action: Literal["call"]
    args: PlaceArgs
    reason: OneLine = ""


class Unpause(Taken):
    action: Literal["unpause"]
    args: NoArgs = NoArgs()
    reason: OneLine = ""


class MoveArgs(Taken):
    """One of the two: a priority, where more is nearer to the head, or a step."""

    priority: Annotated[int, Field(ge=0, le=1000)] | None = None
    to: Literal["head", "up", "down"] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.priority is None) == (self.to is None):
            raise ValueError("give either priority or to")
        return self


class MoveCaller(Taken):
    """A caller who waits is moved in the queue, until he leaves it. `reason` is for the audit."""

    action: Literal["move"]
    args: MoveArgs
    reason: Annotated[OneLine, Field(pattern=r"\S")]


class SeenArgs(Taken):
    """The id of a missed call."""

    id: Words


class Seen(Taken):
    """The operator knows of the call that he missed."""

    action: Literal["seen"]
    args: SeenArgs
    reason: OneLine = ""


CallAction = Annotated[Hangup | Wrapup | MoveCaller, Field(discriminator="action")]
OperatorAction = Annotated[
    Login | Logout | Pause | Unpause | Extend | Done | Place | Seen, Field(discriminator="action")
]


class Audited(Given):
    """Who made somebody else's call (`target` is its id) or state (`target` is a user) another,
    and why: `before` is how it stood, `after` what was asked for. Or who took away the answers to a
    survey (its name), or listened to one (`run/question`). It is written before it is done, which
    may have failed since."""

    id: str
    at: str
    actor: str
    actor_name: str
    role: str
    kind: Literal["call", "operator", "survey", "answer"]
    action: str
    target: str
    target_name: str | None
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]


class Audits(Given):
    """Newest first. `next` is what to give as `after` for those before, null after the last."""

    audits: list[Audited]
    next: str | None


class ManagerGiven(Given):
    name: str
    display_name: str


class Customer(Given):
    id: str
    kind: Literal["person", "organisation"]
    name: str
    phones: list[str]
    status: str
    language: str | None
    manager: ManagerGiven | None
    balance: float | None
    currency: str
    segment: str | None
    tags: list[str]
    do_not_disturb: bool
    attributes: dict[str, bool | int | float | str]


class CreatedCustomer(Customer):
    """`duplicates` had one of the numbers before."""

    duplicates: list[Customer]


class Customers(Given):
    customers: list[Customer]


class LookedUp(Given):
    """Whose calls are looked up again: the number in E.164, or the customer's id."""

    phone: str | None
    customer: str | None


class Interaction(Given):
    id: str
    call: str | None
    operator: str | None
    operator_name: str | None
    queue: str | None
    started_at: str
    ended_at: str | None
    outcome: str | None
    result: str | None
    note: str


class Interactions(Given):
    interactions: list[Interaction]


class CallCustomer(Given):
    """`id` is null for somebody whom an outside system alone knows."""

    id: str | None
    name: str
    status: str | None


class Gap(Given):
    since: str
    until: str


class Call(Given):
    """`unseen` is when the call was not seen: the PBX was out of sight, or the server was down."""

    id: str
    linkedid: str
    pbx: str
    from_: Annotated[str, Field(alias="from")]
    name: str
    to: str
    customer: CallCustomer | None
    queue: str | None
    operator: str | None
    direction: str
    state: str
    cause: str | None
    started_at: str
    answered_at: str | None
    ended_at: str | None
    unseen: list[Gap]


class Calls(Given):
    """The live ones first, then those that are over, newest first."""

    calls: list[Call]


class Event(Given):
    """One fact of a call; `event` says which, `data` what it tells besides. `phone` is the one
    that it speaks of, `operator` whose it is now."""

    at: str
    event: str
    phone: str | None
    operator: str | None
    operator_name: str | None
    data: dict[str, Any]


class Timeline(Given):
    """`people` are the display names of the users whom the events name, by login name."""

    call: Call
    events: list[Event]
    people: dict[str, str]


Value = str | int | float | bool | list[str] | None


class Failed(Given):
    """The first condition of a rule that did not hold: what it looked at, what it wants (`is`,
    `one_of`, `any_of`, `at_least` and `below`, `during`), and what it found. `misfit`: that was
    not even of the kind that it wants."""

    condition: str
    wish: dict[str, Value]
    value: Value
    misfit: bool


class Tried(Given):
    rule: str
    held: bool
    failed: Failed | None


class Decided(Given):
    """One decision. `inputs` are the values that it looked at, as they were; `tried` the rules of
    then, tried again on them, and `same` whether that comes to the same. Both are null where the
    rule file of then is not there, or cannot be read by this release."""

    at: str
    policy: str
    rule: str | None
    decision: dict[str, Any]
    inputs: dict[str, Value]
    tried: list[Tried] | None
    same: bool | None


class Explanation(Given):
    """`people` are the display names of the users whom the decisions name, by login name."""

    call: Call
    decisions: list[Decided]
    people: dict[str, str]


class Level(Given):
    """Answered within `threshold` seconds, of all but short abandons, today."""

    percent: float | None
    threshold: float
    short_abandon: float
    answered: int
    answered_in_time: int
    abandoned: int
    short_abandoned: int


class Queue(Given):
    name: str
    waiting: int
    longest_since: str | None
    service_level: Level


class Queues(Given):
    queues: list[Queue]


class Operator(Given):
    """`phone` is where calls ring, `due` when the pause or the wrap-up should be over, `at_most`
    until when a wrap-up may be extended, `misses` how many calls in a row rang in vain."""

    name: str
    display_name: str
    state: str
    since: str
    reason: str | None
    call: str | None
    queues: list[str]
    phone: str | None
    due: str | None
    at_most: str | None
    misses: int


class Operators(Given):
    operators: list[Operator]


class Me(Given):
    name: str
    display_name: str
    role: Literal["operator", "supervisor", "admin"]
    phone: str | None
    language: str | None
    queues: list[str]


class Accepted(Given):
    """The outcome comes on the stream, as a `result` with this id."""

    id: str


class Fault(Given):
    field: str
    message: str


class Reason(Given):
    code: str
    message: str
    faults: list[Fault]


class Error(Given):
    error: Reason
