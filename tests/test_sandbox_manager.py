"""The shipped manager account on a real Asterisk: what it may do, and what reaches it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from pbx_fixtures import Heard

from cordboard.sandbox import sip, stub
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]
Status = dict[str, Any]
DROPPED = {"Newexten", "VarSet", "RTCPSent", "RTCPReceived", "TestEvent"}
FORGED = (
    "1%0d%0a%0d%0aEvent%3a%20QueueCallerJoin%0d%0aQueue%3a%20support-ru%0d%0a"
    "Uniqueid%3a%20forged.1%0d%0aX%3a%20"
)


async def one_call(ami: Heard, sandbox: Status, number: str, name: str) -> None:
    """A call out of the queue; all of it has been heard when this returns."""
    async with (
        stub.agi(sandbox, stub.route(CB_ACTION="queue", CB_QUEUE="support")),
        Phones(sandbox, [PhoneSpec("1002", (Manner(ring=0.3, talk=0.5),))]),
    ):
        result = await sip.call(sandbox, number, name)
    assert result.outcome == "completed"
    await ami.until_event("AgentComplete")
    async with asyncio.timeout(30):
        while len(ami.events("Hangup")) < 2:
            await asyncio.sleep(0.02)


async def until_now(*ears: Heard) -> list[list[dict[str, str]]]:
    """What each has heard up to the same event."""
    await ears[0].ask("UserEvent", UserEvent="Fence")
    heard = []
    for ear in ears:
        fence = await ear.until_event("UserEvent", UserEvent="Fence")
        heard.append([frame for frame in ear.frames() if "Event" in frame])
        del heard[-1][heard[-1].index(fence) :]
    return heard


def told(frame: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(frame.items()))


async def test_of_a_normal_call_only_the_named_events_are_dropped(
    ami: Heard, ami_raw: Heard, sandbox: Status
) -> None:
    await one_call(ami, sandbox, "79161234567", 'Анна "Ким" <b>; O\'Brien')
    by_us, all_of_them = await until_now(ami, ami_raw)
    assert "TestEvent" in {frame["Event"] for frame in all_of_them}
    kept = Counter(told(frame) for frame in all_of_them if frame["Event"] not in DROPPED)
    heard = Counter(told(frame) for frame in by_us)
    assert heard == kept
    assert len(ami.events("Newchannel")) == 2
    assert ami.events("AgentComplete")


async def test_events_carry_the_time(ami: Heard, sandbox: Status) -> None:
    await one_call(ami, sandbox, "79161234567", "")
    stamped = [frame for frame in ami.frames() if frame.get("Event") != "FullyBooted"]
    assert all("Timestamp" in frame for frame in stamped if "Event" in frame)


async def test_events_forged_by_a_caller_are_not_delivered(
    ami: Heard, ami_raw: Heard, sandbox: Status
) -> None:
    await one_call(ami, sandbox, FORGED, "Mallory")
    assert "forged.1" in {frame.get("Uniqueid") for frame in ami_raw.events("QueueCallerJoin")}
    assert b"forged" not in ami.heard
    # The call itself can still be followed, without what came before the dialplan's first line.
    assert not [
        frame for frame in ami.events("Newchannel") if frame["Channel"].startswith("PJSIP/inbound")
    ]
    (joined,) = ami.events("QueueCallerJoin")
    assert joined["Queue"] == "support"
    assert joined["CallerIDName"] == "Mallory"
    names = ["QueueCallerJoin", "AgentCalled", "AgentConnect", "AgentComplete"]
    assert [frame["Event"] for frame in ami.events(*names)] == names
    assert {frame["Uniqueid"] for frame in ami.events("Hangup")} >= {joined["Uniqueid"]}


async def test_name_of_the_caller_arrives_whole(ami: Heard, sandbox: Status) -> None:
    """SIP writes a quote in a name as \\", PJSIP leaves it so, and AMI escapes both again."""
    await one_call(ami, sandbox, "79161234567", 'ООО "Ромашка"')
    (joined,) = ami.events("QueueCallerJoin")
    assert joined["CallerIDName"] == r"ООО \\\"Ромашка\\\""


@pytest.mark.parametrize(
    ("action", "headers"),
    [
        ("Command", {"Command": "core show version"}),
        ("ModuleLoad", {"LoadType": "reload", "Module": "app_queue.so"}),
        ("GetConfig", {"Filename": "manager.conf"}),
        ("DBPut", {"Family": "x", "Key": "y", "Val": "z"}),
        ("MixMonitor", {"Channel": "x"}),
        ("Originate", {"Channel": "Local/s@x", "Application": "System", "Data": "id"}),
    ],
)
async def test_refused(ami: Heard, action: str, headers: dict[str, str]) -> None:
    await ami.ask(action, **headers)
    answer = await ami.until_frame(ActionID=f"record-{ami._number}", Response="Error")
    assert answer["Message"].startswith(("Permission denied", "Originate Access Forbidden"))


@pytest.mark.parametrize(
    "action", ["CoreStatus", "CoreShowChannels", "QueueStatus", "DeviceStateList", "ParkedCalls"]
)
async def test_granted(ami: Heard, action: str) -> None:
    await ami.ask(action)
    await ami.until_frame(ActionID=f"record-{ami._number}", Response="Success")


async def test_attended_transfer_is_possible(ami: Heard, sandbox: Status) -> None:
    """Atxfer needs the feature code of features.conf, and `t` in Queue()."""
    specs = [
        PhoneSpec("1003", (Manner(ring=0.2),)),
        PhoneSpec("1008", (Manner(ring=0.2, talk=3),)),
    ]
    async with (
        stub.agi(sandbox, stub.route(CB_ACTION="queue", CB_QUEUE="support")),
        Phones(sandbox, specs),
    ):
        caller = sip.dial(sandbox, "79161234567")
        connect = await ami.until_event("AgentConnect")
        await asyncio.sleep(0.5)
        await ami.ask(
            "Atxfer",
            Channel=connect["DestChannel"],
            Exten="1008",
            Context="cordboard-phones",
        )
        await ami.until_event("DialEnd", DialStatus="ANSWER", DestExten="1008")
        await asyncio.sleep(0.5)
        await ami.ask("Hangup", Channel=connect["DestChannel"])
        await ami.until_event("AttendedTransfer", Result="Success")
        await caller.result


def test_account_can_not_log_in_from_elsewhere(pbx: SandboxPbx) -> None:
    shown = pbx.cli("manager show user cordboard")
    assert "deny - 0.0.0.0/0.0.0.0" in shown
    assert "allow - 127.0.0.1/255.255.255.255" in shown
