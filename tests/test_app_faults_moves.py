"""A caller is answered, hangs up or is sent elsewhere within 50 ms around a move by hand or by his
status: nobody is dropped by us, each is told right, and the books are those of queue_log."""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any

import pytest
from oracles import books_are_right, picture_is_true
from pbx_fixtures import Heard
from priority_fixtures import QUEUE, Hall, hall, ruled
from server_fixtures import Server
from test_app_priorities import rules

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec

pytestmark = [
    pytest.mark.pbx,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("brisk"),
]

ROUNDS = 12
ENDS = ("CONNECT", "ABANDON", "WITHDRAW", "EXITWITHKEY")
TOLD = {
    "answer": {None, "the caller has already been answered"},
    "hang up": {None, "the caller has already hung up", "the caller has already left the queue"},
    "redirect": {None, "the caller has already left the queue"},
}


class Race:
    """One caller about whom two things happen at once, and one who waits behind and stays."""

    def __init__(self, one: Hall, number: str) -> None:
        self.one, self.number = one, number
        self.call_id = ""
        self.channel = ""
        self.uniqueid = ""

    async def begin(self) -> None:
        await self.one.call(self.number)
        self.call_id = (await self.one.ids())[self.number]
        for event in self.one.ami.events("QueueCallerJoin"):
            if event["CallerIDNum"] == self.number:
                self.channel, self.uniqueid = event["Channel"], event["Uniqueid"]

    async def by_hand(self) -> str | None:
        body = {"action": "move", "args": {"priority": 17}, "reason": "race"}
        server, board = self.one.server, self.one.board
        accepted = await server.api("POST", f"/calls/{self.call_id}/actions", body)
        told = await board.until(lambda m: m["type"] == "result" and m["id"] == accepted["id"], 15)
        error = told["error"]
        return None if error is None else str(error)

    async def other(self, what: str) -> None:
        match what:
            case "answer":
                self.one.open()
            case "hang up":
                os.kill(self.one.calls[self.number].sipp._process.pid, 10)  # type: ignore[union-attr]
            case "redirect":
                ami = self.one.ami
                await ami.ask("Setvar", Channel=self.channel, Variable="CB_QUEUE", Value="support")
                target = {"Context": "cordboard-queue", "Exten": "s", "Priority": "1"}
                await ami.ask("Redirect", Channel=self.channel, **target)

    def told(self, queue: str = QUEUE) -> list[list[str]]:
        """What queue_log says of him in one queue."""
        with open(self.one.server.status["queue_log"], encoding="utf-8") as log:
            return [line.split("|") for line in log if f"|{self.uniqueid}|{queue}|" in line]

    async def outcome(self) -> str:
        """How queue_log says that his wait ended."""
        for _ in range(1000):
            lines = self.told()
            ends = [words[4] for words in lines if words[4] in ENDS]
            if ends:
                return ends[0]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{self.uniqueid} still waits: {await self.one.standing()}")


@pytest.mark.parametrize("what", TOLD)
async def test_a_move_by_hand_and_something_quicker(
    server: Server, pbx: SandboxPbx, ami: Heard, what: str
) -> None:
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    print(f"seed {seed}")
    log = server.status["queue_log"]
    since = os.path.getsize(log) if os.path.exists(log) else 0
    seen: dict[str | None, int] = {}
    async with hall(server, pbx, ami, (Manner(ring=0.05),), "1003") as one:
        stays = "79160000099"
        for count in range(ROUNDS):
            one.close()
            await one.rested()
            race = Race(one, f"7916001{count:04}")
            # At the head, so that a phone that becomes free is his, not that of who stays.
            await server.customer(race.number, status="vip", language="ru")
            await race.begin()
            if count == 0:
                await one.call(stays)
            lead = rng.uniform(-0.05, 0.05)

            async def later(seconds: float, work: Any) -> Any:
                await asyncio.sleep(max(0.0, seconds))
                return await work

            error, _ = await asyncio.gather(
                later(lead, race.by_hand()), later(-lead, race.other(what))
            )
            assert error in TOLD[what], f"seed {seed}, round {count}"
            seen[error] = seen.get(error, 0) + 1
            ended = await race.outcome()
            assert ended == ("CONNECT" if what == "answer" else "ABANDON")
            async with server.store() as store:
                audits = await store.audits(target=race.call_id)
                facts = await store.facts_of([race.call_id], "moved")
            assert len(audits) <= 1  # none where it was too late before it was written down
            if error is None:  # then it was done before, and says so
                assert len(audits) == 1
                assert json.loads(facts[-1].data)["verified"] is True
            if what != "hang up":  # he is still on the line, and hears somebody or music
                assert not one.calls[race.number].result.done()
            assert not one.calls[stays].result.done()
            assert stays in dict(await one.standing())
            one.close()  # before it is free for who stays
            caller = one.calls.pop(race.number)
            if what != "hang up":
                await caller.hang_up()
            else:
                await caller.result
        await picture_is_true(server, ami)
        await one.calls.pop(stays).hang_up()
        # A redirect is an abandonment to queue_log, and explained as what it was.
        await books_are_right(server, ROUNDS + 1, log, since, explained=what == "redirect")
    print(what, seen)


async def test_a_status_that_sends_elsewhere_in_the_moment_of_the_answer_cuts_nobody_off(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    """The phone rings, so a digit takes him out; unless he has been answered: then he talks on."""
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    print(f"seed {seed}")
    await ruled(server, rules())
    phone = PhoneSpec("1004", (Manner(answers="no-answer"),))
    ended: dict[str, int] = {}
    async with (
        hall(server, pbx, ami, (Manner(ring=0.3),), "1003") as one,
        Phones(server.status, [phone]),
    ):
        pbx.cli("queue pause member PJSIP/1004")
        for count in range(ROUNDS):
            one.close()
            await one.rested()
            number = f"7916002{count:04}"
            customer = await server.customer(number, status="regular", language="ru")
            race = Race(one, number)
            await race.begin()
            one.open()
            await one.board.until(
                lambda m, call=race.call_id: (
                    m["type"] == "call"
                    and (m["call"]["id"], m["call"]["state"]) == (call, "ringing")
                )
            )
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            await server.api("PATCH", f"/customers/{customer['id']}", {"status": "debtor"})
            how = await race.outcome()
            assert how in ("CONNECT", "EXITWITHKEY", "WITHDRAW"), f"seed {seed}, round {count}"
            ended[how] = ended.get(how, 0) + 1
            if how != "CONNECT":
                async with asyncio.timeout(5):
                    while not race.told("support-bg"):
                        await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)  # a talk that is cut ends within this
            assert not one.calls[number].result.done(), f"seed {seed}, round {count}: {how}"
            cut = [words[4] for words in race.told() if words[4].startswith("COMPLETE")]
            assert cut == [], f"seed {seed}, round {count}: {how}"
            await one.calls.pop(number).hang_up()
        pbx.cli("queue unpause member PJSIP/1004")
    print(ended)
