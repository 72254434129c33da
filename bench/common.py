"""What all benchmarks share: their options, what they report, and how it is printed."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LOOPBACK = "127.0.0.1"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Options:
    """What a run is to measure. `scratch` is a folder that all benchmarks of the run share."""

    scratch: Path
    rounds: int = 5
    customers: int = 1_000_000
    consoles: int = 500
    quick: bool = False

    def sized(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@dataclass(frozen=True)
class Table:
    """`rows` have a cell for each word of `head`; numbers are rounded as they deserve."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str | float | None, ...]]


@dataclass(frozen=True)
class Bound:
    """What is promised, and what was found. `value` is better the smaller it is, unless
    `at_least`."""

    what: str
    value: float
    limit: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        found = f"{number(self.value)}{self.unit} ({sign} {number(self.limit)}{self.unit})"
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {found}"


@dataclass
class Report:
    """One benchmark's findings."""

    title: str
    tables: list[Table] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class CannotMeasure(Exception):  # noqa: N818 - the benchmark is passed over, nothing is wrong
    """Something that this benchmark needs is not on this machine."""


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios within each round: noise that hits a whole round cancels out."""
    return median(mine / other for mine, other in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def thread_seconds(pid: int) -> dict[str, float]:
    """The same, thread by thread: the main one is `main`, the others go together."""
    found = {"main": 0.0, "others": 0.0}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        kind = "main" if thread.name == str(pid) else "others"
        found[kind] += (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def resident_mib(pid: int | None = None) -> float:
    pages = int(Path(f"/proc/{pid or os.getpid()}/statm").read_text().split()[1])
    return pages * _PAGE / 2**20


@cache
def chromium() -> str:
    """Raises `CannotMeasure` where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise CannotMeasure("no Chromium on this machine: apt-get install chromium")


def machine() -> str:
    usable = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{usable} CPUs, {platform.machine()}, Linux {platform.release()},"
        f" Python {platform.python_version()}, load {load:.1f} at the start"
    )


def number(value: str | float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def show(report: Report) -> None:
    print(f"\n{report.title}")
    for table in report.tables:
        print(f"\n  {table.title}")
        rows = [table.head, *([number(cell) for cell in row] for row in table.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
        for row in rows:
            first = f"{row[0]:<{widths[0]}}"
            rest = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
            print("    " + "   ".join([first, *rest]))
    if report.bounds or report.notes:
        print()
    for bound in report.bounds:
        print(f"  {bound}")
    for note in report.notes:
        print(f"  {note}")
    sys.stdout.flush()
