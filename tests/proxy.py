"""A TCP proxy that misbehaves on request: it stalls, resets, cuts in mid-frame, throttles, repeats,
delays and loses. It stands between cordboard and the PBX's AMI port (or any other port).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

Plan = Callable[[bytes], Sequence[float]]
"""For one AMI frame the delays, in seconds, after which it is sent: `(0,)` as it came, `()` never,
`(0, 1)` at once and once more, `(2,)` late."""

FRAME_END = b"\r\n\r\n"
CHUNK = 16_384
BUFFER = 65_536
"""Bytes of the kernel's buffer on either side, so that a slow reader is felt soon."""


def name_of(frame: bytes) -> str:
    """The event's name; empty for a reply."""
    first = frame.partition(b"\r\n")[0]
    return first[7:].decode() if first.startswith(b"Event: ") else ""


class Way:
    """One direction. All may be changed while connections are open."""

    def __init__(self) -> None:
        self.rate: float | None = None
        """Bytes a second; None for as fast as it goes."""
        self.plan: Plan | None = None
        self.forwarded = 0
        """Bytes that went through."""
        self._open = asyncio.Event()
        self._open.set()

    def stall(self) -> None:
        """Forwards nothing until `go_on`; nothing is lost either."""
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    async def opened(self) -> None:
        await self._open.wait()


class Proxy:
    """Listens on a free port of its own and connects on to `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.up, self.down = Way(), Way()
        self.accepted = 0
        self.refusing = False
        """New connections are reset at once."""
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server
        self._server.close()
        self.healthy()
        for link in list(self._links):
            link.end("reset")
        while self._links:
            await asyncio.sleep(0)
        await self._server.wait_closed()

    def healthy(self) -> None:
        """All faults off, in both directions. Open connections go on."""
        self.refusing = False
        for way in (self.up, self.down):
            way.rate, way.plan = None, None
            way.go_on()

    def stall(self) -> None:
        """Connections are accepted and nothing moves, in either direction."""
        self.up.stall()
        self.down.stall()

    def reset(self) -> None:
        """Every open connection gets an RST."""
        for link in list(self._links):
            link.end("reset")

    def cut(self, how: Literal["reset", "fin"]) -> None:
        """Half of the next frame that each connection brings down is forwarded, then it ends."""
        for link in self._links:
            link.cut = how

    def say(self, data: bytes) -> None:
        """Bytes of our own, downwards, on every connection: between frames if a plan is set."""
        for link in self._links:
            link.say(data)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        self.accepted += 1
        try:
            if self.refusing:
                link.end("reset")
            else:
                await link.run(*self._target)
        finally:
            self._links.discard(link)


class _Link:
    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.cut: Literal["reset", "fin"] | None = None
        self._proxy = proxy
        self._near = (reader, writer)
        self._far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._over = asyncio.Event()
        self._late: set[asyncio.TimerHandle] = set()

    async def run(self, host: str, port: int) -> None:
        try:
            far = socket.socket()
            far.setblocking(False)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            await asyncio.get_running_loop().sock_connect(far, (host, port))
            self._far = await asyncio.open_connection(sock=far, limit=CHUNK)
        except OSError:
            far.close()
            self.end("reset")
            return
        near_reader, near_writer = self._near
        far_reader, far_writer = self._far
        pumps = [
            asyncio.create_task(self._pump(near_reader, far_writer, self._proxy.up, down=False)),
            asyncio.create_task(self._pump(far_reader, near_writer, self._proxy.down, down=True)),
        ]
        over = asyncio.create_task(self._over.wait())
        # One side's end is the other's: nobody half-closes AMI.
        await asyncio.wait([*pumps, over], return_when=asyncio.FIRST_COMPLETED)
        for task in (*pumps, over):
            task.cancel()
        await asyncio.gather(*pumps, over, return_exceptions=True)
        self.end("fin")
        for timer in self._late:
            timer.cancel()

    def say(self, data: bytes) -> None:
        self._near[1].write(data)

    def end(self, how: Literal["reset", "fin"]) -> None:
        for _, writer in (self._near, *([self._far] if self._far else [])):
            if how == "reset" and not writer.transport.is_closing():
                handle = writer.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            writer.close()
        self._over.set()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, *, down: bool
    ) -> None:
        tail, greeted = b"", not down
        with suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await way.opened()
                tail += data
                if not greeted and (end := tail.find(b"\r\n")) >= 0:
                    # The greeting is a line by itself; frames begin after it.
                    await self._write(writer, tail[: end + 2], way)
                    tail, greeted = tail[end + 2 :], True
                if way.plan is None and not (down and self.cut):
                    await self._write(writer, tail, way)
                    tail = b""
                    continue
                *frames, tail = tail.split(FRAME_END)
                for frame in frames:
                    if down and self.cut:
                        await self._write(writer, frame[: len(frame) // 2], way)
                        self.end(self.cut)
                        return
                    for delay in way.plan(frame) if way.plan else (0,):
                        await self._send(writer, frame + FRAME_END, way, delay)

    async def _send(
        self, writer: asyncio.StreamWriter, data: bytes, way: Way, delay: float
    ) -> None:
        if not delay:
            await self._write(writer, data, way)
            return

        def late() -> None:
            self._late.discard(timer)
            if not writer.is_closing():
                writer.write(data)

        timer = asyncio.get_running_loop().call_later(delay, late)
        self._late.add(timer)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes, way: Way) -> None:
        while data:
            rate = way.rate
            step = len(data) if rate is None else max(1, int(rate / 20))
            writer.write(data[:step])
            way.forwarded += len(data[:step])
            data = data[step:]
            await writer.drain()
            if rate is not None:
                await asyncio.sleep(step / rate)


@asynccontextmanager
async def proxied(host: str, port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(host, port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
