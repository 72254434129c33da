"""Publish after commit: what the board tells is first written, then shown.

Commands come in order and leave in order. Whatever has gathered while one group was written makes
up the next. A card, and an answer that somebody waits for, goes out at once; the rest waits a
moment for company, since a transaction costs the same for one record as for many.

A group that the database does not take goes to the spool, and so do all that follow, until the
spool has been replayed: rows are written in the order in which things happened, so nothing old
goes over what is newer. Where the spool has no room either, records wait in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Literal, Protocol

import structlog

from cordboard.crm_core.calls import RecordsError
from cordboard.crm_core.model import Record
from cordboard.desk.commands import Command, Save, ShowPop, Tell
from cordboard.errors import PeerError
from cordboard.spool import Spool

log = structlog.get_logger(__name__)

WRITE_WITHIN = 1.0
"""Seconds for the group that finds the database away; those after it do not wait for it at all."""

GATHER = 0.15
"""Seconds that what is not urgent waits for more."""

HELD_MOST = 100_000
"""Records in memory when neither database nor spool takes them, some 2,500 calls; the oldest are
given up first."""

REPLAY_EVERY = 1.0
"""Seconds between two looks whether the database is back, or the disk has room."""

BATCH = 500
"""Records in one transaction of a replay: some tens of milliseconds."""

Trouble = Literal["spooling", "disk-full", "records-lost"]


class Writer(Protocol):
    async def write(self, group: Sequence[Record]) -> None: ...


class Ledger:
    """`show` is called, in order, for every command that is not a `Save`. `alarm` is told of
    trouble and its figure, and with 0 that it is over."""

    def __init__(
        self,
        store: Writer,
        spool: Spool,
        show: Callable[[Command, float | None], None],
        alarm: Callable[[Trouble, int], None] = lambda kind, count: None,
    ) -> None:
        self._store = store
        self._spool = spool
        self._show = show
        self._alarm = alarm
        self._waiting: deque[tuple[Command, float | None]] = deque()
        self._held: deque[Record] = deque()
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self._missed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._full_until = 0.0
        self._full = False
        self._told_at = 0.0
        self._behind = False
        self.lost = 0
        """Records given up: there was no room for them, or the database refused them."""

    @property
    def behind(self) -> bool:
        """Whether the database lacks records. What is written meanwhile must come after them."""
        return self._behind or self._spool.left > 0

    @property
    def unsaved(self) -> int:
        """Records that the database has not taken yet, on disk and in memory."""
        return self._spool.left + self.held

    @property
    def held(self) -> int:
        """Of these, the ones that are in memory alone."""
        return len(self._held)

    def post(self, commands: Sequence[Command], born: float | None) -> None:
        """Takes commands in. `born` is the moment at which what led to them was read."""
        self._waiting.extend((command, born) for command in commands)
        self._filled.set()
        if any(isinstance(command, ShowPop | Tell) for command in commands):
            self._urgent.set()

    async def keep(self, record: Record, reason: str) -> None:
        """Puts a record behind those that wait, because of `reason`; it is on disk when this
        returns. Raises `PeerError` where there is no room."""
        async with self._turn:
            self._fall_behind(reason)
            await self._to_spool()
            try:
                if not self._held:
                    await asyncio.to_thread(self._spool.append, [record])
                    return
            except OSError as error:
                self._no_room(error)
            raise PeerError("the server's disk is full: nothing was saved, try again later")

    async def run(self) -> None:
        """Writes and shows until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish())
            tasks.create_task(self._catch_up())

    async def flush(self) -> None:
        """Writes and shows all that is waiting now."""
        self._filled.clear()
        self._urgent.clear()
        group = list(self._waiting)
        self._waiting.clear()
        self._held.extend(command.record for command, _ in group if isinstance(command, Save))
        if self._held:
            await self._settle()
        for command, born in group:
            if not isinstance(command, Save):
                self._show(command, born)

    async def _publish(self) -> None:
        while True:
            await self._filled.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER):
                    await self._urgent.wait()
            await self.flush()

    # Writing

    async def _settle(self) -> None:
        """Brings what is held to the database, else to the spool. Where neither takes it, the desk
        goes on without its memory: a card is worth more to the operator than none."""
        async with self._turn:
            if not self.behind:
                try:
                    async with asyncio.timeout(WRITE_WITHIN):
                        await self._write(list(self._held))
                except (PeerError, TimeoutError) as error:
                    self._fall_behind(str(error) or "no answer")
                else:
                    self._held.clear()
                    return
            await self._to_spool()
            self._tell()

    async def _write(self, records: list[Record]) -> None:
        try:
            await self._store.write(records)
        except RecordsError as error:
            self._give_up(len(error.refused))
            log.error("store.refused", reason=str(error))

    def _fall_behind(self, reason: str) -> None:
        if not self._behind:
            self._behind = True
            log.error("store.away", reason=reason)
        self._missed.set()

    async def _to_spool(self) -> None:
        while self._held and self._time() >= self._full_until:
            chunk = list(islice(self._held, BATCH))
            try:
                await asyncio.to_thread(self._spool.append, chunk)
            except OSError as error:
                self._no_room(error)
                break
            for _ in chunk:
                self._held.popleft()
        if not self._held:
            self._has_room()
        over = len(self._held) - HELD_MOST
        for _ in range(over):
            self._held.popleft()
        if over > 0:
            self._give_up(over)

    def _no_room(self, error: OSError) -> None:
        self._full_until = self._time() + REPLAY_EVERY
        if not self._full:
            self._full = True
            log.error("spool.full", reason=error.strerror, path=str(self._spool.path))
        self._alarm("disk-full", 1)

    def _has_room(self) -> None:
        self._full_until = 0.0
        if self._full:
            self._full = False
            log.info("spool.has-room")
            self._alarm("disk-full", 0)

    def _give_up(self, records: int) -> None:
        self.lost += records
        self._alarm("records-lost", records)

    def _tell(self) -> None:
        """The figure of what waits, not oftener than it is of use."""
        if self.unsaved and self._time() >= self._told_at + REPLAY_EVERY:
            self._told_at = self._time()
            self._alarm("spooling", self.unsaved)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    # Replaying

    async def _catch_up(self) -> None:
        if self.behind:  # from before the start
            log.info("spool.found", records=self._spool.left)
            self._missed.set()
        while True:
            await self._missed.wait()
            while not await self._replay():
                self._tell()
                await asyncio.sleep(REPLAY_EVERY)

    async def _replay(self) -> bool:
        """Writes what the database lacks, oldest first; False where it does not take it yet. It
        is given all the time that it wants, while the desk goes on with the spool."""
        try:
            while True:
                batch = await asyncio.to_thread(self._spool.read, BATCH)
                if batch.lines:
                    await self._write(list(batch.records))
                    self._spool.done(batch)
                    if batch.damaged:
                        self._give_up(batch.damaged)
                        log.error("spool.damaged", lines=batch.damaged)
                    self._tell()
                elif await self._is_level():
                    return True
        except (PeerError, OSError) as error:
            log.debug("store.still-away", reason=str(error))
            return False

    async def _is_level(self) -> bool:
        """The spool is at its end: whether that is all, and the database has everything. Raises
        `PeerError`, `OSError`."""
        async with self._turn:
            if self._spool.left:  # more came in
                return False
            chunk = list(islice(self._held, BATCH))
            if chunk:
                async with asyncio.timeout(WRITE_WITHIN):
                    await self._write(chunk)
                for _ in chunk:
                    self._held.popleft()
                return False
            await asyncio.to_thread(self._spool.clear)
            self._has_room()
            self._behind = False
            self._missed.clear()
            self._alarm("spooling", 0)
            log.info("store.back")
            return True
