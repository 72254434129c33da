"""The routing policy: who is calling decides where the call goes, and says why. Pure.

`Policy.parse` reads the rule file, `decide` applies it. The same `decide` runs in the server and
in every test; it looks at nothing but its arguments.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from cordboard.crm_core.model import Card
from cordboard.events import QueueName
from cordboard.queue.decisions import Action, Decision, Growth, Personal, Reason, Texts

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _queue_name(value: str) -> str:
    if not _NAME.fullmatch(value.replace("{language}", "")):
        raise ValueError("a queue's name has letters, digits, - and _ only")
    return value


QueueTemplate = Annotated[str, AfterValidator(_queue_name)]


@dataclass(frozen=True, slots=True)
class Caller:
    """What is known when the route is asked for. `country` is the ISO code of the number's
    country, `lookup_failed` means that the store did not answer in time."""

    number: str
    country: str | None
    dialled: str
    card: Card | None
    lookup_failed: bool = False


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class When(_Part):
    status: list[str] | None = None
    language: list[str] | None = None
    known: bool | None = None
    manager: bool | None = None
    balance_below: float | None = None
    dialled: list[str] | None = None
    hours: str | None = None
    weekdays: list[Weekday] | None = None

    @field_validator("hours")
    @classmethod
    def _two_times(cls, value: str | None) -> str | None:
        if value is not None:
            _hours(value)
        return value

    def holds(self, caller: Caller, language: str, local: datetime) -> bool:
        customer = caller.card.customer if caller.card else None
        return (
            (self.status is None or (customer is not None and customer.status in self.status))
            and (self.language is None or language in self.language)
            and (self.known is None or self.known == (customer is not None))
            and (self.manager is None or self.manager == (_mobile(caller) is not None))
            and (self.balance_below is None or _balance_below(caller, self.balance_below))
            and (self.dialled is None or caller.dialled in self.dialled)
            and (self.hours is None or _within(self.hours, local))
            and (self.weekdays is None or WEEKDAYS[local.weekday()] in self.weekdays)
        )


class Growing(_Part):
    by: int = Field(ge=1, le=1000)
    every: float = Field(gt=0)
    up_to: int = Field(ge=1, le=1000)


class First(_Part):
    who: Literal["manager"]
    seconds: int = Field(default=25, ge=5, le=120)


class Rule(_Part):
    name: str = Field(min_length=1, max_length=60)
    when: When = When()
    action: Action
    queue: QueueTemplate | None = None
    priority: int = Field(default=0, ge=0, le=1000)
    growth: Growing | None = Field(default=None, alias="raise")
    first: First | None = None
    message: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_/-]{1,80}$")
    why: Texts = {}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.action == "message" and not self.message:
            raise ValueError("action message needs message, the name of a sound")
        if self.first and self.when.manager is not True:
            raise ValueError(
                'first = { who = "manager" } needs when.manager = true, or there is no one to ring'
            )
        return self


class Policy(_Part):
    """The whole rule file. Its last word, when no rule holds, is `default_queue`."""

    default_queue: QueueTemplate
    default_language: str = "en"
    languages_by_country: dict[str, str] = {}
    rule: list[Rule] = []

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Reads TOML. Raises `ValueError` with every fault on a line of its own, each beginning
        with the number of the line it stands on."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            raise ValueError(f"{line[1] if line else 1}: {error}") from None
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            faults = [f"{_line(text, f['loc'])}: {_sentence(f)}" for f in error.errors()]
            raise ValueError("\n".join(faults)) from None

    def faults(
        self, text: str, statuses: list[str], languages: list[str], queues: set[str] | None = None
    ) -> list[str]:
        """What is well formed but cannot be meant: unknown statuses, languages and queues (where
        `queues` are known), rules that no call can reach. Each begins with its line in `text`."""
        found: list[tuple[int, str]] = []
        closed_by: str | None = None
        for index, rule in enumerate(self.rule):
            when, named = _line(text, ("rule", index, "when")), f"rule {rule.name!r}"
            if closed_by:
                header = _line(text, ("rule", index))
                found.append((header, f"{named} is never reached: {closed_by!r} always holds"))
            for status in rule.when.status or []:
                if status not in statuses:
                    known = ", ".join(statuses)
                    found.append((when, f"{named}: unknown status {status!r}; the CRM has {known}"))
            found += [
                (when, f"{named}: unknown language {language!r}")
                for language in rule.when.language or []
                if language not in languages
            ]
            if rule.when == When():
                closed_by = closed_by or rule.name
        if queues is not None:
            found += self._unknown_queues(text, languages, queues)
        return [f"{line}: {fault}" for line, fault in found]

    def _unknown_queues(
        self, text: str, languages: list[str], queues: set[str]
    ) -> list[tuple[int, str]]:
        named = [(_line(text, ("default_queue",)), self.default_queue)]
        named += [
            (_line(text, ("rule", index, "queue")), rule.queue)
            for index, rule in enumerate(self.rule)
            if rule.queue
        ]
        return [
            (line, f"queue {queue!r} is on no PBX; add it to queues.conf")
            for line, template in named
            for language in (languages if "{language}" in template else [""])
            if (queue := template.replace("{language}", language)) not in queues
        ]


def decide(policy: Policy, caller: Caller, local: datetime) -> Decision:
    """The first rule that holds. `local` is the time at the desk, in the desk's time zone.

    There is always an answer: a caller whom nothing is known of goes to a queue by the country of
    the number, and to the default queue when even that says nothing.
    """
    language = _language(policy, caller)
    reasons: list[Reason] = []
    if caller.lookup_failed:
        reasons.append(Reason("customer-lookup-failed", {}))
    elif caller.card is None:
        reasons.append(Reason("customer-unknown", {}))
    for rule in policy.rule:
        if rule.when.holds(caller, language, local):
            reasons.append(Reason("rule", {"rule": rule.name}, rule.why or None))
            queue = QueueName((rule.queue or policy.default_queue).format(language=language))
            return Decision(
                action=rule.action,
                queue=queue,
                priority=rule.priority,
                language=language,
                reasons=(*reasons, Reason("language", {"language": language})),
                growth=Growth(**rule.growth.model_dump()) if rule.growth else None,
                personal=_personal(rule.first, caller) if rule.first else None,
                to=rule.message,
                rule=rule.name,
            )
    reasons.append(Reason("language", {"language": language}))
    queue = QueueName(policy.default_queue.format(language=language))
    return Decision("queue", queue, 0, language, tuple(reasons))


def _personal(first: First, caller: Caller) -> Personal | None:
    manager = caller.card.customer.manager if caller.card else None
    if manager is None:
        return None
    return Personal(first.who, manager.name, manager.phone, manager.mobile, first.seconds)


def _language(policy: Policy, caller: Caller) -> str:
    if caller.card and caller.card.customer.language:
        return caller.card.customer.language
    return policy.languages_by_country.get(caller.country or "", policy.default_language)


def _mobile(caller: Caller) -> str | None:
    manager = caller.card.customer.manager if caller.card else None
    return manager.mobile if manager else None


def _balance_below(caller: Caller, bound: float) -> bool:
    minor = caller.card.customer.balance_minor if caller.card else None
    return minor is not None and minor < bound * 100


def _hours(value: str) -> tuple[time, time]:
    begin, dash, end = value.partition("-")
    try:
        if not dash:
            raise ValueError
        return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())
    except ValueError:
        raise ValueError("write hours as 09:00-18:00") from None


def _within(hours: str, local: datetime) -> bool:
    begin, end = _hours(hours)
    now = local.time()
    # A span that ends before it begins goes over midnight.
    return begin <= now < end if begin <= end else now >= begin or now < end


def _sentence(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: no such key; take it out or mend its spelling"
    if fault["type"] == "missing":
        return f"{where}: this key is needed; add it"
    return f"{where}: {str(fault['msg']).removeprefix('Value error, ')}"


def _line(text: str, loc: tuple[int | str, ...]) -> int:
    """The line of the n-th [[rule]] or of the top-level key that `loc` names."""
    wanted = loc[1] if loc[:1] == ("rule",) and len(loc) > 1 else None
    seen = -1
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() == "[[rule]]":
            seen += 1
            if seen == wanted:
                key = next((p for p in loc[2:] if isinstance(p, str)), None)
                return _key_line(text, number, key) if key else number
        elif wanted is None and loc and re.match(rf"\s*\[?{re.escape(str(loc[0]))}\b", line):
            return number
    return 1


def _key_line(text: str, header: int, key: str) -> int:
    for number, line in enumerate(text.splitlines()[header:], header + 1):
        if line.lstrip().startswith("["):
            break
        if re.match(rf"\s*{re.escape(key)}\s*=", line):
            return number
    return header
