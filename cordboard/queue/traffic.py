"""Traffic for the simulator: who calls when, how long they wait and talk, and who is there to
answer. Made up by a file's figures, or recorded. Pure.

Nothing is drawn from a generator with a state: each figure of each call is a function of the seed,
of the call's number and of what it is for. So the same caller has the same patience and talk under
every policy, whatever became of the others (common random numbers).
"""

from __future__ import annotations

import math
import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from statistics import NormalDist
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cordboard.crm_core.model import Card, Customer, Interaction, Manager
from cordboard.events import OperatorName
from cordboard.queue.routing import Approach, Caller
from cordboard.queue.sources import Lines
from cordboard.wording import sentence

DAY = 86_400.0

_MASK = (1 << 64) - 1
_NORMAL = NormalDist()


def draw(seed: int, number: int, what: int) -> float:
    """A number between 0 and 1, both excluded, that looks random (SplitMix64's finaliser)."""
    x = (
        seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + what * 0x94D049BB133111EB
    ) & _MASK
    for _ in range(2):
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
        x ^= x >> 31
    return ((x >> 11) + 0.5) * 2.0**-53


GAP, GROUP, PATIENCE, TALK, WRAPUP, RING, MANAGER, CALLBACK, CALLED_BACK, LAST = range(10)
"""What a draw is for."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Seconds(_Part):
    """A time that differs from call to call: exponential by its mean, or lognormal where `spread`
    gives its standard deviation as a share of the mean (0: always the mean)."""

    mean: float = Field(gt=0)
    spread: float | None = Field(default=None, ge=0, le=10)

    def at(self, chance: float) -> float:
        if self.spread is None:
            return -self.mean * math.log(chance)
        variance = math.log(1 + self.spread**2)
        return self.mean * math.exp(math.sqrt(variance) * _NORMAL.inv_cdf(chance) - variance / 2)


_CLOCK = re.compile(r"(\d\d):(\d\d)")


def span(value: str) -> tuple[float, float]:
    """Two times of the day in seconds from midnight, of 08:00-16:30. Raises `ValueError`."""
    begin, _, end = value.partition("-")
    found = [_CLOCK.fullmatch(part.strip()) for part in (begin, end)]
    times = [int(m[1]) * 3600.0 + int(m[2]) * 60 for m in found if m and int(m[2]) < 60]
    if len(times) != 2 or not 0 <= times[0] < times[1] <= DAY:
        raise ValueError(f"{value!r}: write a span of one day as 08:00-16:30, the earlier first")
    return times[0], times[1]


def _span(value: str) -> str:
    span(value)
    return value


Span = Annotated[str, AfterValidator(_span)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Service(_Part):
    """How service is counted: as `ServiceLevel` does it; `target` percent is what is wanted."""

    threshold: float = Field(default=20, gt=0)
    short_abandon: float = Field(default=5, ge=0)
    target: float = Field(default=80, gt=0, lt=100)


class Who(_Part):
    """A kind of customer. `known` false is a number that the CRM does not have; `last_operator`
    is one of the operators of this file, by chance."""

    name: str = Field(min_length=1, max_length=40)
    share: float = Field(gt=0)
    known: bool = True
    status: str = "new"
    language: str | None = None
    country: str | None = None
    manager: bool = False
    segment: str | None = None
    tags: tuple[str, ...] = ()
    do_not_disturb: bool = False
    balance: float | None = None
    attributes: dict[str, bool | int | float | str] = {}
    days_since_contact: int | None = Field(default=None, ge=0)
    last_operator: bool = False
    dialled: str = ""
    ivr: dict[str, str] = {}
    patience: Seconds | None = None
    talk: Seconds | None = None


class Operators(_Part):
    """So many operators of one kind: the queues they serve with the penalty in each, when they
    work and when they pause."""

    count: int = Field(ge=1, le=10_000)
    queues: dict[str, int] = Field(min_length=1)
    shift: Span = "00:00-24:00"
    pauses: list[Span] = []


class Personal(_Part):
    """How often who is rung before the queue takes the call, and how long that takes."""

    answers: Probability = 0.6
    ring: Seconds = Seconds(mean=8, spread=0.4)


class Callback(_Part):
    """How often the offer is accepted, and the call back answered."""

    accepts: Probability = 0.3
    answers: Probability = 0.8


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that will come, `at` seconds after the first day's midnight. What its caller and its
    operator would take is settled here, in seconds, whatever the policy; `luck` settles the
    rest."""

    number: int
    at: float
    caller: Caller
    approach: Approach
    patience: float
    talk: float
    wrapup: float
    ring: float
    luck: int

    @property
    def status(self) -> str:
        return self.caller.card.customer.status if self.caller.card else "unknown"

    def chance(self, what: int) -> float:
        return draw(self.luck, self.number, what)


