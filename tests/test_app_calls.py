"""The main job, end to end: a real Asterisk, real SIP phones, the server as its own process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from server_fixtures import Server, state_of

from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec, call, dial

pytestmark = [pytest.mark.pbx]

NUMBER = "79161234567"
SLOW = Manner(ring=1.5)
ANNA = PhoneSpec("1001", (SLOW,))
BORIS = PhoneSpec("1002", (SLOW,))


@pytest.mark.usefixtures("brisk")
async def test_the_card_is_on_the_screen_before_the_answer_and_the_note_on_the_next(
    server: Server,
) -> None:
    known = await server.customer(NUMBER, status="regular", language="ru", balance=-12.5)
    async with Phones(server.status, [ANNA]), server.stream("anna") as console:
        caller = dial(server.status, NUMBER, "Someone", stay=120)
        pop = await console.pop()
        assert pop["customer"]["name"] == "Иван Петров"
        assert pop["customer"]["balance"] == -12.5
        assert pop["call"]["from"] == f"+{NUMBER}"
        assert pop["route"]["queue"] == "support-ru"
        assert {reason["code"] for reason in pop["route"]["why"]} >= {"rule", "language"}
        assert pop["history"] == []
        assert not any(m["call"]["state"] == "talking" for m in console.of("call"))
        await console.call("talking")
        assert (await caller.hang_up()).outcome == "completed"
        await console.call("ended")
        asked = {"action": "wrapup", "args": {"note": "Просил счёт", "result": "resolved"}}
        path = f"/calls/{pop['call']['id']}/actions"
        action = await server.api("POST", path, {**asked, "reason": ""}, by="anna")
        result = await console.until(lambda m: m["type"] == "result")
        assert (result["id"], result["ok"]) == (action["id"], True)

        caller = dial(server.status, NUMBER, "Someone", stay=120)
        again = await console.pop()
        assert again["customer"]["id"] == known["id"]
        assert [(h["note"], h["result"]) for h in again["history"]] == [("Просил счёт", "resolved")]
        await caller.hang_up()


async def test_an_unknown_number_pops_and_takes_on_the_customer_who_is_entered_meanwhile(
    server: Server,
) -> None:
    async with Phones(server.status, [ANNA]), server.stream("anna") as console:
        caller = dial(server.status, NUMBER, "<img src=x onerror=alert(1)>", stay=120)
        pop = await console.pop()
        assert pop["customer"] is None
        assert pop["call"]["name"] == "<img src=x onerror=alert(1)>"
        await server.customer(NUMBER, name="Новый клиент")
        again = await console.pop()
        assert again["id"] == pop["id"]
        assert again["customer"]["name"] == "Новый клиент"
        await caller.hang_up()


async def test_a_vip_is_answered_before_regular_callers_who_wait_longer(server: Server) -> None:
    await server.customer("79160000001", status="regular", language="ru", name="Первый")
    await server.customer("79160000002", status="regular", language="ru", name="Второй")
    await server.customer("79160000003", status="vip", language="ru", name="Важный")

    def waiting(message: dict[str, Any], names: list[str]) -> bool:
        return message["type"] == "waiting" and [e["name"] for e in message["entries"]] == names

    async with server.stream("maria") as board:
        first = dial(server.status, "79160000001", "1", stay=120)
        await board.until(lambda m: waiting(m, ["Первый"]))
        second = dial(server.status, "79160000002", "2", stay=120)
        await board.until(lambda m: waiting(m, ["Первый", "Второй"]))
        vip = dial(server.status, "79160000003", "3", stay=120)
        shown = await board.until(lambda m: waiting(m, ["Важный", "Первый", "Второй"]))
        assert shown["entries"][0]["status"] == "vip"
        assert any(reason["code"] == "rule" for reason in shown["entries"][0]["why"])
        async with Phones(server.status, [ANNA]):
            pop = await board.pop()
            assert pop["customer"]["name"] == "Важный"
            talking = await board.call("talking")
            assert talking["customer"]["name"] == "Важный"
        for caller in (first, second, vip):
            await caller.hang_up()


async def test_a_blocked_customer_hears_a_message_and_nobody_is_rung(server: Server) -> None:
    await server.customer(NUMBER, status="blocked", language="en")
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        result = await call(server.status, NUMBER, "Blocked", stay=30)
        assert (result.outcome, result.hung_up) == ("completed", "them")
        await board.until(lambda m: m["type"] == "call-end")
        assert board.of("screenpop") == []


async def test_a_managers_confirmed_mobile_takes_the_call(server: Server) -> None:
    await server.customer(NUMBER, status="vip", language="ru", manager="anna")
    accepts = Manner(ring=0.5, digits="1", digits_after=1.0)
    async with Mobile(server.status, accepts), server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Vip", stay=120)
        talking = await board.call("talking")
        assert talking["queue"] is None
        assert (await caller.hang_up()).outcome == "completed"


async def test_a_voicemail_does_not_count_and_the_caller_comes_back_before_later_ones(
    server: Server,
) -> None:
    await server.customer(NUMBER, status="vip", language="ru", manager="anna")
    await server.customer("79160000002", status="vip", language="ru", name="Позже")
    voicemail = Manner(ring=0.2)
    async with Mobile(server.status, voicemail), server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Vip", stay=120)
        await board.until(lambda m: m["type"] == "call" and m["call"]["state"] == "routing")
        later = dial(server.status, "79160000002", "Later", stay=120)
        shown = await board.until(lambda m: m["type"] == "waiting" and len(m["entries"]) == 2)
        assert [entry["name"] for entry in shown["entries"]] == ["Иван Петров", "Позже"]
        async with Phones(server.status, [ANNA]):
            talking = await board.call("talking")
            assert talking["customer"]["name"] == "Иван Петров"
            await caller.hang_up()
            await later.hang_up()


async def test_a_caller_who_gives_up_is_counted_and_leaves_the_wallboard(server: Server) -> None:
    async with server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Impatient", stay=120)
        await board.call("waiting")
        await caller.hang_up()
        empty = await board.until(
            lambda m: m["type"] == "queues" and m["changed"][0]["service_level"]["abandoned"] == 1
        )
        assert empty["changed"][0]["waiting"] == 0
        if all(shown["call"]["state"] != "ended" for shown in board.of("call")):
            await board.call("ended")
        recent = await server.api("GET", "/calls")
        assert recent["calls"][0]["cause"] == "cancelled"


async def test_the_pop_goes_on_to_the_next_phone_when_the_first_does_not_answer(
    server: Server,
) -> None:
    dead = PhoneSpec("1001", (Manner(answers="busy", ring=0.3),))
    async with Phones(server.status, [dead, BORIS]), server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Caller", stay=120)
        talking = await board.call("talking")
        assert talking["operator"] == "boris"
        pops = {pop["id"]: pop["operator"] for pop in board.of("screenpop")}
        ends = [(pops[end["id"]], end["reason"]) for end in board.of("screenpop-end")]
        assert all(end == ("anna", "busy") for end in ends)
        await caller.hang_up()


async def test_a_supervisor_hangs_up_a_call_by_the_api(server: Server) -> None:
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Caller", stay=60)
        talking = await board.call("talking")
        body = {"action": "hangup", "args": {}, "reason": "test"}
        action = await server.api("POST", f"/calls/{talking['id']}/actions", body)
        result = await board.until(lambda m: m["type"] == "result")
        assert (result["id"], result["ok"]) == (action["id"], True)
        assert (await caller.result).hung_up == "them"


async def test_an_operator_pauses_and_the_pbx_knows_the_reason(server: Server) -> None:
    async with Phones(server.status, [ANNA]), server.stream("anna") as console:
        body = {"action": "pause", "args": {}, "reason": "lunch"}
        await server.api("POST", "/operators/anna/actions", body, by="anna")
        shown = await console.until(lambda m: state_of(m, "anna") == "paused")
        assert [o["reason"] for o in shown["changed"] if o["name"] == "anna"] == ["lunch"]
        body = {"action": "unpause", "args": {}, "reason": ""}
        await server.api("POST", "/operators/anna/actions", body, by="anna")
        await console.until(lambda m: state_of(m, "anna") == "ready")


@pytest.mark.parametrize(
    "user",
    ["1%0d%0aUniqueid%3a%20forged", "1%0d%0a%0d%0aEvent%3a%20AgentCalled%0d%0aUniqueid%3a%20f.1"],
)
async def test_a_forged_caller_id_makes_no_false_pop_and_raises_a_counter(
    server: Server, user: str
) -> None:
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        caller = dial(server.status, user, "Mallory", stay=120)
        await board.call("talking")
        assert (await caller.hang_up()).outcome == "completed"
        await board.until(lambda m: m["type"] == "call" and m["call"]["state"] == "ended")
        pops = board.of("screenpop")
        assert {pop["operator"] for pop in pops} == {"anna"}
        assert len({pop["call"]["id"] for pop in pops}) == 1
        assert await server.metric("cordboard_forged_callers_total") == 1


async def test_two_consoles_of_one_operator_see_the_same(server: Server) -> None:
    async with (
        Phones(server.status, [ANNA]),
        server.stream("anna") as desk,
        server.stream("anna") as tablet,
    ):
        caller = dial(server.status, NUMBER, "Caller", stay=120)
        pops = await asyncio.gather(desk.pop(), tablet.pop())
        assert pops[0]["id"] == pops[1]["id"]
        await caller.hang_up()
