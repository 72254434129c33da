"""What the desk asks of the PBX about calls, as manager actions on the command connection.

Nothing is asked twice: where an answer is lost with the link, the PBX is asked what is there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping

import structlog

from cordboard.cti.ami import Message
from cordboard.cti.link import AmiLink
from cordboard.cti.members import number
from cordboard.desk.callbacks import CALLBACK_CHANNEL
from cordboard.desk.commands import (
    Announce,
    CallBack,
    HangUp,
    Hush,
    Move,
    Originate,
    Reorder,
    Requeue,
)
from cordboard.desk.facts import Rank, Reordered
from cordboard.desk.refusals import refusal
from cordboard.dialplan import MOVE, MOVES, OFFER, POSITION, PRIORITY, QUEUE, bounds_of
from cordboard.errors import PeerError
from cordboard.events import PbxName, QueueName, Uniqueid

log = structlog.get_logger(__name__)

WAIT_FOR_MS = 86_400_000
"""How long a callback waits for an operator, at most: a day."""
RING_FOR_MS = 30_000
"""How long the operator's own phone rings for a call that is placed from the desk."""
FALLBACKS, FALLBACKS_SEEN = "CB_FALLBACKS", "CB_FALLBACKS_SEEN"
"""Global variables of the shipped dialplan; the second one is ours to write."""
CALLED = "CB_CALLED"
"""Another one: what became of the last callbacks."""
FOUND_WITHIN = 30.0
"""Seconds for the link to come back and tell whether the call that was asked for is there."""

GONE = "does not wait there any more"


