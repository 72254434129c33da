"""Somebody else's system: a real HTTP server that is asked for customers and takes webhooks, in
whatever mood a test wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Mood = Callable[[web.Request], Awaitable[web.StreamResponse]]

GOOD = {"customer": {"class": "GOLD", "name": "Мария", "balance": "-12.50", "contracts": []}}


@dataclass(frozen=True)
class Heard:
    """A request as it came. `at` is the loop's time."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float


def says(value: Any, status: int = 200) -> Mood:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(value), status=status, content_type="application/json")

    return answer


def sends(body: bytes, status: int = 200, **headers: str) -> Mood:
    async def answer(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers=named)

    return answer


def late(seconds: float, mood: Mood) -> Mood:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await mood(request)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """A black hole: the question is read, and nothing follows."""
    await asyncio.sleep(3600)
    raise AssertionError


async def trickles(request: web.Request) -> web.StreamResponse:
    """Never silent for long, and never done."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def floods(request: web.Request) -> web.StreamResponse:
    """A body without an end, as fast as it is read."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"[" * 65536)


async def cuts(request: web.Request) -> web.StreamResponse:
    """The connection ends in the middle of the body."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"customer"')
    assert request.transport
    request.transport.abort()
    return response


class OutsideSystem:
    """`mood` answers; `heard` are all requests in order."""

    def __init__(self) -> None:
        self.mood: Mood = says(GOOD)
        self.heard: list[Heard] = []
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._changed = asyncio.Condition()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        """Waits until requests that came make `condition` true."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        mood = self.mood
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        body, at = await request.read(), asyncio.get_running_loop().time()
        heard = Heard(request.method, request.path_qs, dict(request.headers), body, at)
        async with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()
        try:
            return await mood(request)
        finally:
            self.open -= 1


@asynccontextmanager
async def outside_system(port: int = 0) -> AsyncIterator[OutsideSystem]:
    system = OutsideSystem()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", system._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    system.port = runner.addresses[0][1]
    try:
        yield system
    finally:
        await runner.cleanup()
