"""Three and more who talk together."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, Stage, play, routed
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import ROOM


@play
async def conference_by_keys(stage: Stage) -> None:
    """The operator calls a colleague with *2 and presses *3: all three talk. The operator leaves
    after a second, the colleague hangs up after another."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await desks.lines["1001"].press("*3")
        await asyncio.sleep(1)
        await desks.lines["1001"].hang_up()
        await asyncio.sleep(1)
        await desks.lines["1008"].hang_up()
        await caller.result


@play
async def conference_room(stage: Stage) -> None:
    """A phone dials a conference room, then a second one, then a third; the first leaves, then
    the second, then the third."""
    first = stage.call("1001", ROOM)
    await stage.talks("1001")
    second = stage.call("1007", ROOM)
    await stage.talks("1007")
    third = stage.call("1008", ROOM)
    await stage.talks("1008")
    for each in (first, second, third):
        await each.line.hang_up()
        await each.result
        await asyncio.sleep(0.5)


@play
async def conference_of_the_caller(stage: Stage) -> None:
    """The operator and his caller are moved into a room, and a colleague is called into it: all
    three talk. The colleague leaves, then the operator hangs up, then the caller."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask(
            "Redirect",
            Channel=stage.link.channels("PJSIP/inbound-")[0],
            Context="cordboard-phones",
            Exten=ROOM,
            Priority="1",
            ExtraChannel=operator,
            ExtraContext="cordboard-phones",
            ExtraExten=ROOM,
            ExtraPriority="1",
        )
        await asyncio.sleep(1)
        await stage.link.ask(
            "Originate",
            Channel="PJSIP/1008",
            Context="cordboard-phones",
            Exten=ROOM,
            Priority="1",
            CallerID="Анна Ким <79161234567>",
            Async="true",
            ChannelId="cordboard-conference-1",
        )
        await stage.talks("1008")
        await asyncio.sleep(0.5)
        await desks.lines["1008"].hang_up()
        await asyncio.sleep(0.5)
        await desks.lines["1001"].hang_up()
        await asyncio.sleep(0.5)
        await caller.line.hang_up()
        await caller.result