class Exchange:
    """The PBXs as the desk commands them. Each step raises `PeerError` in words for people."""

    def __init__(self, links: Mapping[PbxName, AmiLink], contexts: Mapping[PbxName, str]) -> None:
        """`contexts`: where in each dialplan the calls from the desk are dialled."""
        self._links = links
        self._contexts = contexts
        self._counting = asyncio.Lock()

    async def hang_up(self, command: HangUp) -> None:
        link = self._links[command.pbx]
        # Channel names come again after a restart of the PBX; the Uniqueid tells whether this is
        # still the call that was meant.
        if await _uniqueid(link, command.channel) != command.uniqueid:
            raise PeerError(refusal("call-over"))
        reply = await link.act("Hangup", {"Channel": command.channel, "Cause": 16})
        if reply["Response"] != "Success":
            raise PeerError(reply["Message"])

    async def reorder(self, command: Reorder) -> Reordered:
        """Makes the moves and asks what came of it: no event tells. The list before them says who
        is still there, under which name, and that nobody else has touched his priority."""
        link, about = self._links[command.pbx], (command.pbx, command.queue)
        try:
            entries = await _entries(link, command.queue)
            channels = {entry["Uniqueid"]: entry["Channel"] for entry in entries}
            before = _ranks(entries)
            ranks = {rank.uniqueid: rank for rank in before}
            refused = {
                move.uniqueid: reason
                for move in command.moves
                if (reason := _obstacle(move, ranks.get(move.uniqueid)))
            }
            moves = [move for move in command.moves if move.uniqueid not in refused]
            # All are sent at once, in order; Asterisk answers one after the other.
            replies = await asyncio.gather(
                *(
                    link.act(
                        "QueueChangePriorityCaller",
                        {
                            "Queue": command.queue,
                            "Caller": channels[move.uniqueid],
                            "Priority": move.priority,
                            "Immediate": "yes",
                        },
                    )
                    for move in moves
                )
            )
            for move, reply in zip(moves, replies, strict=True):
                if "unknown command" in reply["Message"]:
                    text = refusal("moves-need-release")
                    return Reordered(*about, before=before, error=text, unable=True)
                if reply["Response"] != "Success":
                    refused[move.uniqueid] = reply["Message"]
            after = _ranks(await _entries(link, command.queue)) if moves else before
        except PeerError as error:
            return Reordered(*about, error=str(error))
        return Reordered(*about, before, after, tuple(refused.items()))

    async def requeue(self, command: Requeue) -> None:
        """Returns when he is on his way. A digit takes him out of the queue, as if he had pressed
        it: Queue() itself reads it, also while phones ring, or the talk that was quicker, to which
        it means nothing. Where the queue knows no such digit he is withdrawn, which does nothing
        to one who is answered first either, but may take a second and waits for phones that
        ring."""
        link, channel = self._links[command.pbx], command.channel
        listed = await link.items("QueueStatus", {"Queue": command.to})
        if not any(item["Event"] == "QueueParams" for item in listed):
            raise PeerError(f"the PBX has no queue {command.to}")
        entries = await _entries(link, command.queue)
        here = next((e for e in entries if e["Uniqueid"] == command.uniqueid), None)
        if here is None or here["Channel"] != channel:
            raise PeerError(GONE)
        # CB_QUEUE is yet the queue that he leaves, and the dialplan tells which.
        known: dict[str, str | int | None] = {PRIORITY: command.priority, MOVE: command.to}
        asked: list[tuple[str, dict[str, str | int]]] = [
            ("Setvar", {"Channel": channel, "Variable": name, "Value": _said(value)})
            for name, value in {**known, **bounds_of(command.skills)}.items()
        ]
        withdrawn: dict[str, str | int] = {"Queue": command.queue, "Caller": channel}
        asked.append(("QueueWithdrawCaller", withdrawn | {"WithdrawInfo": command.to}))
        asked.append(("PlayDTMF", {"Channel": channel, "Digit": MOVES, "Receive": "true"}))
        replies = await asyncio.gather(*(link.act(name, fields) for name, fields in asked))
        for (name, _), reply in zip(asked, replies, strict=True):
            if reply["Response"] != "Success" and name != "PlayDTMF":  # without it he goes later
                raise PeerError(reply["Message"])

    async def new_fallbacks(self, pbx: PbxName) -> int:
        """How many callers took the dialplan's default way since this was asked last. The dialplan
        counts them, also while we are dead or do not hear; what we know of stands beside it in the
        PBX, so each is told once whatever becomes of us."""
        link = self._links[pbx]
        async with self._counting:
            all_of_them = await _count(link, FALLBACKS)
            known = await _count(link, FALLBACKS_SEEN)
            if all_of_them <= known:
                return 0
            reply = await link.act("Setvar", {"Variable": FALLBACKS_SEEN, "Value": all_of_them})
            if reply["Response"] != "Success":
                raise PeerError(reply["Message"])
        return all_of_them - known

    async def originate(self, command: Originate) -> None:
        """Returns when the PBX has taken it on; what becomes of it comes as an event."""
        link, context = self._links[command.pbx], self._contexts[command.pbx]
        # A channel whose extension is missing is answered and dropped.
        exists = f"DIALPLAN_EXISTS({context},{command.number},1)"
        found = await link.act("Getvar", {"Variable": exists})
        if found["Value"] != "1":
            raise PeerError(refusal("no-extension", number=command.number, context=context))
        fields: dict[str, str | int] = {
            "Channel": command.phone,
            "ChannelId": command.channel_id,
            "Context": context,
            "Exten": command.number,
            "Priority": 1,
            "Timeout": RING_FOR_MS,
            "Async": "true",
        }
        try:
            reply = await link.act("Originate", fields)
        except PeerError:
            log.warning("originate.unanswered", pbx=command.pbx, channel=command.channel_id)
            if not await self._is_there(link, command.channel_id):
                raise PeerError(refusal("link-broke")) from None
            return
        if reply["Response"] != "Success":
            raise PeerError(reply["Message"])

    async def announce(self, command: Announce) -> None:
        """Returns when the PBX has taken it on. The one side of the channel whispers to the caller
        what its other side plays: see cordboard-announce in the dialplan. Who hears an offer may
        take it up, also where the rules did not make it yet when his route was told."""
        link = self._links[command.pbx]
        if command.offer is not None:
            allowed = {"Channel": command.uniqueid, "Variable": OFFER, "Value": "1"}
            reply = await link.act("Setvar", allowed)
            if reply["Message"] == "No such channel":
                return  # he has hung up
            if reply["Response"] != "Success":
                raise PeerError(reply["Message"])
        said = {"CB_SPIED": command.uniqueid, "CB_LANG": command.language}
        if command.place is not None:
            said["CB_PLACE"] = str(command.place)
        if command.minutes is not None:
            said["CB_MINUTES"] = str(command.minutes)
        if command.offer is not None:
            said["CB_NUMBER"] = re.sub(r"[^0-9]", "", command.offer)
        fields: dict[str, str | int] = {
            "Channel": "Local/say@cordboard-announce/n",
            "ChannelId": command.channel_id,
            "Context": "cordboard-announce",
            "Exten": "spy",
            "Priority": 1,
            "Timeout": 5_000,
            "Variable": ",".join(f"{name}={value}" for name, value in said.items()),
            "Async": "true",
        }
        reply = await link.act("Originate", fields)
        if reply["Response"] != "Success":
            raise PeerError(reply["Message"])

    async def call_back(self, command: CallBack) -> None:
        """Returns when the PBX has taken it on. The one half of the channel waits in the queue;
        the other dials the number when an operator has answered: see cordboard-callback in the
        dialplan. Where the answer is lost with the link, the next snapshot tells."""
        said: dict[str, str | int | None] = {
            "CB_LANG": command.language,
            "CB_ID": callback_of(command.channel_id),
            QUEUE: command.queue,
            PRIORITY: command.priority,
            POSITION: command.position,
            "CB_SHOWN": re.sub(r"[^0-9+]", "", command.shown),
            **bounds_of(command.skills),
        }
        given = [f"{name}={value}" for name, value in said.items() if value not in (None, "")]
        # A caller's own words: what cannot be printed, or means something to Asterisk, goes.
        name = "".join(c for c in command.name if c.isprintable() and c not in '"<>\\')
        fields: dict[str, str | int] = {
            "Channel": "Local/wait@cordboard-callback/n",
            "ChannelId": command.channel_id,
            "Context": "cordboard-callback",
            "Exten": command.number,
            "Priority": 1,
            "Timeout": WAIT_FOR_MS,
            "CallerID": f'"{name}" <{command.number}>',
            "Variable": ",".join(given),
            "Async": "true",
        }
        reply = await self._links[command.pbx].act("Originate", fields)
        if reply["Response"] != "Success":
            raise PeerError(reply["Message"])

    async def callbacks_made(self, pbx: PbxName) -> dict[str, str]:
        """DIALSTATUS of the last callbacks that the dialplan has made, by id without hyphens."""
        said = (await self._links[pbx].act("Getvar", {"Variable": CALLED}))["Value"]
        pairs = (each.partition(":") for each in said.split("|"))
        return {identity: status for identity, colon, status in pairs if colon}

    async def hush(self, command: Hush) -> None:
        """That the announcement was over already is no error. The half that plays goes first: the
        spy may linger, silent, for as long as no sound goes to the caller."""
        for half in (f"{command.channel_id};2", command.channel_id):
            fields: dict[str, str | int] = {"Channel": half, "Cause": 16}
            await self._links[command.pbx].act("Hangup", fields)

    async def _is_there(self, link: AmiLink, uniqueid: str) -> bool:
        """Whether this channel is live, asked until there is an answer."""
        try:
            async with asyncio.timeout(FOUND_WITHIN):
                while True:
                    await link.ready()
                    try:
                        return await _uniqueid(link, uniqueid) == uniqueid
                    except PeerError:
                        await asyncio.sleep(0.1)  # until the link knows that it is lost
        except TimeoutError:
            raise PeerError(refusal("link-lost")) from None


