"""Operators' states on the real Asterisk: log-ins, pauses, wrap-ups, calls that are let ring."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from oracles import fresh, picture_is_true
from pbx_fixtures import *  # noqa: F403
from pbx_fixtures import Heard
from server_fixtures import *  # noqa: F403
from server_fixtures import Message, Server, Stream, state_of

from cordboard.cti.connection import LinkCounters, log_in
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, call, dial

pytestmark = pytest.mark.pbx

QUEUES = (("support-ru", 1), ("support-en", 0))
PEOPLE = (
    ("anna", "operator", "PJSIP/1001", None),
    ("boris", "operator", "PJSIP/1002", None),
    ("maria", "supervisor", None, None),
)
DESK = """wrapup_limit_seconds = 300
misses = 2
"""


@pytest.fixture
async def shift(tmp_path: Path, sandbox: dict[str, Any]) -> AsyncIterator[Server]:
    """A server whose Vera, Dora and Yana have no phone of their own."""
    server = Server(tmp_path, sandbox, wrapup=6, users=PEOPLE, desk=DESK)
    await server.prepare()
    for name in ("vera", "dora", "yana"):
        await server.enrol(name, QUEUES)
    await server.start()
    try:
        yield server
    finally:
        server.stop()


async def ask(
    server: Server, stream: Stream, about: str, action: str, reason: str = "", **args: Any
) -> str | None:
    """Asks for an action as whoever the stream is of; its error in words."""
    body = {"action": action, "args": args, "reason": reason}
    by = str(stream.messages[0]["user"]["name"])
    asked = await server.api("POST", f"/operators/{about}/actions", body, by=by)
    outcome = await stream.until(lambda m: m["type"] == "result" and m["id"] == asked["id"], 10)
    error: str | None = outcome["error"]
    return error


async def members(ami: Heard, phone: str) -> dict[str, dict[str, str]]:
    """What Asterisk says of this phone's memberships, by queue."""
    items = await fresh(ami)
    return {
        item["Queue"]: item
        for item in items
        if item.get("Event") == "QueueMember" and item["Location"] == phone
    }


def of(message: Message, name: str) -> Message | None:
    changed = message.get("changed", []) if message["type"] == "operators" else []
    return next((item for item in changed if item["name"] == name), None)


async def becomes(stream: Stream, name: str, state: str, within: float = 10) -> Message:
    shown = await stream.until(lambda m: state_of(m, name) == state, within)
    found = of(shown, name)
    assert found
    return found


async def test_an_operator_logs_in_at_any_phone_and_out_again(shift: Server, ami: Heard) -> None:
    async with (
        Phones(shift.status, [PhoneSpec("1007"), PhoneSpec("1008")]),
        shift.stream("vera") as vera,
        shift.stream("dora") as dora,
    ):
        assert await ask(shift, vera, "vera", "login") == "choose a phone to work at"
        assert await ask(shift, vera, "vera", "login", phone="PJSIP/1999") == (
            "the PBX has no phone PJSIP/1999"
        )
        assert await ask(shift, vera, "vera", "login", phone="PJSIP/1007") is None
        there = await members(ami, "PJSIP/1007")
        assert {queue: item["Penalty"] for queue, item in there.items()} == {
            "support-ru": "1",
            "support-en": "0",
        }
        for item in there.values():
            assert (item["Name"], item["StateInterface"]) == ("vera", "PJSIP/1007")
            assert (item["Membership"], item["Paused"]) == ("dynamic", "0")
        (shown,) = [o for o in (await shift.snapshot("maria"))["operators"] if o["name"] == "vera"]
        assert (shown["state"], shown["phone"], shown["queues"]) == (
            "ready",
            "PJSIP/1007",
            ["support-en", "support-ru"],
        )
        assert await ask(shift, dora, "dora", "login", phone="PJSIP/1007") == (
            "vera works at PJSIP/1007: two cannot share a phone"
        )
        assert await ask(shift, dora, "dora", "login", phone="PJSIP/1001") == (
            "anna works at PJSIP/1001: two cannot share a phone"
        )
        assert "in queues.conf" in str(await ask(shift, dora, "dora", "login", phone="PJSIP/1003"))
        assert await ask(shift, vera, "vera", "logout") is None
        assert await members(ami, "PJSIP/1007") == {}
        assert await ask(shift, dora, "dora", "login", phone="PJSIP/1007") is None
        assert (await members(ami, "PJSIP/1007"))["support-en"]["Name"] == "dora"


