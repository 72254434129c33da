"""Callers who press a digit, hang up, and are called back in their turn, on the real Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from oracles import fresh
from pbx_fixtures import Heard
from server_fixtures import Message, Server, served
from test_app_reconcile import reconcile

from cordboard.sandbox import sip
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]
Status = dict[str, Any]

PBX, QUEUE = "sandbox", "support-ru"
POLICY = """
default_queue = "support"
default_language = "en"

[languages_by_country]
RU = "ru"

[[rule]]
name = "by language"
action = "queue"
queue = "support-{language}"
callback = { after = 5HOURS }
"""


def number(index: int) -> str:
    return f"7916123450{index}"


ONLY_OF_VIPS = (
    POLICY.replace('"by language"', '"vip"\nwhen = { status = ["vip"] }')
    + """
[[rule]]
name = "all"
action = "queue"
queue = "support-{language}"
"""
)


@pytest.fixture
def hours() -> str:
    return ""


@pytest.fixture
def rules() -> str:
    return POLICY


@pytest.fixture
async def server(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: Status,
    monkeypatch: pytest.MonkeyPatch,
    hours: str,
    rules: str,
) -> AsyncIterator[Server]:
    policy = tmp_path / "routing.toml"
    policy.write_text(rules.replace("HOURS", hours))
    monkeypatch.setenv("CORDBOARD_ROUTING__PATH", str(policy))
    running = Server(tmp_path, sandbox, wrapup=1)
    async with served(running, pbx):
        yield running


class Desk:
    """One operator's queue, and those who call it."""

    def __init__(self, sandbox: Status, ami: Heard, pbx: SandboxPbx) -> None:
        self.sandbox, self.ami, self.pbx = sandbox, ami, pbx

    async def waits(self, index: int) -> LiveCall:
        """A caller who stands in the queue when this returns."""
        caller = sip.dial(self.sandbox, number(index), f"Caller {index}")
        await self.ami.until_event("QueueCallerJoin", CallerIDNum=number(index))
        return caller

    async def asks(self, caller: LiveCall, index: int) -> None:
        """He presses 1 for a callback, and 1 for his own number."""
        await caller.line.press("1")
        left = await self.ami.until_event("UserEvent", Status="KEY", CallerIDNum=number(index))
        assert left["Queue"] == QUEUE
        await self.hears("vm-num-i-have")
        await caller.line.press("1")

    async def hears(self, prompt: str) -> None:
        """A caller is being asked this: a digit before that is nobody's answer."""
        async with asyncio.timeout(60):
            while prompt not in await asyncio.to_thread(self.pbx.cli, "core show channels concise"):
                await asyncio.sleep(0.05)

    async def is_offered(self) -> None:
        """A caller is being told to press 1."""
        said = ""
        async with asyncio.timeout(120):
            while "vm-tocallnum" not in said:  # press 1 to call this number
                said = await asyncio.to_thread(self.pbx.cli, "core show channels concise")
                await asyncio.sleep(0.1)
        assert "cordboard-announce!say!" in said

    async def promised(self, index: int) -> dict[str, str]:
        """What waits in his stead."""
        return await self.ami.until_event("QueueCallerJoin", CallerIDNum=f"+{number(index)}")

    async def line(self) -> list[str]:
        """The numbers of those who wait, the head first."""
        items = [i for i in await fresh(self.ami) if i.get("Event") == "QueueEntry"]
        items = [item for item in items if item["Queue"] == QUEUE]
        items.sort(key=lambda item: int(item["Position"]))
        return [item["CallerIDNum"].lstrip("+") for item in items]

    async def shown(self, server: Server, *indices: int) -> list[Message]:
        """The wallboard's rows, when they are those of these callers."""
        while True:
            picture = await server.snapshot("maria")
            rows = [row for row in picture["waiting"] if row["queue"] == QUEUE]
            if [row["from"] for row in rows] == [f"+{number(index)}" for index in indices]:
                return rows
            await asyncio.sleep(0.1)

    def pause(self, paused: bool) -> None:
        self.pbx.cli(f"queue {'' if paused else 'un'}pause member PJSIP/1001")


@pytest.fixture
def desk(sandbox: Status, ami: Heard, pbx: SandboxPbx) -> Desk:
    return Desk(sandbox, ami, pbx)


