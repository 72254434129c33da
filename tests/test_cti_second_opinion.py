"""A second and a third opinion: what cordboard's link hears of a real call, and what it is told
when it asks, is what panoramisk and pyst2 hear and are told on connections of their own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import pytest

from cordboard.cti.ami import Message
from cordboard.cti.connection import Connection, LinkCounters, log_in
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial
from cordboard.sandbox.stub import agi, route

pytestmark = [
    pytest.mark.pbx,
    # pyst2 is of the days of Python 2.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning"),
]

Frame = dict[str, str]
NUMBER = "79161234567"


class Peer(Protocol):
    """One AMI client. `heard` is every event that it passed on, in order."""

    heard: list[Frame]

    async def ask(self, action: str, **fields: str) -> Frame: ...

    async def items(self, action: str) -> list[Frame]: ...


class Ours:
    """cordboard's own connection."""

    def __init__(self) -> None:
        self.heard: list[Frame] = []
        self.connection: Connection

    def hear(self, message: Message, _born: float) -> None:
        self.heard.append(dict(message.headers))

    async def ask(self, action: str, **fields: str) -> Frame:
        return dict((await self.connection.act(action, fields)).headers)

    async def items(self, action: str) -> list[Frame]:
        before = len(self.heard)
        await self.connection.list(action)
        return self.heard[before:]


@asynccontextmanager
async def ours(account: dict[str, Any]) -> AsyncIterator[Peer]:
    peer = Ours()
    at = (account["host"], account["port"], account["user"], account["secret"])
    peer.connection = await log_in(*at, LinkCounters(), peer.hear)
    try:
        yield peer
    finally:
        peer.connection.drop("done")


class Panoramisk:
    """Gives list items to whom asked, not to the callbacks; keys in any case."""

    def __init__(self, manager: Any) -> None:
        self.heard: list[Frame] = []
        self.manager = manager

    def hear(self, _manager: Any, event: Any) -> None:
        self.heard.append(dict(event.items()))

    async def ask(self, action: str, **fields: str) -> Frame:
        return dict((await self.manager.send_action({"Action": action, **fields})).items())

    async def items(self, action: str) -> list[Frame]:
        answers = await self.manager.send_action({"Action": action})
        return [dict(one.items()) for one in answers[1:]]


@asynccontextmanager
async def panoramisk(account: dict[str, Any]) -> AsyncIterator[Peer]:
    library = importlib.import_module("panoramisk")
    manager = library.Manager(
        loop=asyncio.get_running_loop(),
        host=account["host"],
        port=account["port"],
        username=account["user"],
        secret=account["secret"],
    )
    peer = Panoramisk(manager)
    manager.register_event("*", peer.hear)
    await manager.connect()
    try:
        await until(lambda: manager.authenticated)
        yield peer
    finally:
        manager.close()


class Pyst:
    """Three threads and no timeouts. List items come as events do, but for an answer that says
    `status will follow`: that one swallows its list, as text."""

    def __init__(self, manager: Any) -> None:
        self.heard: list[Frame] = []
        self.manager = manager

    def hear(self, event: Any, _manager: Any) -> None:
        self.heard.append(dict(event.headers))

    async def ask(self, action: str, **fields: str) -> Frame:
        return dict((await self._send(action, fields)).headers)

    async def items(self, action: str) -> list[Frame]:
        before = len(self.heard)
        answer = await self._send(action, {})
        if answer.data:
            frames = answer.data.strip().split("\r\n\r\n")
            return [dict(line.split(": ", 1) for line in f.split("\r\n")) for f in frames]
        await until(lambda: any(e["Event"] == f"{action}Complete" for e in self.heard[before:]))
        return self.heard[before:]

    async def _send(self, action: str, fields: Frame) -> Any:
        return await asyncio.to_thread(self.manager.send_action, {"Action": action, **fields})


@asynccontextmanager
async def pyst(account: dict[str, Any]) -> AsyncIterator[Peer]:
    library = importlib.import_module("asterisk.manager")
    # Its destructor closes it once more, with words of old that are errors here.
    manager = type("Manager", (library.Manager,), {"__del__": lambda self: None})()
    peer = Pyst(manager)
    manager.register_event("*", peer.hear)
    await asyncio.to_thread(manager.connect, account["host"], account["port"])
    try:
        await asyncio.to_thread(manager.login, account["user"], account["secret"])
        yield peer
    finally:
        # Its words of farewell may be answered, and the line closed, before it has flushed them.
        while manager._running.is_set():
            with contextlib.suppress(ValueError):
                await asyncio.to_thread(manager.close)


