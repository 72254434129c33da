"""Hundreds of consoles in a process of their own: plain sockets that read the live stream.

They cost as little CPU as can be, for they share the machine with the server that is measured.
They answer pings, as every browser does, and acknowledge nothing: the server's figures for
painted pops are then those of the one real browser.
"""

from __future__ import annotations

import selectors
import socket
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.common import LOOPBACK

_PING = 0x89
_PONG = b"\x8a\x80\0\0\0\0"  # masked, with nothing in it
_HEADERS = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
_KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@dataclass
class Console:
    sock: socket.socket
    buffer: bytes = b""
    frames: int = 0
    octets: int = 0

    def read(self) -> bool:
        """False when the server has closed the connection."""
        data = self.sock.recv(262_144)
        self.take(data)
        return bool(data)

    def take(self, data: bytes) -> None:
        self.octets += len(data)
        data, at = self.buffer + data, 0
        while (size := _frame(data, at)) is not None:
            if data[at] == _PING:
                self.sock.sendall(_PONG)
            self.frames += 1
            at += size
        self.buffer = data[at:]


def _frame(data: bytes, at: int) -> int | None:
    """The size of the frame at `at`, once it is there as a whole. A server masks nothing."""
    if len(data) < at + 2:
        return None
    size, head = data[at + 1], 2
    if size > 125:
        head = 4 if size == 126 else 10
        size = int.from_bytes(data[at + 2 : at + head], "big")
    return head + size if len(data) >= at + head + size else None


def connect(port: int, token: str) -> Console:
    sock = socket.create_connection((LOOPBACK, port))
    sock.sendall(
        f"GET /api/v1/stream HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n{_HEADERS}{_KEY}"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(65_536)
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(head.decode())
    console = Console(sock)
    console.take(rest)
    while not console.frames:  # the snapshot
        console.read()
    return console


def read_along(port: int, tokens: list[str], pipe: Connection) -> None:
    """Connects them all, says so, reads until it is told to stop, and tells what came."""
    selector = selectors.DefaultSelector()
    consoles = [connect(port, token) for token in tokens]
    for console in consoles:
        selector.register(console.sock, selectors.EVENT_READ, console)
    selector.register(pipe, selectors.EVENT_READ, None)
    pipe.send(len(consoles))
    cut = 0
    while True:
        for key, _ in selector.select():
            if key.data is None:
                frames = sum(console.frames for console in consoles)
                pipe.send((frames, sum(console.octets for console in consoles), cut))
                return
            if not key.data.read():
                selector.unregister(key.fileobj)
                cut += 1
