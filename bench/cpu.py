"""What one queued call costs the server, beside what the same call costs Asterisk itself.

A real Asterisk, real SIP phones and callers (SIPp, without media), the real server with a console
for each operator. CPU is that of the two processes with all their threads, as the kernel counts
it, over the same calls. A second look, with the server sampled (`bench.sampled`), splits the
server's part; its sum is scaled to the figure without sampling.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench import lookup
from bench.common import (
    LOOPBACK,
    Bound,
    Options,
    Report,
    Table,
    cpu_seconds,
    median,
    ratio,
    thread_seconds,
)
from bench.server import CHEAP, Server, free_port, serving
from cordboard.config import load
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store
from cordboard.sandbox import scenarios
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Dialling, Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, Sipp

TITLE = "CPU of one queued call, beside Asterisk's own"
RATE = 5
"""Calls a second."""
RING, TALK = 0.3, 0.7
CUSTOMERS = 20_000
PHONES = [str(number) for number in range(1001, 1011)]
FIRST = "79161234567"
ROUTING = """default_queue = "support"
default_language = "en"
[[rule]]
name = "all"
action = "queue"
queue = "support"
"""


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds a call."""

    asterisk: float
    server: float
    main_thread: float
    other_threads: float
    calls: int


def _ready_queue(pbx: SandboxPbx) -> None:
    """Ten phones and no wrap-up pause of Asterisk's: short calls at a fast rate need them free."""
    lines = ["", "[support](+)", "wrapuptime = 0", "retry = 1"]
    lines += [f"member => PJSIP/{phone},0,{phone},PJSIP/{phone}" for phone in PHONES[6:]]
    with (pbx.directory / "etc/queues.conf").open("a") as file:
        file.write("\n".join(lines) + "\n")
    pbx.cli("queue reload all")


async def _prepare(folder: Path, pbx: SandboxPbx, status: dict[str, Any]) -> tuple[Path, list[str]]:
    """The configuration of the server, and its operators' tokens."""
    path = folder / "cordboard.db"
    await upgrade(f"sqlite:///{path}")
    lookup.fill(path, CUSTOMERS)
    (folder / "routing.toml").write_text(ROUTING)
    text = Path(status["config"]).read_text()
    text = text.replace(f"{LOOPBACK}:8088", f"{LOOPBACK}:{free_port()}")
    text = text.replace('"ami.secret"', f'"{pbx.directory / "ami.secret"}"')
    lines = [line for line in text.splitlines() if not line.startswith(("url = ", "path = "))]
    lines.insert(lines.index("[database]") + 1, f'url = "sqlite:///{path}"')
    lines.insert(lines.index("[routing]") + 1, 'path = "routing.toml"')
    config = folder / "cordboard.toml"
    config.write_text("\n".join(lines) + "\n[desk]\nwrapup_seconds = 2\n")
    store = Store(f"sqlite:///{path}", hasher=CHEAP)
    await store.open()
    tokens = []
    for phone in PHONES:
        user = await store.add_user(
            f"op{phone}", "operator", "not a secret", phone=f"PJSIP/{phone}"
        )
        tokens.append(await store.issue_token(user))
    await store.close()
    return config, tokens


async def _console(base: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{base}/api/v1/stream", max_msg_size=0) as ws,
    ):
        async for said in ws:
            message = json.loads(said.data)
            if message["type"] == "screenpop":
                await ws.send_str(json.dumps({"type": "ack", "id": message["id"]}))


@asynccontextmanager
async def _consoles(server: Server, tokens: list[str]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(_console(server.base, token)) for token in tokens]
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _callers(status: dict[str, Any], count: int) -> None:
    """One SIPp makes all the calls, each from a customer of its own."""
    dialling = Dialling(FIRST, "Анна Ким", status["sip"]["inbound"], stay=60)
    script = scenarios.caller(dialling, audio=None).replace(FIRST, "[field0]")
    numbers = "\n".join(lookup.number(n).lstrip("+") for n in range(count))
    sipp = Sipp(status)
    try:
        await sipp.start(
            script, "-m", str(count), "-r", str(RATE), "-l", "200", data=f"SEQUENTIAL\n{numbers}\n"
        )
        if await sipp.wait() != 0:
            raise RuntimeError(f"calls failed: {sipp.complaint()}")
    finally:
        await sipp.stop()


