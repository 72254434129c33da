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
import itertools
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from cordboard.cti.ami import Decoder, Message, encode
from cordboard.cti.facts import LinkDown, LinkItem, LinkUp, PbxMessage, SnapshotBegan, SnapshotDone
from cordboard.errors import PeerError
from cordboard.events import PbxName

log = structlog.get_logger(__name__)

PING_EVERY = 5.0
REPLY_WITHIN = 4.0
"""Seconds. A silent PBX is noticed within their sum."""

LIST_WITHIN = 15.0
BOOT_WITHIN = 60.0
BACKOFF_FIRST, BACKOFF_MOST = 0.5, 10.0

SNAPSHOT = ("CoreShowChannels", "QueueStatus")
"""The lists of a snapshot, in this order: a queue's entries belong to channels."""

UNINTERESTING = ("Newexten", "VarSet", "RTCPSent", "RTCPReceived", "Cdr", "CEL", "TestEvent")
"""Events nobody here reads. manager.conf should drop them at the source, where it costs nothing;
on an account without the filters they are dropped by their first line."""


class LoginRefused(PeerError):  # noqa: N818 - the field's word
    """The PBX does not take this user and secret."""


@dataclass(slots=True)
class LinkCounters:
    """What the link has met since the start, for the metrics."""

    frames: int = 0
    quarantined: int = 0
    cut_tails: int = 0
    oversize: int = 0
    overloads: int = 0
    connections: int = 0


