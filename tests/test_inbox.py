"""The one way into the desk: two lanes, in order, bounded."""

from __future__ import annotations

import asyncio

import pytest

from cordboard.inbox import Inbox


async def taken(inbox: Inbox[str], count: int) -> list[str]:
    async with asyncio.timeout(60):
        return [await inbox.get() for _ in range(count)]


async def test_each_lane_keeps_its_order_and_the_urgent_one_goes_first() -> None:
    inbox: Inbox[str] = Inbox(10)
    for item, urgent in (("e1", False), ("r1", True), ("e2", False), ("r2", True), ("e3", False)):
        assert inbox.put(item, urgent)
    assert len(inbox) == 5
    assert await taken(inbox, 5) == ["r1", "r2", "e1", "e2", "e3"]
    assert len(inbox) == 0


async def test_an_urgent_item_overtakes_the_events_that_are_left() -> None:
    inbox: Inbox[str] = Inbox(10)
    inbox.put("e1")
    inbox.put("e2")
    assert await taken(inbox, 1) == ["e1"]
    inbox.put("r1", urgent=True)
    assert await taken(inbox, 2) == ["r1", "e2"]


async def test_a_full_lane_refuses_takes_nothing_and_leaves_the_other_lane_open() -> None:
    inbox: Inbox[str] = Inbox(2)
    assert [inbox.put(item) for item in ("e1", "e2", "e3")] == [True, True, False]
    assert [inbox.put(item, urgent=True) for item in ("r1", "r2", "r3")] == [True, True, False]
    assert await taken(inbox, 4) == ["r1", "r2", "e1", "e2"]
    assert inbox.put("e4")
    assert inbox.put("r4", urgent=True)
    assert await taken(inbox, 2) == ["r4", "e4"]


@pytest.mark.parametrize("urgent", [False, True])
async def test_the_reader_sleeps_until_something_comes(urgent: bool) -> None:
    inbox: Inbox[str] = Inbox(2)
    for item in ("first", "second"):
        reader = asyncio.ensure_future(inbox.get())
        done, _ = await asyncio.wait([reader], timeout=0)
        assert not done
        inbox.put(item, urgent)
        async with asyncio.timeout(60):
            assert await reader == item


async def test_nothing_is_lost_when_the_reader_is_cancelled_while_it_waits() -> None:
    inbox: Inbox[str] = Inbox(2)
    reader = asyncio.ensure_future(inbox.get())
    await asyncio.wait([reader], timeout=0)
    reader.cancel()
    inbox.put("kept")
    await asyncio.gather(reader, return_exceptions=True)
    assert await taken(inbox, 1) == ["kept"]