async def test_a_member_of_queues_conf_stays_one(shift: Server, ami: Heard) -> None:
    async with shift.stream("anna") as anna:
        said = await ask(shift, anna, "anna", "logout")
        assert said == (
            "a fixed member of support, support-ru in queues.conf cannot log out there;"
            " pause instead"
        )
    assert set(await members(ami, "PJSIP/1001")) == {"support", "support-ru"}


async def test_a_pause_has_a_listed_reason_and_holds_over_wrap_up(
    shift: Server, ami: Heard
) -> None:
    async with (
        Phones(shift.status, [PhoneSpec("1001", (Manner(ring=0.2),))], audio=True),
        shift.stream("anna") as anna,
    ):
        caller = dial(shift.status, "79161234567", "A", stay=60, audio=True)
        await becomes(anna, "anna", "talking", 20)
        assert await ask(shift, anna, "anna", "pause", pause="lunch") is None
        await caller.hang_up()
        await becomes(anna, "anna", "wrap-up")
        lunch = await becomes(anna, "anna", "paused", 15)
        assert (lunch["reason"], lunch["due"] is not None) == ("lunch", True)
        (item, _) = (await members(ami, "PJSIP/1001")).values()
        assert (item["Paused"], item["PausedReason"]) == ("1", "lunch")
        assert await ask(shift, anna, "anna", "unpause") is None
        assert {i["Paused"] for i in (await members(ami, "PJSIP/1001")).values()} == {"0"}


async def test_a_wrap_up_is_a_pause_in_asterisk_until_it_is_done(shift: Server, ami: Heard) -> None:
    async with (
        Phones(shift.status, [PhoneSpec("1001", (Manner(ring=0.2, talk=0.5),))], audio=True),
        shift.stream("anna") as anna,
    ):
        for end in ("time", "done", "extended"):
            made = call(shift.status, "79161234567", "A", stay=60, audio=True)
            result = await made
            assert result.outcome == "completed"
            await becomes(anna, "anna", "wrap-up")
            event = await ami.until_event(
                "QueueMemberPause", Interface="PJSIP/1001", PausedReason="wrap-up"
            )
            assert event["Paused"] == "1"
            if end == "done":
                assert await ask(shift, anna, "anna", "done") is None
            if end == "extended":
                assert await ask(shift, anna, "anna", "extend", seconds=300) is None
                assert "may last 300 s" in str(
                    await ask(shift, anna, "anna", "extend", seconds=300)
                )
                assert {i["PausedReason"] for i in (await members(ami, "PJSIP/1001")).values()} == {
                    "wrap-up"
                }
                assert await ask(shift, anna, "anna", "unpause") is None
            await becomes(anna, "anna", "ready")
            assert {i["Paused"] for i in (await members(ami, "PJSIP/1001")).values()} == {"0"}
            await ami.close()
            await ami.open()


async def test_who_lets_calls_ring_is_paused_told_and_comes_back(shift: Server, ami: Heard) -> None:
    """Anna's phone is switched off or rings in vain; `misses` is 2 here."""
    async with (
        Phones(shift.status, [PhoneSpec("1001", (Manner("reject", ring=0.2),))]),
        shift.stream("anna") as anna,
        shift.stream("maria") as maria,
    ):
        caller = dial(shift.status, "79161234567", "A", stay=60)
        declined = await becomes(anna, "anna", "paused", 20)
        assert (declined["reason"], declined["misses"]) == ("declined", 1)
        assert {i["PausedReason"] for i in (await members(ami, "PJSIP/1001")).values()} == {
            "declined"
        }
        # Nobody else is there: the caller rings at Anna's again, but not at once.
        missed = await anna.until(
            lambda m: (o := of(m, "anna")) is not None and o["reason"] == "missed"
        )
        (first, second) = [
            frame for frame in ami.events("AgentCalled") if frame["Interface"] == "PJSIP/1001"
        ]
        apart = float(second["Timestamp"]) - float(first["Timestamp"])
        assert 9 < apart < 20
        shown = of(missed, "anna")
        assert shown is not None
        assert (shown["state"], shown["misses"]) == ("paused", 2)
        async with asyncio.timeout(5):
            assert (await maria.alarm("calls-missed"))["detail"] == "anna"
        await caller.hang_up()
        assert await ask(shift, anna, "anna", "unpause") is None
        assert {i["Paused"] for i in (await members(ami, "PJSIP/1001")).values()} == {"0"}


