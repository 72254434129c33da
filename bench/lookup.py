"""How long finding a caller takes, with a million customers, idle and while an import runs.

Beside it stands the floor: the same four tables asked in one bare `sqlite3` call on the same file,
by the same process, in the same rounds. The ratio is the price of the async store.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.common import Options, Report, Table, median, ratio
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store
from cordboard.events import derived_id
from cordboard.sandbox.tether import tethered

TITLE = "Finding a caller in the store"
LOOKUPS = 500
CHUNK = 20_000
IMPORTED = 1_000_000
FLOOR = """
    SELECT customer.*, app_user.*, phone.e164, interaction.*
    FROM phone AS asked
    JOIN customer ON customer.id = asked.customer_id
    JOIN phone ON phone.customer_id = customer.id
    LEFT JOIN app_user ON app_user.id = customer.manager_id
    LEFT JOIN interaction ON interaction.customer_id = customer.id
    WHERE asked.e164 = ?
    ORDER BY interaction.started_at DESC LIMIT 5
"""


def number(index: int) -> str:
    return f"+79{index:09}"


def fill(path: Path, customers: int) -> None:
    """Customers with one number each; one in three has had three contacts."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for first in range(0, customers, CHUNK):
        people, phones, contacts = [], [], []
        for index in range(first, min(first + CHUNK, customers)):
            key = derived_id(index, "customer", str(index)).replace("-", "")
            name = f"Customer {index * 7919 % customers}"
            people.append((key, "person", name, name.casefold(), "regular", "ru", 0.0, 0.0))
            phones.append((key, number(index), 0))
            for day in range(3 if index % 3 == 0 else 0):
                contact = derived_id(index, "contact", str(index), str(day)).replace("-", "")
                contacts.append((contact, key, float(day), "completed", ""))
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO customer (id, kind, name, search, status, language, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            people,
        )
        connection.executemany("INSERT INTO phone VALUES (?, ?, ?)", phones)
        connection.executemany(
            "INSERT INTO interaction (id, customer_id, started_at, outcome, note)"
            " VALUES (?, ?, ?, ?, ?)",
            contacts,
        )
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("ANALYZE")
    connection.close()


async def database(options: Options) -> Path:
    """A store with as many customers as the run wants, made once for all its benchmarks."""
    path = options.scratch / "customers.db"
    if not path.exists():
        await upgrade(f"sqlite:///{path}")
        fill(path, options.customers)
    return path


@asynccontextmanager
async def importing(path: Path, customers: int, prefix: str) -> AsyncIterator[list[str]]:
    """While the block runs, customers are imported, as an administrator does it: by another
    process on the same file. Afterwards the list tells how it went."""
    config, rows = path.with_name("import.toml"), path.with_name(f"import-{prefix}.csv")
    config.write_text(f'[database]\nurl = "sqlite:///{path}"\n')
    with rows.open("w") as file:
        file.write("name;phone;status\n")
        file.writelines(f"Imported {n};+{prefix}{n:06};vip\n" for n in range(IMPORTED))
    command = (sys.executable, "-m", "cordboard", "import", "customers", rows, "--config", config)
    before = _count(path)
    running = await asyncio.create_subprocess_exec(
        *tethered([str(word) for word in command]), stdout=subprocess.DEVNULL
    )
    began = time.perf_counter()
    said: list[str] = []
    try:
        await asyncio.sleep(min(2.0, customers / 10_000))
        yield said
        made = (_count(path) - before) / (time.perf_counter() - began)
        over = "over before the end" if running.returncode is not None else "running all the while"
        said.append(f"the import was {over}, and made {made:,.0f} customers a second")
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


def _count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM customer").fetchone()[0])
    finally:
        connection.close()


class Round:
    """p50 and p99 of one round, in milliseconds."""

    def __init__(self, times: list[float]) -> None:
        ordered = sorted(times)
        self.p50 = ordered[len(ordered) // 2] * 1000
        self.p99 = ordered[len(ordered) * 99 // 100] * 1000


async def one_round(look: Callable[[str], Coroutine[Any, Any, object]], customers: int) -> Round:
    times = []
    for _ in range(LOOKUPS):
        asked = number(random.randrange(customers))
        began = time.perf_counter()
        assert await look(asked)
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0.001)
    return Round(times)


async def measure(path: Path, options: Options) -> dict[str, tuple[list[float], list[float]]]:
    store = Store(f"sqlite:///{path}")
    await store.open()
    bare = sqlite3.connect(path)

    async def floor(asked: str) -> object:
        return bare.execute(FLOOR, (asked,)).fetchall()

    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(await one_round(store.card_by_number, options.customers))
        theirs.append(await one_round(floor, options.customers))
    bare.close()
    await store.close()
    return {
        name: ([getattr(r, name) for r in ours], [getattr(r, name) for r in theirs])
        for name in ("p50", "p99")
    }


async def bench(options: Options) -> Report:
    path = await database(options)
    report = Report(TITLE)
    rows: list[tuple[str | float | None, ...]] = []
    idle = await measure(path, options)
    async with importing(path, options.customers, "359888") as said:
        busy = await measure(path, options)
    for when, found in (("idle", idle), ("during an import", busy)):
        for name, (mine, least) in found.items():
            rows.append((f"{when}, {name}", median(mine), median(least), ratio(mine, least)))
    words = f"with {options.customers:,} customers, {LOOKUPS} lookups a round"
    head = ("", "card_by_number, ms", "bare sqlite3, ms", "ratio")
    report.tables.append(Table(words, head, rows))
    report.notes += said
    return report


def run(options: Options) -> Report:
    return asyncio.run(bench(options))
