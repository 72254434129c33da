"""The flight recorder: a ring of the last minutes on disk, to be replayed after an incident.

What is written stands in `flight`. Lines are made where the consumer is, and written by a thread,
a group each second. A disk that is full or slow costs the recording, never a call: what cannot be
written is dropped and counted, and recording goes on with a new segment when it can.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from io import FileIO
from pathlib import Path

import structlog

from cordboard.config import Recorder as Settings
from cordboard.core import Core, Item
from cordboard.cti.facts import PbxMessage
from cordboard.desk.commands import Command
from cordboard.flight import HEAD, SUM, USER_EVENTS, Writer, broken
from cordboard.pseudonyms import Pseudonyms

log = structlog.get_logger(__name__)

WRITE_EVERY = 1.0
"""Seconds. What a kill of the process can cost."""
RETRY_EVERY = 10.0
"""Seconds from a failure of the disk to the next try."""
SEGMENTS = 12
"""Into how many the ring is cut; the oldest goes as a whole."""
LONG = 4
"""How much longer than its head a segment may be, whatever the ring's size."""
SHARE = 0.001
"""Of the time may go into heads: the more there is to write, the longer the segments."""

NEVER = float("inf")

WAITING_MOST = 16 * 1024 * 1024
"""Bytes that may wait for a slow disk."""

_NAME = re.compile(r"flight-(\d{8})\.jsonl")


class Recorder:
    """`take` is called for every item, after the core has had it; it never raises and never waits.

    `words` of the configuration are written as they are. `stopped` is told once when nothing can
    be recorded, and `resumed` when it can again.
    """

    def __init__(
        self,
        settings: Settings,
        core: Core,
        words: Iterable[str],
        stopped: Callable[[str], None],
        resumed: Callable[[], None],
    ) -> None:
        self._settings, self._core, self._words = settings, core, words
        self._stopped, self._resumed = stopped, resumed
        self._seconds = settings.minutes * 60
        self._bytes = settings.megabytes * 1_000_000
        self._ring = _Ring(settings.path, self._seconds, self._bytes)
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._writer: Writer | None = None
        """None while nothing is recorded."""
        self._names: Pseudonyms | None = None
        self._retry_at = NEVER
        self._complained = False
        self._lines: list[bytes] = []
        self._waiting = 0
        self._began = self._lasts = 0.0
        self._size = self._head = 0
        self.lost = 0
        """Items that are in no recording, since the disk would not take them."""

    def take(self, item: Item, now: float, commands: list[Command] | Exception) -> None:
        """`commands` is what the core made of `item`, or the rule of ours that it broke."""
        try:
            if type(item) is PbxMessage and not commands and not self._matters(item):
                return
            if self._writer is None:
                self.lost += self._complained
                return
            if isinstance(commands, Exception):
                decided = [broken(commands)]
            else:
                decided = self._writer.decisions(commands)
            self._put(self._writer.line(item, now, decided))
            if self._is_full(now):
                self._begin(now)
        except Exception as error:  # whatever is wrong here is not worth a call
            self._broke(error)

    def _matters(self, item: PbxMessage) -> bool:
        message = item.message
        if message["Event"] == "UserEvent" and not message["UserEvent"].startswith(USER_EVENTS):
            return False
        return self._core.models[item.pbx].reads(message)

    def _put(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        self._waiting += len(line)
        if self._waiting > WAITING_MOST:
            self._stop("the disk is too slow", RETRY_EVERY)

    def _is_full(self, now: float) -> bool:
        aged = abs(now - self._began) > self._lasts  # clocks are set back, too
        return aged or self._size > max(self._bytes / SEGMENTS, LONG * self._head)

    def _begin(self, now: float) -> None:
        if self._writer is None:
            return
        began = time.perf_counter()
        head = self._writer.head(self._core, now)
        took = time.perf_counter() - began
        self._lasts = max(self._seconds / SEGMENTS, min(took / SHARE, self._seconds / 2))
        self._began, self._head, self._size = now, len(head), 0
        self._lines.append(head)

    def _broke(self, error: Exception) -> None:
        """A rule of our own is broken; its words may be somebody's, so only its kind is told."""
        log.error("recorder.broken", exc_info=error)
        self._stop(type(error).__name__, NEVER)

    def _stop(self, why: str, retry_in: float) -> None:
        self.lost += _items(self._lines)
        self._lines, self._waiting, self._writer = [], 0, None
        self._retry_at = asyncio.get_running_loop().time() + retry_in
        if not self._complained:
            self._complained = True
            log.error("recorder.stopped", why=why)
            self._stopped(why)

    def start(self) -> None:
        """From now on items are recorded, if recording is wanted."""
        if not self._seconds:
            return
        try:
            self._names = self._names or Pseudonyms(_key(self._settings), self._words)
            self._writer = Writer(self._names)
            self._begin(time.time())
        except OSError as error:
            self._stop(f"{error.filename}: {error.strerror}", RETRY_EVERY)
        except Exception as error:  # as in `take`
            self._broke(error)

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            await self.flush()

    async def close(self) -> None:
        """Writes what is left."""
        await self.flush()
        self._thread.shutdown()
        self._ring.close()

    async def flush(self) -> None:
        """Writes what was taken so far; begins again where it had stopped, and may."""
        if self._writer is None and asyncio.get_running_loop().time() >= self._retry_at:
            self.start()
        lines, self._lines, self._waiting = self._lines, [], 0
        if not lines:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._ring.write, lines)
        except OSError as error:
            self.lost += _items(lines)
            self._stop(f"{self._ring.folder}: {error.strerror}", RETRY_EVERY)
        else:
            if self._complained and self._writer is not None:
                self._complained = False
                log.info("recorder.resumed", lost=self.lost)
                self._resumed()


