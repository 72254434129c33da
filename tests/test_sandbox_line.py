"""What a person at a SIPp phone does, while the call goes on."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from pbx_fixtures import Heard

from cordboard.errors import PeerError
from cordboard.sandbox import line as lines
from cordboard.sandbox import sip
from cordboard.sandbox.line import Line
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec

Status = dict[str, Any]


class Phone:
    """What a Line needs of a SIPp: a log, and a port at which it hears."""

    def __init__(self, *said: str) -> None:
        self._said = list(said)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(2)
        self.port = self.socket.getsockname()[1]

    def said(self) -> list[str]:
        return self._said

    def heard(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\r\n")


async def test_an_order_goes_to_the_last_call_of_the_phone() -> None:
    phone = Phone("line old-call a ;tag=b", "answered", "line new-call c ;tag=d")
    with phone.socket:
        await Line(phone).hold()
        order = phone.heard()
    assert order[0] == "HOLD sip:phone SIP/2.0"
    assert "Call-ID: new-call" in order


async def test_each_order_has_a_number_of_its_own() -> None:
    phone = Phone("line call a ;tag=b", *(f"pressed {number}" for number in range(100)))
    with phone.socket:
        line = Line(phone)
        await line.press("*1")
        numbers = [
            next(text for text in phone.heard() if text.startswith("X-Number: ")) for _ in range(2)
        ]
    assert len(set(numbers)) == 2


async def test_the_other_line_is_named_as_the_pbx_sees_it() -> None:
    phone, second = Phone("line one a ;tag=b"), Phone("line two@host mine ;tag=theirs")
    with phone.socket, second.socket:
        await Line(phone).refer_to_line(Line(second), "1008", "127.0.0.1:5060")
        order = phone.heard()
    replaces = "two%40host%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dmine"
    assert f"X-Goal: <sip:1008@127.0.0.1:5060?Replaces={replaces}>" in order


async def test_a_phone_without_a_call_takes_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_SPELL", 0.05)
    phone = Phone("answered")
    with phone.socket, pytest.raises(PeerError, match="no call"):
        await Line(phone).hang_up()


@pytest.mark.pbx
async def test_a_phone_holds_and_retrieves_when_told(sandbox: Status, ami: Heard) -> None:
    async with Phones(sandbox, [PhoneSpec("1008", (Manner(ring=0.1),))]) as phones:
        caller = sip.phone_call(sandbox, "1007", "1008")
        await caller.answered.wait()
        await ami.until_event("BridgeEnter", BridgeNumChannels="2")
        await phones.lines["1008"].hold()
        await ami.until_event("Hold")
        await phones.lines["1008"].retrieve()
        await ami.until_event("Unhold")
        await caller.line.hang_up()
        assert (await caller.result).hung_up == "us"


@pytest.mark.pbx
async def test_a_phone_connects_its_two_lines_when_told(sandbox: Status, ami: Heard) -> None:
    specs = [PhoneSpec("1008", (Manner(ring=0.1),)), PhoneSpec("1009", (Manner(ring=0.1),))]
    async with Phones(sandbox, specs):
        first = sip.phone_call(sandbox, "1007", "1008")
        second = sip.phone_call(sandbox, "1007", "1009")
        await first.answered.wait()
        await second.answered.wait()
        while len(ami.events("BridgeEnter")) < 4:  # an answer comes a moment before
            await asyncio.sleep(0.02)
        await first.line.refer_to_line(
            second.line, "1009", f"{sandbox['sip']['host']}:{sandbox['sip']['port']}"
        )
        event = await ami.until_event("AttendedTransfer", Result="Success")
        assert event["TransfereeChannel"].startswith("PJSIP/1008-")
        assert event["TransferTargetChannel"].startswith("PJSIP/1009-")
        for caller in (first, second):
            await caller.hang_up()


@pytest.mark.pbx
async def test_a_phone_sends_its_caller_on_when_told(sandbox: Status, ami: Heard) -> None:
    specs = [
        PhoneSpec("1008", (Manner(ring=0.1),)),
        PhoneSpec("1009", (Manner(ring=0.1, talk=0.5),)),
    ]
    async with Phones(sandbox, specs) as phones:
        caller = sip.phone_call(sandbox, "1007", "1008")
        await caller.answered.wait()
        await phones.lines["1008"].refer("1009", f"127.0.0.1:{sandbox['sip']['port']}")
        event = await ami.until_event("BlindTransfer", Result="Success")
        assert event["TransfererChannel"].startswith("PJSIP/1008-")
        assert (await caller.result).hung_up == "them"
