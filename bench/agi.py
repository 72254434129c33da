"""FastAGI sessions of 20 commands: cordboard, panoramisk, and the least that asyncio can do.

Asterisk's side is a process of its own. All servers live in this process, each on its own port,
and are asked in turn within each round, so the CPU of a session is this process's alone.

- bare protocol: `asyncio.Protocol` that splits lines and looks at nothing.
- panoramisk: `fast_agi.Application`.
- cordboard: `FastAgiServer`, with deadlines for each step and the reply parsed in full.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

from bench.asking import environment
from bench.common import LOOPBACK, Options, Report, Table, median, percentile, ratio
from cordboard.cti.fastagi import AgiSession, FastAgiServer

TITLE = "FastAGI: sessions of 20 commands"
COMMANDS = 20
AT_ONCE = 32
"""Sessions at a time when the rate is measured."""
CROWD, LASTING = 500, 1.0
"""Sessions that all come at the same moment, and how long Asterisk takes over each, in seconds."""
BARE, PANORAMISK, OURS = "bare protocol", "panoramisk.fast_agi", "cordboard"
ENVIRONMENT = environment("1800000000.1", "79161234567")


class Asking(asyncio.Protocol):
    """Asterisk's side of one session: answers each command after `pause` seconds."""

    def __init__(self, pause: float) -> None:
        self.over: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pause = pause
        self._began = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(ENVIRONMENT)

    def data_received(self, data: bytes) -> None:
        answer = b"200 result=1\n" * data.count(b"\n")
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(time.perf_counter() - self._began)


async def _sessions(port: int, count: int, at_once: int, pause: float) -> list[float]:
    """Seconds that each session took, from before its connection to its end."""
    loop = asyncio.get_running_loop()
    left = iter(range(count))
    took: list[float] = []

    async def one_after_the_other() -> None:
        for _ in left:
            began = time.perf_counter()
            _, asking = await loop.create_connection(lambda: Asking(pause), LOOPBACK, port)
            await asking.over
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return took


def asterisk(pipe: Connection) -> None:
    """The other process: does as it is told, and says how long each session took."""
    while (told := pipe.recv()) is not None:
        pipe.send(asyncio.run(_sessions(*told)))


@asynccontextmanager
async def cordboard() -> AsyncIterator[int]:
    async def handle(session: AgiSession) -> None:
        for index in range(COMMANDS):
            await session.set_variable("CB_VALUE", index)

    server = FastAgiServer(LOOPBACK, 0, handle, CROWD * 2)
    await server.start()
    try:
        yield server.address[1]
    finally:
        await server.stop()


@asynccontextmanager
async def panoramisk() -> AsyncIterator[int]:
    from panoramisk.fast_agi import Application  # type: ignore[import-untyped]

    async def handle(request: Any) -> None:
        for index in range(COMMANDS):
            await request.send_command(f'SET VARIABLE CB_VALUE "{index}"')

    application = Application(loop=asyncio.get_running_loop())
    application.add_route("route", handle)
    server = await asyncio.start_server(application.handler, LOOPBACK, 0, backlog=CROWD)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Bare(asyncio.Protocol):
    def __init__(self) -> None:
        self._tail = b""
        self._asked = 0
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            if not self._begun:
                self._begun = line == b""
                if not self._begun:
                    continue
            if self._asked == COMMANDS:
                self._transport.close()
                return
            self._transport.write(b'SET VARIABLE CB_VALUE "%d"\n' % self._asked)
            self._asked += 1


@asynccontextmanager
async def bare() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Bare, LOOPBACK, 0, backlog=CROWD)
    async with server:
        yield server.sockets[0].getsockname()[1]


CANDIDATES: dict[str, Callable[[], AbstractAsyncContextManager[int]]] = {
    BARE: bare,
    OURS: cordboard,
    PANORAMISK: panoramisk,
}


async def _measure(options: Options, ask: Callable[..., Any]) -> Report:
    count = options.sized(1_500, 300)
    rate: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    cpu: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    crowd: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(options.rounds):
        for name, candidate in CANDIDATES.items():
            async with candidate() as port:
                await ask(port, AT_ONCE, AT_ONCE, 0.0)  # what is made once
                began, spent = time.perf_counter(), time.process_time()
                await ask(port, count, AT_ONCE, 0.0)
                rate[name].append(count / (time.perf_counter() - began))
                cpu[name].append((time.process_time() - spent) / count * 1000)
    for _ in range(max(1, options.rounds // 2)):
        for name, candidate in CANDIDATES.items():
            async with candidate() as port:
                took = await ask(port, CROWD, CROWD, LASTING / COMMANDS)
                crowd[name].append(percentile(took, 99))
    rows: list[tuple[str | float | None, ...]] = [
        (
            name,
            median(rate[name]),
            median(cpu[name]),
            ratio(cpu[name], cpu[BARE]),
            ratio(cpu[name], cpu[PANORAMISK]),
            median(crowd[name]),
        )
        for name in CANDIDATES
    ]
    head = (
        "",
        "sessions/s",
        "CPU a session, ms",
        "/ bare",
        "/ panoramisk",
        f"{CROWD} at once, p99 s",
    )
    words = (
        f"{count} sessions a round, {AT_ONCE} at a time; then {CROWD} at once, each "
        f"{LASTING:g} s long of itself"
    )
    return Report(TITLE, [Table(words, head, rows)])


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
