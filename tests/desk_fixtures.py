"""A desk in the middle of its work, for the tests that hurt it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from oracles import books_are_right, picture_is_true, pops, rings
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream

from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

ANNA = PhoneSpec("1001", (Manner(ring=0.5),))
BORIS = PhoneSpec("1002", (Manner(ring=0.5),))
FIRST, SECOND, THIRD, FOURTH = "79160000001", "79160000002", "79160000003", "79160000004"


class Desk:
    """Anna talks with the first caller, the second waits."""

    def __init__(self, server: Server, board: Stream, ami: Heard) -> None:
        self.server, self.board, self.ami = server, board, ami
        self.log = str(server.status["queue_log"])
        self.since = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.callers: list[LiveCall] = []
        self.gone = 0
        """Callers who hung up before the end."""
        self._phones = AsyncExitStack()

    def dial(self, number: str, stay: float = 150) -> LiveCall:
        caller = dial(self.server.status, number, number[-1], stay=stay, audio=True)
        self.callers.append(caller)
        return caller

    async def phone(self, spec: PhoneSpec) -> Phones:
        """A phone that is there until the end."""
        return await self._phones.enter_async_context(
            Phones(self.server.status, [spec], audio=True)
        )

    async def link(self, state: str, within: float) -> Message:
        """The link as consoles have it, when it comes to `state`; fails after `within` seconds."""
        shown = await self.board.until(
            lambda m: m["type"] == "pbx" and m["pbx"]["state"] == state, within
        )
        return dict(shown["pbx"])

    async def hang_up(self, caller: LiveCall) -> None:
        """One caller hangs up before the end."""
        self.callers.remove(caller)
        self.gone += 1
        assert (await caller.hang_up()).outcome == "completed"

    async def close(self) -> None:
        """All hang up; then the books must be right, and every ring had one card."""
        assert [caller.result.done() for caller in self.callers] == [False] * len(self.callers)
        for caller in self.callers:
            assert (await caller.hang_up()).outcome == "completed"
        await books_are_right(self.server, len(self.callers) + self.gone, self.log, self.since)
        await picture_is_true(self.server, self.ami)
        snapshot = await self.server.snapshot("maria")
        assert [call for call in snapshot["calls"] if call["state"] != "ended"] == []
        self.board.messages.append(snapshot)
        assert pops(self.board.messages) == rings(self.ami)

    async def hang_up_phones(self) -> None:
        await self._phones.aclose()


@asynccontextmanager
async def desk(server: Server, ami: Heard) -> AsyncIterator[Desk]:
    async with server.stream("maria") as board:
        one = Desk(server, board, ami)
        try:
            await one.phone(ANNA)
            one.dial(FIRST)
            await board.call("talking")
            one.dial(SECOND)
            await board.call("waiting")
            yield one
            await one.close()
        finally:
            for caller in one.callers:
                await caller.drop()
            await one.hang_up_phones()


def kept(snapshot: Message) -> dict[str, Any]:
    """What must not change while the link is away."""
    return {key: snapshot[key] for key in ("calls", "waiting", "operators", "queues")}
