"""Calls outlive cordboard: killed, hung, restarted, on the real Asterisk with real SIP phones."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import Server

from cordboard.config import load
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

NUMBER = "79161234567"
ANNA = PhoneSpec("1001", (Manner(ring=0.5),))
BORIS = PhoneSpec("1002", (Manner(ring=0.5),))


def snapshot_calls(snapshot: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {call["id"]: (call["state"], call["operator"]) for call in snapshot["calls"]}


async def test_a_waiting_caller_survives_kill_9_is_answered_and_the_picture_comes_back_right(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    async with server.stream("maria") as board:
        waiter = dial(server.status, NUMBER, "Waiting", stay=150)
        waiting = await board.call("waiting")
    server.kill()
    async with Phones(server.status, [ANNA]):
        connected = await ami.until_event("AgentConnect")
        assert connected["Linkedid"] == waiting["linkedid"]
        await server.start()
        async with server.stream("maria") as board:
            snapshot = await server.recognised("maria")
            assert snapshot_calls(snapshot) == {waiting["id"]: ("talking", "anna")}
            assert snapshot["waiting"] == []
            assert [pop["operator"] for pop in snapshot["pops"]] == ["anna"]
            assert snapshot["pops"][0]["customer"]["name"] == "Иван Петров"
            states = {o["name"]: o["state"] for o in snapshot["operators"]}
            assert states["anna"] == "talking"
            assert snapshot["calls"][0]["started_at"] == waiting["started_at"]
            pbx.hang_up_all()
            await board.call("ended")
            await waiter.result


async def test_a_caller_who_arrives_while_cordboard_is_dead_reaches_an_operator_at_once(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    server.kill()
    async with Phones(server.status, [ANNA]):
        caller = dial(server.status, NUMBER, "Unlucky", stay=120)
        async with asyncio.timeout(10):
            await caller.answered.wait()
        joined = await ami.until_event("QueueCallerJoin")
        assert joined["Queue"] == server.status["default_queue"]
        began = await ami.until_event("Newchannel", Exten=server.status["sip"]["inbound"])
        assert float(joined["Timestamp"]) - float(began["Timestamp"]) <= 1.0
        await ami.until_event("AgentConnect")
        assert (await caller.hang_up()).outcome == "completed"
    await server.start()
    async with server.stream("maria") as board:
        assert board.messages[0]["calls"] == []


async def test_a_caller_is_freed_from_a_hung_cordboard_within_five_seconds(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    server.signal(signal.SIGSTOP)
    async with Phones(server.status, [ANNA]), server_continues(server):
        caller = dial(server.status, NUMBER, "Held", stay=120)
        joined = await ami.until_event("QueueCallerJoin")
        began = await ami.until_event("Newchannel", Exten=server.status["sip"]["inbound"])
        assert float(joined["Timestamp"]) - float(began["Timestamp"]) <= 5.5
        await ami.until_event("AgentConnect")
        server.signal(signal.SIGCONT)
        async with server.stream("maria") as board:
            call = board.messages[0]["calls"] or [await board.call("talking")]
            assert call[0]["from"].endswith(NUMBER)
            pbx.hang_up_all()
            await board.call("ended")
            await caller.result


@pytest.mark.parametrize("state", ["waiting", "ringing", "talking"])
async def test_a_restart_keeps_the_call_and_its_card_in_any_state(
    server: Server, pbx: SandboxPbx, state: str
) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    slow = PhoneSpec("1001", (Manner(ring=0.2 if state == "talking" else 25.0),))
    phones = [] if state == "waiting" else [slow]
    async with Phones(server.status, phones):
        async with server.stream("maria") as board:
            caller = dial(server.status, NUMBER, "Constant", stay=150)
            before = await board.call(state)
            why = board.of("screenpop")[0]["route"]["why"] if phones else None
        server.stop()
        assert not caller.result.done()
        await server.start()
        async with server.stream("maria") as board:
            snapshot = await server.recognised("maria")
            (after,) = snapshot["calls"]
            kept = ("id", "state", "from", "operator", "customer", "queue", "started_at")
            assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
            if phones:
                (pop,) = snapshot["pops"]
                assert pop["customer"]["status"] == "vip"
                assert pop["route"]["why"] == why
            pbx.hang_up_all()
            await board.call("ended")
            await caller.result


async def test_every_stay_in_the_queue_is_in_the_store_once_after_a_restart_in_the_wait(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    async with server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Waiting", stay=150)
        waiting = await board.call("waiting")
    server.kill()
    await server.start()
    async with server.stream("maria") as board, Phones(server.status, [BORIS]):
        await board.call("talking")
        pbx.hang_up_all()
        await board.call("ended")
        await caller.result
    store = Store(load(server.config).database.url)
    await store.open()
    entries = await store.call_entries(waiting["id"])
    await store.close()
    assert [(entry.outcome, entry.operator) for entry in entries] == [("connected", "boris")]


class server_continues:  # noqa: N801 - reads as a sentence in `with`
    """Wakes a stopped server whatever happens, so that it can be stopped."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __aenter__(self) -> None:
        return

    async def __aexit__(self, *_: object) -> None:
        self._server.signal(signal.SIGCONT)
