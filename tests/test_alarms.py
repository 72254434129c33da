"""Alarms: raised once, counted, and over when they should be."""

from __future__ import annotations

from cordboard.desk.alarms import QUIET_AFTER, Alarms
from cordboard.desk.commands import EndAlarm, ShowAlarm
from cordboard.desk.facts import AlarmEnded, AlarmRaised
from cordboard.desk.model import Alarm


def test_events_are_counted_together_and_a_states_figure_is_the_last_one() -> None:
    alarms = Alarms()
    alarms.raised(AlarmRaised("forged-callers", 2), 10.0)
    assert alarms.raised(AlarmRaised("forged-callers"), 11.0) == [
        ShowAlarm(Alarm("forged-callers", 3, "", since=10.0, last=11.0))
    ]
    alarms.raised(AlarmRaised("spooling", 40), 12.0)
    assert alarms.raised(AlarmRaised("spooling", 7, "disk"), 13.0) == [
        ShowAlarm(Alarm("spooling", 7, "disk", since=12.0, last=13.0))
    ]


def test_an_alarm_of_events_ends_when_it_has_been_quiet_and_one_of_a_state_does_not() -> None:
    alarms = Alarms()
    alarms.raised(AlarmRaised("forged-callers"), 0.0)
    alarms.raised(AlarmRaised("disk-full"), 0.0)
    quiet = QUIET_AFTER["forged-callers"]
    assert alarms.tick(quiet - 1) == []
    alarms.raised(AlarmRaised("forged-callers"), quiet - 1)
    assert alarms.tick(quiet) == []
    assert alarms.tick(quiet * 2) == [EndAlarm("forged-callers")]
    assert alarms.tick(quiet * 99) == []


def test_what_does_not_stand_has_no_end() -> None:
    alarms = Alarms()
    assert alarms.ended(AlarmEnded("spooling")) == []
    alarms.raised(AlarmRaised("spooling"), 0.0)
    assert alarms.ended(AlarmEnded("spooling")) == [EndAlarm("spooling")]
    assert alarms.ended(AlarmEnded("spooling")) == []
