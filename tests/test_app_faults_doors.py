"""Whatever becomes of the server at the door, the caller is served, and people are told: on the
real Asterisk, with real SIP phones, between the PBX and the real server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream, state_of

from cordboard.config import load
from cordboard.crm_core.store import Store
from cordboard.sandbox import scenarios
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Dialling, Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec, Sipp, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

NUMBER = "79161234567"
SILENT = PhoneSpec("1001", (Manner("no-answer"),))
ANNA = PhoneSpec("1001", (Manner(ring=0.3),))


@contextlib.contextmanager
def door(pbx: SandboxPbx, host: str, port: int) -> Iterator[None]:
    """The dialplan asks there, and not at the server."""
    before = pbx.cli("dialplan show globals")
    (kept,) = [line.split("=", 1)[1] for line in before.splitlines() if "CB_AGI=" in line]
    pbx.cli(f"dialplan set global CB_AGI agi://{host}:{port}")
    try:
        yield
    finally:
        pbx.cli(f"dialplan set global CB_AGI {kept.strip()}")


@contextlib.contextmanager
def deaf(backlog: int) -> Iterator[int]:
    """The port of a listener that never accepts; with a `backlog` of 0 it is full, too."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        port = listener.getsockname()[1]
        for _ in range(4 if backlog == 0 else 0):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


@contextlib.asynccontextmanager
async def cut_after(server: Server, lines: int, reset: bool) -> AsyncIterator[int]:
    """The port of a way to the server that ends when the server has said so many lines."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(
            server.status["agi"]["host"], server.status["agi"]["port"]
        )

        async def up() -> None:
            while data := await reader.read(4096):
                back.write(data)

        going = asyncio.create_task(up())
        with contextlib.suppress(ConnectionError):
            for _ in range(lines):
                writer.write(await there.readline())
                await writer.drain()
        if lines:  # let Asterisk carry the last one out
            await asyncio.sleep(0.05)
        going.cancel()
        if reset:
            linger = b"\1\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for side in (writer, back):
            side.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def waited(ami: Heard) -> tuple[str, float]:
    """The queue that the caller joined, and after how many seconds of the PBX's clock."""
    joined = await ami.until_event("QueueCallerJoin")
    began = ami.events("Newchannel")[0]
    return joined["Queue"], float(joined["Timestamp"]) - float(began["Timestamp"])


async def alarm(board: Stream, kind: str) -> Message:
    """One that stood at the beginning, was told meanwhile, or comes."""
    told = [message["alarm"] for message in board.of("alarm")]
    for standing in [*reversed(told), *board.messages[0]["alarms"]]:
        if standing["kind"] == kind:
            return dict(standing)
    return await board.alarm(kind)


@contextlib.contextmanager
def sip_with(pbx: SandboxPbx, line: str, instead: str) -> Iterator[None]:
    """The sandbox's SIP, with another line for one of its own."""
    path = pbx.directory / "etc/pjsip.conf"
    kept = path.read_text(encoding="utf-8")
    assert line in kept
    path.write_text(kept.replace(line, instead), encoding="utf-8")
    pbx.cli("module reload res_pjsip.so")
    try:
        yield
    finally:
        path.write_text(kept, encoding="utf-8")
        pbx.cli("module reload res_pjsip.so")


def entered(ami: Heard) -> list[dict[str, str]]:
    return ami.events("BridgeEnter")


