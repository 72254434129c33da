"""The FastAGI server: one short session for each call that asks where to go.

A session that breaks, dawdles or comes one too many is closed, and the dialplan, which finds
CB_DONE unset, sends the caller to the default queue. Nobody waits for us.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from cordboard.cti.agi import ENV_LINES, AgiSyntaxError, Reply, ReplyReader, command, environment
from cordboard.errors import PeerError

log = structlog.get_logger(__name__)

ENV_WITHIN = 5.0
"""Seconds from the connection to the blank line that ends the environment."""

STEP_WITHIN = 3.0
"""Seconds for Asterisk's reply to a command that does not itself wait for the caller."""

LINE_LIMIT = 64 * 1024


class HungUp(PeerError):  # noqa: N818 - the field's word
    """The caller has gone; only commands that need no channel would still work."""


@dataclass(slots=True)
class AgiCounters:
    sessions: int = 0
    live: int = 0
    refused: int = 0
    broken: int = 0


class AgiSession:
    """One call at the door. `env` has the `agi_…` values, `path` the script that was asked for,
    `arguments` what the dialplan passed on. It is `tampered` with where the caller put lines of
    his own between them."""

    def __init__(self, wire: _Wire, env: dict[str, str], tampered: bool = False) -> None:
        self.env = env
        self.tampered = tampered
        self.path = env.get("agi_network_script", "").partition("?")[0]
        self.arguments = tuple(_arguments(env))
        self._wire = wire
        self._replies = ReplyReader()

    @property
    def hung_up(self) -> bool:
        """Asterisk has said that the caller has gone."""
        return self._replies.hung_up

    async def execute(self, *words: str | int, within: float = STEP_WITHIN) -> Reply:
        """Sends one command and waits for its reply, at most `within` seconds.

        Raises `HungUp` when the caller has gone, `PeerError` when Asterisk does not answer or the
        connection ends, `AgiValueError` for an argument that cannot be sent.
        """
        self._wire.write(command(*words))
        late = PeerError(f"no reply to {words[0]} within {within:g} s")
        timer = asyncio.get_running_loop().call_later(within, self._wire.give_up, late)
        try:
            while (reply := self._replies.feed(await self._wire.line())) is None:
                pass
        finally:
            timer.cancel()
        if reply.code == 511:
            raise HungUp(f"{words[0]}: the channel is dead")
        return reply

    async def set_variable(self, name: str, value: str | int) -> None:
        reply = await self.execute("SET VARIABLE", name, value)
        if not reply.ok:
            raise PeerError(f"SET VARIABLE {name}: {reply.text}")


def _arguments(env: dict[str, str]) -> list[str]:
    found: list[str] = []
    while (key := f"agi_arg_{len(found) + 1}") in env:
        found.append(env[key])
    return found


class _Wire(asyncio.Protocol):
    """One connection by its lines: first those of the environment, then replies. A protocol and no
    stream, since a caller waits for each of two dozen lines in and half a dozen out."""

    def __init__(self, server: FastAgiServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._tail = b""
        self._environment: list[str] = []
        self._is_open = False
        """The environment was complete, and the session has begun."""
        self._lines: deque[str] = deque()
        self._waiter: asyncio.Future[str] | None = None
        self._error: PeerError | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        late = PeerError(f"no environment within {ENV_WITHIN:g} s")
        self._timer = self._loop.call_later(ENV_WITHIN, self._end, late)
        if not self._server.admit(self):
            self._error = PeerError("one too many")
            self.close()

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in lines:
            if self._error is None:
                self._take(line.decode(errors="replace").rstrip("\r"))
        if len(self._tail) > LINE_LIMIT:
            self._end(AgiSyntaxError(f"a line of more than {LINE_LIMIT} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(PeerError("Asterisk closed the session"))
        self._server.gone(self)
        self._lost.set_result(None)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def line(self) -> str:
        """The next line. Raises `PeerError`."""
        if self._lines:
            return self._lines.popleft()
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        return await self._waiter

    def give_up(self, error: PeerError) -> None:
        """Whoever waits for a line waits no longer."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def close(self) -> None:
        self._timer.cancel()
        self._transport.close()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._timer.cancel()
        self._transport.abort()
        await self._lost

    def _take(self, line: str) -> None:
        if self._is_open:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(line)
            elif len(self._lines) < ENV_LINES:
                self._lines.append(line)
            else:
                self._lines.clear()
                self._end(AgiSyntaxError("more lines than anybody asked for"))
        elif not line:
            self._begin()
        elif len(self._environment) < ENV_LINES:
            self._environment.append(line)
        else:
            self._end(AgiSyntaxError("an environment that does not end"))

    def _begin(self) -> None:
        env, tampered = environment(self._environment)
        if "agi_uniqueid" not in env:
            self._end(AgiSyntaxError("no agi_uniqueid: is this Asterisk?"))
            return
        self._is_open = True
        self._timer.cancel()
        self._task = self._loop.create_task(self._serve(AgiSession(self, env, tampered)))

    async def _serve(self, session: AgiSession) -> None:
        try:
            await self._server.handle(session)
        except HungUp:
            log.info("agi.hung_up")
        except (PeerError, OSError, TimeoutError) as error:
            self._server.broke(error)
        finally:
            self.close()

    def _end(self, error: PeerError) -> None:
        """No line is to be expected any more. A session learns it when it waits for one."""
        if self._error is not None:
            return
        self._error = error
        self.give_up(error)
        if not self._is_open:
            self._server.broke(error)
            self.close()


class FastAgiServer:
    """Listens on `host`:`port` and gives each session to `handle`, at most `limit` at a time."""

    def __init__(
        self, host: str, port: int, handle: Callable[[AgiSession], Awaitable[None]], limit: int
    ) -> None:
        self.counters = AgiCounters()
        self.handle = handle
        self._host, self._port = host, port
        self._limit = limit
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()

    @property
    def address(self) -> tuple[str, int]:
        assert self._server
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Wire(self), self._host, self._port, backlog=512
        )

    async def stop(self) -> None:
        """Closes the door, then the sessions; their callers go to the default queue."""
        if self._server:
            self._server.close()
        await asyncio.gather(*(wire.stop() for wire in self._wires))
        if self._server:
            await self._server.wait_closed()

    def admit(self, wire: _Wire) -> bool:
        """Whether there is room for one more."""
        if len(self._wires) >= self._limit:
            self.counters.refused += 1
            log.warning("agi.refused", live=len(self._wires) + 1, limit=self._limit)
            return False
        self._wires.add(wire)
        self.counters.sessions += 1
        self.counters.live += 1
        return True

    def gone(self, wire: _Wire) -> None:
        if wire in self._wires:
            self._wires.discard(wire)
            self.counters.live -= 1

    def broke(self, error: Exception) -> None:
        self.counters.broken += 1
        log.warning("agi.broken", reason=str(error) or type(error).__name__)
