"""Recordings can be made again, and are all there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from telling import TRACES, sentences, told

from cordboard.errors import UserError
from cordboard.sandbox.plays import PLAYS
from cordboard.sandbox.record import record


def test_every_play_has_its_recording() -> None:
    assert {path.stem for path in TRACES.glob("*.ami")} == set(PLAYS)


def test_every_play_says_what_happens() -> None:
    assert all(play.__doc__ for play in PLAYS.values())


@pytest.mark.pbx
async def test_a_play_is_recorded_from_the_banner_on(tmp_path: Path) -> None:
    path = await record("message_only", tmp_path / "out")
    heard = path.read_bytes()
    assert heard.startswith(b"Asterisk Call Manager/")
    assert heard.endswith(b"\r\n\r\n")
    assert told_of_calls(heard) == told_of_calls((TRACES / "message_only.ami").read_bytes())


def told_of_calls(heard: bytes) -> list[bytes]:
    """The events' names. An Asterisk that was slow to start may tell of its devices after the
    banner still; of calls there is nothing before their first channel."""
    names = [line for line in heard.split(b"\r\n") if line.startswith(b"Event: ")]
    begins = names.index(b"Event: Newchannel")
    return [name for name in names[:begins] if name != b"Event: DeviceStateChange"] + names[begins:]


@pytest.mark.pbx
@pytest.mark.parametrize("name", ["referred_attended", "recording_ends_in_mid_call"])
async def test_a_play_recorded_again_tells_its_story(name: str, tmp_path: Path) -> None:
    path = await record(name, tmp_path)
    assert sentences(path.read_bytes()) == told(name)


def test_every_play_is_in_the_table() -> None:
    table = (TRACES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(PLAYS)


async def test_an_unknown_play_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="message_only"):
        await record("no-such", tmp_path)
