"""Loopback ports for sandboxes that run side by side on one machine.

Each sandbox takes one block of a thousand ports, below the range from which the kernel hands out
ports by itself (32768 and up). The first port of the block is Asterisk's SIP port: while a
sandbox lives, nobody else can bind it, and that is what marks the block as taken.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cordboard.errors import UserError

LOOPBACK = "127.0.0.1"
_FIRST, _LAST, _BLOCK = 11000, 31000, 1000


@dataclass(frozen=True)
class Ports:
    """One sandbox's ports, all on loopback."""

    base: int

    @property
    def sip(self) -> int:
        """UDP, Asterisk."""
        return self.base

    @property
    def mobile(self) -> int:
        """UDP: where calls to the outside world arrive, for a SIPp that plays the mobile."""
        return self.base + 1

    @property
    def ami(self) -> int:
        """TCP, Asterisk."""
        return self.base + 2

    @property
    def agi(self) -> int:
        """TCP: where cordboard, or a stand-in for it, listens."""
        return self.base + 3

    @property
    def rtp(self) -> tuple[int, int]:
        """UDP, Asterisk's media: first and last port."""
        return self.base + 10, self.base + 599

    @property
    def phones(self) -> tuple[int, int]:
        """UDP, for SIPp's own sockets: first and last port."""
        return self.base + 600, self.base + 999


def free(port: int, kind: socket.SocketKind) -> bool:
    """Whether nobody holds this loopback port now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # Asterisk sets it too; without it connections in TIME_WAIT would count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def listened_to(port: int) -> bool:
    """Whether a UDP socket has this port. To ask by binding it would, for a moment, take it from
    whoever is about to."""
    lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") for line in lines)


def _usable(ports: Ports, *, known: bool) -> bool:
    """`known`: it was ours before, and cordboard and the mobile may be waiting for us there."""
    asterisk = free(ports.sip, socket.SOCK_DGRAM) and free(ports.ami, socket.SOCK_STREAM)
    others = known or (
        free(ports.mobile, socket.SOCK_DGRAM) and free(ports.agi, socket.SOCK_STREAM)
    )
    return asterisk and others


@contextmanager
def claim(preferred: int | None) -> Iterator[Ports]:
    """A free block, the preferred one if it is free, which nobody else can claim until the
    context ends: keep it until Asterisk holds its SIP port.

    Raises UserError when every block is taken.
    """
    candidates = list(range(_FIRST, _LAST, _BLOCK))
    if preferred is not None:
        candidates.insert(0, preferred)
    for base in candidates:
        path = Path(tempfile.gettempdir(), f"cordboard-ports-{os.getuid()}-{base}.lock")
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another one is starting there at this moment
                continue
            if _usable(Ports(base), known=base == preferred):
                yield Ports(base)
                return
    raise UserError(
        f"no free block of ports between {_FIRST} and {_LAST} on {LOOPBACK}: "
        "end some of the sandboxes with `cordboard pbx down --dir DIR`"
    )
