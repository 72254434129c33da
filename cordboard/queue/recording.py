"""Calls that really came, as traffic for the simulator: a CSV file with a line for each. Pure.

    at,number,status,segment,tags,language,country,manager,balance,dialled,queue,outcome,waited,talk,
    patience

Only `at` must be there. How long a caller would have waited is known of those who gave up, of the
others only that it was longer than they did wait. So it is drawn from Kaplan and Meier's estimate
of the patience of all, on condition that it is longer than this caller's wait was; `patience`,
where it is given, is taken as it is. A talk that is not known is that of another call.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import StringIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cordboard.queue.routing import Approach
from cordboard.queue.traffic import (
    PATIENCE,
    RING,
    TALK,
    WRAPUP,
    Arrival,
    Traffic,
    Who,
    draw,
)
from cordboard.wording import sentence

FAULTS_SHOWN = 20
COLUMNS = (
    *("at", "number", "status", "segment", "tags", "language", "country", "manager", "balance"),
    *("dialled", "queue", "outcome", "waited", "talk", "patience"),
)


class Recorded(BaseModel):
    """One line. `at` is local time; `tags` have spaces between them, and quotation marks around one
    that has a space itself; `manager` says whether the customer has one; `queue` is where the call
    was, which is for people to read. In seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: datetime
    number: str = ""
    status: str | None = None
    segment: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None
    country: str | None = None
    manager: bool = False
    balance: float | None = None
    dialled: str = ""
    queue: str | None = None
    outcome: str | None = None
    waited: float = Field(default=0.0, ge=0)
    talk: float | None = Field(default=None, ge=0)
    patience: float | None = Field(default=None, ge=0)

    @field_validator("tags", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return split(value) if isinstance(value, str) else value

    @field_validator("at")
    @classmethod
    def _local(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=None)


def joined(tags: Sequence[str]) -> str:
    """As one field of a line."""
    field = StringIO()
    csv.writer(field, delimiter=" ", lineterminator="").writerow(tags)
    return field.getvalue()


def split(field: str) -> tuple[str, ...]:
    """What `joined` was given, or somebody wrote."""
    words = csv.reader([" ".join(field.split())], delimiter=" ")
    return tuple(tag for row in words for tag in row if tag)


class Survival:
    """How long callers wait before they give up, by Kaplan and Meier: `waits` are the seconds that
    each did wait, and whether he gave up then."""

    def __init__(self, waits: Sequence[tuple[float, bool]]) -> None:
        self._times: list[float] = []
        self._shares: list[float] = []  # of callers who are more patient than that, falling
        share, left = 1.0, len(waits)
        for wait, gave_up in sorted(waits, key=lambda each: (each[0], not each[1])):
            if gave_up:
                share *= 1 - 1 / left
                if self._times and self._times[-1] == wait:
                    self._shares[-1] = share
                else:
                    self._times.append(wait)
                    self._shares.append(share)
            left -= 1
        leavers = sum(gave_up for _, gave_up in waits)
        self._mean = sum(wait for wait, _ in waits) / leavers if leavers else math.inf

    def share(self, seconds: float) -> float:
        """Of all callers, how many wait longer than that."""
        place = bisect_right(self._times, seconds)
        return self._shares[place - 1] if place else 1.0

    def after(self, seconds: float, chance: float) -> float:
        """When somebody gives up who waited so many `seconds` already. Beyond the longest wait
        that was seen, at the rate of all."""
        share = self.share(seconds) * chance
        place = bisect_left(self._shares, -share, key=lambda known: -known)
        if place < len(self._times):
            return max(seconds, self._times[place])
        last = max(seconds, self._times[-1] if self._times else 0.0)
        known = self.share(last)
        return last - self._mean * math.log(share / known) if known else last


def parse(text: str) -> list[Recorded]:
    """Raises `ValueError` with every fault on a line of its own, each beginning with the number of
    the line it stands on."""
    lines = csv.DictReader(StringIO(text))
    names = lines.fieldnames or []
    faults = [f"1: {name}: no such column" for name in names if name not in COLUMNS]
    if "at" not in names:
        faults.append("1: the first line must name the columns, `at` among them")
    if faults:
        raise ValueError("\n".join(faults))
    found: list[Recorded] = []
    for row in lines:
        given = {key: value for key, value in row.items() if key is not None and value}
        try:
            if None in row:
                raise ValueError(f"more than {len(names)} fields")
            found.append(Recorded.model_validate(given))
        except ValidationError as error:
            faults += [f"{lines.line_num}: {sentence(fault)}" for fault in error.errors()]
        except ValueError as error:
            faults.append(f"{lines.line_num}: {error}")
    if not faults and not found:
        faults.append("1: no call is in it")
    if len(faults) > FAULTS_SHOWN:
        faults[FAULTS_SHOWN:] = [f"1: and {len(faults) - FAULTS_SHOWN} more faults"]
    if faults:
        raise ValueError("\n".join(faults))
    return sorted(found, key=lambda each: each.at)


@dataclass(frozen=True, slots=True)
class Recording:
    calls: Sequence[Recorded]

    @property
    def day(self) -> date:
        return self.calls[0].at.date()

    def arrivals(self, traffic: Traffic, seed: int) -> Iterator[Arrival]:
        """The calls in order, with what is not known of them as the module says, or else as
        `traffic` does."""
        midnight = datetime.combine(self.day, datetime.min.time())
        today: Counter[tuple[date, str]] = Counter()
        patience = Survival([(c.waited, c.outcome == "abandoned") for c in self.calls])
        talks = [call.talk for call in self.calls if call.talk]
        for number, call in enumerate(self.calls):
            chance = draw(seed, number, PATIENCE)
            stays = call.patience
            if stays is None and call.outcome == "abandoned":
                stays = call.waited
            who, at = _who(call), (call.at - midnight).total_seconds()
            today[call.at.date(), call.number] += 1
            talk = call.talk
            if not talk:
                at_random = draw(seed, number, TALK)
                talk = talks[int(at_random * len(talks))] if talks else traffic.talk.at(at_random)
            yield Arrival(
                number,
                at,
                traffic.caller(
                    seed, number, call.at.replace(tzinfo=UTC).timestamp(), who, call.number
                ),
                Approach(call.dialled, today=today[call.at.date(), call.number]),
                patience.after(call.waited, chance) if stays is None else stays,
                talk,
                traffic.wrapup.at(draw(seed, number, WRAPUP)),
                traffic.ring.at(draw(seed, number, RING)),
                seed,
            )


def _who(call: Recorded) -> Who:
    return Who(
        name=call.number or "caller",
        share=1,
        known=call.status is not None,
        status=call.status or "new",
        segment=call.segment,
        tags=call.tags,
        language=call.language,
        country=call.country,
        manager=call.manager,
        balance=call.balance,
    )
