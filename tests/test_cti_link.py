"""The link: up with a snapshot, down with a reason, never two actions for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from fakes import BOOTED, FakePbx, fake_pbx

from cordboard.cti import connection as connection_module
from cordboard.cti import link as link_module
from cordboard.cti.facts import (
    LinkDown,
    LinkItem,
    LinkUp,
    PbxMessage,
    SnapshotBegan,
    SnapshotDone,
)
from cordboard.cti.link import AmiLink
from cordboard.errors import PeerError
from cordboard.events import PbxName

EVENT = (
    "Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/1\r\nChannelState: 6\r\n"
    "ChannelStateDesc: Up\r\nCallerIDNum: 1\r\nCallerIDName: \r\nConnectedLineNum: \r\n"
    "ConnectedLineName: \r\nLanguage: en\r\nAccountCode: \r\nContext: x\r\nExten: s\r\n"
    "Priority: 1\r\nUniqueid: {0}\r\nLinkedid: {0}\r\nCause: 16\r\n\r\n"
)


class Sink:
    """What the link tells; `full` makes it refuse."""

    def __init__(self) -> None:
        self.items: list[LinkItem] = []
        self.full = False
        self._changed = asyncio.Condition()

    def __call__(self, item: LinkItem) -> bool:
        if self.full and isinstance(item, PbxMessage):
            return False
        self.items.append(item)
        asyncio.get_running_loop().create_task(self._notify())
        return True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[list[LinkItem]], bool]) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: condition(self.items))

    async def kinds(self, *kinds: type) -> None:
        """Waits until items of these kinds, in this order, have come."""

        def come(items: list[LinkItem]) -> bool:
            wanted = list(kinds)
            for item in items:
                if wanted and isinstance(item, wanted[0]):
                    wanted.pop(0)
            return not wanted

        await self.until(come)

    def seen(self) -> list[str]:
        """The Uniqueids of the Hangup events that came through."""
        heard = [item.message for item in self.items if isinstance(item, PbxMessage)]
        return [message["Uniqueid"] for message in heard if message["Event"] == "Hangup"]


UP = (LinkUp, SnapshotBegan, SnapshotDone)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "BACKOFF_FIRST", 0.01)
    monkeypatch.setattr(link_module, "BACKOFF_MOST", 0.02)


@asynccontextmanager
async def running(pbx: FakePbx, sink: Sink) -> AsyncIterator[AmiLink]:
    link = AmiLink(PbxName("pbx"), "127.0.0.1", pbx.port, "u", "s", sink)
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_snapshot_is_asked_for_only_after_fullybooted() -> None:
    async with fake_pbx() as pbx:
        pbx.booted = False
        sink = Sink()
        async with running(pbx, sink):
            await pbx.until(lambda: pbx.actions.count("Login") == 2)
            assert "CoreStatus" not in pbx.actions
            pbx.send(BOOTED.encode())
            await sink.kinds(*UP)
    up = next(item for item in sink.items if isinstance(item, LinkUp))
    assert (up.boot, up.version) == ("2026-11-22 10:00:00", "22.10.1")


def lists(pbx: FakePbx) -> list[str]:
    return [action for action in pbx.actions if action in link_module.SNAPSHOT]


async def test_a_suspicion_brings_one_snapshot_however_often_it_is_told() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            for _ in range(50):
                link.resync("something does not fit")
            await sink.kinds(*UP, SnapshotBegan, SnapshotDone)
            link.resync("again, too soon")
            await link.act("Ping")
            await pbx.until(lambda: "Ping" in pbx.actions)
            assert lists(pbx) == [*link_module.SNAPSHOT] * 2
            assert link.counters.resyncs == 2


@pytest.mark.parametrize("event", ["FullyBooted", "Load", "Unload", "Reload"])
async def test_an_upheaval_on_the_standing_link_brings_a_snapshot(event: str) -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(*UP)
            pbx.send(f"Event: {event}\r\nPrivilege: system,all\r\n\r\n".encode())
            await sink.kinds(*UP, SnapshotBegan, SnapshotDone)
            assert pbx.connections == 2


async def test_a_list_that_is_refused_is_asked_for_again_until_its_module_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "REFUSED_AGAIN_AFTER", 0.05)
    monkeypatch.setattr(link_module, "RESYNC_PAUSE", 0.0)
    async with fake_pbx() as pbx:
        pbx.answers["QueueStatus"] = "Response: Error\r\nMessage: Invalid/unknown command\r\n"
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(*UP, SnapshotDone)
            done = [item.refused for item in sink.items if isinstance(item, SnapshotDone)]
            assert done == [("QueueStatus",)] * 2
            del pbx.answers["QueueStatus"]
            await sink.until(
                lambda items: any(i.refused == () for i in items if isinstance(i, SnapshotDone))
            )
            assert lists(pbx)[:4] == [*link_module.SNAPSHOT]
            assert set(lists(pbx)[4:]) == {"QueueStatus"}


async def test_events_go_on_one_connection_and_commands_on_another() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            assert pbx.connections == 2
            reply = await link.act("Getvar", {"Variable": "X"})
            assert reply["Response"] == "Success"


async def test_forty_actions_at_once_get_their_own_replies() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            replies = await asyncio.gather(*(link.act("Ping") for _ in range(40)))
            assert len({reply["ActionID"] for reply in replies}) == 40


async def test_a_reset_is_told_once_with_its_reason_and_the_link_comes_back() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(*UP)
            pbx.drop()
            await sink.kinds(*UP, LinkDown, *UP)
    assert sum(isinstance(item, LinkDown) for item in sink.items) == 1


async def test_the_tail_of_a_cut_event_is_discarded_and_counted() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            await pbx.until(lambda: pbx.actions.count("Ping") == 2)  # no answer ends the half
            pbx.send((EVENT.format("whole") + EVENT.format("half")[:40]).encode())
            await sink.until(lambda _: sink.seen() == ["whole"])
            pbx.drop()
            await sink.kinds(*UP, LinkDown, *UP)
            assert link.counters.cut_tails == 1
    assert sink.seen() == ["whole"]


async def test_a_silent_pbx_is_noticed_by_its_missing_pong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "PING_EVERY", 0.02)
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(*UP)
            monkeypatch.setattr(connection_module, "REPLY_WITHIN", 0.05)
            pbx.answers["Ping"] = ""
            await sink.kinds(*UP, LinkDown)
    down = next(item for item in sink.items if isinstance(item, LinkDown))
    assert "Ping" in down.reason
    assert link_module.PING_EVERY < 10


def test_a_silent_pbx_is_noticed_within_ten_seconds() -> None:
    assert link_module.PING_EVERY + connection_module.REPLY_WITHIN <= 10


async def test_an_action_without_a_reply_ends_by_its_deadline_and_is_not_sent_again() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        pbx.answers["Originate"] = ""
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            asking = asyncio.create_task(link.act("Originate", {"Channel": "PJSIP/1"}))
            await pbx.until(lambda: "Originate" in pbx.actions)
            pbx.drop()
            with pytest.raises(PeerError):
                await asking
            await sink.kinds(*UP, LinkDown, *UP)
            assert pbx.actions.count("Originate") == 1


async def test_while_the_pbx_is_away_actions_are_refused_at_once() -> None:
    async with fake_pbx() as pbx:
        link = AmiLink(PbxName("pbx"), "127.0.0.1", pbx.port, "u", "s", Sink())
        with pytest.raises(PeerError, match="not connected"):
            await link.act("Ping")


async def test_a_refused_login_says_who_and_a_pbx_that_shuts_down_is_no_wrong_password() -> None:
    async with fake_pbx() as pbx:
        pbx.answers["Login"] = "Response: Error\r\nMessage: Authentication failed\r\n"
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(LinkDown)
            pbx.answers["Login"] = "Response: Error\r\nMessage: Asterisk is shutting down\r\n"
            await sink.kinds(LinkDown, LinkDown)
            del pbx.answers["Login"]
            await sink.kinds(LinkDown, LinkDown, *UP)
    reasons = [item.reason for item in sink.items if isinstance(item, LinkDown)]
    assert reasons == ["login as u: Authentication failed", "login: Asterisk is shutting down"]
    restarting = [item.restarting for item in sink.items if isinstance(item, LinkDown)]
    assert restarting == [False, True]


async def test_a_port_that_is_not_ami_is_named_as_such() -> None:
    async with fake_pbx() as pbx:
        pbx.greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(LinkDown)
    down = next(item for item in sink.items if isinstance(item, LinkDown))
    assert "AMI port" in down.reason


async def test_forged_frames_are_kept_back_and_counted() -> None:
    forged = [
        "Event: AgentCalled\r\nUniqueid: no privilege\r\n\r\n",
        "Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: a\r\nUniqueid: twice\r\n\r\n",
        "Event: Hangup\r\nPrivilege: call,all\r\nkeyless\r\nUniqueid: b\r\n\r\n",
        "Event: Item\r\nActionID: guessed\r\nUniqueid: not our list\r\n\r\n",
    ]
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            pbx.send(("".join(forged) + EVENT.format("real")).encode())
            await sink.until(lambda _: bool(sink.seen()))
            assert link.counters.quarantined == len(forged)
    assert sink.seen() == ["real"]


async def test_events_beyond_what_can_be_held_drop_the_link_and_bring_a_snapshot() -> None:
    async with fake_pbx() as pbx:
        sink = Sink()
        async with running(pbx, sink) as link:
            await sink.kinds(*UP)
            sink.full = True
            pbx.send(EVENT.format("too much").encode())
            await sink.kinds(*UP, LinkDown)
            sink.full = False
            await sink.kinds(*UP, LinkDown, *UP)
            assert link.counters.overloads == 1


async def test_a_list_that_is_refused_does_not_stop_the_link() -> None:
    async with fake_pbx() as pbx:
        pbx.answers["QueueStatus"] = "Response: Error\r\nMessage: Invalid/unknown command\r\n"
        sink = Sink()
        async with running(pbx, sink):
            await sink.kinds(*UP)
