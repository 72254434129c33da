"""What is played while AMI is recorded: one known thing each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cordboard.errors import PeerError
from cordboard.sandbox import sip, stub
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec
from cordboard.sandbox.tap import AmiTap

_ANNA = ("79161234567", "Анна Ким")
_BORIS = ("79035557788", 'ООО "Ромашка", Борис')
_JOHN = ("441632960001", "John O'Brien")


@dataclass(frozen=True)
class Stage:
    """What a play is given on."""

    pbx: SandboxPbx
    status: dict[str, Any]
    link: AmiTap

    async def quiet(self) -> None:
        """Until no channel is left, and a little longer."""
        for _ in range(200):
            told = await asyncio.to_thread(self.pbx.cli, "core show channels count")
            if told.startswith("0 active channels"):
                await asyncio.sleep(0.3)
                return
            await asyncio.sleep(0.1)
        raise PeerError("channels are left after the play")

    def phones(self, **manners: Manner) -> Phones:
        """`phones(p1001=Manner(...))`."""
        specs = [PhoneSpec(name[1:], (manner,)) for name, manner in manners.items()]
        return Phones(self.status, specs)


Play = Callable[[Stage], Awaitable[None]]
PLAYS: dict[str, Play] = {}
LATE = {"snapshot_mid_call"}  # opens the link itself, in the middle
RAW = {"forged_from_user"}  # on an account without filters


def _play(play: Play) -> Play:
    PLAYS[play.__name__] = play
    return play


@contextlib.asynccontextmanager
async def _routed(stage: Stage, queue: str, **more: object) -> AsyncIterator[None]:
    async with stub.agi(stage.status, stub.route(CB_ACTION="queue", CB_QUEUE=queue, **more)):
        yield


@_play
async def queue_answered_caller_hangs_up(stage: Stage) -> None:
    """One operator rings for a second; they talk for two; the caller hangs up."""
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=1)):
        await sip.call(stage.status, *_ANNA, stay=3)


@_play
async def queue_answered_operator_hangs_up(stage: Stage) -> None:
    """The same, but the operator hangs up."""
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=1, talk=2)):
        await sip.call(stage.status, *_ANNA)


@_play
async def queue_abandoned(stage: Stage) -> None:
    """The operator's phone rings, and the caller hangs up before the answer."""
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner("no-answer")):
        await sip.call(stage.status, *_BORIS, stay=3)


@_play
async def queue_no_answer_then_answered(stage: Stage) -> None:
    """The first phone rings for the whole of its 15 s; the next one answers."""
    phones = stage.phones(p1004=Manner("no-answer"), p1005=Manner(ring=1, talk=1))
    async with _routed(stage, "support-bg"), phones:
        await sip.call(stage.status, *_ANNA)


@_play
async def queue_member_busy_then_answered(stage: Stage) -> None:
    """The first phone is busy (486); the one behind it, by penalty, answers."""
    phones = stage.phones(p1004=Manner("busy", ring=0.2), p1003=Manner(ring=1, talk=1))
    async with _routed(stage, "support-bg"), phones:
        await sip.call(stage.status, *_JOHN)


@_play
async def queue_timeout(stage: Stage) -> None:
    """Nobody is there; after 3 s the dialplan says so and hangs up."""
    async with _routed(stage, "support", CB_WAIT=3):
        await sip.call(stage.status, *_ANNA)


@_play
async def direct_call_answered(stage: Stage) -> None:
    """One phone calls another; they talk for two seconds; the caller hangs up."""
    async with stage.phones(p1001=Manner(), p1007=Manner(ring=1)):
        await sip.phone_call(stage.status, "1001", "1007", stay=2).result


@_play
async def direct_call_busy(stage: Stage) -> None:
    """One phone calls another that is busy (486)."""
    async with stage.phones(p1001=Manner(), p1007=Manner("busy", ring=0.5)):
        await sip.phone_call(stage.status, "1001", "1007").result


@_play
async def direct_call_no_answer(stage: Stage) -> None:
    """The other phone rings until the dialplan gives up, after 30 s."""
    async with stage.phones(p1001=Manner(), p1007=Manner("no-answer")):
        await sip.phone_call(stage.status, "1001", "1007").result


@_play
async def direct_call_cancelled(stage: Stage) -> None:
    """The caller gives up while the other phone rings."""
    async with stage.phones(p1001=Manner(), p1007=Manner("no-answer")):
        await sip.phone_call(stage.status, "1001", "1007", patience=2).result


@_play
async def direct_call_rejected(stage: Stage) -> None:
    """The other phone declines (603)."""
    async with stage.phones(p1001=Manner(), p1007=Manner("reject", ring=0.5)):
        await sip.phone_call(stage.status, "1001", "1007").result


