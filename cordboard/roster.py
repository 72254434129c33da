"""Who serves which queue from which phone, and who is paused: what the desk asks of app_queue.

A member whom queues.conf names goes on as he is: adding him again changes nothing, and he cannot be
taken out.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from cordboard.cti.link import AmiLink
from cordboard.desk.commands import LogIn, LogOut, PauseMember
from cordboard.desk.refusals import refusal
from cordboard.errors import PeerError
from cordboard.events import PbxName

log = structlog.get_logger(__name__)

_THERE_ALREADY = "already there"
_NOT_THERE = "not there"
"""Asterisk's words for what needs no doing."""

_NO_PHONE = ("INVALID", "UNKNOWN", "")
"""What DEVICE_STATE says of a phone that is not configured. One that is merely switched off is
UNAVAILABLE."""


class Roster:
    """The queues of the PBXs as the desk fills them. Each step raises `PeerError` in words for
    people."""

    def __init__(self, links: Mapping[PbxName, AmiLink]) -> None:
        self._links = links

    async def log_in(self, command: LogIn) -> None:
        """One queue that is not there does not keep the operator out of the others."""
        link = await self._with_phone(command)
        faults = []
        for queue, penalty in command.queues:
            fields: dict[str, str | int] = {
                "Queue": queue,
                "Interface": command.phone,
                "Penalty": penalty,
                "MemberName": command.operator,
                # Without it a member behind a Local channel looks free while he talks.
                "StateInterface": command.phone,
                "Paused": "false" if command.paused is None else "true",
            }
            reply = await link.act("QueueAdd", fields)
            if reply["Response"] != "Success" and _THERE_ALREADY not in reply["Message"].lower():
                faults.append(f"{queue}: {reply['Message']}")
        if command.paused is not None:
            # QueueAdd takes no reason.
            await _pause(link, command.phone, command.paused)
        if faults:
            raise PeerError("; ".join(faults))

    async def log_out(self, command: LogOut) -> None:
        link = self._links[command.pbx]
        faults = []
        for queue in command.queues:
            fields = {"Queue": queue, "Interface": command.interface}
            reply = await link.act("QueueRemove", fields)
            if reply["Response"] != "Success" and _NOT_THERE not in reply["Message"].lower():
                faults.append(f"{queue}: {reply['Message']}")
        if faults:
            raise PeerError("; ".join(faults))

    async def pause(self, command: PauseMember) -> None:
        reason = command.reason if command.paused else None
        await _pause(self._links[command.pbx], command.interface, reason)

    async def _with_phone(self, command: LogIn) -> AmiLink:
        """The link to the PBX that knows this phone."""
        for pbx in command.pbxs:
            link = self._links[pbx]
            asked = {"Variable": f"DEVICE_STATE({command.phone})"}
            if (await link.act("Getvar", asked))["Value"] not in _NO_PHONE:
                return link
        raise PeerError(refusal("phone-unknown", phone=command.phone))


async def _pause(link: AmiLink, interface: str, reason: str | None) -> None:
    """In all queues of this interface; with None the pause ends."""
    fields = {
        "Interface": interface,
        "Paused": "false" if reason is None else "true",
        "Reason": reason or "",
    }
    reply = await link.act("QueuePause", fields)
    if reply["Response"] != "Success":
        raise PeerError(reply["Message"])
