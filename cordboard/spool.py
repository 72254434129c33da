"""Records on disk that the database has not taken yet.

One line a record: a checksum, and the record as JSON with the names of its fields. Lines are only
ever added at the end, and all are replayed, in their order, before the file is emptied. What a
replay writes is known by its own key (`Calls.write`), so a replay that broke off begins again at
the first line and changes nothing twice.

A group is flushed to the disk itself (fsync) before `append` returns, and so is the emptying: a
power cut brings no old line back over rows that are newer. The file holds people's numbers and is
for its owner alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zlib import crc32

from cordboard.crm_core.model import (
    AnswerRecord,
    AttemptRecord,
    AuditRecord,
    CallbackRecord,
    CallRecord,
    EntryRecord,
    FactRecord,
    Interaction,
    PolicyRecord,
    Record,
    RefusalRecord,
    Respondent,
    RunRecord,
    StateRecord,
    WrapUp,
)
from cordboard.errors import UserError

_KINDS: dict[str, type[Record]] = {
    "call": CallRecord,
    "entry": EntryRecord,
    "fact": FactRecord,
    "interaction": Interaction,
    "policy": PolicyRecord,
    "state": StateRecord,
    "wrap-up": WrapUp,
    "audit": AuditRecord,
    "callback": CallbackRecord,
    "run": RunRecord,
    "answer": AnswerRecord,
    "refusal": RefusalRecord,
    "respondent": Respondent,
    "attempt": AttemptRecord,
}
_WORDS = {kind: word for word, kind in _KINDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _KINDS.values()}


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read in one go. `end` is the byte after it, `damaged` counts its lines that are no
    records."""

    records: tuple[Record, ...]
    end: int
    damaged: int

    @property
    def lines(self) -> int:
        return len(self.records) + self.damaged


class Spool:
    """A spool file of at most `limit` bytes. Its methods block, and may be called from any thread.

    `open` before use. `left` counts the lines that are still to be replayed, `size` their bytes
    with those that have been.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.left = 0
        self.size = 0
        self.damaged = 0
        """Lines that were no records, since the start."""
        self._file = -1
        self._position = 0
        self._keep = False
        self._lock = threading.RLock()

    def open(self) -> None:
        """Finds out what is there. A line that was cut off by a crash is dropped and counted.
        Raises `UserError` where the file cannot be made or read."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fchmod(self._file, 0o600)
            self._survey()
        except OSError as error:
            raise UserError(
                f"[spool] path {self.path}: {error.strerror}; name a file that the server may write"
            ) from error

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def append(self, group: Sequence[Record]) -> None:
        """On disk when this returns. Raises `OSError` where there is no room; nothing of the group
        is in the file then."""
        data = b"".join(map(_line, group))
        with self._lock:
            if self.size + len(data) > self.limit:
                raise OSError(errno.EDQUOT, f"the spool holds its {self.limit} bytes")
            try:
                # Whatever a failed attempt left behind is not part of the file.
                os.ftruncate(self._file, self.size)
                _write(self._file, data, self.size)
                os.fsync(self._file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self.size)
                raise
            self.size += len(data)
            self.left += len(group)

    def read(self, most: int) -> Batch:
        """The next lines to be replayed, `most` at most; none at the end."""
        with self._lock:
            return self._read(self._position, most)

    def done(self, batch: Batch) -> None:
        """`batch`, which `read` gave last, is in the database."""
        with self._lock:
            self._position = batch.end
            self.left -= batch.lines
            self.damaged += batch.damaged
            self._keep = self._keep or batch.damaged > 0

    def clear(self) -> None:
        """Empties the file, all of which has been replayed. One with damaged lines is put aside
        under the name `….damaged`, for a person to look into. Raises `OSError`."""
        with self._lock:
            if self._keep:
                self._put_aside()
            os.ftruncate(self._file, 0)
            os.fsync(self._file)
            self.left = self.size = self._position = 0
            self._keep = False

    def records(self) -> Iterator[Record]:
        """All records that are still to be replayed."""
        position = self._position
        while (batch := self._read(position, 1000)).lines:
            yield from batch.records
            position = batch.end

    def _put_aside(self) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged")
        os.replace(self.path, aside)
        os.close(self._file)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _survey(self) -> None:
        self.left = self.size = 0
        tail = b""
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            for line in file:
                if not line.endswith(b"\n"):
                    tail = line
                    break
                self.left += 1
                self.size += len(line)
        if tail:
            self.damaged += 1
            os.ftruncate(self._file, self.size)

    def _read(self, position: int, most: int) -> Batch:
        records: list[Record] = []
        damaged = 0
        with open(self._file, "rb", closefd=False) as file:
            file.seek(position)
            while len(records) + damaged < most and file.tell() < self.size:
                record = _record(file.readline())
                if record is None:
                    damaged += 1
                else:
                    records.append(record)
            return Batch(tuple(records), file.tell(), damaged)


def _line(record: Record) -> bytes:
    kind = type(record)
    values = {name: getattr(record, name) for name in _FIELDS[kind]}
    text = json.dumps({_WORDS[kind]: values}, separators=(",", ":")).encode()
    return b"%08x %b\n" % (crc32(text), text)


def _record(line: bytes) -> Record | None:
    """None where the line is not what was written."""
    mark, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(mark, 16) != crc32(text):
            return None
        ((word, values),) = json.loads(text).items()
        return _KINDS[word](**values)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _write(file: int, data: bytes, at: int) -> None:
    rest: Any = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, at)
        rest, at = rest[written:], at + written
