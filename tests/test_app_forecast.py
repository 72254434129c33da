"""The estimated wait of callers on the real Asterisk, and what it is learnt from."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from priority_fixtures import ruled
from server_fixtures import Server

from cordboard.desk.records import HANDLED
from cordboard.queue.forecast import PRIOR_CALLS
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

NUMBERS = ("79160000001", "79160000002", "79160000003", "79160000004")
ANNA = PhoneSpec("1001", (Manner(ring=1.0),))
PRIOR = 180.0


def estimates(message: dict[str, Any], callers: int) -> list[int | None]:
    """Of so many who wait, and nobody else."""
    entries = message["entries"] if message["type"] == "waiting" else []
    return [entry["estimated_wait"] for entry in entries] if len(entries) == callers else []


async def test_who_waits_is_told_by_place_and_what_calls_take_also_after_a_restart(
    server: Server,
) -> None:
    for number in NUMBERS:
        await server.customer(number, status="regular", language="ru", name=number)
    async with (
        server.stream("maria") as board,
        server.stream("anna") as console,
        Phones(server.status, [ANNA]),
    ):
        first = dial(server.status, NUMBERS[0], "1", stay=150)
        pop = await console.pop()
        await board.call("talking")
        second = dial(server.status, NUMBERS[1], "2", stay=150)
        await board.until(lambda m: estimates(m, 1) == [PRIOR])
        third = dial(server.status, NUMBERS[2], "3", stay=150)
        shown = await board.until(lambda m: bool(estimates(m, 2)))
        assert estimates(shown, 2) == [PRIOR, 2 * PRIOR]
        for caller in (second, third, first):
            await caller.hang_up()
        path = f"/calls/{pop['call']['id']}/actions"
        note = {"action": "wrapup", "args": {"note": "", "result": None}, "reason": ""}
        await console.until(lambda m: m["type"] == "call" and m["call"]["state"] == "ended")
        await server.api("POST", path, note, by="anna")
        await console.until(lambda m: m["type"] == "result")
        async with asyncio.timeout(60):
            while not (took := await handled(server, pop["call"]["id"])):
                await asyncio.sleep(0.1)
        assert took["queue"] == pop["call"]["queue"] == "support-ru", pop["route"]
        assert took["operator"] == "anna"
        assert 1 < took["seconds"] < 60

        await server.restart()
        busy = dial(server.status, NUMBERS[3], "4", stay=150)
        async with server.stream("maria") as again:
            await again.until(lambda m: m["type"] == "call" and m["call"]["state"] == "talking")
            waits = dial(server.status, NUMBERS[1], "2", stay=150)
            shown = await again.until(lambda m: bool(estimates(m, 1)))
            learnt = estimates(shown, 1)[0]
            assert learnt is not None
            alone = (PRIOR_CALLS * PRIOR + took["seconds"]) / (PRIOR_CALLS + 1)
            assert learnt == pytest.approx(alone, abs=10)
            assert learnt < PRIOR - 10
        for caller in (busy, waits):
            await caller.hang_up()


NEAR = """
default_queue = "support-ru"
[[rule]]
name = "near"
action = "queue"
queue = "support-ru"
penalties = { most = 0 }
"""


async def test_operators_whom_the_rule_does_not_let_a_caller_have_do_not_shorten_his_wait(
    server: Server,
) -> None:
    """1004 is ready all the time, with a penalty of 1 in this queue, and is not rung."""
    await ruled(server, NEAR)
    phones = [ANNA, PhoneSpec("1004", (Manner(ring=0.2),))]
    async with server.stream("maria") as board, Phones(server.status, phones):
        first = dial(server.status, NUMBERS[0], "1", stay=20)
        talking = await board.call("talking")
        assert talking["operator"] == "anna"
        second = dial(server.status, NUMBERS[1], "2", stay=5)
        await board.until(lambda m: estimates(m, 1) == [PRIOR])
        third = dial(server.status, NUMBERS[2], "3", stay=5)
        await board.until(lambda m: estimates(m, 2) == [PRIOR, 2 * PRIOR])
        for caller in (third, second, first):
            await caller.drop()


async def handled(server: Server, call: str) -> dict[str, Any] | None:
    async with server.store() as store:
        facts = await store.call_facts(call)
    found: list[dict[str, Any]] = [json.loads(f.data) for f in facts if f.kind == HANDLED]
    return found[0] if found else None
