"""What callers did in a script: how many reached each step, which way they left it, where they hung
up, how long they took. Pure.

What is counted are visits: whoever comes to a step twice has reached it twice. So at every step

    reached = those who left by one of its ways + hung up + broken off + still there
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cordboard.ivr.flowchart import Exit, Flow, Footing, Mark, Notes
from cordboard.ivr.graph import Words, way_words
from cordboard.ivr.script import END

SHOWN = 10
"""Runs that are named behind a figure: the last ones."""
HANGUP = "hangup"
LAST_WAYS = frozenset((HANGUP, "route", "end", "interrupted"))
"""With which a run may be over at the step that was left."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One run of a script. `path` are the steps that were left, how, and when; `step` is where it
    stands or ended, `outcome` None while it lasts."""

    id: str
    version: str
    started_at: float
    ended_at: float | None
    outcome: str | None
    step: str
    path: tuple[tuple[str, str, float], ...]

    @classmethod
    def of(cls, record: Any) -> Walk:
        """Of a row of the store."""
        path = tuple((step, way, float(at)) for step, way, at in json.loads(record.path))
        return cls(
            record.id,
            record.version,
            record.started_at,
            record.ended_at,
            record.outcome,
            record.step,
            path,
        )


@dataclass(slots=True)
class Count:
    """How often something happened, and how long those took at the step who did it. `runs` are
    when each of them began, and its id, the oldest first."""

    times: int = 0
    seconds: list[float] = field(default_factory=list)
    runs: list[tuple[float, str]] = field(default_factory=list)

    def add(self, walk: Walk, seconds: float | None) -> None:
        self.times += 1
        if (run := (walk.started_at, walk.id)) not in self.runs[-1:]:
            self.runs.append(run)
        if seconds is not None:
            self.seconds.append(seconds)

    @property
    def callers(self) -> int:
        return len(self.runs)

    @property
    def median(self) -> float | None:
        return quantile(self.seconds, 0.5)

    @property
    def p90(self) -> float | None:
        return quantile(self.seconds, 0.9)

    @property
    def last(self) -> list[str]:
        """The ids of the last runs, newest first."""
        return [run for _, run in self.runs[: -SHOWN - 1 : -1]]


@dataclass(slots=True)
class Visits:
    """Of one step. `ways` are those by which it was left, with what ends a script (`route`, `end`);
    `broken` how runs ended that neither left it nor hung up: interrupted, failed, refused."""

    reached: Count = field(default_factory=Count)
    ways: dict[str, Count] = field(default_factory=dict)
    hung_up: Count = field(default_factory=Count)
    broken: dict[str, Count] = field(default_factory=dict)
    here: Count = field(default_factory=Count)


@dataclass(slots=True)
class Funnel:
    """`older` are runs of other versions of the script; `since` and `until` bound their begins."""

    version: str
    since: float
    until: float
    runs: int = 0
    older: int = 0
    steps: dict[str, Visits] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)


def funnel_of(walks: Iterable[Walk], version: str, since: float, until: float) -> Funnel:
    """Of the runs that began from `since` up to `until`."""
    funnel = Funnel(version, since, until)
    for walk in sorted(walks, key=lambda walk: (walk.started_at, walk.id)):
        if not since <= walk.started_at < until:
            continue
        funnel.runs += 1
        funnel.older += walk.version != version
        outcome = walk.outcome or "running"
        funnel.outcomes[outcome] = funnel.outcomes.get(outcome, 0) + 1
        _follow(funnel.steps, walk)
    return funnel


def _follow(steps: dict[str, Visits], walk: Walk) -> None:
    def visit(step: str) -> Visits:
        return steps.setdefault(step, Visits())

    came = walk.started_at
    seconds: float | None
    is_over = walk.step == END
    for number, (step, way, at) in enumerate(walk.path, 1):
        seconds, came = max(0.0, at - came), max(came, at)
        there = visit(step)
        there.reached.add(walk, seconds)
        is_last = number == len(walk.path) and step == walk.step and walk.outcome is not None
        failed = is_last and walk.outcome == "failed" and way == "error"
        if way == HANGUP:
            count = there.hung_up
        elif way == "interrupted" or failed:
            count = there.broken.setdefault("failed" if failed else way, Count())
        else:
            count = there.ways.setdefault(way, Count())
        count.add(walk, seconds)
        is_over = is_over or failed or (is_last and way in LAST_WAYS)
    if is_over:
        return
    there = visit(walk.step)
    if walk.outcome is None:
        there.reached.add(walk, None)
        there.here.add(walk, None)
        return
    seconds = None if walk.ended_at is None else max(0.0, walk.ended_at - came)
    there.reached.add(walk, seconds)
    if walk.outcome == "hung-up":
        there.hung_up.add(walk, seconds)
    elif walk.outcome in ("completed", "routed"):
        # The last step of a script that ends by itself is left by no way that is written down.
        way = "end" if walk.outcome == "completed" else "route"
        there.ways.setdefault(way, Count()).add(walk, seconds)
    else:
        there.broken.setdefault(walk.outcome, Count()).add(walk, seconds)


def quantile(values: Sequence[float], part: float) -> float | None:
    """By nearest rank: a value that was measured, such that `part` of all are not above it."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def merged(visits: Visits, ways: Iterable[str]) -> Count:
    """What an arrow that stands for several ways has to show."""
    found = Count()
    for way in ways:
        count = visits.hung_up if way == HANGUP else visits.ways.get(way)
        if count is not None:
            found.times += count.times
            found.seconds += count.seconds
            found.runs += count.runs
    found.runs = sorted(set(found.runs))
    return found


