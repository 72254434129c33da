"""Transfers that phones do themselves, by SIP REFER."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip, stub
from cordboard.sandbox.plays.stage import ANNA, BORIS, JOHN, Stage, play, routed
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import ENGLISH_QUEUE, MOBILE
from cordboard.sandbox.sip import Mobile


@play
async def referred_blind(stage: Stage) -> None:
    """The operator's phone sends the caller to a colleague, who answers."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "1008")
        await caller.result


@play
async def referred_blind_to_a_busy_phone(stage: Stage) -> None:
    """The colleague is busy; the caller is back in the queue, where another operator answers."""
    phones = stage.phones(
        p1001=Manner(ring=0.5), p1002=Manner(ring=0.5, talk=1), p1008=Manner("busy", ring=0.5)
    )
    async with routed(stage, "support-ru"), phones as desks:
        # Whichever of the two the queue takes, the one who talks sends the caller on.
        await stage.link.ask("QueuePause", Interface="PJSIP/1002", Paused="true")
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.link.ask("QueuePause", Interface="PJSIP/1002", Paused="false")
        await stage.refer(desks.lines["1001"], "1008")
        await caller.result


@play
async def referred_blind_by_the_caller(stage: Stage) -> None:
    """A phone calls another, and then sends that one on to a third, who answers."""
    phones = stage.phones(p1007=Manner(), p1008=Manner(ring=0.5), p1001=Manner(ring=1, talk=1))
    async with phones:
        caller = stage.call("1007", "1008")
        await stage.talks("1008")
        await stage.refer(caller.line, "1001")
        await caller.result
        await stage.talks("1001")
        await stage.quiet()


@play
async def referred_blind_caller_hangs_up(stage: Stage) -> None:
    """The caller hangs up while the colleague's phone rings."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner("no-answer"))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "1008")
        await stage.rings("1008")
        await caller.line.hang_up()
        await caller.result


@play
async def referred_blind_to_nowhere(stage: Stage) -> None:
    """The operator's phone sends the caller to a number that is not there; the PBX refuses, and
    the two talk on until the operator hangs up."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)) as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "999")
        await asyncio.sleep(1)
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def referred_blind_after_hold(stage: Stage) -> None:
    """The operator's phone puts the caller on hold first, as phones do, and then sends him on."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        await asyncio.sleep(0.5)
        await stage.refer(desks.lines["1001"], "1008")
        await caller.result


@play
async def referred_to_another_queue(stage: Stage) -> None:
    """The operator sends the caller to the number of another queue, where somebody answers."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1006=Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *JOHN)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], ENGLISH_QUEUE)
        await caller.result


@play
async def referred_to_a_mobile(stage: Stage) -> None:
    """The operator sends the caller to a number outside, over the trunk, where it is answered."""
    phones = stage.phones(p1001=Manner(ring=0.5))
    mobile = Mobile(stage.status, Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), mobile, phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], MOBILE)
        await caller.result


@play
async def referred_twice(stage: Stage) -> None:
    """The colleague to whom the operator sent the caller sends him on to a third."""
    phones = stage.phones(
        p1001=Manner(ring=0.5), p1008=Manner(ring=0.5), p1009=Manner(ring=0.5, talk=1)
    )
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "1008")
        await stage.talks("1008")
        await stage.refer(desks.lines["1008"], "1009")
        await caller.result


@play
async def referred_attended(stage: Stage) -> None:
    """The operator holds the caller, calls a colleague on the second line, talks to him, and
    connects both."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        second = stage.call("1001", "1008")
        await stage.talks("1008")
        await stage.connect(desks.lines["1001"], second.line, "1008")
        await caller.result
        await second.result


@play
async def referred_semi_attended(stage: Stage) -> None:
    """The same, but the operator connects them while the colleague's phone still rings."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=3, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        await asyncio.sleep(0.3)
        second = stage.call("1001", "1008", patience=4)
        await stage.rings("1008")
        await stage.connect(desks.lines["1001"], second.line, "1008")
        await caller.result
        await second.drop()


@play
async def referred_blind_after_ringing(stage: Stage) -> None:
    """The operator holds the caller and rings a colleague, gives that up before the answer, and
    sends the caller to him instead: how phones do it that cannot connect a ringing line."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=2.5, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        await asyncio.sleep(0.3)
        await stage.call("1001", "1008", patience=1).result
        await stage.refer(desks.lines["1001"], "1008")
        await caller.result


@play
async def referred_attended_into_a_queue(stage: Stage) -> None:
    """The operator holds the caller, calls the number of another queue on the second line, talks
    to the operator who answers there, and connects both."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1006=Manner(ring=0.5, talk=3))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *JOHN)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        await asyncio.sleep(0.3)
        second = stage.call("1001", ENGLISH_QUEUE)
        await stage.talks("1006")
        await stage.connect(desks.lines["1001"], second.line, ENGLISH_QUEUE)
        await caller.result
        await second.result


@play
async def referred_attended_by_the_caller(stage: Stage) -> None:
    """A phone calls another, holds it, calls a third on its second line, and connects them."""
    phones = stage.phones(p1007=Manner(), p1008=Manner(ring=0.5), p1001=Manner(ring=0.5, talk=3))
    async with phones:
        first = stage.call("1007", "1008")
        await stage.talks("1008")
        await first.line.hold()
        second = stage.call("1007", "1001")
        await stage.talks("1001")
        await stage.connect(first.line, second.line, "1001")
        await first.result
        await second.result
        await stage.quiet()


@play
async def referred_consulted_and_returned(stage: Stage) -> None:
    """The operator holds the caller, calls a colleague on the second line, hangs up there, and
    takes the caller back."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await desks.lines["1001"].hold()
        second = stage.call("1001", "1008", stay=1)
        await second.result
        await desks.lines["1001"].retrieve()
        await asyncio.sleep(0.5)
        await caller.line.hang_up()
        await caller.result


@play
async def connected_to_an_older_call(stage: Stage) -> None:
    """The manager talks to a colleague; a customer's call comes in for him on the other line; he
    answers it, and connects the customer with the colleague."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    route = stub.route(CB_ACTION="queue", CB_FIRST_DESK="PJSIP/1001", CB_QUEUE="support-ru")
    async with stub.agi(stage.status, route), phones as desks:
        colleague = stage.call("1001", "1008")
        await stage.talks("1008")
        await colleague.line.hold()
        caller = sip.dial(stage.status, *ANNA)
        await stage.rings("1001")
        await asyncio.sleep(0.5)
        await stage.connect(desks.lines["1001"], colleague.line, "1008")
        await colleague.result
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result


@play
async def connected_to_a_younger_call(stage: Stage) -> None:
    """The same, but his phone sends the colleague, whom he had first, to the customer."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    route = stub.route(CB_ACTION="queue", CB_FIRST_DESK="PJSIP/1001", CB_QUEUE="support-ru")
    async with stub.agi(stage.status, route), phones as desks:
        colleague = stage.call("1001", "1008")
        await stage.talks("1008")
        await colleague.line.hold()
        caller = sip.dial(stage.status, *ANNA)
        await stage.rings("1001")
        await asyncio.sleep(0.5)
        await stage.connect(colleague.line, desks.lines["1001"], "1008")
        await colleague.result
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result
