"""Callers in scripts, on the real Asterisk: what they press, where they go, who knows of it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
from array import array
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import PATIENCE, Message, Server, served
from test_app_reconcile import reconcile

from cordboard.ivr.waveform import RATE, write
from cordboard.sandbox import sip
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, Phones, PhoneSpec
from cordboard.sections import shipped_scripts

pytestmark = [pytest.mark.pbx]
Status = dict[str, Any]

NUMBER = "79161234567"
PIN, WRONG = "90417752", "90417753"
"""Long enough to be nothing else by chance."""
POLICY = """
default_queue = "support"
default_language = "en"

[languages_by_country]
RU = "ru"

[[rule]]
name = "to the menu"
when = { dialled = ["74951234567"] }
action = "script"
to = "menu"

[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
queue = "support-{language}"
priority = 7
callback = { after = 600 }
"""
MENU = """
version: 1
name: menu
title: { ru: Меню, en: Menu }
languages: [ru, en]
on: { noinput: person, nomatch: person }
steps:
  - id: hello
    say: { ru: "Добрый день, {customer.name}.", en: "Hello, {customer.name}." }
  - id: choose
    title: { ru: Главное меню, en: Main menu }
    menu:
      prompt: { ru: "Баланс — один, оператор — ноль.", en: "Balance 1, a person 0." }
      choices: { "1": account, "0": person }
  - id: account
    ask:
      kind: digits
      question: account
      length: { least: 5, most: 5 }
      prompt: { ru: "Номер счёта.", en: "Your account." }
  - id: pin
    ask:
      kind: digits
      save: pin
      secret: true
      length: { least: 8, most: 8 }
      prompt: { ru: "Пин-код.", en: "Your PIN." }
  - id: who
    look_up: { by: account, value: answers.account, pin: pin }
    on: { missing: wrong }
  - id: balance
    say: { ru: "На счёте {customer.balance|money}.", en: "You have {customer.balance|money}." }
    next: choose
  - id: wrong
    say: { ru: "Неверно.", en: "Wrong." }
    next: pin
  - id: person
    route: { queue: "support-{language}" }
"""
CSAT = """
version: 1
name: csat
languages: [ru, en]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - id: mark
    ask:
      kind: scale
      scale: 1-5
      question: csat
      prompt: { ru: "Оцените разговор.", en: "How was it?" }
  - id: bye
    hangup: { ru: "Спасибо.", en: "Thank you." }
"""


@pytest.fixture
def spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A voice that notes what it speaks, a second of sound each."""
    folder, told = tmp_path / "bin", tmp_path / "spoken"
    folder.mkdir()
    tone = tmp_path / "tone.wav"
    tone.write_bytes(write(array("h", [9000, -9000] * (RATE // 2))))
    program = folder / "espeak-ng"
    program.write_text(f"#!/bin/sh\n{{ cat; echo; }} >>{told}\ncat {tone}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return told


@pytest.fixture
async def dialplan(sandbox: Status) -> AsyncIterator[Heard]:
    """Sees each variable that is set."""
    heard = Heard(sandbox["ami_dialplan"])
    await heard.open()
    yield heard
    await heard.close()


@pytest.fixture
def scripts() -> dict[str, str]:
    return {"menu": MENU, "csat": CSAT}


@pytest.fixture
async def server(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: Status,
    monkeypatch: pytest.MonkeyPatch,
    spoken: Path,
    scripts: dict[str, str],
) -> AsyncIterator[Server]:
    policy, folder = tmp_path / "routing.toml", tmp_path / "scripts"
    policy.write_text(POLICY)
    folder.mkdir()
    for name, text in scripts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CORDBOARD_ROUTING__PATH", str(policy))
    monkeypatch.setenv("CORDBOARD_SCRIPTS__PATH", str(folder))
    monkeypatch.setenv("CORDBOARD_SURVEY__SCRIPT", "csat")
    monkeypatch.setenv("CORDBOARD_PROMPTS__VOICES", '{"ru": "espeak-ng:ru"}')
    running = Server(tmp_path, sandbox, wrapup=1)
    async with served(running, pbx):
        assert "scripts.refused" not in running.said()
        yield running


class Script:
    """A caller in a script, seen from both ends."""

    def __init__(self, caller: LiveCall, raw: Heard) -> None:
        self.caller, self.raw = caller, raw
        self._seen = 0

    async def at(self, step: str) -> None:
        """Waits until the caller comes to this step once more."""
        for _ in range(round(40 / 0.05)):
            told = [e for e in self.raw.events("VarSet") if e.get("Variable") == "CB_STEP"]
            for number, event in enumerate(told[self._seen :], self._seen + 1):
                if event["Value"] == step:
                    self._seen = number
                    return
            await asyncio.sleep(0.05)
        been = [e["Value"] for e in told]
        raise AssertionError(f"the caller did not come to {step}, but to {been}")

    async def press(self, step: str, digits: str) -> None:
        await self.at(step)
        await self.caller.line.press(digits)


async def test_the_main_job(
    server: Server,
    sandbox: Status,
    ami: Heard,
    dialplan: Heard,
    pbx: SandboxPbx,
    spoken: Path,
    tmp_path: Path,
) -> None:
    """Greeted by name, asks for the balance, presses 0 for a person, waits, is answered by one
    whose card shows the way taken, and says afterwards how it was."""
    log, since = Path(sandbox["queue_log"]), datetime.now(UTC).isoformat(timespec="seconds")
    await server.customer(
        NUMBER,
        name="Иван Петрович",
        status="vip",
        language="ru",
        balance=1500.5,
        attributes={"account": 10203},
        pin=PIN,
    )
    phones = Phones(sandbox, [PhoneSpec("1001", (Manner(ring=0.5, talk=2),))])
    async with phones, server.stream("anna") as anna, server.stream("maria") as maria:
        pbx.cli("queue pause member PJSIP/1001")
        caller = sip.dial(sandbox, NUMBER, "Ivan")
        script = Script(caller, dialplan)
        await script.press("menu/choose", "1")
        await script.press("menu/account", "10203")
        await script.press("menu/pin", WRONG)
        await script.press("menu/pin", PIN)
        await script.at("menu/balance")
        await script.press("menu/choose", "0")
        joined = await ami.until_event("QueueCallerJoin", CallerIDNum=NUMBER)
        assert joined["Queue"] == "support-ru"
        assert (await maria.call("waiting"))["customer"]["name"] == "Иван Петрович"
        pbx.cli("queue unpause member PJSIP/1001")
        pop = await anna.pop()
        assert way(pop) == [
            ("hello", "next", ""),
            ("choose", "1", "1"),
            ("account", "next", "10203"),
            ("pin", "next", "••••"),
            ("who", "missing", ""),
            ("wrong", "next", ""),
            ("pin", "next", "••••"),
            ("who", "found", ""),
            ("balance", "next", ""),
            ("choose", "0", "0"),
            ("person", "route", ""),
        ]
        assert pop["path"][1]["title"] == {"ru": "Главное меню", "en": "Main menu"}
        chosen = {"script": "menu", "target": "queue", "to": "support-ru"}
        assert {"code": "script", "args": chosen, "text": None} in pop["route"]["why"]
        assert pop["route"]["priority"] == 7
        await script.press("csat/mark", "5")
        result = await caller.result
        assert (result.outcome, result.hung_up) == ("completed", "them")
        assert (await anna.call("ended"))["cause"] == "completed"
    said = spoken.read_text(encoding="utf-8")
    assert "Иван Петрович" in said
    runs, found = await results(server)
    assert [(run.script, run.outcome) for run in runs] == [
        ("menu", "routed"),
        ("csat", "completed"),
    ]
    (call,) = await server.calls()
    assert {run.call_id for run in runs} == {call.id}
    assert (runs[1].operator, runs[1].queue, runs[1].status) == ("anna", "support-ru", "vip")
    assert found == {"account": "10203", "csat": "5"}
    report = await server.api("GET", "/surveys/csat/results")
    (question,) = report["questions"]
    assert (report["runs"], question["answered"], question["csat"]["share"]) == (1, 1, 1.0)
    code, printed = await reconcile(server, log, since)
    assert code == 0, printed
    server.stop()
    assert await asyncio.to_thread(decided_again, tmp_path / "var/flight") == 0
    await asyncio.to_thread(nowhere, PIN, server, tmp_path, pbx, dialplan)
    await asyncio.to_thread(nowhere, WRONG, server, tmp_path, pbx, dialplan)


def ask(name: str, then: str, *more: str, prompt: str = "beep") -> str:
    entry = "kind: digits, timeout: 2, between: 1.5, length: { most: 32 }"
    entry = next((each for each in more if each.startswith("kind")), entry)
    return f"""
  - id: {name}
    ask: {{ {entry}, question: {name}, prompt: {{ sound: {prompt} }} }}
    on: {{ noinput: {then}, nomatch: {then} }}"""


KEYS = (
    "version: 1\nname: menu\nlanguages: [en, ru]\nsteps:"
    + ask("early", "stars", prompt="demo-enterkeywords")
    + ask("stars", "letters")
    + ask("letters", "none")
    + ask("none", "flood")
    + ask("flood", "mark")
    + ask("mark", "half", "kind: scale, scale: 1-5, timeout: 3")
    + ask("half", "over")
    + "\n  - id: over\n    hangup: true\n"
)


class TestKeys:
    @pytest.fixture
    def scripts(self) -> dict[str, str]:
        return {"menu": KEYS, "csat": CSAT}

    async def test_keys_in_any_manner(
        self, server: Server, sandbox: Status, ami: Heard, dialplan: Heard
    ) -> None:
        """Before the prompt ends, stars and hashes alone, letters, none, a flood of them, a mark
        that there is not, and half an entry before the caller hangs up."""
        await server.customer(NUMBER, status="vip")
        script = Script(sip.dial(sandbox, NUMBER), dialplan)
        began = asyncio.get_running_loop().time()
        await script.press("menu/early", "12#")
        await script.at("menu/stars")
        assert asyncio.get_running_loop().time() - began < 6, "the prompt was broken into"
        await script.caller.line.press("*#")
        await asyncio.sleep(0.5)
        await script.caller.line.press("34#")
        await script.press("menu/letters", "A5B6#")
        await script.at("menu/none")
        await script.at("menu/flood")
        await script.caller.line.press("0123456789" * 20, pause=0)
        await script.press("menu/mark", "9")
        await asyncio.sleep(0.5)
        await script.caller.line.press("4")
        await script.press("menu/half", "77")
        await asyncio.sleep(0.5)
        assert (await script.caller.hang_up()).outcome == "completed"
        (run,), answers = await results(server)
        assert {**answers, "flood": ""} == {
            "early": "12",
            "stars": "34",
            "letters": "56",
            "flood": "",
            "mark": "4",
        }
        assert "0123456789".startswith(answers["flood"][:10])
        assert len(answers["flood"]) == 32
        ways = {step: way for step, way, _ in json.loads(run.path)}
        assert (ways["none"], ways["half"]) == ("noinput", "hangup")
        assert run.outcome == "hung-up"


GO_ON = """
version: 1
name: menu
languages: [ru]
steps:
  - id: go
    route: { script: nps }
"""
INPUTS = """
- name: a passive one
  inputs: [{ keys: "1" }, { keys: "7#" }, { keys: "2" }, nothing]
"""


class TestThreeWays:
    @pytest.fixture
    def scripts(self) -> dict[str, str]:
        nps = (shipped_scripts() / "nps.yaml").read_text(encoding="utf-8")
        return {"menu": GO_ON, "csat": CSAT, "nps": nps}

    async def test_phone_form_and_terminal_store_the_same_result(
        self, server: Server, sandbox: Status, dialplan: Heard, tmp_path: Path
    ) -> None:
        customer = await server.customer(NUMBER, status="vip", language="ru")
        script = Script(sip.dial(sandbox, NUMBER, audio=True), dialplan)
        for step, keys in (("consent", "1"), ("score", "7#"), ("better", "2"), ("words", "#")):
            await script.press(f"nps/{step}", keys)
        assert (await script.caller.result).outcome == "completed"
        form = await server.api(
            "POST", "/forms", {"script": "nps", "customer": customer["id"]}, by="anna"
        )
        for entry in ("1", "7", "delivery", ""):
            form = await server.api("POST", f"/forms/{form['id']}/entries", by="anna", body={
                "step": form["items"][form["current"]]["step"],
                "text": entry,
                "version": form["version"],
            })  # fmt: skip
            assert form["fault"] == ""
        await server.api("POST", f"/forms/{form['id']}/end", {}, by="anna")
        inputs = tmp_path / "inputs.yaml"
        inputs.write_text(INPUTS, encoding="utf-8")
        await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable, "-m", "cordboard", "script", "run", "--store",
                "--config", str(server.config), "--customer", f"+{NUMBER}",
                "--answers", str(inputs), str(tmp_path / "scripts/nps.yaml"),
            ],
            check=True,
        )  # fmt: skip
        async with server.store() as store:
            runs = [run for run in await store.runs() if run.script == "nps"]
            kept = [await store.answers([run.id]) for run in runs]
        assert {run.channel for run in runs} == {"phone", "form", "terminal"}
        ways = [[(step, way) for step, way, _ in json.loads(run.path)] for run in runs]
        assert ways == [ways[0]] * 3
        facts = [(r.version, r.language, r.customer_id, r.status, r.outcome) for r in runs]
        assert facts == [(facts[0][0], "ru", customer["id"], "vip", "completed")] * 3
        answers = [[(a.question, a.step, a.kind, a.value, a.scale) for a in each] for each in kept]
        assert answers == [answers[0]] * 3
        assert [(question, value) for question, _, _, value, _ in answers[0]] == [
            ("score", "7"),
            ("reason", "delivery"),
        ]
        report = await server.api("GET", "/surveys/nps/results")
        score = next(each for each in report["questions"] if each["question"] == "score")
        assert (report["runs"], report["outcomes"]) == (3, {"completed": 3})
        assert (score["nps"]["n"], score["nps"]["score"]) == (3, 0.0)


REST = """
version: 1
name: menu
languages: [en, ru]
on: { noinput: over, nomatch: over }
steps:
  - id: why
    record: { prompt: { sound: beep }, question: why, seconds: 2, silence: 0 }
  - id: call
    transfer: { to: "+79031110001", seconds: 10 }
    on: { busy: offer }
    next: over
  - id: offer
    callback: { queue: "support-{language}", prompt: { sound: vm-tocallnum } }
    on: { refused: over }
  - id: over
    hangup: true
"""


class TestTheRest:
    @pytest.fixture
    def scripts(self) -> dict[str, str]:
        return {"menu": REST, "csat": CSAT}

    async def test_a_recorded_answer_a_transfer_in_vain_and_a_callback(
        self, server: Server, sandbox: Status, ami: Heard, dialplan: Heard, tmp_path: Path
    ) -> None:
        await server.customer(NUMBER, status="vip", language="ru")
        phones = Phones(sandbox, [PhoneSpec("1001", (Manner(ring=0.3),))])
        async with phones, server.stream("anna") as anna:
            script = Script(sip.dial(sandbox, NUMBER, audio=True), dialplan)
            async with Mobile(sandbox, Manner("busy", ring=0.3)):
                await script.press("menu/offer", "1")
                await script.caller.result
            async with Mobile(sandbox, Manner(ring=0.3, talk=1)):
                joined = await ami.until_event("QueueCallerJoin", CallerIDNum=f"+{NUMBER}")
                assert joined["Queue"] == "support-ru"
                pop = await anna.pop()
                assert pop["call"]["from"] == f"+{NUMBER}"
                await anna.call("ended")
        (run,), _ = await results(server)
        ways = [(step, way) for step, way, _ in json.loads(run.path)]
        assert ways == [("why", "next"), ("call", "busy"), ("offer", "taken"), ("over", "end")]
        async with server.store() as store:
            (answer,) = await store.answers([run.id])
        assert answer.file is not None
        recorded = tmp_path / "recordings" / answer.file
        assert NUMBER[-7:] not in answer.file
        assert recorded.stat().st_size > RATE  # half a second and more


def way(pop: Message) -> list[tuple[str, str, str]]:
    return [(step["step"], step["way"], step["entered"]) for step in pop["path"]]


async def results(server: Server) -> tuple[list[Any], dict[str, str]]:
    """The runs that have ended, the first one first, and all that was answered in them."""
    async with server.store() as store, asyncio.timeout(PATIENCE):
        while await store.open_runs():
            await asyncio.sleep(0.1)
        runs = sorted(await store.runs(), key=lambda run: run.started_at)
        answers = await store.answers([run.id for run in runs])
    return runs, {each.question: each.value for each in answers}


def decided_again(flight: Path) -> int:
    """The exit code of a replay of what the flight recorder wrote down."""
    words = [sys.executable, "-m", "cordboard", "replay", "--decisions", str(flight)]
    return subprocess.run(words, capture_output=True, check=False).returncode


def nowhere(secret: str, server: Server, folder: Path, pbx: SandboxPbx, raw: Heard) -> None:
    """What is secret stands in no log, variable, recording nor row."""
    places = [path for top in (folder, pbx.directory / "log") for path in top.rglob("*")]
    for path in places:
        if path.is_file() and path.name != "spoken":
            text = path.read_bytes()
            assert secret.encode() not in text, path
    told = [e for e in raw.events("VarSet") if secret in e.get("Value", "")]
    assert told == []
