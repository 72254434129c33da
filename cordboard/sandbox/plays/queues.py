"""Calls that wait in a queue for one operator."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip, stub
from cordboard.sandbox.plays.stage import ANNA, BORIS, JOHN, Stage, play, routed
from cordboard.sandbox.scenarios import Manner


@play
async def queue_answered_caller_hangs_up(stage: Stage) -> None:
    """One operator rings for a second; they talk for two; the caller hangs up."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=1)):
        await sip.call(stage.status, *ANNA, stay=3)


@play
async def queue_answered_operator_hangs_up(stage: Stage) -> None:
    """The same, but the operator hangs up."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=1, talk=2)):
        await sip.call(stage.status, *ANNA)


@play
async def queue_abandoned(stage: Stage) -> None:
    """The operator's phone rings, and the caller hangs up before the answer."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner("no-answer")):
        await sip.call(stage.status, *BORIS, stay=3)


@play
async def queue_no_answer_then_answered(stage: Stage) -> None:
    """The first phone rings for the whole of its 15 s; the next one answers."""
    phones = stage.phones(p1004=Manner("no-answer"), p1005=Manner(ring=1, talk=1))
    async with routed(stage, "support-bg"), phones:
        await sip.call(stage.status, *ANNA)


@play
async def queue_member_busy_then_answered(stage: Stage) -> None:
    """The first phone is busy (486); the one behind it, by penalty, answers."""
    phones = stage.phones(p1004=Manner("busy", ring=0.2), p1003=Manner(ring=1, talk=1))
    async with routed(stage, "support-bg"), phones:
        await sip.call(stage.status, *JOHN)


@play
async def queue_timeout(stage: Stage) -> None:
    """Nobody is there; after 3 s the dialplan says so and hangs up."""
    async with routed(stage, "support", CB_WAIT=3):
        await sip.call(stage.status, *ANNA)


@play
async def two_calls_interleaved(stage: Stage) -> None:
    """Two callers a moment apart, with an operator each."""
    phones = stage.phones(p1001=Manner(ring=1.5), p1002=Manner(ring=1, talk=2))
    async with routed(stage, "support-ru"), phones:
        first = sip.dial(stage.status, *ANNA, stay=5)
        await asyncio.sleep(0.3)
        second = sip.dial(stage.status, *BORIS, stay=5)
        await asyncio.gather(first.result, second.result)


@play
async def moved_to_another_queue(stage: Stage) -> None:
    """The caller waits, is withdrawn to another queue, and is answered there."""
    async with routed(stage, "support"), stage.phones(p1006=Manner(ring=0.5, talk=1)):
        await stage.link.ask("QueuePause", Interface="PJSIP/1006", Paused="true")
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"Event: QueueCallerJoin")
        await asyncio.sleep(0.5)
        await stage.link.ask(
            "QueueWithdrawCaller",
            Queue="support",
            Caller=stage.link.channels("PJSIP/inbound-")[0],
            WithdrawInfo="support-en",
        )
        await asyncio.sleep(1.5)
        await stage.link.ask("QueuePause", Interface="PJSIP/1006", Paused="false")
        await caller.result


@play
async def redirected_while_ringing(stage: Stage) -> None:
    """While a phone rings for him the caller is sent to another queue, and is answered there."""
    phones = stage.phones(p1001=Manner("no-answer"), p1006=Manner(ring=0.5, talk=1))
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"DialStatus: RINGING")
        channel = stage.link.channels("PJSIP/inbound-")[0]
        await stage.link.ask("Setvar", Channel=channel, Variable="CB_QUEUE", Value="support-en")
        await stage.link.ask(
            "Redirect", Channel=channel, Context="cordboard-queue", Exten="s", Priority="1"
        )
        await caller.result


@play
async def queue_join_refused(stage: Stage) -> None:
    """No phone of the queue is there, so it takes nobody (joinempty); the caller waits in the
    default queue for 3 s instead, and is told that nobody is there."""
    async with routed(stage, "support-ru", CB_WAIT=3):
        await sip.call(stage.status, *ANNA)


