"""Live priorities on the real Asterisk: what the policy, the clock, the CRM and supervisors make of
the order of those who wait, told by Asterisk's own QueueStatus."""

from __future__ import annotations

import asyncio
import json

import pytest
from pbx_fixtures import Heard
from priority_fixtures import QUEUE, REGULAR, VIP, Hall, hall, ruled
from server_fixtures import Message, Server

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]

RULES = """
default_queue = "support-ru"

[[rule]]
name = "debtors"
when = { status = ["debtor"] }
action = "queue"
queue = "support-bg"

[[rule]]
name = "blocked"
when = { status = ["blocked"] }
action = "message"
to = "cannot-complete-as-dialed"

[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
priority = 10

[[rule]]
name = "everybody"
action = "queue"
raise = { by = RAISED, every = 2, up_to = 20 }
"""


def rules(by: int = 1) -> str:
    return RULES.replace("RAISED", str(by))


async def move(one: Hall, number: str, args: Message, by: str = "maria") -> str | None:
    """Moves a caller by hand; what was said about it."""
    call = (await one.ids())[number]
    body = {"action": "move", "args": args, "reason": "обещали ответить первому"}
    accepted = await one.server.api("POST", f"/calls/{call}/actions", body, by)
    result = await one.board.until(
        lambda m: m["type"] == "result" and m["id"] == accepted["id"], 10
    )
    error = result["error"]
    return None if error is None else str(error)


