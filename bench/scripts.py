"""200 callers in scripts at one time: how long each waits between two commands of ours.

Asterisk's side is a process of its own. It answers each command when the prompt would be over or
the digit pressed, and notes how long the next one took to come: loopback and both event loops
included.

- panoramisk: `fast_agi.Application`, whose handler sends the same commands in the same order, and
  nothing else.
- cordboard: the attendant as the server has it: interpreter, prompts, leases, answers and runs
  written to a database, the way through the script told to the core.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

from prometheus_client import Histogram

from bench.asking import environment
from bench.common import LOOPBACK, Bound, Options, Report, Table, median, percentile, ratio
from cordboard.attendant import Attendant
from cordboard.clock import Clock
from cordboard.config import Settings
from cordboard.core import Core
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store
from cordboard.cti.fastagi import FastAgiServer
from cordboard.desk.commands import SendRoute
from cordboard.desk.facts import RouteAsked
from cordboard.desk.model import Rules
from cordboard.door import Door, Question
from cordboard.events import PbxName, QueueName
from cordboard.ivr.prompts import Prompts
from cordboard.ivr.script import Script
from cordboard.ledger import Ledger
from cordboard.queue.decisions import Decision
from cordboard.queue.policy import Policy
from cordboard.sections import Prompts as PromptsSettings
from cordboard.spool import Spool

TITLE = "Scripts: 200 callers at one time"
CALLERS = 200
PAUSE = 0.5
"""Seconds that a prompt or a digit takes: two steps a second of each caller, several times the pace
of people."""
OURS, PANORAMISK = "cordboard", "panoramisk.fast_agi"
POLICY = 'default_queue = "support"\ndefault_language = "en"\n'
SCRIPT = """
version: 1
name: bench
languages: [en]
on: { noinput: over, nomatch: over }
steps:
  - say: { sound: demo-congrats }
  - id: choose
    menu:
      prompt: { sound: basic-pbx-ivr-main }
      choices: { "1": account, "0": over }
  - id: account
    ask:
      kind: digits
      question: account
      length: { most: 8 }
      prompt: { sound: vm-enter-num-to-call }
  - id: mark
    ask: { kind: scale, scale: 1-5, question: mark, prompt: { sound: vm-press } }
  - set: { grade: "answers.mark * 2" }
  - when: grade > 20
    say: { sound: tt-monkeys }
  - say: "{answers.account|digits}"
  - id: person
    route: { queue: support }
  - id: over
    hangup: true
"""
KEYS = {"basic-pbx-ivr-main": "49", "vm-enter-num-to-call": "49", "vm-press": "52"}
"""What is pressed while a prompt is played, as Asterisk's codes."""
COMMON = ("STREAM FILE", "WAIT FOR DIGIT", "GET DATA")


