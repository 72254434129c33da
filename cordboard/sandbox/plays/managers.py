"""A caller's personal manager, at his mobile."""

from __future__ import annotations

import contextlib

from cordboard.sandbox import sip, stub
from cordboard.sandbox.plays.stage import ANNA, Stage, play
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import MOBILE
from cordboard.sandbox.sip import Mobile


def _manager(stage: Stage) -> contextlib.AbstractAsyncContextManager[None]:
    script = stub.route(
        CB_ACTION="manager",
        CB_NUMBER=MOBILE,
        CB_QUEUE="support-ru",
        CB_RETURN_PRIO=10,
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
