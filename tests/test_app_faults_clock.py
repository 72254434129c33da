"""Clocks that jump: the PBX's by an hour, the server's by an hour. Nobody's talk becomes an hour
longer, and no timer waits an hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from desk_fixtures import ANNA, FIRST, SECOND, THIRD
from server_fixtures import Server, state_of

from cordboard.crm_core.model import CallRecord
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.sip import CallResult, Phones, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

HOUR = 3600.0
QUEUE_WAIT = 600
"""Seconds that the dialplan lets a caller wait."""


@pytest.fixture
async def clocked_pbx(tmp_path: Path) -> AsyncIterator[SandboxPbx]:
    """An Asterisk of its own, whose time of day the test sets."""
    started = SandboxPbx(tmp_path / "pbx")
    started.start(die_with_parent=True, own_clock=True)
    yield started
    started.down()


@pytest.fixture
async def clocked_server(tmp_path: Path, clocked_pbx: SandboxPbx) -> AsyncIterator[Server]:
    running = Server(tmp_path, clocked_pbx.status())
    await running.prepare()
    await running.start()
    try:
        yield running
    finally:
        running.stop()


async def rows(server: Server, count: int) -> list[CallRecord]:
    """The calls, when so many have ended."""
    for _ in range(100):
        async with server.store() as store:
            found = await store.recent_calls(100)
        if [row.state for row in found] == ["ended"] * count:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{found} are not {count} ended calls")


def same_length(row: CallRecord, heard: CallResult) -> bool:
    """The call as long as SIPp's phone measured it by its own clock, within a second."""
    assert row.ended_at is not None
    return abs((row.ended_at - row.started_at) - (heard.ended - heard.started)) < 1


@pytest.mark.parametrize("step", [HOUR, QUEUE_WAIT - 60, -HOUR])
async def test_the_pbx_clock_jumps_and_durations_stay_right(
    step: float, clocked_pbx: SandboxPbx, clocked_server: Server
) -> None:
    server = clocked_server
    async with (
        Phones(server.status, [ANNA], audio=True),
        server.stream("maria") as board,
    ):
        first = dial(server.status, FIRST, "1", stay=100, audio=True)
        await board.call("talking")
        second = dial(server.status, SECOND, "2", stay=100, audio=True)
        await board.call("waiting")
        before = await waiting_since(server)
        clocked_pbx.set_clock(step)
        await asyncio.sleep(2)  # the library looks at its file once a second
        if step > QUEUE_WAIT:
            # Queue() measures by the time of day: to Asterisk this caller has waited for an hour.
            heard = [await second.result]
            second = dial(server.status, SECOND, "2", stay=100, audio=True)
            await waiting_shown(server, 1)
            before = await waiting_since(server)
        else:
            heard = []
        # A resync in between: what Asterisk tells of waits is nonsense now.
        await server.restart()
        await waiting_shown(server, 1)
        assert abs(await waiting_since(server) - before) < 0.01
        third = dial(server.status, THIRD, "3", stay=100, audio=True)
        await waiting_shown(server, 2)
        heard += [await caller.hang_up() for caller in (second, third, first)]
    ended = await rows(server, len(heard))
    numbers = (*[f"+{SECOND}"] * (len(heard) - 2), f"+{THIRD}", f"+{FIRST}")
    for number, result in zip(numbers, heard, strict=True):
        assert any(same_length(row, result) for row in ended if row.number == number), number
    (talk,) = [row for row in ended if row.number == f"+{FIRST}"]
    assert talk.started_at <= (talk.answered_at or 0) <= (talk.ended_at or 0)
    async with server.store() as store:
        entries = await store.entries_since(0)
    text = Path(server.status["queue_log"]).read_text(encoding="utf-8")
    ends = {"CONNECT": "connected", "ABANDON": "abandoned", "EXITWITHTIMEOUT": "timed-out"}
    lines = [line.split("|") for line in text.splitlines()]
    logged = {line[1]: ends[line[4]] for line in lines if line[4] in ends}
    assert {entry.uniqueid: entry.outcome for entry in entries} == logged
    for entry in entries:
        assert 0 <= (entry.left_at or 0) - entry.entered_at < 30


async def waiting_shown(server: Server, count: int) -> None:
    async with asyncio.timeout(5):
        while len((await server.snapshot("maria"))["waiting"]) != count:
            await asyncio.sleep(0.05)


async def waiting_since(server: Server) -> float:
    (waiting,) = (await server.snapshot("maria"))["waiting"]
    return datetime.fromisoformat(waiting["since"]).timestamp()


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_our_own_clock_jumps_and_durations_and_wrap_ups_stay_right(
    step: float, tmp_path: Path, pbx: SandboxPbx
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = Server(tmp_path, pbx.status(), wrapup=4, clock=clock)
    await server.prepare()
    await server.start()
    try:
        async with (
            Phones(server.status, [ANNA], audio=True),
            server.stream("maria") as board,
        ):
            caller = dial(server.status, FIRST, "1", stay=100, audio=True)
            await board.call("talking")
            clock.write_text(str(step))
            async with asyncio.timeout(5):
                alarm = await board.alarm("clock-stepped")
            assert abs(alarm["count"] - HOUR) <= 1
            result = await caller.hang_up()
            await board.until(lambda m: state_of(m, "anna") == "wrap-up", 5)
            began = time.monotonic()
            await board.until(lambda m: m["type"] == "screenpop-end", 10)
            assert 2.5 < time.monotonic() - began < 6.5
            # The desk is quiet: the machine's time is taken over, and the alarm is over.
            await board.until(
                lambda m: m["type"] == "alarm-end" and m["kind"] == "clock-stepped", 5
            )
        (row,) = await rows(server, 1)
        assert same_length(row, result)
        assert abs(row.started_at - time.time()) < 60
        snapshot = await server.snapshot("maria")
        now = datetime.fromisoformat(snapshot["now"]).timestamp()
        assert abs(now - (time.time() + step)) < 5
    finally:
        server.stop()
