"""Erlang C and A against published figures."""

from __future__ import annotations

import math

import pytest

from cordboard.queue import erlang


@pytest.mark.parametrize(
    ("operators", "load", "chance"), [(8, 3.87, 0.05), (10, 4.08, 0.01), (1, 0.5, 0.5)]
)
def test_the_chance_to_wait_is_that_of_the_traffic_tables(
    operators: int, load: float, chance: float
) -> None:
    """The Erlang C table of a handbook on trunked radio (table C, scribd.com/document/831962299)
    gives 3.87 erlangs for 8 channels with 5 % delayed, and 4.08 for 10 with 1 %. One server waits
    with the chance that it is busy."""
    assert erlang.waiting(operators, load) == pytest.approx(chance, rel=0.01)


def test_fourteen_operators_for_a_hundred_calls_of_three_minutes_in_half_an_hour() -> None:
    """The example of pyworkforce's documentation (pypi.org/project/pyworkforce): 100 calls of 3
    minutes in 30 minutes, 80 % of them within 20 seconds."""
    load = 100 * 180 / 1800
    assert erlang.operators_needed(load, 180, 20, 0.8) == 14
    assert erlang.waiting(14, load) == pytest.approx(0.1741319335950498, rel=1e-12)
    assert erlang.service_level(14, load, 180, 20) == pytest.approx(0.8883500191794669, rel=1e-12)
    assert erlang.occupancy(14, load) == pytest.approx(0.7142857142857143, rel=1e-12)


def test_fifty_operators_with_and_without_callers_who_give_up() -> None:
    """Garnett, Mandelbaum and Reiman, Designing a Call Center with Impatient Customers (M&SOM 4,
    2002), table 1: 50 operators, 48 calls a minute of one minute each; patience 2 minutes."""
    assert erlang.mean_wait(50, 48, 60) == pytest.approx(20.8, abs=0.05)
    gave_up, _ = erlang.abandoning(50, 48, 60, 120)
    assert gave_up == pytest.approx(0.031, abs=0.0005)


def test_as_many_erlangs_as_operators_never_end() -> None:
    assert erlang.waiting(10, 10) == 1.0
    assert erlang.mean_wait(10, 10, 60) == math.inf
    assert erlang.service_level(10, 12, 60, 20) == 0.0
    assert erlang.occupancy(10, 12) == 1.0


def test_patience_without_end_is_erlang_c() -> None:
    gave_up, wait = erlang.abandoning(14, 10, 180, 1e8)
    assert gave_up < 1e-6
    assert wait == pytest.approx(erlang.mean_wait(14, 10, 180), rel=1e-4)


def test_a_great_pool_does_not_overflow() -> None:
    gave_up, wait = erlang.abandoning(2000, 1990, 180, 120)
    assert 0 < gave_up < 0.05
    assert wait == pytest.approx(gave_up * 120)
    assert 0 < erlang.waiting(2000, 1990) < 1


def test_nobody_calls() -> None:
    assert erlang.operators_needed(0.0, 180, 20, 0.8) == 1
    assert erlang.waiting(1, 0.0) == 0.0


def test_a_level_of_all_callers_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="not between 0 and 1"):
        erlang.operators_needed(10, 180, 20, 1.0)
