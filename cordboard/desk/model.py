"""What the board knows: the settings it goes by, calls, cards, links, alarms. Pure records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from cordboard.crm_core.model import AttemptRecord, Card, Respondent, RespondentList
from cordboard.events import CallId, Linkedid, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import Decision, Personal, Reason
from cordboard.queue.policy import Policy

Gap = tuple[float, float]
"""Since and until, on our clock."""

Part = Literal["calls", "queues", "phones"]

Direction = Literal["in", "out"]
CallState = Literal["routing", "waiting", "ringing", "talking", "ended"]
LinkState = Literal["up", "connecting", "down"]
MissedWhy = Literal["not-taken", "caller-left", "engaged"]
MissedState = Literal["open", "seen", "talked"]
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
    "scripts-refused",
    "lookup-failing",
    "webhook-failing",
]
"""Callers with forged ids; callers who took the PBX's default way without us; phones that went
away in mid-call; operators who let calls ring and are paused; pauses that last longer than they
may; cards that an open console did not show; records that wait on disk; no room to write; records
given up; the flight recorder has stopped; we read the PBX's events seconds after it wrote them;
the machine's clock was set while calls lived; the rule file was changed and is faulty, so that
the last good rules stay in force; scripts that are faulty, of which the last good ones stay;
outside systems that are left alone because they do not answer;
webhooks whose receivers do not take what they are sent."""


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


@dataclass(frozen=True, slots=True)
class PathStep:
    """A step of a script that the caller has left, by which `way`. `title` is what people call it,
    by language, or with "" in any; `entered` what he pressed, masked where it is secret."""

    script: str
    step: str
    title: Mapping[str, str]
    way: str
    entered: str
    at: float


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
    recalled: bool = False
    """What was decided of it is known from before a start of ours."""
    path: tuple[PathStep, ...] = ()
    """The way that the caller took through scripts, as far back as it is kept."""
    waits_since: float | None = None
    """From when his place in a queue counts, where that is before this call."""

    @property
    def personal(self) -> Personal | None:
        """At whose phones it rings first, where it goes to somebody in person."""
        return self.decision.personal if self.decision else None


@dataclass(frozen=True, slots=True)
class Known:
    """A caller, as far as he is known: the call may have an id before it is told of."""

    call: Call | None
    card: Card | None
    id: CallId | None


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
    """A call that `operator` should have taken in person. `call` as it was then. `state`: they
    have seen it, or have talked to the caller after all, `since` when."""

    id: str
    operator: OperatorName
    call: Call
    why: MissedWhy
    at: float
    state: MissedState = "open"
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Holding:
    """A person of a list whom `operator` has, since when, with what is known of him. `attempt` is
    the call to him that is under way, or was the last one."""

    operator: OperatorName
    respondent: Respondent
    whose: RespondentList
    card: Card | None
    since: float
    attempt: AttemptRecord | None = None