class Caller(asyncio.Protocol):
    """Asterisk's side of one session; `said` are the commands, `waits` our times between its
    answers and them."""

    def __init__(self, told: bytes) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.said: list[str] = []
        self.waits: list[float] = []
        self._told, self._answered = told, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._told)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self._answered:
            self.waits.append(now - self._answered)
        line = data.decode().rstrip("\n")
        self.said.append(line)
        if line.startswith(COMMON):
            asyncio.get_running_loop().call_later(PAUSE, self._answer, line)
        else:
            self._answer(line)

    def _answer(self, line: str) -> None:
        said = "200 result=0 endpos=8000\n"
        if line.startswith("STREAM FILE"):
            sound = line.split('"')[1]
            said = f"200 result={KEYS.get(sound, '0')} endpos=8000\n"
        elif line.startswith("GET DATA"):
            said = "200 result=0203 (timeout)\n"
        elif line.startswith("GET FULL"):
            said = "200 result=1 (/nowhere)\n"
        self._answered = time.perf_counter()
        self._transport.write(said.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


async def _crowd(port: int, count: int) -> tuple[list[float], list[str]]:
    """The waits of all, and the commands of one. They come within two seconds, as callers do not
    all come at once."""
    loop = asyncio.get_running_loop()
    callers: list[Caller] = []
    for number in range(count):
        told = environment(f"18000000{number:02d}.{number}", f"7916{number:07d}").replace(
            b"agi_network_script: route", b"agi_network_script: script"
        )
        name = b"agi_arg_2: bench\nagi_arg_3: \nagi_arg_4: 5\nagi_arg_5: \n"
        told = told.replace(b"agi_arg_2: pbx\n", name)
        _, caller = await loop.create_connection(lambda told=told: Caller(told), LOOPBACK, port)
        callers.append(caller)
        await asyncio.sleep(2.0 / count)
    await asyncio.gather(*(caller.over for caller in callers))
    return [wait for caller in callers for wait in caller.waits], callers[0].said


def asterisk(pipe: Connection) -> None:
    """The other process."""
    while (told := pipe.recv()) is not None:
        pipe.send(asyncio.run(_crowd(*told)))


@asynccontextmanager
async def cordboard(folder: Path) -> AsyncIterator[int]:
    url = f"sqlite:///{folder}/scripts.db"
    if not (folder / "scripts.db").exists():
        await upgrade(url)
    store = Store(url)
    await store.open()
    spool = Spool(folder / "scripts.spool", 2**24)
    spool.open()
    ledger = Ledger(store, spool, lambda command, born: None)
    writing = asyncio.create_task(ledger.run())
    prompts = Prompts(PromptsSettings(path=folder / "p", personal=folder / "q"), "RUB", folder)
    prompts.open()
    script = Script.parse(SCRIPT)
    rules = Rules(Policy.parse(POLICY), ZoneInfo("UTC"), 30, 20, 5)
    core = Core(rules, [PbxName("pbx")])
    clock = cast(Clock, time.time)

    def put(question: Question) -> bool:
        assert isinstance(question, RouteAsked)
        decision = Decision("queue", QueueName("support"), 0, "en", ())
        asyncio.get_running_loop().call_soon(door.answer, SendRoute(question.ask, decision))
        return True

    seconds = Histogram("bench", "bench", registry=None)
    door = Door([PbxName("pbx")], 2.0, clock, put, lambda *_: None, seconds, lambda number: number)
    attendant = Attendant(
        Settings(scripts={"recordings": folder}),
        store,
        ledger,
        door,
        clock,
        prompts.sounds,
        {"bench": script}.get,
        core.board.caller,
        lambda: rules,
        lambda step: core.take(step, time.time()),
    )

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            attendant.tick()

    ticking = asyncio.create_task(tick())
    server = FastAgiServer(LOOPBACK, 0, attendant.serve, CALLERS * 2)
    await server.start()
    try:
        yield server.address[1]
    finally:
        await server.stop()
        for task in (writing, ticking):
            task.cancel()
        await asyncio.gather(writing, ticking, return_exceptions=True)
        await ledger.flush()
        await attendant.close()
        await prompts.close()
        await store.close()
        spool.close()


@asynccontextmanager
async def panoramisk(commands: Sequence[str]) -> AsyncIterator[int]:
    from panoramisk.fast_agi import Application  # type: ignore[import-untyped]

    async def handle(request: Any) -> None:
        for command in commands:
            await request.send_command(command)

    application = Application(loop=asyncio.get_running_loop())
    application.add_route("script", handle)
    server = await asyncio.start_server(application.handler, LOOPBACK, 0, backlog=CALLERS)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _measure(options: Options, ask: Any) -> Report:
    count = options.sized(CALLERS, 40)
    commands: list[str] = []
    p50: dict[str, list[float]] = {OURS: [], PANORAMISK: []}
    p99: dict[str, list[float]] = {OURS: [], PANORAMISK: []}
    cpu: dict[str, list[float]] = {OURS: [], PANORAMISK: []}
    for _ in range(options.rounds):
        for name in (OURS, PANORAMISK):
            way = cordboard(options.scratch) if name == OURS else panoramisk(commands)
            async with way as port:
                if not commands:
                    _, commands = await ask(port, 2)  # and what is made once
                spent = time.process_time()
                waits, _ = await ask(port, count)
                cpu[name].append((time.process_time() - spent) / len(waits) * 1000)
            milliseconds = [wait * 1000 for wait in waits]
            p50[name].append(percentile(milliseconds, 50))
            p99[name].append(percentile(milliseconds, 99))
    rows: list[tuple[str | float | None, ...]] = [
        (
            name,
            median(p50[name]),
            median(p99[name]),
            ratio(p99[name], p99[PANORAMISK]),
            median(cpu[name]),
        )
        for name in (OURS, PANORAMISK)
    ]
    head = ("", "p50, ms", "p99, ms", "p99 / panoramisk", "CPU a command, ms")
    words = f"{count} callers, {len(commands)} commands each, from Asterisk's answer to our command"
    bound = Bound("p99 of step overhead", median(p99[OURS]), 10, " ms")
    return Report(TITLE, [Table(words, head, rows)], [bound])


def run(options: Options) -> Report:
    logging.getLogger("panoramisk").setLevel(logging.WARNING)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=asterisk, args=(theirs,), daemon=True
    )
    process.start()

    async def measure() -> Report:
        loop = asyncio.get_running_loop()

        async def ask(*told: Any) -> Any:
            ours.send(told)
            return await loop.run_in_executor(None, ours.recv)

        return await _measure(options, ask)

    try:
        return asyncio.run(measure())
    finally:
        ours.send(None)
        process.join()
