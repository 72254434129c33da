"""Feeds spoilt AMI to the link, the call model and the board, and sees whether anything breaks.

    python -m tools.fuzz 600 [--seed 7] [--out tests/corpus]

The recordings in tests/traces and what stands in tests/corpus are cut, mixed, repeated and forged.
No exception may leave the link, the model or the board, and when all is over nothing may be left
in memory. Input that breaks something is written to the folder `--out` as crash-SEED-N.bin. How
the bytes are cut and what the PBX answers follow from the input itself, so the file alone brings
the fault back: `python -m tools.fuzz --file F`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import time
import traceback
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from cordboard.config import share
from cordboard.crm_core.model import User
from cordboard.cti.ami import Message
from cordboard.cti.calls import CallModel
from cordboard.cti.connection import Connection, LinkCounters
from cordboard.cti.doubts import WAITING, Doubts
from cordboard.desk.arrivals import ARRIVAL_KEPT
from cordboard.desk.board import Board
from cordboard.desk.commands import Command, FindCustomer
from cordboard.desk.facts import CustomerFound, Tick, UsersChanged
from cordboard.desk.model import Rules
from cordboard.events import PbxName
from cordboard.queue.policy import Policy
from cordboard.screenpop import render

TESTS = Path(__file__).parents[1] / "tests"
PBX = PbxName("pbx")
POLICY = Policy.parse(share("routing.toml").read_text(encoding="utf-8"))
END = b"\r\n\r\n"
FORGERIES = (
    b"1\r\nUniqueid: 6.6",
    b"\r\n\r\nEvent: Hangup\r\nPrivilege: c\r\nUniqueid: 6.6\r\n\r\n",
    b"\n\nEvent: Hangup\nPrivilege: c\nUniqueid: 6.6\nX: ",
    b"7\r\nPriority: 1\r\nUniqueid: 6.6\r\nLinkedid: 6.6\r\n\r\n",
    b"\r\n\r\nEvent: AgentCalled\r\nDestChannel: PJSIP/1001-6\r\nDestUniqueid: 6.6\r\n",
    b"\r\n\r\nEvent: UserEvent\r\nPrivilege: u\r\nUserEvent: CordboardQueue\r\nX: ",
    b"\r\n\r\nResponse: Success\r\nActionID: 1\r\n\r\n",
    b"\r\n\r\nEvent: FullyBooted\r\nPrivilege: s\r\n\r\nEvent: Shutdown\r\n\r\n",
)
NOISE = (
    b"\xef\xbb\xbf",
    b"\xff\xfe\xc3",
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n",
    END,
    b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"Asterisk Call Manager/11.0.0\r\n",
    b"Event: CoreShowChannelsComplete\r\nActionID: 1\r\nEventList: Complete\r\n\r\n",
    b"Event: QueueStatusComplete\r\nActionID: list\r\nEventList: Complete\r\nListItems: 9\r\n\r\n",
    b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n",
)
VALUES = (
    b"",
    b"-1",
    b"<unknown>",
    b"unknown",
    b"nan",
    b"inf",
    b"1e400",
    b"9" * 400,
    b"\xd0",
    b": ",
)


class Transport(asyncio.Transport):
    """Takes what is sent, and nothing more."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        return

    def abort(self) -> None:
        return


