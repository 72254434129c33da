"""A caller's personal manager, at his desk and his mobile."""

from __future__ import annotations

import asyncio
import contextlib

from cordboard.sandbox import sip, stub
from cordboard.sandbox.plays.stage import ANNA, Stage, play
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import MOBILE
from cordboard.sandbox.sip import Mobile


def _manager(stage: Stage, **more: object) -> contextlib.AbstractAsyncContextManager[None]:
    """The caller's place is the second one, if anybody stands before it."""
    back = {"CB_PRIO": 0, "CB_POSITION": 2}
    script = stub.route(
        back, CB_ACTION="queue", CB_QUEUE="support-ru", CB_FIRST_MOBILE=MOBILE, **more
    )
    return stub.agi(stage.status, script)


@play
async def manager_confirmed(stage: Stage) -> None:
    """The personal manager answers his mobile, presses 1 and talks for two seconds."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1, digits="1", digits_after=1, talk=2)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_voicemail_then_queue(stage: Stage) -> None:
    """Voicemail answers the mobile, nobody presses 1; the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_declines_then_queue(stage: Stage) -> None:
    """The manager declines on his mobile (603); the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner("reject", ring=1)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_busy_then_queue(stage: Stage) -> None:
    """The manager's mobile is busy (486); the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner("busy", ring=0.3)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_presses_another_digit_then_queue(stage: Stage) -> None:
    """The manager answers and presses 2: not now; the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1, digits="2", digits_after=1)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_rings_caller_hangs_up(stage: Stage) -> None:
    """The caller hangs up while the manager's mobile rings."""
    async with _manager(stage), Mobile(stage.status, Manner("no-answer")):
        await sip.call(stage.status, *ANNA, stay=3)


@play
async def manager_confirmed_with_sound(stage: Stage) -> None:
    """The manager takes the call with 1; both sides send sound, so no channel is only a name."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1, digits="1", digits_after=1, talk=2), audio=True),
    ):
        await sip.call(stage.status, *ANNA, audio=True)


@play
async def manager_at_the_desk(stage: Stage) -> None:
    """The manager's desk phone rings, and is answered without any digit."""
    async with (
        _manager(stage, CB_FIRST_DESK="PJSIP/1007"),
        stage.phones(p1007=Manner(ring=1, talk=2)),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def manager_desk_then_mobile_then_old_place(stage: Stage) -> None:
    """Two wait in the queue. The manager's desk phone rings for 3 s in vain, then voicemail answers
    his mobile; meanwhile the first of the two gives up, and another caller joins. The one who was
    with the manager comes between the two who wait now. All three hang up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told = await stub.environment(reader)
        said: dict[str, object] = {"CB_ACTION": "queue", "CB_QUEUE": "support"}
        if told["agi_network_script"] == "back":
            said = {"CB_PRIO": 0, "CB_POSITION": 2}
        elif told["agi_callerid"] == ANNA[0]:
            said |= {"CB_FIRST_DESK": "PJSIP/1007", "CB_FIRST_MOBILE": MOBILE, "CB_FIRST_RING": 3}
        await stub.set_variables(reader, writer, {**said, "CB_DONE": 1})

    async def joins(number: str) -> sip.LiveCall:
        caller = sip.dial(stage.status, number)
        await stage.link.until(b"QueueCallerJoin", within=f"CallerIDNum: {number}".encode())
        return caller

    async with (
        stub.agi(stage.status, answer),
        Mobile(stage.status, Manner(ring=1)),
        stage.phones(p1007=Manner("no-answer")),
    ):
        gives_up, waits = await joins("79160000001"), await joins("79160000002")
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"Where: desk")
        await gives_up.hang_up()
        late = await joins("79160000003")
        await stage.link.until(b"QueueCallerJoin", 30, within=f"CallerIDNum: {ANNA[0]}".encode())
        for each in (waits, caller, late):
            await each.hang_up()


@play
async def manager_away_then_queue(stage: Stage) -> None:
    """The manager's mobile is switched off (480); the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner("away", ring=0.3)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *ANNA)
