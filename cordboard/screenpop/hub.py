"""The live stream: sockets, numbers, what each client has still to be sent.

`publish` is called by the core's one consumer after the commit. It never waits: a browser that
reads is written to at once, one that does not catches up in a task of its own, and one that stays
behind is cut off. It comes back by `?session&after`, or with a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client import CollectorRegistry, Counter, Gauge

from cordboard.crm_core.model import User
from cordboard.screenpop import shapes
from cordboard.screenpop.pops import PopMeter
from cordboard.screenpop.stream import Frame, Stream, encode, to_json
from cordboard.screenpop.views import EVERYONE, Audience, Message, Picture, Viewer, moment

log = structlog.get_logger(__name__)

SIGNED_OUT = 4001
"""Close code: the login is over, or the role has changed. The page is to be loaded again."""
TAKEN_OVER = 4002
"""Close code: another connection resumed this session."""

INCOMING_BYTES = 4096
DIRECT_BYTES = 32 * 1024
"""Up to here a frame fits under the transport's high-water mark, so writing it cannot wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """All times in seconds."""

    sockets_per_user: int = 8
    sessions_per_user: int = 16
    """Connected or waiting to be resumed."""
    resume_within: float = 600
    presence_every: float = 0.5
    stalled_after: float = 10
    """A browser that has read nothing for so long while messages wait is cut off."""
    heartbeat: float = 20
    """Of silence before a ping; the pong has half as long."""
    closing: float = 2
    ack_within: float = 5
    incoming_rate: float = 50
    """Frames a second that a client may send, over two seconds."""


class Client:
    """One socket and the stream that it carries."""

    def __init__(
        self,
        hub: Hub,
        stream: Stream,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        sent: int,
    ) -> None:
        self.stream = stream
        self.ws = ws
        self.transport = transport
        self.sent = sent
        self.moved_at = hub.clock()
        self.gone = False
        self._hub = hub
        self._catching_up: asyncio.Task[None] | None = None
        self._allowance = hub.limits.incoming_rate * 2
        self._counted_at = hub.clock()

    def start(self, snapshot: bytes | None) -> None:
        """Sends the snapshot if there is one, and what the stream holds beyond `sent`."""
        self._catching_up = asyncio.create_task(self._catch_up(snapshot))

    def push(self, frame: Frame) -> None:
        """Sends `frame`, which was just appended to the stream; returns at once."""
        if self._catching_up is not None:
            if not self.stream.holds(self.sent):
                self.cut("fell too far behind")
            return
        if self.transport.get_write_buffer_size() or len(frame.tail) > DIRECT_BYTES:
            self.start(None)
            return
        # With an empty buffer and a small frame the coroutine has nothing to wait for: driving it
        # by hand saves a task for each of a thousand clients.
        try:
            self._write(frame).send(None)
        except StopIteration:
            pass
        except ConnectionError:
            self.release()  # it has gone, and its handler is about to notice

    def cut(self, why: str) -> None:
        """Ends the connection without a word, which a peer that does not read would not hear."""
        if not self.gone:
            log.info("client cut off", user=self.stream.viewer.name, why=why)
            self._hub.cut_off.inc()
            self.release()
            self.transport.abort()

    def release(self) -> None:
        """Nothing more is sent; the stream waits for somebody to resume it."""
        self.gone = True
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._hub.detach(self)

    def stalled(self, now: float, patience: float) -> bool:
        return self._catching_up is not None and now - self.moved_at > patience

    def within_rate(self, now: float) -> bool:
        """Counts one incoming frame; False where the client sends too many."""
        rate = self._hub.limits.incoming_rate
        self._allowance = min(rate * 2, self._allowance + (now - self._counted_at) * rate) - 1
        self._counted_at = now
        return self._allowance >= 0

    def _write(self, frame: Frame) -> Coroutine[Any, Any, None]:
        self.sent += 1
        if frame.pop is not None:
            self._hub.pops.written(frame.pop, self.stream.viewer.name, self._hub.clock())
        return self.ws.send_frame(frame.numbered(self.sent), WSMsgType.TEXT)

    async def _catch_up(self, snapshot: bytes | None) -> None:
        self.moved_at = self._hub.clock()
        try:
            if snapshot is not None:
                await self.ws.send_frame(snapshot, WSMsgType.TEXT)
            while self.sent < self.stream.seq:
                # Waits while the transport holds more than its high-water mark.
                await self._write(self.stream.frame(self.sent + 1))
                self.moved_at = self._hub.clock()
        except ConnectionError:
            self.release()  # it has gone, and its handler is about to notice
        finally:
            self._catching_up = None


