"""The rule file: its schema, and what it is made of for `routing.decide`. Pure.

`Policy.parse` reads the TOML of `config/routing.toml`, whose head is the reference of the grammar.
"""

from __future__ import annotations

import functools
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import to_json

from cordboard.queue.calendars import Calendar, Hours, Weekday
from cordboard.queue.conditions import (
    AnyOf,
    Between,
    Check,
    Condition,
    During,
    Is,
    OneOf,
    check_of,
)
from cordboard.queue.decisions import Action, CallbackOffer, Growth, Overflow, Penalties, Texts
from cordboard.queue.sieve import Sieve
from cordboard.queue.sources import Lines
from cordboard.wording import sentence

LANGUAGE = "{language}"
"""In a queue's name: the caller's language."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TARGETS: dict[str, tuple[re.Pattern[str], str]] = {
    "number": (re.compile(r"\+?[0-9]{3,15}"), "a telephone number such as +74951234567"),
    "message": (
        re.compile(r"[A-Za-z0-9_/-]{1,80}(?:&[A-Za-z0-9_/-]{1,80}){0,9}"),
        "the name of a sound, or several with & between them",
    ),
    "voicemail": (re.compile(r"[A-Za-z0-9_-]{1,40}(?:@[A-Za-z0-9_-]{1,40})?"), "a mailbox"),
    "script": (re.compile(r"[A-Za-z0-9_-]{1,70}"), "the name of a script"),
}


def _queue_name(value: str) -> str:
    if not _NAME.fullmatch(value.replace(LANGUAGE, "")):
        raise ValueError("a queue's name has letters, digits, - and _ only")
    return value


QueueTemplate = Annotated[str, AfterValidator(_queue_name)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[list[Word], Field(max_length=1000)]
Whole = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[int, Field(ge=5, le=86_400)]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True
    )


class Span(_Part):
    """A number within bounds."""

    at_least: float | None = None
    below: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_table(cls, value: Any) -> Any:
        if not _is_table(value):
            raise ValueError("write { at_least = 1 }, { below = 5 }, or both in one")
        return value

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("give at_least, below or both")
        return self

    def on(self, key: str, whole: bool = False) -> Between:
        least = -math.inf if self.at_least is None else self.at_least
        return Between(key, least, math.inf if self.below is None else self.below, whole)


def _kind(value: Any) -> str | None:
    """Which of the ways to write a condition is meant, so that its faults alone are told."""
    if isinstance(value, bool):
        return "flag"
    return "words" if isinstance(value, list) else "span" if _is_table(value) else None


def _is_table(value: Any) -> bool:
    return isinstance(value, dict | Span)


_Flag = Annotated[StrictBool, Tag("flag")]
Attribute = Annotated[
    _Flag
    | Annotated[Span, Tag("span")]
    | Annotated[list[StrictBool | int | float | Word], Tag("words")],
    Discriminator(
        _kind,
        custom_error_type="attribute",
        custom_error_message='write true or false, a list such as ["a", "b"], or a span such as'
        " { at_least = 1 }",
    ),
]
LastOperator = Annotated[
    _Flag | Annotated[Words, Tag("words")],
    Discriminator(
        _kind,
        custom_error_type="last_operator",
        custom_error_message='write true or false, or a list of logins such as ["anna"]',
    ),
]


class QueueWhen(_Part):
    """How busy a queue is; waits in seconds."""

    name: QueueTemplate
    estimated_wait: Span | None = None
    longest_wait: Span | None = None
    waiting: Span | None = None
    ready: Span | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not list(self.conditions()):
            raise ValueError("give estimated_wait, longest_wait, waiting or ready")
        return self

    def conditions(self) -> Iterator[Condition]:
        for field in ("waiting", "ready", "longest_wait", "estimated_wait"):
            span: Span | None = getattr(self, field)
            if span is not None:
                whole = field in ("waiting", "ready")
                yield span.on(f"queue.{self.name}.{field}", whole)


class When(_Part):
    status: Words | None = None
    segment: Words | None = None
    tags: Words | None = None
    language: Words | None = None
    known: StrictBool | None = None
    manager: StrictBool | None = None
    last_operator: LastOperator | None = None
    do_not_disturb: StrictBool | None = None
    balance: Span | None = None
    days_since_contact: Span | None = None
    attributes: dict[Word, Attribute] = {}
    dialled: Words | None = None
    country: Words | None = None
    calls_today: Span | None = None
    callback: StrictBool | None = None
    ivr: dict[Word, Words] = {}
    hours: Hours | None = None
    weekdays: list[Weekday] | None = None
    open: Word | None = None
    closed: Word | None = None
    queue: QueueWhen | None = None

    def conditions(self) -> Iterator[Condition]:
        """The conditions that are named, cheap ones first."""
        for key in ("status", "segment", "language", "dialled", "country"):
            words: list[str] | None = getattr(self, key)
            if words is not None:
                yield OneOf(key, frozenset(words))
        for key in ("known", "manager", "do_not_disturb", "callback"):
            wanted: bool | None = getattr(self, key)
            if wanted is not None:
                yield Is(key, wanted)
        if self.tags is not None:
            yield AnyOf("tags", frozenset(self.tags))
        if isinstance(self.last_operator, bool):
            yield Is("last_operator.ready", self.last_operator)
        elif self.last_operator is not None:
            yield OneOf("last_operator", frozenset(self.last_operator))
        if self.balance is not None:
            yield self.balance.on("balance")
        for key in ("days_since_contact", "calls_today"):
            span: Span | None = getattr(self, key)
            if span is not None:
                yield span.on(key, whole=True)
        for name, wish in self.attributes.items():
            yield _attribute(f"attributes.{name}", wish)
        for name, answers in self.ivr.items():
            yield OneOf(f"ivr.{name}", frozenset(answers))
        if self.hours is not None:
            yield During("time", self.hours)
        if self.weekdays is not None:
            yield OneOf("weekday", frozenset(self.weekdays))
        if self.open is not None:
            yield Is(f"open.{self.open}", True)
        if self.closed is not None:
            yield Is(f"open.{self.closed}", False)
        if self.queue is not None:
            yield from self.queue.conditions()


def _attribute(key: str, wish: bool | Span | list[bool | int | float | str]) -> Condition:
    if isinstance(wish, bool):
        return Is(key, wish)
    return wish.on(key) if isinstance(wish, Span) else OneOf(key, frozenset(wish))


class Growing(_Part):
    by: int = Field(ge=1, le=1000)
    every: float = Field(gt=0, le=86_400)
    up_to: int = Field(ge=1, le=1000)


class Skills(_Part):
    least: Whole | None = None
    most: Whole | None = None
    at_least: Whole | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"nobody's penalty is least {self.least} and most {self.most}")
        return self


class First(_Part):
    who: Literal["manager", "last-operator"]
    seconds: int = Field(default=25, ge=5, le=120)
    desk: StrictBool = True
    mobile: StrictBool = True


class Elsewhere(_Part):
    """`overflow`: exactly one of the four is given."""

    after: Seconds
    queue: QueueTemplate | None = None
    number: str | None = None
    voicemail: str | None = None
    message: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [kind for kind in _OVERFLOWS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_OVERFLOWS)}")
        if given != ["queue"]:
            _check_target(given[0], getattr(self, given[0]))
        return self

    def made(self, language: str) -> Overflow:
        kind = next(kind for kind in _OVERFLOWS if getattr(self, kind) is not None)
        to: str = getattr(self, kind)
        return Overflow(self.after, kind, to.replace(LANGUAGE, language))


_OVERFLOWS: tuple[Literal["queue", "number", "voicemail", "message"], ...] = (
    "queue",
    "number",
    "voicemail",
    "message",
)


class Offer(_Part):
    after: Seconds
    hours: Hours | None = None


class Rule(_Part):
    name: str = Field(min_length=1, max_length=60)
    when: When = When()
    action: Action
    to: str | None = None
    queue: QueueTemplate | None = None
    priority: Whole = 0
    growth: Growing | None = Field(default=None, alias="raise")
    penalties: Skills | None = None
    first: First | None = None
    overflow: Elsewhere | None = None
    callback: Offer | None = None
    why: Texts = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.action == "message" and {"queue", "priority"} & self.model_fields_set:
            raise ValueError("queue and priority are for who waits: a message ends the call")
        if self.action == "queue":
            if self.to is not None:
                raise ValueError("to is for other actions; the queue is named by queue")
            return self
        if self.to is None:
            raise ValueError(f"action {self.action} needs to, {_TARGETS[self.action][1]}")
        _check_target(self.action, self.to)
        for key in ("growth", "penalties", "first", "overflow", "callback"):
            if getattr(self, key) is not None:
                name = "raise" if key == "growth" else key
                raise ValueError(f"{name} goes with action queue only")
        return self


def _check_target(kind: str, to: str) -> None:
    pattern, words = _TARGETS[kind]
    if not pattern.fullmatch(to):
        raise ValueError(f"{to!r} is not {words}")


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule made ready to be tried, and what it leads to apart from the caller."""

    rule: Rule
    checks: tuple[Check, ...]
    growth: Growth | None
    penalties: Penalties | None
    callback: CallbackOffer | None


