"""What a play is given on, and what many plays do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cordboard.errors import PeerError
from cordboard.sandbox import sip, stub
from cordboard.sandbox.line import Line
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec
from cordboard.sandbox.tap import AmiTap

ANNA = ("79161234567", "Анна Ким")
BORIS = ("79035557788", 'ООО "Ромашка", Борис')
JOHN = ("441632960001", "John O'Brien")


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

    def phones(self, *, audio: bool = False, **manners: Manner) -> Phones:
        """`phones(p1001=Manner(...))`."""
        specs = [PhoneSpec(name[1:], (manner,)) for name, manner in manners.items()]
        return Phones(self.status, specs, audio=audio)

    def call(self, user: str, to: str, **how: Any) -> LiveCall:
        """A call that a phone makes."""
        return sip.phone_call(self.status, user, to, **how)

    @property
    def address(self) -> str:
        return f"{self.status['sip']['host']}:{self.status['sip']['port']}"

    async def refer(self, line: Line, target: str) -> None:
        """A phone's own blind transfer."""
        await line.refer(target, self.address)

    async def connect(self, line: Line, other: Line, target: str) -> None:
        """A two-line phone connects both its lines, and is out."""
        await line.refer_to_line(other, target, self.address)

    async def transfer_by_keys(self, line: Line, code: str, number: str) -> None:
        """A feature code, Asterisk's "transfer", which hears no digits, and the number."""
        await line.press(code)
        await asyncio.sleep(1.5)
        await line.press(number)

    async def rings(self, phone: str) -> None:
        """Until it rings, and half a second longer."""
        await self.link.until(
            b"DialStatus: RINGING", within=f"DestChannel: PJSIP/{phone}-".encode()
        )
        await asyncio.sleep(0.5)

    async def talks(self, phone: str) -> None:
        """Until it talks, and half a second longer."""
        await self.link.until(b"Event: BridgeEnter", within=f"\r\nChannel: PJSIP/{phone}-".encode())
        await asyncio.sleep(0.5)

    async def operator(self) -> str:
        """The channel of the operator who got the call from the queue, when he talks."""
        await self.link.until(b"Event: AgentConnect")
        await asyncio.sleep(0.5)
        event = self.link.heard.decode("latin-1").partition("Event: AgentConnect")[2]
        return event.partition("DestChannel: ")[2].partition("\r\n")[0]

    async def lists(self) -> None:
        """All that cordboard asks for when its link opens."""
        for action in ("CoreStatus", "CoreShowChannels", "QueueStatus", "DeviceStateList"):
            await self.link.ask(action)
            await asyncio.sleep(0.1)
        await self.link.ask("ParkedCalls")
        await asyncio.sleep(0.1)


Play = Callable[[Stage], Awaitable[None]]
PLAYS: dict[str, Play] = {}


def play(given: Play) -> Play:
    PLAYS[given.__name__] = given
    return given


@contextlib.asynccontextmanager
async def routed(stage: Stage, queue: str, **more: object) -> AsyncIterator[None]:
    """Callers go to that queue."""
    async with stub.agi(stage.status, stub.route(CB_ACTION="queue", CB_QUEUE=queue, **more)):
        yield
