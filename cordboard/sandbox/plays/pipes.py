"""Phones behind Local channels, with sound: without any, Asterisk never optimises them away."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner


@play
async def local_member(stage: Stage) -> None:
    """A member of the queue behind a Local channel answers; the pipe is optimised away."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5, talk=2))
    async with routed(stage, "pipes"), phones:
        await sip.call(stage.status, *ANNA, audio=True)


@play
async def local_member_kept(stage: Stage) -> None:
    """The same with /n: the pipe stays."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5, talk=2))
    async with routed(stage, "pipes-kept"), phones:
        await sip.call(stage.status, *ANNA, audio=True)


@play
async def local_member_abandoned(stage: Stage) -> None:
    """The member behind a Local channel rings, and the caller hangs up."""
    async with routed(stage, "pipes"), stage.phones(p1007=Manner("no-answer")):
        caller = sip.dial(stage.status, *BORIS)
        await stage.rings("1007")
        await caller.line.hang_up()
        await caller.result


@play
async def local_member_busy(stage: Stage) -> None:
    """The member behind a Local channel declines; the caller waits on, and hangs up."""
    async with routed(stage, "pipes"), stage.phones(p1007=Manner("reject", ring=0.5)):
        caller = sip.dial(stage.status, *BORIS)
        await stage.rings("1007")
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result


@play
async def local_member_refers_blind(stage: Stage) -> None:
    """The pipe has been optimised away; the operator's phone sends the caller to a colleague."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5), p1008=Manner(ring=1, talk=2))
    async with routed(stage, "pipes"), phones as desks:
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.talks("1007")
        await stage.refer(desks.lines["1007"], "1008")
        await caller.result


@play
async def local_member_kept_refers_blind(stage: Stage) -> None:
    """The pipe is there when the operator's phone sends the caller to a colleague."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5), p1008=Manner(ring=1, talk=2))
    async with routed(stage, "pipes-kept"), phones as desks:
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.talks("1007")
        await stage.refer(desks.lines["1007"], "1008")
        await caller.result


@play
async def local_member_refers_attended(stage: Stage) -> None:
    """The operator, whose pipe has gone, holds the caller, calls a colleague and connects them."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with routed(stage, "pipes"), phones as desks:
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.talks("1007")
        await desks.lines["1007"].hold()
        second = stage.call("1007", "1008", audio=True)
        await stage.talks("1008")
        await stage.connect(desks.lines["1007"], second.line, "1008")
        await caller.result
        await second.result


@play
async def local_member_kept_refers_attended(stage: Stage) -> None:
    """The same with /n."""
    phones = stage.phones(audio=True, p1007=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with routed(stage, "pipes-kept"), phones as desks:
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.talks("1007")
        await desks.lines["1007"].hold()
        second = stage.call("1007", "1008", audio=True)
        await stage.talks("1008")
        await stage.connect(desks.lines["1007"], second.line, "1008")
        await caller.result
        await second.result


@play
async def keyed_attended_with_sound(stage: Stage) -> None:
    """*2 and a hang-up, with sound: Asterisk's own pipe to the colleague is optimised away."""
    phones = stage.phones(audio=True, p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=4))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await asyncio.sleep(0.5)
        await desks.lines["1001"].hang_up()
        await caller.result
