"""What waiting callers are told, and callbacks that keep their place."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import MOBILE
from cordboard.sandbox.sip import Mobile


async def _say(stage: Stage, number: int, **what: str) -> None:
    """An announcement to the caller who came first."""
    joined = stage.link.heard.decode("latin-1").partition("Event: QueueCallerJoin")[2]
    spied = joined.partition("\r\nUniqueid: ")[2].partition("\r\n")[0]
    said = {"CB_SPIED": spied, "CB_LANG": "en", **what}
    await stage.link.ask(
        "Originate",
        Channel="Local/say@cordboard-announce/n",
        ChannelId=f"cordboard-say-{number}",
        Context="cordboard-announce",
        Exten="spy",
        Priority="1",
        Async="true",
        Variable=",".join(f"{name}={value}" for name, value in said.items()),
    )


@play
async def queue_caller_told_his_place(stage: Stage) -> None:
    """The caller is told his place while he waits, and once more when an operator's phone is free,
    whose answer cuts it short; they talk, and the caller hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5), audio=True)
    async with routed(stage, "support-ru"), phones:
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="true")
        caller = sip.dial(stage.status, *ANNA, audio=True)
        await stage.link.until(b"Event: QueueCallerJoin")
        await _say(stage, 1, CB_PLACE="1")
        await stage.link.until(b"Uniqueid: cordboard-say-1\r\n", within=b"Event: Hangup")
        await _say(stage, 2, CB_PLACE="1", CB_MINUTES="3")
        await stage.link.until(b"SpyerUniqueid: cordboard-say-2", within=b"Event: ChanSpyStart")
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="false")
        await stage.link.until(b"Event: AgentConnect")
        for half in ("cordboard-say-2;2", "cordboard-say-2"):
            await stage.link.ask("Hangup", Channel=half)
        await asyncio.sleep(1)
        await caller.hang_up()


async def _call_back(stage: Stage, position: int) -> None:
    said = {"CB_LANG": "en", "CB_QUEUE": "support-ru", "CB_POSITION": str(position)}
    await stage.link.ask(
        "Originate",
        Channel="Local/wait@cordboard-callback/n",
        ChannelId="cordboard-callback-1",
        Context="cordboard-callback",
        Exten=MOBILE,
        Priority="1",
        Timeout="86400000",
        CallerID=f'"Anna Kim" <{ANNA[0]}>',
        Async="true",
        Variable=",".join(f"{name}={value}" for name, value in said.items()),
    )
    await stage.link.until(b"cordboard-callback-1;2", within=b"Event: QueueCallerJoin")


@play
async def callback_asked_for(stage: Stage) -> None:
    """A waiting caller presses 1, hears his number, presses 1 again, hears thanks and is let go;
    the PBX waits in his stead, and calls him when the operator has answered; the customer hangs
    up."""
    routes = routed(stage, "support-ru", CB_OFFER=1, CB_CALLBACK="yes")
    phones = stage.phones(p1001=Manner(ring=0.5))
    async with routes, phones, Mobile(stage.status, Manner(ring=0.5, talk=1)):
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="true")
        caller = sip.dial(stage.status, *ANNA)
        await stage.link.until(b"Event: QueueCallerJoin")
        await asyncio.sleep(0.5)
        await caller.line.press("1")
        await asyncio.sleep(8)
        await caller.line.press("1")
        await caller.result
        await _call_back(stage, 1)
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="false")
        await stage.link.until(b"Channel: PJSIP/trunk-", within=b"Event: Hangup")


@play
async def callback_before_another(stage: Stage) -> None:
    """One caller waits when a callback takes the place before him. The customer who is called back
    is busy; the operator hangs up, and gets the other caller, who hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5, talk=2))
    async with routed(stage, "support-ru"), phones, Mobile(stage.status, Manner("busy", ring=0.3)):
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="true")
        caller = sip.dial(stage.status, *BORIS)
        await stage.link.until(b"Event: QueueCallerJoin")
        await _call_back(stage, 1)
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="false")
        await caller.result


@play
async def callback_withdrawn(stage: Stage) -> None:
    """A callback that waits is hung up."""
    async with stage.phones(p1001=Manner()):
        await stage.link.ask("QueuePause", Interface="PJSIP/1001", Paused="true")
        await _call_back(stage, 1)
        await asyncio.sleep(0.5)
        await stage.link.ask("Hangup", Channel="cordboard-callback-1;2")
