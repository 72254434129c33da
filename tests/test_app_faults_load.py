"""More than can be taken in: the reader is slow, events flood, callers come at twice the rate that
the machine serves, a queue has five hundred members."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from desk_fixtures import FIRST, desk
from oracles import books_are_right, picture_is_true
from pbx_fixtures import Heard
from proxy import Proxy, name_of
from server_fixtures import Server

from cordboard.sandbox import scenarios
from cordboard.sandbox.scenarios import Dialling
from cordboard.sandbox.sip import Sipp

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

FLOOD = 10_000


async def flood(ami: Heard, events: int, size: int = 300) -> None:
    """User events, as fast as Asterisk takes them; it keeps them for whoever is slow."""
    assert ami._writer
    action = f"Action: UserEvent\r\nUserEvent: Flood\r\nText: {'x' * size}\r\n\r\n".encode()
    for _ in range(events // 100):
        ami._writer.write(action * 100)
        await ami._writer.drain()
    ami.heard.clear()


def memory(server: Server) -> float:
    """MiB that the server holds."""
    assert server._process
    text = Path(f"/proc/{server._process.pid}/status").read_text()
    kib = next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))
    return int(kib) / 1024


async def test_a_flood_through_a_slow_line_is_said_as_lag_and_ends_with_a_resync(
    proxied_server: Server, proxy: Proxy, ami: Heard, ami_raw: Heard
) -> None:
    async with desk(proxied_server, ami) as at:
        before = memory(proxied_server)
        proxy.down.rate = 100_000
        await flood(ami_raw, FLOOD)
        lag = await at.board.until(
            lambda m: m["type"] == "alarm" and m["alarm"]["kind"] == "behind", 15
        )
        assert lag["alarm"]["count"] >= 1
        assert await proxied_server.metric("cordboard_ami_lag_seconds") > 0.5
        # Nobody waits for what is 20 s old: the line is dropped, and a new one brings a snapshot.
        await at.link("down", 15)
        proxy.healthy()
        await at.link("up", 15)
        await at.board.until(lambda m: m["type"] == "alarm-end" and m["kind"] == "behind", 15)
        await picture_is_true(proxied_server, ami)
        assert memory(proxied_server) - before < 50


async def test_a_flood_that_can_be_read_is_read_and_nothing_is_dropped(
    server: Server, ami: Heard, ami_raw: Heard
) -> None:
    async with desk(server, ami) as at:
        before, frames = memory(server), await server.metric("cordboard_ami_frames")
        await flood(ami_raw, FLOOD)
        while await server.metric("cordboard_ami_frames") - frames < FLOOD:
            await asyncio.sleep(0.1)
        assert at.board.of("pbx") == []
        assert memory(server) - before < 50
        await picture_is_true(server, ami)


@asynccontextmanager
async def members(ami: Heard, count: int) -> AsyncIterator[None]:
    """So many more members in one queue."""
    names = [f"Local/{number}@cordboard-phones" for number in range(5000, 5000 + count)]
    for name in names:
        await ami.ask("QueueAdd", Queue="support-bg", Interface=name, Paused="true")
        ami.heard.clear()
    try:
        yield
    finally:
        for name in names:
            await ami.ask("QueueRemove", Queue="support-bg", Interface=name)
            ami.heard.clear()


async def test_with_five_hundred_members_the_picture_is_back_within_two_seconds(
    proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    async with members(ami, 500), desk(proxied_server, ami) as at:
        took: list[float] = []
        booted: list[float] = []

        def note(frame: bytes) -> tuple[float, ...]:
            if name_of(frame) == "FullyBooted":
                booted.append(time.monotonic())
            return (0,)

        proxy.down.plan = note
        for _ in range(3):
            proxy.reset()
            await at.link("down", 2)
            await at.link("up", 15)
            took.append(time.monotonic() - booted[-1])
        print(f"resync with 500 members: {', '.join(f'{one:.2f}' for one in took)} s")
        snapshot = await proxied_server.snapshot("maria")
        assert len([o for o in snapshot["operators"] if o["name"].startswith("Local/")]) == 500
        assert min(took) < 2


RATED = 30
"""Calls a second that cordboard promises to serve on one machine."""


async def test_at_twice_the_rated_load_routing_goes_first_and_no_caller_is_dropped(
    server: Server, ami: Heard
) -> None:
    """Six hundred callers in ten seconds, each of whom waits two seconds and hangs up."""
    rate, calls = 2 * RATED, 600
    log, since = server.status["queue_log"], os.path.getsize(server.status["queue_log"])
    sipp = Sipp(server.status)
    dialling = Dialling(FIRST, "Everybody", server.status["sip"]["inbound"], stay=2.0)
    began = time.monotonic()
    worst = 0.0
    try:
        async with server.stream("maria") as board:
            await sipp.start(
                scenarios.caller(dialling, audio=None),
                *("-m", str(calls), "-r", str(rate), "-l", str(calls), "-timeout", "90"),
            )
            ended = asyncio.ensure_future(sipp.wait())
            while not ended.done():
                await asyncio.wait([ended], timeout=0.5)
                worst = max(worst, await server.metric("cordboard_ami_lag_seconds"))
            took = time.monotonic() - began
            # SIPp counts as failed whoever is refused, cut off, or not answered.
            assert ended.result() == 0, sipp.complaint()
            late = calls - await server.metric('cordboard_route_seconds_bucket{le="0.1"}')
            slow = calls - await server.metric('cordboard_route_seconds_bucket{le="1.0"}')
            unrouted = fallbacks(ami)
            print(f"{calls} calls in {took:.1f} s: {late:.0f} routed after more than 0.1 s,")
            print(f"{slow:.0f} after more than 1 s, {unrouted} not at all: the default queue had")
            print(f"them; events at most {worst:.1f} s late")
            # Where the machine has no time left at all the dialplan helps itself; nobody is lost.
            assert unrouted <= calls * 0.05
            while (await server.snapshot("maria"))["waiting"]:
                await asyncio.sleep(0.2)
        if worst >= 1:
            assert [m for m in board.of("alarm") if m["alarm"]["kind"] == "behind"]
    finally:
        await sipp.stop()
    # Starved of time, Asterisk stamps queue_log and its events seconds apart.
    await books_are_right(server, calls, log, since, durations=False)


def fallbacks(ami: Heard) -> int:
    """How many callers the dialplan had to help itself with."""
    return len([e for e in ami.events("UserEvent") if e.get("UserEvent") == "CordboardFallback"])
