"""Erlang C against published figures, Erlang A against its chain of states."""

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


@pytest.mark.parametrize(
    ("operators", "load", "handling", "patience"),
    [(1, 0.5, 60, 30), (3, 5.0, 200, 90), (8, 7.6, 180, 600), (50, 48, 60, 120)],
)
def test_who_gives_up_is_what_the_chain_of_states_says(
    operators: int, load: float, handling: float, patience: float
) -> None:
    """Against the Markov chain itself, from its rates and not from the formula: the numbers of
    callers in the house are its states, and it is solved as any chain is, by elimination. Who is
    not served has given up."""
    most = operators + 200
    arriving, serving, leaving = load / handling, 1 / handling, 1 / patience
    rates = [[0.0] * (most + 1) for _ in range(most + 1)]
    for n in range(most):
        rates[n][n + 1] = arriving
        rates[n + 1][n] = min(n + 1, operators) * serving + max(0, n + 1 - operators) * leaving
    chances = stationary(rates)
    assert chances[-1] < 1e-12, "the chain was cut off too early"
    served = serving * sum(min(n, operators) * chance for n, chance in enumerate(chances))
    queue = sum(max(0, n - operators) * chance for n, chance in enumerate(chances))
    gave_up, wait = erlang.abandoning(operators, load, handling, patience)
    assert gave_up == pytest.approx(1 - served / arriving, abs=1e-9)
    assert wait == pytest.approx(queue / arriving, rel=1e-9)


def stationary(rates: list[list[float]]) -> list[float]:
    """The share of time that a Markov chain spends in each state, by these rates from state to
    state: the elimination of Grassmann, Taksar and Heyman, which subtracts nothing."""
    rows = [list(row) for row in rates]
    for last in range(len(rows) - 1, 0, -1):
        out = sum(rows[last][:last])
        for state in range(last):
            if part := rows[state][last] / out:
                rows[state][last] = part
                for other in range(last):
                    if other != state:
                        rows[state][other] += part * rows[last][other]
    shares = [1.0]
    for state in range(1, len(rows)):
        shares.append(sum(share * rows[n][state] for n, share in enumerate(shares)))
    return [share / sum(shares) for share in shares]


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
