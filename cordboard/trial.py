"""`cordboard simulate`: tries policies on traffic, prints and draws what becomes of the callers.
`cordboard traffic`: the calls that the store remembers, as traffic for it."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cordboard.chart import Panel, draw
from cordboard.config import Settings, load
from cordboard.crm_core import phones
from cordboard.crm_core.model import CallRecord, EntryRecord
from cordboard.errors import PeerError, UserError
from cordboard.moments import moment
from cordboard.pseudonyms import Pseudonyms
from cordboard.queue import recording
from cordboard.queue.policy import Policy
from cordboard.queue.results import TALKED, Accuracy, Figures, Tally, figures, mean_waits
from cordboard.queue.simulation import Run, Simulation
from cordboard.queue.traffic import Arrival, Service, Traffic

if TYPE_CHECKING:
    from cordboard.crm_core.calls import CallerRow

STEP = 1800.0
"""Seconds of a point in the chart."""

WIDTH = 100
"""Columns that the tables need; a narrower terminal breaks their lines."""

_COLUMNS = (
    *("calls", "ans-\nwered", "in per-\nson", "gave\nup %"),
    *("mean\ns", "median\ns", "90 %\ns", "longest\ns"),
)


def simulate(
    policy: Annotated[
        list[Path], typer.Option(help="A rule file; a second one is shown beside the first.")
    ],
    traffic: Annotated[Path, typer.Option(help="Who calls and who answers, as TOML.")],
    seed: Annotated[int, typer.Option(help="Another seed is another day of the same kind.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
    chart: Annotated[Path | None, typer.Option(help="Draw the waits into this SVG file.")] = None,
) -> None:
    """Try one or two policies on made up or recorded traffic, before they are in force."""
    if len(policy) > 2:
        raise UserError("--policy: give one, or two to compare")
    read = _read_all([*((path, Policy.parse) for path in policy), (traffic, Traffic.parse)])
    policies, given = read[:-1], read[-1]
    arrivals, day = _arrivals(given, traffic, seed)
    runs = [Simulation(each, given, day, seed).run(arrivals) for each in policies]
    found = [figures(run, given.service) for run in runs]
    names = _names(policy)
    if chart is not None:
        _draw(chart, names, runs, found)
    if as_json:
        typer.echo(json.dumps(_as_json(names, found, given.service, seed), ensure_ascii=False))
    else:
        _print(names, found, given.service, f"{traffic}, {day}, seed {seed}")


def _read_all(files: list[tuple[Path, Callable[[str], Any]]]) -> list[Any]:
    """What is in them. Raises `UserError` with the faults of all of them."""
    found, faults = [], []
    for path, parse in files:
        try:
            found.append(parse(path.read_text(encoding="utf-8")))
        except OSError as error:
            faults.append(f"{path}: {error.strerror}")
        except UnicodeDecodeError as error:
            faults.append(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8")
        except ValueError as error:
            faults += [f"{path}:{line}" for line in str(error).splitlines()]
    if faults:
        raise UserError("\n".join(faults))
    return found


def _arrivals(given: Traffic, file: Path, seed: int) -> tuple[list[Arrival], date]:
    if given.recording is None:
        return list(given.made_up(seed)), given.day
    path = file.parent / given.recording
    calls = recording.Recording(_read_all([(path, recording.parse)])[0])
    return list(calls.arrivals(given, seed)), calls.day


def _names(paths: list[Path]) -> list[str]:
    """As short as they can be told apart."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


# For people


def _print(names: list[str], found: list[Figures], service: Service, title: str) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(WIDTH, console.width)
    console.print(title, soft_wrap=True)
    console.print(_by_status(names, found, service))
    console.print()
    formula = (
        f"service level = answered within {service.threshold:g} s / (answered + gave up - gave up"
        f" within {service.short_abandon:g} s); waits are those of the answered, longest is"
        " anybody's; who is answered in person, before the queue, counts as answered in all of it"
    )
    console.print(formula, soft_wrap=True)
    for name, each in zip(names, found, strict=True):
        console.print()
        for line in _said(each):
            console.print(f"{name}: {line}", soft_wrap=True)
    console.print()
    console.print("by hour, beside Erlang C for one pool of operators and nobody who gives up")
    console.print(_by_hour(names, found, service))


