"""What waiting callers hear of their place and their wait, from the server to the caller's ear, on
the real Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ear import VOICE, Ear, listening
from pbx_fixtures import Heard
from server_fixtures import Server, served

from cordboard.sandbox import sip
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]
Status = dict[str, Any]
CALLER = ("79161234567", "Анна Ким")


@pytest.fixture
def quiet(pbx: SandboxPbx, sandbox: Status) -> Any:
    """Music on hold that is silent, so that a voice can be told from it."""
    data = Path(sandbox["config"]).parent / "data"
    music = (data / "moh").readlink()

    def plays(what: Path) -> None:
        (data / "moh").unlink()
        (data / "moh").symlink_to(what)
        pbx.cli("moh reload")

    plays((data / "sounds/en").resolve() / "silence")
    yield
    plays(music)


@pytest.fixture
async def server(
    tmp_path: Path, pbx: SandboxPbx, sandbox: Status, monkeypatch: pytest.MonkeyPatch, quiet: None
) -> AsyncIterator[Server]:
    """One that tells a caller of his place after two seconds, and every fifteen."""
    monkeypatch.setenv("CORDBOARD_ANNOUNCE__FIRST", "2")
    monkeypatch.setenv("CORDBOARD_ANNOUNCE__EVERY", "15")
    running = Server(tmp_path, sandbox)
    async with served(running, pbx):
        yield running


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    async with listening() as opened:
        yield opened


def announcers(ami: Heard, event: str) -> list[dict[str, str]]:
    return [e for e in ami.events(event) if "@cordboard-announce-" in e.get("Channel", "")]


async def test_a_waiting_caller_is_told_his_place_over_the_music_and_keeps_it(
    server: Server, sandbox: Status, ami: Heard, ear: Ear, pbx: SandboxPbx
) -> None:
    async with server.stream("maria") as stream, Phones(sandbox, [PhoneSpec("1001")]):
        pbx.cli("queue pause member PJSIP/1001")
        caller = sip.dial(sandbox, *CALLER, ear=ear.port)
        joined = await ami.until_event("QueueCallerJoin")
        began = float(joined["Timestamp"])
        assert 2.0 <= await ear.hears(since=began) - began < 5.0
        # While it speaks he stands where he stood, and nothing else is shown.
        assert len(announcers(ami, "Newchannel")) == 2
        await ami.ask("QueueStatus", Queue="support-ru")
        entry = await ami.until_event("QueueEntry")
        assert (entry["Position"], entry["Channel"]) == ("1", joined["Channel"])
        shown = await server.api("GET", "/calls")
        assert [call["from"] for call in shown["calls"]] == ["+79161234567"]
        await ami.until_event("Hangup", Channel=announcers(ami, "Newchannel")[1]["Channel"])
        again = len(ear.loud())
        await asyncio.sleep(15 - 5)
        await ami.until_event("OriginateResponse", Response="Success")
        await ear.hears(since=ear.loud()[again - 1] + 3)
        pbx.cli("queue unpause member PJSIP/1001")
        await stream.call("talking")
        result = await caller.hang_up()
        assert result.outcome == "completed"
        await stream.call("ended")
    assert len({m["call"]["id"] for m in stream.of("call")}) == 1
    log = (Path(sandbox["config"]).parent / "log/messages").read_text()
    assert "does not exist" not in log


async def test_an_answer_cuts_the_announcement_and_is_not_delayed_by_it(
    server: Server, sandbox: Status, ami: Heard, ear: Ear, pbx: SandboxPbx
) -> None:
    phones = Phones(sandbox, [PhoneSpec("1001", (Manner(ring=0.5),))], audio=True)
    async with phones:
        pbx.cli("queue pause member PJSIP/1001")
        caller = sip.dial(sandbox, *CALLER, ear=ear.port, audio=True)
        joined = await ami.until_event("QueueCallerJoin")
        await ear.hears(since=float(joined["Timestamp"]))
        pbx.cli("queue unpause member PJSIP/1001")
        taken = await ami.until_event("DialEnd", DialStatus="ANSWER", Channel=joined["Channel"])
        talks = await ami.until_event("BridgeEnter", Channel=joined["Channel"])
        for half in announcers(ami, "Newchannel"):
            await ami.until_event("Hangup", Channel=half["Channel"])
        await asyncio.sleep(2)
        await caller.hang_up()
    answered, talking = float(taken["Timestamp"]), float(talks["Timestamp"])
    ended = max(float(event["Timestamp"]) for event in announcers(ami, "Hangup"))
    spoke = ear.loud(level=VOICE)
    assert talking - answered < 0.5
    assert ended - talking < 0.5
    assert len(ear.loud(since=talking + 0.5)) > 50  # the operator's tone
    assert spoke
    assert max(spoke) - talking < 0.5
