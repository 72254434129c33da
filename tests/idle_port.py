"""A port for a server that the test starts as a process of its own."""

from __future__ import annotations

import random
import socket

from cordboard.sandbox.ports import free


def idle_port() -> int:
    """One at which nobody listens. Below those that the kernel hands out and those of sandboxes:
    such a one may be gone again before it is bound."""
    ports = random.sample(range(9000, 11000), 200)
    return next(port for port in ports if free(port, socket.SOCK_STREAM))
