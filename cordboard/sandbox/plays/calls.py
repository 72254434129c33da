"""Calls of one phone to another, and hold."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip, stub
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner


@play
async def direct_call_answered(stage: Stage) -> None:
    """One phone calls another; they talk for two seconds; the caller hangs up."""
    async with stage.phones(p1001=Manner(), p1007=Manner(ring=1)):
        await sip.phone_call(stage.status, "1001", "1007", stay=2).result


@play
async def direct_call_busy(stage: Stage) -> None:
    """One phone calls another that is busy (486)."""
    async with stage.phones(p1001=Manner(), p1007=Manner("busy", ring=0.5)):
        await sip.phone_call(stage.status, "1001", "1007").result


@play
async def direct_call_no_answer(stage: Stage) -> None:
    """The other phone rings until the dialplan gives up, after 30 s."""
    async with stage.phones(p1001=Manner(), p1007=Manner("no-answer")):
        await sip.phone_call(stage.status, "1001", "1007").result


@play
async def direct_call_cancelled(stage: Stage) -> None:
    """The caller gives up while the other phone rings."""
    async with stage.phones(p1001=Manner(), p1007=Manner("no-answer")):
        await sip.phone_call(stage.status, "1001", "1007", patience=2).result


@play
async def direct_call_rejected(stage: Stage) -> None:
    """The other phone declines (603)."""
    async with stage.phones(p1001=Manner(), p1007=Manner("reject", ring=0.5)):
        await sip.phone_call(stage.status, "1001", "1007").result


@play
async def forwarded_by_the_phone(stage: Stage) -> None:
    """One phone calls another, which sends the call on (302) to a third."""
    phones = stage.phones(
        p1001=Manner(),
        p1007=Manner("forward", ring=0.5, forward_to="1008"),
        p1008=Manner(ring=0.5, talk=1),
    )
    async with phones:
        await sip.phone_call(stage.status, "1001", "1007").result


@play
async def message_only(stage: Stage) -> None:
    """The caller hears a message and is let go."""
    script = stub.route(CB_ACTION="message", CB_TO="vm-goodbye")
    async with stub.agi(stage.status, script):
        await sip.call(stage.status, *ANNA)


@play
async def held_and_retrieved(stage: Stage) -> None:
    """The operator puts the caller on hold for a second, takes him back and hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5, hold=(1, 1), talk=1))
    async with routed(stage, "support-ru"), phones:
        await sip.call(stage.status, *ANNA)


@play
async def forged_from_user(stage: Stage) -> None:
    """A caller with line ends in his number, as an account without filters sees it."""
    forged = (
        "1%0d%0a%0d%0aEvent%3a%20QueueCallerJoin%0d%0aQueue%3a%20support-ru%0d%0a"
        "Uniqueid%3a%20forged.1%0d%0aLinkedid%3a%20forged.1%0d%0aX%3a%20"
    )
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5, talk=1)):
        await sip.call(stage.status, forged, "Mallory")


@play
async def held_by_the_caller(stage: Stage) -> None:
    """The caller puts the operator on hold for a second, takes him back and hangs up."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)):
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await caller.line.hold()
        await asyncio.sleep(1)
        await caller.line.retrieve()
        await asyncio.sleep(0.5)
        await caller.line.hang_up()
        await caller.result


@play
async def held_caller_hangs_up(stage: Stage) -> None:
    """The operator puts the caller on hold, and the caller hangs up before he is taken back."""
    async with (
        routed(stage, "support-ru"),
        stage.phones(p1001=Manner(ring=0.5)) as phones,
    ):
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await phones.lines["1001"].hold()
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result


@play
async def held_by_both(stage: Stage) -> None:
    """Each of two phones puts the other on hold and takes it back; the called one hangs up."""
    async with stage.phones(p1001=Manner(), p1007=Manner(ring=0.5)) as phones:
        caller = stage.call("1001", "1007")
        await stage.talks("1007")
        await phones.lines["1007"].hold()
        await asyncio.sleep(0.5)
        await caller.line.hold()
        await asyncio.sleep(0.5)
        await phones.lines["1007"].retrieve()
        await asyncio.sleep(0.5)
        await caller.line.retrieve()
        await asyncio.sleep(0.5)
        await phones.lines["1007"].hang_up()
        await caller.result
