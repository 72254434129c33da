"""The ready scripts: without a fault, spoken in three languages, and tested step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from cordboard import rulebook
from cordboard.config import Settings, share
from cordboard.ivr.lint import House
from cordboard.ivr.rehearsal import Case, cases, rehearse, unvisited
from cordboard.ivr.script import Script
from cordboard.library import TESTS, files, read, together
from cordboard.sections import shipped_scripts

PATHS = files(shipped_scripts())
QUEUES = ["support", "support-ru", "support-bg", "support-en", "collections"]


def _script(path: Path) -> Script:
    found = read(path).script
    assert found is not None
    return found


def _cases(path: Path) -> list[Case]:
    beside = path.with_name(path.name.removesuffix(".yaml") + TESTS)
    return cases(beside.read_text(encoding="utf-8"))


def test_the_ready_scripts_are_there() -> None:
    names = {path.stem for path in PATHS}
    assert names >= {"main-menu", "balance", "identify", "csat", "nps", "price-opinion"}
    assert "after-hours" in names


def test_they_have_no_fault_and_name_only_what_is_shipped() -> None:
    calendars = rulebook.read(share("routing.toml"))[0].calendar
    crm = Settings().crm
    house = House(QUEUES, None, crm.statuses, crm.languages, None, calendars, None, [], [])
    found = together((read(path) for path in PATHS), house)
    assert [line for each in found for line in (*each.faults, *each.advice)] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_they_speak_russian_english_and_bulgarian(path: Path) -> None:
    assert _script(path).languages == ["ru", "en", "bg"]


@pytest.mark.parametrize(
    ("path", "case"),
    [
        pytest.param(path, case, id=f"{path.stem}: {case.name}")
        for path in PATHS
        for case in _cases(path)
    ],
)
def test_their_own_tests_hold(path: Path, case: Case) -> None:
    assert rehearse(_script(path), case).differences == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_their_tests_come_to_every_step(path: Path) -> None:
    script = _script(path)
    assert unvisited(script, [rehearse(script, case) for case in _cases(path)]) == []


ROUND = """
version: 1
name: round
languages: [en]
steps:
  - id: again
    say: Hello.
  - goto: again
"""
RECORD = """
version: 1
name: word
languages: [en]
on: { noinput: bye, nomatch: bye }
steps:
  - record: { question: word, prompt: Speak. }
  - look_up: {}
    on: { missing: bye }
  - id: bye
    hangup: true
"""


@pytest.mark.parametrize(
    ("script", "inputs", "words"),
    [
        (ROUND, "", "it goes round and round"),
        (RECORD, "{ record: long }", "record: long is no number of seconds"),
        (RECORD, "{ record: 5 }, { found: Ivan }", "found: write names and values"),
    ],
)
def test_a_test_that_makes_no_sense_fails_in_words(script: str, inputs: str, words: str) -> None:
    (case,) = cases(f"- {{ name: x, inputs: [{inputs}] }}")
    assert words in rehearse(Script.parse(script), case).differences[0]
