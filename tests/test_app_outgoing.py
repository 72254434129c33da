"""Calls placed from the desk, on the real Asterisk with real SIP phones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pbx_fixtures import Heard
from proxy import Proxy
from server_fixtures import Server, Stream, state_of

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]

NUMBER = "+79031112233"


def anna(*manners: Manner) -> PhoneSpec:
    return PhoneSpec("1001", manners or (Manner(ring=0.3),))


async def place(server: Server, number: str = NUMBER) -> str:
    body = {"action": "call", "args": {"number": number}}
    answer = await server.api("POST", "/operators/anna/actions", body, by="anna")
    return str(answer["id"])


async def outcome(console: Stream, action: str) -> Any:
    told = await console.until(lambda m: m["type"] == "result" and m["id"] == action)
    assert told["ok"] == (told["error"] is None)
    return told["error"]


async def test_the_operators_phone_rings_first_then_the_customer_whose_card_is_there(
    server: Server,
) -> None:
    made = await server.customer(NUMBER[1:], status="vip")
    phones = Phones(server.status, [anna(Manner(ring=0.3))])
    mobile = Mobile(server.status, Manner(ring=0.5, talk=1))
    async with phones, mobile, server.stream("anna") as console:
        assert await outcome(console, await place(server)) is None
        pop = await console.pop()
        assert pop["call"]["name"] == ""
        assert pop["customer"]["id"] == made["id"]
        assert (pop["call"]["from"], pop["call"]["direction"]) == (NUMBER, "out")
        talking = await console.call("talking")
        assert (talking["operator"], talking["customer"]["name"]) == ("anna", "Иван Петров")
        ended = await console.call("ended")
        assert ended["cause"] == "completed"
        await console.until(lambda m: state_of(m, "anna") == "wrap-up")
        body = {"action": "wrapup", "args": {"note": "called back", "result": "resolved"}}
        await server.api("POST", f"/calls/{ended['id']}/actions", body, by="anna")
        await console.until(lambda m: state_of(m, "anna") in ("ready", "offline"))
        history = await server.api("GET", f"/customers/{made['id']}/interactions")
        assert [item["note"] for item in history["interactions"]] == ["called back"]
        remembered = await server.api("GET", f"/calls/{ended['id']}")
        assert (remembered["direction"], remembered["from"]) == ("out", NUMBER)
        assert len(console.of("screenpop")) == 1


@pytest.mark.parametrize("answers", ["busy", "reject"])
async def test_a_phone_that_does_not_take_it_is_told_and_no_call_is_made(
    server: Server, answers: Any
) -> None:
    phone = anna(Manner(answers, ring=0.3))
    async with Phones(server.status, [phone]), server.stream("anna") as console:
        error = await outcome(console, await place(server))
        assert error.startswith("your phone did not take the call")
        assert console.of("screenpop") == console.of("call") == []


async def test_a_customer_who_does_not_answer_is_written_up_all_the_same(server: Server) -> None:
    phones = Phones(server.status, [anna()])
    mobile = Mobile(server.status, Manner("busy", ring=0.3))
    async with phones, mobile, server.stream("anna") as console:
        assert await outcome(console, await place(server)) is None
        ended = await console.call("ended")
        assert ended["cause"] == "busy"
        await console.until(lambda m: state_of(m, "anna") == "wrap-up")


async def test_what_cannot_be_called_is_refused_in_words(server: Server) -> None:
    async with server.stream("anna") as console:
        error = await outcome(console, await place(server))  # no phone is registered
        assert error.startswith("your phone did not take the call")
        with pytest.raises(AssertionError, match="neither a telephone number nor an extension"):
            await place(server, "call&Local/x@y")
        with pytest.raises(AssertionError, match="neither a telephone number nor an extension"):
            await place(server, "+7903\r\nAction: Command")
        assert await outcome(console, await place(server, "999")) == (
            "the PBX has no extension 999 in cordboard-phones"
        )


@pytest.mark.faults
async def test_an_originate_whose_answer_is_lost_is_not_sent_again(
    proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    server = proxied_server
    phones = Phones(server.status, [anna(Manner(ring=2))])
    mobile = Mobile(server.status, Manner(ring=0.5, talk=2))

    def lose(frame: bytes) -> tuple[float, ...]:
        if b"Originate successfully queued" not in frame:
            return (0,)
        asyncio.get_running_loop().call_soon(proxy.reset)
        return ()

    async with phones, mobile, server.stream("anna") as console:
        proxy.down.plan = lose
        action = await place(server)
        await console.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down")
        proxy.healthy()
        assert await outcome(console, action) is None
        pop = await console.pop()
        ended = await console.call("ended")
        assert (ended["id"], ended["cause"]) == (pop["call"]["id"], "completed")
    assert len(console.of("screenpop")) == 1
    rung = [e for e in ami.events("Newchannel") if e["Channel"].startswith("PJSIP/1001-")]
    dialled = [e for e in ami.events("Newchannel") if e["Channel"].startswith("PJSIP/trunk-")]
    assert (len(rung), len(dialled)) == (1, 1)


@pytest.mark.faults
async def test_an_originate_that_never_arrived_is_told_and_may_be_asked_again(
    proxied_server: Server, proxy: Proxy, ami: Heard, pbx: SandboxPbx
) -> None:
    server = proxied_server

    def lose(frame: bytes) -> tuple[float, ...]:
        if not frame.startswith(b"Action: Originate"):
            return (0,)
        asyncio.get_running_loop().call_soon(proxy.reset)
        return ()

    phones = Phones(server.status, [anna(Manner(ring=0.3))])
    async with phones, Mobile(server.status, Manner(talk=1)), server.stream("anna") as console:
        proxy.up.plan = lose
        action = await place(server)
        await console.until(lambda m: m["type"] == "pbx" and m["pbx"]["state"] == "down")
        proxy.healthy()
        assert "broke before the call was made" in await outcome(console, action)
        assert await outcome(console, await place(server)) is None
        await console.call("ended")
    rung = [e for e in ami.events("Newchannel") if e["Channel"].startswith("PJSIP/1001-")]
    assert len(rung) == 1
