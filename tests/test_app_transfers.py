"""The card goes where the call goes: transfers on the real Asterisk, seen at both consoles."""

from __future__ import annotations

import pytest
from pbx_fixtures import Heard
from server_fixtures import Server, state_of

from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

NUMBER = "79161234567"


@pytest.mark.parametrize("action", ["BlindTransfer", "Atxfer"])
async def test_the_colleague_gets_the_callers_card_and_the_first_operator_a_wrap_up(
    server: Server, ami: Heard, action: str
) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    phones = [PhoneSpec("1001", (Manner(ring=0.5),)), PhoneSpec("1005", (Manner(ring=1),))]
    await server.add_operator("georgi", "PJSIP/1005")
    async with (
        Phones(server.status, phones),
        server.stream("anna") as first,
        server.stream("georgi") as second,
    ):
        caller = dial(server.status, NUMBER, "Caller", stay=200)
        await first.call("talking")
        connected = await ami.until_event("AgentConnect")
        channel = connected["DestChannel"]
        await ami.ask(action, Channel=channel, Context="cordboard-phones", Exten="1005")
        pop = await second.pop()
        assert pop["customer"]["name"] == "Иван Петров"
        assert pop["call"]["linkedid"] == connected["Linkedid"]
        if action == "Atxfer":
            await ami.until_event("DialEnd", DestExten="1005", DialStatus="ANSWER")
            await ami.until_event("AgentConnect")
            await ami.ask("Hangup", Channel=channel)
        await first.until(lambda m: state_of(m, "anna") == "wrap-up")
        shown = await second.until(
            lambda m: m["type"] == "call" and m["call"]["operator"] == "georgi"
        )
        assert shown["call"]["state"] == "talking"
        await caller.hang_up()
