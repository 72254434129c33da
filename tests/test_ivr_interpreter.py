"""The interpreter: what comes next, whatever the caller does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from script_fixtures import CUSTOMER, SCRIPTS, SECRET, SOURCES

from cordboard.ivr import interpreter
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.lint import findings
from cordboard.ivr.position import Scope, as_json, from_json
from cordboard.ivr.script import Script
from cordboard.ivr.source import Source
from cordboard.ivr.turns import (
    Action,
    Answered,
    CallBack,
    Collect,
    Dial,
    Dialled,
    Done,
    End,
    Failed,
    Find,
    Found,
    HungUp,
    Kept,
    Keyed,
    Missing,
    Outcome,
    Passed,
    Recorded,
    Refused,
    Request,
    Say,
    Take,
    Turn,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STRANGER = Scope(None, {"number": "+79031234567"}, NOON)

ASK = 'ask: { kind: scale, question: mark, prompt: "Your mark, {customer.name}?" }'
SCRIPT = f"""
version: 1
name: marks
languages: [en]
survey: true
on: {{ noinput: sorry, nomatch: sorry }}
steps:
  - id: mark
    {ASK}
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


def test_a_failing_that_only_says_something_goes_where_the_script_says() -> None:
    more = '\n    on: { noinput: { say: "Once more." } }'
    turns = played(Script.parse(SCRIPT.replace(ASK, ASK + more)), *[Keyed("")] * 3)
    assert isinstance(turns[1].action, Collect)
    assert turns[1].action.speech.text == "Once more. Your mark, …?"
    assert turns[-1].position.step == "sorry"


def test_a_recording_that_says_nothing_goes_where_the_script_says() -> None:
    take = 'record: { prompt: "x" }\n    on: { noinput: { say: "Nothing." } }'
    text = SCRIPT.replace(ASK, take).replace("answers.mark <= 6", "now.hour < 6")
    *_, last = played(Script.parse(text), Recorded(""))
    assert last.position.step == "sorry"


@given(SCRIPTS, st.integers(0, 2**32), st.booleans())
@settings(max_examples=60)
def test_every_call_ends(script: Script, seed: int, is_silent: bool) -> None:
    dice = Random(seed)
    with pytest.MonkeyPatch.context() as fewer:
        fewer.setattr(interpreter, "STEPS_AT_MOST", 60)
        fewer.setattr(interpreter, "QUIET_AT_MOST", 20)
        turn = begin(script, STRANGER)
        turns = 0
        while not turn.is_over:
            outcome = one_of(dice, turn.action, is_silent)
            turn = advance(script, turn.position, outcome, STRANGER)
            turns += 1
            # A question is asked ten times at most, with a confirmation each time.
            assert turns <= 20 * 60
    assert turn.position.passed <= 60 + 20


def test_a_caller_who_asks_for_the_same_again_and_again_is_not_kept_for_ever() -> None:
    again = SCRIPT.replace(ASK, 'menu: { prompt: "x", choices: { "1": mark } }')
    script = Script.parse(again)
    turn, presses = begin(script, STRANGER), 0
    while not turn.is_over:
        turn, presses = advance(script, turn.position, Keyed("1"), STRANGER), presses + 1
    assert isinstance(turn.action, End)
    assert (turn.action.outcome, presses) == ("failed", interpreter.STEPS_AT_MOST + 1)


@given(SCRIPTS, st.integers(0, 2**32))
@settings(max_examples=60)
def test_a_form_goes_on_from_where_it_was_put_away(script: Script, seed: int) -> None:
    dice = Random(seed)
    turn = begin(script, STRANGER)
    for _ in range(30):
        at = turn.position
        if turn.is_over:
            break
        outcome = one_of(dice, turn.action, is_silent=False)
        # What is secret, who was found, and what is to be confirmed a form does not put away.
        if not (at.secrets or at.customer or at.entered or at.gone):
            said = json.loads(json.dumps(as_json(at, script)))
            restored = from_json(said, script)
            assert restored == at
            assert advance(script, restored, outcome, STRANGER) == advance(
                script, at, outcome, STRANGER
            )
        turn = advance(script, at, outcome, STRANGER)