class Hub:
    """All live streams, and the picture of which each snapshot is a view.

    `clock` is monotonic seconds, the same clock that `born` of `publish` is read from; `wall` is
    the time of day that the messages' times are of. `missed` is told the operator of a pop that is
    open still, and that no console of theirs has painted, though they have one: open now, or away
    for so short a time that it may come back.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        missed: Callable[[str], None] = lambda operator: None,
    ) -> None:
        self.picture = Picture()
        self.limits = limits or Limits()
        self.clock = clock
        self._wall = wall
        self._missed = missed
        self.pops = PopMeter(registry, self.limits.ack_within)
        self.cut_off = Counter(
            "cordboard_clients_cut_off", "Clients that did not read", registry=registry
        )
        self._streams: dict[str, Stream] = {}
        self._clients: dict[str, Client] = {}
        self._of_user: dict[str, dict[str, Stream]] = {}
        self._overseers: dict[str, Stream] = {}
        self._dirty: dict[str, set[str]] = {"operators": set(), "queues": set()}
        self._flushed_at = -self.limits.presence_every
        self._flush_timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False
        Gauge("cordboard_clients", "Open sockets", registry=registry).set_function(
            lambda: len(self._clients)
        )

    # -- the core's side

    def publish(
        self, message: Message, *, to: str | None = None, born: float | None = None
    ) -> None:
        """Takes `message` (docs/stream.md, without `seq`) into the picture and sends it to those
        who may see it. Never waits.

        `to` names the addressee of a `result`. `born` of a pop is the monotonic moment at which
        the PBX's event was read. Presence (`operators`, `queues`) is gathered and sent at most
        twice a second. The message must not be changed afterwards.
        """
        kind = message["type"]
        if kind == "screenpop" and message["id"] not in self.picture.pops:
            self.pops.published(message["id"], message["operator"], born, self.clock())
        deliveries = self.picture.apply(message, to)
        if kind in self._dirty:
            self._dirty[kind].update(item["name"] for item in message["changed"])
            self._flush_soon()
            return
        for delivered, audience in deliveries:
            self._send(delivered, audience)

    def flush(self) -> None:
        """Sends the presence that changed since the last time."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        self._flushed_at = self.clock()
        for kind, items in (("operators", self.picture.operators), ("queues", self.picture.queues)):
            if names := self._dirty[kind]:
                changed = [items[name] for name in sorted(names)]
                names.clear()
                self._send({"type": kind, "changed": changed}, EVERYONE)

    # -- the clients' side

    async def connect(
        self, request: web.Request, user: User, credential: str
    ) -> web.WebSocketResponse:
        """Serves one client until it leaves. `credential` names the login or token it came with.

        Raises `web.HTTPTooManyRequests` where the user has too many sockets open,
        `web.HTTPServiceUnavailable` while the server stops.
        """
        if self._closed:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"})
        mine = self._of_user.get(user.name, {})
        if sum(session in self._clients for session in mine) >= self.limits.sockets_per_user:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "10"})
        ws = web.WebSocketResponse(
            timeout=self.limits.closing,
            autoping=False,  # pings count against the rate, too
            heartbeat=self.limits.heartbeat,
            compress=False,  # doubles the CPU of a message to all
            max_msg_size=INCOMING_BYTES,
            writer_limit=0,  # whoever can wait for the transport does so after each frame
        )
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        client = self._attach(ws, transport, request.query, user, credential)
        try:
            await self._listen(client)
        except ConnectionError:
            pass  # gone in the middle of an answer to it
        finally:
            client.release()
        return ws

    def drop_session(self, credential: str) -> None:
        """Ends all streams of one login or token."""
        self._drop([s for s in self._streams.values() if s.credential == credential])

    def credentials(self) -> dict[str, Viewer]:
        """The logins and tokens behind all streams, and whose they were when they opened."""
        return {stream.credential: stream.viewer for stream in self._streams.values()}

    # -- time

    async def run(self) -> None:
        """Keeps the times of `Limits`; runs until it is cancelled."""
        while True:
            await asyncio.sleep(1)
            self.tick()

    def tick(self) -> None:
        """Forgets sessions that nobody resumed, cuts off clients that stall, counts missed pops."""
        now = self.clock()
        for pop, operator in self.pops.expire(now):
            if pop in self.picture.pops and operator in self._of_user:
                self._missed(operator)
        for stream in list(self._streams.values()):
            client = self._clients.get(stream.session)
            if client is None and self._expired(stream, now):
                self._forget(stream)
            elif client is not None and client.stalled(now, self.limits.stalled_after):
                client.cut("stopped reading")

    async def close(self) -> None:
        """Says goodbye to all clients, who will try again elsewhere or later."""
        self._closed = True
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        for client in list(self._clients.values()):
            self._close_soon(client, WSCloseCode.GOING_AWAY, "the server stops")
        while self._closing:
            await asyncio.wait(self._closing)

    def detach(self, client: Client) -> None:
        """The stream of a client that has gone waits for somebody to resume it."""
        if self._clients.get(client.stream.session) is client:
            del self._clients[client.stream.session]
            client.stream.detached_at = self.clock()

    # -- inside

    def _expired(self, stream: Stream, now: float) -> bool:
        return now - stream.detached_at >= self.limits.resume_within

    def _flush_soon(self) -> None:
        if self._flush_timer is None and not self._closed:
            wait = self._flushed_at + self.limits.presence_every - self.clock()
            loop = asyncio.get_running_loop()
            self._flush_timer = loop.call_later(max(0.0, wait), self.flush)

    def _send(self, message: Message, audience: Audience) -> None:
        frame: Frame | None = None
        for stream in self._addressed(audience):
            if audience.everyone or stream.viewer in audience:
                frame = frame or encode(message)
                stream.append(frame)
                client = self._clients.get(stream.session)
                if client is not None:
                    client.push(frame)

    def _addressed(self, audience: Audience) -> Iterable[Stream]:
        """Those who may be in the audience, found without asking everyone."""
        if audience.everyone:
            return list(self._streams.values())
        found = dict(self._overseers) if audience.supervisors else {}
        for name in (*audience.operators, audience.user):
            found |= self._of_user.get(name or "", {})
        return found.values()

    def _attach(
        self,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        query: Mapping[str, str],
        user: User,
        credential: str,
    ) -> Client:
        """Resumes the stream that the client asks for, or opens one with a snapshot."""
        viewer = Viewer(user.name, user.role)
        stream = self._streams.get(query.get("session", ""))
        after = _number(query.get("after", ""))
        snapshot: bytes | None = None
        if stream and stream.session not in self._clients and self._expired(stream, self.clock()):
            self._forget(stream)
            stream = None
        if stream is None or after is None or stream.viewer != viewer or not stream.holds(after):
            stream = self._open(Stream(secrets.token_urlsafe(18), viewer))
            after, snapshot = 0, self._snapshot(stream, user)
        elif former := self._clients.get(stream.session):
            self._close_soon(former, TAKEN_OVER, "resumed elsewhere")
        # On a resume, too: the login that it was opened under may end before this one.
        stream.credential = credential
        client = Client(self, stream, ws, transport, after)
        self._clients[stream.session] = client
        client.start(snapshot)
        return client

    def _snapshot(self, stream: Stream, user: User) -> bytes:
        seen = self.picture.snapshot_for(stream.viewer)
        for pop in seen["pops"]:
            self.pops.written(pop["id"], stream.viewer.name, self.clock())
        return to_json(
            {
                "type": "snapshot",
                "session": stream.session,
                "seq": stream.seq,
                "user": shapes.user(user),
                "now": moment(self._wall()),
                **seen,
            }
        )

    async def _listen(self, client: Client) -> None:
        """Does what a client asks until it leaves, or says what makes no sense."""
        while True:
            message = await client.ws.receive()
            if message.type is WSMsgType.ERROR:
                client.transport.abort()
                return
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                return
            refused: tuple[int, str] | None = (WSCloseCode.POLICY_VIOLATION, "too many messages")
            if client.within_rate(self.clock()):
                refused = await self._hear(client, message.type, message.data)
            if refused is not None:
                client.release()
                await self._close(client, *refused)
                return

    async def _hear(self, client: Client, kind: WSMsgType, data: Any) -> tuple[int, str] | None:
        """Does what one frame asks; where it makes no sense, what to close with."""
        if kind is WSMsgType.PING:
            await client.ws.pong(data)
            return None
        if kind is WSMsgType.PONG:
            return None
        if kind is WSMsgType.BINARY:
            return WSCloseCode.UNSUPPORTED_DATA, "text frames only"
        try:
            asked = json.loads(data)
        except (ValueError, RecursionError):
            return WSCloseCode.INVALID_TEXT, "not JSON"
        match asked:
            case {"type": "ack", "id": str(pop)}:
                self.pops.ack(pop, client.stream.viewer.name, self.clock())
            case {"type": "ping"}:
                await client.ws.send_frame(b'{"type":"pong"}', WSMsgType.TEXT)
            case _:
                return WSCloseCode.POLICY_VIOLATION, "only ack and ping are understood"
        return None

    def _open(self, stream: Stream) -> Stream:
        mine = self._of_user.setdefault(stream.viewer.name, {})
        waiting = [other for other in mine.values() if other.session not in self._clients]
        if len(mine) >= self.limits.sessions_per_user and waiting:
            self._forget(waiting[0])
        self._streams[stream.session] = mine[stream.session] = stream
        if stream.viewer.sees_all:
            self._overseers[stream.session] = stream
        return stream

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.session, None)
        self._overseers.pop(stream.session, None)
        mine = self._of_user.get(stream.viewer.name, {})
        mine.pop(stream.session, None)
        if not mine:
            self._of_user.pop(stream.viewer.name, None)

    def _drop(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            client = self._clients.get(stream.session)
            self._forget(stream)
            if client is not None:
                self._close_soon(client, SIGNED_OUT, "signed out")

    def _close_soon(self, client: Client, code: int, why: str) -> None:
        client.release()
        task = asyncio.create_task(self._close(client, code, why))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, client: Client, code: int, why: str) -> None:
        try:
            async with asyncio.timeout(self.limits.closing * 2):
                await client.ws.close(code=code, message=why.encode())
        except (TimeoutError, ConnectionError):
            client.transport.abort()


def _number(text: str) -> int | None:
    """A sequence number as a client writes it; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