def strays(funnel: Funnel, flow: Flow) -> list[tuple[str, str, Count]]:
    """What was done that is not on the chart: ways and steps of older versions."""
    steps = {node.id for node in flow.nodes}
    drawn = {(edge.source, way) for edge in flow.edges for way in edge.ways}
    found = []
    for step, visits in funnel.steps.items():
        for way, count in visits.ways.items():
            if step not in steps or ((step, way) not in drawn and way not in LAST_WAYS):
                found.append((step, way, count))
        if step not in steps:
            rest = [(HANGUP, visits.hung_up), *visits.broken.items()]
            found += [(step, way, count) for way, count in rest if count.times]
    return found


# In words


def notes_of(funnel: Funnel, flow: Flow, days: int, _: Words) -> Notes:
    """The funnel on its chart. Arrows are as broad as the part of all runs that went that way."""
    steps, ways = {}, {}
    for node in flow.nodes:
        if node.id in funnel.steps:
            steps[node.id] = _footing(funnel.steps[node.id], _)
    most = max(
        (
            merged(funnel.steps[edge.source], edge.ways).times
            for edge in flow.edges
            if edge.source in funnel.steps
        ),
        default=0,
    )
    for edge in flow.edges:
        if not edge.source:
            continue
        visits = funnel.steps.get(edge.source, Visits())
        count = merged(visits, edge.ways)
        text = f"{percent(count, visits.reached)} · {count.times}" if count.times else ""
        breadth = count.times / max(most, funnel.runs, 1)
        ways[edge.key] = Mark(text, breadth, _way_told(edge.label, edge.ways, visits, count, _))
    return Notes(steps, ways, (*legend_of(funnel, days, _), *_others(funnel, flow, _)))


def percent(part: Count, whole: Count) -> str:
    share = 100 * part.times / whole.times if whole.times else 0.0
    return f"{share:.0f} %" if share >= 1 or not share else "< 1 %"


def seconds_text(seconds: float | None, _: Words) -> str:
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return _("{n} s").format(n=f"{seconds:.1f}".removesuffix(".0"))
    if seconds < 120:
        return _("{n} s").format(n=f"{seconds:.0f}")
    return _("{n} min").format(n=f"{seconds / 60:.0f}")


def _footing(visits: Visits, _: Words) -> Footing:
    reached, exits = visits.reached, []
    lasted = reached.median
    text = str(reached.times)
    if lasted is not None and lasted >= 0.5:
        text += f" · {seconds_text(lasted, _)}"
    if (gone := visits.hung_up).times:
        share = percent(gone, reached)
        words = _("hung up {n} ({share})").format(n=gone.times, share=share)
        tip = _("{n} of {whole} hung up here ({share})").format(
            n=gone.times, whole=reached.times, share=share
        )
        exits.append(Exit("hung-up", words, tip))
    for how, count in visits.broken.items():
        words = f"{outcome_words(_).get(how, how)} {count.times}"
        tip = _("{n} of {whole}: {how} here ({share})").format(
            n=count.times,
            whole=reached.times,
            how=outcome_words(_).get(how, how),
            share=percent(count, reached),
        )
        exits.append(Exit("interrupted", words, tip))
    return Footing(text, _step_told(visits, _), tuple(exits))


def outcome_words(_: Words) -> dict[str, str]:
    return {
        "running": _("goes on"),
        "completed": _("completed"),
        "routed": _("routed"),
        "hung-up": _("hung up"),
        "interrupted": _("interrupted"),
        "failed": _("failed"),
        "refused": _("refused"),
    }


def _step_told(visits: Visits, _: Words) -> str:
    reached = visits.reached
    told = [
        _("reached {n} times by {callers} callers").format(n=reached.times, callers=reached.callers)
    ]
    if reached.seconds:
        told.append(
            _("median {median}, 90 % within {p90} (n = {n})").format(
                median=seconds_text(reached.median, _),
                p90=seconds_text(reached.p90, _),
                n=len(reached.seconds),
            )
        )
    if visits.here.times:
        told.append(_("{n} still here").format(n=visits.here.times))
    return "; ".join(told)


def _way_told(label: str, ways: Sequence[str], visits: Visits, count: Count, _: Words) -> str:
    words = way_words(_)
    told = [
        _("{n} of {whole} who reached the step ({share}), {callers} callers").format(
            n=count.times,
            whole=visits.reached.times,
            share=percent(count, visits.reached),
            callers=count.callers,
        )
    ]
    if count.seconds:
        told.append(
            _("median {median}, 90 % within {p90} (n = {n})").format(
                median=seconds_text(count.median, _),
                p90=seconds_text(count.p90, _),
                n=len(count.seconds),
            )
        )
    if len(ways) > 1:
        parts = ((way, merged(visits, (way,)).times) for way in ways)
        told.append(", ".join(f"{words.get(way, way)} {times}" for way, times in parts if times))
    name = label or words.get(ways[0], ways[0])
    return f"{name}: " + "; ".join(each for each in told if each)


def legend_of(funnel: Funnel, days: int, _: Words) -> tuple[str, ...]:
    """What the figures are of, and how they are counted."""
    period = _("last 24 hours") if days == 1 else _("last {n} days").format(n=days)
    return (
        _("Runs in the {period}: {n}, of them {older} of older versions of the script.").format(
            period=period, n=funnel.runs, older=funnel.older
        ),
        _(
            "On an arrow: its share of those who reached the step, and how often it was taken; its"
            " breadth is how often against all runs. In a box: how often it was reached, and the"
            " median time until it was left. In red: who hung up there. Whoever comes twice counts"
            " twice."
        ),
    )


def _others(funnel: Funnel, flow: Flow, _: Words) -> Iterable[str]:
    if others := strays(funnel, flow):
        names = ", ".join(f"{step} › {way} ({count.times})" for step, way, count in others[:20])
        yield _("Not on the chart, since this version has no such way: {names}").format(names=names)
