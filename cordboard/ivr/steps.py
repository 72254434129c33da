"""The steps of scripts: what each verb may say. Pure.

The words are VoiceXML's where it has them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from cordboard.ivr import expressions
from cordboard.ivr.texts import Language, Literally, Text

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""Of a script or a step."""
Variable = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Key = Annotated[str, Field(pattern=r"^[0-9*#]{1,8}$")]
Word = Annotated[str, Field(min_length=1, max_length=80)]
Number = Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]
Queue = Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]|\{language\}){1,80}$")]


Mailbox = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}(@[A-Za-z0-9_-]{1,40})?$")]


def _expression(value: str) -> str:
    expressions.parse(value)
    return value


Expression = Annotated[str, Field(max_length=expressions.CHARACTERS), AfterValidator(_expression)]
"""Kept as it is written; `expression()` makes it ready."""
expression = functools.lru_cache(maxsize=4096)(expressions.parse)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _way(value: Any) -> Any:
    """`noinput: person` is short for `noinput: { goto: person }`."""
    return {"goto": value} if isinstance(value, str) else value


class Fail(Part):
    """What is done where nothing, or nothing that is asked for, was entered: `say` is said each
    time before the question comes again, `goto` followed after the last."""

    say: Text | None = None
    """In place of the usual words."""
    goto: Name | None = None
    """Where this is not given, the other one's is taken, then the script's."""


Failing = Annotated[Fail, BeforeValidator(_way)]


class On(Part):
    """Where it goes when a step does not end as it should. `hangup` may lead to steps that need
    nobody on the line: set, call_api, goto, hangup."""

    noinput: Failing | None = None
    """Nothing was entered, or said."""
    nomatch: Failing | None = None
    """What was entered is no answer."""
    error: Name | None = None
    """Another system, or the PBX, could not do it."""
    hangup: Name | None = None
    """The caller has gone."""
    missing: Name | None = None
    """Nobody, or nothing, was found."""
    noanswer: Name | None = None
    """Of a transfer."""
    busy: Name | None = None
    """Of a transfer."""
    refused: Name | None = None
    """He did not want to, or may not, be called back."""


class Input(Part):
    """What every question has. Times in seconds."""

    prompt: Text
    """The question."""
    read: Text | None = None
    """What an operator reads out from the form in its place, without the keys of telephones."""
    retries: int = Field(default=2, ge=0, le=9)
    """How often it is asked again."""
    timeout: float = Field(default=6, ge=1, le=60)
    """Until the first digit."""
    between: float = Field(default=3, ge=0.5, le=20)
    """Between two digits."""
    bargein: bool = True
    """Whether a digit ends what is being said."""


class Choice(Part):
    """What a key of a menu means. `text` is how it is called on the form and the chart."""

    text: Text | None = None
    """What it is called."""
    goto: Name | None = None
    """Where it is not given, the script goes on at the next step."""
    language: Language | None = None
    """From here on this language is spoken."""


class Menu(Input):
    """Asks for a key, each of which leads somewhere."""

    choices: dict[Key, Annotated[Choice, BeforeValidator(_way)]] = Field(min_length=1)
    """By key. `"1": balance` is short for `"1": { goto: balance }`."""
    question: Variable | None = None
    """The key is kept as the answer to this question."""


class Option(Part):
    """An answer that may be chosen."""

    value: Word
    """As results have it."""
    text: Text | None = None
    """What it is called."""


class Length(Part):
    """How many digits are an answer."""

    least: int = Field(default=1, ge=1, le=100)
    most: int = Field(default=32, ge=1, le=100)


AskKind = Literal["digits", "number", "money", "date", "yes_no", "scale", "choice", "text"]


