"""Erlang C and Erlang A: what to expect of operators and load before anything is tried. Pure.

Calls come at random at a steady rate, talks have no memory, callers are served in turn by any of
the operators. Erlang C knows nobody who gives up, so with too few operators the wait has no end
(`inf`); Erlang A lets them give up at random. Times in seconds, `load` in erlangs: calls in a
second by the seconds that one takes.
"""

from __future__ import annotations

import math


def blocked(operators: int, load: float) -> float:
    """Erlang B: the chance that all are busy where nobody waits."""
    chance = 1.0
    for n in range(1, operators + 1):
        chance = load * chance / (n + load * chance)
    return chance


def waiting(operators: int, load: float) -> float:
    """Erlang C: the chance that a caller has to wait."""
    if load >= operators:
        return 1.0
    chance = blocked(operators, load)
    return operators * chance / (operators - load * (1 - chance))


def mean_wait(operators: int, load: float, handling: float) -> float:
    """Of all callers, those who do not wait among them."""
    if load >= operators:
        return math.inf
    return waiting(operators, load) * handling / (operators - load)


def service_level(operators: int, load: float, handling: float, within: float) -> float:
    """The share of callers who are answered within so many seconds."""
    if load >= operators:
        return 0.0
    return 1 - waiting(operators, load) * math.exp(-(operators - load) * within / handling)


def occupancy(operators: int, load: float) -> float:
    """The share of their time that operators are busy."""
    return min(1.0, load / operators)


def operators_needed(load: float, handling: float, within: float, level: float) -> int:
    """The fewest operators with whom the share `level` (under 1) of callers is answered `within`
    so many seconds."""
    if not 0 <= level < 1:
        raise ValueError(f"a service level of {level} is not between 0 and 1")
    operators = max(1, math.floor(load) + 1)
    while service_level(operators, load, handling, within) < level:
        operators += 1
    return operators


def abandoning(
    operators: int, load: float, handling: float, patience: float
) -> tuple[float, float]:
    """Erlang A: the share of callers who give up, whose mean patience is given, and the mean wait
    of all, to the answer or to giving up."""
    # Chances of so many callers in the house, each against that of the one before.
    share, total, queue = 1.0, 1.0, 0.0
    arriving, serving, leaving = load / handling, 1 / handling, 1 / patience
    for n in range(1, operators + 1):
        share *= load / n
        total += share
        if total > 1e200:
            share, total = share / total, 1.0
    n = 0
    while share * (n + 1) > 1e-12 * total or n < operators:
        n += 1
        share *= arriving / (operators * serving + n * leaving)
        total += share
        queue += n * share
    mean_queue = queue / total
    return leaving * mean_queue / arriving, mean_queue / arriving
