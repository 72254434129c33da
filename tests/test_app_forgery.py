"""Callers who write manager events into their numbers, on a real Asterisk: nothing false comes of
it, with the shipped filters and without, and the forgers are served like anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pbx_fixtures import Heard
from server_fixtures import Server, Stream

from cordboard.config import load
from cordboard.crm_core.model import FactRecord
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

NUMBER = "79161234567"
ANNA = PhoneSpec("1001", (Manner(ring=0.5),))
END = "\r\n\r\n"


def forgeries(unique: str) -> dict[str, tuple[str, str | None]]:
    """From users and the numbers they call, by what they try; `unique` is the Uniqueid of a live
    call. Asterisk cuts both at 79 characters."""
    operator = "PJSIP/1002"
    event = f"{END}Event: "
    return {
        "a line of its own": (f"100\r\nUniqueid: {unique}", None),
        "a caller joins": (f"{event}QueueCallerJoin\r\nQueue: support\r\nUniqueid: 6.6\r\n", None),
        "a live call ends": (f"{event}Hangup\r\nPrivilege: c\r\nUniqueid: {unique}{END}", None),
        "by line feeds": (f"1\n\nEvent: Hangup\nPrivilege: c\nUniqueid: {unique}\nX: ", None),
        "a phone rings": (
            f"{event}DialBegin\r\nPrivilege: c\r\nDestChannel: {operator}-1\r\nDestUniqueid: 9",
            f"7495\r\nDestLinkedid: {unique}",
        ),
        "an agent is called": (
            f"{event}AgentCalled\r\nPrivilege: a\r\nDestChannel: {operator}-2\r\nQueue: s",
            f"7495\r\nDestUniqueid: 1.1\r\nDestLinkedid: {unique}",
        ),
        "a talk": (
            f"{event}BridgeEnter\r\nPrivilege: c\r\nBridgeUniqueid: b\r\nUniqueid: {unique}",
            None,
        ),
        "a way out": (
            f"{event}UserEvent\r\nPrivilege: u\r\nUserEvent: CordboardQueue\r\nStatus: FULL",
            f"7495\r\nUniqueid: {unique}",
        ),
        "the PBX itself": (f"{event}FullyBooted\r\nPrivilege: s{event}Shutdown\r\nX: ", None),
        "a reply": (f"{END}Response: Success\r\nActionID: 1\r\nValue: 6.6{END}", None),
        "the end of a list": (f"{event}QueueStatusComplete\r\nEventList: Complete{END}", None),
        # Written so, the event is whole, and speaks of the forger's channel by another's id.
        "another's id": (
            "79160000666",
            f"7495\r\nPriority: 1\r\nUniqueid: {unique}\r\nLinkedid: {unique}{END}",
        ),
        "an id of nobody": (
            "79160000667",
            f"7\r\nPriority: 1\r\nUniqueid: 6.6\r\nLinkedid: 6.6{END}",
        ),
    }


async def use_account(server: Server, account: str) -> None:
    if account == "cordboard":
        return
    secret = server.folder / "raw.secret"
    secret.write_text(server.status["ami_raw"]["secret"])
    secret.chmod(0o600)
    lines = [
        f'user = "{server.status["ami_raw"]["user"]}"'
        if line.startswith("user = ")
        else f'secret_file = "{secret}"'
        if line.startswith("secret_file = ")
        else line
        for line in server.config.read_text().splitlines()
    ]
    server.config.write_text("\n".join(lines) + "\n")
    await server.restart()


@contextlib.asynccontextmanager
async def stored(server: Server) -> AsyncIterator[Store]:
    store = Store(load(server.config).database.url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def story(facts: list[FactRecord]) -> list[tuple[str, Any]]:
    """What is told of a call, without times and names that differ from call to call."""
    told = []
    for fact in facts:
        data = json.loads(fact.data)
        told.append((fact.kind, {key: data.get(key) for key in ("queue", "cause", "outcome")}))
    return told


def forger(server: Server, number: str, to: str | None, stay: float = 2) -> LiveCall:
    called = None if to is None else quote(to, safe="")
    return dial(server.status, quote(number, safe=""), "Mallory", called, stay=stay)


async def ended(board: Stream, call: str) -> None:
    await board.until(
        lambda m: m["type"] == "call" and m["call"]["id"] == call and m["call"]["state"] == "ended"
    )


async def note_done(server: Server) -> None:
    """There is nothing to write of the call."""
    done = {"action": "done", "args": {}, "reason": ""}
    await server.api("POST", "/operators/anna/actions", done, by="anna")


async def bystander(server: Server, board: Stream) -> tuple[LiveCall, str]:
    """A call that talks with anna; it and its id."""
    live = dial(server.status, NUMBER, "Bystander", stay=300)
    talking = await board.call("talking")
    return live, talking["id"]


@pytest.mark.parametrize("account", ["cordboard", "raw"])
async def test_nothing_false_comes_of_forged_events_and_the_forgers_are_served(
    server: Server, ami: Heard, account: str
) -> None:
    await use_account(server, account)
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        live, alone = await bystander(server, board)
        await live.hang_up()
        await ended(board, alone)
        await note_done(server)
        await asyncio.sleep(5.5)  # for so long the queue leaves an operator alone
        live, among = await bystander(server, board)
        bridged = [e for e in ami.events("BridgeEnter") if "inbound" in e["Channel"]]
        tries = forgeries(bridged[-1]["Uniqueid"])
        forgers = [forger(server, *numbers) for numbers in tries.values()]
        results = await asyncio.gather(*(caller.result for caller in forgers))
        assert {result.outcome for result in results} == {"completed"}
        assert (await server.api("GET", f"/calls/{among}"))["state"] == "talking"
        assert (await live.hang_up()).hung_up == "us"
        await ended(board, among)
        await note_done(server)
    async with asyncio.timeout(30):  # who waited is taken off the wallboard a moment later
        while (snapshot := await server.snapshot("maria"))["waiting"]:
            await asyncio.sleep(0.1)
    async with stored(server) as store:
        calls = await store.recent_calls()
        assert story(await store.call_facts(among)) == story(await store.call_facts(alone))
        entries = [entry for call in calls for entry in await store.call_entries(call.id)]
    assert {call.linkedid for call in calls} == {
        e["Uniqueid"] for e in ami.events("QueueCallerJoin")
    }
    causes = Counter(call.cause for call in calls)
    assert causes == {"completed": 2, "cancelled": len(tries)}
    outcomes = Counter(entry.outcome for entry in entries)
    assert outcomes == {"connected": 2, "abandoned": len(tries)}
    assert all(set(call.number) <= set("+0123456789") for call in calls)
    assert {(pop["call"]["id"], pop["operator"]) for pop in board.of("screenpop")} == {
        (alone, "anna"),
        (among, "anna"),
    }
    assert all(call["state"] == "ended" for call in snapshot["calls"])
    (alarm,) = [alarm for alarm in snapshot["alarms"] if alarm["kind"] != "behind"]
    assert (alarm["kind"], alarm["count"]) == ("forged-callers", len(tries))
    assert await server.metric("cordboard_forged_callers_total") == len(tries)
    assert await server.metric("cordboard_ami_quarantined") > 0


@pytest.fixture
def unclean(pbx: SandboxPbx, server: Server) -> Iterator[None]:
    """A dialplan that leaves numbers as they come."""
    agi = server.status["agi"]
    pbx.cli("dialplan remove context cordboard-inbound")
    route = f"AGI(agi://{agi['host']}:{agi['port']}/route,${{CHANNEL(linkedid)}},${{EXTEN}},,)"
    for priority, step in enumerate(("Answer()", route, "Queue(support)"), 1):
        pbx.cli(f"dialplan add extension _[0-9+].,{priority},{step} into cordboard-inbound")
    yield
    pbx.cli("dialplan remove context cordboard-inbound")
    pbx.cli("dialplan reload")


@pytest.mark.usefixtures("unclean")
@pytest.mark.parametrize("account", ["cordboard", "raw"])
@pytest.mark.parametrize(
    "number",
    [f"100{END}Event: Hangup\r\nPrivilege: c\r\nUniqueid: 6.6{END}", "100\r\nUniqueid: 6.6"],
)
async def test_a_forger_is_followed_to_his_end_where_nothing_cleans_his_number(
    server: Server, account: str, number: str
) -> None:
    """Every event of his call is cut in two. With the filters at the source he is not seen at
    all, but for what snapshots tell."""
    if account == "cordboard" and END in number:
        pytest.skip("the filters drop every event of such a call")
    await use_account(server, account)
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        caller = forger(server, number, None, stay=120)
        pop = await board.pop()
        assert pop["operator"] == "anna"
        assert pop["call"]["from"] in ("100", "")
        talking = await board.call("talking")
        assert talking["operator"] == "anna"
        await caller.hang_up()
        await ended(board, talking["id"])
        assert len({call["call"]["id"] for call in board.of("call")}) == 1
    async with stored(server) as store:
        (call,) = await store.recent_calls()
        (entry,) = await store.call_entries(call.id)
    assert (call.cause, entry.outcome) == ("completed", "connected")