@_play
async def message_only(stage: Stage) -> None:
    """The caller hears a message and is let go."""
    script = stub.route(CB_ACTION="message", CB_MESSAGE="vm-goodbye")
    async with stub.agi(stage.status, script):
        await sip.call(stage.status, *_ANNA)


def _manager(stage: Stage) -> contextlib.AbstractAsyncContextManager[None]:
    script = stub.route(
        CB_ACTION="manager",
        CB_NUMBER="+79031112233",
        CB_QUEUE="support-ru",
        CB_RETURN_PRIO=10,
    )
    return stub.agi(stage.status, script)


@_play
async def manager_confirmed(stage: Stage) -> None:
    """The personal manager answers his mobile, presses 1 and talks for two seconds."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1, digits="1", digits_after=1, talk=2)),
    ):
        await sip.call(stage.status, *_ANNA)


@_play
async def manager_voicemail_then_queue(stage: Stage) -> None:
    """Voicemail answers the mobile, nobody presses 1; the caller goes on to the queue."""
    async with (
        _manager(stage),
        Mobile(stage.status, Manner(ring=1)),
        stage.phones(p1001=Manner(ring=1, talk=1)),
    ):
        await sip.call(stage.status, *_ANNA)


@_play
async def two_calls_interleaved(stage: Stage) -> None:
    """Two callers a moment apart, with an operator each."""
    phones = stage.phones(p1001=Manner(ring=1.5), p1002=Manner(ring=1, talk=2))
    async with _routed(stage, "support-ru"), phones:
        first = sip.dial(stage.status, *_ANNA, stay=5)
        await asyncio.sleep(0.3)
        second = sip.dial(stage.status, *_BORIS, stay=5)
        await asyncio.gather(first.result, second.result)


@_play
async def snapshot_mid_call(stage: Stage) -> None:
    """The link opens while one call talks, one waits and one rings; then they all end."""
    phones = stage.phones(
        p1005=Manner(ring=0.3), p1001=Manner(), p1007=Manner("no-answer", ring=60)
    )
    async with _routed(stage, "support-en"), phones:
        talking = sip.dial(stage.status, *_ANNA, stay=6)
        await asyncio.sleep(1.5)
        waiting = sip.dial(stage.status, *_BORIS, stay=5)
        ringing = sip.phone_call(stage.status, "1001", "1007", patience=5)
        await asyncio.sleep(1.5)
        await stage.link.open()
        for action in ("CoreStatus", "CoreShowChannels", "QueueStatus", "DeviceStateList"):
            await stage.link.ask(action)
            await asyncio.sleep(0.1)
        await asyncio.gather(talking.result, waiting.result, ringing.result)


@_play
async def forged_from_user(stage: Stage) -> None:
    """A caller with line ends in his number, as an account without filters sees it."""
    forged = (
        "1%0d%0a%0d%0aEvent%3a%20QueueCallerJoin%0d%0aQueue%3a%20support-ru%0d%0a"
        "Uniqueid%3a%20forged.1%0d%0aLinkedid%3a%20forged.1%0d%0aX%3a%20"
    )
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5, talk=1)):
        await sip.call(stage.status, forged, "Mallory")


async def _until_connected(stage: Stage) -> str:
    """The operator's channel, once he talks for half a second."""
    await stage.link.until(b"Event: AgentConnect")
    await asyncio.sleep(0.5)
    event = stage.link.heard.decode("latin-1").partition("Event: AgentConnect")[2]
    return event.partition("DestChannel: ")[2].partition("\r\n")[0]


@_play
async def held_and_retrieved(stage: Stage) -> None:
    """The operator puts the caller on hold for a second, takes him back and hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5, hold=(1, 1), talk=1))
    async with _routed(stage, "support-ru"), phones:
        await sip.call(stage.status, *_ANNA)


@_play
async def forwarded_by_the_phone(stage: Stage) -> None:
    """One phone calls another, which sends the call on (302) to a third."""
    phones = stage.phones(
        p1001=Manner(),
        p1007=Manner("forward", ring=0.5, forward_to="1008"),
        p1008=Manner(ring=0.5, talk=1),
    )
    async with phones:
        await sip.phone_call(stage.status, "1001", "1007").result


@_play
async def picked_up(stage: Stage) -> None:
    """The operator's phone rings; a colleague picks the call up with *8."""
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner("no-answer")):
        caller = sip.dial(stage.status, *_ANNA)
        await stage.link.until(b"DialStatus: RINGING")
        await sip.phone_call(stage.status, "1008", "*8", stay=1.5).result
        await caller.result


