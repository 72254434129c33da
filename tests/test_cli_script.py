"""`cordboard script`: looks scripts through, plays them, runs their tests; as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from store_fixtures import *  # noqa: F403
from test_administration import Shell
from test_cli_check import cordboard
from typed import Said, typed

from cordboard.crm_core.model import Draft
from cordboard.ivr.reference import page, schema

SCRIPT = """\
version: 1
name: nps
languages: [en]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - id: hello
    say: "Good day, {customer.name}."
    when: known(customer.name)
  - id: score
    ask: { kind: scale, question: score, prompt: "From 0 to 10?" }
  - id: late
    when: not open('office')
    say: "We are closed now."
  - id: why
    when: answers.score <= 6
    record: { question: why, prompt: "Why?" }
  - id: person
    when: answers.score == 0
    route: { queue: support-en }
    on: { error: bye }
  - id: bye
    hangup: "Thank you."
"""
TESTS = """\
- name: a promoter
  open: [office]
  inputs: [{ keys: "9#" }]
  expect: { hears: [From 0 to 10, Thank you], answers: { score: "9" }, ends: completed }
- name: a detractor
  inputs: [{ keys: "3" }, { record: 5 }]
  expect: { path: [late, why, bye], answers: { score: "3", why: recorded } }
"""
CALENDAR = """\
default_queue = "support"
[calendar.office]
mon = "09:00-18:00"
"""


class Folder:
    """A house with one script, and the command as it is typed there."""

    def __init__(self, place: Path, url: str) -> None:
        self.scripts = place / "scripts"
        self.scripts.mkdir()
        self.file = self.scripts / "nps.yaml"
        self.file.write_text(SCRIPT)
        self.tests = self.scripts / "nps.test.yaml"
        self.tests.write_text(TESTS)
        self.rules = place / "routing.toml"
        self.rules.write_text(CALENDAR)
        self.shell = Shell(place, url)
        with self.shell.config.open("a") as config:
            config.write(f'[scripts]\npath = "{self.scripts}"\n[routing]\npath = "{self.rules}"\n')

    def __call__(self, *words: str | Path, keys: str = "") -> Said:
        return typed("script", *words, "-c", self.shell.config, data=keys.encode())


@pytest.fixture
def folder(tmp_path: Path, sqlite_url: str) -> Folder:
    return Folder(tmp_path, sqlite_url)


def test_a_folder_that_is_well_says_so(folder: Folder) -> None:
    assert folder("check") == Said(0, "All is well with 1 script.\n", [])


def test_all_faults_of_all_scripts_are_told_with_file_and_line(folder: Folder) -> None:
    other = folder.scripts / "menu.yaml"
    other.write_text(SCRIPT.replace("name: nps", "name: menu").replace("office", "offise"))
    folder.file.write_text(SCRIPT.replace('say: "We', 'sai: "We').replace("why }", "whi }"))
    said = folder("check")
    assert said.code == 1
    assert said.lines == [
        f"{other}:13: when: no calendar of the routing rules is called offise; did you mean"
        " office?",
        f"{folder.file}:12: sai: is no verb; did you mean say?; there are say, menu, ask, record,"
        " look_up, set, route, transfer, callback, call_api, goto, hangup",
    ]
    assert folder("check", other).lines == said.lines[:1]


def test_scripts_that_lead_round_and_round_are_told(folder: Folder) -> None:
    leads = "version: 1\nname: {}\nlanguages: [en]\nsteps:\n  - route: {{ script: {} }}\n"
    for name, to in (("a", "b"), ("b", "a")):
        (folder.scripts / f"{name}.yaml").write_text(leads.format(name, to))
    told = folder("check", folder.scripts / "a.yaml").lines
    assert any("goes round and round (a → b → a)" in line for line in told)


def test_a_recording_that_is_not_there_is_told(folder: Folder) -> None:
    folder.file.write_text(SCRIPT.replace('"We are closed now."', "{ sound: closed }"))
    (line,) = folder("check").lines
    assert "no sound closed in" in line
    assert line.startswith(f"{folder.file}:14")


def test_a_file_that_is_not_there_is_told(folder: Folder) -> None:
    said = folder("check", folder.scripts / "none.yaml")
    assert said.code == 1
    assert said.only().endswith("none.yaml: No such file or directory")


def test_the_tests_beside_scripts_are_run(folder: Folder) -> None:
    said = folder("test")
    assert said.code == 0
    assert said.out == (
        "ok      nps: a promoter\nok      nps: a detractor\n"
        f"{folder.file}: no test comes to hello, person\n2 tests, 0 failed\n"
    )


def test_how_a_test_differs_is_told(folder: Folder) -> None:
    folder.tests.write_text(TESTS.replace('score: "9"', 'score: "8"').replace("[late", "[hello"))
    said = folder("test", folder.file)
    assert said.code == 1
    assert "FAILED  nps: a promoter\n        answers: score is '9', expected '8'" in said.out
    assert "path: does not come to hello; it went score → late → why → bye" in said.out
    assert "2 tests, 2 failed" in said.out


def test_tests_that_cannot_be_read_are_told_with_their_line(folder: Folder) -> None:
    folder.tests.write_text("- name: x\n  inputs: [{ kyes: 1 }]\n")
    said = folder("test")
    assert said.code == 1
    assert (
        said.only()
        == f"cordboard: {folder.tests}:2: kyes: is nothing a caller does; did you mean keys?"
    )


def test_without_tests_nothing_is_well(folder: Folder) -> None:
    folder.tests.unlink()
    said = folder("test")
    assert said.code == 1
    assert "has no tests; write nps.test.yaml beside it" in said.out


def test_a_script_is_played_with_keys(folder: Folder) -> None:
    said = folder("run", folder.file, "--at", "2026-11-23 20:00", keys="11\n5\nrecord 4\n")
    assert said.code == 0
    told = [line for line in said.out.splitlines() if line.startswith("[") or "kept" in line]
    assert told == [
        "[score] From 0 to 10?",
        "[score] That is not one of the answers. From 0 to 10?",
        "    · kept score = 5",
        "[late] We are closed now.",
        "[why] Why?",
        "    · kept why = why.wav",
        "[bye] Thank you.",
    ]
    assert said.out.endswith("The call is over: completed.\n")


def test_when_it_is_played_makes_a_difference(folder: Folder) -> None:
    assert "closed" not in folder("run", folder.file, "--at", "2026-11-23 10:00", keys="9\n").out
    assert "closed" in folder("run", folder.file, "--at", "2026-11-24 10:00", keys="9\n").out


def test_nothing_is_pressed_and_who_hangs_up(folder: Folder) -> None:
    said = folder("run", folder.file, keys="\n\n\n")
    assert "score → noinput" in said.out
    assert "The call is over: completed." in said.out
    assert "The call is over: hung-up." in folder("run", folder.file, keys="hangup\n").out
    # The end of what is typed is a hang-up, too.
    assert "The call is over: hung-up." in folder("run", folder.file, keys="").out


def test_a_customer_is_greeted_and_what_he_answers_is_kept(folder: Folder) -> None:
    made = folder.shell.ask("create_customer", Draft("Ivan", phones=("+79031234567",)))
    inputs = folder.scripts / "inputs.yaml"
    inputs.write_text('- name: x\n  inputs: [{ keys: "0" }, { record: 3 }]\n')
    at = ("--at", "2026-11-23 10:00", "--customer", "8 903 123-45-67")
    said = folder("run", folder.file, *at, "--answers", inputs, "--store")
    assert said.code == 0
    assert "[hello] Good day, Ivan." in said.out
    assert "[person] goes on: queue support-en" in said.out
    (run,) = folder.shell.ask("runs", "nps")
    assert (run.channel, run.customer_id, run.outcome) == ("terminal", made.customer.id, "routed")
    assert [(step, way) for step, way, _ in json.loads(run.path)][-1] == ("person", "route")
    answers = folder.shell.ask("answers", [run.id])
    assert [(each.question, each.value, each.file) for each in answers] == [
        ("score", "0", None),
        ("why", "", "why.wav"),
    ]


def test_who_is_no_customer_is_told(folder: Folder) -> None:
    said = folder("run", folder.file, "--customer", "+79039999999")
    assert said.only() == "cordboard: --customer +79039999999: no customer has this number"
    assert folder("run", folder.file, "--customer", "soon").only().endswith("telephone number")


def test_a_pin_that_is_typed_is_not_shown(folder: Folder) -> None:
    pin = '- ask: { kind: digits, save: pin, secret: true, prompt: "Your PIN?" }'
    step = "  - id: score\n"
    folder.file.write_text(SCRIPT.replace(step, f"  {pin}\n  - look_up: {{ pin: pin }}\n{step}"))
    said = folder("run", folder.file, keys="734961#\nfound name=Ivan\n9\n")
    assert said.code == 0
    assert "Your PIN?" in said.out
    assert "734961" not in said.out


def test_a_faulty_script_is_not_played(folder: Folder) -> None:
    folder.file.write_text(SCRIPT.replace("hangup:", "hangpu:"))
    for command in ("run", "test"):
        said = folder(command, folder.file)
        assert said.code == 1
        assert "hangpu: is no verb; did you mean hangup?" in said.lines[0]


def test_the_reference_is_printed() -> None:
    assert json.loads(typed("script", "schema").out) == schema()
    assert typed("script", "reference").out == page()


def test_it_starts_for_good(folder: Folder) -> None:
    assert cordboard("script", "check", "-c", folder.shell.config).code == 0
