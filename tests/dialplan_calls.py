"""Calls through the shipped dialplan, with or without somebody who answers it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from pbx_fixtures import Heard

from cordboard.sandbox import sip, stub
from cordboard.sandbox.pbx import SandboxPbx

Status = dict[str, Any]
ANNA = ("79161234567", "Анна Ким")
MOBILE = "+79031112233"


def routed(sandbox: Status, **variables: object) -> AbstractAsyncContextManager[None]:
    return stub.agi(sandbox, stub.route(**variables))


async def joined(ami: Heard, sandbox: Status, within: float) -> tuple[dict[str, str], float]:
    """Call; tell which queue the caller joined, and how long after his call began, by the clock
    of the PBX."""
    caller = sip.dial(sandbox, *ANNA)
    event = await ami.until_event("QueueCallerJoin", within)
    began = ami.events("Newchannel")[0]
    await caller.drop()
    return event, float(event["Timestamp"]) - float(began["Timestamp"])


async def no_channel(pbx: SandboxPbx, within: float) -> None:
    """Returns when Asterisk has no call any more."""
    async with asyncio.timeout(within):
        while not pbx.cli("core show channels count").startswith("0 active channels"):
            await asyncio.sleep(0.1)
