"""Transfers by manager action, and by the codes of features.conf."""

from __future__ import annotations

import asyncio

from cordboard.sandbox import sip
from cordboard.sandbox.plays.stage import ANNA, BORIS, Stage, play, routed
from cordboard.sandbox.scenarios import Manner


@play
async def transferred_blind(stage: Stage) -> None:
    """The operator sends the caller to a colleague and is out; the colleague answers."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask(
            "BlindTransfer", Channel=operator, Context="cordboard-phones", Exten="1008"
        )
        await caller.result


@play
async def transferred_blind_to_a_busy_phone(stage: Stage) -> None:
    """The same, but the colleague is busy; the caller is back in the queue, and answered."""
    phones = stage.phones(
        p1001=Manner(ring=0.5), p1002=Manner(ring=0.5, talk=1), p1008=Manner("busy", ring=0.5)
    )
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask(
            "BlindTransfer", Channel=operator, Context="cordboard-phones", Exten="1008"
        )
        await caller.result


@play
async def transferred_attended(stage: Stage) -> None:
    """The operator calls a colleague, talks to him for a second, and hangs up to connect them."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await stage.link.until(b"DestExten: 1008", within=b"DialStatus: ANSWER")
        await asyncio.sleep(1)
        await stage.link.ask("Hangup", Channel=operator)
        await caller.result


@play
async def transferred_semi_attended(stage: Stage) -> None:
    """The operator calls a colleague and hangs up while that phone still rings."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=2, talk=1))
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await stage.link.until(b"DestExten: 1008", within=b"DialStatus: RINGING")
        await asyncio.sleep(0.5)
        await stage.link.ask("Hangup", Channel=operator)
        await caller.result


@play
async def consulted_and_returned(stage: Stage) -> None:
    """The operator calls a colleague, who hangs up first; the operator talks to the caller on."""
    phones = stage.phones(p1001=Manner(ring=0.5, talk=6), p1008=Manner(ring=0.5, talk=1))
    async with routed(stage, "support-ru"), phones:
        caller = sip.dial(stage.status, *ANNA)
        operator = await stage.operator()
        await stage.link.ask("Atxfer", Channel=operator, Context="cordboard-phones", Exten="1008")
        await caller.result


# By the keys of the operator's phone: ## blind, *2 attended; during a consultation Asterisk's own
# *1 is abort, *3 all three together, *4 swap.


@play
async def keyed_blind(stage: Stage) -> None:
    """The operator presses ## and a colleague's number; the colleague answers."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "##", "1008")
        await caller.result


@play
async def keyed_attended(stage: Stage) -> None:
    """The operator presses *2 and a colleague's number, talks to him, and hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=3))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await asyncio.sleep(0.5)
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def keyed_semi_attended(stage: Stage) -> None:
    """The same, but the operator hangs up while the colleague's phone still rings."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=2.5, talk=1))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.rings("1008")
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def keyed_semi_attended_recalled(stage: Stage) -> None:
    """The operator hangs up while the colleague's phone rings; nobody answers there for 15 s, so
    the operator's own phone rings again; he answers, and hangs up after 10 s."""
    phones = stage.phones(p1001=Manner(ring=0.5, talk=10), p1008=Manner("no-answer"))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.rings("1008")
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def keyed_attended_aborted(stage: Stage) -> None:
    """The operator talks to a colleague, then presses *1: he is back with the caller."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await desks.lines["1001"].press("*1")
        await asyncio.sleep(1)
        await caller.line.hang_up()
        await caller.result


@play
async def keyed_attended_to_a_busy_phone(stage: Stage) -> None:
    """The colleague is busy: the operator is back with the caller, and hangs up."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner("busy", ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.rings("1008")
        await asyncio.sleep(3)
        await desks.lines["1001"].hang_up()
        await caller.result


@play
async def keyed_consultation_caller_hangs_up(stage: Stage) -> None:
    """The caller hangs up while the operator talks to a colleague; these two talk on."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *BORIS)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await caller.line.hang_up()
        await caller.result
        await asyncio.sleep(1)
        await desks.lines["1001"].hang_up()
        await stage.quiet()


@play
async def keyed_swapped(stage: Stage) -> None:
    """The operator presses *4 to go back to the caller while the colleague waits, *4 again to be
    with the colleague, and hangs up to connect them."""
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=7))
    async with routed(stage, "support-ru"), phones as desks:
        caller = sip.dial(stage.status, *ANNA)
        await stage.talks("1001")
        await stage.transfer_by_keys(desks.lines["1001"], "*2", "1008")
        await stage.talks("1008")
        await desks.lines["1001"].press("*4")
        await asyncio.sleep(1)
        await desks.lines["1001"].press("*4")
        await asyncio.sleep(1)
        await desks.lines["1001"].hang_up()
        await caller.result