class Policy(_Part):
    """The whole rule file. Its last word, when no rule holds, is `default_queue`."""

    default_queue: QueueTemplate
    default_language: str = "en"
    languages_by_country: dict[str, str] = {}
    calendar: dict[str, Calendar] = {}
    rule: list[Rule] = []

    @field_validator("rule", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError("write [[rule]], with two brackets, before each rule")
        return value

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Reads TOML. Raises `ValueError` with every fault on a line of its own, each beginning
        with the number of the line it stands on."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            raise ValueError(f"{line[1] if line else 1}: {error}; the file must be TOML") from None
        except RecursionError:
            raise ValueError("1: lists or tables are nested too deeply") from None
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            lines = Lines(text)
            faults = {(lines.of(*fault["loc"]), sentence(fault)) for fault in error.errors()}
            told = (f"{line}: {fault}" for line, fault in sorted(faults))
            raise ValueError("\n".join(told)) from None

    @functools.cached_property
    def meaning(self) -> dict[str, Any]:
        """All that the rule file says, as JSON, from which the same policy is made again."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @functools.cached_property
    def fingerprint(self) -> str:
        """The same for two rule files that mean the same, whatever their remarks and spaces."""
        return blake2b(to_json(self.meaning), digest_size=8).hexdigest()

    @functools.cached_property
    def ready(self) -> tuple[Ready, ...]:
        """The rules in order, made ready once."""
        return tuple(map(_ready, self.rule))

    @functools.cached_property
    def sieve(self) -> Sieve:
        """Which of `ready` are worth trying for a caller."""
        return Sieve([each.checks for each in self.ready])

    def prepare(self) -> Policy:
        """Does now what would else be done when a caller waits for it: thousands of rules take
        their time."""
        assert self.fingerprint
        assert self.keys is not None
        assert self.sieve
        return self

    @functools.cached_property
    def keys(self) -> frozenset[str]:
        """All that any rule looks at."""
        return frozenset(check.key for ready in self.ready for check in ready.checks)


def _ready(rule: Rule) -> Ready:
    checks = tuple(map(check_of, rule.when.conditions()))
    growth, skills, offer = rule.growth, rule.penalties, rule.callback
    return Ready(
        rule,
        checks,
        Growth(growth.by, growth.every, growth.up_to) if growth else None,
        Penalties(skills.least, skills.most, skills.at_least) if skills else None,
        CallbackOffer(offer.after, offer.hours) if offer else None,
    )
