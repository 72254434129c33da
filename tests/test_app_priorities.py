"""Live priorities on the real Asterisk: what the policy, the clock, the CRM and supervisors make of
the order of those who wait, told by Asterisk's own QueueStatus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream

from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

SIX = [f"7916000001{n}" for n in range(6)]
QUEUE = "support-ru"


async def standing(ami: Heard, queue: str = QUEUE) -> list[tuple[str, int]]:
    """Who waits, with which priority, in Asterisk's own words; by the caller's number."""
    await ami.act("QueueStatus", Queue=queue)
    text = ami.frames()
    return text


async def callers(
    server: Server, board: Stream, numbers: list[str], queue: str = QUEUE
) -> list[LiveCall]:
    """They call one after the other, and wait when this returns."""
    lines = []
    for count, number in enumerate(numbers, 1):
        lines.append(dial(server.status, number, "", stay=120, audio=True))
        await board.until(
            lambda m, c=count: m["type"] == "waiting"
            and m["queue"] == queue
            and len(m["entries"]) >= c
        )
    return lines