async def _round(pbx: SandboxPbx, server: Server, status: dict[str, Any], count: int) -> Spent:
    asterisk = pbx.pid()
    assert asterisk
    answered = (await server.metrics()).get("cordboard_pops_acked_total", 0)
    began = cpu_seconds(asterisk), cpu_seconds(server.pid)
    threads = thread_seconds(server.pid)
    await _callers(status, count)
    ended = cpu_seconds(asterisk), cpu_seconds(server.pid)
    after = thread_seconds(server.pid)
    answered = (await server.metrics()).get("cordboard_pops_acked_total", 0) - answered
    if answered < count * 0.95:
        raise RuntimeError(f"{answered:.0f} pops for {count} calls: these were no queued calls")
    each = 1000 / count
    return Spent(
        (ended[0] - began[0]) * each,
        (ended[1] - began[1]) * each,
        (after["main"] - threads["main"]) * each,
        (after["others"] - threads["others"]) * each,
        count,
    )


async def _idle(server: Server, seconds: float) -> float:
    """CPU milliseconds a second that the server uses when there are no calls."""
    began = cpu_seconds(server.pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(server.pid) - began) / seconds * 1000


async def bench(options: Options, pbx: SandboxPbx) -> Report:
    status = pbx.status()
    folder = options.scratch / "cpu"
    folder.mkdir(exist_ok=True)
    config, tokens = await _prepare(folder, pbx, status)
    http = int(load(config).http.listen.rpartition(":")[2])
    agi = int(status["agi"]["port"])
    count = options.sized(75, 30)
    specs = [PhoneSpec(phone, (Manner(ring=RING, talk=TALK),)) for phone in PHONES]
    parts_file = folder / "parts.json"
    async with Phones(status, specs):
        async with serving(config, http, agi) as server, _consoles(server, tokens):
            await _round(pbx, server, status, 20)  # what is made once
            rounds = [await _round(pbx, server, status, count) for _ in range(options.rounds)]
            idle = await _idle(server, options.sized(5, 2))
        sampled = ("-m", "bench.sampled", str(parts_file))
        async with serving(config, http, agi, sampled) as server, _consoles(server, tokens):
            await _round(pbx, server, status, 20)
            os.kill(server.pid, signal.SIGUSR1)
            await _round(pbx, server, status, count * 2)
            os.kill(server.pid, signal.SIGUSR2)
            while not parts_file.exists():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
    ours, theirs = [each.server for each in rounds], [each.asterisk for each in rounds]
    share = ratio(ours, theirs)
    rows: list[tuple[str | float | None, ...]] = [
        ("Asterisk", median(theirs), 1.0),
        ("cordboard", median(ours), share),
    ]
    head = ("", "CPU ms a call", "/ Asterisk")
    words = f"{RATE} calls a second through the queue to {len(PHONES)} phones, {count} a round"
    report = Report(TITLE, [Table(words, head, rows)])
    report.tables.append(_parts(parts_file, rounds, median(theirs)))
    report.bounds.append(Bound("server's CPU a call / Asterisk's", share, 0.5))
    report.notes = [
        f"idle the server uses {idle:.1f} ms of CPU a second, {idle / RATE:.2f} ms a call at this"
        " rate, which is part of the figures",
    ]
    return report


def _parts(path: Path, rounds: list[Spent], asterisk: float) -> Table:
    """The main thread's time as the samples split it; the other threads are the database's."""
    seen: dict[str, int] = json.loads(path.read_text())
    seen.pop("waiting", None)
    total = math.fsum(seen.values())
    main = median(each.main_thread for each in rounds)
    threads = median(each.other_threads for each in rounds)
    rows: list[tuple[str | float | None, ...]] = [
        (name, main * many / total, main * many / total / asterisk)
        for name, many in sorted(seen.items(), key=lambda pair: -pair[1])
    ]
    rows.append(("database threads", threads, threads / asterisk))
    return Table("the server's part, by what it was for", ("", "CPU ms a call", "/ Asterisk"), rows)


def run(options: Options) -> Report:
    pbx = SandboxPbx(options.scratch / "pbx")
    pbx.start(die_with_parent=True)
    try:
        _ready_queue(pbx)
        return asyncio.run(bench(options, pbx))
    finally:
        pbx.down()
