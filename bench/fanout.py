"""One message to many live streams: how long until the last client has it.

In turn within each round, on one machine: cordboard's hub; a bare aiohttp server that awaits
`send_str` client by client; and the `websockets` library's `broadcast`. The clients are plain
sockets in a process of their own. Read the ratios, not the milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import WSMsgType, web
from prometheus_client import CollectorRegistry
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.common import Options, Report, Table
from cordboard.crm_core.model import User
from cordboard.screenpop.hub import Hub, Limits

TITLE = "Live stream: one message to many"
MESSAGES = 40
"""Of one round for one candidate; the round counts as their median."""
PAYLOAD = {"pbx": {"name": "pbx", "state": "up", "since": "", "stale_since": None, "reason": ""}}
PAYLOAD["pbx"]["reason"] = "x" * 480  # about 600 bytes, as a pop has

Publish = Callable[[int], Awaitable[None]]


def listen_from_outside(pipe: Connection) -> None:
    """The clients' process: connects as told, then says when each message has reached them all."""
    groups: dict[int, list[socket.socket]] = {}
    selector = selectors.DefaultSelector()
    while True:
        command, port, count = pipe.recv()
        if command == "stop":
            return
        if command == "connect":
            groups[port] = [_connect(port) for _ in range(count)]
            for sock in groups[port]:
                selector.register(sock, selectors.EVENT_READ, bytearray())
            pipe.send(None)
            continue
        marker = f'"x{count}"'.encode()  # "expect": each message ends with its own mark
        waiting = set(groups[port])
        pipe.send(None)
        while waiting:
            for key, _ in selector.select():
                client = key.fileobj
                assert isinstance(client, socket.socket)
                key.data.extend(client.recv(262_144))
                if client in waiting and marker in key.data:
                    key.data.clear()
                    waiting.discard(client)
        pipe.send(time.perf_counter())


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(4096)
    return sock


@asynccontextmanager
async def _site(handler: Any) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/ws", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def cordboard(clients: int) -> AsyncIterator[tuple[int, Publish]]:
    hub = Hub(CollectorRegistry(), Limits(sockets_per_user=clients, sessions_per_user=clients))
    user = User("1", "sveta", "Sveta", "supervisor", None, None, None, True)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await hub.connect(request, user, "x")

    async def publish(mark: int) -> None:
        hub.publish({"type": "pbx", **PAYLOAD, "mark": f"x{mark}"})

    async with _site(handler) as port:
        yield port, publish
        await hub.close()


@asynccontextmanager
async def aiohttp_loop(clients: int) -> AsyncIterator[tuple[int, Publish]]:
    sockets: set[web.WebSocketResponse] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, timeout=0.1)
        await ws.prepare(request)
        sockets.add(ws)
        async for message in ws:
            assert message.type is WSMsgType.TEXT
        return ws

    async def publish(mark: int) -> None:
        text = json.dumps({"type": "pbx", "seq": mark, **PAYLOAD, "mark": f"x{mark}"})
        for ws in sockets:
            await ws.send_str(text)

    async with _site(handler) as port:
        yield port, publish


@asynccontextmanager
async def websockets_broadcast(clients: int) -> AsyncIterator[tuple[int, Publish]]:
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async def publish(mark: int) -> None:
        text = json.dumps({"type": "pbx", "seq": mark, **PAYLOAD, "mark": f"x{mark}"})
        broadcast(connections, text)

    server = await serve(
        handler, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.1
    )
    try:
        yield server.sockets[0].getsockname()[1], publish
    finally:
        server.close()
        await server.wait_closed()


CANDIDATES = {
    "aiohttp send_str": aiohttp_loop,
    "cordboard hub": cordboard,
    "websockets broadcast": websockets_broadcast,
}


async def measure(clients: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds to the last client, the median of the rounds, and the ratio to bare aiohttp."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=listen_from_outside, args=(theirs,), daemon=True
    )
    process.start()
    loop = asyncio.get_running_loop()

    async def tell(*command: Any) -> Any:
        ours.send(command)
        return await loop.run_in_executor(None, ours.recv)

    times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    async with AsyncExitStack() as stack:
        running = {}
        for name, candidate in CANDIDATES.items():
            port, publish = await stack.enter_async_context(candidate(clients))
            running[name] = port, publish
            await tell("connect", port, clients)
        mark = 0
        for _ in range(rounds):
            for name, (port, publish) in running.items():
                took = []
                for _ in range(MESSAGES):
                    mark += 1
                    await tell("expect", port, mark)
                    began = time.perf_counter()
                    await publish(mark)
                    took.append(await loop.run_in_executor(None, ours.recv) - began)
                times[name].append(statistics.median(took) * 1000)
        ours.send(("stop", 0, 0))
        await loop.run_in_executor(None, process.join)
    floor = times["aiohttp send_str"]
    return {
        name: {
            "ms": statistics.median(taken),
            "ratio": statistics.median(a / b for a, b in zip(taken, floor, strict=True)),
        }
        for name, taken in times.items()
    }


def run(options: Options) -> Report:
    found = asyncio.run(measure(options.consoles, options.rounds))
    rows: list[tuple[str | float | None, ...]] = [
        (name, figures["ms"], figures["ratio"]) for name, figures in found.items()
    ]
    words = f"one message of 600 bytes to {options.consoles} clients, until the last has it"
    return Report(TITLE, [Table(words, ("", "ms", "/ aiohttp"), rows)])
