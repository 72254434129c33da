"""Webhooks of the real server on the real Asterisk: what happens to calls is told, in order,
signed, also over a kill -9, and a receiver that does not take it delays nobody."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from outside_system import OutsideSystem, hangs, late, outside_system, says
from server_fixtures import Message, Server, served
from signatures import verify
from sqlalchemy import select

from cordboard.crm_core.tables import call_fact
from cordboard.envelope import KINDS
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, call, dial
from cordboard.webhooks import UNNOTED

pytestmark = [pytest.mark.pbx]

KEY = b"a key of ours, long enough"
ANNA = PhoneSpec("1001", (Manner(ring=0.3),))
TABLE = """
[[webhook]]
name = "erp"
url = "{base}/hook"
secret_file = "erp.secret"
timeout_seconds = 2
"""


@pytest.fixture
async def erp() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as one:
        one.mood = says({})
        yield one


@pytest.fixture
async def telling(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any], erp: OutsideSystem
) -> AsyncIterator[Server]:
    """A server that tells `erp`."""
    (tmp_path / "erp.secret").write_bytes(KEY)
    running = Server(tmp_path, sandbox, wrapup=1, tables=TABLE.format(base=erp.base))
    async with served(running, pbx):
        yield running


async def facts(server: Server) -> dict[str, list[str]]:
    """The ids of all facts that are told, by call and in order, as the store has them."""
    chosen = select(call_fact.c.digest, call_fact.c.call_id).where(call_fact.c.kind.in_(KINDS))
    found: dict[str, list[str]] = defaultdict(list)
    async with server.store() as store:
        for digest, call_id in await store.database.rows(chosen.order_by(call_fact.c.id)):
            found[call_id].append(digest)
    return dict(found)


def told(erp: OutsideSystem) -> dict[str, list[str]]:
    """The same, as the receiver has them, each once."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for heard in erp.heard:
        said = json.loads(heard.body)
        found[said["call"]["id"]].setdefault(said["id"])
    return {call_id: list(ids) for call_id, ids in found.items()}


async def all_told(server: Server, erp: OutsideSystem) -> None:
    async with asyncio.timeout(60):
        while told(erp) != await facts(server):
            await asyncio.sleep(0.2)


def alarm(message: Message, kind: str) -> bool:
    return message["type"] == "alarm" and bool(message["alarm"]["kind"] == kind)


async def test_a_call_is_told_from_its_first_moment_to_its_last(
    telling: Server, erp: OutsideSystem
) -> None:
    async with Phones(telling.status, [ANNA]):
        caller = dial(telling.status, "79161234567", "Иван", stay=120)
        await erp.until(lambda: any(b'"call.answered"' in heard.body for heard in erp.heard))
        assert (await caller.hang_up()).outcome == "completed"
        await erp.until(lambda: any(b'"call.ended"' in heard.body for heard in erp.heard))
    await all_told(telling, erp)
    said = [json.loads(heard.body) for heard in erp.heard]
    kinds = [one["type"] for one in said]
    assert kinds[0] == "call.offered"
    for kind in ("call.routed", "call.queued", "call.phone_called", "call.answered"):
        assert kind in kinds
    assert {one["call"]["from"] for one in said} == {"+79161234567"}
    assert said[-1]["call"]["operator"] == "anna"
    assert all(verify(KEY, heard.headers, heard.body) for heard in erp.heard)
    assert len({one["id"] for one in said}) == len(said)


async def test_over_a_kill_nothing_is_lost_nor_out_of_order_and_little_is_repeated(
    telling: Server, erp: OutsideSystem
) -> None:
    erp.mood = late(0.05, says({}))  # so that something is in flight at any moment
    async with Phones(telling.status, [ANNA]):
        for turn in range(3):
            numbers = [f"7916000{turn}{n:03}" for n in range(4)]
            callers = [dial(telling.status, number, "C", stay=120) for number in numbers]
            heard = len(erp.heard)
            await erp.until(lambda heard=heard: len(erp.heard) > heard + 5)
            telling.kill()
            await telling.start()
            await asyncio.gather(*(caller.hang_up() for caller in callers))
        await call(telling.status, "79160000099", "last", stay=1)
    await all_told(telling, erp)
    ids = [heard.headers["webhook-id"] for heard in erp.heard]
    assert len(ids) - len(set(ids)) <= 3 * UNNOTED
    assert all(verify(KEY, heard.headers, heard.body) for heard in erp.heard)


@pytest.mark.usefixtures("brisk")
async def test_a_receiver_that_takes_nothing_delays_no_call_and_has_it_all_when_it_is_back(
    telling: Server, erp: OutsideSystem
) -> None:
    erp.mood = hangs
    async with Phones(telling.status, [ANNA]), telling.stream("maria") as board:
        callers = [dial(telling.status, f"7916000{n:04}", "C", stay=3) for n in range(6)]
        await board.until(lambda m: alarm(m, "webhook-failing"), 60)
        for caller in callers:
            await caller.result
        async with telling.stream("anna") as console:
            caller = dial(telling.status, "79161234567", "Someone", stay=120)
            await console.pop()
            assert (await caller.hang_up()).outcome == "completed"
        seconds = await telling.metric("cordboard_route_seconds_sum")
        assert seconds / await telling.metric("cordboard_route_seconds_count") < 0.1
        erp.mood = says({})
        await board.until(lambda m: m["type"] == "alarm-end" and m["kind"] == "webhook-failing", 90)
    await all_told(telling, erp)