@given(SOURCES, st.integers(0, 2**32))
@settings(max_examples=60)
def test_what_is_secret_is_in_nothing_that_is_kept(source: Source, seed: int) -> None:
    script, dice = Script.of(source), Random(seed)
    if any("secret" in finding.words for finding in findings(script, source)):
        return  # refused: it would be copied, or said
    turn = begin(script, STRANGER)
    for _ in range(40):
        shown = [repr(turn.position), repr(turn.notes), repr(turn.action)]
        shown.append(json.dumps(as_json(turn.position, script)))
        assert not [each for each in shown if SECRET in each]
        if turn.is_over:
            break
        outcome = one_of(dice, turn.action, is_silent=False)
        assert SECRET not in repr(outcome)
        turn = advance(script, turn.position, outcome, STRANGER)


@given(SCRIPTS, st.integers(0, 2**32))
@settings(max_examples=40)
def test_who_has_gone_is_told_nothing_more(script: Script, seed: int) -> None:
    dice = Random(seed)
    turn = begin(script, STRANGER)
    for _ in range(dice.randrange(6)):
        if not turn.is_over:
            outcome = one_of(dice, turn.action, is_silent=False)
            turn = advance(script, turn.position, outcome, STRANGER)
    if turn.is_over:
        return
    turn = advance(script, turn.position, HungUp(), STRANGER)
    for _ in range(50):
        assert isinstance(turn.action, End | Request | Find)
        if isinstance(turn.action, End):
            assert turn.action.outcome in ("hung-up", "failed")
            return
        outcome = one_of(dice, turn.action, is_silent=True)
        turn = advance(script, turn.position, outcome, STRANGER)
    # A loop of questions to other systems is not for ever, either: `test_every_call_ends`.


def one_of(dice: Random, action: Action, is_silent: bool) -> Outcome:
    """What may become of an action; a caller who is silent never presses a key."""
    may: list[Outcome]
    match action:
        case Say():
            may = [Done()]
        case Collect(keys=keys):
            pressed = [SECRET] if keys.secret else ["1", "2", "9", "10", "12", "*", "9" * 200]
            may = [Keyed("")] if is_silent else [Keyed(each) for each in (*pressed, "")]
        case Take():
            may = [Recorded("")] if is_silent else [Recorded(""), Recorded("a.wav", 3)]
        case Find():
            may = [Found(CUSTOMER), Missing(), Failed("late")]
        case Request():
            may = [Answered({"code": "base"}), Answered({"code": None}), Failed("late")]
        case Dial():
            may = [Dialled("noanswer"), Dialled("busy"), Failed("no number")]
        case CallBack():
            may = [Done(), Refused(), Failed("late")]
        case _:
            may = [Failed("full")]
    return dice.choice(may)


def test_a_pin_is_forgotten_by_the_look_up_that_asks_for_it_and_by_no_other() -> None:
    script = Script.parse("""
version: 1
name: pin
languages: [en]
on: { noinput: bye, nomatch: bye }
steps:
  - ask: { kind: digits, save: pin, secret: true, prompt: "Your PIN?" }
  - look_up: { by: phone, value: "'+79031234567'" }
    on: { missing: bye }
  - look_up: { by: phone, value: "'+79031234567'", pin: pin }
    on: { missing: bye, error: bye }
  - id: bye
    hangup: Goodbye.
""")
    for outcome in (Found({"name": "Ivan"}), Missing(), Failed("x")):
        turn = begin(script, STRANGER)
        for step in (Keyed(SECRET), Found({"name": "Ivan"})):
            turn = advance(script, turn.position, step, STRANGER)
        assert isinstance(turn.action, Find)
        assert turn.action.pin == SECRET
        assert not advance(script, turn.position, outcome, STRANGER).position.secrets
