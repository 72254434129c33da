"""One browser's numbered stream, kept for a while after it went away so that it can resume. Pure.

A message is encoded once for all who receive it; only its number differs from client to client.
The same buffer serves three ends: what a slow client has still to be sent, what a client that lost
its connection has missed, and the bound on both.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from cordboard.screenpop.views import Message, Viewer

KEPT_MESSAGES = 4096
KEPT_BYTES = 4 * 1024 * 1024

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> bytes:
    """Compact UTF-8 JSON. What is no text (a lone surrogate from a broken peer) becomes `?`."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Frame:
    """A message encoded all but its number."""

    head: bytes
    tail: bytes
    pop: str | None = None
    """The id of the pop that this frame shows."""

    def numbered(self, seq: int) -> bytes:
        return b"%b%d%b" % (self.head, seq, self.tail)


def encode(message: Message) -> Frame:
    """Raises `ValueError` for a number that JSON does not have (NaN, infinity)."""
    kind = message["type"]
    head = b'{"type":"%b"' % kind.encode()
    tail = to_json({"type": kind, **message}).removeprefix(head)
    return Frame(head + b',"seq":', tail, message["id"] if kind == "screenpop" else None)


class Stream:
    """The messages of one session, numbered from 1; the last ones are kept.

    `credential` names the login or token under which it was last opened, `detached_at` is the
    moment at which its client went away.
    """

    def __init__(self, session: str, viewer: Viewer) -> None:
        self.session = session
        self.viewer = viewer
        self.credential = ""
        self.seq = 0
        self.detached_at = 0.0
        self._kept: deque[Frame] = deque()
        self._bytes = 0

    def append(self, frame: Frame) -> None:
        self.seq += 1
        self._kept.append(frame)
        self._bytes += len(frame.tail)
        # The newest always stays: it is the one that is about to be sent.
        while len(self._kept) > KEPT_MESSAGES or (self._bytes > KEPT_BYTES and len(self._kept) > 1):
            self._bytes -= len(self._kept.popleft().tail)

    def holds(self, after: int) -> bool:
        """Whether every message after number `after` is still here (or none was sent since)."""
        return self.seq - len(self._kept) <= after <= self.seq

    def frame(self, seq: int) -> Frame:
        """Message number `seq`, which `holds(seq - 1)` has said is here."""
        return self._kept[seq - self.seq - 1]