class Rig:
    """What one PBX's bytes go through in the server, without a socket, a store or a browser."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.now = 1_800_000_000.0
        self.model = CallModel(PBX)
        self.board = Board(Rules(POLICY, ZoneInfo("UTC"), 30, 20, 5))
        self.connection = Connection(LinkCounters(), self.hear, self.doubt)
        self.connection.connection_made(Transport())
        self.doubts = Doubts(self.connection.sieve, self.answer, self.hear, lambda reason: None)
        users = [
            User(str(i), f"op{i}", f"Op {i}", "operator", f"PJSIP/{i}", None, "en", True)
            for i in range(1001, 1011)
        ]
        self.carry_out(self.board.apply(UsersChanged(tuple(users)), self.now))

    def hear(self, message: Message, born: float = 0.0) -> None:
        for fact in self.model.feed(message, self.now):
            self.carry_out(self.board.apply(fact, self.now))

    def doubt(self, judged: object, born: float) -> None:
        self.doubts.add(judged, born)  # type: ignore[arg-type]

    async def answer(self, action: str, fields: Mapping[str, str]) -> Message:
        """A PBX that knows the channel, or not, or says something else."""
        assert action == "Getvar"
        value = self.random.choice(["1800000000.1", "1800000000.2", "6.6", "", "\x00\ud800"[:1]])
        if self.random.random() < 0.3:
            return Message({"Response": "Error", "Message": "No such channel"})
        return Message({"Response": "Success", "Value": value})

    def carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, FindCustomer):
                found = CustomerFound(PBX, command.linkedid, None, None, None)
                self.carry_out(self.board.apply(found, self.now))
            elif isinstance(command, render.Shown):
                render.message(command, "RUB", {})

    async def feed(self, data: bytes) -> None:
        """All bytes, cut anywhere, with snapshots and seconds in between; then the end."""
        self.snapshot(begin=True)
        place = 0
        while place < len(data):
            size = self.random.choice((1, 7, 100, 1460, 65536))
            self.connection.data_received(data[place : place + size])
            place += size
            chance = self.random.random()
            if chance < 0.02:
                self.tick(self.random.choice((0.2, 1.5, 60.0)))
            elif chance < 0.03:
                self.snapshot(begin=self.random.random() < 0.5)
            if chance < 0.1:
                await self.asked()
        await self.asked()
        assert len(self.connection.sieve._names) <= 60_000

    async def asked(self) -> None:
        waiting = self.doubts._waiting
        assert waiting.qsize() <= WAITING
        while not waiting.empty():
            judged, born = waiting.get_nowait()
            await self.doubts._settle_one(judged.message, born)
            waiting.task_done()

    def snapshot(self, begin: bool) -> None:
        step = self.model.snapshot_began if begin else self.model.snapshot_done
        for fact in step(self.now):
            self.carry_out(self.board.apply(fact, self.now))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        for fact in self.model.tick(self.now):
            self.carry_out(self.board.apply(fact, self.now))
        self.carry_out(self.board.apply(Tick(), self.now))
        self.board.show_queues()

    def over(self) -> None:
        """An empty snapshot and time: nothing is left."""
        for _ in range(2):
            self.snapshot(begin=True)
            for done in ("CoreShowChannelsComplete", "QueueStatusComplete"):
                self.hear(Message({"Event": done, "ListItems": "0"}))
            self.snapshot(begin=False)
            self.tick(5.0)
        self.tick(ARRIVAL_KEPT + 60)
        kept = self.model.held | self.board.held
        assert not kept, f"left over: {kept}"


def spoil(chance: random.Random, corpus: list[bytes]) -> bytes:
    """One of the corpus, changed in one to six ways."""
    data = chance.choice(corpus)
    for _ in range(chance.randint(1, 6)):
        data = _change(chance, data, corpus)
    return data[:4_000_000]


def _change(chance: random.Random, data: bytes, corpus: list[bytes]) -> bytes:
    at, to = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    frames = data.split(END)
    match chance.randrange(14):
        case 0 if data:
            spoilt = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
            return bytes(spoilt)
        case 1:
            return data[:at] + data[at + chance.randint(1, 300) :]
        case 2:
            return data[:at]
        case 3:
            other = chance.choice(corpus)
            return data[:at] + other[chance.randint(0, len(other)) :]
        case 4:
            return data[:at] + chance.choice(NOISE) + data[at:]
        case 5:
            chance.shuffle(frames)
            return END.join(frames)
        case 6:
            for _ in range(chance.randint(1, 9)):
                frames.insert(chance.randint(0, len(frames)), chance.choice(frames))
            return END.join(frames)
        case 7:
            frames = [frame for frame in frames if chance.random() > 0.2]
            return END.join(frames) + END
        case 8 | 9:
            key = chance.choice((b"CallerIDNum: ", b"Exten: ", b"ConnectedLineNum: ", b"Queue: "))
            text = chance.choice(FORGERIES)[: chance.randint(1, 79)]
            often = -1 if chance.random() < 0.5 else chance.randint(1, 3)
            return data.replace(key, key + text, often)
        case 10:
            lines = data.split(b"\r\n")
            for _ in range(chance.randint(1, 20)):
                place = chance.randrange(len(lines))
                lines[place] = lines[place].partition(b": ")[0] + b": " + chance.choice(VALUES)
            return b"\r\n".join(lines)
        case 11:
            lines = data.split(b"\r\n")
            one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            return b"\r\n".join(lines)
        case 12:
            huge = b"Event: UserEvent\r\nPrivilege: user,all\r\nX: " + b"y" * chance.choice(
                (9_000, 90_000)
            )
            return data[:at] + END + huge + END + data[at:]
        case _:
            return data[:at] + data[at:to] * chance.randint(2, 4) + data[to:]


def corpus() -> list[bytes]:
    files = [*sorted((TESTS / "traces").glob("*.ami")), *sorted((TESTS / "corpus").glob("*.bin"))]
    return [path.read_bytes() for path in files]


async def run_one(data: bytes) -> None:
    """Raises what the input breaks."""
    rig = Rig(zlib.crc32(data))
    await rig.feed(data)
    rig.over()


async def _run(seconds: float, seed: int, out: Path) -> int:
    chance, known = random.Random(seed), corpus()  # noqa: S311
    began, runs, size, broken = time.monotonic(), 0, 0, 0
    seen: set[str] = set()
    while time.monotonic() - began < seconds:
        data = spoil(chance, known)
        runs, size = runs + 1, size + len(data)
        try:
            await run_one(data)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} {where.filename}:{where.lineno} {str(error)[:80]}"
            broken += 1
            if fault not in seen:
                seen.add(fault)
                out.mkdir(parents=True, exist_ok=True)
                path = out / f"crash-{seed}-{len(seen)}.bin"
                path.write_bytes(data)
                print(f"{path}: {fault}", flush=True)
    print(f"seed {seed}: {runs} inputs, {size / 1e6:.0f} MB, {broken} broke {len(seen)} things")
    return 1 if seen else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("seconds", type=float, nargs="?", default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--file", type=Path, help="run this input alone")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.file:
        asyncio.run(run_one(options.file.read_bytes()))
        return 0
    print(f"seed {options.seed}", flush=True)
    return asyncio.run(_run(options.seconds, options.seed, options.out))


if __name__ == "__main__":
    sys.exit(main())
