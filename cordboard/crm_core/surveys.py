"""What the runs of a survey come to: totals, CSAT, NPS, cross-tables. Pure.

Each figure has its formula and its n, and the runs that it is made of. The definitions: CSAT is the
share of the top two answers of a scale, NPS the share of 9 and 10 less that of 0 to 6.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from cordboard.crm_core.model import AnswerRecord, RunRecord

SMALL = 30
"""Fewer answers than this say little; such a figure is marked."""
_Z = 1.96
"""Of an interval in which the true share lies 95 times of 100."""

DIMENSIONS = ("status", "operator", "queue", "channel", "language", "version")
"""What answers can be told apart by, besides another question."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`, and between which shares the true one lies (Wilson, 95 %)."""

    count: int
    n: int

    @property
    def share(self) -> float | None:
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.n:
            return None
        p, n = self.count / self.n, self.n
        middle = p + _Z * _Z / (2 * n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z * _Z / (4 * n * n))
        whole = 1 + _Z * _Z / n
        return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


@dataclass(frozen=True, slots=True)
class Promoters:
    """NPS: `high` gave 9 or 10, `low` 0 to 6, of `n`. From -100 to 100."""

    high: int
    low: int
    n: int

    @property
    def score(self) -> float | None:
        return 100 * (self.high - self.low) / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """By the variance of a mark that counts 1, 0 or -1."""
        if not self.n:
            return None
        high, low = self.high / self.n, self.low / self.n
        half = 100 * _Z * math.sqrt(max(high + low - (high - low) ** 2, 0) / self.n)
        score = 100 * (high - low)
        return max(-100.0, score - half), min(100.0, score + half)


@dataclass(frozen=True, slots=True)
class Total:
    """What one question was answered. `asked` counts the runs that came to it, `shares` the
    answers by their text, in order; `mean` and `median` are of scales, numbers and money."""

    question: str
    kind: str
    scale: str | None
    asked: int
    answered: int
    left: int
    """Who hung up at it, or was cut off."""
    shares: Mapping[str, Share]
    mean: float | None = None
    median: float | None = None
    csat: Share | None = None
    nps: Promoters | None = None

    @property
    def is_small(self) -> bool:
        return self.answered < SMALL


@dataclass(frozen=True, slots=True)
class Outline:
    """How the runs of a period ended; `response` is the share that answered anything."""

    runs: int
    outcomes: Mapping[str, int]
    response: Share


Runs = Sequence[RunRecord]
Answers = Mapping[str, Mapping[str, AnswerRecord]]
"""By run and question."""


def by_run(answers: Iterable[AnswerRecord]) -> Answers:
    found: dict[str, dict[str, AnswerRecord]] = defaultdict(dict)
    for each in answers:
        found[each.run_id][each.question] = each
    return found


def outline(runs: Runs, answers: Answers) -> Outline:
    outcomes = Counter(run.outcome or "under-way" for run in runs)
    answered = sum(1 for run in runs if answers.get(run.id))
    return Outline(len(runs), dict(sorted(outcomes.items())), Share(answered, len(runs)))


def questions(answers: Answers) -> list[str]:
    """In the order in which most people came to them."""
    places: dict[str, list[int]] = defaultdict(list)
    for given in answers.values():
        for place, each in enumerate(sorted(given.values(), key=lambda one: one.at)):
            places[each.question].append(place)
    return sorted(places, key=lambda question: (fmean(places[question]), question))


def total(question: str, runs: Runs, answers: Answers, came: Callable[[RunRecord], bool]) -> Total:
    """Of one question; `came` says of a run whether it came to it."""
    pairs = [(run, answers.get(run.id, {}).get(question)) for run in runs]
    given = [each for _, each in pairs if each is not None]
    asked = sum(1 for run, each in pairs if each is not None or came(run))
    left = sum(1 for run, each in pairs if each is None and came(run) and _is_cut(run))
    last = max(given, key=lambda each: each.at, default=None)
    kind, scale = (last.kind, last.scale) if last else ("", None)
    counts = Counter(told(each) for each in given)
    order = sorted(counts, key=_order)
    # A version of the script may have asked by another scale: its marks are not comparable.
    marks = [each for each in given if each.kind == "scale" and each.scale == scale]
    alike = marks if kind == "scale" else [each for each in given if each.kind == kind]
    numbers = [number for each in alike if (number := _number(each)) is not None]
    return Total(
        question,
        kind,
        scale,
        asked,
        len(given),
        left,
        {value: Share(counts[value], len(given)) for value in order},
        fmean(numbers) if numbers else None,
        median(numbers) if numbers else None,
        csat(marks, scale) if kind == "scale" and scale else None,
        nps(marks) if kind == "scale" and scale == "0-10" else None,
    )


def csat(marks: Sequence[AnswerRecord], scale: str) -> Share:
    """The share of the top two answers of the scale."""
    top = int(scale.partition("-")[2])
    return Share(sum(1 for each in marks if int(each.value) >= top - 1), len(marks))


def nps(marks: Sequence[AnswerRecord]) -> Promoters:
    values = [int(each.value) for each in marks]
    high, low = sum(1 for value in values if value >= 9), sum(1 for value in values if value <= 6)
    return Promoters(high, low, len(values))


@dataclass(frozen=True, slots=True)
class Row:
    """Of a cross-table: those of one kind, and what they answered."""

    name: str
    total: Total
    runs: int


def crossed(
    question: str, by: str, runs: Runs, answers: Answers, came: Callable[[RunRecord], bool]
) -> list[Row]:
    """The answers to a question by one of `DIMENSIONS`, or by what was answered to another
    question, which is written `?question`. A run that has none of it stands under the empty
    name."""
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for run in runs:
        groups[_name(run, by, answers)].append(run)
    return [
        Row(name, total(question, groups[name], answers, came), len(groups[name]))
        for name in sorted(groups, key=lambda each: (not each, _order(each)))
    ]


def behind(
    question: str, value: str | None, by: str | None, name: str, runs: Runs, answers: Answers
) -> list[RunRecord]:
    """The runs that a cell is made of: those that answered `value` (None: anything) to a question,
    in the row `name` of a cross-table where there is one."""
    found = []
    for run in runs:
        each = answers.get(run.id, {}).get(question)
        fits = each is not None and value in (None, told(each))
        if fits and (by is None or _name(run, by, answers) == name):
            found.append(run)
    return found


def told(answer: AnswerRecord) -> str:
    """By what answers are counted: what was said in a person's own words is only there or not."""
    return "…" if answer.kind in ("recording", "text") else answer.value


def _name(run: RunRecord, by: str, answers: Answers) -> str:
    if by.startswith("?"):
        other = answers.get(run.id, {}).get(by[1:])
        return told(other) if other else ""
    return str(getattr(run, by) or "")


def _is_cut(run: RunRecord) -> bool:
    return run.outcome in ("hung-up", "interrupted", "failed")


def _number(answer: AnswerRecord) -> float | None:
    if answer.kind not in ("scale", "number", "money"):
        return None
    try:
        value = float(answer.value)
    except ValueError:
        return None
    return value / 100 if answer.kind == "money" else value


def _order(value: str) -> tuple[int, float, str]:
    """Numbers by what they are, then words."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return (0, number, value) if math.isfinite(number) else (1, 0.0, value)
