"""The AMI codec beside the least that Python can do, and beside two libraries.

All read the same bytes, cut into the same chunks, in one process without a socket:

- bare limit: `split` and one `dict` a frame. It keeps one value of a repeated header.
- cordboard: `Decoder`, with all its hardening.
- panoramisk: its `AMIProtocol`, fed through `data_received`; the manager behind it only counts,
  so neither its callbacks nor its tasks are in the figure.
- pyst2: its reader and its parser, called one after the other; the three threads and two queues
  between them are not in the figure.
"""

from __future__ import annotations

import gc
import io
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from bench.common import Bound, Options, Report, Table, median, ratio
from bench.stream import END, chunks, stream
from cordboard.cti.ami import Decoder, Message

TITLE = "AMI codec: bytes to messages"
BARE, OURS, PANORAMISK, PYST2 = "bare split + dict", "cordboard", "panoramisk 1.4", "pyst2 0.5.1"
Headers = dict[str, list[str]]


def bare(parts: Sequence[bytes]) -> list[Any]:
    found: list[Any] = []
    tail = b""
    for part in parts:
        *frames, tail = (tail + part).split(END)
        found += [
            dict([line.split(": ", 1) for line in frame.decode().split("\r\n")]) for frame in frames
        ]
    return found


def ours(parts: Sequence[bytes]) -> list[Any]:
    decoder = Decoder()
    found: list[Any] = []
    for part in parts:
        found += decoder.feed(part)
    return found


def panoramisk(parts: Sequence[bytes]) -> list[Any]:
    from panoramisk.ami_protocol import AMIProtocol  # type: ignore[import-untyped]

    found: list[Any] = []
    protocol = AMIProtocol()
    protocol.connection_made(None)
    # What its Manager sets on each connection.
    protocol.factory = SimpleNamespace(dispatch=found.append)
    protocol.encoding = "utf8"
    for part in parts:
        protocol.data_received(part)
    return found


def pyst2(parts: Sequence[bytes]) -> list[Any]:
    from asterisk import manager  # type: ignore[import-untyped]

    reader = manager.Manager()
    reader._sock = io.BufferedReader(io.BytesIO(b"".join(parts)), len(parts[0]))
    reader.close = lambda: None  # which waits for its threads, and they were never started
    reader.title = "Asterisk Call Manager"
    reader._running.set()
    reader._connected.set()
    reader._receive_data()
    found: list[Any] = []
    while (lines := reader._message_queue.get_nowait()) is not None:
        try:
            found.append(manager.Event(manager.ManagerMsg(lines)))
        except AttributeError:  # its way with ChanVariable ends the thread on Python 3
            found.append(None)
    return found


CANDIDATES: dict[str, Callable[[Sequence[bytes]], list[Any]]] = {
    BARE: bare,
    OURS: ours,
    PANORAMISK: panoramisk,
    PYST2: pyst2,
}


def truth(data: bytes) -> list[Headers]:
    """Every value of every header, in order, read in the plainest way."""
    found: list[Headers] = []
    for frame in data.split(END)[:-1]:
        headers: Headers = {}
        for line in frame.decode().split("\r\n"):
            key, _, value = line.partition(": ")
            headers.setdefault(key, []).append(value)
        found.append(headers)
    return found


def headers_of(message: Any) -> Headers:
    """What a candidate's message holds, in the form of `truth`."""
    if message is None:
        return {}
    if isinstance(message, Message):
        return {key: message.all(key) for key in message.headers}
    pairs = (message.headers if type(message).__name__ == "Event" else message).items()
    # panoramisk adds a header of its own, `content`.
    return {k: v if isinstance(v, list) else [v] for k, v in pairs if k != "content"}


def _exact(found: list[Any], expected: list[Headers]) -> int:
    """How many came out as they were, each in its place."""
    return sum(headers_of(one) == want for one, want in zip(found, expected, strict=False))


def run(options: Options) -> Report:
    logging.getLogger("panoramisk").setLevel(logging.WARNING)
    report = Report(TITLE)
    kinds = (
        (False, "as recorded"),
        (True, "with three channelvars: each channel event repeats ChanVariable"),
    )
    for variables, words in kinds:
        events, data = stream(options.sized(30_000, 6_000), variables)
        parts = chunks(data)
        times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyst2 calls what Python has deprecated
            for _ in range(options.rounds):
                for name, candidate in CANDIDATES.items():
                    gc.collect()
                    began = time.process_time()
                    found = candidate(parts)
                    times[name].append((time.process_time() - began) / events * 1e6)
                    del found
            small, expected = stream(2_000, variables)
            wanted = truth(expected)
            exact = {
                name: _exact(candidate(chunks(expected)), wanted)
                for name, candidate in CANDIDATES.items()
            }
        rows: list[tuple[str | float | None, ...]] = [
            (
                name,
                median(took),
                1e6 / median(took),
                ratio(took, times[BARE]),
                ratio(times[PANORAMISK], took),
                f"{exact[name]} of {small}",
            )
            for name, took in times.items()
        ]
        size = len(data) / events
        report.tables.append(
            Table(
                f"{words} ({events} events, {size:.0f} bytes each)",
                ("", "µs/event", "events/s", "cost / bare", "speed / panoramisk", "exact"),
                rows,
            )
        )
        speed = ratio(times[PANORAMISK], times[OURS])
        report.bounds += [
            Bound(f"codec / bare, {words.partition(':')[0]}", ratio(times[OURS], times[BARE]), 1.5),
            Bound(f"codec's speed / panoramisk's, {words.partition(':')[0]}", speed, 2.0, "", True),
        ]
    return report
