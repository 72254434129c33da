"""The shipped dialplan on a real Asterisk: somebody in person first, and the way back."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from dialplan_calls import ANNA, MOBILE, Status, joined, no_channel, routed
from pbx_fixtures import Heard

from cordboard.sandbox import sip, stub
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]


def first(
    sandbox: Status,
    mobile: str = MOBILE,
    back: dict[str, object] | None = None,
    **more: object,
) -> AbstractAsyncContextManager[None]:
    script = stub.route(
        back, CB_ACTION="queue", **({"CB_QUEUE": "support", "CB_FIRST_MOBILE": mobile} | more)
    )
    return stub.agi(sandbox, script)


async def test_manager_takes_the_call_by_a_digit(ami: Heard, sandbox: Status) -> None:
    async with first(sandbox), Mobile(sandbox, Manner(ring=0.3, digits="1", talk=1)):
        result = await sip.call(sandbox, *ANNA)
    assert (result.outcome, result.hung_up) == ("completed", "them")
    assert not ami.events("QueueCallerJoin", "UserEvent")
    bridged = {event["Channel"].split("-")[0] for event in ami.events("BridgeEnter")}
    assert {"PJSIP/inbound", "PJSIP/trunk"} <= bridged


async def test_manager_who_confirms_after_the_ringing_time_is_not_lost(
    ami: Heard, sandbox: Status
) -> None:
    """What rings for two seconds may be listened to for longer."""
    slow = Manner(ring=1.5, digits="1", digits_after=3, talk=0.5)
    async with first(sandbox, CB_FIRST_RING=2), Mobile(sandbox, slow):
        result = await sip.call(sandbox, *ANNA)
    assert (result.outcome, result.hung_up) == ("completed", "them")
    assert not ami.events("QueueCallerJoin")


async def test_manager_at_his_desk_needs_no_digit(ami: Heard, sandbox: Status) -> None:
    desk = Phones(sandbox, [PhoneSpec("1007", (Manner(ring=0.3, talk=0.5),))])
    async with first(sandbox, CB_FIRST_DESK="PJSIP/1007"), desk:
        result = await sip.call(sandbox, *ANNA)
    assert (result.outcome, result.hung_up) == ("completed", "them")
    assert not ami.events("QueueCallerJoin", "UserEvent")


async def test_the_mobile_rings_after_the_desk(ami: Heard, sandbox: Status) -> None:
    desk = Phones(sandbox, [PhoneSpec("1007", (Manner("no-answer"),))])
    mobile = Mobile(sandbox, Manner(ring=0.3, digits="1", talk=0.5))
    async with first(sandbox, CB_FIRST_DESK="PJSIP/1007", CB_FIRST_RING=2), desk, mobile:
        result = await sip.call(sandbox, *ANNA)
    assert (result.outcome, result.hung_up) == ("completed", "them")
    (told,) = ami.events("UserEvent")
    assert (told["Where"], told["Status"]) == ("desk", "NOANSWER")
    music = [event["Event"] for event in ami.events("MusicOnHoldStart", "MusicOnHoldStop")]
    assert music == ["MusicOnHoldStart", "MusicOnHoldStop"] * 2


async def test_a_desk_phone_that_sends_its_calls_on_does_not_take_this_one(
    ami: Heard, sandbox: Status
) -> None:
    desk = Phones(
        sandbox, [PhoneSpec("1007", (Manner("forward", ring=0.2, forward_to=MOBILE[1:]),))]
    )
    voicemail = Mobile(sandbox, Manner(ring=0.2))
    async with first(sandbox, "", CB_FIRST_DESK="PJSIP/1007"), desk, voicemail:
        event, _ = await joined(ami, sandbox, 5)
    assert event["Queue"] == "support"
    told = await ami.until_event("UserEvent", UserEvent="CordboardManager")
    assert (told["Where"], told["Status"]) == ("desk", "BUSY")


@pytest.mark.parametrize(
    ("manner", "within", "status"),
    [
        (Manner("busy", ring=0.2), 3, "BUSY"),
        (Manner("reject", ring=0.2), 3, "DECLINED"),
        (Manner("away", ring=0.2), 3, "NOANSWER"),
        (Manner("no-answer"), 5, "NOANSWER"),
        (Manner(ring=0.2), 16, "UNCONFIRMED"),  # voicemail: answers, presses nothing
        (Manner(ring=0.2, digits="2"), 16, "UNCONFIRMED"),
    ],
    ids=["busy", "reject", "unavailable", "no answer", "voicemail", "wrong digit"],
)
async def test_whom_the_manager_does_not_take_is_at_his_old_place(
    ami: Heard, sandbox: Status, manner: Manner, within: float, status: str
) -> None:
    """Three wait, one of them for longer than him: he comes to the second place."""
    others = []
    async with routed(sandbox, CB_ACTION="queue", CB_QUEUE="support", CB_PRIO=4):
        for number in ("79160000001", "79160000002", "79160000003"):
            others.append(sip.dial(sandbox, number))
            await ami.until_event("QueueCallerJoin", CallerIDNum=number)
    back = {"CB_PRIO": 4, "CB_POSITION": 2}
    async with first(sandbox, CB_FIRST_RING=2, back=back), Mobile(sandbox, manner):
        caller = sip.dial(sandbox, *ANNA)
        event = await ami.until_event("QueueCallerJoin", within, CallerIDNum=ANNA[0])
        told = await ami.until_event("UserEvent", UserEvent="CordboardManager")
    assert event["Position"] == "2"
    assert (told["Where"], told["Status"]) == ("mobile", status)
    for each in (caller, *others):
        await each.drop()


async def test_a_place_is_a_wish_among_those_of_the_same_priority(
    ami: Heard, sandbox: Status
) -> None:
    """Nobody of a higher priority is passed, and nobody of a lower one is waited for."""
    others, places = [], {}
    async with routed(sandbox, CB_ACTION="queue", CB_QUEUE="support", CB_PRIO=4):
        for number in ("79160000001", "79160000002", "79160000003"):
            others.append(sip.dial(sandbox, number))
            await ami.until_event("QueueCallerJoin", CallerIDNum=number)
    asked = {"79160000004": (0, 1), "79160000005": (9, 3), "79160000006": (4, 9)}
    asked |= {"79160000007": (4, 2), "79160000008": (4, 3)}
    for number, (priority, place) in asked.items():
        route = {"CB_QUEUE": "support", "CB_PRIO": priority, "CB_POSITION": place}
        async with routed(sandbox, CB_ACTION="queue", **route):
            others.append(sip.dial(sandbox, number))
            event = await ami.until_event("QueueCallerJoin", CallerIDNum=number)
        places[number[-1]] = int(event["Position"])
    # After them: 5, 7, 8, 1, 2, 3, 6, 4, where 5 is the most important and 4 the least.
    assert places == {"4": 4, "5": 1, "6": 5, "7": 2, "8": 3}
    for each in others:
        await each.drop()


async def test_cordboard_dead_meanwhile_back_in_the_queue_by_priority_alone(
    ami: Heard, sandbox: Status
) -> None:
    async with routed(sandbox, CB_ACTION="queue", CB_QUEUE="support"):
        other = sip.dial(sandbox, "79160000001")
        await ami.until_event("QueueCallerJoin")
    async with first(sandbox, CB_PRIO=10), Mobile(sandbox, Manner("busy", ring=1)):
        caller = sip.dial(sandbox, *ANNA)
        told = await ami.until_event("UserEvent", UserEvent="CordboardManager")
        event = await ami.until_event("QueueCallerJoin", 3, CallerIDNum=ANNA[0])
    assert event["Position"] == "1"
    assert float(event["Timestamp"]) - float(told["Timestamp"]) < 1.0
    for each in (caller, other):
        await each.drop()


async def test_cordboard_hangs_meanwhile_back_in_the_queue_when_the_lease_ends(
    ami: Heard, sandbox: Status
) -> None:
    async def hang_at_the_second_question(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        asked.append(1)
        await (stub.silence if len(asked) > 1 else told)(reader, writer)

    asked: list[int] = []
    told = stub.route(CB_ACTION="queue", CB_QUEUE="support-ru", CB_FIRST_MOBILE=MOBILE, CB_PRIO=7)
    phones = Phones(sandbox, [PhoneSpec("1001", (Manner("no-answer"),))])
    mobile = Mobile(sandbox, Manner("busy", ring=0.2))
    async with stub.agi(sandbox, hang_at_the_second_question), mobile, phones:
        event, took = await joined(ami, sandbox, 9)
    assert event["Queue"] == "support-ru"
    assert 4.5 < took < 6.5


@pytest.mark.parametrize("number", ["no digits", "${SHELL(id)}", "&&", "1"])
async def test_manager_without_a_number_queue(ami: Heard, sandbox: Status, number: str) -> None:
    async with first(sandbox, number):
        event, _ = await joined(ami, sandbox, 3)
    assert event["Queue"] == "support"


async def test_caller_hangs_up_while_the_manager_is_called(
    pbx: SandboxPbx, ami: Heard, sandbox: Status
) -> None:
    async with first(sandbox), Mobile(sandbox, Manner("no-answer")):
        caller = sip.dial(sandbox, *ANNA, stay=1)
        await ami.until_event("DialState", DialStatus="RINGING")
        assert (await caller.result).hung_up == "us"
        await no_channel(pbx, 0.5)