async def test_a_callback_keeps_the_place_three_ahead_and_two_behind(
    server: Server, desk: Desk, ami: Heard
) -> None:
    phones = Phones(desk.sandbox, [PhoneSpec("1001", (Manner(ring=0.5),))])
    async with (
        phones,
        Mobile(desk.sandbox, Manner(ring=0.5, talk=1)),
        server.stream("anna") as anna,
    ):
        desk.pause(True)
        callers = [await desk.waits(index) for index in range(6)]
        await desk.asks(callers[3], 3)
        assert (await callers[3].result).hung_up == "them"
        joined = await desk.promised(3)
        assert joined["Position"] == "4"
        assert await desk.line() == [number(index) for index in range(6)]
        shown = await desk.shown(server, *range(6))
        assert [entry["callback"] for entry in shown] == [index == 3 for index in range(6)]
        # Those ahead leave, and it is his turn; nobody calls him before an operator has answered.
        for index in (0, 1, 2):
            await callers[index].hang_up()
        assert not [e for e in ami.events("Newchannel") if "trunk" in e["Channel"]]
        desk.pause(False)
        pop = await anna.pop()
        assert pop["call"]["from"] == f"+{number(3)}"
        taken = await ami.until_event("AgentConnect", Channel=joined["Channel"])
        rung = await ami.until_event("DialBegin", Channel=joined["Channel"][:-1] + "1")
        assert float(rung["Timestamp"]) >= float(taken["Timestamp"])
        assert (await anna.call("talking"))["from"] == f"+{number(3)}"
        assert (await anna.call("ended"))["cause"] == "completed"
        for index in (4, 5):
            await callers[index].hang_up()
    async with server.store() as store:
        assert await store.open_callbacks(PBX) == []
    calls = [call for call in await server.calls() if call.number == f"+{number(3)}"]
    assert [(c.cause, c.operator) for c in calls] == [("no-answer", None), ("completed", "anna")]


@pytest.mark.usefixtures("brisk")
async def test_never_more_customers_are_called_than_operators_are_free(
    server: Server, desk: Desk, ami: Heard
) -> None:
    """One operator, three callbacks, some of them busy."""
    manners = [Manner(ring=0.5, talk=1, weight=3), Manner("busy", ring=0.3)]
    phones = Phones(desk.sandbox, [PhoneSpec("1001", (Manner(ring=0.3),))])
    async with phones, Mobile(desk.sandbox, *manners), server.stream("maria") as stream:
        desk.pause(True)
        for index in range(3):
            caller = await desk.waits(index)
            await desk.asks(caller, index)
            await caller.result
            await desk.promised(index)
        assert await desk.line() == [number(index) for index in range(3)]
        desk.pause(False)
        for _ in range(6):  # three who asked for it, and three who are called
            await stream.call("ended")
    order = [e["CallerIDNum"] for e in ami.events("AgentConnect")]
    assert order == [f"+{number(index)}" for index in range(3)]
    live = most = 0
    for event in ami.events("Newchannel", "Hangup"):
        if event["Channel"].startswith("PJSIP/trunk-"):
            live += 1 if event["Event"] == "Newchannel" else -1
            most = max(most, live)
    assert most == 1
    assert len([e for e in ami.events("DialBegin") if "trunk" in e["DestChannel"]]) == 3


async def test_who_is_promised_a_callback_already_or_calls_again_is_not_called_twice(
    server: Server, desk: Desk, ami: Heard
) -> None:
    phones = Phones(desk.sandbox, [PhoneSpec("1001", (Manner("no-answer"),))])
    async with phones, Mobile(desk.sandbox, Manner(ring=0.5, talk=1)):
        desk.pause(True)
        first = await desk.waits(0)
        await desk.asks(first, 0)
        await first.result
        joined = await desk.promised(0)
        # Another caller gives the same number: he goes on waiting.
        other = await desk.waits(1)
        await other.line.press("1")
        await ami.until_event("UserEvent", Status="KEY", CallerIDNum=number(1))
        for prompt, keys in (
            ("vm-num-i-have", "2"),
            ("vm-enter-num-to-call", f"{number(0)}#"),
            ("vm-num-i-have", "1"),
        ):
            await desk.hears(prompt)
            await other.line.press(keys)
        for _ in range(600):
            if await desk.line() == [number(0), number(1)]:
                break
            await asyncio.sleep(0.1)
        assert await desk.line() == [number(0), number(1)]
        await other.hang_up()
        # He calls again himself: what waits for him goes.
        again = sip.dial(desk.sandbox, number(0), "Caller 0")
        await ami.until_event("Hangup", Channel=joined["Channel"])
        assert await desk.line() == [number(0)]
        await again.hang_up()
    async with server.store() as store:
        assert await store.open_callbacks(PBX) == []


async def open_callbacks(server: Server) -> int:
    async with server.store() as store:
        return len(await store.open_callbacks(PBX))


async def promised(desk: Desk, index: int) -> dict[str, str]:
    caller = await desk.waits(index)
    await desk.asks(caller, index)
    await caller.result
    return await desk.promised(index)


async def test_a_callback_is_made_while_the_server_is_dead_and_not_again_when_it_is_back(
    server: Server, desk: Desk, ami: Heard
) -> None:
    phones = Phones(desk.sandbox, [PhoneSpec("1001", (Manner(ring=0.3),))])
    async with phones, Mobile(desk.sandbox, Manner(ring=0.3, talk=1)):
        desk.pause(True)
        joined = await promised(desk, 0)
        assert await open_callbacks(server) == 1
        server.kill()
        desk.pause(False)
        await ami.until_event("AgentConnect", Channel=joined["Channel"])
        await ami.until_event("Hangup", Channel=joined["Channel"])
        await server.start()
        for _ in range(600):
            if await open_callbacks(server) == 0:
                break
            await asyncio.sleep(0.1)
        assert await open_callbacks(server) == 0
        await asyncio.sleep(2)  # of ticks, in which it would be made again
    assert len([e for e in ami.events("DialBegin") if "trunk" in e["DestChannel"]]) == 1


