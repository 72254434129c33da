"""The link to the PBX is reset, cut, silent, slow, repeats itself: callers and operators talk on,
and the picture is old for a moment and then right."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest
from oracles import books_are_right, picture_is_true, pops, rings
from pbx_fixtures import Heard
from proxy import Proxy
from server_fixtures import Message, Server, Stream

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx, pytest.mark.faults, pytest.mark.timeout(180)]

ANNA = PhoneSpec("1001", (Manner(ring=0.5),))
BORIS = PhoneSpec("1002", (Manner(ring=0.5),))
FIRST, SECOND, THIRD = "79160000001", "79160000002", "79160000003"


class Desk:
    """Anna talks with the first caller, a second one waits; the books are open."""

    def __init__(self, server: Server, board: Stream, ami: Heard, log: str) -> None:
        self.server, self.board, self.ami = server, board, ami
        self.log, self.since = log, os.path.getsize(log) if os.path.exists(log) else 0
        self.callers: list[LiveCall] = []

    def dial(self, number: str, stay: float = 120) -> LiveCall:
        caller = dial(self.server.status, number, number[-1], stay=stay, audio=True)
        self.callers.append(caller)
        return caller

    def nobody_was_dropped(self) -> None:
        assert [caller.result.done() for caller in self.callers] == [False] * len(self.callers)

    async def link(self, state: str, within: float) -> Message:
        """The link as consoles have it, when it comes to `state`; fails after `within` seconds."""
        shown = await self.board.until(
            lambda m: m["type"] == "pbx" and m["pbx"]["state"] == state, within
        )
        return dict(shown["pbx"])

    async def close(self) -> None:
        """All hang up; then the books must be right, and every ring had one card."""
        self.nobody_was_dropped()
        for caller in self.callers:
            assert (await caller.hang_up()).outcome == "completed"
        await books_are_right(self.server, len(self.callers), self.log, self.since)
        await picture_is_true(self.server, self.ami)
        snapshot = await self.server.snapshot("maria")
        assert [call for call in snapshot["calls"] if call["state"] != "ended"] == []
        assert pops(self.board.messages) == rings(self.ami)


@asynccontextmanager
async def desk(server: Server, ami: Heard) -> AsyncIterator[Desk]:
    async with (
        Phones(server.status, [ANNA], audio=True),
        server.stream("maria") as board,
    ):
        one = Desk(server, board, ami, server.status["queue_log"])
        one.dial(FIRST)
        await board.call("talking")
        one.dial(SECOND)
        await board.call("waiting")
        yield one
        await one.close()


@pytest.mark.parametrize("how", ["reset", "fin"])
async def test_a_link_cut_in_mid_event_is_said_within_two_seconds_and_heals(
    how: Literal["reset", "fin"],
    proxied_server: Server,
    proxy: Proxy,
    pbx: SandboxPbx,
    ami: Heard,
) -> None:
    async with desk(proxied_server, ami) as at:
        before = await proxied_server.snapshot("maria")
        proxy.refusing = True  # so that it stays away for a while
        proxy.cut(how)
        await ami.ask("UserEvent", UserEvent="Anything")  # the event that is cut
        down = await at.link("down", 2)
        assert down["stale_since"] is not None
        # What was there is kept: stale, and no zeros.
        stale = await proxied_server.snapshot("maria")
        for kept in ("calls", "waiting", "operators", "queues"):
            assert stale[kept] == before[kept]
        # A phone rings while nobody sees it; its card is there after the resync.
        async with Phones(proxied_server.status, [BORIS], audio=True):
            await ami.until_event("AgentConnect", MemberName="Пётр Смирнов")
            at.dial(THIRD)
            await ami.until_event("QueueCallerJoin", CallerIDNum=THIRD)
            proxy.healthy()
            await at.link("up", 15)
            await picture_is_true(proxied_server, ami)
            after = await proxied_server.snapshot("maria")
            assert {pop["operator"] for pop in after["pops"]} == {"anna", "boris"}
            at.board.messages.append(after)
            await at.close()
            at.callers.clear()
            assert await proxied_server.metric("cordboard_ami_cut_tails") == 1
            at.since = os.path.getsize(at.log)