@_play
async def transferred_blind(stage: Stage) -> None:
    """The operator sends the caller to a colleague and is out; the colleague answers."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        operator = await _until_connected(stage)
        await stage.link.ask(
            "BlindTransfer", Channel=operator, Context="cordboard-phones", Exten="1008"
        )
        await caller.result


@_play
async def transferred_blind_to_a_busy_phone(stage: Stage) -> None:
    """The same, but the colleague is busy; the caller is back in the queue, and answered."""
    phones = stage.phones(
        p1001=Manner(ring=0.5), p1002=Manner(ring=0.5, talk=1), p1008=Manner("busy", ring=0.5)
    )
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        operator = await _until_connected(stage)
        await stage.link.ask(
            "BlindTransfer", Channel=operator, Context="cordboard-phones", Exten="1008"
        )
        await caller.result


@_play
async def transferred_attended(stage: Stage) -> None:
    """The operator calls a colleague, talks to him for a second, and hangs up to connect them."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        operator = await _until_connected(stage)
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await stage.link.until(b"DestExten: 1008", within=b"DialStatus: ANSWER")
        await asyncio.sleep(1)
        await stage.link.ask("Hangup", Channel=operator)
        await caller.result


@_play
async def transferred_semi_attended(stage: Stage) -> None:
    """The operator calls a colleague and hangs up while that phone still rings."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=2, talk=1))
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        operator = await _until_connected(stage)
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await stage.link.until(b"DestExten: 1008", within=b"DialStatus: RINGING")
        await asyncio.sleep(0.5)
        await stage.link.ask("Hangup", Channel=operator)
        await caller.result


@_play
async def consulted_and_returned(stage: Stage) -> None:
    """The operator calls a colleague, who hangs up first; the operator talks to the caller on."""
    phones = stage.phones(p1001=Manner(ring=0.5, talk=6), p1008=Manner(ring=0.5, talk=1))
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        operator = await _until_connected(stage)
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await caller.result


@_play
async def moved_to_another_queue(stage: Stage) -> None:
    """The caller waits, is withdrawn to another queue, and is answered there."""
    async with _routed(stage, "support"), stage.phones(p1006=Manner(ring=0.5, talk=1)):
        await stage.link.ask("QueuePause", Interface="PJSIP/1006", Paused="true")
        caller = sip.dial(stage.status, *_ANNA)
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


@_play
async def redirected_while_ringing(stage: Stage) -> None:
    """While a phone rings for him the caller is sent to another queue, and is answered there."""
    phones = stage.phones(p1001=Manner("no-answer"), p1006=Manner(ring=0.5, talk=1))
    async with _routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *_ANNA)
        await stage.link.until(b"DialStatus: RINGING")
        channel = stage.link.channels("PJSIP/inbound-")[0]
        await stage.link.ask("Setvar", Channel=channel, Variable="CB_QUEUE", Value="support-en")
        await stage.link.ask(
            "Redirect", Channel=channel, Context="cordboard-queue", Exten="s", Priority="1"
        )
        await caller.result


@_play
async def parked_and_fetched(stage: Stage) -> None:
    """The operator parks the caller; a colleague fetches him from the space."""
    async with _routed(stage, "support-ru"), stage.phones(p1001=Manner(ring=0.5)):
        caller = sip.dial(stage.status, *_ANNA, stay=6)
        await _until_connected(stage)
        await stage.link.ask("Park", Channel=stage.link.channels("PJSIP/inbound-")[0])
        await stage.link.until(b"Event: ParkedCall\r\n")
        await sip.phone_call(stage.status, "1008", "701", stay=1).result
        await caller.result


@_play
async def originated_and_answered(stage: Stage) -> None:
    """A call made by a manager action: first the operator's phone, then the customer."""
    phones = stage.phones(p1001=Manner(ring=0.5))
    async with phones, Mobile(stage.status, Manner(ring=0.5, talk=1)):
        await stage.link.ask(
            "Originate",
            Channel="PJSIP/1001",
            Context="cordboard-phones",
            Exten="+79031112233",
            Priority="1",
            Async="true",
            ChannelId="cordboard-originate-1",
        )
        await stage.link.until(b"Event: DialEnd")
        await stage.link.until(b"Channel: PJSIP/trunk-", within=b"Event: Hangup")


@_play
async def originated_not_answered(stage: Stage) -> None:
    """The same, but the operator's phone is busy."""
    async with stage.phones(p1001=Manner("busy", ring=0.5)):
        await stage.link.ask(
            "Originate",
            Channel="PJSIP/1001",
            Context="cordboard-phones",
            Exten="+79031112233",
            Priority="1",
            Async="true",
            ChannelId="cordboard-originate-2",
        )
        await stage.link.until(b"Event: OriginateResponse")