async def _entries(link: AmiLink, queue: QueueName) -> list[Message]:
    """Who waits in a queue, the head first."""
    items = await link.items("QueueStatus", {"Queue": queue})
    entries = [item for item in items if item["Event"] == "QueueEntry"]
    return sorted(entries, key=lambda entry: number(entry["Position"], 0))


def _ranks(entries: Iterable[Message]) -> tuple[Rank, ...]:
    return tuple(
        Rank(Uniqueid(e["Uniqueid"]), number(e["Position"], 0), number(e["Priority"], 0))
        for e in entries
    )


def _said(value: str | int | None) -> str | int:
    return "" if value is None else value


def _obstacle(move: Move, rank: Rank | None) -> str | None:
    """Why a move is not to be made, if it is not."""
    if rank is None:
        return GONE
    return None if rank.priority == move.was else f"has the priority {rank.priority} by now"


def callback_of(channel_id: str) -> str:
    """The id, without its hyphens, of the callback that this channel is for."""
    return channel_id.removeprefix(CALLBACK_CHANNEL).rpartition("-")[0].replace("-", "")


async def _count(link: AmiLink, variable: str) -> int:
    """A global variable of the dialplan, 0 where it is not set."""
    value = (await link.act("Getvar", {"Variable": variable}))["Value"]
    return int(value) if value.isascii() and value.isdigit() else 0


async def _uniqueid(link: AmiLink, channel: str) -> str:
    """Of a live channel, by its name or Uniqueid; empty where there is none."""
    reply = await link.act("Getvar", {"Channel": channel, "Variable": "CHANNEL(uniqueid)"})
    return reply["Value"]
