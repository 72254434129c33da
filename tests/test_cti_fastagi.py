"""The FastAGI server against sessions that are cut, slow, too many, or not Asterisk at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cordboard.cti import fastagi
from cordboard.cti.fastagi import AgiSession, FastAgiServer, HungUp
from cordboard.errors import PeerError

ENV = (
    b"agi_network: yes\nagi_network_script: route?x=1\nagi_uniqueid: 1.2\n"
    b"agi_callerid: 100\nagi_arg_1: first\nagi_arg_2: \n\n"
)
Handler = Callable[[AgiSession], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Handler, limit: int = 10) -> AsyncIterator[FastAgiServer]:
    server = FastAgiServer("127.0.0.1", 0, handle, limit)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def dial(server: FastAgiServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*server.address)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server closes."""
    async with asyncio.timeout(60):
        return await reader.read()


async def idle(session: AgiSession) -> None:
    return


async def test_a_session_knows_its_script_and_arguments_and_gets_its_replies() -> None:
    seen: list[object] = []

    async def handle(session: AgiSession) -> None:
        seen.extend([session.path, session.arguments, session.env["agi_callerid"]])
        seen.append((await session.execute("GET VARIABLE", "X")).data)
        await session.set_variable("CB_DONE", 1)

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        assert await reader.readline() == b'GET VARIABLE "X"\n'
        writer.write(b"200 result=1 (value)\n")
        assert await reader.readline() == b'SET VARIABLE "CB_DONE" "1"\n'
        writer.write(b"200 result=1\n")
        assert await closed(reader) == b""
        writer.close()
    assert seen == ["route", ("first", ""), "100", "value"]


async def test_an_environment_in_pieces_of_one_byte_is_read() -> None:
    done = asyncio.Event()

    async def handle(session: AgiSession) -> None:
        done.set()

    async with serving(handle) as server:
        _, writer = await dial(server)
        for byte in ENV:
            writer.write(bytes([byte]))
            await writer.drain()
        async with asyncio.timeout(60):
            await done.wait()
        writer.close()


async def test_a_hangup_line_between_replies_shifts_none() -> None:
    results: list[str] = []

    async def handle(session: AgiSession) -> None:
        results.extend([(await session.execute("NOOP")).result for _ in range(2)])

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await reader.readline()
        writer.write(b"HANGUP\n200 result=1\n")
        await reader.readline()
        writer.write(b"200 result=2\n")
        await closed(reader)
        writer.close()
    assert results == ["1", "2"]


async def test_a_dead_channel_is_hung_up_and_not_broken() -> None:
    raised: list[type] = []

    async def handle(session: AgiSession) -> None:
        try:
            await session.execute("ANSWER")
        except PeerError as error:
            raised.append(type(error))
            raise

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await reader.readline()
        writer.write(b"511 Command Not Permitted on a dead channel\n")
        await closed(reader)
        writer.close()
        assert server.counters.broken == 0
    assert raised == [HungUp]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"agi_network: yes\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"x" * 200_000,
        b"agi_x: 1\n" * 500,
        b"\x16\x03\x01\x02\x00\x01\n\n",
    ],
)
async def test_what_is_not_asterisk_is_closed_and_counted(sent: bytes) -> None:
    async with serving(idle) as server:
        reader, writer = await dial(server)
        writer.write(sent)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):  # closed with our bytes unread
            await closed(reader)
        writer.close()
        assert server.counters.broken == 1


async def test_a_reply_that_is_none_ends_the_session() -> None:
    async def handle(session: AgiSession) -> None:
        await session.execute("NOOP")

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await reader.readline()
        writer.write(b"what?\n")
        await closed(reader)
        writer.close()
        assert server.counters.broken == 1


async def test_a_step_without_a_reply_ends_at_its_deadline() -> None:
    async def handle(session: AgiSession) -> None:
        await session.execute("NOOP", within=0.05)

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await closed(reader)
        writer.close()
        assert server.counters.broken == 1


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastagi, "ENV_WITHIN", 0.05)
    async with serving(idle) as server:
        reader, writer = await dial(server)
        await closed(reader)
        writer.close()
        assert server.counters.broken == 1


async def test_one_session_too_many_is_refused_at_once_and_the_others_go_on() -> None:
    release = asyncio.Event()

    async def handle(session: AgiSession) -> None:
        await session.execute("NOOP")
        await release.wait()

    async with serving(handle, limit=2) as server:
        held = [await dial(server) for _ in range(2)]
        for reader, writer in held:
            writer.write(ENV)
            await reader.readline()
        reader, writer = await dial(server)
        assert await closed(reader) == b""
        writer.close()
        assert server.counters.refused == 1
        release.set()
        for reader, writer in held:
            writer.write(b"200 result=1\n")
            assert await closed(reader) == b""
            writer.close()


async def test_stopping_closes_the_sessions_that_wait() -> None:
    async def handle(session: AgiSession) -> None:
        await session.execute("NOOP")

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await reader.readline()
        await server.stop()
        assert await closed(reader) == b""
        writer.close()


async def test_lines_that_nobody_asked_for_end_the_session() -> None:
    async def handle(session: AgiSession) -> None:
        await session.execute("NOOP")
        await asyncio.sleep(0.2)
        await session.execute("NOOP")

    async with serving(handle) as server:
        reader, writer = await dial(server)
        writer.write(ENV)
        await reader.readline()
        writer.write(b"200 result=1\n" * 100_000)
        with contextlib.suppress(ConnectionError):
            await closed(reader)
        writer.close()
        assert server.counters.broken == 1
