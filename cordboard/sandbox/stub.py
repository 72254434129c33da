"""Stand-ins for cordboard's FastAGI server: one that routes at once, and those that misbehave.

async with agi(status, route(CB_ACTION="queue", CB_QUEUE="support-ru")):
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def route(back: Mapping[str, object] | None = None, /, **variables: object) -> Script:
    """Sets these channel variables and then CB_DONE, as cordboard does. `back` are those for a
    caller who comes back from the manager; without them nobody answers that question."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = await environment(reader)
        if told["agi_network_script"] != "back":
            await set_variables(reader, writer, {"CB_LANG": "ru", **variables, "CB_DONE": 1})
        elif back is not None:
            await set_variables(reader, writer, {**back, "CB_DONE": 1})

    return run


def die_after(**variables: object) -> Script:
    """Sets these channel variables and is gone: without CB_DONE among them, half way."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await environment(reader)
        await set_variables(reader, writer, variables)

    return run


async def set_variables(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, variables: Mapping[str, object]
) -> None:
    for name, value in variables.items():
        writer.write(f'SET VARIABLE {name} "{value}"\n'.encode())
        await writer.drain()
        await reader.readline()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts, reads, and never says a word: as a server that hangs."""
    while await reader.readline():
        pass


async def environment(reader: asyncio.StreamReader) -> dict[str, str]:
    """What Asterisk tells about the call, up to the blank line."""
    told: dict[str, str] = {}
    while (line := (await reader.readline()).decode(errors="replace").strip()) != "":
        name, _, value = line.partition(": ")
        told[name] = value
    return told


@contextlib.asynccontextmanager
async def agi(status: Mapping[str, Any], script: Script) -> AsyncIterator[None]:
    """Run the script for each call, on the port that the sandbox's dialplan asks."""

    clients: set[asyncio.StreamWriter] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(writer)
        with contextlib.suppress(ConnectionError):
            await script(reader, writer)
        clients.discard(writer)
        writer.close()

    server = await asyncio.start_server(one, status["agi"]["host"], status["agi"]["port"])
    try:
        yield
    finally:
        server.close()
        for client in clients:
            client.close()
        await server.wait_closed()


@contextlib.contextmanager
def deaf(status: Mapping[str, Any], backlog: int = 100) -> Iterator[None]:
    """A listener that never accepts: the kernel completes the connections all the same."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((status["agi"]["host"], status["agi"]["port"]))
        listener.listen(backlog)
        yield


@contextlib.contextmanager
def clogged(status: Mapping[str, Any]) -> Iterator[None]:
    """A listener whose backlog is full: further connections get no answer, as in a black hole."""
    with deaf(status, backlog=0), contextlib.ExitStack() as held:
        for _ in range(4):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((status["agi"]["host"], status["agi"]["port"]))
        yield
