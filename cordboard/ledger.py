"""Publish after commit: what the board tells is first written, then shown.

Commands come in order and leave in order. Whatever has gathered while one group was written makes
up the next. A card, and an answer that somebody waits for, goes out at once; the rest waits a
moment for company, since a transaction costs the same for one record as for many.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from cordboard.crm_core.calls import RecordsError
from cordboard.crm_core.model import Record
from cordboard.desk import Command, EndPop, Save, ShowPop, Tell
from cordboard.errors import PeerError

log = structlog.get_logger(__name__)

WRITE_WITHIN = 2.0
"""Seconds for one group. Operators are not kept waiting for a database longer than this."""

GATHER = 0.06
"""Seconds that what is not urgent waits for more."""

UNSAVED_MOST = 100_000
"""Records kept for a database that is away, about a day of a small contact centre."""

RETRY_EVERY = 1.0


class Writer(Protocol):
    async def write(self, group: Sequence[Record]) -> None: ...


class Ledger:
    """`show` is called, in order, for every command that is not a `Save`."""

    def __init__(self, store: Writer, show: Callable[[Command, float | None], None]) -> None:
        self._store = store
        self._show = show
        self._waiting: deque[tuple[Command, float | None]] = deque()
        self._unsaved: deque[Record] = deque()
        self._filled = asyncio.Event()
        self._urgent = asyncio.Event()
        self.lost = 0
        """Records given up: the database was away for too long, or refused them."""

    @property
    def unsaved(self) -> int:
        """Records that the database has not taken yet because it is away."""
        return len(self._unsaved)

    def post(self, commands: Sequence[Command], born: float | None) -> None:
        """Takes commands in. `born` is the moment at which what led to them was read."""
        self._waiting.extend((command, born) for command in commands)
        self._filled.set()
        if any(isinstance(command, ShowPop | EndPop | Tell) for command in commands):
            self._urgent.set()

    async def run(self) -> None:
        """Writes and shows until it is cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_EVERY if self._unsaved else None):
                    await self._filled.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER):
                    await self._urgent.wait()
            await self.flush()

    async def flush(self) -> None:
        """Writes and shows all that is waiting now."""
        self._filled.clear()
        self._urgent.clear()
        group = list(self._waiting)
        self._waiting.clear()
        records = [command.record for command, _ in group if isinstance(command, Save)]
        await self._write(records)
        for command, born in group:
            if not isinstance(command, Save):
                self._show(command, born)

    async def _write(self, records: list[Record]) -> None:
        before = len(self._unsaved)
        self._unsaved.extend(records)
        if not self._unsaved:
            return
        try:
            async with asyncio.timeout(WRITE_WITHIN):
                await self._store.write(list(self._unsaved))
        except RecordsError as error:
            self.lost += len(error.refused)
            log.error("store.refused", reason=str(error))
        except (PeerError, TimeoutError) as error:
            # The desk goes on without its memory: a card with no history is worth more to the
            # operator than none. The records wait.
            if not before:
                log.error("store.away", reason=str(error) or "no answer")
            while len(self._unsaved) > UNSAVED_MOST:
                self._unsaved.popleft()
                self.lost += 1
            return
        if before:
            log.info("store.back", records=len(self._unsaved))
        self._unsaved.clear()
