"""The automatic attendant before a real store and a board that a test answers for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from agi_caller import AgiCaller
from prometheus_client import Histogram
from store_fixtures import *  # noqa: F403
from store_fixtures import Clock as StillClock

from cordboard.attendant import Attendant
from cordboard.clock import Clock
from cordboard.config import Settings
from cordboard.crm_core.model import RefusalRecord, RunRecord
from cordboard.crm_core.store import Store
from cordboard.cti.fastagi import FastAgiServer
from cordboard.desk.commands import Save, SendRoute
from cordboard.desk.facts import RouteAsked
from cordboard.desk.model import Known, Rules
from cordboard.door import Door, Question
from cordboard.events import PbxName, QueueName
from cordboard.ivr.script import Script
from cordboard.ivr.speech import Piece, Sound
from cordboard.queue.decisions import Decision
from cordboard.queue.policy import Policy

POLICY = Policy.parse('default_queue = "support"\ndefault_language = "en"\n')
NUMBER = "+79161234567"
MENU = """
version: 1
name: menu
languages: [en]
steps:
  - route: { queue: support-en }
"""
CSAT = """
version: 1
name: csat
languages: [en]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - ask: { kind: scale, scale: 1-5, question: csat, prompt: { sound: mark } }
  - id: bye
    hangup: { sound: bye }
"""


class House:
    """An attendant, and what it told."""

    def __init__(self, store: Store, recordings: Path, **survey: Any) -> None:
        settings = Settings(
            pbx=[{"secret_file": "x"}],
            scripts={"recordings": recordings},
            survey={"script": "csat", **survey},
        )
        self.now = 1_790_000_000.0
        self.posted: list[Any] = []
        self.asked: list[RouteAsked] = []
        self.refuses: str | None = None
        self.scripts = {each.name: each for each in map(Script.parse, (MENU, CSAT))}
        self.door = Door(
            [PbxName("pbx")],
            2.0,
            cast(Clock, lambda: self.now),
            self._put,
            lambda pbx, channel: None,
            Histogram("x", "x", registry=None),
            lambda number: number,
        )
        self.attendant = Attendant(
            settings,
            store,
            cast(Any, self),
            self.door,
            cast(Clock, lambda: self.now),
            self._sounds,
            self.scripts.get,
            lambda pbx, linkedid: Known(None, None, None),
            lambda: Rules(POLICY, ZoneInfo("UTC"), 30, 20, 5),
            lambda step: None,
        )
        self.door.attend(self.attendant)

    def post(self, commands: Sequence[Any], born: float | None) -> None:
        self.posted += [each.record for each in commands if isinstance(each, Save)]

    async def _sounds(self, pieces: Sequence[Piece], language: str) -> list[str]:
        return [each.name for each in pieces if isinstance(each, Sound)]

    def _put(self, question: Question) -> bool:
        assert isinstance(question, RouteAsked)
        self.asked.append(question)
        decision = Decision("queue", QueueName("support-en"), 4, "en", ())
        self.door.answer(SendRoute(question.ask, decision, self.refuses))
        return True

    async def call(self, caller: AgiCaller, path: str, *arguments: str) -> AgiCaller:
        server = FastAgiServer("127.0.0.1", 0, self.attendant.serve, 600)
        await server.start()
        try:
            async with asyncio.timeout(30):
                await caller.call(server.address[1], path, *arguments)
        finally:
            await server.stop()
        return caller

    def runs(self) -> list[RunRecord]:
        found = {each.id: each for each in self.posted if isinstance(each, RunRecord)}
        return list(found.values())


@pytest.fixture
async def house(store: Store, tmp_path: Path) -> AsyncIterator[House]:
    one = House(store, tmp_path)
    yield one
    await one.attendant.close()


async def test_a_script_sends_the_call_where_the_board_says(house: House) -> None:
    caller = await house.call(AgiCaller(), "script", "1.1", "menu", "", "5", "a=1")
    assert caller.variables["CB_DONE"] == "1"
    assert (caller.variables["CB_ACTION"], caller.variables["CB_QUEUE"]) == ("queue", "support-en")
    assert caller.variables["CB_PRIO"] == "4"
    (asked,) = house.asked
    assert asked.wish is not None
    assert (asked.wish.script, asked.wish.target, asked.wish.to) == ("menu", "queue", "support-en")
    assert asked.ivr == {"a": "1"}
    assert [run.outcome for run in house.runs()] == ["routed"]


async def test_an_unknown_script_leaves_the_caller_to_the_dialplan(house: House) -> None:
    caller = await house.call(AgiCaller(), "script", "1.1", "no-such", "", "5", "")
    assert "CB_DONE" not in caller.variables


async def test_nobody_comes_back_from_a_dialling_of_which_nothing_is_known(house: House) -> None:
    caller = await house.call(AgiCaller(), "script", "1.1", "menu", "", "5", "", "NOANSWER")
    assert "CB_DONE" not in caller.variables


async def test_a_board_that_does_not_answer_is_no_way_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.door, "_put", lambda question: False)
    caller = await house.call(AgiCaller(), "script", "1.1", "menu", "", "5", "")
    assert "CB_DONE" not in caller.variables
    assert house.runs()


async def test_after_the_talk_the_caller_is_asked_and_then_hung_up(house: House) -> None:
    caller = await house.call(AgiCaller("4"), "survey", "1.1", "support", "", "5")
    assert (caller.variables["CB_ACTION"], caller.heard) == ("hangup", ["mark", "bye"])
    (run,) = house.runs()
    assert (run.script, run.queue, run.number, run.outcome) == (
        "csat",
        "support",
        NUMBER,
        "completed",
    )


async def test_who_refused_or_was_asked_of_late_is_not_asked(
    store: Store, house: House, clock: StillClock
) -> None:
    async def heard() -> list[str]:
        return (await house.call(AgiCaller("4"), "survey", "1.1", "support", "", "5")).heard

    await heard()
    await store.write(house.posted)
    assert await heard() == []
    house.now += 31 * 86_400
    assert await heard() != []
    house.now += 31 * 86_400
    await store.write([RefusalRecord(house.runs()[0].id, None, NUMBER, None, house.now)])
    assert await heard() == []


def test_the_share_of_those_who_are_asked_is_kept_and_the_same_call_is_always_the_same(
    store: Store, tmp_path: Path
) -> None:
    some = House(store, tmp_path, share=0.3, queues=["support"]).attendant
    drawn = [some.asks_after("support", f"1790000000.{n}") for n in range(2000)]
    assert 0.25 < sum(drawn) / len(drawn) < 0.35
    assert drawn == [some.asks_after("support", f"1790000000.{n}") for n in range(2000)]
    assert not some.asks_after("sales", "1790000000.1")
    none = House(store, tmp_path, share=0.0).attendant
    assert not any(none.asks_after("support", f"1790000000.{n}") for n in range(100))
    assert all(
        House(store, tmp_path).attendant.asks_after("x", f"1790000000.{n}") for n in range(100)
    )


async def test_sockets_that_say_nothing_hold_up_nobody(house: House) -> None:
    server = FastAgiServer("127.0.0.1", 0, house.attendant.serve, 600)
    await server.start()
    silent = [await asyncio.open_connection("127.0.0.1", server.address[1]) for _ in range(500)]
    try:
        caller = AgiCaller()
        async with asyncio.timeout(10):
            await caller.call(server.address[1], "script", "1.1", "menu", "", "5", "")
        assert caller.variables["CB_DONE"] == "1"
    finally:
        for _, writer in silent:
            writer.close()
        await server.stop()