async def until(condition: Callable[[], object]) -> None:
    """Looks again and again: two of the three have nothing to wait for."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def all_three(account: dict[str, Any]) -> AsyncIterator[list[Peer]]:
    async with AsyncExitStack() as stack:
        opened = (ours, panoramisk, pyst)
        peers = [await stack.enter_async_context(peer(account)) for peer in opened]
        for peer in peers:  # each is on the line before anything happens
            await peer.ask("Ping")
        yield peers


def events(peer: Peer, name: str) -> list[Frame]:
    return [frame for frame in peer.heard if frame.get("Event") == name]


def story(peer: Peer) -> list[tuple[str, str]]:
    """The events about channels in order, up to the end of the first."""
    told = [
        (frame["Event"], frame["Uniqueid"])
        for frame in peer.heard
        if "Uniqueid" in frame and "ActionID" not in frame
    ]
    caller = told[0][1]
    return told[: told.index(("Hangup", caller)) + 1]


def over(peer: Peer) -> bool:
    """The first channel that was heard of is gone, and so are the others."""
    begun = {frame["Uniqueid"] for frame in events(peer, "Newchannel")}
    return bool(begun) and begun == {frame["Uniqueid"] for frame in events(peer, "Hangup")}


def facts(frames: list[Frame], event: str, *keys: str) -> list[tuple[str, ...]]:
    return sorted(
        tuple(frame.get(key, "") for key in keys) for frame in frames if frame.get("Event") == event
    )


async def test_three_clients_hear_the_same_call_and_are_told_the_same(
    sandbox: dict[str, Any],
) -> None:
    phone = PhoneSpec("1001", (Manner(ring=0.5),))
    async with (
        agi(sandbox, route(CB_ACTION="queue", CB_QUEUE="support-ru")),
        Phones(sandbox, [phone]),
        all_three(sandbox["ami"]) as peers,
    ):
        caller = dial(sandbox, NUMBER, "Анна Ким", stay=5)
        for peer in peers:
            await until(functools.partial(events, peer, "AgentConnect"))
        (joined,) = {frame["Channel"] for frame in events(peers[0], "QueueCallerJoin")}

        asked = {"Channel": joined, "Variable": "CALLERID(all)"}
        answers = [await peer.ask("Getvar", **asked) for peer in peers]
        assert {answer["Response"] for answer in answers} == {"Success"}
        assert {answer["Value"] for answer in answers} == {f'"Анна Ким" <{NUMBER}>'}

        refused = [await peer.ask("Getvar", Channel="PJSIP/none", Variable="X") for peer in peers]
        assert {answer["Response"] for answer in refused} == {"Error"}
        assert {answer["Message"] for answer in refused} == {"No such channel"}

        keys = ("Channel", "Uniqueid", "Linkedid", "ChannelStateDesc", "CallerIDName", "BridgeId")
        channels = [
            facts(await p.items("CoreShowChannels"), "CoreShowChannel", *keys) for p in peers
        ]
        assert [channel[0].partition("-")[0] for channel in channels[0]] == [
            "PJSIP/1001",
            "PJSIP/inbound",
        ]
        assert channels == [channels[0]] * 3

        lists = [await peer.items("QueueStatus") for peer in peers]
        keys = ("Queue", "Location", "StateInterface", "Status", "Paused", "InCall")
        members = [facts(items, "QueueMember", *keys) for items in lists]
        assert ("support-ru", "PJSIP/1001", "PJSIP/1001", "3", "0", "1") in members[0]
        assert members == [members[0]] * 3
        queues = [facts(items, "QueueParams", "Queue", "Strategy", "Calls") for items in lists]
        assert {name for name, _, _ in queues[0]} == set(sandbox["queues"])
        assert queues == [queues[0]] * 3

        assert (await caller.result).outcome == "completed"
        for peer in peers:
            await until(functools.partial(over, peer))

    stories = [story(peer) for peer in peers]
    assert stories[0][0] == ("Newchannel", stories[0][0][1])
    names = {name for name, _ in stories[0]}
    assert names >= {"QueueCallerJoin", "AgentCalled", "AgentConnect", "BridgeEnter", "Hangup"}
    assert names.isdisjoint({"VarSet", "Newexten"})
    assert stories == [stories[0]] * 3