def _by_status(names: list[str], found: list[Figures], service: Service) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for heading in (*_COLUMNS, f"in {service.threshold:g} s\n%"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    top = max((t.quantile(0.9) or 0.0 for f in found for t in f.by_status.values()), default=0.0)
    for status in [*found[0].by_status, None]:
        sides = [each.by_status[status] if status else each.total for each in found]
        table.add_row(Text(status or "all", "bold"))
        for name, side in zip(names, sides, strict=True):
            bar = _bar(side.quantile(0.9), top)
            table.add_row(f"  {name}", *map(_cell, _cells(side)), Text(bar, "cyan"))
        if len(sides) == 2:
            apart = [
                None if a is None or b is None else b - a
                for a, b in zip(*map(_cells, sides), strict=True)
            ]
            table.add_row("  difference", *(_cell(each, "+") for each in apart), "", style="dim")
    return table


def _cells(side: Tally) -> list[float | None]:
    talked = (side.outcomes.get(outcome, 0) for outcome in TALKED)
    waits = [side.mean, side.quantile(0.5), side.quantile(0.9), side.longest]
    return [side.calls, *talked, side.abandonment, *waits, side.level.percent]


def _cell(value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}d}" if isinstance(value, int) else f"{value:{sign}.1f}"


def _bar(value: float | None, top: float, width: int = 20) -> str:
    eighths = round(8 * width * (value or 0.0) / top) if top else 0
    parts: tuple[str, ...] = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
    return "█" * (eighths // 8) + parts[eighths % 8]


def _said(found: Figures) -> list[str]:
    said = []
    if found.least_priority is not None:
        least = found.least
        said.append(
            f"longest wait of the least important (priority {found.least_priority},"
            f" {least.calls} callers): {least.longest:.0f} s"
        )
    if found.occupancy is not None:
        said.append(f"occupancy of operators: {found.occupancy:.1f} %")
    for queue, callers in found.unserved.items():
        said.append(
            f"no operator of the traffic file serves {queue}, to which {callers} callers came"
        )
    others = {k: n for k, n in found.total.outcomes.items() if k not in (*TALKED, "abandoned")}
    if found.total.unfinished:
        others["still waiting"] = found.total.unfinished  # type: ignore[index]
    if others:
        said.append(", ".join(f"{name} {count}" for name, count in others.items()))
    for what, accuracy in (
        ("estimated wait", found.estimate),
        ("estimated wait of those whom penalties leave some operators", found.narrowed),
        ("Asterisk's holdtime instead", found.holdtime),
    ):
        if accuracy is not None:
            said.append(f"{what}: {_accuracy(accuracy)}")
    return said


def _accuracy(found: Accuracy) -> str:
    return (
        f"{found.callers} callers found nobody free; off by {found.error:.0f} s (median),"
        f" {found.bias:+.0f} s on the mean; {found.near:.0f} % within 30 s or 25 %"
    )


def _by_hour(names: list[str], found: list[Figures], service: Service) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("hour", no_wrap=True)
    inside = f"in {service.threshold:g} s\n%"
    simulated = [h for name in names for h in (f"{name}\nmean s", inside)]
    for heading in (
        *("calls\n", "each\ns", "oper-\nators", "load\nerl", *simulated),
        *("Erlang C:\nwait %", "mean\ns", inside, f"{service.target:g} %\nneeds"),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for hours in zip(*(each.hours for each in found), strict=False):
        hour = hours[0]
        table.add_row(
            _clock(hour.begins),
            str(hour.calls),
            f"{hour.handling:.0f}",
            f"{hour.operators:.1f}",
            f"{hour.load:.1f}",
            *(_cell(value) for each in hours for value in (each.wait, each.level)),
            f"{hour.erlang_waiting:.1f}",
            "no end" if math.isinf(hour.erlang_wait) else f"{hour.erlang_wait:.1f}",
            f"{hour.erlang_level:.1f}",
            str(hour.needed),
        )
    return table


def _clock(seconds: float) -> str:
    day, rest = divmod(int(seconds), 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}"
    return f"{clock} +{day}d" if day else clock


# For programs


def _as_json(names: list[str], found: list[Figures], service: Service, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "service": service.model_dump(),
        "policies": [
            {
                "policy": name,
                "all": _tally(each.total),
                "by_status": {status: _tally(side) for status, side in each.by_status.items()},
                "least_important": {"priority": each.least_priority, **_tally(each.least)},
                "occupancy": _round(each.occupancy),
                "unserved": each.unserved,
                "estimated_wait": _rounded(each.estimate),
                "estimated_wait_narrowed": _rounded(each.narrowed),
                "asterisk_holdtime": _rounded(each.holdtime),
                "hours": [
                    {**_rounded(hour), "begins": _clock(hour.begins), "load": _round(hour.load)}
                    for hour in each.hours
                ],
            }
            for name, each in zip(names, found, strict=True)
        ],
    }


def _tally(side: Tally) -> dict[str, Any]:
    return {
        "calls": side.calls,
        "outcomes": {**side.outcomes, "unfinished": side.unfinished},
        "abandonment": _round(side.abandonment),
        "service_level": _round(side.level.percent),
        "wait": {
            "mean": _round(side.mean),
            "median": _round(side.quantile(0.5)),
            "p90": _round(side.quantile(0.9)),
            "longest": _round(side.longest),
        },
    }


def _rounded(record: Any) -> Any:
    if record is None:
        return None
    return {key: _round(value) for key, value in asdict(record).items()}


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2) if math.isfinite(value) else None
    return value


# The chart


def _draw(path: Path, names: list[str], runs: list[Run], found: list[Figures]) -> None:
    panels = [
        Panel(
            name,
            {
                status: [(at / 3600, wait / 60) for at, wait in mean_waits(run, status, STEP)]
                for status in each.by_status
            },
        )
        for name, run, each in zip(names, runs, found, strict=True)
    ]
    try:
        path.write_text(
            draw("Mean wait of those answered, by when they called", panels, "min"),
            encoding="utf-8",
        )
    except OSError as error:
        raise UserError(f"--chart {path}: {error.strerror}") from error


# Traffic of one's own


def traffic(
    since: Annotated[str, typer.Option(help="Calls that began then or later: 2026-11-22.")],
    until: Annotated[
        str | None, typer.Option(help="Calls that began before that; all till now if not given.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
    ] = None,
) -> None:
    """Write the calls that the store remembers as CSV, for the `recording` of a traffic file.
    Numbers are pseudonyms, others in each file."""
    settings = load(config)
    zone = ZoneInfo(settings.desk.timezone)
    end = time.time() if until is None else moment("--until", until, zone)
    period = moment("--since", since, zone), end
    if period[0] >= period[1]:
        raise UserError(f"--since is not before {'now' if until is None else '--until'}")
    calls = asyncio.run(_calls(settings, period))
    if not calls:
        raise UserError("the store has no incoming call of that time; see [database] url")
    hide = Pseudonyms(secrets.token_bytes(32)).private
    out = csv.DictWriter(sys.stdout, recording.COLUMNS, lineterminator="\n")
    out.writeheader()
    for call, caller, stays in calls:
        last = stays[-1] if stays else None
        talked = last and last.outcome == "connected" and last.left_at and call.ended_at
        waits = [stay.left_at - stay.entered_at for stay in stays if stay.left_at]
        out.writerow(
            {
                "at": datetime.fromtimestamp(call.started_at, zone).strftime("%Y-%m-%dT%H:%M:%S"),
                "number": hide(call.number),
                "status": caller and caller.status,
                "segment": caller and caller.segment,
                "tags": recording.joined(caller.tags or ()) if caller else "",
                "language": caller and caller.language,
                "country": phones.country(call.number),
                "manager": "yes" if caller and caller.manager_id else "",
                "balance": None
                if caller is None or caller.balance_minor is None
                else caller.balance_minor / 100,
                "dialled": call.dialled,
                "queue": last and last.queue,
                "outcome": last and last.outcome,
                "waited": round(sum(waits), 1),
                "talk": round(call.ended_at - last.left_at, 1)
                if talked and last and last.left_at and call.ended_at
                else None,
            }
        )


async def _calls(
    settings: Settings, period: tuple[float, float]
) -> list[tuple[CallRecord, CallerRow | None, list[EntryRecord]]]:
    from cordboard.crm_core.store import Store  # takes longer to import than all else

    store = Store(settings.database.url)
    try:
        await store.open()
        try:
            return await store.calls_in(*period)
        finally:
            await store.close()
    except PeerError as error:
        raise UserError(f"[database] url: {error}") from error
