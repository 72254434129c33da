"""The door: from the dialplan's connection to CB_DONE, with a million customers in the store.

The server is the real one, in a process of its own. Beside it, in another process and in turn
within each round, stands the floor: an asyncio server that asks the same file in one bare
`sqlite3` call and sets the same variables, with no rules, no deadlines and no memory of the call.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from bench.asking import ask_route
from bench.common import (
    LOOPBACK,
    Bound,
    CannotMeasure,
    Options,
    Report,
    Table,
    median,
    percentile,
    ratio,
)
from bench.lookup import FLOOR, database, importing, number
from bench.server import serving, stand_in_pbx, write_config
from cordboard.config import load, split_address

TITLE = "The door: FastAGI connection to route decided"
EVERY = 1 / 30
"""Seconds between two callers: 30 calls a second."""
VARIABLES = ("CB_ACTION", "CB_QUEUE", "CB_PRIO", "CB_LANG", "CB_DONE")


def floor(path: Path, pipe: Connection) -> None:
    """The least that could answer, in a process of its own."""
    connection = sqlite3.connect(path)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = ""
        while line := (await reader.readline()).strip():
            if line.startswith(b"agi_callerid: "):
                asked = "+" + line.partition(b": ")[2].decode()
        assert connection.execute(FLOOR, (asked,)).fetchall()
        for name in VARIABLES:
            writer.write(f'SET VARIABLE {name} "1"\n'.encode())
            await reader.readline()
        writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)

    asyncio.run(listen())


async def callers(
    port: int, count: int, customers: int, numbers: itertools.count[int], every: float = EVERY
) -> list[float]:
    """So many callers, at random moments, as callers come; how long each waited for the route."""

    async def one() -> float:
        caller = number(random.randrange(customers)).lstrip("+")
        seconds, set_ = await ask_route(port, f"1900000000.{next(numbers)}", caller)
        assert set_["CB_DONE"] == "1"
        return seconds

    tasks = []
    due = time.perf_counter()
    for _ in range(count):
        due += random.expovariate(1 / every)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one()))
    took = await asyncio.gather(*tasks, return_exceptions=True)
    if late := sum(isinstance(each, BaseException) for each in took):
        raise CannotMeasure(f"{late} of {count} callers got no route in time on this machine")
    return [each for each in took if isinstance(each, float)]


async def rounds(
    options: Options, ask: Mapping[str, Callable[[int], Awaitable[list[float]]]], count: int
) -> dict[str, dict[str, list[float]]]:
    """p50 and p99 of each round of so many callers, in milliseconds, by name."""
    found: dict[str, dict[str, list[float]]] = {name: {"p50": [], "p99": []} for name in ask}
    for _ in range(options.rounds):
        for name, asked in ask.items():
            took = await asked(count)
            found[name]["p50"].append(median(took) * 1000)
            found[name]["p99"].append(percentile(took, 99) * 1000)
    return found


async def bench(options: Options) -> Report:
    path = await database(options)
    report = Report(TITLE)
    here, there = multiprocessing.Pipe()
    least = multiprocessing.get_context("spawn").Process(
        target=floor, args=(path, there), daemon=True
    )
    least.start()
    try:
        bare_port = await asyncio.to_thread(here.recv)
        folder = options.scratch / "route"
        folder.mkdir(exist_ok=True)
        numbers = itertools.count()
        async with stand_in_pbx() as pbx:
            config = write_config(folder, pbx.port, path)
            settings = load(config)
            http, agi = (split_address(at)[1] for at in (settings.http.listen, settings.agi.listen))
            async with serving(config, http, agi) as server:
                ask = {
                    "cordboard": lambda n: callers(server.agi, n, options.customers, numbers),
                    "floor": lambda n: callers(bare_port, n, options.customers, numbers),
                }
                await ask["cordboard"](30)
                idle = await rounds(options, ask, options.sized(150, 60))
                async with importing(path, options.customers, "447700") as said:
                    busy = await rounds(options, ask, options.sized(150, 60))
    finally:
        here.send(None)
        least.join()
    rows: list[tuple[str | float | None, ...]] = []
    for when, found in (("idle", idle), ("during an import", busy)):
        for name in ("p50", "p99"):
            mine, bare = found["cordboard"][name], found["floor"][name]
            rows.append((f"{when}, {name}", median(mine), median(bare), ratio(mine, bare)))
        p99 = median(found["cordboard"]["p99"])
        report.bounds.append(Bound(f"route decided, p99, {when}", p99, 25, " ms"))
    words = f"with {options.customers:,} customers, 30 callers a second at random moments"
    head = ("", "cordboard, ms", "bare server, ms", "ratio")
    report.tables.append(Table(words, head, rows))
    report.notes += said
    return report


def run(options: Options) -> Report:
    return asyncio.run(bench(options))