class Ask(Input):
    """A question. What is answered is `answers.<question>`; with `save` instead it is a variable,
    which no result keeps. `text` is typed on a form; on the phone it is a recorded answer."""

    kind: AskKind
    """`yes_no` is 1 and 2 on the phone, a `date` DDMMYYYY; * is the point of numbers and money."""
    question: Variable | None = None
    """Under this name the answer is a result."""
    save: Variable | None = None
    """Under this name it is known until the script is over."""
    length: Length = Length()
    """Of digits."""
    least: Decimal | None = None
    """Of a number, or of money in whole units."""
    most: Decimal | None = None
    """Of a number, or of money in whole units."""
    scale: Literal["0-10", "1-5"] = "0-10"
    """0-10 is NPS's, 1-5 CSAT's."""
    choices: dict[Key, Option] = {}
    """Of kind choice, by key."""
    confirm: bool = False
    """Whether what was entered is said back, and 1 pressed if it is right."""
    secret: bool = False
    """Kept nowhere: not in results, logs, variables of the PBX, nor on the card."""
    terminator: Annotated[str, Field(pattern=r"^[0-9*#]?$")] = "#"
    """The key that ends it."""
    check: Expression | None = None
    """Must hold of the answer, which it knows as `value`."""
    required: bool = True
    """Whether a form may leave it out."""


class Record(Part):
    """A recorded answer, or a message: kept as a file."""

    prompt: Text
    """What is said before."""
    read: Text | None = None
    """What an operator reads out from the form in its place, without the keys of telephones."""
    question: Variable | None = None
    """Under this name it is a result."""
    seconds: int = Field(default=60, ge=1, le=600)
    """At most."""
    silence: float = Field(default=3, ge=0, le=20)
    """Of so many seconds ends it; 0: none does."""
    terminator: Annotated[str, Field(pattern=r"^[0-9*#]?$")] = "#"
    """The key that ends it."""
    beep: bool = True
    """Whether a tone tells when to speak."""


class LookUp(Part):
    """Finds a customer, by the caller's number or what he entered; `missing` where there is none.
    With `pin`, a variable, only one whose PIN it is. What is found is `customer` from then on."""

    by: Literal["caller", "phone", "account"] = "caller"
    """Whose number calls, or a number, or an account, that `value` tells."""
    value: Expression | None = None
    """The number or account, for `phone` and `account`."""
    attribute: Variable = "account"
    """Which attribute of customers holds the account."""
    pin: Variable | None = None
    """What was entered as the PIN, a secret."""


class Route(Part):
    """Where the call goes; one of these."""

    queue: Queue | None = None
    """`{language}` in it is the one spoken: support-{language}."""
    operator: Word | None = None
    """By login."""
    manager: bool = False
    """The customer's own."""
    number: Number | None = None
    """Outside."""
    script: Name | None = None
    """Another one, which begins in the language spoken."""
    voicemail: Mailbox | None = None
    """A mailbox."""
    rules: bool = False
    """The routing rules decide, and know the answers as `ivr`."""
    TARGETS: ClassVar = ("queue", "operator", "manager", "number", "script", "voicemail", "rules")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len([name for name in self.TARGETS if getattr(self, name)]) != 1:
            raise ValueError(f"give one of {', '.join(self.TARGETS)}")
        return self

    @property
    def target(self) -> str:
        return next(name for name in self.TARGETS if getattr(self, name))


class Transfer(Part):
    """Calls a number outside while the caller waits; where nobody answers the script goes on."""

    to: Annotated[str, Field(min_length=1, max_length=80)]
    """A number, or a value such as {customer.manager.mobile}."""
    seconds: int = Field(default=25, ge=5, le=120)
    """It rings for so long."""


class CallBack(Part):
    """Offers to call back, in the caller's turn in the queue: 1 at his number, 2 at another."""

    queue: Queue
    """In which he has his turn."""
    prompt: Text | None = None
    """What is offered; where it is left out, the usual words, which tell the number."""
    retries: int = Field(default=2, ge=0, le=9)
    """How often it is offered again."""
    timeout: float = Field(default=7, ge=1, le=60)
    """Until a key, in seconds."""


