"""Several phones ring for one call."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import FORWARDED, FORWARDED_LATER, GROUP
from cordboard.sandbox.sip import Mobile


@play
async def ringall_answered(stage: Stage) -> None:
    """Three phones of the queue ring at once; one answers, the others stop."""
    phones = stage.phones(
        p1007=Manner("no-answer"), p1008=Manner(ring=1.5, talk=1), p1009=Manner("no-answer")
    )
    async with routed(stage, "group"), phones:
        await sip.call(stage.status, *ANNA)


@play
async def ringall_one_busy(stage: Stage) -> None:
    """Two phones of the queue are called: one is busy, the other rings and answers."""
    phones = stage.phones(p1007=Manner("busy", ring=0.3), p1008=Manner(ring=2, talk=1))
    async with routed(stage, "group"), phones:
        await sip.call(stage.status, *ANNA)


@play
async def ringall_abandoned(stage: Stage) -> None:
    """Two phones of the queue ring, and the caller hangs up."""
    phones = stage.phones(p1007=Manner("no-answer"), p1008=Manner("no-answer"))
    async with routed(stage, "group"), phones:
        caller = sip.dial(stage.status, *BORIS)
        await stage.rings("1007")
        await stage.rings("1008")
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result


@play
async def ring_group_answered(stage: Stage) -> None:
    """One phone calls a group of two (no queue); both ring, one answers, the other stops."""
    phones = stage.phones(p1001=Manner(), p1007=Manner("no-answer"), p1008=Manner(ring=1.5, talk=1))
    async with phones:
        await stage.call("1001", GROUP).result


@play
async def ring_group_not_answered(stage: Stage) -> None:
    """The group of two rings for 4 s; nobody answers."""
    phones = stage.phones(p1001=Manner(), p1007=Manner("no-answer"), p1008=Manner("no-answer"))
    async with phones:
        await stage.call("1001", GROUP).result


@play
async def ring_group_all_busy(stage: Stage) -> None:
    """Both phones of the group are busy."""
    phones = stage.phones(
        p1001=Manner(), p1007=Manner("busy", ring=0.5), p1008=Manner("busy", ring=0.5)
    )
    async with phones:
        await stage.call("1001", GROUP).result


@play
async def forwarded_to_a_mobile(stage: Stage) -> None:
    """The PBX sends every call for that number on to a mobile, which answers."""
    async with stage.phones(p1001=Manner()), Mobile(stage.status, Manner(ring=1, talk=1)):
        await stage.call("1001", FORWARDED).result


@play
async def forwarded_to_a_mobile_on_no_answer(stage: Stage) -> None:
    """A phone rings for 2 s, then the PBX sends the call on to a mobile, which answers."""
    phones = stage.phones(p1001=Manner(), p1009=Manner("no-answer"))
    async with phones, Mobile(stage.status, Manner(ring=1, talk=1)):
        await stage.call("1001", FORWARDED_LATER).result


@play
async def forwarded_by_a_phone_of_the_queue(stage: Stage) -> None:
    """The operator's phone sends the queued call on (302) to a colleague's, who answers."""
    phones = stage.phones(
        p1001=Manner("forward", ring=0.5, forward_to="1008"), p1008=Manner(ring=1, talk=1)
    )
    async with routed(stage, "support-ru"), phones:
        await sip.call(stage.status, *ANNA)