class Traffic(_Part):
    """The whole file. Calls are made up by `arrivals` and `customer`, or read from `recording`."""

    day: date = date(2026, 11, 23)
    arrivals: dict[Span, float] = {}
    recording: str | None = None
    patience: Seconds = Seconds(mean=180)
    talk: Seconds = Seconds(mean=240, spread=0.8)
    wrapup: Seconds = Seconds(mean=20, spread=0.5)
    ring: Seconds = Seconds(mean=5, spread=0.4)
    service: Service = Service()
    personal: Personal = Personal()
    callback: Callback = Callback()
    customer: list[Who] = []
    operator: list[Operators] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        made_up = bool(self.arrivals)
        if made_up == (self.recording is not None):
            raise ValueError("give either [arrivals] with [[customer]], or recording = a CSV file")
        if made_up and not self.customer:
            raise ValueError("[arrivals] needs at least one [[customer]]: who calls")
        spans = sorted((span(hours), hours) for hours in self.arrivals)
        for (early, one), (late, other) in pairwise(spans):
            if early[1] > late[0]:
                raise ValueError(f"[arrivals] {one} and {other} overlap")
        return self

    @classmethod
    def parse(cls, text: str) -> Traffic:
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
            lines = Lines(text)
            faults = sorted((lines.of(*each["loc"]), sentence(each)) for each in error.errors())
            raise ValueError("\n".join(f"{line}: {fault}" for line, fault in faults)) from None

    def made_up(self, seed: int) -> Iterator[Arrival]:
        """The calls of the day in order: a Poisson stream with the rates of `arrivals`."""
        edges = sorted((*span(hours), rate / 3600) for hours, rate in self.arrivals.items())
        shares = list(_sums([who.share for who in self.customer]))
        drawn, number, before = 0.0, 0, 0.0
        for begin, end, rate in edges:
            expected = (end - begin) * rate
            while True:
                gap = -math.log(draw(seed, number, GAP))
                if drawn + gap > before + expected:
                    break
                drawn += gap
                chance = draw(seed, number, GROUP) * shares[-1]
                who = self.customer[bisect_left(shares, chance)]
                at = begin + (drawn - before) / rate
                yield self.arrival(seed, number, at, who, f"+7900{number % 10**7:07}")
                number += 1
            before += expected

    def arrival(self, seed: int, number: int, at: float, who: Who, phone: str) -> Arrival:
        def take(seconds: Seconds, what: int) -> float:
            return seconds.at(draw(seed, number, what))

        began = datetime.combine(self.day, datetime.min.time(), UTC).timestamp() + at
        return Arrival(
            number,
            at,
            self.caller(seed, number, began, who, phone),
            Approach(who.dialled, who.ivr, today=1),
            take(who.patience or self.patience, PATIENCE),
            take(who.talk or self.talk, TALK),
            take(self.wrapup, WRAPUP),
            take(self.ring, RING),
            seed,
        )

    def caller(self, seed: int, number: int, now: float, who: Who, phone: str) -> Caller:
        """As the lookup would give it."""
        if not who.known:
            return Caller(phone, who.country, None)
        customer = Customer(
            id=phone,
            kind="person",
            name=who.name,
            phones=(phone,),
            status=who.status,
            language=who.language,
            manager=Manager("manager", "Manager", "+79000000000") if who.manager else None,
            balance_minor=None if who.balance is None else round(who.balance * 100),
            created_at=0.0,
            updated_at=0.0,
            segment=who.segment,
            tags=who.tags,
            do_not_disturb=who.do_not_disturb,
            attributes=who.attributes,
        )
        history: tuple[Interaction, ...] = ()
        if who.last_operator or who.days_since_contact is not None:
            began = now - DAY * (who.days_since_contact or 0)
            count = sum(group.count for group in self.operator)
            name = operator_name(int(draw(seed, number, LAST) * count))
            last = Interaction(
                phone,
                phone,
                None,
                name if who.last_operator else None,
                None,
                began,
                began,
                None,
                None,
                "",
            )
            history = (last,)
        return Caller(phone, who.country, Card(customer, history))


def operator_name(place: int) -> OperatorName:
    """What the operators of the file are called, from the first on."""
    return OperatorName(f"operator-{place + 1}")


def _sums(values: Sequence[float]) -> Iterator[float]:
    total = 0.0
    for value in values:
        total += value
        yield total
