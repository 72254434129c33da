"""When somebody is at the desk: working hours, public holidays, and days with hours of their own.
Pure.

Times are those of the desk's own clock. Public holidays are those that the `holidays` package
knows of a country, by the name that they have there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
LOOKED_AHEAD = 31
"""Days within which the next opening is looked for."""

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")

Because = Literal["hours", "day", "holiday", "closed"]
"""Why nobody is there: not at this hour, not on this day of the week, a public holiday, a day
that the calendar names."""


def span(hours: str) -> tuple[str, str]:
    """The two ends of `09:00-18:00`, as texts that compare as times do: hh:mm:ss."""
    begin, _, end = hours.partition("-")
    return f"{begin.strip()}:00", f"{end.strip()}:00"


def clock(moment: datetime) -> str:
    """The local time of day, to be held against a `span`."""
    return f"{moment:%H:%M:%S}"


def within(hours: str, now: str) -> bool:
    """Whether the time of day `now` lies in `hours`; a span that ends before it begins goes over
    midnight."""
    begin, end = span(hours)
    return begin <= now < end if begin <= end else now >= begin or now < end


def _checked_hours(value: str) -> str:
    if not _HOURS.fullmatch(value.strip()):
        raise ValueError("write hours as 09:00-18:00")
    begin, end = span(value)
    if begin == end:
        raise ValueError(f"{value} has no length; the whole day is 00:00-24:00")
    return value.strip()


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Hours = Annotated[str, AfterValidator(_checked_hours)]
DayHours = Annotated[list[Hours], BeforeValidator(_listed), Field(max_length=10)]


@functools.cache
def _holidays_of(country: str) -> Mapping[date, str]:
    import holidays  # most rule files have no calendar, and it takes its time to load

    try:
        plain = holidays.country_holidays(country)
        return holidays.country_holidays(country, language=plain.default_language)
    except NotImplementedError:
        raise ValueError(
            f"no public holidays are known of {country!r}; write the ISO code of a country"
        ) from None


def _known_country(value: str) -> str:
    _holidays_of(value)
    return value


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether somebody is there at a moment. Where nobody is: why, the name of the holiday, and
    when somebody will be, as local `2026-12-28T09:00`; None where it is not within a month."""

    open: bool
    because: Because | None = None
    holiday: str | None = None
    opens: str | None = None


class Calendar(BaseModel):
    """One `[calendar.NAME]`. A day of the week without hours is closed; `special` goes over
    `closed`, and both over public holidays. Hours that end before they begin go over midnight, and
    belong to the day on which they begin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: Annotated[str, AfterValidator(_known_country)] | None = None
    mon: DayHours = []
    tue: DayHours = []
    wed: DayHours = []
    thu: DayHours = []
    fri: DayHours = []
    sat: DayHours = []
    sun: DayHours = []
    closed: list[date] = []
    special: dict[date, DayHours] = {}

    def at(self, local: datetime) -> Opening:
        """What holds at this local moment."""
        today, now = local.date(), clock(local)
        hours, because, holiday = self._day(today)
        if _any_holds(hours, now) or self._goes_on(today - timedelta(1), now):
            return Opening(True)
        return Opening(False, because or "hours", holiday, self._next(today, now))

    @property
    def ever_open(self) -> bool:
        return any(getattr(self, day) for day in WEEKDAYS) or any(self.special.values())

    def _day(self, day: date) -> tuple[Sequence[str], Because | None, str | None]:
        """The hours of a day; where it has none, why."""
        if (own := self.special.get(day)) is not None:
            return own, None if own else "closed", None
        if day in self.closed:
            return (), "closed", None
        if self.country and (name := _holidays_of(self.country).get(day)):
            return (), "holiday", name
        usual: list[str] = getattr(self, WEEKDAYS[day.weekday()])
        return usual, None if usual else "day", None

    def _goes_on(self, yesterday: date, now: str) -> bool:
        hours = self._day(yesterday)[0]
        return any(now < end <= begin for begin, end in map(span, hours))

    def _next(self, today: date, now: str) -> str | None:
        for ahead in range(LOOKED_AHEAD):
            day = today + timedelta(ahead)
            begins = sorted(span(hours)[0] for hours in self._day(day)[0])
            for begin in begins:
                if ahead or begin > now:
                    return f"{day.isoformat()}T{begin[:5]}"
        return None


def _any_holds(hours: Sequence[str], now: str) -> bool:
    """Whether one of them holds on the day on which it begins."""
    return any(begin <= now and (now < end or end <= begin) for begin, end in map(span, hours))
