"""The flight recorder's files: a ring, bounded, private; its troubles cost no call."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typed import typed

from cordboard import recorder as module
from cordboard.config import Recorder as Settings
from cordboard.core import Core
from cordboard.cti.ami import Message
from cordboard.cti.facts import PbxMessage
from cordboard.desk.commands import Command
from cordboard.desk.facts import ActionAsked, Tick
from cordboard.desk.model import Rules
from cordboard.events import OperatorName, PbxName
from cordboard.queue.policy import Policy
from cordboard.recorder import Recorder, segments
from cordboard.replay import Flight

PBX = PbxName("pbx")
RULES = Rules(Policy(default_queue="support"), ZoneInfo("UTC"), 30, 20, 5)
JOINED = {"Event": "QueueCallerJoin", "Uniqueid": "1732249271.1", "Channel": "PJSIP/in-00000001"}
JOINED |= {"Linkedid": "1732249271.1", "Queue": "support", "Position": "1", "CallerIDNum": "1001"}


class Desk:
    """A recorder and what it told."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "var/flight"
        self.core = Core(RULES, [PBX])
        self.told: list[str] = []
        self.recorder = Recorder(
            Settings(path=self.folder, **settings),
            self.core,
            [],
            stopped=self.told.append,
            resumed=lambda: self.told.append("resumed"),
        )
        self.now = time.time()

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.recorder.take(Tick(), self.now, self.core.take(Tick(), self.now))

    async def written(self) -> None:
        """All that was taken so far has been to the disk, or was given up."""
        await self.recorder.flush()

    def lines(self) -> list[bytes]:
        return [
            line for path in segments(self.folder) for line in path.read_bytes().splitlines(True)
        ]


@asynccontextmanager
async def desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    made = Desk(folder, **settings)
    made.recorder.start()
    try:
        yield made
    finally:
        await made.recorder.close()


def replayed(lines: list[bytes]) -> int:
    flight = Flight()
    return sum(len(list(flight.take(line))) for line in lines)


def kinds(lines: list[bytes]) -> Iterator[str]:
    for line in lines:
        said = json.loads(line)
        yield next(key for key in ("recorded_by", "sum", "ami", "item") if key in said)


async def test_what_is_taken_stands_in_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        made.tick()
        await made.written()
        (path,) = segments(made.folder)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
        assert list(kinds(made.lines())) == ["recorded_by", "item", "sum"]


async def test_the_key_stands_beside_the_ring_and_stays(tmp_path: Path) -> None:
    for _ in range(2):
        async with desk(tmp_path) as made:
            key = made.folder.with_name("flight.key")
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            before = key.read_bytes()
    assert key.read_bytes() == before
    assert len(before) == 64
    assert key.parent != made.folder


