"""Whoever goes to somebody in person first and comes back has his place in the queue: the real
Asterisk, real SIP phones, the server as its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, dial

pytestmark = [pytest.mark.pbx, pytest.mark.timeout(180)]

VIP = "79160000009"
OTHERS = [f"7916000000{number}" for number in range(1, 7)]
RULES = """
default_queue = "support"

[[rule]]
name = "own"
when = { status = ["vip"] }
action = "queue"
queue = "support"
priority = 5
first = { who = "manager", seconds = 5 }

[[rule]]
name = "again"
when = { status = ["prospect"] }
action = "queue"
queue = "support"
priority = 5
first = { who = "last-operator", seconds = 5 }

[[rule]]
name = "all"
action = "queue"
queue = "support"
priority = 5
"""
VOICEMAIL = Manner(ring=0.3)


async def ruled(server: Server, rules: str) -> None:
    """The server goes by these rules."""
    path = server.folder / "routing.toml"
    path.write_text(rules)
    text = server.config.read_text()
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith('path = "') or "routing" not in line
    ]
    if "[routing]" not in lines:
        lines.append("[routing]")
    lines.insert(lines.index("[routing]") + 1, f'path = "{path}"')
    server.config.write_text("\n".join(lines) + "\n")
    await server.restart()


class Queue:
    """Callers in the queue `support`, where nobody answers."""

    def __init__(self, server: Server, ami: Heard, held: AsyncExitStack) -> None:
        self.server, self.ami, self._held = server, ami, held
        self._numbers = iter(OTHERS)

    async def joins(self) -> tuple[str, LiveCall]:
        """One more caller, when he stands in the queue."""
        number = next(self._numbers)
        caller = dial(self.server.status, number, stay=100)
        self._held.push_async_callback(caller.drop)
        await self.ami.until_event("QueueCallerJoin", CallerIDNum=number)
        return number, caller

    async def order(self) -> list[str]:
        """The numbers of those who wait, as Asterisk has them."""
        before = len(self.ami.events("QueueStatusComplete"))
        begun = len(self.ami.events("QueueEntry"))
        await self.ami.ask("QueueStatus", Queue="support")
        while len(self.ami.events("QueueStatusComplete")) == before:
            await asyncio.sleep(0.02)
        entries = self.ami.events("QueueEntry")[begun:]
        return [e["CallerIDNum"] for e in sorted(entries, key=lambda e: int(e["Position"]))]


@pytest.fixture
async def queue(server: Server, pbx: SandboxPbx, ami: Heard) -> AsyncIterator[Queue]:
    await ruled(server, RULES)
    async with AsyncExitStack() as held:
        yield Queue(server, ami, held)
        pbx.hang_up_all()


def shown(message: Message, *numbers: str) -> bool:
    """Whether the wallboard shows these in the queue, in this order; who is away in brackets."""
    if message["type"] != "waiting" or message["queue"] != "support":
        return False
    entries = [f"({e['from']})" if e["away"] else e["from"] for e in message["entries"]]
    return [entry.replace("+", "") for entry in entries] == list(numbers)


@asynccontextmanager
async def with_the_manager(queue: Queue, board: Stream, *mobile: Manner) -> AsyncIterator[LiveCall]:
    """A vip calls, whose manager is rung; his place is kept behind those who wait."""
    await queue.server.customer(VIP, status="vip", language="ru", manager="anna", name="Важный")
    async with Mobile(queue.server.status, *mobile):
        caller = dial(queue.server.status, VIP, "Vip", stay=100)
        try:
            yield caller
        finally:
            await caller.drop()


@pytest.mark.parametrize(
    ("manner", "status"),
    [
        (VOICEMAIL, "UNCONFIRMED"),
        (Manner("busy", ring=2), "BUSY"),
        (Manner("away", ring=2), "NOANSWER"),
        pytest.param(Manner("no-answer"), "NOANSWER", marks=pytest.mark.faults),
        pytest.param(Manner("reject", ring=2), "DECLINED", marks=pytest.mark.faults),
    ],
    ids=["voicemail", "busy", "unavailable", "dead", "declined"],
)
async def test_back_from_the_managers_mobile_at_the_old_place(
    queue: Queue, manner: Manner, status: str
) -> None:
    """Three ahead, one of them leaves during the attempt, two join behind: before those two, after
    the rest."""
    async with queue.server.stream("maria") as board, queue.server.stream("anna") as console:
        first, leaves = await queue.joins()
        second, _ = await queue.joins()
        third, _ = await queue.joins()
        async with with_the_manager(queue, board, manner):
            await board.until(lambda m: shown(m, first, second, third, f"({VIP})"))
            await leaves.hang_up()
            late, _ = await queue.joins()
            later, _ = await queue.joins()
            kept = await board.until(lambda m: shown(m, second, third, f"({VIP})", late, later))
            assert [entry["position"] for entry in kept["entries"]] == [1, 2, 3, 3, 4]
            assert kept["entries"][2]["away"] == {
                "who": "manager",
                "operator": "anna",
                "operator_name": "anna",
            }
            back = await queue.ami.until_event("QueueCallerJoin", 25, CallerIDNum=VIP)
            assert back["Position"] == "3"
            assert await queue.order() == [second, third, VIP, late, later]
            await board.until(lambda m: shown(m, second, third, VIP, late, later))
            why = board.messages[-1]["entries"][2]["why"]
            (reason,) = [one for one in why if one["code"] == "manager-not-reached"]
            assert reason["args"]["status"] == status
            # The missed notice, for the manager and for supervisors.
            for eyes in (console, board):
                if not eyes.of("missed"):
                    await eyes.until(lambda m: m["type"] == "missed")
                missed = eyes.of("missed")[-1]["missed"]
                assert (missed["operator"], missed["why"]) == ("anna", "not-taken")
                assert missed["customer"]["name"] == "Важный"
            body = {"action": "seen", "args": {"id": missed["id"]}, "reason": ""}
            await queue.server.api("POST", "/operators/anna/actions", body, by="anna")
            await console.until(lambda m: m["type"] == "missed-end")
            assert (await queue.server.snapshot("anna"))["missed"] == []