async def test_a_vip_is_answered_before_five_who_waited_already(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(VIP, status="vip", language="ru")
    async with hall(server, pbx, ami) as one:
        await one.call(*REGULAR[:5], VIP)
        assert await one.standing() == [(VIP, 10), *((number, 0) for number in REGULAR[:5])]
        assert await one.answered() == VIP


async def test_a_starving_caller_passes_a_later_vip_when_the_policy_says_so(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(VIP, status="vip", language="ru")
    await ruled(server, rules(by=6))
    async with hall(server, pbx, ami) as one:
        await one.call(*REGULAR[:2])
        first, second = REGULAR[:2]
        await one.until(lambda seen: seen == [(first, 12), (second, 12)], 8)
        await one.call(VIP)
        # The first two stay ahead of him, and in their own order, as they grow.
        assert [number for number, _ in await one.standing()] == [first, second, VIP]
        await one.until(lambda seen: seen == [(first, 20), (second, 20), (VIP, 10)], 8)
        assert await one.answered() == first
        told = await one.moved(first)
        assert [fact["to"]["priority"] for fact in told] == [6, 12, 18, 20]
        assert {fact["verified"] for fact in told} == {True}
        assert [r["code"] for fact in told for r in fact["reasons"]] == ["raised"] * 4
        assert told[1]["reasons"][0]["args"] == {"seconds": "4", "priority": "12"}
        async with server.store() as store:
            entries = await store.entries_since(0)
        assert sorted(entry.priority for entry in entries) == [0, 0, 10]


async def test_a_caller_whose_status_becomes_vip_is_moved_within_a_second(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    customer = await server.customer(REGULAR[3], status="regular", language="ru")
    async with hall(server, pbx, ami) as one:
        await one.call(*REGULAR[:5])
        assert [number for number, _ in await one.standing()] == REGULAR[:5]
        await server.api("PATCH", f"/customers/{customer['id']}", {"status": "vip"})
        took = await one.until(lambda seen: seen[0] == (REGULAR[3], 10), 1.0)
        row = await one.row(REGULAR[3], 1)
        assert row["priority"] == 10
        assert row["why"][-1]["code"] == "status-changed"
        assert row["why"][-1]["args"] == {"status": "vip", "before": "regular"}
        (fact,) = await one.moved(REGULAR[3])
        assert (fact["from"], fact["to"]) == (
            {"priority": 0, "place": 4},
            {"priority": 10, "place": 1},
        )
        assert (fact["verified"], fact["queue"]) == (True, QUEUE)
        # And back: he has no right to it any more, but one to his old place.
        await server.api("PATCH", f"/customers/{customer['id']}", {"status": "regular"})
        back = await one.until(lambda seen: seen == [(number, 0) for number in REGULAR[:5]], 1.0)
        print(f"moved within {took * 1000:.0f} and {back * 1000:.0f} ms of the API's answer")


async def test_who_becomes_a_debtor_while_a_phone_rings_for_him_is_taken_out_at_once(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    """By a digit that Queue() reads. The penalties of his new rule hold there."""
    customer = await server.customer(REGULAR[0], status="regular", language="ru")
    narrowed = 'queue = "support-bg"\npenalties = { least = 1 }'
    await ruled(server, rules().replace('queue = "support-bg"', narrowed))
    nearer = PhoneSpec("1004", (Manner(ring=0.1),))  # with a penalty of 0 in support-bg
    async with hall(server, pbx, ami, (Manner(ring=9.0),)) as one, Phones(server.status, [nearer]):
        pbx.cli("queue pause member PJSIP/1004 queue support-ru")
        await one.call(REGULAR[0])
        one.open()
        await one.board.call("ringing")
        await server.api("PATCH", f"/customers/{customer['id']}", {"status": "debtor"})
        took = await one.until(lambda seen: len(seen) == 1, 1.5, "support-bg")
        assert await one.standing() == []
        # Queue() looks for a phone at once and after each `retry`, two seconds, and does not tell
        # that it found none.
        await asyncio.sleep(3)
        assert await one.standing("support-bg") == [(REGULAR[0], 0)]
        pbx.cli("queue unpause member PJSIP/1004")
        (fact,) = await one.moved(REGULAR[0])
        assert (fact["to"]["queue"], fact["verified"]) == ("support-bg", True)
        assert not one.calls[REGULAR[0]].result.done()
        print(f"in the other queue within {took * 1000:.0f} ms of the API's answer")


async def test_without_a_context_for_digits_he_goes_when_the_phone_has_rung(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    customer = await server.customer(REGULAR[0], status="regular", language="ru")
    await ruled(server, rules())
    pbx.cli("dialplan remove extension D@cordboard-waiting")
    phone = PhoneSpec("1004", (Manner(answers="no-answer"),))
    silent = (Manner(answers="no-answer"),)
    async with hall(server, pbx, ami, silent) as one, Phones(server.status, [phone]):
        pbx.cli("queue pause member PJSIP/1004")
        await one.call(REGULAR[0])
        one.open()
        await one.board.call("ringing")
        await server.api("PATCH", f"/customers/{customer['id']}", {"status": "debtor"})
        await one.until(lambda seen: len(seen) == 1, 25, "support-bg")
        assert not one.calls[REGULAR[0]].result.done()
        pbx.cli("queue unpause member PJSIP/1004")
    pbx.cli("dialplan reload")


async def test_who_becomes_a_debtor_while_waiting_goes_to_collections(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    """The queue stands for that of collections. Who has waited there longer is before him."""
    late = await server.customer(REGULAR[0], status="regular", language="ru")
    await server.customer(REGULAR[1], status="debtor", language="ru")
    gone = await server.customer(REGULAR[2], status="regular", language="ru")
    await ruled(server, rules())
    phone = PhoneSpec("1004", (Manner(answers="no-answer"),))
    async with hall(server, pbx, ami) as one, Phones(server.status, [phone]):
        pbx.cli("queue pause member PJSIP/1004")
        await one.call(REGULAR[0], REGULAR[2])
        await one.call(REGULAR[1], queue="support-bg")
        await server.api("PATCH", f"/customers/{late['id']}", {"status": "debtor"})
        took = await one.until(lambda seen: len(seen) == 2, 1.0, "support-bg")
        print(f"in the other queue within {took * 1000:.0f} ms of the API's answer")
        assert await one.standing("support-bg") == [(REGULAR[1], 0), (REGULAR[0], 0)]
        row = await one.row(REGULAR[0], 2, "support-bg")
        assert "status-changed" in [reason["code"] for reason in row["why"]]
        while "queue" not in (fact := (await one.moved(REGULAR[0]))[-1])["from"]:
            await asyncio.sleep(0.05)
        assert (fact["from"]["queue"], fact["to"]["queue"]) == (QUEUE, "support-bg")
        assert fact["verified"] is True
        assert one.calls[REGULAR[0]].result.done() is False
        # From what would end his call he is spared.
        await server.api("PATCH", f"/customers/{gone['id']}", {"status": "blocked"})
        row = await one.row(REGULAR[2], 1)
        while row["why"][-1] != {"code": "stays", "args": {"action": "message"}, "text": None}:
            await asyncio.sleep(0.1)
            row = await one.row(REGULAR[2], 1)
        pbx.cli("queue unpause member PJSIP/1004")


async def test_a_supervisor_moves_a_caller_by_hand_and_the_audit_says_who_and_why(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(VIP, status="vip", language="ru")
    first, second, third, fourth = REGULAR[:4]
    async with hall(server, pbx, ami) as one:
        await one.call(first, second, third, fourth, VIP)
        assert await move(one, fourth, {"to": "up"}) is None
        assert [n for n, _ in await one.standing()] == [VIP, first, second, fourth, third]
        assert await move(one, first, {"to": "down"}) is None
        assert [n for n, _ in await one.standing()] == [VIP, second, first, fourth, third]
        assert await move(one, third, {"to": "head"}) is None
        assert await one.standing() == [
            (third, 11), (VIP, 10), (second, 0), (first, 0), (fourth, 0)
        ]  # fmt: skip
        assert await move(one, second, {"priority": 10}) is None
        assert [n for n, _ in await one.standing()] == [third, VIP, second, first, fourth]
        assert await move(one, third, {"to": "up"}) == "the caller is first already"
        row = await one.row(third, 1)
        assert row["why"][-1]["code"] == "moved-by-hand"
        assert row["why"][-1]["args"] == {"operator": "maria", "reason": "обещали ответить первому"}
        ids = await one.ids()
        async with server.store() as store:
            audits = await store.audits(target=ids[third])
            facts = await store.facts_of([ids[third]], "moved")
        assert [(a.actor, a.role, a.action, a.reason) for a in audits] == [
            ("maria", "supervisor", "move", "обещали ответить первому")
        ] * 2
        assert json.loads(audits[0].before) == {"queue": QUEUE, "priority": 0, "place": 5}
        assert json.loads(audits[0].after) == {"priority": None, "to": "head"}
        assert audits[0].at <= facts[0].at  # written before it was done
        assert json.loads(facts[0].data)["to"] == {"priority": 11, "place": 1}
        assert await one.answered() == third


async def test_growth_goes_on_over_a_restart_and_so_does_what_was_done_by_hand(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    first, second, third = REGULAR[:3]
    await ruled(server, rules(by=2))
    async with hall(server, pbx, ami) as one:
        await one.call(first, second, third)
        assert await move(one, third, {"to": "head"}) is None
        await one.until(lambda seen: [p for _, p in seen][1:] == [2, 2], 8)
        # The board of this server is gone with it.
        server.kill()
        await asyncio.sleep(2.5)  # he grows every two seconds: a step is missed
        before = await one.standing()
        assert [n for n, _ in before] == [third, first, second]
        await server.start()
        await one.until(lambda seen: dict(seen)[first] > dict(before)[first] + 2, 8)
        seen = await one.standing()
        assert [n for n, _ in seen] == [third, first, second]
        assert dict(seen)[third] > dict(seen)[first]
        async with server.stream("maria") as board:
            one.board = board
            row = await one.row(third, 1)
            assert "moved-by-hand" in [reason["code"] for reason in row["why"]]
            async with asyncio.timeout(5):
                while "raised" not in [r["code"] for r in (await one.row(first, 2))["why"]]:
                    await asyncio.sleep(0.1)
            await one.until(lambda seen: dict(seen)[second] == 20, 60)
        seen = await one.standing()
        assert seen == [(third, 21), (first, 20), (second, 20)]


async def test_a_caller_for_whom_a_phone_rings_is_moved_to_another_queue_at_once(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    customer = await server.customer(REGULAR[0], status="regular", language="ru")
    await ruled(server, rules())
    phones = [PhoneSpec("1004", (Manner(answers="no-answer"),))]
    manners = (Manner(answers="no-answer"),)
    async with hall(server, pbx, ami, manners) as one, Phones(server.status, phones):
        pbx.cli("queue pause member PJSIP/1004")
        await one.call(REGULAR[0])
        one.open()
        await one.board.pop()
        await server.api("PATCH", f"/customers/{customer['id']}", {"status": "debtor"})
        took = await one.until(lambda seen: len(seen) == 1, 2.0, "support-bg")
        assert took < 1.5  # a withdrawal would wait for the ring to end
        assert one.calls[REGULAR[0]].result.done() is False
        pbx.cli("queue unpause member PJSIP/1004")
