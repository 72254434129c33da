"""Another system says who calls, on the real Asterisk with SIPp: callers are routed by it, and with
it slow, dead or mad nobody waits longer than the deadline for a route."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from outside_system import (
    Mood,
    OutsideSystem,
    cuts,
    floods,
    hangs,
    late,
    outside_system,
    says,
    sends,
    trickles,
)
from server_fixtures import Message, Server, served

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

NUMBER = "79161234567"
DEADLINE = 0.3
OVER = 0.1
"""Seconds that all the rest may take."""
ANNA = PhoneSpec("1001", (Manner(ring=1.5),))
VIP = {"client": {"class": "GOLD", "name": "Мария Петрова", "balance": -12.5, "open": 2}}

TABLE = """
[[lookup]]
name = "billing"
url = "{base}/api/customers?phone={{number}}"
cache_seconds = 0
breaker = {{ failures = 1000, seconds = 30 }}
map = {{ name = "client.name", status = "client.class", balance = "client.balance", \
attributes.open_cases = "client.open" }}
values = {{ status = {{ GOLD = "vip", PLAIN = "regular" }} }}
"""


@pytest.fixture
async def billing() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as one:
        one.mood = says(VIP)
        yield one


@pytest.fixture
async def asking(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, object], billing: OutsideSystem
) -> AsyncIterator[Server]:
    """A server that asks `billing`."""
    running = Server(
        tmp_path, sandbox, lookup_ms=round(DEADLINE * 1000), tables=TABLE.format(base=billing.base)
    )
    async with served(running, pbx):
        yield running


def waits(message: Message) -> bool:
    return message["type"] == "waiting" and bool(message["entries"])


async def route_seconds(server: Server) -> tuple[float, float]:
    """All that the door has taken so far, and for how many."""
    return (
        await server.metric("cordboard_route_seconds_sum"),
        await server.metric("cordboard_route_seconds_count"),
    )


async def test_the_status_from_billing_moves_the_caller_up_and_the_card_says_whose_word_it_is(
    asking: Server, billing: OutsideSystem
) -> None:
    known = await asking.customer(NUMBER, status="regular", language="ru", balance=5)
    async with Phones(asking.status, [ANNA]), asking.stream("anna") as console:
        caller = dial(asking.status, NUMBER, "Someone", stay=120)
        pop = await console.pop()
        await caller.hang_up()
    assert pop["route"]["priority"] == 10
    assert pop["customer"]["id"] == known["id"]
    assert (pop["customer"]["name"], pop["customer"]["status"]) == ("Мария Петрова", "vip")
    assert (pop["customer"]["balance"], pop["customer"]["language"]) == (-12.5, "ru")
    assert pop["customer"]["attributes"] == {"open_cases": 2}
    assert pop["sources"] == {
        "name": "billing",
        "status": "billing",
        "balance": "billing",
        "attributes.open_cases": "billing",
    }
    assert billing.heard[0].path == f"/api/customers?phone=%2B{NUMBER}"
    stored = await asking.api("GET", f"/customers/{known['id']}")
    assert (stored["status"], stored["balance"]) == ("regular", 5)


async def test_a_caller_whom_billing_alone_knows_has_a_name_and_a_status(asking: Server) -> None:
    async with Phones(asking.status, [ANNA]), asking.stream("anna") as console:
        caller = dial(asking.status, NUMBER, "Someone", stay=120)
        pop = await console.pop()
        assert (pop["customer"]["id"], pop["customer"]["name"]) == (None, "Мария Петрова")
        assert (pop["customer"]["status"], pop["route"]["priority"]) == ("vip", 10)
        await asking.customer(NUMBER, name="Мария", status="regular", language="ru")
        again = await console.pop()
        assert again["customer"]["id"]
        assert again["customer"]["status"] == "vip"
        await caller.hang_up()


MOODS: dict[str, Mood] = {
    "silent": hangs,
    "late": late(DEADLINE * 2, says(VIP)),
    "trickling": trickles,
    "flooding": floods,
    "cut off": cuts,
    "failing": says({}, 500),
    "moved": sends(b"", 302, Location="http://169.254.169.254/latest"),
    "HTML": sends(b"<html>Bad Gateway</html>", 200, Content_Type="application/json"),
    "another shape": says([{"client": "GOLD"}]),
    "another word": says({"client": {"class": "PLATINUM"}}),
}


async def test_with_billing_slow_failing_or_mad_every_caller_has_a_route_within_the_deadline(
    asking: Server, billing: OutsideSystem
) -> None:
    await asking.customer(NUMBER, status="vip", language="ru")
    async with asking.stream("maria") as board:
        for name, mood in MOODS.items():
            billing.mood = mood
            before = await route_seconds(asking)
            caller = dial(asking.status, NUMBER, name, stay=120)
            shown = await board.until(waits)
            seconds, routes = (
                after - first
                for after, first in zip(await route_seconds(asking), before, strict=True)
            )
            (entry,) = shown["entries"]
            assert (routes, entry["priority"]) == (1, 10), name
            assert seconds < DEADLINE + OVER, name
            first = entry["why"][0]
            assert (first["code"], first["args"]) == ("lookup-failed", {"lookup": "billing"}), name
            await caller.hang_up()
            await board.until(lambda m: m["type"] == "waiting" and not m["entries"])
    assert await asking.metric("cordboard_fallbacks_total") == 0


async def test_with_billing_silent_a_burst_of_callers_still_has_its_routes_in_time(
    asking: Server, billing: OutsideSystem
) -> None:
    billing.mood = hangs
    async with asking.stream("maria") as board:
        callers = [dial(asking.status, f"7916000{n:04}", f"C{n}", stay=120) for n in range(10)]
        await board.until(lambda m: m["type"] == "waiting" and len(m["entries"]) == len(callers))
        seconds, routes = await route_seconds(asking)
        assert routes == len(callers)
        one_after_the_other = DEADLINE * (routes + 1) / 2
        assert seconds / routes < one_after_the_other / 2
        await asyncio.gather(*(caller.hang_up() for caller in callers))
    assert await asking.metric("cordboard_fallbacks_total") == 0


async def test_who_was_changed_in_billing_while_waiting_is_moved_up_within_a_second(
    asking: Server, billing: OutsideSystem, pbx: SandboxPbx
) -> None:
    billing.mood = says({"client": {"class": "PLAIN"}})
    loop = asyncio.get_running_loop()
    pbx.cli("queue pause member PJSIP/1001")  # so that both wait, in the queue of their language

    def wait_so(message: Message, *numbers: str) -> bool:
        return waits(message) and [e["from"] for e in message["entries"]] == [*numbers]

    async with Phones(asking.status, [ANNA]), asking.stream("maria") as board:
        first = dial(asking.status, "79160000001", "First", stay=120)
        await board.until(lambda m: wait_so(m, "+79160000001"))
        second = dial(asking.status, NUMBER, "Second", stay=120)
        shown = await board.until(lambda m: wait_so(m, "+79160000001", f"+{NUMBER}"))
        assert [entry["status"] for entry in shown["entries"]] == ["regular", "regular"]
        orders = [(f"+{NUMBER}", "+79160000001"), ("+79160000001", f"+{NUMBER}")]
        took = []
        for mood, order in zip((VIP, {"client": {"class": "PLAIN"}}), orders, strict=True):
            billing.mood = says(mood)
            began = loop.time()
            body = {"phone": f"+{NUMBER}"}
            await asking.api("POST", "/customers/changed", body, by="maria")
            await board.until(lambda m, order=order: wait_so(m, *order))
            took.append(loop.time() - began)
        assert max(took) < 1
        await first.hang_up()
        await second.hang_up()


async def test_when_billing_is_back_the_card_of_a_call_that_lives_has_what_it_says(
    asking: Server, billing: OutsideSystem
) -> None:
    billing.mood = says({}, 503)
    async with Phones(asking.status, [ANNA]), asking.stream("anna") as console:
        caller = dial(asking.status, NUMBER, "Someone", stay=120)
        pop = await console.pop()
        assert pop["customer"] is None
        billing.mood = says(VIP)
        again = await console.pop()
        assert (again["id"], again["customer"]["name"]) == (pop["id"], "Мария Петрова")
        await caller.hang_up()
