"""What the PBX itself says of frames that a caller wrote into.

Snapshots carry his lines as well, so they confirm nothing. `Getvar` does: its answers come on the
command connection, each under an ActionID that nobody can guess. What is told further is made of
Asterisk's own words alone: the beginning of the frame, and the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from cordboard.cti.ami import ActionError, Message
from cordboard.cti.forgery import NEEDED, NO_TAIL, Judged, Sieve, beginning, number_of, printable
from cordboard.errors import PeerError

log = structlog.get_logger(__name__)

WAITING = 200
"""Frames that wait to be asked about, and channels that something is remembered of; with more of
them a snapshot is cheaper."""

SETTLED_WITHIN = 5.0
NAME_LENGTH = 79

ENDINGS = ("HangupRequest", "Hangup", "QueueCallerAbandon", "QueueCallerLeave", "BridgeLeave")
"""They say that something is over, and so may come when the channel is gone already."""

CLEAR = (
    *("Newchannel", "Newstate", "BridgeEnter", "Hold", "Unhold"),
    *("CoreShowChannel", "QueueEntry", *ENDINGS),
)
"""Events of which the beginning says everything that is not asked for."""

LISTS = {"CoreShowChannel": "CoreShowChannelsComplete", "QueueEntry": "QueueStatusComplete"}
"""Items of lists, and what ends the list."""

Ask = Callable[[str, Mapping[str, str]], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel in the PBX's own words; the caller's number and name are what is printable of
    them."""

    uniqueid: str
    linkedid: str
    number: str
    name: str
    exten: str


class Doubts:
    """Asks about one frame after the other, in the order in which they came.

    `ask` sends an action on the command connection, `tell` takes what is true, `resync` is told
    why nothing less than a snapshot will do.
    """

    def __init__(
        self,
        sieve: Sieve,
        ask: Ask,
        tell: Callable[[Message, float], None],
        resync: Callable[[str], None],
    ) -> None:
        self._sieve = sieve
        self._ask = ask
        self._tell = tell
        self._resync = resync
        self._abandoned: set[str] = set()
        self._bridges: dict[str, str] = {}
        self._waiting: asyncio.Queue[tuple[Judged, float]] = asyncio.Queue(WAITING)

    def add(self, judged: Judged, born: float) -> None:
        if judged.why == NO_TAIL:
            self._resync(judged.why)
            return
        if judged.message["Event"] not in NEEDED:
            return
        try:
            self._waiting.put_nowait((judged, born))
        except asyncio.QueueFull:
            self._resync("more doubtful frames than can be asked about")

    async def settle(self) -> None:
        """Returns when everything has been asked, or after `SETTLED_WITHIN` seconds."""
        try:
            async with asyncio.timeout(SETTLED_WITHIN):
                await self._waiting.join()
        except TimeoutError:
            log.warning("ami.doubts_unsettled", waiting=self._waiting.qsize())

    async def run(self) -> None:
        while True:
            judged, born = await self._waiting.get()
            try:
                await self._settle_one(judged.message, born)
            except (PeerError, ActionError) as error:
                self._resync(f"{judged.message['Event']} is not confirmed: {error}")
            finally:
                self._waiting.task_done()

    async def _settle_one(self, message: Message, born: float) -> None:
        event, head = message["Event"], beginning(message)
        name = head.get("Channel", "")
        if event not in CLEAR or not name:
            # What it says of two channels, or of a queue, stands where it is not to be trusted.
            if event != "UserEvent":
                self._resync(f"a doubtful {event}")
            return
        channel = await self._look_up(name)
        if channel is None:
            self._settle_gone(event, head, born)
            return
        if event == "Hangup":
            # It is told a moment before the channel is gone from the PBX's list.
            for pause in (0.05, 0.2, 0.5):
                await asyncio.sleep(pause)
                if await self._value(name, "CHANNEL(uniqueid)") != channel.uniqueid:
                    self._settle_gone(event, head, born)
                    return
            self._resync("a Hangup of a channel that is there")
            return
        if head.get("Uniqueid", channel.uniqueid) != channel.uniqueid:
            return
        if self._sieve.has_ended(channel.uniqueid):
            return
        if event == "QueueCallerAbandon":
            if len(self._abandoned) >= WAITING:
                self._abandoned.clear()
            self._abandoned.add(name)
        if event == "QueueCallerLeave" and name not in self._abandoned:
            # Somebody answered, as the bridge will tell; or the caller was moved.
            self._resync("a caller left his queue")
            return
        known = self._sieve.uniqueid(name)
        self._sieve.confirmed(name, channel.uniqueid)
        if known and known != channel.uniqueid:
            self._resync("a channel had a false Uniqueid")
        self._pass_on(event, head, channel, born)

    def _settle_gone(self, event: str, head: dict[str, str], born: float) -> None:
        uniqueid = self._sieve.uniqueid(head["Channel"])
        if event not in ENDINGS:
            return
        if not uniqueid:
            self._resync(f"a {event} of a channel that is not known")
            return
        if event == "Hangup":
            self._sieve.end(head["Channel"], uniqueid)
            self._abandoned.discard(head["Channel"])
            self._bridges.pop(head["Channel"], None)
        self._tell(Message({**head, "Uniqueid": uniqueid}), born)

    def _pass_on(self, event: str, head: dict[str, str], channel: Channel, born: float) -> None:
        # A queue's entry is the one place where Asterisk writes names as they are.
        name = channel.name if event == "QueueEntry" else channel.name.replace("\\", "\\\\")
        headers = {
            **head,
            "Uniqueid": channel.uniqueid,
            "Linkedid": channel.linkedid,
            "CallerIDNum": channel.number,
            "CallerIDName": name,
            "Exten": channel.exten,
        }
        if event == "Newstate":
            # As an item of a list it says as much of a phone whose call has been kept back.
            headers["Event"] = "CoreShowChannel"
        match headers["Event"]:
            case "BridgeEnter":
                if len(self._bridges) >= WAITING:
                    self._bridges.clear()
                self._bridges[head["Channel"]] = head.get("BridgeUniqueid", "")
            case "BridgeLeave":
                self._bridges.pop(head["Channel"], None)
            case "CoreShowChannel":  # whose own word on the bridge stands behind the number
                headers["BridgeId"] = self._bridges.get(head["Channel"], "")
        self._tell(Message(headers), born)
        # The list was told to be complete when this was not yet confirmed.
        if complete := LISTS.get(headers["Event"]):
            self._tell(Message({"Event": complete}), born)

    async def _look_up(self, name: str) -> Channel | None:
        uniqueid = await self._value(name, "CHANNEL(uniqueid)")
        if not uniqueid:
            return None
        linkedid, number, caller, exten = await asyncio.gather(
            self._value(name, "CHANNEL(linkedid)"),
            self._value(name, "CALLERID(num)"),
            self._value(name, "CALLERID(name)"),
            self._value(name, "EXTEN"),
        )
        return Channel(
            uniqueid,
            linkedid or uniqueid,
            number_of(number),
            printable(caller, NAME_LENGTH),
            number_of(exten),
        )

    async def _value(self, channel: str, variable: str) -> str:
        reply = await self._ask("Getvar", {"Channel": channel, "Variable": variable})
        return reply["Value"] if reply["Response"] == "Success" else ""
