"""`cordboard serve` as a process of its own, and a stand-in for the PBX to put events into it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from argon2 import PasswordHasher

from bench.common import LOOPBACK
from cordboard.cti.link import SNAPSHOT
from cordboard.errors import PeerError
from cordboard.sandbox.tether import tethered

READY_WITHIN = 30.0
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""For hundreds of users whose passwords nobody will ever try."""
_BOOTED = b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"


@dataclass(frozen=True)
class Server:
    pid: int
    http: int
    agi: int

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.http}"

    async def metrics(self) -> dict[str, float]:
        """The samples of /metrics, by name with labels."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.base}/metrics") as got:
            lines = (await got.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}


class StandInPbx:
    """An AMI port that lets everybody in, has no calls, and then says what it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self._events: list[asyncio.StreamWriter] = []

    def send(self, data: bytes) -> None:
        for writer in self._events:
            writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                frame = (await reader.readuntil(b"\r\n\r\n")).decode()
                asked = dict(line.split(": ", 1) for line in frame.split("\r\n") if line)
                self._answer(asked, writer)
        writer.close()

    def _answer(self, asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        mark = f"ActionID: {asked['ActionID']}\r\n"
        told = "CoreStartupDate: 2026-11-22\r\nCoreStartupTime: 10:00:00\r\n"
        told += "AsteriskVersion: 22.10.1\r\n"
        writer.write(f"Response: Success\r\n{mark}{told}\r\n".encode())
        if asked["Action"] == "Login" and asked["Events"] == "on":
            self._events.append(writer)
            writer.write(_BOOTED)
        if asked["Action"] in SNAPSHOT:
            end = f"Event: {asked['Action']}Complete\r\n{mark}EventList: Complete\r\n\r\n"
            writer.write(end.encode())


@asynccontextmanager
async def stand_in_pbx() -> AsyncIterator[StandInPbx]:
    pbx = StandInPbx()
    server = await asyncio.start_server(pbx.serve, LOOPBACK, 0)
    pbx.port = server.sockets[0].getsockname()[1]
    async with server:
        yield pbx


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return int(taken.getsockname()[1])


def write_config(folder: Path, pbx_port: int, database: Path, more: str = "") -> Path:
    (folder / "ami.secret").write_text("secret\n")
    config = folder / "cordboard.toml"
    config.write_text(
        f'[[pbx]]\nname = "pbx"\nport = {pbx_port}\nsecret_file = "ami.secret"\n'
        f'[agi]\nlisten = "{LOOPBACK}:{free_port()}"\n'
        f'[http]\nlisten = "{LOOPBACK}:{free_port()}"\n'
        f'[database]\nurl = "sqlite:///{database}"\n{more}'
    )
    return config


@asynccontextmanager
async def serving(
    config: Path, http: int, agi: int, program: Sequence[str] = ("-m", "cordboard")
) -> AsyncIterator[Server]:
    """The server, ready: the PBX in view and the database open. `program` is how Python is told
    to run it."""
    command = [sys.executable, *program, "serve", "--config", str(config), "--log", "json"]
    log = config.with_suffix(".log")
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *tethered(command), stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said
        )
    try:
        deadline = time.monotonic() + READY_WITHIN
        async with aiohttp.ClientSession() as session:
            while not await _ready(session, http):
                if process.returncode is not None or time.monotonic() > deadline:
                    raise PeerError(f"the server is not ready: {log.read_text()[-2000:]}")
                await asyncio.sleep(0.1)
        yield Server(process.pid, http, agi)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(session: aiohttp.ClientSession, http: int) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"http://{LOOPBACK}:{http}/readyz") as answer:
            return answer.status == 200
    return False