class CallApi(Part):
    """Asks another system over HTTP; `[scripts] allow` lists those that may be asked."""

    url: Literally
    """Values may stand behind the host: https://crm.example.com/of/{customer.id}."""
    method: Literal["GET", "POST", "PUT", "PATCH"] = "GET"
    body: dict[Variable, Expression] = {}
    """Sent as JSON: the names, and what each is."""
    secret: Variable | None = None
    """The name under `[scripts.secrets]` whose file has the bearer token."""
    deadline: float = Field(default=2, gt=0, le=10)
    """Seconds, then it goes on by `on: error`."""
    save: dict[Variable, Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,200}$")]] = {}
    """Variables, and where in the JSON answer each stands: customer.contracts.0.tariff."""


def _nothing(value: Any) -> Any:
    return None if value in ("", "true", True) else value


class Base(Part):
    """What every step has besides its one verb."""

    id: Name | None = None
    """What other steps, results and charts call it; without it a step has its verb and number."""
    when: Expression | None = None
    """Where it does not hold, the step is passed over."""
    next: Name | None = None
    """Where it goes on, if not at the next step of the file."""
    on: On = On()
    """Where it goes when it does not end as it should."""
    title: Text | None = None
    """How the chart, the card and the results call it."""
    note: Literally | None = None
    """For whoever reads the script."""
    column: Word | None = None
    """What the question is called where results go to another system, such as group/Question."""


class SayStep(Base):
    say: Text
    """What is said."""
    bargein: bool = True
    """Whether a key ends what is said, and is the first one of the next question."""


class MenuStep(Base):
    menu: Menu


class AskStep(Base):
    ask: Ask


class RecordStep(Base):
    record: Record


class LookUpStep(Base):
    look_up: LookUp


class SetStep(Base):
    set: dict[Variable, Expression] = Field(min_length=1)
    """Variables, and what each is worked out from. `language` is the one spoken, `do_not_ask` says
    that this person wants no more of these questions."""


class RouteStep(Base):
    route: Route


class TransferStep(Base):
    transfer: Transfer


class CallBackStep(Base):
    callback: CallBack


class CallApiStep(Base):
    call_api: CallApi


class GotoStep(Base):
    goto: Name
    """The step to go on at."""


class HangUpStep(Base):
    hangup: Annotated[Text | None, BeforeValidator(_nothing)]
    """What is said first, if anything."""


VERBS: Mapping[str, type[Base]] = {
    "say": SayStep,
    "menu": MenuStep,
    "ask": AskStep,
    "record": RecordStep,
    "look_up": LookUpStep,
    "set": SetStep,
    "route": RouteStep,
    "transfer": TransferStep,
    "callback": CallBackStep,
    "call_api": CallApiStep,
    "goto": GotoStep,
    "hangup": HangUpStep,
}


def _verb(value: Any) -> str | None:
    """Which step is meant, so that its faults alone are told."""
    if isinstance(value, Base):
        return verb_of(value)
    found = [name for name in VERBS if name in value] if isinstance(value, dict) else []
    return found[0] if len(found) == 1 else None


Step = Annotated[
    Annotated[SayStep, Tag("say")]
    | Annotated[MenuStep, Tag("menu")]
    | Annotated[AskStep, Tag("ask")]
    | Annotated[RecordStep, Tag("record")]
    | Annotated[LookUpStep, Tag("look_up")]
    | Annotated[SetStep, Tag("set")]
    | Annotated[RouteStep, Tag("route")]
    | Annotated[TransferStep, Tag("transfer")]
    | Annotated[CallBackStep, Tag("callback")]
    | Annotated[CallApiStep, Tag("call_api")]
    | Annotated[GotoStep, Tag("goto")]
    | Annotated[HangUpStep, Tag("hangup")],
    Discriminator(
        _verb,
        custom_error_type="verb",
        custom_error_message=f"a step has one verb of {', '.join(VERBS)}",
    ),
]


def verb_of(step: Base) -> str:
    return next(name for name, kind in VERBS.items() if isinstance(step, kind))