@play
async def queue_left_empty(stage: Stage) -> None:
    """The queue's only phone, which is paused, goes away, so the queue lets the caller go
    (leavewhenempty); in the default queue an operator answers."""
    async with routed(stage, "fragile"), stage.phones(p1001=Manner(ring=0.5, talk=1)):
        async with stage.phones(p1007=Manner()):
            await stage.link.ask("QueuePause", Interface="PJSIP/1007", Paused="true")
            caller = sip.dial(stage.status, *ANNA)
            await stage.link.until(b"Event: QueueCallerJoin")
            await asyncio.sleep(1)
        await caller.result


@play
async def queue_left_by_key(stage: Stage) -> None:
    """The caller waits, presses 1, and is put through to a phone that answers."""
    async with routed(stage, "keys"), stage.phones(p1007=Manner(ring=0.5, talk=1)):
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"Event: QueueCallerJoin")
        await asyncio.sleep(1)
        await caller.line.press("1")
        await caller.result


@play
async def queue_announced(stage: Stage) -> None:
    """The operator hears an announcement before he is connected with the caller."""
    async with routed(stage, "announced"), stage.phones(p1007=Manner(ring=0.5, talk=3)):
        await sip.call(stage.status, *ANNA)


@play
async def queue_phone_gone_while_it_rings(stage: Stage) -> None:
    """The phone that rings is unplugged (its registration ends, it answers no more); after 15 s
    the next one rings and answers."""
    async with routed(stage, "support-bg"):
        async with stage.phones(p1004=Manner("no-answer"), p1005=Manner(ring=0.5, talk=1)):
            await stage.link.ask("QueuePause", Interface="PJSIP/1005", Paused="true")
            caller = sip.dial(stage.status, *ANNA)
            await stage.rings("1004")
        async with stage.phones(p1005=Manner(ring=0.5, talk=1)):
            await stage.link.ask("QueuePause", Interface="PJSIP/1005", Paused="false")
            await caller.result


@play
async def queue_second_call_in_wrap_up(stage: Stage) -> None:
    """The second caller comes while the only operator's wrap-up of 5 s runs, and waits for its
    end."""
    async with routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5, talk=1)):
        await sip.call(stage.status, *ANNA)
        await asyncio.sleep(0.5)
        await sip.call(stage.status, *BORIS)


@play
async def queue_priority_caller(stage: Stage) -> None:
    """Two callers wait, the second one with priority: he is at the head, and is answered first."""
    async with stage.phones(p1001=Manner(ring=0.5, talk=1)):
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="true")
        async with routed(stage, "support-ru"):
            first = sip.dial(stage.status, *ANNA)
            await stage.link.until(b"Event: QueueCallerJoin")
        async with routed(stage, "support-ru", CB_PRIO=10):
            second = sip.dial(stage.status, *JOHN)
            await stage.link.until(b"Count: 2", within=b"Event: QueueCallerJoin")
        await asyncio.sleep(0.5)
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="false")
        await asyncio.gather(first.result, second.result)


@play
async def queue_timeout_while_it_rings(stage: Stage) -> None:
    """The operator's phone rings when the caller's time in the queue is over."""
    async with (
        routed(stage, "support-ru", CB_WAIT=3),
        stage.phones(p1001=Manner("no-answer")),
    ):
        await sip.call(stage.status, *ANNA)


@play
async def server_away_then_default_queue(stage: Stage) -> None:
    """Nobody tells the dialplan where to go: the default queue, where an operator answers."""
    async with stage.phones(p1001=Manner(ring=0.5, talk=1)):
        await sip.call(stage.status, *ANNA)


@play
async def server_hangs_caller_hangs_up(stage: Stage) -> None:
    """The server says nothing; the caller gives up before he is anywhere."""
    async with stub.agi(stage.status, stub.silence):
        await sip.call(stage.status, *ANNA, patience=2)
