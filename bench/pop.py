"""The screen-pop: from the bytes of AgentCalled to the card painted in a real browser.

The server is the real one. Its PBX is a stand-in that says, call by call, what a real Asterisk
was recorded to say, and asks for each call's route over FastAGI as the dialplan does. Hundreds of
operators have a console connected, all subscribed to the presence of all; one of the consoles is
a headless Chromium with the real page, and only its pops are timed. The time runs from just
before the bytes are written to the mark `pop-painted:` that the page sets.

The floor beside it, in the same browser and the same rounds: `bench.paint`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bench import consoles, lookup, paint
from bench.asking import ask_route
from bench.common import (
    LOOPBACK,
    Bound,
    Options,
    Report,
    Table,
    chromium,
    cpu_seconds,
    median,
    percentile,
    resident_mib,
)
from bench.server import CHEAP, Server, StandInPbx, serving, stand_in_pbx, write_config
from bench.stream import Recording, Stages, frames_of, linkedid
from cordboard.config import load, split_address
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store
from cordboard.screenpop.sessions import COOKIE

TITLE = "Screen-pop: bytes of AgentCalled to painted"
OPERATORS = 500
CALLS = 30.0
"""A second, of all operators together."""
CUSTOMERS = 20_000
FIRST_PHONE = 20_000
RING, TALK = 0.8, 6.0
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
LISTEN = """async () => {
    const {stream} = await import("/static/console.js");
    window.bench = {};
    stream.on(["screenpop"], (pop) => {
        const at = performance.timeOrigin + performance.now();
        window.bench[pop.id] ??= {call: pop.call.linkedid, arrived: at, known: !!pop.customer};
    });
}"""
COLLECT = """() => {
    const found = [];
    for (const mark of performance.getEntriesByType("mark")) {
        const pop = window.bench[mark.name.replace("pop-painted:", "")];
        if (pop && !pop.painted) pop.painted = performance.timeOrigin + mark.startTime;
        if (pop) found.push(pop);
    }
    performance.clearMarks();
    window.bench = {};
    return found;
}"""


class Calls:
    """Makes calls on the stand-in, each as a real one was recorded."""

    def __init__(self, pbx: StandInPbx, server: Server, operators: int) -> None:
        self.rang: dict[str, float] = {}
        """When the bytes of AgentCalled were written, by Linkedid."""
        self.unrouted = 0
        self._pbx, self._server = pbx, server
        self._stages = Stages()
        self._numbers = itertools.count()
        self._others = itertools.cycle(range(1, operators))
        self._live: set[asyncio.Task[None]] = set()

    def log_in(self, operators: int) -> None:
        """Every operator is a free member of the queues."""
        kind = b"Event: QueueMemberStatus"
        frames = frames_of("queue_answered_operator_hangs_up")
        free = Recording([f for f in frames if f.startswith(kind)][-2:])
        for index in range(operators):
            self._pbx.send(free.copy(0, str(FIRST_PHONE + index)))

    async def one(self, operator: int, ring: float, talk: float) -> None:
        number, phone = next(self._numbers), str(FIRST_PHONE + operator)
        caller = lookup.number(number % CUSTOMERS).lstrip("+")
        say: Callable[[Recording], None] = lambda stage: self._pbx.send(  # noqa: E731
            stage.copy(number, phone, caller)
        )
        say(self._stages.arrives)
        try:
            await ask_route(self._server.agi, linkedid(number), caller)
        except ConnectionError:
            self.unrouted += 1  # the dialplan would take the default queue
        say(self._stages.queued)
        await asyncio.sleep(0.02)
        self.rang[linkedid(number)] = time.time()
        say(self._stages.rings)
        await asyncio.sleep(ring)
        say(self._stages.talks)
        await asyncio.sleep(talk)
        say(self._stages.ends)

    async def keep_coming(self, rate: float) -> None:
        """For all operators but the first, at random moments, until it is cancelled."""
        due = time.perf_counter()
        while True:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self.one(next(self._others), RING, TALK))
            self._live.add(task)
            task.add_done_callback(self._live.discard)

    async def at_the_browser(self, seconds: float) -> float:
        """One call after the other for the first operator; how many a second there were."""
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            # The pauses differ, so that the calls do not keep step with the presence.
            await self.one(0, random.uniform(0.1, 0.2), random.uniform(0.02, 0.08))
            await asyncio.sleep(random.uniform(0.02, 0.12))
            count += 1
        await asyncio.sleep(0.2)
        return count / (time.perf_counter() - began)

    async def settle(self) -> None:
        if self._live:
            await asyncio.wait(list(self._live))


class Floor:
    """The bare page and its server."""

    def __init__(self, page: Any, writer: asyncio.StreamWriter) -> None:
        self._page, self._writer = page, writer
        self._numbers = itertools.count()

    async def pops(self, seconds: float, every: float) -> list[float]:
        """Milliseconds of each, from the write to the paint."""
        sent: dict[str, float] = {}
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            name = str(next(self._numbers))
            sent[name] = time.time()
            self._writer.write(f"{name}\n".encode())
            await asyncio.sleep(random.uniform(0.5, 1.5) * every)
        await asyncio.sleep(0.2)
        painted: dict[str, float] = await self._page.evaluate("window.painted")
        return [painted[name] - at * 1000 for name, at in sent.items() if name in painted]


async def _people(path: Path, count: int) -> tuple[list[str], str]:
    """Operators with phones in the store: the tokens of all but the first, whose cookie it is."""
    store = Store(f"sqlite:///{path}", hasher=CHEAP)
    await store.open()
    tokens, cookie = [], ""
    for index in range(count):
        phone = f"PJSIP/{FIRST_PHONE + index}"
        user = await store.add_user(
            f"op{index}", "operator", "not a secret", display_name=f"Оператор {index}", phone=phone
        )
        if index:
            tokens.append(await store.issue_token(user))
        else:
            cookie = await store.open_session(user)
    await store.close()
    return tokens, cookie


@asynccontextmanager
async def _process(target: Callable[..., None], *words: Any) -> AsyncIterator[Any]:
    """Another process, and the pipe to it. What it says first is waited for."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=target, args=(*words, there), daemon=True
    )
    process.start()
    there.close()  # if it dies, the pipe ends instead of waiting for ever
    try:
        yield here
    finally:
        with contextlib.suppress(OSError):
            here.send(None)
        await asyncio.to_thread(process.join, 10)
        process.kill()


