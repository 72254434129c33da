"""What the PBX and the consoles saw in a long run, each on a connection of its own, and whether
the store agrees with both."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from server_fixtures import Message, Server
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

Event = dict[str, str]


@dataclass
class Ring:
    """One phone that Asterisk called for one call. Times are of `time.time()`."""

    phone: str
    linkedid: str
    channel: str
    began: float
    ended: float | None = None
    talks: bool = False


@dataclass
class Window:
    """A time in which cordboard could not see the PBX, and why."""

    why: str
    began: float
    ended: float | None = None

    def holds(self, began: float, ended: float | None) -> bool:
        """Whether something that lasted from `began` to `ended` has a part in it."""
        return began <= (self.ended or float("inf")) and (ended or float("inf")) >= self.began


class PbxWitness:
    """Follows the PBX on its own AMI connection, past the proxy, and over restarts."""

    def __init__(self, account: dict[str, Any]) -> None:
        self._account = account
        self.rings: dict[str, Ring] = {}
        self.boots = 0
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[str, list[Event]] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._ids = itertools.count(1)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._listen()
            await asyncio.sleep(0.2)

    async def _listen(self) -> None:
        account = self._account
        reader, self._writer = await asyncio.open_connection(
            account["host"], account["port"], limit=4_000_000
        )
        try:
            await reader.readline()
            self._send("Login", Username=account["user"], Secret=account["secret"], Events="on")
            while True:
                frame = await reader.readuntil(b"\r\n\r\n")
                lines = frame.decode(errors="replace").split("\r\n")
                self._hear(dict(line.partition(": ")[::2] for line in lines if line))
        finally:
            self._writer.close()
            self._writer = None
            now = time.time()
            for ring in self.rings.values():
                ring.ended = ring.ended or now  # nothing of it is known any more
            for done in self._done.values():
                done.set()

    def _send(self, action: str, **fields: str) -> str:
        identity = f"w{next(self._ids)}"
        if self._writer is None:
            raise ConnectionError("the PBX is away")
        lines = [f"Action: {action}", f"ActionID: {identity}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return identity

    async def ask(self, action: str, **fields: str) -> list[Event]:
        """The reply, and a list's items. Raises ConnectionError or TimeoutError."""
        identity = self._send(action, **fields)
        self._answers[identity], self._done[identity] = [], asyncio.Event()
        try:
            async with asyncio.timeout(8):
                await self._done[identity].wait()
            return self._answers[identity]
        finally:
            del self._answers[identity], self._done[identity]

    def _hear(self, event: Event) -> None:
        now = time.time()
        answer = self._answers.get(event.get("ActionID", ""))
        if answer is not None:
            answer.append(event)
            listed = event.get("EventList", "")
            if listed == "Complete" or ("Response" in event and listed != "start"):
                self._done[event["ActionID"]].set()
            return
        match event.get("Event"):
            case "DialBegin" | "AgentCalled":
                channel = event.get("DestChannel", "")
                if channel.startswith("PJSIP/1") and event["DestUniqueid"] not in self.rings:
                    phone, linkedid = channel.rpartition("-")[0], event["DestLinkedid"]
                    self.rings[event["DestUniqueid"]] = Ring(phone, linkedid, channel, now)
            case "BridgeEnter":
                if ring := self.rings.get(event["Uniqueid"]):
                    ring.talks = True
            case "Hangup":
                if ring := self.rings.get(event["Uniqueid"]):
                    ring.ended = now
            case "FullyBooted":
                self.boots += 1


@dataclass
class ConsoleWitness:
    """A supervisor's console, which comes back whenever the server does."""

    server: Server
    pops: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By the pop's id: the operator, and the call's Linkedid."""
    windows: list[Window] = field(default_factory=list)
    link: str = "down"
    alarms: set[str] = field(default_factory=set)

    async def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.server.tokens['maria']}"}
        url = f"{self.server.base.replace('http', 'ws')}/api/v1/stream"
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    url, additional_headers=headers, compression=None, max_size=None
                ) as stream:
                    async for text in stream:
                        self._see(json.loads(text))
            self.link = "down"
            await asyncio.sleep(0.1)

    def _see(self, message: Message) -> None:
        match message["type"]:
            case "snapshot":
                for pop in message["pops"]:
                    self._pop(pop)
                for link in message["pbx"]:
                    self._link(link)
            case "screenpop":
                self._pop(message)
            case "pbx":
                self._link(message["pbx"])
            case "alarm":
                self.alarms.add(message["alarm"]["kind"])

    def _pop(self, pop: Message) -> None:
        self.pops[pop["id"]] = (pop["operator"], pop["call"]["linkedid"])

    def _link(self, link: Message) -> None:
        self.link = link["state"]
        if self.link != "up":
            self.blind(link["reason"] or link["state"])
        elif self.windows and self.windows[-1].ended is None:
            self.windows[-1].ended = time.time()

    def blind(self, why: str) -> None:
        """From now until the link is up."""
        self.link = "down"
        if not self.windows or self.windows[-1].ended is not None:
            self.windows.append(Window(why, time.time()))

    async def sighted(self, within: float = 40.0) -> bool:
        """Waits until the link is up; False if it does not come."""
        ends = time.monotonic() + within
        while time.monotonic() < ends:
            if self.link == "up":
                return True
            await asyncio.sleep(0.05)
        return False


PHONES = {
    "anna": "PJSIP/1001",
    "boris": "PJSIP/1002",
    **{name: f"PJSIP/{1003 + n}" for n, name in enumerate(("elena", "desi", "georgi", "john"))},
}
SLACK = 1.0
"""Seconds on either side of a window in which something may still have been missed; and those
for which a ring must have been in sight to be owed a card."""


def pop_faults(pbx: PbxWitness, console: ConsoleWitness, windows: Iterable[Window]) -> list[str]:
    """Cards that are owed and were not shown, and cards of no ring."""
    windows = list(windows)
    shown: dict[tuple[str, str], int] = {}
    for operator, linkedid in console.pops.values():
        key = (PHONES.get(operator, operator), linkedid)
        shown[key] = shown.get(key, 0) + 1
    rung: dict[tuple[str, str], list[Ring]] = {}
    for ring in pbx.rings.values():
        rung.setdefault((ring.phone, ring.linkedid), []).append(ring)
    found = []
    for key, rings in rung.items():
        owed = [ring for ring in rings if _in_sight(ring, windows)]
        count = shown.pop(key, 0)
        if count < len(owed):
            found.append(f"{key}: {len(owed)} rings in sight, {count} cards")
        if count > len(rings):
            found.append(f"{key}: {len(rings)} rings, {count} cards")
    return found + [f"{key}: {count} cards and no ring" for key, count in shown.items()]


def _in_sight(ring: Ring, windows: list[Window]) -> bool:
    ended = ring.ended or time.time()
    blind = [w for w in windows if w.holds(ring.began - SLACK, ended + SLACK)]
    if not blind:
        return True
    # It outlived the blindness: then the snapshot shows it.
    last = max((w.ended or ended) for w in blind)
    return ended - last > 2 * SLACK
