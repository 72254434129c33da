"""Scripts for supervisors: the list, and the flow chart of one with what callers did on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from cordboard.crm_core.model import Role, RunRecord
from cordboard.crm_core.store import Store
from cordboard.ivr.flowchart import Flow, Node, draw
from cordboard.ivr.funnel import (
    Count,
    Funnel,
    Visits,
    Walk,
    funnel_of,
    legend_of,
    merged,
    notes_of,
    outcome_words,
    strays,
)
from cordboard.ivr.graph import graph_of, way_words, written
from cordboard.ivr.script import Script
from cordboard.screenpop import translations
from cordboard.screenpop.faults import ApiError, invalid
from cordboard.screenpop.routes import Ask, Route
from cordboard.screenpop.schemas import Given, Taken
from cordboard.screenpop.views import Message, moment

if TYPE_CHECKING:
    from cordboard.screenpop.api import Api

DAY = 86_400.0
RUNS_AT_MOST = 20_000
"""The last ones; more than that would keep everybody waiting."""
SUPERVISORS: tuple[Role, ...] = ("supervisor", "admin")


class Library(Protocol):
    """The scripts in force, and what is wrong with files that were refused, by name; by none, what
    is wrong with the folder."""

    @property
    def scripts(self) -> Mapping[str, Script]: ...

    @property
    def faults(self) -> Mapping[str, Sequence[str]]: ...

    def script(self, name: str, version: str | None = None) -> Script | None: ...


class Charts:
    def __init__(self, library: Library | None, store: Store, timezone: str) -> None:
        self._library = library
        self._store = store
        self._zone = ZoneInfo(timezone)

    async def listed(self, language: str) -> Message:
        today = datetime.fromtimestamp(time.time(), UTC).astimezone(self._zone)
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        scripts = self._library.scripts if self._library else {}
        faults = self._library.faults if self._library else {}
        counts = await self._store.run_counts(scripts, midnight)
        return {
            "scripts": [
                _script(name, scripts.get(name), faults.get(name, ()), counts, language)
                for name in sorted({*scripts, *faults} - {""})
            ],
            "faults": list(faults.get("", ())),
        }

    def script(self, name: str) -> Script:
        """Raises `ApiError` 404."""
        found = self._library.scripts.get(name) if self._library else None
        if found is None:
            raise ApiError(404, "not-found", "there is no such script")
        return found

    async def chart(self, script: Script, days: int, spoken: str, language: str) -> Message:
        """With the texts of the script in `spoken`, and the words of the chart in `language`."""
        until = time.time()
        since = until - days * DAY
        runs = await self._store.runs(script.name, since, until, limit=RUNS_AT_MOST)
        # Thousands of paths take longer to read than callers should wait for their route.
        return await asyncio.to_thread(_chart, script, runs, days, (since, until), spoken, language)


def _script(
    name: str,
    script: Script | None,
    faults: Sequence[str],
    counts: Mapping[str, int],
    language: str,
) -> Message:
    return {
        "name": name,
        "title": written(script.title, language, script) if script and script.title else name,
        "languages": list(script.languages) if script else [],
        "version": script.fingerprint if script else None,
        "steps": len(script.steps) if script else 0,
        "survey": bool(script and script.survey),
        "faults": list(faults),
        "runs_today": counts.get(name, 0),
    }


def _chart(
    script: Script,
    runs: Sequence[RunRecord],
    days: int,
    period: tuple[float, float],
    spoken: str,
    language: str,
) -> Message:
    _ = translations.load(language).gettext
    flow = graph_of(script, spoken, _)
    funnel = funnel_of(map(Walk.of, runs), script.fingerprint, *period)
    notes = notes_of(funnel, flow, days, _)
    legend = list(legend_of(funnel, days, _))
    if len(runs) == RUNS_AT_MOST:
        legend.append(_("Only the last {n} runs are counted.").format(n=RUNS_AT_MOST))
    steps = [_step(node, funnel) for node in flow.nodes if node.id in script.index]
    ways = _ways(flow, funnel)
    others = [
        {"step": step, "way": way, "count": _count(count, None)}
        for step, way, count in strays(funnel, flow)
    ]
    shown = {run for each in (*steps, *ways, *others) for run in _named(each)}
    return {
        "name": script.name,
        "title": flow.title,
        "language": spoken,
        "languages": list(script.languages),
        "version": script.fingerprint,
        "days": days,
        "since": moment(period[0]),
        "until": moment(period[1]),
        "runs": funnel.runs,
        "older": funnel.older,
        "outcomes": funnel.outcomes,
        "words": {**way_words(_), **outcome_words(_)},
        "svg": draw(flow, notes),
        "legend": legend,
        "steps": steps,
        "ways": ways,
        "strays": others,
        "last": {run.id: _run(run) for run in runs if run.id in shown},
    }


def _step(node: Node, funnel: Funnel) -> Message:
    visits = funnel.steps.get(node.id, Visits())
    whole = visits.reached
    return {
        "step": node.id,
        "title": node.title,
        "verb": node.verb,
        "lines": list(node.lines),
        "reached": _count(whole, None),
        "hung_up": _count(visits.hung_up, whole),
        "broken": {how: _count(count, whole) for how, count in visits.broken.items()},
        "here": _count(visits.here, whole),
        "ended": {
            way: _count(visits.ways[way], whole) for way in ("route", "end") if way in visits.ways
        },
    }


def _ways(flow: Flow, funnel: Funnel) -> list[Message]:
    titles = {node.id: node.title for node in flow.nodes}
    found = []
    for edge in flow.edges:
        if not edge.source:
            continue
        visits = funnel.steps.get(edge.source, Visits())
        found.append(
            {
                "step": edge.source,
                "way": edge.key[1],
                "label": edge.label,
                "from": titles[edge.source],
                "to": titles[edge.target],
                "count": _count(merged(visits, edge.ways), visits.reached),
                "parts": {way: merged(visits, (way,)).times for way in edge.ways},
            }
        )
    return found


def _count(count: Count, whole: Count | None) -> Message:
    return {
        "times": count.times,
        "callers": count.callers,
        "of": whole.times if whole is not None else None,
        "median": count.median,
        "p90": count.p90,
        "n": len(count.seconds),
        "runs": count.last,
    }


def _named(figures: Mapping[str, Any]) -> Iterable[str]:
    """The runs behind figures."""
    for value in figures.values():
        if isinstance(value, Mapping):
            yield from value["runs"] if "runs" in value else _named(value)


def _run(run: RunRecord) -> Message:
    return {
        "id": run.id,
        "call": run.call_id,
        "channel": run.channel,
        "number": run.number,
        "operator": run.operator,
        "started_at": moment(run.started_at),
        "outcome": run.outcome,
        "step": run.step,
        "version": run.version,
    }


# What goes in and out


class ScriptRow(Given):
    """A script: `version` is the fingerprint of its text, null where no version of it was ever
    good; `faults` are those of a newer file that is refused, and this one still in force."""

    name: str
    title: str
    languages: list[str]
    version: str | None
    steps: int
    survey: bool
    faults: list[str]
    runs_today: int


class Scripts(Given):
    """`faults` are those of the folder."""

    scripts: list[ScriptRow]
    faults: list[str]


class Figure(Given):
    """How often, by how many callers, and of how many who reached the step; seconds at the step
    (`n` were measured, quantiles by nearest rank); the last runs."""

    times: int
    callers: int
    of: int | None
    median: float | None
    p90: float | None
    n: int
    runs: list[str]


class StepFigures(Given):
    """`reached` = the ways + `hung_up` + `broken` + `here` + `ended`."""

    step: str
    title: str
    verb: str
    lines: list[str]
    reached: Figure
    hung_up: Figure
    broken: dict[str, Figure]
    here: Figure
    ended: dict[str, Figure]


class WayFigures(Given):
    """An arrow; `way` are all the ways that it stands for, `parts` each of them alone."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    step: str
    way: str
    label: str
    came_from: str = Field(alias="from")
    to: str
    count: Figure
    parts: dict[str, int]