async def _collect(page: Any, calls: Calls) -> tuple[list[float], list[float], int]:
    """Milliseconds to the browser, and to the paint; and how many cards had no customer."""
    found = await page.evaluate(COLLECT)
    arrived = [pop["arrived"] - calls.rang[pop["call"]] * 1000 for pop in found]
    painted = [pop["painted"] - calls.rang[pop["call"]] * 1000 for pop in found]
    return arrived, painted, sum(not pop["known"] for pop in found)


async def bench(options: Options) -> Report:
    from playwright.async_api import async_playwright, expect

    executable = chromium()
    operators = options.sized(OPERATORS, options.consoles)
    folder = options.scratch / "pop"
    folder.mkdir(exist_ok=True)
    path = folder / "cordboard.db"
    await upgrade(f"sqlite:///{path}")
    lookup.fill(path, CUSTOMERS)
    tokens, cookie = await _people(path, max(operators, options.consoles))
    seconds = options.sized(12, 6)
    floor: dict[str, list[float]] = {"alone": [], "under load": []}
    ours: dict[str, dict[str, list[float]]] = {
        when: {"arrived": [], "painted": []} for when in ("alone", "under load")
    }
    strangers, rates, shares = 0, [], {"server": [0.0, 0.0], "in time": [0.0, 0.0]}
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(stand_in_pbx())
        config = write_config(folder, pbx.port, path, "[desk]\nwrapup_seconds = 5\n")
        settings = load(config)
        http, agi = (split_address(at)[1] for at in (settings.http.listen, settings.agi.listen))
        server = await stack.enter_async_context(serving(config, http, agi))
        calls = Calls(pbx, server, operators)
        calls.log_in(operators)

        least = await stack.enter_async_context(_process(paint.serve))
        page_port, event_port = await asyncio.to_thread(least.recv)
        _, writer = await asyncio.open_connection(LOOPBACK, event_port)
        stack.callback(writer.close)

        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        stack.push_async_callback(browser.close)
        bare = await (await browser.new_context()).new_page()
        await bare.goto(f"http://{LOOPBACK}:{page_port}/")
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_cookies([{"name": COOKIE, "value": cookie, "url": server.base}])
        page = await context.new_page()
        await page.goto(server.base)
        await expect(page.get_by_test_id("link-state")).to_have_attribute("data-link", "live")
        await page.evaluate(LISTEN)

        crowd = await stack.enter_async_context(
            _process(consoles.read_along, server.http, tokens[: options.consoles - 1])
        )
        await asyncio.to_thread(crowd.recv)
        least_page = Floor(bare, writer)
        await calls.at_the_browser(3)
        await page.evaluate(COLLECT)
        for _ in range(options.rounds):
            floor["alone"] += await least_page.pops(seconds / 4, 0.1)
            await calls.at_the_browser(seconds / 4)
            arrived, painted, unknown = await _collect(page, calls)
            ours["alone"]["arrived"] += arrived
            ours["alone"]["painted"] += painted
            strangers += unknown

            coming = asyncio.create_task(calls.keep_coming(CALLS - 3))
            await asyncio.sleep(RING + TALK)  # until as many calls end as begin
            await page.evaluate(COLLECT)
            before, spent, began = await server.metrics(), cpu_seconds(server.pid), time.time()
            rate, pops = await asyncio.gather(
                calls.at_the_browser(seconds), least_page.pops(seconds, 0.25)
            )
            shares["server"][0] += cpu_seconds(server.pid) - spent
            shares["server"][1] += time.time() - began
            floor["under load"] += pops
            arrived, painted, unknown = await _collect(page, calls)
            after = await server.metrics()
            coming.cancel()
            ours["under load"]["arrived"] += arrived
            ours["under load"]["painted"] += painted
            strangers += unknown
            rates.append(rate + CALLS - 3)
            for place, name in enumerate(('_bucket{le="0.05",', "_count{")):
                name = f'cordboard_pop_seconds{name}stage="painted"}}'
                shares["in time"][place] += after[name] - before.get(name, 0.0)
            await calls.settle()
        memory = resident_mib(server.pid)
        crowd.send(None)
        frames, octets, cut = await asyncio.to_thread(crowd.recv)
        acked = (await server.metrics())["cordboard_pops_acked_total"]

    rows: list[tuple[str | float | None, ...]] = []
    for when, words in (("alone", "nothing else going on"), ("under load", "under load")):
        for name, took in (
            ("bare aiohttp, painted", floor[when]),
            ("cordboard, at the browser", ours[when]["arrived"]),
            ("cordboard, painted", ours[when]["painted"]),
        ):
            p50, p99 = percentile(took, 50), percentile(took, 99)
            bare50, bare99 = percentile(floor[when], 50), percentile(floor[when], 99)
            rows.append((f"{words}: {name}", len(took), p50, p99, p50 / bare50, p99 / bare99))
    in_time, counted = shares["in time"]
    load_words = (
        f"load: {median(rates):.0f} calls a second, {options.consoles} consoles, presence of"
        f" {operators} operators"
    )
    head = ("", "pops", "p50, ms", "p99, ms", "p50 / bare", "p99 / bare")
    report = Report(TITLE, [Table(load_words, head, rows)])
    p99 = percentile(ours["under load"]["painted"], 99)
    report.bounds.append(Bound("painted, p99, under load", p99, 50, " ms"))
    busy, wall = shares["server"]
    report.notes = [
        f"by the server's own histogram (bytes read to ack): {in_time:.0f} of {counted:.0f} pops"
        " of the browser within 50 ms",
        f"under load the server used {busy / wall:.0%} of a CPU; {memory:.0f} MiB at the end;"
        f" {frames:,} frames and {octets / 2**20:,.0f} MiB to the consoles, {cut} cut off",
        f"{strangers} cards came without their customer, {calls.unrouted} calls without a route;"
        f" {acked:.0f} pops acknowledged",
    ]
    return report


def run(options: Options) -> Report:
    return asyncio.run(bench(options))
