"""The link to one PBX: two AMI connections, kept up, watched and resynchronised.

Events come on one connection, actions go on the other: while Asterisk runs an action it sends no
events on the connection that asked. The snapshot's lists alone are asked for on the event
connection, where their items stand among the events as a barrier.

The reader never waits: what it decodes goes to `sink`, which takes it at once or says that it is
full. Then the link is dropped and comes back with a snapshot, because Asterisk itself ends a
connection that does not read, in the middle of an event, and keeps every event in memory until
then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

import structlog

from cordboard.cti.ami import Message
from cordboard.cti.connection import Connection, LinkCounters, LoginRefused, log_in
from cordboard.cti.doubts import Doubts
from cordboard.cti.facts import (
    Forged,
    LinkDown,
    LinkItem,
    LinkUp,
    PbxMessage,
    SnapshotBegan,
    SnapshotDone,
)
from cordboard.cti.forgery import NEEDED, Judged
from cordboard.cti.reading import Reading
from cordboard.errors import PeerError
from cordboard.events import PbxName

log = structlog.get_logger(__name__)

PING_EVERY = 5.0
"""Seconds. A silent PBX is noticed within their sum with `connection.REPLY_WITHIN`."""

SHUTTING_DOWN = "shutting down"
"""Asterisk's own words, to everybody who logs in while it waits for its calls to end."""

BOOT_WITHIN = 60.0
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 10.0

SNAPSHOT = ("ParkedCalls", "CoreShowChannels", "QueueStatus", "DeviceStateList")
"""The lists of a snapshot, in this order: who is parked stands in one bridge with other parked
callers, and the channels say so without saying that it is none; a queue's entries belong to
channels."""

RESYNC_PAUSE = 5.0
"""Seconds between two snapshots on a standing link, whatever is suspected."""

REFUSED_AGAIN_AFTER = 10.0
"""Seconds after which a list that was refused is asked for again: its module may be loaded late,
of which an older Asterisk sends no event."""

UPHEAVALS = ("FullyBooted", "Load", "Unload", "Reload")
"""Events after which queues and members may be others than before, and nothing else says so."""


