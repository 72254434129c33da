"""What the person at a SIPp phone does next, while a play goes on.

A SIPp scenario is fixed before it starts; `Line` sends the running phone *orders* inside its call
(requests with methods of our own, which no PBX sees), and the phone then sends real SIP: a
re-INVITE, an INFO with a digit, a REFER, a BYE.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from typing import Literal, Protocol
from urllib.parse import quote

from cordboard.errors import PeerError
from cordboard.sandbox.ports import LOOPBACK

Order = Literal["HOLD", "RETRIEVE", "PRESS", "TRANSFER", "HANGUP"]
_FIRST_CSEQ = 60  # after those that the scenarios use themselves, before their BYE
_SPELL = 30.0  # seconds in which a phone must have a call
_TAKEN = 2.0  # seconds for a digit to be taken; nobody is there for one at the end of a call


class Spoken(Protocol):
    """A SIPp that runs, and what its scenario logged."""

    port: int

    def said(self) -> list[str]: ...


class Line:
    """One line of a phone: the call that it had last."""

    def __init__(self, phone: Spoken) -> None:
        self.phone = phone
        self._cseq = itertools.count(_FIRST_CSEQ)

    async def hold(self) -> None:
        await self._order("HOLD")

    async def retrieve(self) -> None:
        await self._order("RETRIEVE")

    async def press(self, digits: str, pause: float = 0.25) -> None:
        """One digit after the other, as fast as a finger: each when the PBX has taken the one
        before, and `pause` seconds later."""
        for digit in digits:
            number = await self._order("PRESS", digit)
            for _ in range(round(_TAKEN / 0.02)):
                if f"pressed {number}" in self.phone.said():
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(pause)

    async def refer(self, target: str, pbx: str) -> None:
        """Put the other side through to `target` at `pbx` (host:port): a blind transfer."""
        await self._order("TRANSFER", f"<sip:{target}@{pbx}>")

    async def refer_to_line(self, other: Line, target: str, pbx: str) -> None:
        """Connect the other side with that of this phone's other line: an attended transfer."""
        call_id, local, remote = await other.dialog()
        replaces = quote(f"{call_id};to-tag={remote};from-tag={local}", safe="")
        await self._order("TRANSFER", f"<sip:{target}@{pbx}?Replaces={replaces}>")

    async def hang_up(self) -> None:
        await self._order("HANGUP")

    async def dialog(self) -> tuple[str, str, str]:
        """Call-ID, own tag and the PBX's tag, as soon as there is a call.

        Raises PeerError when there is none within 30 s.
        """
        for _ in range(round(_SPELL / 0.02)):
            lines = [line.split() for line in self.phone.said() if line.startswith("line ")]
            if lines:
                _, call_id, local, remote = lines[-1]
                return call_id, local, remote.partition("tag=")[2]
            await asyncio.sleep(0.02)
        raise PeerError("the phone has no call")

    async def _order(self, order: Order, goal: str = "-") -> int:
        """The number of the order."""
        call_id, _, _ = await self.dialog()
        number = next(self._cseq)
        text = (
            f"{order} sip:phone SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {LOOPBACK}:9;branch=z9hG4bKorder{number}\r\n"
            f"From: <sip:hand@{LOOPBACK}>;tag=hand\r\nTo: <sip:phone@{LOOPBACK}>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {number} {order}\r\n"
            f"X-Goal: {goal}\r\nX-Number: {number}\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hand:
            hand.sendto(text.encode(), (LOOPBACK, self.phone.port))
        return number
