"""The order of those who wait, and the day's service level."""

from __future__ import annotations

import pytest

from cordboard.events import CallId, QueueName, Uniqueid
from cordboard.queue.lines import Entry, Line, ServiceLevel

QUEUE = QueueName("support")


def entry(name: str, entered: float = 0.0, priority: int = 0) -> Entry:
    return Entry(name, CallId(name), Uniqueid(name), QUEUE, priority, entered)


def order(line: Line) -> list[str]:
    return [waiting.id for waiting in line.entries]


def test_a_caller_who_joins_in_front_moves_the_others_back() -> None:
    line = Line(QUEUE)
    line.join(entry("first"), 1)
    line.join(entry("second"), 2)
    line.join(entry("vip"), 1)
    assert order(line) == ["vip", "first", "second"]


def test_a_caller_told_of_twice_stands_once_at_the_last_told_place() -> None:
    line = Line(QUEUE)
    for place, name in enumerate("abc", 1):
        line.join(entry(name), place)
    line.join(entry("a"), 3)
    assert order(line) == ["b", "c", "a"]


def test_leaving_closes_the_entry_once() -> None:
    line = Line(QUEUE)
    line.join(entry("a", 10.0), 1)
    left = line.leave(Uniqueid("a"), "connected", 25.0)
    assert left is not None
    assert (left.outcome, left.left) == ("connected", 25.0)
    assert line.leave(Uniqueid("a"), "connected", 26.0) is None
    assert len(line) == 0


def test_the_longest_wait_is_the_earliest_entry_not_the_head() -> None:
    line = Line(QUEUE)
    line.join(entry("regular", 5.0), 1)
    line.join(entry("vip", 9.0), 1)
    assert line.longest_since == 5.0


def test_two_who_are_away_come_back_in_the_order_in_which_they_stood() -> None:
    line = Line(QUEUE)
    line.join(entry("ahead"), 1)
    for name in ("one", "two"):
        line.keep(entry(name))
    for name in ("one", "two"):
        place = line.place(Uniqueid(name))
        assert place is not None
        line.join(entry(name), place)
    assert order(line) == ["ahead", "one", "two"]


def test_who_comes_back_stands_before_those_who_joined_behind_him_and_after_the_rest() -> None:
    """Three ahead, one answered while he was away, two joined behind."""
    line = Line(QUEUE)
    for place, name in enumerate("abc", 1):
        line.join(entry(name), place)
    line.keep(entry("away"))
    line.leave(Uniqueid("a"), "connected", 5.0)
    line.join(entry("d"), 3)
    line.join(entry("e"), 4)
    place = line.place(Uniqueid("away"))
    assert place == 3
    line.join(entry("away"), place)
    assert order(line) == ["b", "c", "away", "d", "e"]
    assert not any(waiting.away for waiting in line.entries)


def test_who_is_more_important_goes_ahead_of_a_place_that_is_kept() -> None:
    line = Line(QUEUE)
    line.join(entry("regular"), 1)
    line.keep(entry("away"))
    line.join(entry("vip", priority=10), 1)
    assert order(line) == ["vip", "regular", "away"]
    line.keep(entry("vip away", priority=10))
    line.join(entry("urgent", priority=20), 1)
    assert order(line) == ["urgent", "vip", "vip away", "regular", "away"]


def test_a_kept_place_counts_for_nobody_in_asterisks_numbers() -> None:
    line = Line(QUEUE)
    line.keep(entry("away", priority=10))
    line.join(entry("a"), 1)
    assert line.place(Uniqueid("a")) == 1
    assert order(line) == ["away", "a"]


def test_a_raised_caller_stands_behind_all_who_have_as_much() -> None:
    line = Line(QUEUE)
    line.join(entry("vip", priority=10), 1)
    for place, name in enumerate("abc", 2):
        line.join(entry(name), place)
    line.move(Uniqueid("c"), 10)
    assert order(line) == ["vip", "c", "a", "b"]
    line.move(Uniqueid("c"), 11)
    assert order(line) == ["c", "vip", "a", "b"]
    assert line.move(Uniqueid("nobody"), 5) is None


def test_service_level_leaves_short_abandons_out_of_the_division() -> None:
    level = ServiceLevel(threshold=20, short=5)
    assert level.percent is None
    for outcome, wait in [
        ("connected", 10),
        ("connected", 30),
        ("abandoned", 3),
        ("abandoned", 40),
        ("moved", 50),
    ]:
        level = level.counting(outcome, wait)
    # 1 in time of 2 answered + 2 abandoned - 1 short
    assert level.percent == pytest.approx(100 / 3)
    assert (level.answered, level.abandoned, level.short_abandoned) == (2, 2, 1)