async def test_only_frames_that_the_model_reads_are_recorded(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        nothing: list[Command] = []
        for headers in (
            {"Event": "Newexten"},
            {"Event": "UserEvent", "UserEvent": "Other", "Status": "79161234567"},
            JOINED,
        ):
            made.recorder.take(PbxMessage(PBX, Message(headers), 0.0), made.now, nothing)
        await made.written()
        assert list(kinds(made.lines())) == ["recorded_by", "ami", "sum"]


async def test_a_segment_ends_after_a_twelfth_of_the_minutes(tmp_path: Path) -> None:
    async with desk(tmp_path, minutes=12) as made:
        for _ in range(10):
            made.tick(13)
        await made.written()
        assert len(segments(made.folder)) == 3
        assert replayed(made.lines()) >= 0


async def test_what_is_older_than_the_ring_is_taken_away(tmp_path: Path) -> None:
    async with desk(tmp_path, minutes=12) as made:
        for _ in range(3):
            made.tick(61)
        await made.written()
        old, *_, young = segments(made.folder)
        os.utime(old, (0, 0))
        made.tick(61)
        await made.written()
        assert old not in segments(made.folder)
        assert young in segments(made.folder)


async def test_the_ring_is_bounded_in_bytes(tmp_path: Path) -> None:
    async with desk(tmp_path, megabytes=1) as made:
        for _ in range(400):
            for _ in range(100):
                made.tick(0.001)
            await made.written()
        sizes = [path.stat().st_size for path in segments(made.folder)]
        assert sum(sizes) < 1_000_000
        assert len(sizes) > 8
        assert replayed(made.lines()) == 0


async def test_numbers_go_on_after_a_restart_and_each_segment_replays(tmp_path: Path) -> None:
    for _ in range(3):
        async with desk(tmp_path) as made:
            made.tick()
    assert [path.name for path in segments(made.folder)] == [
        f"flight-{number:08}.jsonl" for number in (1, 2, 3)
    ]
    assert replayed(made.lines()) == 0


async def test_a_full_disk_costs_the_recording_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    write = module._Ring.write

    def perhaps(ring: module._Ring, lines: list[bytes]) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(ring, lines)

    monkeypatch.setattr(module._Ring, "write", perhaps)
    monkeypatch.setattr(module, "RETRY_EVERY", 0.0)
    async with desk(tmp_path) as made:
        for _ in range(3):
            made.tick()
            await made.written()
        assert len(made.told) == 1
        assert "No space left" in made.told[0]
        assert made.recorder.lost == 3
        full = False
        await made.written()
        made.tick()
        await made.written()
        assert made.told[1:] == ["resumed"]
        assert list(kinds(made.lines())).count("recorded_by") == 1
        assert replayed(made.lines()) == 0


async def test_a_disk_that_is_too_slow_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MOST", 10_000)
    async with desk(tmp_path) as made:
        for _ in range(1000):
            made.tick()
        assert made.told == ["the disk is too slow"]
        assert made.recorder.lost > 900


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    async with desk(tmp_path) as made:
        made.tick()
        await made.written()
        assert len(made.told) == 1
        assert "var" in made.told[0]


async def test_what_cannot_be_written_down_is_no_callers_trouble(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        strange: dict[str, Any] = {"note": object()}
        anna = OperatorName("anna")
        asked = ActionAsked("a", anna, "operator", "call", "c", "wrapup", strange, "")
        made.recorder.take(asked, made.now, [])
        made.tick()
        assert len(made.told) == 1
        assert made.recorder.lost == 1


async def test_a_rule_that_broke_is_the_last_thing_in_the_recording(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        strange = PbxMessage(PBX, Message({**JOINED, "Event": "Hangup"}), 0.0)
        made.recorder.take(strange, made.now, ZeroDivisionError())
    assert json.loads(made.lines()[1])["decided"] == [
        {"decision": "broken", "error": "ZeroDivisionError"}
    ]


async def test_zero_minutes_are_no_recording(tmp_path: Path) -> None:
    async with desk(tmp_path, minutes=0) as made:
        made.tick()
        await made.written()
        assert made.told == []
        assert made.recorder.lost == 0
        assert not made.folder.exists()


async def test_a_disk_that_takes_a_part_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nearly(FileIO):
        def write(self, data: Any) -> int:
            return super().write(data[:7])

    monkeypatch.setattr(module, "FileIO", Nearly)
    async with desk(tmp_path) as made:
        made.tick()
        await made.written()
        assert list(kinds(made.lines())) == ["recorded_by", "item", "sum"]


def replay(*words: str | Path, data: bytes = b"") -> tuple[int, str]:
    """The exit code of `cordboard replay --decisions`, and what it said."""
    said = typed("replay", "--decisions", *words, data=data)
    return said.code, said.out + "".join(f"{line}\n" for line in said.lines)


async def test_a_folder_a_file_and_stdin_are_replayed_and_a_cut_end_is_no_fault(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        async with desk(tmp_path) as made:
            joined = PbxMessage(PBX, Message(JOINED), 0.0)
            made.recorder.take(joined, made.now, made.core.take(joined, made.now))
    one, other = segments(made.folder)
    with other.open("ab") as cut:
        cut.write(b'{"at":17')
    code, alone = replay(one)
    assert code == 0
    assert {"at", "item", "decision"} <= json.loads(alone.splitlines()[0]).keys()
    assert replay("-", data=one.read_bytes()) == (0, alone)
    assert replay(made.folder) == (0, alone + replay(other)[1])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "no segment"),
        (lambda path: path.write_bytes(b"Event: Hangup\r\n\r\n"), "recording:1: not a line"),
    ],
)
def test_what_is_no_recording_is_told_in_a_line(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "recording")
    code, wrong = replay(tmp_path / "recording")
    assert code == 1
    assert said in wrong
    assert len(wrong.splitlines()) == 1


async def test_it_writes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_EVERY", 0.001)
    async with desk(tmp_path) as made:
        made.tick()
        running = asyncio.create_task(made.recorder.run())
        async with asyncio.timeout(60):
            while not made.folder.exists() or len(made.lines()) < 3:
                await asyncio.sleep(0.005)
        running.cancel()