class AmiLink:
    """Keeps one PBX in view. `run` goes on until it is cancelled; `act` sends an action."""

    def __init__(
        self,
        name: PbxName,
        host: str,
        port: int,
        user: str,
        secret: str,
        sink: Callable[[LinkItem], bool],
    ) -> None:
        self.name = name
        self.counters = LinkCounters()
        self._host, self._port = host, port
        self._user, self._secret = user, secret
        self._sink = sink
        self._events: Connection | None = None
        self._commands: Connection | None = None
        self._ready = asyncio.Event()
        self._booted = asyncio.Event()
        self._doubts: Doubts | None = None
        self._telling = False
        self._suspected = asyncio.Event()
        self._refused: tuple[str, ...] = ()
        self._restarting = False
        self._reading = Reading(0.0)

    @property
    def lag(self) -> float:
        """Seconds by which we read events later than the PBX writes them."""
        return self._reading.lag(asyncio.get_running_loop().time())

    async def act(
        self, action: str, fields: Mapping[str, str | int | Iterable[str]] | None = None
    ) -> Message:
        """Sends one action on the command connection; `PeerError` while the PBX is away."""
        if self._commands is None:
            raise PeerError("not connected to the PBX")
        return await self._commands.act(action, fields)

    async def items(self, action: str, fields: Mapping[str, str | int]) -> list[Message]:
        """The items of a list, asked for on the command connection. Raises `PeerError`."""
        if self._commands is None:
            raise PeerError("not connected to the PBX")
        return await self._commands.items(action, fields)

    def resync(self, reason: str) -> None:
        """Something does not fit: takes a snapshot on the standing link, once in `RESYNC_PAUSE`
        seconds however often it is asked for. While the link is down nothing is needed."""
        if self._telling and not self._suspected.is_set():
            log.info("pbx.suspected", pbx=self.name, reason=reason)
            self.counters.resyncs += 1
            self._suspected.set()

    async def ready(self) -> None:
        """Returns when actions can be sent."""
        await self._ready.wait()

    async def run(self) -> None:
        """Connects, and connects again, for ever. Each loss is one `LinkDown` with its reason."""
        backoff, said = BACKOFF_FIRST, ""
        while True:
            came_up, unseen = False, 0.0
            try:
                async with self._connected() as (events, commands):
                    await self._resync(events)
                    came_up, backoff, said = True, BACKOFF_FIRST, ""
                    self._restarting = False
                    self._commands = commands
                    self._ready.set()
                    reason = await self._watch(events, commands)
                    unseen = self._reading.unseen(asyncio.get_running_loop().time())
            except (PeerError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                self._restarting = self._restarting or SHUTTING_DOWN in reason
                if isinstance(error, LoginRefused):
                    backoff = BACKOFF_MOST
            finally:
                self._commands = None
                self._ready.clear()
            if came_up or reason != said:
                log.warning("pbx.lost" if came_up else "pbx.away", pbx=self.name, reason=reason)
                self._sink(LinkDown(self.name, reason, self._restarting, unseen))
                said = reason
            # Jitter, so that several servers do not come back to a restarted PBX all at once.
            await asyncio.sleep(backoff * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            backoff = min(backoff * 2, BACKOFF_MOST)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Connection, Connection]]:
        self._booted.clear()
        events = self._events = await self._log_in(self._heard, self._doubted)
        events.closed.add_done_callback(lambda _: self._booted.set())
        try:
            commands = await self._log_in(None)
            self._doubts = Doubts(events.sieve, commands.act, self._confirmed, self.resync)
            asking = asyncio.create_task(self._doubts.run())
            try:
                yield events, commands
            finally:
                self._doubts = None
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                commands.drop("closing")
        finally:
            self._telling, self._events = False, None
            events.drop("closing")

    async def _log_in(
        self,
        on_event: Callable[[Message, float], None] | None,
        on_doubt: Callable[[Judged, float], None] | None = None,
    ) -> Connection:
        return await log_in(
            self._host, self._port, self._user, self._secret, self.counters, on_event, on_doubt
        )

    async def _resync(self, events: Connection) -> None:
        """Waits until the PBX is fully booted, then takes the snapshot.

        AMI listens before the modules are loaded: a list asked for earlier is refused as unknown.
        """
        try:
            async with asyncio.timeout(BOOT_WITHIN):
                await self._booted.wait()
        except TimeoutError:
            raise PeerError(
                "logged in, but FullyBooted did not come: the AMI account needs read=system"
            ) from None
        if events.closed.done():
            raise PeerError(events.closed.result())
        status = await events.act("CoreStatus")
        settings = await events.act("CoreSettings")
        # There is no boot id in AMI; the moment of the start, in the PBX's own clock, is one.
        boot = f"{status['CoreStartupDate']} {status['CoreStartupTime']}".strip()
        self._reading = Reading(asyncio.get_running_loop().time())
        self._telling = True
        self._suspected.clear()
        self._refused = ()
        self._tell(LinkUp(self.name, boot, settings["AsteriskVersion"]))
        await self._snapshot(events, SNAPSHOT)

    async def _snapshot(self, events: Connection, lists: Iterable[str]) -> None:
        """A list may be refused because its module is not loaded; the others still tell."""
        self._tell(SnapshotBegan(self.name))
        refused = []
        for action in lists:
            reply = await events.list(action)
            if reply["Response"] != "Success":
                refused.append(action)
                if action not in self._refused:
                    log.warning(
                        "pbx.list_refused", pbx=self.name, list=action, reply=reply["Message"]
                    )
        if self._doubts:
            await self._doubts.settle()
        self._refused = tuple(refused)
        if self._doubts:
            await self._doubts.settle()
        self._tell(SnapshotDone(self.name, self._refused))

    async def _mend(self, events: Connection) -> str:
        """Snapshots on the standing link: of everything on suspicion, and now and then of what
        was refused. Returns the reason when the connection does not answer."""
        while True:
            try:
                async with asyncio.timeout(REFUSED_AGAIN_AFTER if self._refused else None):
                    await self._suspected.wait()
            except TimeoutError:
                pass
            lists = SNAPSHOT if self._suspected.is_set() else self._refused
            self._suspected.clear()
            try:
                await self._snapshot(events, lists)
            except PeerError as error:
                return str(error)
            await asyncio.sleep(RESYNC_PAUSE)

    async def _watch(self, events: Connection, commands: Connection) -> str:
        """Returns the reason when either connection ends or does not answer."""
        tasks = [asyncio.create_task(self._ping(connection)) for connection in (events, commands)]
        tasks.append(asyncio.create_task(self._mend(events)))
        try:
            done, _ = await asyncio.wait(
                [*tasks, events.closed, commands.closed], return_when=asyncio.FIRST_COMPLETED
            )
            return str(next(iter(done)).result())
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ping(self, connection: Connection) -> str:
        loop = asyncio.get_running_loop()
        reading = self._reading if connection is self._events else Reading(loop.time())
        while True:
            reading.ask(loop.time())
            try:
                reading.answer(await connection.act("Ping"), loop.time())
            except PeerError as error:
                return str(error)
            await asyncio.sleep(PING_EVERY)

    def _heard(self, message: Message, born: float) -> None:
        name = message.headers.get("Event", "")
        if name in UPHEAVALS:
            if name == "FullyBooted":
                self._booted.set()
            self.resync(f"{name} {message['Module']}".strip())
        elif name == "Shutdown":
            self._restarting = True
        # What comes before the snapshot is contained in it.
        if self._telling:
            self._reading.hear(message, born)
            self._tell(PbxMessage(self.name, message, born))

    def _doubted(self, judged: Judged, born: float) -> None:
        """A caller wrote into this frame; before the snapshot there is nobody to be misled."""
        event = judged.message["Event"]
        if not self._telling or self._doubts is None:
            return
        # User events are written by many a dialplan. And the phone that rings for a forger is none.
        if event in NEEDED and event != "UserEvent" and "ConnectedLine" not in judged.why:
            self._tell(Forged(self.name, judged.message["Channel"]))
        self._doubts.add(judged, born)

    def _confirmed(self, message: Message, born: float) -> None:
        if self._telling:
            self._tell(PbxMessage(self.name, message, born))

    def _tell(self, item: LinkItem) -> None:
        if not self._sink(item):
            self.counters.overloads += 1
            self._telling = False
            if self._events:
                self._events.drop("more events than can be handled; coming back with a snapshot")
