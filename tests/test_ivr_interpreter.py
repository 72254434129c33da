"""The interpreter: what comes next, whatever the caller does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.script import Script
from cordboard.ivr.turns import Collect, End, Kept, Keyed, Outcome, Passed, Turn

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SCRIPT = """
version: 1
name: marks
languages: [en]
survey: true
on: { noinput: sorry, nomatch: sorry }
steps:
  - id: mark
    ask: { kind: scale, question: mark, prompt: "Your mark, {customer.name}?" }
  - when: answers.mark <= 6
    id: low
    say: "We are sorry."
  - id: bye
    hangup: "Thank you."
  - id: sorry
    hangup: "Goodbye."
"""


def played(script: Script, *outcomes: Outcome, customer: Any = None) -> list[Turn]:
    scope = Scope(customer, {"number": "+79031234567"}, NOON)
    turns = [begin(script, scope)]
    for outcome in outcomes:
        turns.append(advance(script, turns[-1].position, outcome, scope))
    return turns


def test_a_mark_is_kept_and_decides_the_way() -> None:
    script = Script.parse(SCRIPT)
    *_, last = played(script, Keyed("9"))
    assert isinstance(last.action, End)
    assert last.action.speech.text == "Thank you."
    assert last.notes == (
        Kept("mark", "mark", "scale", "9", scale="0-10"),
        Passed("mark", "next"),
        Passed("low", "skip"),
    )


def test_a_mark_off_the_scale_is_asked_again_and_given_up_after_the_retries() -> None:
    script = Script.parse(SCRIPT)
    turns = played(script, Keyed("11"), Keyed(""), Keyed("99"))
    assert all(isinstance(turn.action, Collect) for turn in turns[:3])
    assert turns[-1].notes == (Passed("mark", "nomatch"),)
    assert turns[-1].position.step == "sorry"


def test_the_customer_is_named() -> None:
    (first,) = played(Script.parse(SCRIPT), customer={"name": "Ivan Petrovich"})
    assert isinstance(first.action, Collect)
    assert first.action.speech.text == "Your mark, Ivan Petrovich?"
