"""Publish after commit: what is shown has been written; a database that is away stops nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from cordboard import ledger as module
from cordboard.crm_core.calls import RecordsError
from cordboard.crm_core.model import FactRecord, Record
from cordboard.desk import Command, Save, Tell
from cordboard.errors import PeerError
from cordboard.events import OperatorName
from cordboard.ledger import Ledger

Refusal = Callable[[Sequence[Record]], Exception | None]


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

    def words(self, kind: str) -> list[str]:
        return [word for what, word in self.done if what == kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self._changed:
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


async def test_nothing_is_shown_before_it_is_written() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.open.clear()
    async with running(ledger):
        ledger.post([*save("call"), tell("pop")], None)
        await journal.until(lambda: journal.groups == [["call"]])
        assert journal.done == []
        journal.open.set()
        await journal.until(lambda: bool(journal.words("write")))
        await ledger.flush()
    assert journal.done == [("write", "call"), ("show", "pop")]


async def test_what_came_before_a_save_in_the_group_is_shown_after_it_too_and_in_order() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
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


async def test_what_gathers_while_a_group_is_written_makes_up_the_next() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
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


async def test_nothing_to_write_asks_nothing_of_the_database() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    ledger.post([tell("1")], None)
    await ledger.flush()
    assert journal.groups == []
    assert journal.words("show") == ["1"]


async def test_with_the_database_away_all_is_shown_and_kept_and_written_when_it_is_back() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.refusal = lambda group: PeerError("no connection")
    ledger.post([*save("a"), tell("1")], None)
    await ledger.flush()
    ledger.post([*save("b"), tell("2"), *save("c")], None)
    await ledger.flush()
    assert journal.words("show") == ["1", "2"]
    assert journal.words("write") == []
    assert ledger.unsaved == 3
    journal.refusal = lambda group: None
    ledger.post([*save("d"), tell("3")], None)
    await ledger.flush()
    assert journal.words("write") == ["a", "b", "c", "d"]
    assert journal.done[-1] == ("show", "3")
    assert (ledger.unsaved, ledger.lost) == (0, 0)


async def test_records_are_tried_again_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_EVERY", 0.01)
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.refusal = lambda group: PeerError("away") if len(journal.groups) < 4 else None
    async with running(ledger):
        ledger.post([*save("a"), tell("1")], None)
        await journal.until(lambda: bool(journal.words("write")))
    assert journal.groups == [["a"]] * 4
    assert journal.done == [("show", "1"), ("write", "a")]


async def test_a_database_that_hangs_is_waited_for_no_longer_than_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WRITE_WITHIN", 0.01)
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.open.clear()
    ledger.post([*save("a"), tell("1")], None)
    async with asyncio.timeout(5):
        await ledger.flush()
    assert journal.done == [("show", "1")]
    assert ledger.unsaved == 1
    journal.open.set()
    await ledger.flush()
    assert journal.words("write") == ["a"]


async def test_refused_records_are_not_tried_again_and_the_others_go_on() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.refusal = lambda group: RecordsError([(group[0], "NULL in NOT NULL")])
    ledger.post([*save("faulty", "good"), tell("1")], None)
    await ledger.flush()
    assert journal.words("show") == ["1"]
    assert ledger.unsaved == 0
    journal.refusal = lambda group: None
    ledger.post([*save("next"), tell("2")], None)
    await ledger.flush()
    assert journal.groups == [["faulty", "good"], ["next"]]
    assert journal.words("show") == ["1", "2"]


async def test_a_database_away_for_too_long_loses_the_oldest_and_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNSAVED_MOST", 3)
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.refusal = lambda group: PeerError("away")
    ledger.post(save("a", "b", "c", "d", "e"), None)
    await ledger.flush()
    assert (ledger.unsaved, ledger.lost) == (3, 2)
    journal.refusal = lambda group: None
    await ledger.flush()
    assert journal.words("write") == ["c", "d", "e"]


async def test_what_was_being_written_when_the_server_stops_is_written_by_the_last_flush() -> None:
    journal = Journal()
    ledger = Ledger(journal, journal.show)
    journal.open.clear()
    async with running(ledger):
        ledger.post(save("a"), None)
        await journal.until(lambda: journal.groups == [["a"]])
    assert journal.words("write") == []
    journal.open.set()
    ledger.post(save("b"), None)
    await ledger.flush()
    assert journal.words("write") == ["a", "b"]
