"""What the linter says of any script holds of every call."""

from __future__ import annotations

import functools
import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st
from script_fixtures import NOON, SCRIPTS, SOURCES, played

from cordboard.ivr import loops, truth
from cordboard.ivr.domains import Domains
from cordboard.ivr.expressions import Path
from cordboard.ivr.finding import NOWHERE, House
from cordboard.ivr.flow import hung_up, reached, ways
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.known import known
from cordboard.ivr.lint import findings
from cordboard.ivr.position import Scope
from cordboard.ivr.script import END, Script, ScriptError
from cordboard.ivr.source import Source
from cordboard.ivr.steps import SetStep, expression
from cordboard.ivr.turns import (
    Collect,
    Dial,
    Dialled,
    Done,
    Failed,
    Find,
    Keyed,
    Missing,
    Outcome,
    Passed,
    Recorded,
    Request,
    Say,
    Take,
    Turn,
)

HOUSE = House(
    queues=["b"], operators=[], statuses=["vip"], languages=["en"], segments=[], calendars=[],
    scripts=["menu"], leads={"menu": []}, secrets=[], allow=[],
)  # fmt: skip


@given(st.data())
@settings(max_examples=100)
def test_a_call_goes_only_the_ways_that_the_linter_knows(data: st.DataObject) -> None:
    script = data.draw(SCRIPTS)
    inside = reached(script)
    passed: list[Passed] = []
    for turn in played(data.draw, script):
        passed += [note for note in turn.notes if isinstance(note, Passed)]
        assert turn.position.step == END or turn.position.step in inside
    for note in passed:
        names = {way.name for way in ways(script, note.step)}
        assert note.step in inside
        assert note.way in names or note.way == "hangup"
    for note, then in itertools.pairwise(passed):
        targets = {way.target for way in ways(script, note.step) if way.name == note.way}
        if note.way == "hangup":
            targets = {hung_up(script, note.step) or END}
        assert then.step in targets


@given(st.data())
@settings(max_examples=100)
def test_a_step_whose_condition_can_never_hold_is_never_come_to(data: st.DataObject) -> None:
    script = data.draw(SCRIPTS)
    domains, learnt = Domains(script, NOWHERE), known(script)
    turns = played(data.draw, script)
    notes = [note for turn in turns for note in turn.notes if isinstance(note, Passed)]
    entered = {note.step for note in notes if note.way != "skip"}
    skipped = {note.step for note in notes if note.way == "skip"}
    for step_id, step in zip(script.ids, script.steps, strict=True):
        if step.when is None or step_id not in learnt:
            continue
        certain = learnt[step_id].each
        sure = functools.partial(domains.of, certain=certain)
        found = truth.outcomes(expression(step.when), sure)
        assert True in found or step_id not in entered
        assert False in found or step_id not in skipped


@given(st.data())
@settings(max_examples=100)
def test_what_is_known_on_every_way_is_known(data: st.DataObject) -> None:
    script = data.draw(SCRIPTS)
    learnt = known(script)
    for turn in played(data.draw, script):
        if turn.position.step not in learnt:
            continue
        at, here = turn.position, learnt[turn.position.step]
        has: set[Path] = {("answers", name) for name in at.answers}
        has |= {(name,) for name in (*at.variables, *at.secrets)}
        assert has <= here.some
        if not any(isinstance(note, Passed) and note.way == "hangup" for note in turn.notes):
            # A secret is gone once it was looked up with.
            gone = {("pin",)} if not at.secrets else set()
            assert here.each - gone <= has


@given(SCRIPTS)
@settings(max_examples=100)
def test_a_silent_caller_never_goes_round_for_ever_unless_the_linter_says_so(
    script: Script,
) -> None:
    if any(isinstance(step, SetStep) for step in script.steps) or loops.endless(script):
        return  # a count may end a loop; whether it does is not told
    scope = Scope(None, {"number": ""}, NOON)
    turn = begin(script, scope)
    for _ in range(300):
        if turn.is_over:
            break
        turn = advance(script, turn.position, silent(turn), scope)
    assert turn.is_over
    assert turn.action.outcome == "completed"  # type: ignore[union-attr]


def silent(turn: Turn) -> Outcome:
    match turn.action:
        case Say():
            return Done()
        case Collect():
            return Keyed("")
        case Take():
            return Recorded("")
        case Find():
            return Missing()
        case Dial():
            return Dialled("noanswer")
        case Request():
            return Failed("no answer")
    return Failed("no answer")


@given(SOURCES)
@settings(max_examples=100)
def test_any_script_is_looked_through(source: Source) -> None:
    script = Script.of(source)
    for house in (NOWHERE, HOUSE):
        for finding in findings(script, source, house):
            assert finding.words
            assert 1 <= finding.line <= source.text.count("\n")


@given(st.text(max_size=300))
@example("a: &a [*a, *a]")
@example("\t- x")
@example("{" * 1000)
@settings(max_examples=100)
def test_any_text_is_read_or_told_why_not(text: str) -> None:
    faults = []
    try:
        Script.parse(text)
    except ScriptError as error:
        faults = error.faults
    assert all(line >= 1 and words for line, words in faults)