async def seen(condition: Callable[[], bool], within: float = 15) -> None:
    """Waits until what was heard so far makes the condition true."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


def codes(why: list[dict[str, Any]]) -> list[str]:
    return [reason["code"] for reason in why]


# -- nobody there


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="refused"),
        pytest.param("255.255.255.255", id="unreachable"),
        pytest.param("no-such-host.invalid", id="no such name"),
    ],
)
async def test_a_server_that_cannot_be_reached_costs_the_caller_nothing_and_is_told(
    server: Server, pbx: SandboxPbx, ami: Heard, host: str
) -> None:
    async with server.stream("maria") as board, Phones(server.status, [SILENT]):
        before = await server.metric("cordboard_fallbacks_total")
        with door(pbx, host, 9):
            caller = dial(server.status, NUMBER, "Unlucky", stay=120)
            queue, took = await waited(ami)
        assert (queue, took <= 1.0) == (server.status["default_queue"], True)
        pop = await board.pop()
        assert pop["route"]["why"] == [
            {"code": "fallback", "args": {"how": "unreachable"}, "text": None}
        ]
        assert (await alarm(board, "fallback-routed"))["count"] == 1
        assert await server.metric("cordboard_fallbacks_total") - before == 1
        await caller.drop()


async def test_an_address_that_swallows_connections_costs_two_seconds(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    with deaf(backlog=0) as port, door(pbx, "127.0.0.1", port):
        caller = dial(server.status, NUMBER, "Unlucky", stay=120)
        queue, took = await waited(ami)
        await caller.drop()
    assert queue == server.status["default_queue"]
    assert 1.5 < took < 3.0


async def test_callers_who_came_while_the_server_was_dead_are_counted_when_it_is_back(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    server.kill()
    for number in ("79160000001", "79160000002", "79160000003"):
        caller = dial(server.status, number, "Unlucky", stay=120)
        await ami.until_event("QueueCallerJoin", CallerIDNum=number)
        await caller.drop()
    await server.start()
    async with server.stream("maria") as board:
        assert (await alarm(board, "fallback-routed"))["count"] == 3
    assert await server.metric("cordboard_fallbacks_total") == 3
    await server.restart()
    assert await server.metric("cordboard_fallbacks_total") == 0


# -- somebody there who does not answer


async def test_a_server_that_hung_hears_what_became_of_its_callers(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    async with Phones(server.status, [SILENT]):
        server.signal(signal.SIGSTOP)
        try:
            caller = dial(server.status, NUMBER, "Held", stay=120)
            queue, took = await waited(ami)
        finally:
            server.signal(signal.SIGCONT)
        assert (queue, took <= 5.5) == (server.status["default_queue"], True)
        async with server.stream("maria") as board:
            assert (await alarm(board, "fallback-routed"))["count"] == 1
            pops = board.messages[0]["pops"] or [await board.pop()]
            assert {"code": "fallback", "args": {"how": "late"}, "text": None} in pops[0]["route"][
                "why"
            ]
        await caller.drop()


async def test_a_listener_that_never_accepts_holds_the_caller_for_the_lease_alone(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    async with server.stream("maria") as board, Phones(server.status, [SILENT]):
        with deaf(backlog=50) as port, door(pbx, "127.0.0.1", port):
            caller = dial(server.status, NUMBER, "Held", stay=120)
            queue, took = await waited(ami)
        assert (queue, 4.5 < took <= 5.5) == (server.status["default_queue"], True)
        assert (await board.pop())["route"]["why"][0]["args"] == {"how": "late"}
        await caller.drop()


# -- somebody there who dies


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_a_session_that_breaks_off_at_any_step_costs_no_caller_and_the_card_says_so(
    server: Server, pbx: SandboxPbx, ami: Heard, reset: bool
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    steps = 5  # CB_ACTION, CB_QUEUE, CB_PRIO, CB_LANG, CB_DONE
    async with server.stream("maria") as board, Phones(server.status, [SILENT]):
        for said in range(steps + 1):
            async with cut_after(server, said, reset) as port:
                with door(pbx, "127.0.0.1", port):
                    caller = dial(server.status, NUMBER, f"Cut {said}", stay=150)
                    pop = await board.pop()
            done = said == steps
            assert pop["call"]["queue"] == ("support-ru" if done else "support"), said
            assert ("fallback" in codes(pop["route"]["why"])) == (not done), said
            if not done:
                # An RST that overtakes Asterisk's own first lines is a server it did not reach.
                how = pop["route"]["why"][-1]["args"]["how"]
                assert how in ("interrupted", *(["unreachable"] if reset else [])), said
            assert not caller.result.done()
            pbx.hang_up_all()
            await caller.result
            await board.until(lambda m: m["type"] == "call-end")
    assert await server.metric("cordboard_fallbacks_total") == steps


# -- somebody there who does not take the call


async def test_the_card_tells_that_the_manager_was_rung_and_that_a_transfer_came_back(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(NUMBER, status="vip", language="ru", manager="anna")
    phones = [
        PhoneSpec("1002", (Manner(ring=0.3),)),
        PhoneSpec("1008", (Manner("busy", ring=0.1),)),
    ]
    async with (
        Mobile(server.status, Manner("busy", ring=0.2)),
        Phones(server.status, phones),
        server.stream("maria") as board,
    ):
        caller = dial(server.status, NUMBER, "Important", stay=150)
        pop = await board.pop()
        assert "manager-not-reached" in codes(pop["route"]["why"])
        connected = await ami.until_event("AgentConnect")
        channel = connected["DestChannel"]
        await ami.ask("BlindTransfer", Channel=channel, Context="cordboard-phones", Exten="1008")
        came_back = {"code": "transfer-not-taken", "args": {"status": "BUSY"}, "text": None}
        waiting = await board.until(
            lambda m: m["type"] == "waiting" and any(came_back in e["why"] for e in m["entries"])
        )
        (entry,) = waiting["entries"]
        assert entry["call"] == pop["call"]["id"]
        (call,) = [m["call"] for m in board.of("call") if m["call"]["state"] == "waiting"][-1:]
        assert call["operator"] is None
        pbx.hang_up_all()
        await caller.result


# -- an operator's phone that is gone


async def paused(server: Server) -> dict[str, str]:
    """The operators who are paused, and why; those who write a note are not meant."""
    operators = (await server.api("GET", "/operators"))["operators"]
    return {o["name"]: o["reason"] for o in operators if o["reason"] not in (None, "wrap-up")}


async def test_a_phone_lost_in_mid_call_puts_the_caller_first_and_its_operator_on_pause(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    await server.customer("79160000002", status="regular", language="ru", name="Other")
    anna = Phones(server.status, [ANNA], audio=True)
    with sip_with(pbx, "rtp_timeout = 0", "rtp_timeout = 3"):
        async with server.stream("maria") as board, anna:
            caller = dial(server.status, NUMBER, "Unlucky", stay=150, audio=True)
            talking = await board.call("talking")
            other = dial(server.status, "79160000002", "Waits", stay=150, audio=True)
            await board.until(lambda m: m["type"] == "waiting" and len(m["entries"]) == 1)
            await anna.kill()

            # The caller is first, before one who has waited meanwhile.
            waiting = await board.until(
                lambda m: (
                    m["type"] == "waiting"
                    and [entry["call"] for entry in m["entries"]][:1] == [talking["id"]]
                )
            )
            assert [entry["name"] for entry in waiting["entries"]] == ["Иван Петров", "Other"]
            lost = {"code": "phone-lost", "args": {"operator": "anna"}, "text": None}
            assert lost in waiting["entries"][0]["why"]
            (told,) = board.alarms()
            assert (told["kind"], told["detail"]) == ("phone-lost", "anna")
            assert await paused(server) == {"anna": "phone-lost"}
            assert not caller.result.done()

            boris = PhoneSpec("1002", (Manner(ring=0.5),))
            async with Phones(server.status, [boris], audio=True):
                pop = await board.until(
                    lambda m: m["type"] == "screenpop" and m["operator"] == "boris"
                )
                assert pop["call"]["id"] == talking["id"]
                assert pop["customer"]["name"] == "Иван Петров"
                assert lost in pop["route"]["why"]
                again = await board.call("talking")
                assert (again["id"], again["operator"]) == (talking["id"], "boris")
                assert not caller.result.done()
                await server.api("POST", "/operators/anna/actions", {"action": "unpause"}, "anna")
                await ami.until_event("QueueMemberPause", Interface="PJSIP/1001", Paused="0")
                pbx.hang_up_all()
                assert (await caller.result).hung_up == "them"
                await other.result


async def test_a_phone_that_is_put_down_ends_the_call_and_pauses_nobody(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    """Also after a ring that nobody answered, whose cause must not be taken for the end of this."""
    silent = PhoneSpec("1003", (Manner("no-answer"),))
    short = PhoneSpec("1001", (Manner(ring=0.3, talk=1.5),))
    async with server.stream("maria") as board, Phones(server.status, [silent]):
        caller = dial(server.status, NUMBER, "Content", stay=150)
        ringing = await ami.until_event("AgentCalled")
        await ami.ask("Hangup", Channel=ringing["DestChannel"], Cause="18")
        await ami.until_event("AgentRingNoAnswer")
        async with Phones(server.status, [short]):
            assert (await caller.result).hung_up == "them"
        await board.call("ended")
        assert board.alarms() == []
    assert await paused(server) == {}
    assert len(ami.events("QueueCallerJoin")) == 1


@pytest.mark.parametrize("action", ["BlindTransfer", "Atxfer"])
async def test_a_colleague_who_ends_a_transferred_call_ends_it(
    server: Server, pbx: SandboxPbx, ami: Heard, action: str
) -> None:
    colleague = PhoneSpec("1008", (Manner(ring=0.3, talk=2),))
    async with Phones(server.status, [ANNA, colleague]):
        caller = dial(server.status, NUMBER, "Moved", stay=150)
        channel = (await ami.until_event("AgentConnect"))["DestChannel"]
        await ami.ask(action, Channel=channel, Context="cordboard-phones", Exten="1008")
        if action == "Atxfer":
            await ami.until_event("DialEnd", DestExten="1008", DialStatus="ANSWER")
            await ami.ask("Hangup", Channel=channel)
        assert (await caller.result).hung_up == "them"
    assert await paused(server) == {}
    assert len(ami.events("QueueCallerJoin")) == 1


async def test_a_caller_whose_colleague_is_lost_after_the_transfer_is_first_in_his_queue(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    colleague = Phones(server.status, [PhoneSpec("1008", (Manner(ring=0.3),))], audio=True)
    with sip_with(pbx, "rtp_timeout = 0", "rtp_timeout = 3"):
        async with Phones(server.status, [ANNA], audio=True), colleague:
            caller = dial(server.status, NUMBER, "Moved", stay=150, audio=True)
            channel = (await ami.until_event("AgentConnect"))["DestChannel"]
            await ami.ask("Atxfer", Channel=channel, Context="cordboard-phones", Exten="1008")
            await seen(lambda: any("/1008-" in one["Channel"] for one in entered(ami)))
            await ami.ask("Hangup", Channel=channel)
            await colleague.kill()
            await seen(lambda: len(ami.events("QueueCallerJoin")) == 2)
            joined = ami.events("QueueCallerJoin")
            assert [event["Queue"] for event in joined] == ["support-ru"] * 2
            assert not caller.result.done()


async def test_a_callers_phone_that_is_gone_is_no_fault_of_the_operator(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    watched = sip_with(pbx, "identify_by = ip\n", "identify_by = ip\nrtp_timeout = 3\n")
    with watched:
        async with server.stream("maria") as board, Phones(server.status, [ANNA], audio=True):
            caller = dial(server.status, NUMBER, "Tunnel", stay=150, audio=True)
            await board.call("talking")
            await caller.drop()
            await board.call("ended")
            assert board.alarms() == []
    assert await paused(server) == {}


async def test_a_phone_that_makes_no_sound_is_missed_by_the_session_timer(
    server: Server, pbx: SandboxPbx
) -> None:
    anna = Phones(server.status, [ANNA])
    with sip_with(pbx, "timers = no\n", ""):
        async with server.stream("maria") as board, anna:
            caller = dial(server.status, NUMBER, "Patient", stay=200)
            talking = await board.call("talking")
            await anna.kill()
            waiting = await board.until(
                lambda m: m["type"] == "waiting" and len(m["entries"]) == 1, 150
            )
            assert waiting["entries"][0]["call"] == talking["id"]
            assert [alarm["kind"] for alarm in board.alarms()] == ["phone-lost"]
            assert not caller.result.done()


# -- a restart in every state of a call


@pytest.mark.parametrize("state", ["on hold", "consulting"])
async def test_a_restart_while_the_caller_waits_on_the_operators_line_keeps_call_and_card(
    server: Server, pbx: SandboxPbx, ami: Heard, state: str
) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    anna = PhoneSpec("1001", (Manner(ring=0.3, hold=(1.0, 600) if state == "on hold" else None),))
    colleague = PhoneSpec("1008", (Manner(ring=0.3),))
    async with Phones(server.status, [anna, colleague]):
        async with server.stream("maria") as board:
            caller = dial(server.status, NUMBER, "Constant", stay=90)
            before = await board.call("talking")
            pop = board.of("screenpop")[0]
            connected = await ami.until_event("AgentConnect")
            if state == "on hold":
                await board.until(lambda m: state_of(m, "anna") == "on-hold")
            else:
                channel = connected["DestChannel"]
                await ami.ask("Atxfer", Channel=channel, Context="cordboard-phones", Exten="1008")
                await ami.until_event("DialEnd", DestExten="1008", DialStatus="ANSWER")
        server.stop()
        assert not caller.result.done()
        await server.start()
        async with server.stream("maria") as board:
            snapshot = board.messages[0]
            (after,) = [call for call in snapshot["calls"] if call["id"] == before["id"]]
            assert (after["operator"], after["queue"]) == ("anna", "support-ru")
            assert after["answered_at"] == before["answered_at"]
            (found,) = [one for one in snapshot["pops"] if one["call"]["id"] == before["id"]]
            assert found["operator"] == "anna"
            assert found["route"]["why"] == pop["route"]["why"]
            pbx.hang_up_all()
            await board.call("ended")
            await caller.result


# -- calls that are over as soon as they have begun


async def states(server: Server, allowed: set[str]) -> list[Message]:
    """The operators at their phones, once each of them is in an allowed state."""
    async with asyncio.timeout(20):
        while True:
            listed = (await server.api("GET", "/operators"))["operators"]
            there = [one for one in listed if one["state"] != "offline"]
            if {one["state"] for one in there} <= allowed:
                return there
            await asyncio.sleep(0.2)


async def test_two_hundred_answers_of_a_moment_are_each_counted_and_written_up_once(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    """Asterisk's AgentComplete may name no channel then, and users of other systems tell of
    operators who were shown busy for an hour after."""
    calls = 200
    server.config.write_text(
        server.config.read_text().replace("wrapup_seconds = 300", "wrapup_seconds = 0")
    )
    await server.add_operator("vera", "PJSIP/1003")
    # Put down at once by the operator, a breath later, or by the caller after a second.
    manners = (Manner(ring=0.1, talk=0.001), Manner(ring=0.1, talk=0.1), Manner(ring=0.1))
    specs = [PhoneSpec(user, manners) for user in ("1001", "1002", "1003")]
    queues = pbx.directory / "etc/queues.conf"
    kept = queues.read_text(encoding="utf-8")
    queues.write_text(kept + "\n[support](+)\nwrapuptime=0\n[support-ru](+)\nwrapuptime=0\n")
    pbx.cli("queue reload parameters")
    sipp = Sipp(server.status)
    try:
        async with server.stream("maria") as board, Phones(server.status, specs):
            started = time.time()
            dialling = Dialling(NUMBER, "Brief", server.status["sip"]["inbound"], stay=1.2)
            limits = ("-m", str(calls), "-r", "5", "-l", "3", "-nd")
            await sipp.start(scenarios.caller(dialling, audio=None), *limits)
            ended: set[str] = set()
            async with asyncio.timeout(200):
                while len(ended) < calls:
                    message = await board.next(60)
                    if message["type"] == "call" and message["call"]["state"] == "ended":
                        ended.add(message["call"]["id"])
            assert await sipp.wait() == 0
            # Nobody is stuck: in the wrap-up of the last talk, or free, and after it all are free.
            operators = await states(server, {"wrap-up", "ready"})
            for one in [one for one in operators if one["state"] == "wrap-up"]:
                body = {"action": "wrapup", "args": {"note": "", "result": "resolved"}}
                await server.api("POST", f"/calls/{one['call']}/actions", body, one["name"])
            assert len(await states(server, {"ready"})) == len(specs)
            (level,) = [
                queue["service_level"]
                for queue in (await server.api("GET", "/queues"))["queues"]
                if queue["name"] == "support-ru"
            ]
        server.stop()
        store = Store(load(server.config).database.url)
        await store.open()
        records = await store.recent_calls(500)
        entries = await store.entries_since(started - 1)
        talks = [fact.kind for call in records[:50] for fact in await store.call_facts(call.id)]
        await store.close()
    finally:
        await sipp.stop()
        queues.write_text(kept, encoding="utf-8")
        pbx.cli("queue reload parameters")
    incomplete = [
        event
        for event in ami.events("AgentComplete")
        if not (event.get("Uniqueid") and event.get("DestUniqueid"))
    ]
    print(f"AgentComplete without ids: {len(incomplete)} of {calls}")
    assert {record.id for record in records} == ended
    answered = [record for record in records if record.answered_at is not None]
    connected = [entry for entry in entries if entry.outcome == "connected"]
    # A caller may run out of patience before the answer. A phone that is put down in the moment of
    # the answer, before there is a bridge, is connected for the queue, though nobody talked.
    assert len(connected) == level["answered"] > calls * 0.7
    bridged = {e["Linkedid"] for e in ami.events("BridgeEnter") if e["BridgeNumChannels"] == "2"}
    assert {record.linkedid for record in answered} == bridged
    assert level["answered"] + level["abandoned"] == calls == len(entries)
    assert all(record.cause == "completed" for record in answered)
    assert sum(record.ended_at - record.answered_at for record in answered) < calls
    assert talks.count("established") == talks.count("peercleared") <= 50
