"""How long finding a caller takes, with a million customers, idle and while an import runs.

Beside it stands the floor: the same four tables asked in one bare `sqlite3` call on the same file,
by the same process, in the same rounds. The ratio is the price of the async store.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

LOOKUPS = 1_000
ROUNDS = 5
CHUNK = 20_000
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


def write_import(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write("name;phone;status\n")
        file.writelines(f"Imported {index};+359888{index:06};vip\n" for index in range(rows))


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


async def measure(path: Path, customers: int, rounds: int, label: str) -> None:
    store = Store(f"sqlite:///{path}")
    await store.open()
    bare = sqlite3.connect(path)

    async def floor(asked: str) -> object:
        return bare.execute(FLOOR, (asked,)).fetchall()

    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(await one_round(store.card_by_number, customers))
        theirs.append(await one_round(floor, customers))
    bare.close()
    await store.close()
    for name in ("p50", "p99"):
        mine = statistics.median(getattr(each, name) for each in ours)
        least = statistics.median(getattr(each, name) for each in theirs)
        print(
            f"{label:>14} {name}: {mine:7.3f} ms, bare sqlite3 {least:7.3f} ms, {mine / least:.1f}x"
        )


async def bench(customers: int, rounds: int, folder: Path) -> None:
    path = folder / "bench.db"
    await upgrade(f"sqlite:///{path}")
    began = time.perf_counter()
    fill(path, customers)
    print(f"{customers} customers made in {time.perf_counter() - began:.0f} s")
    await measure(path, customers, rounds, "idle")
    config, rows = folder / "cordboard.toml", folder / "import.csv"
    config.write_text(f'[database]\nurl = "sqlite:///{path}"\n')
    write_import(rows, min(customers, 1_000_000))
    code = "from cordboard.administration import import_app; import_app()"
    # As an administrator does it: another process on the same file.
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, rows, "--config", config, stdout=subprocess.DEVNULL
    )
    began = time.perf_counter()
    try:
        await asyncio.sleep(min(2.0, customers / 100_000))
        await measure(path, customers, rounds, "during import")
        print("the import was", "over" if running.returncode is not None else "still running")
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()
    connection = sqlite3.connect(path)
    count = connection.execute("SELECT count(*) FROM customer").fetchone()[0] - customers
    connection.close()
    print(f"the import made {count / (time.perf_counter() - began):.0f} customers a second")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="cordboard-bench-") as folder:
        asyncio.run(bench(arguments.customers, arguments.rounds, Path(folder)))


if __name__ == "__main__":
    main()