class _Ring:
    """The files. Used by one thread."""

    def __init__(self, folder: Path, seconds: float, most: int) -> None:
        self.folder = folder
        self._seconds, self._most = seconds, most
        self._file: FileIO | None = None
        self._sum = blake2b(digest_size=SUM)

    def write(self, lines: Sequence[bytes]) -> None:
        """Raises OSError; the next line must then be a head."""
        group: list[bytes] = []
        for line in lines:
            if line.startswith(HEAD):
                self._append(group)
                group = []
                self._open(len(line))
            group.append(line)
        self._append(group)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _append(self, group: Sequence[bytes]) -> None:
        if group and self._file:
            data = b"".join(group)
            self._sum.update(data)
            left = memoryview(data + b'{"sum":"%s"}\n' % self._sum.hexdigest().encode())
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]

    def _open(self, head: int) -> None:
        self.close()
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        there = segments(self.folder)
        number = int(there[-1].stem.partition("-")[2]) + 1 if there else 1
        self._prune(there, max(self._most // SEGMENTS, (LONG + 1) * head))
        # Two servers in one folder do not write to one file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        file = os.open(self.folder / f"flight-{number:08}.jsonl", flags, 0o600)
        self._file = FileIO(file, "wb")
        self._sum = blake2b(digest_size=SUM)

    def _prune(self, there: list[Path], room: int) -> None:
        """Takes away what is too old, and so much more that there is room for one segment."""
        states = {path: path.stat() for path in there}
        total = sum(state.st_size for state in states.values()) + room
        for path, state in states.items():
            if state.st_mtime < time.time() - self._seconds or total > self._most:
                path.unlink(missing_ok=True)
                total -= state.st_size


def segments(folder: Path) -> list[Path]:
    """The segments of a recording, oldest first."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _items(lines: Iterable[bytes]) -> int:
    return sum(not line.startswith(HEAD) for line in lines)


def _key(settings: Settings) -> bytes:
    """The key of the pseudonyms, made at the first start. It stands beside the folder, not in it:
    who takes the recording away shall not take the key as well."""
    path = settings.key_file or settings.path.with_name(f"{settings.path.name}.key")
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(file, "wb") as made:
        made.write(secrets.token_hex(32).encode())
    return path.read_bytes()
