"""The door with another system to ask: one that answers at once, one that says nothing, and none.

The server is the real one, in a process of its own; the other system is an HTTP server of aiohttp's
in this one. The one that says nothing is never left alone here, so each caller meets the deadline.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from bench.common import LOOPBACK, Bound, Options, Report, Table, median, percentile
from bench.lookup import database
from bench.route import callers
from bench.server import serving, stand_in_pbx, write_config
from cordboard.config import load, split_address

TITLE = "The door with another system to ask"
DEADLINE = 300
"""Thousandths of a second, as configured when nothing is said."""
NONE, PROMPT, SILENT = "none asked", "it answers at once", "it says nothing"
TABLE = """
[[lookup]]
name = "erp"
url = "http://127.0.0.1:{port}/{{number}}"
cache_seconds = 0
breaker = {{ failures = 1000000, seconds = 30 }}
map = {{ status = "status" }}
"""


@asynccontextmanager
async def _system(silent: bool) -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        if silent:
            await asyncio.sleep(3600)
        return web.json_response({"status": "vip"})

    app = web.Application()
    app.router.add_get("/{number}", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def bench(options: Options) -> Report:
    path = await database(options)
    report = Report(TITLE)
    numbers = itertools.count()
    found: dict[str, dict[str, list[float]]] = {
        name: {"p50": [], "p99": []} for name in (NONE, PROMPT, SILENT)
    }
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(stand_in_pbx())
        doors: dict[str, int] = {}
        for place, name in enumerate(found):
            more = ""
            if name != NONE:
                port = await stack.enter_async_context(_system(silent=name == SILENT))
                more = TABLE.format(port=port)
            folder = options.scratch / f"outside{place}"
            folder.mkdir(exist_ok=True)
            config = write_config(folder, pbx.port, path, more)
            settings = load(config)
            http, agi = (split_address(at)[1] for at in (settings.http.listen, settings.agi.listen))
            server = await stack.enter_async_context(serving(config, http, agi))
            doors[name] = server.agi
        count = options.sized(100, 40)
        for door in doors.values():
            await callers(door, 20, options.customers, numbers)
        for _ in range(options.rounds):
            for name, door in doors.items():
                took = await callers(door, count, options.customers, numbers)
                found[name]["p50"].append(median(took) * 1000)
                found[name]["p99"].append(percentile(took, 99) * 1000)
    rows = [(name, *(median(found[name][part]) for part in ("p50", "p99"))) for name in found]
    words = f"with {options.customers:,} customers, 30 callers a second at random moments"
    report.tables.append(Table(words, ("the other system", "p50, ms", "p99, ms"), rows))
    over = median(found[SILENT]["p99"]) - DEADLINE - median(found[NONE]["p99"])
    words = f"p99 over the deadline of {DEADLINE} ms and what a route takes anyway"
    report.bounds.append(Bound(words, over, 25, " ms"))
    return report


def run(options: Options) -> Report:
    return asyncio.run(bench(options))
