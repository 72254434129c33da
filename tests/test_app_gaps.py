"""What was not seen is said: the gap on the calls it touched, and what the PBX does not list, on
the real Asterisk with real SIP phones."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from proxy import Proxy
from server_fixtures import Server

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial
from cordboard.screenpop.views import Message

pytestmark = [pytest.mark.pbx]

NUMBER, OTHER = "79161234567", "79035557788"
ANNA = PhoneSpec("1001", (Manner(ring=0.3),))
BORIS = PhoneSpec("1002", (Manner(ring=0.3),))


def is_pbx(state: str, message: Message) -> bool:
    return message["type"] == "pbx" and message["pbx"]["state"] == state


def seconds(gap: dict[str, str]) -> float:
    lasted = datetime.fromisoformat(gap["until"]) - datetime.fromisoformat(gap["since"])
    return lasted / timedelta(seconds=1)


async def test_a_lost_link_is_marked_on_the_call_that_goes_on_and_on_the_one_that_ended(
    proxied_server: Server, proxy: Proxy, pbx: SandboxPbx
) -> None:
    server = proxied_server
    async with Phones(server.status, [ANNA, BORIS]), server.stream("maria") as board:
        stays = dial(server.status, NUMBER, "Stays", stay=200)
        first = await board.call("talking")
        leaves = dial(server.status, OTHER, "Leaves", stay=200)
        second = await board.call("talking")
        assert first["unseen"] == second["unseen"] == []
        proxy.refusing = True
        proxy.reset()
        await board.until(lambda m: is_pbx("down", m), within=5)
        await leaves.hang_up()
        await leaves.result
        await asyncio.sleep(1)  # the length of the gap, not a wait for something
        proxy.healthy()
        await board.until(lambda m: is_pbx("up", m))
        lost = await server.api("GET", f"/calls/{second['id']}")
        goes_on = await server.api("GET", f"/calls/{first['id']}")
        assert (lost["state"], lost["cause"]) == ("ended", "lost")
        assert (goes_on["state"], goes_on["operator"]) == ("talking", first["operator"])
        for call in (lost, goes_on):
            (gap,) = call["unseen"]
            assert 1.0 <= seconds(gap) <= 15.0
        await stays.hang_up()
        assert (await board.call("ended"))["cause"] == "completed"
    async with server.store() as store:
        kinds = [fact.kind for fact in await store.call_facts(second["id"])]
    assert kinds.index("unseen") < kinds.index("peercleared") < kinds.index("cleared")


def youngest(pbx: SandboxPbx) -> int:
    """The age in seconds of the channel that was made last."""
    lines = pbx.cli("core show channels concise").splitlines()
    return min(int(line.split("!")[11]) for line in lines if "!" in line)


async def test_a_restart_of_the_server_marks_its_own_absence(
    server: Server, pbx: SandboxPbx
) -> None:
    async with Phones(server.status, [ANNA]):
        async with server.stream("maria") as board:
            caller = dial(server.status, NUMBER, "Patient", stay=200)
            before = await board.call("talking")
        async with asyncio.timeout(10):
            while youngest(pbx) < 1:  # a snapshot tells how long a call lasts in whole seconds
                await asyncio.sleep(0.1)
        await server.restart()
        async with server.stream("maria") as board:
            (call,) = board.messages[0]["calls"]
            assert call["id"] == before["id"]
            assert call["answered_at"] == before["answered_at"]
            (gap,) = call["unseen"]
            assert gap["since"] >= before["started_at"]
            assert board.messages[0]["pops"][0]["call"]["unseen"] == [gap]
            await caller.hang_up()
            await board.call("ended")


async def test_queues_that_the_pbx_does_not_have_are_unavailable_until_it_has(
    server: Server, pbx: SandboxPbx
) -> None:
    async with server.stream("maria") as board:
        before = [queue["name"] for queue in (await server.snapshot("maria"))["queues"]]
        try:
            pbx.cli("module unload app_queue.so")
            gone = await board.until(lambda m: is_pbx("up", m) and m["pbx"]["unavailable"])
            assert gone["pbx"]["unavailable"] == ["queues"]
            kept = [queue["name"] for queue in (await server.snapshot("maria"))["queues"]]
            assert set(kept) >= set(before)
            assert kept
        finally:
            pbx.cli("module load app_queue.so")
        await board.until(lambda m: is_pbx("up", m) and not m["pbx"]["unavailable"])
