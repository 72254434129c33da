"""Publish after commit: what is shown has been written; a database that is away stops nobody, and
what it missed is written when it is back, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from cordboard import ledger as module
from cordboard.crm_core.calls import RecordsError
from cordboard.crm_core.model import FactRecord, Record
from cordboard.desk.commands import Command, Save, Tell
from cordboard.errors import PeerError
from cordboard.events import OperatorName
from cordboard.ledger import Ledger
from cordboard.spool import Spool

WITHIN = 60.0
"""Seconds. What is waited for needs a disk that may have much else to do."""

Refusal = Callable[[Sequence[Record]], Exception | None]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "a.spool", 2**20)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLAY_EVERY", 0.01)


def record(word: str) -> FactRecord:
    return FactRecord(word, 1.0, "offered", "{}")


def save(*words: str) -> list[Command]:
    return [Save(record(word)) for word in words]


def tell(word: str) -> Tell:
    return Tell(word, OperatorName("anna"), None)


class Journal:
    """A store and a screen in one: what was done, in order. `refusal` may spoil a write."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.groups: list[list[str]] = []
        self.born: dict[str, float | None] = {}
        self.alarms: list[tuple[str, int]] = []
        self.level = asyncio.Event()
        self.shown = asyncio.Event()
        self.refusal: Refusal = lambda group: None
        self.open = asyncio.Event()
        self.open.set()
        self._changed = asyncio.Condition()

    async def write(self, group: Sequence[Record]) -> None:
        self.groups.append([one.call_id for one in group if isinstance(one, FactRecord)])
        await self._tell_all()
        await self.open.wait()
        if error := self.refusal(group):
            raise error
        self.done += [("write", one.call_id) for one in group if isinstance(one, FactRecord)]
        await self._tell_all()

    def show(self, command: Command, born: float | None) -> None:
        assert isinstance(command, Tell)
        self.done.append(("show", command.id))
        self.born[command.id] = born
        self.shown.set()

    def alarm(self, kind: str, count: int) -> None:
        self.alarms.append((kind, count))
        if (kind, count) == ("spooling", 0):
            self.level.set()

    def words(self, kind: str) -> list[str]:
        return [word for what, word in self.done if what == kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN), self._changed:
            await self._changed.wait_for(condition)

    async def _tell_all(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[None]:
    task = asyncio.create_task(ledger.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_nothing_is_shown_before_it_is_written(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.open.clear()
    async with running(ledger):
        ledger.post([*save("call"), tell("pop")], None)
        await journal.until(lambda: journal.groups == [["call"]])
        assert journal.done == []
        journal.open.set()
        await journal.until(lambda: bool(journal.words("write")))
        await ledger.flush()
    assert journal.done == [("write", "call"), ("show", "pop")]


async def test_what_came_before_a_save_in_the_group_is_shown_after_it_too_and_in_order(
    spool: Spool,
) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    ledger.post([tell("1"), *save("a"), tell("2")], 7.5)
    ledger.post([*save("b"), tell("3")], None)
    await ledger.flush()
    assert journal.done == [
        ("write", "a"),
        ("write", "b"),
        ("show", "1"),
        ("show", "2"),
        ("show", "3"),
    ]
    assert journal.born == {"1": 7.5, "2": 7.5, "3": None}


async def test_what_gathers_while_a_group_is_written_makes_up_the_next(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.open.clear()
    async with running(ledger):
        ledger.post([*save("a"), tell("1")], None)
        await journal.until(lambda: len(journal.groups) == 1)
        for number in range(2, 50):
            ledger.post([*save(f"a{number}"), tell(str(number))], None)
        journal.open.set()
        await journal.until(lambda: len(journal.words("write")) == 49)
        await ledger.flush()
    assert [len(group) for group in journal.groups] == [1, 48]
    assert journal.words("show") == [str(number) for number in range(1, 50)]


async def test_nothing_to_write_asks_nothing_of_the_database(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    ledger.post([tell("1")], None)
    await ledger.flush()
    assert journal.groups == []
    assert journal.words("show") == ["1"]


async def test_with_the_database_away_all_is_shown_and_spooled_and_written_when_it_is_back(
    spool: Spool,
) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show, journal.alarm)
    journal.refusal = lambda group: PeerError("no connection")
    ledger.post([*save("a"), tell("1")], None)
    await ledger.flush()
    ledger.post([*save("b"), tell("2"), *save("c")], None)
    await ledger.flush()
    assert journal.words("show") == ["1", "2"]
    assert journal.words("write") == []
    assert (ledger.unsaved, ledger.held, spool.left) == (3, 0, 3)
    assert journal.groups == [["a"]], "the second group does not wait for a database that is away"
    journal.refusal = lambda group: None
    async with running(ledger):
        ledger.post([*save("d"), tell("3")], None)
        await journal.until(lambda: len(journal.words("write")) == 4)
        async with asyncio.timeout(WITHIN):
            await journal.level.wait()
    assert journal.words("write") == ["a", "b", "c", "d"]
    assert "3" in journal.words("show")
    assert (ledger.unsaved, ledger.lost, spool.size) == (0, 0, 0)
    assert journal.alarms[0] == ("spooling", 1)
    assert journal.alarms[-1] == ("spooling", 0)


async def test_the_spool_is_told_to_be_empty_only_when_it_is(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the machine: between the last write and the emptied file time may pass."""
    monkeypatch.setattr(module, "REPLAY_EVERY", 0.0)
    journal, sizes = Journal(), list[int]()

    def alarm(kind: str, count: int) -> None:
        if (kind, count) == ("spooling", 0):
            sizes.append(spool.size)
        journal.alarm(kind, count)

    ledger = Ledger(journal, spool, journal.show, alarm)
    journal.refusal = lambda group: PeerError("away")
    ledger.post(save("a"), None)
    await ledger.flush()
    journal.refusal = lambda group: None
    async with running(ledger), asyncio.timeout(WITHIN):
        await journal.level.wait()
        assert sizes == [0]


async def test_the_database_is_looked_for_until_it_is_back(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.refusal = lambda group: PeerError("away") if len(journal.groups) < 4 else None
    async with running(ledger):
        ledger.post([*save("a"), tell("1")], None)
        await journal.until(lambda: bool(journal.words("write")))
    assert journal.groups == [["a"]] * 4
    assert journal.done == [("show", "1"), ("write", "a")]


async def test_nothing_new_is_written_before_what_is_older(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.refusal = lambda group: PeerError("away")
    ledger.post(save("old"), None)
    await ledger.flush()
    journal.refusal = lambda group: None
    journal.open.clear()
    async with running(ledger):
        await journal.until(lambda: journal.groups[-1:] == [["old"]] and len(journal.groups) == 2)
        ledger.post([*save("new"), tell("1")], None)
        async with asyncio.timeout(WITHIN):
            await journal.shown.wait()  # from the spool, while the replay stands still
        journal.open.set()
        await journal.until(lambda: len(journal.words("write")) == 2)
    assert journal.words("write") == ["old", "new"]


async def test_what_is_on_disk_from_before_the_start_is_written_first(
    spool: Spool, tmp_path: Path
) -> None:
    spool.append([record("before")])
    again = Spool(tmp_path / "a.spool", 2**20)  # as after a kill -9
    again.open()
    journal = Journal()
    ledger = Ledger(journal, again, journal.show)
    assert ledger.behind
    ledger.post(save("after"), None)
    await ledger.flush()
    async with running(ledger):
        await journal.until(lambda: len(journal.words("write")) == 2)
    assert journal.words("write") == ["before", "after"]
    again.close()


async def test_a_database_that_hangs_is_waited_for_no_longer_than_said(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    monkeypatch.setattr(module, "WRITE_WITHIN", 0.01)
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.open.clear()
    ledger.post([*save("a"), tell("1")], None)
    async with asyncio.timeout(WITHIN):
        await ledger.flush()
    assert journal.done == [("show", "1")]
    assert ledger.unsaved == 1
    journal.open.set()
    async with running(ledger):
        await journal.until(lambda: journal.words("write") == ["a"])


async def test_refused_records_are_not_tried_again_and_the_others_go_on(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show, journal.alarm)
    journal.refusal = lambda group: RecordsError([(group[0], "NULL in NOT NULL")])
    ledger.post([*save("faulty", "good"), tell("1")], None)
    await ledger.flush()
    assert journal.words("show") == ["1"]
    assert (ledger.unsaved, ledger.lost, ledger.behind) == (0, 1, False)
    assert journal.alarms == [("records-lost", 1)]
    journal.refusal = lambda group: None
    ledger.post([*save("next"), tell("2")], None)
    await ledger.flush()
    assert journal.groups == [["faulty", "good"], ["next"]]
    assert journal.words("show") == ["1", "2"]


async def test_with_no_room_on_disk_either_records_wait_in_memory_and_the_oldest_are_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "HELD_MOST", 3)
    tiny = Spool(tmp_path / "tiny.spool", 10)
    tiny.open()
    journal = Journal()
    ledger = Ledger(journal, tiny, journal.show, journal.alarm)
    journal.refusal = lambda group: PeerError("disk full")
    ledger.post([*save("a", "b", "c", "d", "e"), tell("1")], None)
    await ledger.flush()
    assert journal.words("show") == ["1"]
    assert (ledger.unsaved, ledger.held, ledger.lost) == (3, 3, 2)
    assert ("disk-full", 1) in journal.alarms
    assert ("records-lost", 2) in journal.alarms
    journal.refusal = lambda group: None
    async with running(ledger):
        async with asyncio.timeout(WITHIN):
            await journal.level.wait()
    assert journal.words("write") == ["c", "d", "e"]
    assert ("disk-full", 0) in journal.alarms
    tiny.close()


async def test_what_waits_in_memory_goes_behind_what_is_on_disk_once_there_is_room(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPLAY_EVERY", 0.0)
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.refusal = lambda group: PeerError("away")
    ledger.post(save("a"), None)
    await ledger.flush()
    room, spool.limit = spool.limit, spool.size
    ledger.post(save("b"), None)
    await ledger.flush()
    assert (spool.left, ledger.held) == (1, 1)
    spool.limit = room
    ledger.post(save("c"), None)
    await ledger.flush()
    assert (spool.left, ledger.held) == (3, 0)
    journal.refusal = lambda group: None
    async with running(ledger):
        await journal.until(lambda: len(journal.words("write")) == 3)
    assert journal.words("write") == ["a", "b", "c"]


async def test_a_note_is_kept_behind_what_waits_or_refused_in_words(spool: Spool) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show, journal.alarm)
    journal.refusal = lambda group: PeerError("away")
    ledger.post(save("a"), None)
    await ledger.flush()
    await ledger.keep(record("note"), "away")
    assert spool.left == 2
    spool.limit = spool.size
    with pytest.raises(PeerError, match="disk is full: nothing was saved"):
        await ledger.keep(record("another"), "away")
    assert (spool.left, ledger.held) == (2, 0)
    journal.refusal = lambda group: None
    async with running(ledger):
        await journal.until(lambda: len(journal.words("write")) == 2)
    assert journal.words("write") == ["a", "note"]


async def test_what_was_being_written_when_the_server_stops_is_written_by_the_last_flush(
    spool: Spool,
) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.open.clear()
    async with running(ledger):
        ledger.post(save("a"), None)
        await journal.until(lambda: journal.groups == [["a"]])
    assert journal.words("write") == []
    journal.open.set()
    ledger.post(save("b"), None)
    await ledger.flush()
    assert journal.words("write") == ["a", "b"]


async def test_a_server_that_stops_while_the_database_is_away_leaves_all_on_disk(
    spool: Spool,
) -> None:
    journal = Journal()
    ledger = Ledger(journal, spool, journal.show)
    journal.refusal = lambda group: PeerError("away")
    async with running(ledger):
        ledger.post(save("a"), None)
        await journal.until(lambda: len(journal.groups) >= 2)
    ledger.post(save("b"), None)
    await ledger.flush()
    assert list(spool.records()) == [record("a"), record("b")]
