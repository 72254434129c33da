"""One AMI connection to a PBX: frames in, replies matched to the actions that asked."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from cordboard.cti.ami import Decoder, Message, encode
from cordboard.cti.forgery import NO_TAIL, Judged, Sieve, printable
from cordboard.errors import PeerError

log = structlog.get_logger(__name__)

REPLY_WITHIN = 4.0
"""Seconds. A PBX that says nothing for so long is away."""

LIST_WITHIN = 15.0

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
    resyncs: int = 0
    connections: int = 0


class Connection(asyncio.Protocol):
    """One AMI connection: frames in, replies matched to the actions that asked.

    A future for every action, with a deadline, ended when the connection ends: nothing is sent
    again by itself, since an Originate sent twice is two calls.

    Events that Asterisk would not write so are kept back. The beginnings of those that it wrote,
    and a caller then wrote into, go to `on_doubt`.
    """

    def __init__(
        self,
        counters: LinkCounters,
        on_event: Callable[[Message, float], None] | None,
        on_doubt: Callable[[Judged, float], None] | None = None,
    ) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.greeted = asyncio.Event()
        """Set when the greeting has come, or will not come any more."""
        self._counters = counters
        self.sieve = Sieve()
        self._on_event = on_event
        self._on_doubt = on_doubt
        self._decoder = Decoder(UNINTERESTING)
        self._oversize = 0
        self._transport: asyncio.Transport | None = None
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._lists: dict[str, asyncio.Future[None]] = {}
        self._items: dict[str, list[Message]] = {}
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
        messages = self._decoder.feed(data)
        self._counters.frames += len(messages)
        events = [message for message in messages if not self._is_reply(message)]
        if self._on_event or self._items:
            for judged in self.sieve.sift(events, self._lists):
                self._dispatch(judged, born)
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

    async def items(self, action: str, fields: Mapping[str, str | int]) -> list[Message]:
        """The items of a list, for a connection that hears no events; an item that a caller has
        put lines into is left out. Raises `PeerError` where the PBX refuses it."""
        if not self._items:
            # Names of channels change and come again, of which nothing is heard here.
            self.sieve = Sieve()
        found: list[Message] = []
        answer = await self.list(action, fields, into=found)
        if answer["Response"] != "Success":
            raise PeerError(answer["Message"])
        return found

    async def list(
        self,
        action: str,
        fields: Mapping[str, str | int] | None = None,
        *,
        into: list[Message] | None = None,
        within: float = LIST_WITHIN,
    ) -> Message:
        """Asks for a list whose items go the way of the events, if not `into` a list; returns when
        it is complete, or with the PBX's refusal."""
        action_id = self._send(action, fields or {})
        if into is not None:
            self._items[action_id] = into
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
            self._items.pop(action_id, None)
            if (left := self._lists.pop(action_id, None)) and left.done() and not left.cancelled():
                left.exception()

    def _send(self, action: str, fields: Mapping[str, str | int | Iterable[str]]) -> str:
        if self._transport is None or self.closed.done():
            raise PeerError("not connected to the PBX")
        action_id = f"{self._token}-{next(self._numbers)}"
        self._transport.write(encode(action, fields, action_id))
        return action_id

    def _is_reply(self, message: Message) -> bool:
        """Hands a reply to whoever asked. Nobody else can know the ActionID, so it is believed
        whatever stands in it: a value may be a forger's."""
        headers = message.headers
        if "Response" not in headers or "Event" in headers:
            return False
        waiting = self._replies.get(headers.get("ActionID", ""))
        if waiting and not waiting.done():
            waiting.set_result(message)
        return waiting is not None or headers.get("ActionID", "").startswith(self._token)

    def _dispatch(self, judged: Judged, born: float) -> None:
        message = judged.message
        if judged.why:
            self._keep_back(judged, born)
            return
        into = self._items.get(message["ActionID"])
        if into is not None:
            into.append(message)
        elif self._on_event:
            self._on_event(message, born)
        if message.headers.get("EventList") == "Complete":
            complete = self._lists.get(message["ActionID"])
            if complete and not complete.done():
                complete.set_result(None)

    def _keep_back(self, judged: Judged, born: float) -> None:
        self._counters.quarantined += 1
        if self._counters.quarantined <= 3 or self._counters.quarantined % 1000 == 0:
            log.warning(
                "ami.quarantined",
                event_name=printable(judged.message["Event"]),
                why=printable(judged.why),
                so_far=self._counters.quarantined,
            )
        if self._on_doubt and (judged.head or judged.why == NO_TAIL):
            self._on_doubt(judged, born)


async def log_in(
    host: str,
    port: int,
    user: str,
    secret: str,
    counters: LinkCounters,
    on_event: Callable[[Message, float], None] | None,
    on_doubt: Callable[[Judged, float], None] | None = None,
) -> Connection:
    """A connection that is logged in; events come on it if `on_event` takes them.

    Raises `LoginRefused` for a wrong user or secret, `PeerError` or OSError for anything else.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(REPLY_WITHIN):
        _, connection = await loop.create_connection(
            lambda: Connection(counters, on_event, on_doubt), host, port
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
