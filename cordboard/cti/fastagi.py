"""The FastAGI server: one short session for each call that asks where to go.

A session that breaks, dawdles or comes one too many is closed, and the dialplan, which finds
CB_DONE unset, sends the caller to the default queue. Nobody waits for us.
"""

from __future__ import annotations

import asyncio
import contextlib
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

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        env: dict[str, str],
        tampered: bool = False,
    ) -> None:
        self.env = env
        self.tampered = tampered
        self.path = env.get("agi_network_script", "").partition("?")[0]
        self.arguments = tuple(_arguments(env))
        self._reader, self._writer = reader, writer
        self._replies = ReplyReader()

    async def execute(self, *words: str | int, within: float = STEP_WITHIN) -> Reply:
        """Sends one command and waits for its reply, at most `within` seconds.

        Raises `HungUp` when the caller has gone, `PeerError` when Asterisk does not answer or the
        connection ends, `AgiValueError` for an argument that cannot be sent.
        """
        self._writer.write(command(*words))
        try:
            async with asyncio.timeout(within):
                await self._writer.drain()
                while True:
                    reply = self._replies.feed(await _line(self._reader))
                    if reply:
                        break
        except TimeoutError:
            raise PeerError(f"no reply to {words[0]} within {within:g} s") from None
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


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        data = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        raise PeerError("Asterisk closed the session") from None
    except asyncio.LimitOverrunError:
        raise AgiSyntaxError(f"a line of more than {LINE_LIMIT} bytes") from None
    return data.decode(errors="replace")


class FastAgiServer:
    """Listens on `host`:`port` and gives each session to `handle`, at most `limit` at a time."""

    def __init__(
        self, host: str, port: int, handle: Callable[[AgiSession], Awaitable[None]], limit: int
    ) -> None:
        self.counters = AgiCounters()
        self._host, self._port = host, port
        self._handle = handle
        self._limit = limit
        self._server: asyncio.Server | None = None
        self._live: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> tuple[str, int]:
        assert self._server
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Raises OSError when the address is taken."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=LINE_LIMIT, backlog=512
        )

    async def stop(self) -> None:
        """Closes the door, then the sessions; their callers go to the default queue."""
        if self._server:
            self._server.close()
        for task in list(self._live):
            task.cancel()
        if self._live:
            await asyncio.wait(self._live)
        if self._server:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._live.add(task)
        try:
            if len(self._live) > self._limit:
                self.counters.refused += 1
                log.warning("agi.refused", live=len(self._live), limit=self._limit)
                return
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._live.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counters.sessions += 1
        self.counters.live += 1
        try:
            async with asyncio.timeout(ENV_WITHIN):
                env, tampered = await _environment(reader)
            await self._handle(AgiSession(reader, writer, env, tampered))
        except HungUp:
            log.info("agi.hung_up")
        except (PeerError, OSError, TimeoutError) as error:
            self.counters.broken += 1
            log.warning("agi.broken", reason=str(error) or type(error).__name__)
        finally:
            self.counters.live -= 1


async def _environment(reader: asyncio.StreamReader) -> tuple[dict[str, str], bool]:
    lines: list[str] = []
    while line := (await _line(reader)).rstrip("\r\n"):
        lines.append(line)
        if len(lines) > ENV_LINES:
            raise AgiSyntaxError("an environment that does not end")
    env, tampered = environment(lines)
    if "agi_uniqueid" not in env:
        raise AgiSyntaxError("no agi_uniqueid: is this Asterisk?")
    return env, tampered
