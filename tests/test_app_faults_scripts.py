"""A server that is killed or hangs while callers are at each kind of step of a script: nobody is
held, and whoever answers is told where it broke off. On the real Asterisk."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from outside_system import OutsideSystem, hangs, outside_system
from pbx_fixtures import Heard
from server_fixtures import Server, served
from test_app_scripts import CSAT, Script, dialplan, results, spoken

from cordboard.sandbox import sip
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, Phones, PhoneSpec

__all__ = ["dialplan", "spoken"]

pytestmark = [pytest.mark.pbx, pytest.mark.faults]
Status = dict[str, Any]

LEASE = 5.0
PROMPT = 6.7
"""Seconds of the sound that is played."""
STEPS = {
    "menu": "menu: { timeout: 10, prompt: { sound: beep }, choices: { '1': over } }",
    "ask": "ask: { kind: digits, save: x, timeout: 10, prompt: { sound: beep } }",
    "record": "record: { seconds: 10, silence: 0, prompt: { sound: beep } }",
    "call_api": "call_api: { url: URL, deadline: 10 }",
    "transfer": "transfer: { to: '+79031110001', seconds: 8 }",
    "callback": "callback: { queue: support, timeout: 10 }",
    "say": "say: { sound: demo-enterkeywords }",
}
SCRIPT = """
version: 1
name: NAME
languages: [en]
on: { noinput: over, nomatch: over, error: over }
steps:
  - id: begin
    set: { a: "1" }
  - id: held
    STEP
  - id: over
    hangup: true
"""


@pytest.fixture
async def other() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as running:
        running.mood = hangs
        yield running


@pytest.fixture
async def server(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: Status,
    monkeypatch: pytest.MonkeyPatch,
    spoken: Path,
    other: OutsideSystem,
) -> AsyncIterator[Server]:
    folder, policy = tmp_path / "scripts", 'default_queue = "support"\ndefault_language = "en"\n'
    folder.mkdir()
    for number, (name, step) in enumerate(STEPS.items()):
        name = name.replace("_", "-")
        text = SCRIPT.replace("NAME", name).replace("STEP", step).replace("URL", other.base + "/")
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        policy += f'[[rule]]\nname = "{name}"\naction = "script"\nto = "{name}"\n'
        policy += f'when = {{ dialled = ["100{number}"] }}\n'
    (folder / "csat.yaml").write_text(CSAT, encoding="utf-8")
    (tmp_path / "routing.toml").write_text(policy)
    monkeypatch.setenv("CORDBOARD_SURVEY__SCRIPT", "csat")
    monkeypatch.setenv("CORDBOARD_SURVEY__QUEUES", '["support"]')
    monkeypatch.setenv("CORDBOARD_ROUTING__PATH", str(tmp_path / "routing.toml"))
    monkeypatch.setenv("CORDBOARD_SCRIPTS__PATH", str(folder))
    monkeypatch.setenv("CORDBOARD_SCRIPTS__ALLOW", f'["{other.base}/"]')
    running = Server(tmp_path, sandbox, wrapup=1)
    async with served(running, pbx):
        assert "scripts.refused" not in running.said()
        yield running


async def held(sandbox: Status, dialplan: Heard) -> list[LiveCall]:
    """A caller at each kind of step."""
    callers = []
    for index, name in enumerate(STEPS):
        script = name.replace("_", "-")
        caller = sip.dial(sandbox, f"7916123450{index}", to=f"100{index}")
        await Script(caller, dialplan).at(f"{script}/held")
        callers.append(caller)
    return callers


@pytest.mark.usefixtures("brisk")
@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_a_caller_at_any_step_goes_to_the_default_queue_and_the_pop_says_so(
    server: Server, sandbox: Status, ami: Heard, dialplan: Heard, fault: str
) -> None:
    async with Mobile(sandbox, Manner("no-answer")):
        callers = await held(sandbox, dialplan)
        await asyncio.sleep(1.3)  # how far each one is has been written by then
        gone = time.time()
        if fault == "killed":
            server.kill()
        else:
            server.signal(signal.SIGSTOP)
        waits = {}
        for index, name in enumerate(STEPS):
            joined = await ami.until_event("QueueCallerJoin", CallerIDNum=f"7916123450{index}")
            assert joined["Queue"] == "support"
            waits[name] = float(joined["Timestamp"]) - gone
        # What Asterisk is about, it does to its end; then nobody is held longer than the lease.
        longest = {"say": PROMPT, "menu": 10, "ask": 10, "record": 10, "call_api": 10}
        longest |= {"transfer": 8, "callback": 10}
        late = LEASE if fault == "hung" else 0.0
        assert {n: w for n, w in waits.items() if w > longest[n] + late + 1.0} == {}
        if fault == "killed":
            await server.start()
        else:
            server.signal(signal.SIGCONT)
        phones = Phones(sandbox, [PhoneSpec("1001", (Manner(ring=0.3, talk=0.5),))])
        async with server.stream("anna") as anna, phones:
            told = {}
            while len(told) < len(STEPS):
                pop = await anna.pop()
                why = [r["args"] for r in pop["route"]["why"] if r["code"] == "fallback"]
                told[pop["call"]["from"]] = [
                    (w["how"], w.get("script"), w.get("step")) for w in why
                ]
        for caller in callers:
            assert (await caller.hang_up()).outcome == "completed"
    expected = {
        f"+7916123450{index}": [("script", name.replace("_", "-"), "held")]
        for index, name in enumerate(STEPS)
    }
    assert told == expected
    runs, _ = await results(server)
    assert {(run.outcome, run.step) for run in runs} == {("interrupted", "held")}
    assert len(runs) == len(STEPS)


@pytest.mark.usefixtures("brisk")
async def test_after_a_talk_nobody_is_sent_to_a_queue_because_the_server_has_gone(
    server: Server, sandbox: Status, ami: Heard, dialplan: Heard
) -> None:
    """One talks with somebody whom a script called, another is asked how it was."""
    phones = Phones(sandbox, [PhoneSpec("1001", (Manner(ring=0.3, talk=0.5),))])
    async with phones, Mobile(sandbox, Manner(ring=0.3, talk=6)):
        asked = sip.dial(sandbox, "79161234521", to="2000")
        await Script(asked, dialplan).at("csat/mark")
        talks = sip.dial(sandbox, "79161234520", to=f"100{list(STEPS).index('transfer')}")
        await ami.until_event("BridgeEnter", CallerIDNum="79161234520")
        server.kill()
        for caller in (asked, talks):
            result = await asyncio.wait_for(caller.result, 40)
            assert (result.outcome, result.hung_up) == ("completed", "them")
    joins = [event["CallerIDNum"] for event in ami.events("QueueCallerJoin")]
    assert joins == ["79161234521"]  # before the talk
