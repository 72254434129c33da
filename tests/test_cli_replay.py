"""`cordboard replay`: a recording's call facts, as JSON lines for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typed import typed

from cordboard.replay import facts_of

TRACES = Path(__file__).parent / "traces"
QUEUED = TRACES / "queue_answered_caller_hangs_up.ami"
FORGED = TRACES / "forged_from_user.ami"

ALWAYS = {"event", "at", "call"}
KEYS: dict[str, set[str]] = {
    "offered": {"number", "name", "dialled"},
    "queued": {"queue", "position"},
    "delivered": {"peers"},
    "established": {"peer"},
    "abandoned": {"queue"},
    "cleared": {"cause"},
    "held": set(),
    "retrieved": set(),
    "transferred": {"kind", "by", "peers"},
    "diverted": set(),
}
"""What an event has beside what all have; others may stand beside these where they apply."""
CAUSES = {"completed", "no-answer", "busy", "rejected", "cancelled", "failed", "lost"}
KINDS = {"blind", "attended", "semi-attended"}


def replay(*words: str | Path, data: bytes = b"") -> tuple[int, str]:
    """The exit code and what was printed: on stdout where it went well, else on stderr."""
    said = typed("replay", *words, data=data)
    assert bool(said.lines) == bool(said.code)
    return said.code, "".join(f"{line}\n" for line in said.lines) or said.out


def objects(printed: str) -> list[dict[str, Any]]:
    """Each line alone is a JSON object."""
    return [json.loads(line) for line in printed.splitlines()]


def test_a_file_and_the_same_bytes_on_stdin_print_the_same_lines() -> None:
    code, printed = replay(QUEUED)
    assert code == 0
    assert [fact["event"] for fact in objects(printed)] == [
        "offered",
        "queued",
        "delivered",
        "established",
        "cleared",
    ]
    assert replay("-", data=QUEUED.read_bytes()) == (0, printed)


NO_CALL = {
    "originated_not_answered",
    "originated_customer_first_declines",
    "originated_declined_by_the_operator",
    "originated_operator_away",
    "originated_operator_does_not_answer",
    "originated_through_a_pipe_declined",
}
ENDS_IN_MID_CALL = {"pbx_killed_in_mid_call", "recording_ends_in_mid_call"}


@pytest.mark.parametrize("path", sorted(TRACES.glob("*.ami")), ids=lambda path: path.stem)
def test_every_line_has_the_keys_of_its_event(path: Path) -> None:
    facts = [json.loads(line) for line in facts_of(path.read_bytes())]
    # A call that the PBX makes is none until its first party has answered.
    assert bool(facts) == (path.stem not in NO_CALL)
    calls: dict[str, list[str]] = {}
    for fact in facts:
        event = fact["event"]
        calls.setdefault(fact["call"], []).append(event)
        assert fact.keys() >= ALWAYS | KEYS[event], fact
        assert fact["at"] is None or isinstance(fact["at"], float)
        # Who is to be called back has no channel before he is reached.
        assert "channel" in fact or path.stem.startswith("callback_")
        channels = list(fact.get("peers", []))
        channels += [fact[key] for key in ("channel", "peer", "by") if key in fact]
        assert not any(channel.startswith("Local/") for channel in channels), fact
        if event == "delivered":
            assert len(fact["peers"]) == 1
        if event == "cleared":
            assert fact["cause"] in CAUSES
        if event == "transferred":
            assert fact["kind"] in KINDS
    for events in calls.values():
        assert (events[0], events.count("offered")) == ("offered", 1)
        # A call that merges into another, as the one that fetches or picks up, has no end.
        assert events.count("cleared") == (events[-1] == "cleared")
    if calls and path.stem not in ENDS_IN_MID_CALL:
        assert any(events[-1] == "cleared" for events in calls.values())


@pytest.mark.parametrize(
    "environment",
    [{}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": ""}],
    ids=["as-is", "C", "POSIX"],
)
def test_names_are_printed_as_they_are_whatever_the_terminal_speaks(
    environment: dict[str, str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cordboard", "replay", "-"],
        input=QUEUED.read_bytes(),
        capture_output=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert objects(done.stdout.decode())[0]["name"] == "Анна Ким"


def test_a_caller_cannot_print_a_line_of_his_own() -> None:
    code, printed = replay(FORGED)
    assert code == 0
    events = [fact["event"] for fact in objects(printed)]
    assert events.count("offered") == events.count("cleared") == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [("nothing.ami", "No such file or directory"), ("", "Is a directory")],
    ids=["missing", "folder"],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, told: str) -> None:
    path = tmp_path / name
    assert replay(path) == (1, f"cordboard: {path}: {told}\n")


def test_an_empty_recording_prints_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.ami").touch()
    assert replay(tmp_path / "empty.ami") == (0, "")
    assert replay("-", data=b"") == (0, "")


@pytest.mark.parametrize(
    "data",
    [
        b"Asterisk Call Manager/11.0.0\r\n",
        b"\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(range(256)) * 64,
        b"\xef\xbb\xbfEvent: Newchannel\r\n\r\n",
        "Event: Hangup\r\nUniqueid: 1.1\r\nCause: много\r\n\r\n".encode(),
        b"Event: Newchannel\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\nChannel: \r\n\r\n",
        b"Event: \r\n\r\nEvent: Newstate\r\nTimestamp: soon\r\n\r\n",
    ],
    ids=["banner", "blank", "http", "bytes", "bom", "words", "no-name", "nothing"],
)
def test_what_is_no_call_prints_nothing(data: bytes) -> None:
    assert list(facts_of(data)) == []


def test_a_recording_cut_anywhere_prints_the_beginning_of_the_whole() -> None:
    data = QUEUED.read_bytes()
    whole = list(facts_of(data))
    seen = set()
    for end in (*range(0, len(data), 101), len(data) - 1):
        lines = list(facts_of(data[:end]))
        assert lines == whole[: len(lines)]
        seen.add(len(lines))
    # That a call is one of its own is known by its queue: the first two come together.
    assert {0, *range(2, len(whole))} <= seen


def test_a_recording_that_begins_in_mid_call_prints_what_is_left_of_it() -> None:
    data = QUEUED.read_bytes()
    for begin in range(0, len(data), 997):
        for line in facts_of(data[begin:]):
            assert json.loads(line).keys() >= ALWAYS


def test_a_recording_with_bare_line_feeds_prints_the_same(tmp_path: Path) -> None:
    """As one that went through an editor, or a mail."""
    data = QUEUED.read_bytes()
    path = tmp_path / "edited.ami"
    path.write_bytes(data.replace(b"\r\n", b"\n"))
    code, printed = replay(path)
    assert code == 0
    assert printed.splitlines() == list(facts_of(data))


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path: Path) -> None:
    path = tmp_path / "bytes.ami"
    path.write_bytes(QUEUED.read_bytes().replace("Анна Ким".encode(), b"\xff\xfe\xed\xa0\x80!"))
    code, printed = replay(path)
    assert code == 0
    facts = objects(printed)
    assert [fact["event"] for fact in facts][-1] == "cleared"
    assert facts[0]["name"].endswith("!")


def test_without_timestamps_the_time_is_null() -> None:
    """An older configuration of the manager: `timestampevents` is not on."""
    data = b"\r\n".join(
        line for line in QUEUED.read_bytes().split(b"\r\n") if not line.startswith(b"Timestamp:")
    )
    facts = [json.loads(line) for line in facts_of(data)]
    assert [fact["event"] for fact in facts] == [
        json.loads(line)["event"] for line in facts_of(QUEUED.read_bytes())
    ]
    assert {fact["at"] for fact in facts} == {None}


def test_who_reads_only_the_first_lines_ends_it_quietly(tmp_path: Path) -> None:
    path = tmp_path / "long.ami"
    path.write_bytes(QUEUED.read_bytes() * 300)
    with subprocess.Popen(
        [sys.executable, "-m", "cordboard", "replay", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.wait(30)
    assert json.loads(first)["event"] == "offered"
    assert said == b""
