"""`cordboard reconcile`: the store held against Asterisk's queue_log, for a person or a program."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cordboard.accounting import Account, Difference, Sums, account
from cordboard.config import Settings, load
from cordboard.cti.queue_log import QueueLog, read_queue_log
from cordboard.errors import PeerError, UserError
from cordboard.evidence import Gap, gaps_of
from cordboard.moments import moment

FAULTS_SHOWN = 20
CLOCKS_APART = 7200.0
"""Seconds that our clock and the PBX's may be apart, at most."""

_HEADINGS = (
    *("en-\ntered", "an-\nswered", "aban-\ndoned", "timed\nout", "trans-\nferred", "moved"),
    *("lost", "open", "wait\ns", "talk\ns"),
)
COUNTED = ("entered", "answered", "abandoned", "timed_out", "transferred", "moved", "lost", "open")


def reconcile(
    queue_log: Annotated[
        list[Path],
        typer.Option(help="Asterisk's queue_log; again for each rotated part, in any order."),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The configuration; cordboard.toml here if not given."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Stays that began then or later: 2026-11-22 or 2026-11-22T09:30."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Stays that began before that.")] = None,
    pbx: Annotated[
        str | None, typer.Option(help="Whose log it is, where the configuration has several PBXs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> None:
    """Compare the store with Asterisk's queue_log, and say every difference and its cause. Exits
    with 1 where one is unexplained."""
    settings = load(config)
    zone = ZoneInfo(settings.desk.timezone)
    name = _pbx(settings, pbx)
    period = (
        -math.inf if since is None else moment("--since", since, zone),
        math.inf if until is None else moment("--until", until, zone),
    )
    log = _read(queue_log)
    _covered(log, period, zone)
    found = asyncio.run(_account(settings, name, log, period))
    if found.unexplained and not found.common:
        _strange(found, name)
    if as_json:
        typer.echo(json.dumps(_as_json(found, log, name, zone), ensure_ascii=False))
    else:
        _print(found, log, name, zone)
    if found.unexplained:
        raise typer.Exit(1)


def _pbx(settings: Settings, asked: str | None) -> str:
    names = [pbx.name for pbx in settings.pbx]
    if asked is None and len(names) == 1:
        return names[0]
    if asked in names:
        return asked
    known = ", ".join(names) or "none"
    raise UserError(
        f"--pbx {asked}: the configuration has no such [[pbx]]; it has {known}"
        if asked
        else f"whose queue_log is it? Say --pbx with one of the [[pbx]] names: {known}"
    )


def _read(paths: Sequence[Path]) -> QueueLog:
    texts: dict[str, str] = {}
    unread: list[str] = []
    for path in paths:
        try:
            texts[str(path)] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            unread.append(f"--queue-log {path}: {error.strerror}")
    if unread:
        raise UserError("\n".join(unread))
    log = read_queue_log(texts)
    said = [*log.faults[:FAULTS_SHOWN]]
    if len(log.faults) > FAULTS_SHOWN:
        said.append(f"… and {len(log.faults) - FAULTS_SHOWN} more lines")
    if not log.lines:
        files = ", ".join(texts)
        raise UserError("\n".join([*said, f"{files}: no line of a queue_log is in it"]))
    for line in said:
        typer.echo(f"left out: {line}", err=True)
    return log


def _covered(log: QueueLog, period: Gap, zone: ZoneInfo) -> None:
    if period[0] >= period[1]:
        raise UserError("--since is not before --until")
    if period[0] > log.ended or period[1] <= log.began:
        first, last = _time(log.began, zone), _time(log.ended, zone)
        raise UserError(
            f"the log does not cover this period: it goes from {first} to {last};"
            " name the rotated files as well, each with --queue-log"
        )


async def _account(settings: Settings, pbx: str, log: QueueLog, period: Gap) -> Account:
    from cordboard.crm_core.store import Store  # takes longer to import than all else

    since, until = log.began - CLOCKS_APART, log.ended + CLOCKS_APART
    store = Store(settings.database.url)
    try:
        await store.open()
        try:
            entries = await store.entries_since(since, until, pbx=pbx)
            facts = await store.queued_facts(since, until, pbx=pbx)
            links = await store.link_facts(pbx)
        finally:
            await store.close()
    except PeerError as error:
        raise UserError(f"[database] url: {error}") from error
    zone = ZoneInfo(settings.desk.timezone)
    return account(log, entries, facts, gaps_of(links), period, zone)


def _strange(found: Account, pbx: str) -> None:
    """Raises `UserError` where the two have nothing in common."""
    logged = sum(theirs.entered for theirs, _ in found.queues.values())
    stored = sum(ours.entered for _, ours in found.queues.values())
    if logged and stored:
        raise UserError(
            f"not one of the {logged} callers in this queue_log is among the {stored} that the"
            f" store has of {pbx} in that time: it is the log of another PBX (--pbx)"
        )
    if logged:
        raise UserError(
            f"the store has no stay in a queue of {pbx} in that time, the queue_log has {logged}:"
            " is it the log of another PBX (--pbx), or the wrong [database] url?"
        )
    if stored:
        raise UserError(
            f"the queue_log tells of no caller in that time, the store has {stored} of {pbx}:"
            " is it the log of another PBX (--pbx)?"
        )


def _print(found: Account, log: QueueLog, pbx: str, zone: ZoneInfo) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    span = f"{_time(log.began, zone)} to {_time(log.ended, zone)}"
    console.print(
        f"queue_log of {pbx}, {span}; our clock less the PBX's: {found.offset:+.2f} s",
        soft_wrap=True,
    )
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("queue_log\n  and store", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for queue, sides in found.queues.items():
        for name, sums in zip((queue, "  in the store"), sides, strict=True):
            cells = [str(getattr(sums, counted)) for counted in COUNTED]
            table.add_row(name, *cells, _mean(sums.waits), _mean(sums.talks))
    console.print(table)
    for difference in found.differences:
        console.print()
        console.print(_headline(difference, zone), soft_wrap=True)
        style = None if difference.cause else "bold red"
        console.print(Text(f"  {difference.cause or 'unexplained'}", style or ""), soft_wrap=True)
    console.print()
    console.print(
        f"{found.compared} stays compared, {len(found.differences)} differences,"
        f" {found.unexplained} unexplained",
        soft_wrap=True,
    )


def _headline(difference: Difference, zone: ZoneInfo) -> Text:
    began = _time(difference.at, zone)
    return Text(f"{began} {difference.queue} {difference.uniqueid} {difference.what}")


def _as_json(found: Account, log: QueueLog, pbx: str, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "pbx": pbx,
        "since": _time(log.began, zone),
        "until": _time(log.ended, zone),
        "clock_offset": round(found.offset, 3),
        "queues": [
            {"queue": queue, "queue_log": _sums(theirs), "store": _sums(ours)}
            for queue, (theirs, ours) in found.queues.items()
        ],
        "differences": [
            {**asdict(difference), "at": _time(difference.at, zone)}
            for difference in found.differences
        ],
        "left_out": list(log.faults),
        "compared": found.compared,
        "unexplained": found.unexplained,
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        **{name: getattr(sums, name) for name in COUNTED},
        "wait_seconds": round(mean(sums.waits), 2) if sums.waits else None,
        "talk_seconds": round(mean(sums.talks), 2) if sums.talks else None,
    }


def _mean(values: Iterable[float]) -> str:
    known = list(values)
    return f"{mean(known):.1f}" if known else "-"


def _time(moment: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")
