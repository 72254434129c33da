"""Calls that are picked up by a colleague, and calls in a parking space."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import PARKED_BRIEFLY


@play
async def picked_up(stage: Stage) -> None:
    """The operator's phone rings; a colleague picks the call up with *8."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner("no-answer")):
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"DialStatus: RINGING")
        await sip.phone_call(stage.status, "1008", "*8", stay=1.5).result
        await caller.result


@play
async def parked_and_fetched(stage: Stage) -> None:
    """The operator parks the caller; a colleague fetches him from the space."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)):
        caller = sip.dial(stage.status, *ANNA, stay=6)
        await stage.operator()
        await stage.link.ask("Park", Channel=stage.link.channels("PJSIP/inbound-")[0])
        await stage.link.until(b"Event: ParkedCall\r\n")
        await sip.phone_call(stage.status, "1008", "701", stay=1).result
        await caller.result


@play
async def picked_up_by_number(stage: Stage) -> None:
    """A phone calls another; a third picks that call up by its number, with *71007."""
    async with stage.phones(p1001=Manner(), p1007=Manner("no-answer")):
        caller = stage.call("1001", "1007")
        await stage.rings("1007")
        await stage.call("1008", "*71007", stay=1.5).result
        await caller.result


@play
async def picked_up_nothing(stage: Stage) -> None:
    """A phone asks with *8 for a call that rings, and there is none."""
    await stage.call("1008", "*8", stay=1.5, patience=3).result


@play
async def parked_by_the_phone_and_fetched(stage: Stage) -> None:
    """The operator's phone sends the caller to the parking number; a colleague fetches him."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)) as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "700")
        await stage.link.until(b"Event: ParkedCall\r\n")
        await asyncio.sleep(1)
        await stage.call("1008", "701", stay=1).result
        await caller.result


@play
async def parked_and_back(stage: Stage) -> None:
    """Nobody fetches the parked caller for 3 s: the phone that parked him rings, and answers."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)) as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], PARKED_BRIEFLY)
        await stage.link.until(b"Event: ParkedCallTimeOut")
        await asyncio.sleep(2)
        await caller.line.hang_up()
        await caller.result


@play
async def parked_and_given_up(stage: Stage) -> None:
    """The caller hangs up in his parking space."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)) as desks:
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await stage.refer(desks.lines["1001"], "700")
        await stage.link.until(b"Event: ParkedCall\r\n")
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result
