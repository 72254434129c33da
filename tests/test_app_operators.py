"""Operators' states on the real Asterisk: log-ins, pauses, wrap-ups, calls that are let ring."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from oracles import fresh
from pbx_fixtures import *  # noqa: F403
from pbx_fixtures import Heard
from server_fixtures import *  # noqa: F403
from server_fixtures import Message, Server, Stream, state_of

from cordboard.errors import UserError
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
async def shift(tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any]) -> AsyncIterator[Server]:
    """A server whose Vera, Dora and Yana have no phone of their own."""
    server = Server(tmp_path, sandbox, wrapup=4, users=PEOPLE, desk=DESK)
    await server.prepare()
    for name in ("vera", "dora", "yana"):
        await server.enrol(name, QUEUES)
    _clean(pbx)
    await server.start()
    try:
        yield server
    finally:
        server.stop()
        _clean(pbx)


def _clean(pbx: SandboxPbx) -> None:
    for phone in range(1001, 1011):
        for queue in ("support", "support-ru", "support-en"):
            with suppress(UserError):
                pbx.cli(f"queue remove member PJSIP/{phone} from {queue}")
        with suppress(UserError):
            pbx.cli(f"queue unpause member PJSIP/{phone}")


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
            await anna.until(
                lambda m: (o := of(m, "anna")) is not None and o["state"] == "ready", 10
            )
            assert {i["Paused"] for i in (await members(ami, "PJSIP/1001")).values()} == {"0"}
            await ami.close()
            await ami.open()