class Stray(Given):
    """What an older version of the script did."""

    step: str
    way: str
    count: Figure


class RunShown(Given):
    id: str
    call: str | None
    channel: str
    number: str
    operator: str | None
    started_at: str
    outcome: str | None
    step: str
    version: str


class Chart(Given):
    """`svg` has an element for each step (`data-step`) and arrow (`data-step`, `data-way`);
    `last` are the runs that the figures name, by id; `words` what ways and outcomes are called."""

    name: str
    title: str
    language: str
    languages: list[str]
    version: str
    days: int
    since: str
    until: str
    runs: int
    older: int
    outcomes: dict[str, int]
    words: dict[str, str]
    svg: str
    legend: list[str]
    steps: list[StepFigures]
    ways: list[WayFigures]
    strays: list[Stray]
    last: dict[str, RunShown]


class ChartQuery(Taken):
    """`language` is one of the script's, for its texts."""

    days: Literal["1", "7"] = "7"
    language: str | None = Field(default=None, max_length=10)


# Handlers


def reader_of(ask: Ask) -> str:
    """The language of whoever asks."""
    request = ask.request
    return translations.choose(
        request.cookies.get(translations.COOKIE),
        ask.login.user.language,
        request.headers.get("Accept-Language"),
    )


async def scripts(api: Api, ask: Ask) -> Message:
    return await api.charts.listed(reader_of(ask))


async def script(api: Api, ask: Ask) -> Message:
    name = ask.path["script"]
    for each in (await api.charts.listed(reader_of(ask)))["scripts"]:
        if each["name"] == name:
            found: Message = each
            return found
    raise ApiError(404, "not-found", "there is no such script")


async def chart(api: Api, ask: Ask) -> Message:
    query: ChartQuery = ask.query
    drawn, reader = api.charts.script(ask.path["script"]), reader_of(ask)
    spoken = query.language
    if spoken is None:
        spoken = reader if reader in drawn.languages else drawn.languages[0]
    elif spoken not in drawn.languages:
        raise invalid([("language", f"must be one of {', '.join(drawn.languages)}")])
    return await api.charts.chart(drawn, int(query.days), spoken, reader)


ROUTES: tuple[Route, ...] = (
    Route("GET", "/scripts", scripts, SUPERVISORS, "All scripts", Scripts),
    Route("GET", "/scripts/{script}", script, SUPERVISORS, "A script", ScriptRow),
    Route(
        "GET", "/scripts/{script}/chart", chart, SUPERVISORS,
        "The flow chart of a script, and which way how many callers went", Chart, query=ChartQuery,
    ),
)  # fmt: skip
