"""The proxy of the fault tests does what it says: else they would prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from proxy import Proxy, name_of, proxied

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


class Pbx:
    """The far end: greets, keeps what it hears, and says what it is told to."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.writer: asyncio.StreamWriter | None = None
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        writer.write(GREETING)
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                self.heard += data
        self.ended.set()
        writer.close()

    def say(self, *events: str) -> None:
        assert self.writer
        self.writer.write(b"".join(f"Event: {name}\r\nA: 1\r\n\r\n".encode() for name in events))


Line = tuple[Pbx, Proxy, asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def through() -> AsyncIterator[Line]:
    pbx = Pbx()
    server = await asyncio.start_server(pbx.serve, "127.0.0.1", 0)
    async with proxied("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.readuntil(b"\r\n") == GREETING
        try:
            yield pbx, proxy, reader, writer
        finally:
            writer.transport.abort()
            await asyncio.wait_for(pbx.ended.wait(), 5)
            server.close()
    await server.wait_closed()


async def frames(reader: asyncio.StreamReader, count: int) -> list[str]:
    async with asyncio.timeout(60):
        return [name_of(await reader.readuntil(b"\r\n\r\n")) for _ in range(count)]


async def test_what_is_said_on_either_side_arrives_on_the_other() -> None:
    async with through() as (pbx, _, reader, writer):
        pbx.say("One", "Two")
        assert await frames(reader, 2) == ["One", "Two"]
        writer.write(b"Action: Ping\r\n\r\n")
        async with asyncio.timeout(60):
            while pbx.heard != b"Action: Ping\r\n\r\n":
                await asyncio.sleep(0.01)


async def test_a_stall_holds_everything_back_and_loses_nothing() -> None:
    async with through() as (pbx, proxy, reader, _):
        proxy.stall()
        pbx.say("Held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        proxy.healthy()
        assert await frames(reader, 1) == ["Held"]


async def test_a_reset_is_an_error_on_both_sides() -> None:
    async with through() as (pbx, proxy, reader, _):
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        await asyncio.wait_for(pbx.ended.wait(), 5)


async def test_a_cut_leaves_half_a_frame() -> None:
    async with through() as (pbx, proxy, reader, _):
        proxy.cut("fin")
        pbx.say("Halved")
        whole = b"Event: Halved\r\nA: 1"
        assert await asyncio.wait_for(reader.read(-1), 5) == whole[: len(whole) // 2]


async def test_a_plan_repeats_delays_and_loses_frames() -> None:
    plans = {"Twice": (0.0, 0.1), "Late": (0.05,), "Lost": ()}
    async with through() as (pbx, proxy, reader, _):
        proxy.down.plan = lambda frame: plans.get(name_of(frame), (0.0,))
        pbx.say("Lost", "Late", "Twice", "Plain")
        assert await frames(reader, 4) == ["Twice", "Plain", "Late", "Twice"]


async def test_a_throttle_takes_its_time() -> None:
    async with through() as (pbx, proxy, reader, _):
        proxy.down.rate = 1000
        began = asyncio.get_running_loop().time()
        pbx.say("X" * 285)  # 300 bytes and some
        await frames(reader, 1)
        assert asyncio.get_running_loop().time() - began > 0.25