class Connection(asyncio.Protocol):
    """One AMI connection: frames in, replies matched to the actions that asked.

    A future for every action, with a deadline, ended when the connection ends: nothing is sent
    again by itself, since an Originate sent twice is two calls.
    """

    def __init__(
        self, counters: LinkCounters, on_event: Callable[[Message, float], None] | None
    ) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.greeted = asyncio.Event()
        """Set when the greeting has come, or will not come any more."""
        self._counters = counters
        self._on_event = on_event
        self._decoder = Decoder(UNINTERESTING)
        self._oversize = 0
        self._transport: asyncio.Transport | None = None
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._lists: dict[str, asyncio.Future[None]] = {}
        # Nobody who can put lines into an event may guess the ActionID of a reply.
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counters.connections += 1

    def data_received(self, data: bytes) -> None:
        born = self._loop.time()
        for message in self._decoder.feed(data):
            self._counters.frames += 1
            self._dispatch(message, born)
        if self._decoder.oversize > self._oversize:
            self._counters.oversize += self._decoder.oversize - self._oversize
            self._oversize = self._decoder.oversize
            log.warning("ami.oversize", so_far=self._counters.oversize)
        if self._decoder.banner is not None and not self.greeted.is_set():
            self.greeted.set()
            if not self._decoder.banner:
                self.drop("no Asterisk Call Manager greeting: is this the AMI port?")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._decoder.pending:
            self._counters.cut_tails += 1
            log.info("ami.cut_tail", bytes=self._decoder.pending)
        reason = str(exc) if exc else "the PBX closed the connection"
        if not self.closed.done():
            self.closed.set_result(reason)
        self.greeted.set()
        waiting: list[asyncio.Future[Any]] = [*self._replies.values(), *self._lists.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(PeerError(reason))
        self._replies.clear()
        self._lists.clear()

    def drop(self, reason: str) -> None:
        """Ends the connection at once; what is still unsent is lost on purpose."""
        if not self.closed.done():
            self.closed.set_result(reason)
        if self._transport:
            self._transport.abort()

    async def act(
        self,
        action: str,
        fields: Mapping[str, str | int | Iterable[str]] | None = None,
        within: float = REPLY_WITHIN,
    ) -> Message:
        """The reply to one action, whatever it says. Raises `PeerError` when none comes within
        `within` seconds or the connection ends, `ActionError` for a value that cannot be sent."""
        action_id = self._send(action, fields or {})
        reply: asyncio.Future[Message] = self._loop.create_future()
        self._replies[action_id] = reply
        try:
            async with asyncio.timeout(within):
                return await reply
        except TimeoutError:
            raise PeerError(f"no reply to {action} within {within:g} s") from None
        finally:
            self._replies.pop(action_id, None)

    async def list(self, action: str, within: float = LIST_WITHIN) -> Message:
        """Asks for a list whose items go the way of the events; returns when it is complete, or
        with the PBX's refusal."""
        action_id = self._send(action, {})
        reply: asyncio.Future[Message] = self._loop.create_future()
        self._replies[action_id] = reply
        complete: asyncio.Future[None] = self._loop.create_future()
        self._lists[action_id] = complete
        try:
            async with asyncio.timeout(within):
                answer = await reply
                if answer["Response"] == "Success":
                    await complete
                return answer
        except TimeoutError:
            raise PeerError(f"the list {action} was not complete within {within:g} s") from None
        finally:
            self._replies.pop(action_id, None)
            if (left := self._lists.pop(action_id, None)) and left.done() and not left.cancelled():
                left.exception()

    def _send(self, action: str, fields: Mapping[str, str | int | Iterable[str]]) -> str:
        if self._transport is None or self.closed.done():
            raise PeerError("not connected to the PBX")
        action_id = f"{self._token}-{next(self._numbers)}"
        self._transport.write(encode(action, fields, action_id))
        return action_id

    def _dispatch(self, message: Message, born: float) -> None:
        headers = message.headers
        action_id = headers.get("ActionID", "")
        if "Response" in headers and "Event" not in headers:
            waiting = self._replies.get(action_id)
            if waiting and not waiting.done():
                waiting.set_result(message)
            return
        ours = action_id in self._lists
        if message.oddities or not (ours or _privileged(headers)):
            self._quarantine(message)
            return
        if self._on_event:
            self._on_event(message, born)
        if ours and headers.get("EventList") == "Complete" and not self._lists[action_id].done():
            self._lists[action_id].set_result(None)

    def _quarantine(self, message: Message) -> None:
        """An event that Asterisk would not write so. Nothing is concluded from it: a caller can
        put whole events into a SIP user name."""
        self._counters.quarantined += 1
        if self._counters.quarantined <= 3 or self._counters.quarantined % 1000 == 0:
            log.warning(
                "ami.quarantined",
                event_name=message["Event"][:40],
                why=message.oddities or ("no Privilege",),
                so_far=self._counters.quarantined,
            )


async def log_in(
    host: str,
    port: int,
    user: str,
    secret: str,
    counters: LinkCounters,
    on_event: Callable[[Message, float], None] | None,
) -> Connection:
    """A connection that is logged in; events come on it if `on_event` takes them.

    Raises `LoginRefused` for a wrong user or secret, `PeerError` or OSError for anything else.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(REPLY_WITHIN):
        _, connection = await loop.create_connection(
            lambda: Connection(counters, on_event), host, port
        )
    try:
        async with asyncio.timeout(REPLY_WITHIN):
            await connection.greeted.wait()
        if connection.closed.done():
            raise PeerError(connection.closed.result())
        fields = {"Username": user, "Secret": secret, "Events": "on" if on_event else "off"}
        reply = await connection.act("Login", fields)
    except BaseException:
        connection.drop("login failed")
        raise
    if reply["Response"] != "Success":
        connection.drop("login refused")
        text = reply["Message"]
        # While it shuts down Asterisk refuses everybody in these words; that is no wrong
        # password, and is worth trying again soon.
        if "shutting down" in text:
            raise PeerError(f"login: {text}")
        raise LoginRefused(f"login as {user}: {text}")
    return connection


def _privileged(headers: dict[str, str]) -> bool:
    keys = iter(headers)
    return next(keys, "") == "Event" and next(keys, "") == "Privilege"


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
        self._booted = asyncio.Event()
        self._telling = False

    async def act(
        self, action: str, fields: Mapping[str, str | int | Iterable[str]] | None = None
    ) -> Message:
        """Sends one action on the command connection; `PeerError` while the PBX is away."""
        if self._commands is None:
            raise PeerError("not connected to the PBX")
        return await self._commands.act(action, fields)

    async def run(self) -> None:
        """Connects, and connects again, for ever. Each loss is one `LinkDown` with its reason."""
        backoff, said = BACKOFF_FIRST, ""
        while True:
            came_up = False
            try:
                async with self._connected() as (events, commands):
                    await self._resync(events)
                    came_up, backoff, said = True, BACKOFF_FIRST, ""
                    self._commands = commands
                    reason = await self._watch(events, commands)
            except (PeerError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                if isinstance(error, LoginRefused):
                    backoff = BACKOFF_MOST
            finally:
                self._commands = None
            if came_up or reason != said:
                log.warning("pbx.lost" if came_up else "pbx.away", pbx=self.name, reason=reason)
                self._sink(LinkDown(self.name, reason))
                said = reason
            # Jitter, so that several servers do not come back to a restarted PBX all at once.
            await asyncio.sleep(backoff * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            backoff = min(backoff * 2, BACKOFF_MOST)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Connection, Connection]]:
        self._booted.clear()
        events = self._events = await self._log_in(self._heard)
        events.closed.add_done_callback(lambda _: self._booted.set())
        try:
            commands = await self._log_in(None)
            try:
                yield events, commands
            finally:
                commands.drop("closing")
        finally:
            self._telling, self._events = False, None
            events.drop("closing")

    async def _log_in(self, on_event: Callable[[Message, float], None] | None) -> Connection:
        return await log_in(
            self._host, self._port, self._user, self._secret, self.counters, on_event
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
        self._telling = True
        self._tell(LinkUp(self.name, boot, settings["AsteriskVersion"]))
        self._tell(SnapshotBegan(self.name))
        for action in SNAPSHOT:
            reply = await events.list(action)
            if reply["Response"] != "Success":
                log.warning("pbx.list_refused", pbx=self.name, list=action, reply=reply["Message"])
        self._tell(SnapshotDone(self.name))

    async def _watch(self, events: Connection, commands: Connection) -> str:
        """Returns the reason when either connection ends or does not answer its ping."""
        pings = [asyncio.create_task(_ping(connection)) for connection in (events, commands)]
        try:
            done, _ = await asyncio.wait(
                [*pings, events.closed, commands.closed], return_when=asyncio.FIRST_COMPLETED
            )
            return str(next(iter(done)).result())
        finally:
            for ping in pings:
                ping.cancel()
            await asyncio.gather(*pings, return_exceptions=True)

    def _heard(self, message: Message, born: float) -> None:
        if message.headers.get("Event") == "FullyBooted":
            self._booted.set()
        # What comes before the snapshot is contained in it.
        if self._telling:
            self._tell(PbxMessage(self.name, message, born))

    def _tell(self, item: LinkItem) -> None:
        if not self._sink(item):
            self.counters.overloads += 1
            self._telling = False
            if self._events:
                self._events.drop("more events than can be handled; coming back with a snapshot")


async def _ping(connection: Connection) -> str:
    while True:
        await asyncio.sleep(PING_EVERY)
        try:
            await connection.act("Ping")
        except PeerError as error:
            return str(error)
