"""A policy of a thousand rules: what it costs by itself, and at the door.

`decide` alone runs in this process. At the door two real servers stand beside each other on one
file, in turn within each round: one tries a thousand rules for every caller, of which the last
holds, and counts the caller's calls of the day; the other has no rules at all.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.common import Bound, Options, Report, Table, median, ratio
from bench.lookup import database, importing
from bench.route import callers, rounds
from bench.server import Server, serving, stand_in_pbx, write_config
from cordboard.config import load, split_address
from cordboard.crm_core.model import Card, Customer
from cordboard.queue.decisions import Standing
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Approach, Caller, Situation, decide

TITLE = "A policy of a thousand rules"
RULES = 1000
EVERY = 1 / 100
"""Seconds between two callers: 100 calls a second."""
DECISIONS = 200


def condition(number: int) -> dict[str, object]:
    """What a house asks for, in some variety. It holds of no customer of the store's, and no rule
    takes the calls of those after it."""
    match number % 5:
        case 0:
            return {"status": ["vip"], "tags": [f"t{number}"]}
        case 1:
            return {"status": ["regular"], "attributes": {"tariff": [f"t{number}"]}}
        case 2:
            return {"balance": {"below": number - RULES}, "weekdays": ["mon", "tue"]}
        case 3:
            return {"known": True, "dialled": [str(number)], "hours": "00:00-24:00"}
    return {
        "language": ["ru"],
        "queue": {"name": "support-ru", "waiting": {"at_least": 5 + RULES - number}},
    }


def rules(count: int) -> str:
    """A rule file with so many, of which the last holds."""
    text = 'default_queue = "support"\n'
    for number in range(count - 1):
        when = ", ".join(f"{key} = {_toml(value)}" for key, value in condition(number).items())
        text += f'[[rule]]\nname = "rule {number}"\nwhen = {{ {when} }}\naction = "queue"\n'
    if count:
        when = "calls_today = { at_least = 1 }"
        text += f'[[rule]]\nname = "last"\nwhen = {{ {when} }}\naction = "queue"\npriority = 1\n'
    return text


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def alone(options: Options) -> list[tuple[str | float | None, ...]]:
    """Microseconds of one decision."""
    customer = Customer("c", "person", "A", ("+7",), "regular", "ru", None, 0, 0.0, 0.0)
    call = Situation(
        Caller("+79000000001", "RU", Card(customer, ())),
        Approach("100", today=1),
        datetime(2026, 11, 23, 12, tzinfo=UTC),
        lambda queue: Standing(3, 20.0, 40.0, 1),
    )
    rows: list[tuple[str | float | None, ...]] = []
    for count in (0, 10, 100, RULES):
        policy = Policy.parse(rules(count))
        assert decide(policy, call).rule == ("last" if count else None)
        found = []
        for _ in range(options.rounds):
            began = time.perf_counter()
            for _ in range(DECISIONS):
                decide(policy, call)
            found.append((time.perf_counter() - began) / DECISIONS * 1e6)
        rows.append((f"{count} rules", median(found)))
    return rows


@asynccontextmanager
async def _server(folder: Path, pbx: int, path: Path, count: int) -> AsyncIterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "routing.toml"
    file.write_text(rules(count))
    spool = f'[spool]\npath = "{folder / "spool"}"\n[recorder]\npath = "{folder / "flight"}"\n'
    config = write_config(folder, pbx, path, f'[routing]\npath = "{file}"\n{spool}')
    settings = load(config)
    http, agi = (split_address(at)[1] for at in (settings.http.listen, settings.agi.listen))
    async with serving(config, http, agi) as server:
        yield server


async def bench(options: Options) -> Report:
    report = Report(TITLE)
    report.tables.append(Table("one decision, in this process", ("", "µs"), alone(options)))
    path = await database(options)
    count, numbers = options.sized(500, 60), itertools.count()
    folder = options.scratch / "decide"
    async with (
        stand_in_pbx() as pbx,
        _server(folder / "ruled", pbx.port, path, RULES) as ruled,
        _server(folder / "free", pbx.port, path, 0) as free,
    ):
        ask = {
            "ruled": lambda n: callers(ruled.agi, n, options.customers, numbers, EVERY),
            "free": lambda n: callers(free.agi, n, options.customers, numbers, EVERY),
        }
        for asked in ask.values():
            await asked(30)
        idle = await rounds(options, ask, count)
        async with importing(path, options.customers, "447900") as said:
            busy = await rounds(options, ask, count)
    rows: list[tuple[str | float | None, ...]] = []
    for when, found in (("idle", idle), ("during an import", busy)):
        for name in ("p50", "p99"):
            mine, none = found["ruled"][name], found["free"][name]
            rows.append((f"{when}, {name}", median(mine), median(none), ratio(mine, none)))
        p99 = median(found["ruled"]["p99"])
        report.bounds.append(Bound(f"route decided by {RULES} rules, p99, {when}", p99, 25, " ms"))
    words = f"FastAGI to route decided, {options.customers:,} customers, 100 callers a second"
    head = ("", f"{RULES} rules, ms", "no rules, ms", "ratio")
    report.tables.append(Table(words, head, rows))
    report.notes += said
    return report


def run(options: Options) -> Report:
    return asyncio.run(bench(options))
