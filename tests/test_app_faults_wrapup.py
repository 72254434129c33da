"""Five callers wait, and operators hang up two hundred times: nobody is rung in wrap-up.

A pause that is sent after the hang-up races the next call; Asterisk's own `wrapuptime` is the guard
until it is there. What is judged is what Asterisk told on a connection of the test's own: from the
end of an operator's leg until the end of the pause that follows, this phone must not be called."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from oracles import books_are_right, picture_is_true
from pbx_fixtures import *  # noqa: F403
from pbx_fixtures import Heard
from server_fixtures import Server

from cordboard.sandbox.scenarios import Dialling, Manner, caller
from cordboard.sandbox.sip import Phones, PhoneSpec, Sipp

pytestmark = [pytest.mark.pbx, pytest.mark.faults, pytest.mark.timeout(600)]

FIXED = {"anna": "PJSIP/1001", "boris": "PJSIP/1002", "elena": "PJSIP/1003", "desi": "PJSIP/1004"}
CHOSEN = {"vera": "PJSIP/1007", "dora": "PJSIP/1008", "yana": "PJSIP/1009", "zoya": "PJSIP/1010"}
PHONES = {*FIXED.values(), *CHOSEN.values()}
WRAPUP = 6
"""Seconds; a little longer than the shipped wrapuptime, so that both must do their part."""
CALLS, TALKS, WAITING = 230, 200, 5
"""More calls than talks: a phone that is put down before there is a bridge is connected for the
queue, though nobody talked, and there is nothing to write up."""


async def test_nobody_is_rung_in_wrap_up(
    tmp_path: Path, sandbox: dict[str, Any], ami: Heard
) -> None:
    users = [(name, "operator", phone, None) for name, phone in FIXED.items()]
    users.append(("maria", "supervisor", None, None))
    server = Server(tmp_path, sandbox, wrapup=WRAPUP, users=users)  # type: ignore[arg-type]
    await server.prepare()
    for name in CHOSEN:
        await server.enrol(name, (("support-ru", 0),))
    await server.start()
    log = str(sandbox["queue_log"])
    since = Path(log).stat().st_size if Path(log).exists() else 0
    # Put down at once, or after a breath.
    manners = (Manner(ring=0.1, talk=0.01), Manner(ring=0.1, talk=0.3))
    phones = [PhoneSpec(phone.removeprefix("PJSIP/"), manners) for phone in sorted(PHONES)]
    sipp = Sipp(server.status)
    began = time.monotonic()
    try:
        async with Phones(server.status, phones), server.stream("maria") as board:
            for name, phone in CHOSEN.items():
                body = {"action": "login", "args": {"phone": phone}, "reason": ""}
                await server.api("POST", f"/operators/{name}/actions", body, by=name)
            # As many at a time as there are phones, and five who wait.
            dialling = Dialling("79161234567", "Brief", server.status["sip"]["inbound"], stay=300)
            at_once = str(len(phones) + WAITING)
            limits = ("-m", str(CALLS), "-r", "5", "-l", at_once, "-nd")
            await sipp.start(caller(dialling, audio=None), *limits)
            most, ended = 0, set[str]()
            while len(ended) < CALLS:
                message = await board.next(60)
                if message["type"] == "waiting":
                    most = max(most, len(message["entries"]))
                if message["type"] == "call" and message["call"]["state"] == "ended":
                    ended.add(message["call"]["id"])
            assert await sipp.wait() == 0
            assert most >= WAITING
            await asyncio.sleep(WRAPUP + 2)
            await picture_is_true(server, ami)
        rung, paused = verdict(ami, PHONES)
        await books_are_right(server, CALLS, log, since, durations=False)
    finally:
        server.stop()
        await sipp.stop()
    print(f"{paused} wrap-ups, {len(rung)} rings in them, {time.monotonic() - began:.0f} s")
    assert paused == len(talks(ami)) >= TALKS
    assert rung == []


def talks(heard: Heard) -> set[str]:
    """The calls in which two people heard each other."""
    entered = heard.events("BridgeEnter")
    return {one["Linkedid"] for one in entered if one["BridgeNumChannels"] == "2"}


def verdict(heard: Heard, phones: set[str]) -> tuple[list[str], int]:
    """The rings in wrap-ups, and how many wrap-ups there were."""
    rung: list[str] = []
    count, were_talks = 0, talks(heard)
    talked: set[str] = set()
    down: dict[str, float] = {}
    paused: set[str] = set()
    for frame in heard.frames():
        at = float(frame.get("Timestamp", "0"))
        match frame.get("Event"):
            case "AgentConnect" if frame["Linkedid"] in were_talks:
                talked.add(frame["DestUniqueid"])
            case "Hangup" if frame["Uniqueid"] in talked:
                phone = frame["Channel"].rpartition("-")[0]
                down[phone] = at
            case "QueueMemberPause" if frame["Interface"] in phones:
                phone = frame["Interface"]
                if frame["Paused"] == "1" and phone not in paused:
                    assert frame["PausedReason"] == "wrap-up"
                    paused.add(phone)
                    count += 1
                elif frame["Paused"] == "0":
                    paused.discard(phone)
                    down.pop(phone, None)
            case "AgentCalled" if frame["Interface"] in down:
                late = at - down[frame["Interface"]]
                rung.append(f"{frame['Interface']} {late:.3f} s after the hang-up")
    return rung, count


def test_the_verdict_sees_a_ring_in_wrap_up() -> None:
    """What the test above looks for is not something that can never be found."""

    class Said(Heard):
        def __init__(self, frames: list[dict[str, str]]) -> None:
            self._frames = frames

        def frames(self) -> list[dict[str, str]]:
            return self._frames

    phone = "PJSIP/1001"
    stamp = itertools.count(100)

    def event(name: str, **more: str) -> dict[str, str]:
        return {"Event": name, "Timestamp": str(next(stamp)), "Interface": phone, **more}

    talk = [
        event("AgentCalled"),
        event("BridgeEnter", BridgeNumChannels="2", Linkedid="1.0"),
        event("AgentConnect", DestUniqueid="1.1", Linkedid="1.0"),
        event("Hangup", Uniqueid="1.1", Channel=f"{phone}-00000001"),
    ]
    pause = event("QueueMemberPause", Paused="1", PausedReason="wrap-up")
    back = event("QueueMemberPause", Paused="0", PausedReason="")
    ring = event("AgentCalled")
    assert verdict(Said([*talk, pause, back, ring]), {phone}) == ([], 1)
    assert len(verdict(Said([*talk, ring, pause, back]), {phone})[0]) == 1
    assert len(verdict(Said([*talk, pause, ring, back]), {phone})[0]) == 1