async def test_who_declines_is_not_rung_again_before_somebody_else(
    shift: Server, ami: Heard
) -> None:
    declines = Manner("reject", ring=0.2)
    async with (
        Phones(shift.status, [PhoneSpec("1001", (declines,)), PhoneSpec("1002", (declines,))]),
        shift.stream("maria") as maria,
    ):
        caller = dial(shift.status, "79161234567", "A", stay=60)
        for _ in range(3):
            await maria.until(lambda m: m["type"] == "screenpop-end" and m["reason"] == "rejected")
        rung = [frame["Interface"] for frame in ami.events("AgentCalled")][:3]
        assert rung[0] != rung[1] != rung[2]
        await caller.hang_up()


async def test_a_supervisor_pauses_and_logs_out_with_a_reason_that_is_told_and_audited(
    shift: Server, ami: Heard
) -> None:
    async with (
        Phones(shift.status, [PhoneSpec("1007")]),
        shift.stream("vera") as vera,
        shift.stream("maria") as maria,
    ):
        assert await ask(shift, vera, "vera", "login", phone="PJSIP/1007") is None
        assert await ask(shift, maria, "vera", "pause", "Team talk at ten") is None
        told = await vera.until(lambda m: m["type"] == "notice", 5)
        assert {key: told["notice"][key] for key in ("action", "by", "why")} == {
            "action": "pause",
            "by": "maria",
            "why": "Team talk at ten",
        }
        assert {i["PausedReason"] for i in (await members(ami, "PJSIP/1007")).values()} == {
            "forced"
        }
        assert await ask(shift, maria, "vera", "unpause", "It is over") is None
        assert await ask(shift, maria, "vera", "logout", "Gone home") is None
        assert await members(ami, "PJSIP/1007") == {}
        snapshot = await shift.snapshot("vera")
        assert [(n["action"], n["why"]) for n in snapshot["notices"]] == [("logout", "Gone home")]
        assert (await shift.snapshot("dora"))["notices"] == []
    async with shift.store() as store:
        rows = await store.audits(target="vera")
    assert [(row.actor, row.action, row.reason) for row in rows] == [
        ("maria", "pause", "Team talk at ten"),
        ("maria", "unpause", "It is over"),
        ("maria", "logout", "Gone home"),
    ]


async def test_log_ins_pauses_and_wrap_ups_outlive_a_restart_of_the_server(
    shift: Server, ami: Heard
) -> None:
    """Asterisk tells who is logged in and paused, the store since when, and the wrap-up goes on."""
    async with Phones(
        shift.status,
        [PhoneSpec("1001", (Manner(ring=0.2, talk=0.5),)), PhoneSpec("1007")],
        audio=True,
    ):
        async with shift.stream("vera") as vera:
            assert await ask(shift, vera, "vera", "login", phone="PJSIP/1007") is None
            assert await ask(shift, vera, "vera", "pause", pause="lunch") is None
        async with shift.stream("anna") as anna:
            caller = dial(shift.status, "79161234567", "A", stay=30, audio=True)
            await becomes(anna, "anna", "wrap-up", 20)
            assert await ask(shift, anna, "anna", "extend", seconds=200) is None
            await caller.result
            await ami.until_event(
                "QueueMemberPause", Interface="PJSIP/1001", PausedReason="wrap-up"
            )
        before = {o["name"]: o for o in (await shift.snapshot("maria"))["operators"]}
        shift.kill()
        await shift.start()
        after = {o["name"]: o for o in (await shift.snapshot("maria"))["operators"]}
        for name in ("anna", "vera"):
            for key in ("state", "reason", "phone", "queues", "due"):
                assert after[name][key] == before[name][key], (name, key)
        assert after["vera"]["since"] == before["vera"]["since"]
        assert {i["PausedReason"] for i in (await members(ami, "PJSIP/1001")).values()} == {
            "wrap-up"
        }
        async with shift.stream("anna") as anna:
            assert await ask(shift, anna, "anna", "done") is None
            await becomes(anna, "anna", "ready")
    async with shift.store() as store, asyncio.timeout(10):
        open_rows: list[Any] = []
        while open_rows != [("paused", "lunch")]:  # written behind what is shown
            rows = [row for row in await store.states(0, math.inf) if row.operator == "vera"]
            open_rows = [(row.state, row.reason) for row in rows if row.until is None]
            await asyncio.sleep(0.1)


