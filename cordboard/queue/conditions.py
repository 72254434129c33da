"""The conditions of rules, made ready to be tried: each looks at one value and says whether it
holds. Pure.

Conditions also know what they are to each other: one `covers` another where it holds whenever the
other does. That is how a rule is found that no call can reach.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cordboard.queue.calendars import within

Value = str | int | float | bool | tuple[str, ...] | list[str] | None
"""What a condition looks at, as JSON has it; None where nothing is known."""
Wish = dict[str, Value]
"""What a condition asks for, as JSON: `is`, `one_of`, `any_of`, `at_least` and `below`, or
`during`."""


@dataclass(frozen=True, slots=True)
class Is:
    """A yes or a no."""

    key: str
    wanted: bool

    def holds(self, value: Value) -> bool:
        return value is self.wanted

    def covers(self, other: Condition) -> bool:
        return other == self

    @property
    def is_possible(self) -> bool:
        return True

    @property
    def wish(self) -> Wish:
        return {"is": self.wanted}

    def fits(self, value: Value) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the allowed values."""

    key: str
    allowed: frozenset[str | int | float]

    def holds(self, value: Value) -> bool:
        # A yes is no 1, although Python thinks so; a list can be in no set.
        return type(value) in _PLAIN and value in self.allowed

    def covers(self, other: Condition) -> bool:
        return isinstance(other, OneOf) and other.allowed <= self.allowed

    @property
    def is_possible(self) -> bool:
        return bool(self.allowed)

    @property
    def wish(self) -> Wish:
        return {"one_of": sorted(map(str, self.allowed))}

    def fits(self, value: Value) -> bool:
        return any(isinstance(value, str) == isinstance(each, str) for each in self.allowed) and (
            type(value) in _PLAIN
        )


_PLAIN = (str, int, float)
_NUMBERS = (int, float)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several values is allowed."""

    key: str
    allowed: frozenset[str]

    def holds(self, value: Value) -> bool:
        return isinstance(value, tuple | list) and not self.allowed.isdisjoint(value)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, AnyOf) and other.allowed <= self.allowed

    @property
    def is_possible(self) -> bool:
        return bool(self.allowed)

    @property
    def wish(self) -> Wish:
        return {"any_of": sorted(self.allowed)}

    def fits(self, value: Value) -> bool:
        return isinstance(value, tuple | list)


@dataclass(frozen=True, slots=True)
class Between:
    """A number that is `at_least` so much and `below` so much; `whole` where it never has a
    fraction."""

    key: str
    at_least: float
    below: float
    whole: bool = False

    def holds(self, value: Value) -> bool:
        return type(value) in _NUMBERS and self.at_least <= value < self.below  # type: ignore[operator]

    def covers(self, other: Condition) -> bool:
        return (
            isinstance(other, Between)
            and self.at_least <= other.at_least
            and other.below <= self.below
        )

    @property
    def is_possible(self) -> bool:
        least = self.at_least
        if self.whole and not math.isinf(least):
            least = math.ceil(least)
        return least < self.below

    @property
    def wish(self) -> Wish:
        bounds = {"at_least": self.at_least, "below": self.below}
        return {name: bound for name, bound in bounds.items() if not math.isinf(bound)}

    def fits(self, value: Value) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class During:
    """A local time of day within hours as 09:00-18:00."""

    key: str
    hours: str

    def holds(self, value: Value) -> bool:
        return isinstance(value, str) and within(self.hours, value)

    def covers(self, other: Condition) -> bool:
        return isinstance(other, During) and not _minutes(other.hours) & ~_minutes(self.hours)

    @property
    def is_possible(self) -> bool:
        return True

    @property
    def wish(self) -> Wish:
        return {"during": self.hours}

    def fits(self, value: Value) -> bool:
        return isinstance(value, str)


Condition = Is | OneOf | AnyOf | Between | During


class Check(NamedTuple):
    """One condition as it is tried."""

    key: str
    holds: Callable[[Value], bool]
    condition: Condition


def check_of(condition: Condition) -> Check:
    """`condition.holds`, without a step of Python where there is a way: thousands of them may be
    tried for a call."""
    holds: Callable[[Value], bool] = condition.holds
    if isinstance(condition, Is):
        holds = functools.partial(operator.is_, condition.wanted)
    elif isinstance(condition, OneOf) and all(type(each) is str for each in condition.allowed):
        holds = condition.allowed.__contains__
    return Check(condition.key, holds, condition)


@functools.cache
def _minutes(hours: str) -> int:
    """The minutes of a day that lie in `hours`, a bit each."""
    times = (f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(24 * 60))
    return sum(1 << minute for minute, at in enumerate(times) if within(hours, at))
