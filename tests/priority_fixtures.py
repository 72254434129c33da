"""A queue whose callers wait for a phone that is paused, in Asterisk's own words."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from oracles import fresh
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

QUEUE = "support-ru"
REGULAR = [f"7916000000{n}" for n in range(1, 7)]
VIP = "79160000010"
REST = 2.0
"""Seconds: the `wrapuptime` of `brisk`, and one for Asterisk's whole ones."""

Standing = list[tuple[str, int]]
"""The callers' numbers and Asterisk's priorities, the head first."""


async def ruled(server: Server, rules: str) -> None:
    """The server with another rule file, started anew."""
    path = server.folder / "routing.toml"
    path.write_text(rules, encoding="utf-8")
    lines = server.config.read_text(encoding="utf-8").splitlines()
    at = lines.index("[routing]") + 1
    lines[at] = f'path = "{path}"'
    server.config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    await server.restart()


class Hall:
    """Callers in one queue, before whom there is one phone. It is paused until `open`."""

    def __init__(
        self, server: Server, pbx: SandboxPbx, ami: Heard, board: Stream, phone: str
    ) -> None:
        self.server, self.pbx, self.ami, self.board = server, pbx, ami, board
        self._phone = phone
        self.calls: dict[str, LiveCall] = {}

    async def standing(self, queue: str = QUEUE) -> Standing:
        items = [i for i in await fresh(self.ami) if i.get("Event") == "QueueEntry"]
        items = [item for item in items if item["Queue"] == queue]
        items.sort(key=lambda item: int(item["Position"]))
        return [(item["CallerIDNum"], int(item["Priority"])) for item in items]

    async def until(
        self, condition: Callable[[Standing], bool], within: float = 30.0, queue: str = QUEUE
    ) -> float:
        """When Asterisk's own order is as it should be, the seconds that it took."""
        began = time.monotonic()
        while not condition(seen := await self.standing(queue)):
            took = time.monotonic() - began
            assert took < within, f"{queue} after {took:.1f} s: {seen}\n{self.server.said()}"
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def call(self, *numbers: str, queue: str = QUEUE, **how: Any) -> None:
        """They call, one after the other, and wait."""
        for number in numbers:
            self.calls[number] = dial(self.server.status, number, "", stay=150, **how)
            await self.until(lambda seen, n=number: n in dict(seen), 60, queue)

    async def ids(self) -> dict[str, str]:
        """The callers' numbers, and the ids of their calls."""
        while True:
            calls = (await self.server.snapshot("maria"))["calls"]
            found = {call["from"].lstrip("+"): call["id"] for call in calls if call["queue"]}
            if self.calls.keys() <= found.keys():
                return found
            await asyncio.sleep(0.05)

    async def row(self, number: str, place: int, queue: str = QUEUE) -> Message:
        """The row of one who waits as consoles have it, when it shows him there."""
        while True:
            waiting = (await self.server.snapshot("maria"))["waiting"]
            for row in waiting:
                here = row["queue"] == queue and row["position"] == place
                if here and row["from"].lstrip("+") == number:
                    return dict(row)
            await asyncio.sleep(0.05)

    def open(self) -> None:
        self.pbx.cli(f"queue unpause member PJSIP/{self._phone}")

    def close(self) -> None:
        self.pbx.cli(f"queue pause member PJSIP/{self._phone}")

    async def rested(self) -> None:
        """The phone may ring again: app_queue leaves it alone after a call. For `brisk` queues."""
        while True:
            items = [i for i in await fresh(self.ami) if i.get("Event") == "QueueMember"]
            mine = [i for i in items if i["Location"] == f"PJSIP/{self._phone}"]
            busy = any(i["Status"] != "1" for i in mine)
            if not busy and time.time() > max(int(i["LastCall"]) for i in mine) + REST:
                return
            await asyncio.sleep(0.1)

    async def answered(self) -> str:
        """The number of the next caller who is answered."""
        told = len(self.ami.events("AgentConnect"))
        self.open()
        for _ in range(2000):
            if len(found := self.ami.events("AgentConnect")) > told:
                return found[-1]["CallerIDNum"]
            await asyncio.sleep(0.02)
        raise AssertionError(f"nobody was answered: {await self.standing()}")

    async def moved(self, number: str) -> list[dict[str, Any]]:
        """What the store tells of this caller's places."""
        async with self.server.store() as store:
            calls = await store.recent_calls(500)
            ids = [call.id for call in calls if call.number.lstrip("+") == number]
            return [json.loads(fact.data) for fact in await store.facts_of(ids, "moved")]


@asynccontextmanager
async def hall(
    server: Server,
    pbx: SandboxPbx,
    ami: Heard,
    manners: Sequence[Manner] = (Manner(ring=0.2),),
    phone: str = "1001",
) -> AsyncIterator[Hall]:
    """1001 is Anna's, who has a wrap-up after each call; of 1003 nobody is logged in."""
    async with (
        server.stream("maria") as board,
        Phones(server.status, [PhoneSpec(phone, tuple(manners))], audio=True),
    ):
        one = Hall(server, pbx, ami, board, phone)
        one.close()
        try:
            yield one
        finally:
            pbx.hang_up_all()
            one.open()
            for call in one.calls.values():
                await call.drop()
