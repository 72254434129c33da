"""Calls that the PBX makes for somebody: click-to-call."""

from __future__ import annotations

from cordboard.sandbox.plays.stage import Stage, play
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.scenery import ENGLISH_QUEUE, IMPATIENT, MOBILE
from cordboard.sandbox.sip import Mobile


@play
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


@play
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


async def _originate(stage: Stage, channel: str, goal: str = MOBILE, **more: str) -> None:
    await stage.link.ask(
        "Originate",
        Channel=channel,
        Async="true",
        ChannelId="cordboard-originate-9",
        **({"Context": "cordboard-phones", "Exten": goal, "Priority": "1"} if goal else {}),
        **more,
    )


async def _over(stage: Stage) -> None:
    """Until the call has begun and ended."""
    await stage.link.until(b"Event: OriginateResponse", 40)
    await stage.quiet()


@play
async def originated_declined_by_the_operator(stage: Stage) -> None:
    """A call to a customer is made for the operator, whose phone declines (603)."""
    async with stage.phones(p1001=Manner("reject", ring=0.5)):
        await _originate(stage, "PJSIP/1001")
        await _over(stage)


@play
async def originated_operator_does_not_answer(stage: Stage) -> None:
    """The same; the operator's phone rings for 3 s in vain."""
    async with stage.phones(p1001=Manner("no-answer")):
        await _originate(stage, "PJSIP/1001", Timeout="3000")
        await _over(stage)


@play
async def originated_operator_away(stage: Stage) -> None:
    """The same; the operator's phone is not registered."""
    await _originate(stage, "PJSIP/1001")
    await _over(stage)


@play
async def originated_customer_busy(stage: Stage) -> None:
    """The operator answers; the customer is busy (486)."""
    mobile = Mobile(stage.status, Manner("busy", ring=0.5))
    async with stage.phones(p1001=Manner(ring=0.5)), mobile:
        await _originate(stage, "PJSIP/1001")
        await _over(stage)


@play
async def originated_customer_declines(stage: Stage) -> None:
    """The operator answers; the customer declines (603)."""
    mobile = Mobile(stage.status, Manner("reject", ring=1))
    async with stage.phones(p1001=Manner(ring=0.5)), mobile:
        await _originate(stage, "PJSIP/1001")
        await _over(stage)


@play
async def originated_customer_does_not_answer(stage: Stage) -> None:
    """The operator answers; the customer's phone rings for 2 s, then the dialplan gives up."""
    mobile = Mobile(stage.status, Manner("no-answer"))
    async with stage.phones(p1001=Manner(ring=0.5)), mobile:
        await _originate(stage, "PJSIP/1001", IMPATIENT)
        await _over(stage)


@play
async def originated_operator_gives_up(stage: Stage) -> None:
    """The operator answers, and hangs up while the customer's phone rings."""
    mobile = Mobile(stage.status, Manner("no-answer"))
    async with stage.phones(p1001=Manner(ring=0.5)) as desks, mobile:
        await _originate(stage, "PJSIP/1001")
        await stage.rings("trunk")
        await desks.lines["1001"].hang_up()
        await _over(stage)


@play
async def originated_customer_first(stage: Stage) -> None:
    """First the customer's mobile rings and answers, then the operator's phone does."""
    mobile = Mobile(stage.status, Manner(ring=0.5))
    async with stage.phones(p1001=Manner(ring=1, talk=1)), mobile:
        await _originate(stage, f"PJSIP/{MOBILE}@trunk", "1001")
        await _over(stage)


@play
async def originated_customer_first_operator_busy(stage: Stage) -> None:
    """First the customer's mobile answers; then the operator's phone is busy."""
    mobile = Mobile(stage.status, Manner(ring=0.5))
    async with stage.phones(p1001=Manner("busy", ring=0.5)), mobile:
        await _originate(stage, f"PJSIP/{MOBILE}@trunk", "1001")
        await _over(stage)


@play
async def originated_customer_first_declines(stage: Stage) -> None:
    """The customer's mobile, called first, declines: no operator hears of it."""
    mobile = Mobile(stage.status, Manner("reject", ring=0.5))
    async with stage.phones(p1001=Manner()), mobile:
        await _originate(stage, f"PJSIP/{MOBILE}@trunk", "1001")
        await _over(stage)


@play
async def originated_into_a_queue(stage: Stage) -> None:
    """First the customer's mobile answers, then he waits in a queue, where somebody answers."""
    mobile = Mobile(stage.status, Manner(ring=0.5))
    async with stage.phones(p1006=Manner(ring=1, talk=1)), mobile:
        await _originate(stage, f"PJSIP/{MOBILE}@trunk", ENGLISH_QUEUE)
        await _over(stage)


@play
async def originated_to_an_application(stage: Stage) -> None:
    """The same, by the application Queue itself instead of an extension."""
    mobile = Mobile(stage.status, Manner(ring=0.5))
    async with stage.phones(p1006=Manner(ring=1, talk=1)), mobile:
        await _originate(stage, f"PJSIP/{MOBILE}@trunk", "", Application="Queue", Data="support-en")
        await _over(stage)


@play
async def originated_through_a_pipe(stage: Stage) -> None:
    """The operator's phone is called through a Local channel, then the customer, with sound."""
    mobile = Mobile(stage.status, Manner(ring=0.5, talk=2), audio=True)
    async with stage.phones(audio=True, p1001=Manner(ring=0.5)), mobile:
        await _originate(stage, "Local/1001@scenery-desk")
        await _over(stage)


@play
async def originated_through_a_pipe_declined(stage: Stage) -> None:
    """The operator's phone, called through a Local channel, declines."""
    async with stage.phones(p1001=Manner("reject", ring=0.5)):
        await _originate(stage, "Local/1001@scenery-desk")
        await _over(stage)


@play
async def originated_then_transferred(stage: Stage) -> None:
    """The operator, for whom a customer was called, sends him on to a colleague, who answers."""
    mobile = Mobile(stage.status, Manner(ring=0.5))
    phones = stage.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=1))
    async with mobile, phones as desks:
        await _originate(stage, "PJSIP/1001")
        await stage.talks("trunk")
        await stage.refer(desks.lines["1001"], "1008")
        await _over(stage)