async def test_a_pbx_that_was_restarted_has_its_callbacks_again(
    server: Server, desk: Desk, pbx: SandboxPbx
) -> None:
    async with Phones(desk.sandbox, [PhoneSpec("1001")]) as phones:
        desk.pause(True)
        await promised(desk, 0)
        pbx.kill()
        pbx.start(die_with_parent=True)
        await phones.register()
        desk.ami = Heard(desk.sandbox["ami"])
        await desk.ami.open()
        try:
            for _ in range(600):
                if await desk.line() == [number(0)]:
                    break
                await asyncio.sleep(0.2)
            assert await desk.line() == [number(0)]
        finally:
            await desk.ami.close()
    assert await open_callbacks(server) == 1


async def test_one_who_is_busy_stays_promised_and_a_supervisor_may_take_it_back(
    server: Server, desk: Desk, ami: Heard, tmp_path: Path
) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    whole = Path(desk.sandbox["queue_log"])
    before = whole.stat().st_size if whole.exists() else 0
    phones = Phones(desk.sandbox, [PhoneSpec("1001", (Manner(ring=0.3),))])
    mobile = Mobile(desk.sandbox, Manner("busy", ring=0.3))
    async with phones, mobile, server.stream("maria") as maria:
        desk.pause(True)
        first = await promised(desk, 0)
        second = await promised(desk, 1)
        call = (await desk.shown(server, 0, 1))[1]["call"]
        body = {"action": "hangup", "args": {}, "reason": "wrong number"}
        await server.api("POST", f"/calls/{call}/actions", body)
        await ami.until_event("Hangup", Channel=second["Channel"])
        assert (await maria.until(lambda m: m["type"] == "result"))["ok"]
        desk.pause(False)
        await ami.until_event("UserEvent", UserEvent="CordboardCallback", Status="BUSY")
        await ami.until_event("Hangup", Channel=first["Channel"])
        for _ in range(300):
            async with server.store() as store:
                if any(one.tries for one in await store.open_callbacks(PBX)):
                    break
            await asyncio.sleep(0.1)
    async with server.store() as store:
        (record,) = await store.open_callbacks(PBX)
        assert (record.number, record.tries) == (f"+{number(0)}", 1)
        assert record.due_at is not None
        (audit,) = await store.audits()
        assert (audit.actor, audit.action, audit.reason) == ("maria", "hangup", "wrong number")
    log = tmp_path / "queue_log"
    log.write_bytes(whole.read_bytes()[before:])
    code, said = await reconcile(server, log, since)
    assert code == 0, said
    assert " 1 differences, 0 unexplained" in said
    assert " outcome: queue_log says ABANDON, the store moved" in said
    assert "a callback that was taken back" in said


class TestHours:
    @pytest.fixture
    def hours(self) -> str:
        """Now, it is just over."""
        return ', hours = "00:00-00:01"'

    async def test_nobody_is_promised_a_callback_out_of_hours(
        self, server: Server, desk: Desk, ami: Heard
    ) -> None:
        async with Phones(desk.sandbox, [PhoneSpec("1001")]):
            desk.pause(True)
            caller = await desk.waits(0)
            await desk.asks(caller, 0)
            for _ in range(600):
                if len(ami.events("QueueCallerJoin")) == 2:
                    break
                await asyncio.sleep(0.1)
            assert await desk.line() == [number(0)]
            await caller.hang_up()
        assert await open_callbacks(server) == 0


class TestOffered:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CORDBOARD_ANNOUNCE__FIRST", "6")

    async def test_the_offer_is_told_while_he_waits_and_taken_up_by_the_digit_that_it_names(
        self, soon: None, server: Server, desk: Desk
    ) -> None:
        async with Phones(desk.sandbox, [PhoneSpec("1001")]):
            desk.pause(True)
            caller = await desk.waits(0)
            await desk.is_offered()
            await desk.asks(caller, 0)
            await caller.result
            assert (await desk.promised(0))["Position"] == "1"
        assert await open_callbacks(server) == 1

    @pytest.mark.parametrize("rules", [ONLY_OF_VIPS])
    async def test_who_gets_a_rule_with_an_offer_while_he_waits_may_take_it_up(
        self, soon: None, server: Server, desk: Desk
    ) -> None:
        """The route that the dialplan was told said nothing of it."""
        customer = await server.customer(number(0), status="regular", language="ru")
        async with Phones(desk.sandbox, [PhoneSpec("1001")]):
            desk.pause(True)
            caller = await desk.waits(0)
            await server.api("PATCH", f"/customers/{customer['id']}", {"status": "vip"})
            await desk.is_offered()
            await desk.asks(caller, 0)
            await caller.result
            assert (await desk.promised(0))["Position"] == "1"
        assert await open_callbacks(server) == 1
