"""The PBX is killed, shut down, half loaded, reloaded, set to another time: nothing of the old one
is acted on, and what it does not tell is said."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest
from desk_fixtures import ANNA, BORIS, FIRST, THIRD, desk
from oracles import picture_is_true
from pbx_fixtures import Heard
from proxy import Proxy, name_of
from server_fixtures import Server

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.sip import Phones, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults]


def levels(snapshot: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        queue["name"]: (queue["service_level"]["answered"], queue["service_level"]["abandoned"])
        for queue in snapshot["queues"]
    }


async def test_a_killed_pbx_loses_its_calls_once_and_leaves_no_ghosts(
    server: Server, pbx: SandboxPbx
) -> None:
    async with server.stream("maria") as board:
        async with Phones(server.status, [ANNA], audio=True):
            first = dial(server.status, FIRST, "1", stay=150)
            talking = await board.call("talking")
            second = dial(server.status, THIRD, "3", stay=150)
            waiting = await board.call("waiting")
            boots = {p["boot"] for p in board.messages[0]["pbx"]}
            pbx.kill()
            down = await board.until(
                lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down", 2
            )
            assert down["pbx"]["stale_since"] is not None
            stale = await server.snapshot("maria")
            assert {call["state"] for call in stale["calls"]} == {"talking", "waiting"}
            before = levels(stale)
            for caller in (first, second):
                await caller.drop()
        pbx.start(die_with_parent=True)
        lost: dict[str, Any] = {}
        while len(lost) < 2:
            ended = await board.call("ended", 20)
            lost[ended["id"]] = ended["cause"]
        assert lost == {talking["id"]: "lost", waiting["id"]: "lost"}
        up = await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 20)
        # The marker: another boot than before.
        assert {up["pbx"]["boot"]} != boots
    fresh = await server.snapshot("maria")
    assert [call for call in fresh["calls"] if call["state"] != "ended"] == []
    assert fresh["waiting"] == []
    # The day's totals are ours, not those of app_queue, which begin anew: kept, and one more lost.
    queue = talking["queue"]
    assert levels(fresh)[queue] == (before[queue][0], before[queue][1] + 1)
    assert await _states(server) == {"ended": 2}

    # Channel names come again after a restart: the old call's must do nothing to the new one.
    done = {"action": "done", "args": {}, "reason": ""}  # the note of the call that was lost
    await server.api("POST", "/operators/anna/actions", done, by="anna")
    async with Phones(server.status, [ANNA], audio=True), server.stream("maria") as board:
        third = dial(server.status, FIRST, "new", stay=150)
        again = await board.call("talking")
        names = {event["linkedid"] for event in (talking, again)}
        assert len(names) == 2
        await _refused(server, talking["id"])
        assert not third.result.done()
        await third.hang_up()
    assert await _states(server) == {"ended": 3}


async def test_an_action_asked_before_the_restart_does_not_hit_the_channel_that_has_the_name_now(
    proxied_server: Server, proxy: Proxy, pbx: SandboxPbx
) -> None:
    """The board still shows the old call while the link is away; its hang-up comes too late."""
    server = proxied_server
    async with server.stream("maria") as board:
        first = dial(server.status, FIRST, "old", stay=150)
        old = await board.call("waiting")
        proxy.refusing = True
        pbx.kill()
        await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down", 5)
        await first.drop()
        pbx.start(die_with_parent=True)
        second = dial(server.status, FIRST, "new", stay=150)
        heard = Heard(server.status["ami"])
        await heard.open()
        try:
            for _ in range(100):
                await asyncio.sleep(0.1)
                if pbx.cli("core show channels count").startswith("1 active channel"):
                    break
            body = {"action": "hangup", "args": {}, "reason": ""}
            action = await server.api("POST", f"/calls/{old['id']}/actions", body)
            result = await board.until(lambda m: m["type"] == "result", 20)
            assert (result["id"], result["ok"]) == (action["id"], False)
            proxy.healthy()
            await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 20)
            await picture_is_true(server, heard)
            await asyncio.sleep(0)
            assert not second.result.done()
        finally:
            await heard.close()
        await second.hang_up()


async def test_a_login_that_is_refused_while_the_pbx_shuts_down_is_a_restart_and_no_lockout(
    proxied_server: Server, proxy: Proxy, pbx: SandboxPbx, ami: Heard
) -> None:
    server = proxied_server
    async with server.stream("maria") as board, Phones(server.status, [ANNA], audio=True):
        caller = dial(server.status, FIRST, "last", stay=150)
        await board.call("talking")
        # It waits for the call to end, and lets nobody log in meanwhile.
        stopping = asyncio.create_task(asyncio.to_thread(pbx._ask, "core stop gracefully"))
        for _ in range(100):
            if "during shutdown" in pbx._ask("core show channels count").stdout:
                break
            await asyncio.sleep(0.05)
        proxy.reset()
        told = await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["restarting"], 10)
        assert "shutting down" in told["pbx"]["reason"]
        assert not caller.result.done()
        assert board.alarms() == []
        await caller.hang_up()
        await stopping
        while pbx.pid() is not None:
            await asyncio.sleep(0.05)
    pbx.start(die_with_parent=True)
    async with server.stream("maria") as board:
        if board.messages[0]["pbx"][0]["state"] != "up":
            up = await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 20)
            assert not up["pbx"]["restarting"]
    assert await _states(server) == {"ended": 1}


async def test_sigterm_with_calls_up_is_said_as_a_restart(server: Server, pbx: SandboxPbx) -> None:
    async with server.stream("maria") as board:
        caller = dial(server.status, FIRST, "last", stay=150)
        await board.call("waiting")
        pbx.down()
        told = await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down", 5)
        assert told["pbx"]["restarting"]
        await caller.drop()
        pbx.start(die_with_parent=True)
        await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 20)
    assert await _states(server) == {"ended": 1}


async def test_the_picture_waits_for_a_pbx_that_boots_late(
    proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    async with desk(proxied_server, ami) as at:
        proxy.down.plan = lambda frame: (4,) if name_of(frame) == "FullyBooted" else (0,)
        proxy.reset()
        await at.link("down", 2)
        began = time.monotonic()
        await at.link("up", 15)
        assert time.monotonic() - began > 4
        await picture_is_true(proxied_server, ami)


async def test_queues_that_come_late_are_said_to_be_missing_and_then_are_there(
    proxied_server: Server, proxy: Proxy, pbx: SandboxPbx
) -> None:
    server = proxied_server
    assert "Unloaded" in pbx.cli("module unload app_queue.so")
    try:
        async with server.stream("maria") as board:
            proxy.reset()
            up = await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 10)
            assert up["pbx"]["unavailable"] == ["queues"]
            pbx.cli("module load app_queue.so")
            await board.until(lambda m: m["type"] == "pbx" and m["pbx"]["unavailable"] == [], 20)
            async with Phones(server.status, [ANNA], audio=True):
                caller = dial(server.status, FIRST, "1", stay=150)
                talking = await board.call("talking")
                assert talking["operator"] == "anna"
                await caller.hang_up()
    finally:
        pbx.cli("module load app_queue.so")


async def test_reloads_every_second_under_load_make_nothing_flap(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    async with desk(server, ami) as at:
        await at.phone(BORIS)
        await at.board.call("talking")
        mark = len(at.board.messages)
        for round_ in range(8):
            pbx.cli("queue reload all")
            pbx.cli("dialplan reload")
            if round_ % 2 == 0:
                caller = at.dial(f"7916000010{round_}")
                await ami.until_event("QueueCallerJoin", CallerIDNum=f"7916000010{round_}")
            else:
                await at.hang_up(caller)
            await picture_is_true(server, ami)
            await asyncio.sleep(0.7)
        seen = at.board.messages[mark:]
        assert [m for m in seen if m["type"] == "pbx"] == []
        # Two operators talk all the while; a reload is no news of them.
        changed = [item for m in seen if m["type"] == "operators" for item in m["changed"]]
        assert [one for one in changed if one["name"] in ("anna", "boris")] == []


async def _states(server: Server) -> dict[str, int]:
    for _ in range(300):
        async with server.store() as store:
            rows = await store.recent_calls(100)
        if all(row.state == "ended" for row in rows):
            break
        await asyncio.sleep(0.1)
    found: dict[str, int] = {}
    for row in rows:
        found[row.state] = found.get(row.state, 0) + 1
    return found


async def _refused(server: Server, call: str) -> None:
    """Whatever the API says, or the stream as a result: it is no success."""
    headers = {"Authorization": f"Bearer {server.tokens['maria']}"}
    body = json.dumps({"action": "hangup", "args": {}, "reason": ""})
    async with server.stream("maria") as board, aiohttp.ClientSession(headers=headers) as session:
        url = f"{server.base}/api/v1/calls/{call}/actions"
        async with session.post(
            url, data=body, headers={"Content-Type": "application/json"}
        ) as answer:
            if answer.status >= 400:
                return
            identity = (await answer.json())["id"]
        result = await board.until(lambda m: m["type"] == "result" and m["id"] == identity)
        assert not result["ok"]
