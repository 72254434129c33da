"""When an office is open, and why not."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.queue.calendars import Calendar

BULGARIA = Calendar.model_validate(
    {
        "country": "BG",
        **dict.fromkeys(["mon", "tue", "wed", "thu"], "09:00-18:00"),
        "fri": ["09:00-12:00", "13:00-17:00"],
        "sat": "22:00-06:00",
        "closed": ["2026-12-23"],
        "special": {"2026-12-31": "09:00-13:00", "2026-12-30": []},
    }
)


@pytest.mark.parametrize(
    ("local", "open_", "because", "opens"),
    [
        ("2026-11-23T09:00", True, None, None),
        ("2026-11-23T08:59", False, "hours", "2026-11-23T09:00"),
        ("2026-11-23T18:00", False, "hours", "2026-11-24T09:00"),
        ("2026-11-27T12:30", False, "hours", "2026-11-27T13:00"),
        ("2026-11-28T12:00", False, "hours", "2026-11-28T22:00"),  # a Saturday
        ("2026-11-28T23:00", True, None, None),
        ("2026-11-29T05:59", True, None, None),  # Sunday, in Saturday's hours
        ("2026-11-29T06:00", False, "day", "2026-11-30T09:00"),
        ("2026-12-23T12:00", False, "closed", "2026-12-29T09:00"),
        ("2026-12-25T12:00", False, "holiday", "2026-12-29T09:00"),
        ("2026-12-30T12:00", False, "closed", "2026-12-31T09:00"),
        ("2026-12-31T12:00", True, None, None),
        ("2026-12-31T13:00", False, "hours", "2027-01-02T22:00"),
    ],
)
def test_a_calendar_knows_when_somebody_is_there_and_why_not(
    local: str, open_: bool, because: str | None, opens: str | None
) -> None:
    found = BULGARIA.at(datetime.fromisoformat(local))
    # 26 December 2026 is a Saturday, for which Monday, the 28th, is a public holiday too.
    assert (found.open, found.because, found.opens) == (open_, because, opens)
    assert (found.holiday is not None) == (because == "holiday")


@given(st.integers(0, 700 * 24 * 60))
def test_a_calendar_opens_when_it_says_so_and_not_before(minutes: int) -> None:
    local = datetime.fromisoformat("2026-01-01") + timedelta(minutes=minutes)
    found = BULGARIA.at(local)
    if found.opens is not None:
        opens = datetime.fromisoformat(found.opens)
        assert opens > local
        assert BULGARIA.at(opens).open
        assert not BULGARIA.at(opens - timedelta(minutes=1)).open
