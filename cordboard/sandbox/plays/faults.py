"""What becomes of the recording: links that open late or end early, a PBX that dies."""

from __future__ import annotations

import asyncio
import contextlib

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner


@play
async def snapshot_mid_call(stage: Stage) -> None:
    """The link opens while one call talks, one waits and one rings; then they all end."""
    phones = stage.phones(
        p1005=Manner(ring=0.3), p1001=Manner(), p1007=Manner("no-answer", ring=60)
    )
    async with routed(stage, "support-en"), phones:
        talking = sip.dial(stage.status, *ANNA, stay=6)
        await asyncio.sleep(1.5)
        waiting = sip.dial(stage.status, *BORIS, stay=5)
        ringing = sip.phone_call(stage.status, "1001", "1007", patience=5)
        await asyncio.sleep(1.5)
        await stage.link.open()
        for action in ("CoreStatus", "CoreShowChannels", "QueueStatus", "DeviceStateList"):
            await stage.link.ask(action)
            await asyncio.sleep(0.1)
        await asyncio.gather(talking.result, waiting.result, ringing.result)


@play
async def snapshot_after_a_transfer(stage: Stage) -> None:
    """The link opens after the operator has sent the caller to a colleague, who talks."""
    phones = stage.phones(p1001=Manner(ring=0.3), p1008=Manner(ring=0.3))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await desks.lines["1001"].dialog()
        await asyncio.sleep(0.5)
        await stage.refer(desks.lines["1001"], "1008")
        await desks.lines["1008"].dialog()
        await asyncio.sleep(0.5)
        await stage.link.open()
        await stage.lists()
        await asyncio.sleep(0.5)
        await caller.line.hang_up()
        await caller.result


@play
async def snapshot_of_a_held_call(stage: Stage) -> None:
    """The link opens while the caller is on hold; the operator takes him back and hangs up."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.3)) as desks:
        caller = sip.dial(stage.status, *ANNA)
        await desks.lines["1001"].dialog()
        await asyncio.sleep(0.5)
        await desks.lines["1001"].hold()
        await asyncio.sleep(0.5)
        await stage.link.open()
        await stage.lists()
        await asyncio.sleep(0.5)
        await desks.lines["1001"].retrieve()
        await asyncio.sleep(0.5)
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def snapshot_of_a_parked_call(stage: Stage) -> None:
    """The link opens while the caller stands in a parking space; a colleague fetches him."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.3)) as desks:
        caller = sip.dial(stage.status, *BORIS)
        await desks.lines["1001"].dialog()
        await asyncio.sleep(0.5)
        await stage.refer(desks.lines["1001"], "700")
        await asyncio.sleep(1)
        await stage.link.open()
        await stage.lists()
        await asyncio.sleep(0.5)
        await stage.call("1008", "701", stay=1).result
        await caller.result


@play
async def recording_ends_in_mid_call(stage: Stage) -> None:
    """One caller talks and one waits when the recording ends."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)):
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        second = sip.dial(stage.status, *BORIS)
        await stage.link.until(b"CallerIDNum: 79035557788", within=b"Event: QueueCallerJoin")
        await asyncio.sleep(0.5)
        await stage.link.close()
        await first.line.hang_up()
        await second.line.hang_up()
        await asyncio.gather(first.result, second.result)


@play
async def pbx_killed_in_mid_call(stage: Stage) -> None:
    """One caller talks and one phone rings when the PBX is killed."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1002=Manner("no-answer"))
    async with routed(stage, "support-ru"), phones:
        await stage.link.ask("QueuePause", Interface="PJSIP/1002", Paused="true")
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.link.ask("QueuePause", Interface="PJSIP/1002", Paused="false")
        second = sip.dial(stage.status, *BORIS)
        await stage.rings("1002")
        stage.pbx.kill()
        await asyncio.sleep(0.5)
        await asyncio.gather(first.drop(), second.drop())


@play
async def pbx_killed_and_started_again(stage: Stage) -> None:
    """One caller talks when the PBX is killed. It starts again; another caller comes, on a channel
    of the same name, talks to the same operator and hangs up. The recording goes on behind the
    second banner."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)) as desks:
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        stage.pbx.kill()
        await asyncio.sleep(0.5)
        await first.drop()
        await stage.link.close()
        stage.pbx.start(die_with_parent=True)
        await stage.link.open()
        await stage.lists()
        await desks.register()
        await sip.call(stage.status, *BORIS, stay=1.5)


@play
async def link_lost_in_mid_call(stage: Stage) -> None:
    """One caller talks when the link is lost. Until it opens again he has hung up, and another
    caller talks to another operator; that one is seen to hang up."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1007=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones:
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.link.close()
        await first.line.hang_up()
        await first.result
        second = stage.call("1008", "1007")
        await second.answered.wait()
        await asyncio.sleep(0.5)
        await stage.link.open()
        await stage.lists()
        await asyncio.sleep(0.5)
        await second.line.hang_up()
        await second.result


@play
async def pbx_stopped_in_mid_call(stage: Stage) -> None:
    """One caller talks and one waits when the PBX is shut down (SIGTERM)."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)):
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        second = sip.dial(stage.status, *BORIS)
        await stage.link.until(b"CallerIDNum: 79035557788", within=b"Event: QueueCallerJoin")
        await asyncio.sleep(0.5)
        await asyncio.to_thread(stage.pbx.down)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(first.drop(), second.drop())


@play
async def reloads_during_a_call(stage: Stage) -> None:
    """Queues and dialplan are loaded anew while one caller talks and one waits; the second is
    answered when the operator is free."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5, talk=3)):
        first = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        second = sip.dial(stage.status, *BORIS)
        await stage.link.until(b"CallerIDNum: 79035557788", within=b"Event: QueueCallerJoin")
        for command in ("queue reload all", "dialplan reload", "module reload app_queue"):
            await asyncio.to_thread(stage.pbx.cli, command)
        await asyncio.gather(first.result, second.result)