async def test_a_stale_wrap_up_does_not_lock_an_operator_out(shift: Server, ami: Heard) -> None:
    """The server dies in a wrap-up and is away for longer than that lasts."""
    async with (
        Phones(shift.status, [PhoneSpec("1001", (Manner(ring=0.2, talk=0.5),))], audio=True),
        shift.stream("anna") as anna,
    ):
        caller = dial(shift.status, "79161234567", "A", stay=30, audio=True)
        due = datetime.fromisoformat((await becomes(anna, "anna", "wrap-up", 20))["due"])
        await caller.result
        await ami.until_event("QueueMemberPause", Interface="PJSIP/1001", PausedReason="wrap-up")
        shift.kill()
    # Nobody is there to tell that it is over: it is by the clock alone.
    await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
    assert {i["PausedReason"] for i in (await members(ami, "PJSIP/1001")).values()} == {"wrap-up"}
    await shift.start()
    async with asyncio.timeout(5):
        while {i["Paused"] for i in (await members(ami, "PJSIP/1001")).values()} != {"0"}:
            await asyncio.sleep(0.1)


async def test_a_restarted_pbx_is_told_what_it_has_forgotten(
    shift: Server, pbx: SandboxPbx
) -> None:
    """With the PBX went the pause of a member of queues.conf, but not of one who logged in."""
    async with contextlib.AsyncExitStack() as phones:
        await phones.enter_async_context(
            Phones(shift.status, [PhoneSpec("1001"), PhoneSpec("1007")])
        )
        async with shift.stream("vera") as vera, shift.stream("anna") as anna:
            assert await ask(shift, vera, "vera", "login", phone="PJSIP/1007") is None
            assert await ask(shift, vera, "vera", "pause", pause="meeting") is None
            assert await ask(shift, anna, "anna", "pause", pause="lunch") is None
        async with shift.stream("maria") as maria:
            pbx.kill()
            await maria.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down", 5)
            await phones.aclose()
            pbx.start(die_with_parent=True)
            await maria.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "up", 20)
    heard = Heard(shift.status["ami"])
    await heard.open()
    try:
        async with asyncio.timeout(2):
            while True:
                seen = {
                    phone: {i["PausedReason"] for i in (await members(heard, phone)).values()}
                    for phone in ("PJSIP/1001", "PJSIP/1007")
                }
                if seen == {"PJSIP/1001": {"lunch"}, "PJSIP/1007": {"meeting"}}:
                    break
                await asyncio.sleep(0.1)
        assert set(await members(heard, "PJSIP/1007")) == {"support-ru", "support-en"}
        await picture_is_true(shift, heard)
    finally:
        await heard.close()


async def test_what_app_queue_says_to_what_we_ask(shift: Server, ami: Heard) -> None:
    """The facts of docs/asterisk.md that `roster` goes by."""
    link = await log_in(
        shift.status["ami"]["host"],
        shift.status["ami"]["port"],
        shift.status["ami"]["user"],
        shift.status["ami"]["secret"],
        LinkCounters(),
        None,
    )
    try:
        new = {"Queue": "support-en", "Interface": "PJSIP/1007", "Paused": "true"}
        assert (await link.act("QueueAdd", new))["Response"] == "Success"
        assert "Already there" in (await link.act("QueueAdd", new))["Message"]
        nowhere = {"Queue": "no-such", "Interface": "PJSIP/1007"}
        assert (await link.act("QueueAdd", nowhere))["Response"] == "Error"
        assert (await members(ami, "PJSIP/1007"))["support-en"]["PausedReason"] == ""
        for reason in ("lunch", "meeting"):
            pause = {"Interface": "PJSIP/1007", "Paused": "true", "Reason": reason}
            assert (await link.act("QueuePause", pause))["Response"] == "Success"
            assert (await members(ami, "PJSIP/1007"))["support-en"]["PausedReason"] == reason
        fixed = {"Queue": "support-ru", "Interface": "PJSIP/1001"}
        assert "not dynamic" in (await link.act("QueueRemove", fixed))["Message"]
        for phone, state in (("1999", "INVALID"), ("1008", "UNAVAILABLE")):
            asked = {"Variable": f"DEVICE_STATE(PJSIP/{phone})"}
            assert (await link.act("Getvar", asked))["Value"] == state
    finally:
        link.drop("done")
