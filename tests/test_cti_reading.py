"""How far the events have been read when a link is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cordboard.cti.ami import Message
from cordboard.cti.reading import IN_TIME, Reading

PBX = 1_000_000.0
"""The PBX's clock where ours is 0."""


def event(written: float) -> Message:
    return Message({"Event": "Newchannel", "Timestamp": f"{PBX + written:.6f}"})


def pong(written: float) -> Message:
    return Message({"Response": "Success", "Ping": "Pong", "Timestamp": f"{PBX + written:.6f}"})


def read(*, pinged: float = 10.0) -> Reading:
    """A connection of a calm PBX, whose last ping was answered at once."""
    reading = Reading(0.0)
    reading.ask(pinged)
    reading.answer(pong(pinged), pinged + 0.01)
    return reading


def test_a_link_that_is_cut_while_all_is_read_in_time_misses_nothing() -> None:
    reading = read()
    reading.hear(event(11.0), 11.02)
    assert reading.unseen(14.0) == 0.0


def test_a_link_that_fell_behind_is_blind_since_the_last_event_that_it_read_was_written() -> None:
    reading = read()
    reading.hear(event(12.0), 16.0)
    assert round(reading.unseen(17.0), 3) == 5.0


def test_a_link_that_fell_silent_is_blind_since_the_last_that_was_heard() -> None:
    reading = read()
    reading.hear(event(12.0), 12.0)
    reading.ask(15.0)
    assert round(reading.unseen(19.0), 3) == 7.0


def test_what_was_written_before_an_answered_ping_was_asked_has_been_read() -> None:
    reading = read()
    reading.hear(event(11.0), 11.0)
    reading.ask(15.0)
    reading.answer(pong(15.0), 15.0)
    reading.ask(20.0)
    assert reading.unseen(24.0) == 9.0
    reading.hear(event(14.0 - 3600), 23.0)  # the PBX's clock was set back
    assert reading.unseen(24.0) == 9.0


def test_without_times_of_the_pbx_events_are_as_late_as_the_last_answer() -> None:
    reading = Reading(0.0)
    reading.ask(10.0)
    reading.answer(Message({"Response": "Success"}), 12.0)
    reading.hear(Message({"Event": "Newchannel"}), 20.0)
    assert reading.unseen(21.0) == 3.0


def test_the_lag_is_what_the_ping_waits_for_its_answer() -> None:
    reading = read()
    assert round(reading.lag(13.0), 3) == 0.01
    reading.ask(15.0)
    assert reading.lag(17.5) == 2.5


@given(
    st.lists(st.floats(0.0, 30.0), min_size=1, max_size=20),
    st.floats(0.0, 8.0),
    st.floats(0.0, 5.0),
)
def test_no_event_that_was_not_read_is_older_than_the_blindness(
    gaps: list[float], delay: float, after: float
) -> None:
    """Events come by `delay` late over a link that carries pings without delay upwards; it is lost
    `after` seconds after the last that was read."""
    reading, now, written = read(pinged=0.0), 0.0, 0.0
    for gap in gaps:
        written += gap
        now = written + delay
        reading.hear(event(written), now)
    lost = now + after
    if after + delay >= IN_TIME:
        reading.ask(now)  # a ping stands behind them
    next_written = written + 0.001
    unseen_since = lost - reading.unseen(lost)
    assert unseen_since <= next_written or (delay < IN_TIME and after + delay < IN_TIME)
