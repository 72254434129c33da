"""The order of those who wait, and the day's service level."""

from __future__ import annotations

import pytest

from cordboard.events import CallId, QueueName, Uniqueid
from cordboard.queue.lines import Entry, Line, ServiceLevel

QUEUE = QueueName("support")


def entry(name: str, entered: float = 0.0) -> Entry:
    return Entry(name, CallId(name), Uniqueid(name), QUEUE, 0, entered)


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
