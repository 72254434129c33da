"""AMI bytes for the benchmarks: what a real Asterisk 22 was recorded to send, again and again.

Each copy of a recording is another call: Uniqueids, channel numbers and bridges are its own. The
recordings are those of tests/traces, so names are Cyrillic here and there, as callers are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

TRACES = Path(__file__).resolve().parent.parent / "tests/traces"
CALLS = (
    "queue_answered_caller_hangs_up",
    "queue_answered_operator_hangs_up",
    "queue_abandoned",
    "queue_member_busy_then_answered",
    "queue_no_answer_then_answered",
    "direct_call_answered",
    "direct_call_busy",
    "manager_confirmed",
    "manager_voicemail_then_queue",
    "two_calls_interleaved",
)
CHUNK = 64 * 1024
END = b"\r\n\r\n"
PHONE, CALLER = "1001", "79161234567"
"""Those of the recordings, which a copy may replace."""

_FIRST_SECOND = 1_800_000_000
_SERIALS = 16  # at most so many channels in one recording
_VARYING = re.compile(
    rb"(?<=BridgeUniqueid: )(?P<bridge>[0-9a-f]{8})"
    rb"|(?<=id: )(?P<second>\d{10})(?=\.\d)"
    rb"|(?<=-)(?P<serial>[0-9a-f]{8})(?=[\r;])"
    rb"|(?<=PJSIP/)(?P<phone>1001)(?=[-\r])"
    rb"|(?P<caller>79161234567)"
)
_CHANNEL_VARIABLES = (
    b"ChanVariable: CB_QUEUE=support-ru\r\n"
    b"ChanVariable: CB_PRIO=10\r\n"
    b"ChanVariable: CB_NAME=" + "Анна Ким".encode() + b"\r\n"
)


class Recording:
    """Some frames of a recording, ready to be copied."""

    def __init__(self, frames: list[bytes]) -> None:
        self.events = len(frames)
        self._serials: set[bytes] = set()
        text = (END.join(frames) + END).replace(b"%", b"%%")
        self._text = _VARYING.sub(self._mark, text)

    def _mark(self, found: re.Match[bytes]) -> bytes:
        kind = found.lastgroup
        if kind == "serial":
            self._serials.add(found[0])
            return b"%(" + found[0] + b")b"
        return f"%({kind})b".encode()

    def copy(self, number: int, phone: str = PHONE, caller: str = CALLER) -> bytes:
        """Call `number` of a stream; its Uniqueids are unlike those of any other number."""
        words = {
            b"second": b"%d" % (_FIRST_SECOND + number),
            b"bridge": b"%08x" % number,
            b"phone": phone.encode(),
            b"caller": caller.encode(),
        }
        for serial in self._serials:
            words[serial] = b"%08x" % (number * _SERIALS + int(serial, 16) & 0xFFFFFFFF)
        return self._text % words


def linkedid(number: int) -> str:
    """The Linkedid of copy `number` of a recording of one call."""
    return f"{_FIRST_SECOND + number}.0"


def frames_of(name: str, variables: bool = False) -> list[bytes]:
    """The events of one recorded call, without the phones that log in before and out after it.

    `variables`: as with `channelvars` in manager.conf, which puts a ChanVariable line for each
    of them into every event that describes a channel.
    """
    found = (TRACES / f"{name}.ami").read_bytes().split(END)
    kinds = [frame.partition(b"\r\n")[0] for frame in found]
    first = kinds.index(b"Event: Newchannel")
    ends = (b"Event: PeerStatus", b"Event: ContactStatus", b"")
    after = next(i for i in range(first, len(kinds)) if kinds[i] in ends)
    frames = found[first:after]
    if variables:
        frames = [_with_variables(frame) for frame in frames]
    return frames


def _with_variables(frame: bytes) -> bytes:
    def added(found: re.Match[bytes]) -> bytes:
        lines = _CHANNEL_VARIABLES.splitlines(keepends=True)
        return found[0] + b"".join(found[1] + line for line in lines)

    return re.sub(rb"(?<=\n)(Dest|)Linkedid: [^\r]*\r\n", added, frame + b"\r\n")[:-2]


@cache
def recordings(variables: bool = False) -> tuple[Recording, ...]:
    return tuple(Recording(frames_of(name, variables)) for name in CALLS)


def calls(variables: bool = False, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """One call after the other, for ever: how many events, and the bytes."""
    for number, recording in enumerate(cycle(recordings(variables)), first):
        yield recording.events, recording.copy(number)


def stream(events: int, variables: bool = False, first: int = 0) -> tuple[int, bytes]:
    """At least so many events, and the bytes."""
    count, parts = 0, []
    for many, data in calls(variables, first):
        parts.append(data)
        count += many
        if count >= events:
            break
    return count, b"".join(parts)


def chunks(data: bytes) -> list[bytes]:
    """As a socket that is read 64 KiB at a time gives them."""
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


class Stages:
    """One queued call, step by step: `arrives` at the PBX, is `queued`, `rings` at an operator's
    phone, `talks`, `ends`."""

    def __init__(self) -> None:
        frames = frames_of("queue_answered_operator_hangs_up")
        marks = (
            (b"Event: Newstate", b"Context: cordboard-queue"),
            (b"Event: Newchannel", b"ChannelState: 0"),
            (b"Event: Newstate", b"ChannelState: 6\r\n", b"Context: cordboard-phones"),
            (b"Event: HangupRequest",),
        )
        cuts, at = [0], 0
        for words in marks:
            while not all(word in frames[at] for word in words):
                at += 1
            cuts.append(at)
        parts = [
            Recording(frames[begin:end])
            for begin, end in zip(cuts, [*cuts[1:], len(frames)], strict=True)
        ]
        self.arrives, self.queued, self.rings, self.talks, self.ends = parts

    @property
    def all(self) -> tuple[Recording, ...]:
        return self.arrives, self.queued, self.rings, self.talks, self.ends
