"""The link to the PBX is reset, cut, silent, slow, repeats itself: callers and operators talk on,
and the picture is old for a moment and then right."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from desk_fixtures import BORIS, FOURTH, THIRD, desk, kept
from oracles import picture_is_true
from pbx_fixtures import Heard
from proxy import Proxy, name_of
from server_fixtures import Server

from cordboard.sandbox.pbx import SandboxPbx

pytestmark = [pytest.mark.pbx, pytest.mark.faults]


@pytest.mark.parametrize("how", ["reset", "fin"])
async def test_a_link_cut_in_mid_event_is_said_within_two_seconds_and_heals(
    how: Literal["reset", "fin"], proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    async with desk(proxied_server, ami) as at:
        before = kept(await proxied_server.snapshot("maria"))
        proxy.refusing = True  # so that it stays away for a while
        proxy.cut(how)
        await ami.ask("UserEvent", UserEvent="Anything")  # the event that is cut
        down = await at.link("down", 2)
        assert down["stale_since"] is not None
        # What was there is kept: stale, and no zeros.
        assert kept(await proxied_server.snapshot("maria")) == before
        # A phone rings while nobody sees it; its card is there after the resync.
        await at.phone(BORIS)
        at.dial(THIRD)
        await ami.until_event("AgentConnect", Interface="PJSIP/1002")
        proxy.healthy()
        await at.link("up", 15)
        await picture_is_true(proxied_server, ami)
        after = await proxied_server.snapshot("maria")
        assert {pop["operator"] for pop in after["pops"]} == {"anna", "boris"}
        assert await proxied_server.metric("cordboard_ami_cut_tails") == 1


@pytest.mark.parametrize("frozen", ["the proxy", "asterisk"])
async def test_a_silent_pbx_is_noticed_within_ten_seconds(
    frozen: str, proxied_server: Server, proxy: Proxy, pbx: SandboxPbx, ami: Heard
) -> None:
    async with desk(proxied_server, ami) as at:
        before = kept(await proxied_server.snapshot("maria"))
        if frozen == "asterisk":
            pbx.freeze()
        else:
            proxy.stall()
        try:
            down = await at.link("down", 10)
            assert down["stale_since"] is not None
            assert kept(await proxied_server.snapshot("maria")) == before
        finally:
            if frozen == "asterisk":
                pbx.thaw()
            proxy.healthy()
        await at.link("up", 20)
        await picture_is_true(proxied_server, ami)


async def test_repeated_and_late_events_make_one_card_and_count_once(
    proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    """Every event comes three times: now, after a moment, and after the call it was about."""
    proxy.down.plan = lambda frame: (0, 0.3, 8) if name_of(frame) else (0,)
    async with desk(proxied_server, ami) as at:
        await at.phone(BORIS)
        at.dial(THIRD)
        await ami.until_event("AgentConnect", Interface="PJSIP/1002")
        await picture_is_true(proxied_server, ami)
        await at.hang_up(at.callers[0])
        await at.board.call("ended")
        await asyncio.sleep(9)
        await picture_is_true(proxied_server, ami)


async def test_a_caller_who_is_in_the_snapshot_before_his_own_joining_waits_once(
    proxied_server: Server, proxy: Proxy, ami: Heard
) -> None:
    async with desk(proxied_server, ami) as at:
        late = {"QueueCallerJoin": (3.0,), "Newchannel": (2.5,)}
        at.dial(THIRD)
        joined = await ami.until_event("QueueCallerJoin", CallerIDNum=THIRD)
        joined |= {"Timestamp": "1.0"}  # as if it had been written after the list
        proxy.reset()
        await at.link("down", 2)
        # What Asterisk tells again after the resync is what it had told before.
        proxy.down.plan = lambda frame: late.get(name_of(frame), (0,))
        await at.link("up", 5)
        again = "".join(f"{name}: {value}\r\n" for name, value in joined.items() if name)
        proxy.say(again.encode() + b"\r\n")
        at.dial(FOURTH)  # and of him it tells late
        await ami.until_event("QueueCallerJoin", CallerIDNum=FOURTH)
        await picture_is_true(proxied_server, ami, within=6)
