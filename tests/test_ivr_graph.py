"""The chart of a script shows every way that callers can go, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.ivr.flow import ways
from cordboard.ivr.flowchart import draw, mermaid, wrapped
from cordboard.ivr.graph import graph_of
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.script import Script
from cordboard.ivr.turns import (
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
    Go,
    HungUp,
    Keyed,
    Missing,
    Note,
    Outcome,
    Passed,
    Recorded,
    Refused,
    Request,
    Take,
    Turn,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

EVERYTHING = """
version: 1
name: everything
title: { en: Every <verb>, ru: Все глаголы }
languages: [en, ru]
on: { noinput: person, hangup: log }
steps:
  - id: find
    look_up: { by: caller }
    on: { missing: hello }
  - id: known
    when: customer.name == 'Ivan'
    say: { en: "Good day, {customer.name}!", ru: "Добрый день, {customer.name}!" }
  - id: hello
    menu:
      prompt: { en: "Press 1, 2 or 9", ru: { sound: menu } }
      choices:
        "1": { text: { en: balance, ru: баланс }, goto: account }
        "2": message
        "8": { language: ru }
        "9": hello
  - id: account
    ask: { kind: digits, save: account, prompt: "Account?", confirm: true }
    on: { nomatch: hello }
  - id: text
    ask: { kind: text, question: why, prompt: "Why?" }
  - when: account == '11'
    goto: ask-api
  - id: dial
    transfer: { to: "{customer.manager.mobile}" }
    on: { busy: message }
  - id: message
    record: { prompt: "Speak." }
    on: { noinput: last }
  - id: ask-api
    call_api: { url: "https://api.example/{account}", save: { tariff: tariff } }
    on: { error: offer, hangup: last }
  - set: { x: "1" }
  - id: offer
    callback: { queue: support }
    on: { refused: person }
  - id: bye
    hangup: "Bye."
  - id: person
    route: { queue: "support-{language}" }
    on: { error: offer }
  - id: log
    set: { y: "2" }
  - id: last
    say: "…"
"""


def outcomes(turn: Turn) -> tuple[Outcome, ...]:
    """All that may come of an action."""
    match turn.action:
        case Collect():
            return Keyed(""), Keyed("1"), Keyed("2"), Keyed("8"), Keyed("9"), Keyed("11"), HungUp()
        case Take():
            return Recorded(""), Recorded("message.wav"), HungUp()
        case Find():
            return (
                Found({"name": "Ivan"}),
                Found({"name": "Anna"}),
                Missing(),
                Failed("x"),
                HungUp(),
            )
        case Request():
            return Answered({"tariff": "1"}), Failed("x"), HungUp()
        case Dial():
            return (
                *(Dialled(each) for each in ("answered", "noanswer", "busy")),
                Failed("x"),
                HungUp(),
            )
        case CallBack():
            return Done(), Refused(), Failed("x"), HungUp()
        case Go():
            return Failed("x"), HungUp()
        case End():
            return ()
    return Done(), HungUp()


def hops(notes: Iterable[Note], end: str) -> list[tuple[str, str, str]]:
    """Each step that was left, how, and where that led."""
    passed = [note for note in notes if isinstance(note, Passed)]
    after = [*(note.step for note in passed), end][1:]
    return [(note.step, note.way, to) for note, to in zip(passed, after, strict=True)]


def walked(script: Script, choose: Any) -> list[tuple[str, str, str]]:
    """What the interpreter did: step, way, and the step it came to."""
    scope = Scope({}, {"number": "+79031234567"}, NOON)
    turn = begin(script, scope)
    notes = list(turn.notes)
    for _ in range(40):
        may = outcomes(turn)
        if not may:
            break
        turn = advance(script, turn.position, choose(may), scope)
        notes += turn.notes
    return hops(notes, turn.position.step)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_whatever_the_interpreter_does_is_on_the_chart(data: st.DataObject) -> None:
    script = Script.parse(EVERYTHING)
    flow = graph_of(script, "en", str)
    drawn = {(edge.source, way): edge.target for edge in flow.edges for way in edge.ways}
    for step, way, to in walked(script, lambda may: data.draw(st.sampled_from(may))):
        if way == "hangup" and script.step(step).on.hangup is None:
            assert to == script.on.hangup
        else:
            assert drawn[step, way] in (to, f"{to}/{step}"), (step, way)


def test_every_way_of_the_chart_can_be_gone() -> None:
    """The other way round: nothing is drawn that the interpreter does not do."""
    script = Script.parse(EVERYTHING)
    seen: set[tuple[str, str, str]] = set()
    scope = Scope({}, {"number": "+79031234567"}, NOON)
    todo, known = [begin(script, scope)], set()
    while todo:
        turn = todo.pop()
        for outcome in outcomes(turn):
            then = advance(script, turn.position, outcome, scope)
            seen.update(hops(then.notes, then.position.step))
            at = then.position
            account = at.variables.get("account")
            state = (
                type(then.action),
                at.step,
                at.phase,
                at.tries,
                at.entered,
                at.gone,
                account,
                str(at.customer),
            )
            if state not in known:
                known.add(state)
                todo.append(then)
    drawn = {(step, way.name, way.target) for step in script.ids for way in ways(script, step)}
    assert drawn - seen == set()


def test_arrows_say_under_which_condition_and_by_which_key() -> None:
    flow = graph_of(Script.parse(EVERYTHING), "ru", str)
    labels = {edge.key: edge.label for edge in flow.edges}
    assert labels["hello", "1"] == "1 · баланс"
    assert labels["hello", "8"] == "8 · ru"
    assert labels["goto-6", "goto"] == "if account == '11'"
    assert labels["goto-6", "skip"] == "otherwise"
    assert labels["known", "skip"] == "unless customer.name == 'Ivan'"
    assert labels["hello", "noinput nomatch"] == "no input, no match"
    assert labels["find", "missing"] == "not found"
    # What fails and goes on all the same needs no arrow of its own.
    assert labels["find", "found error"] == ""


def test_texts_are_shown_in_the_language_with_the_names_of_their_values() -> None:
    script = Script.parse(EVERYTHING)
    english, russian = (
        {node.id: node for node in graph_of(script, each, str).nodes} for each in ("en", "ru")
    )
    assert english["known"].lines == ("Good day, {customer.name}!",)
    assert russian["known"].lines == ("Добрый день, {customer.name}!",)
    assert russian["hello"].lines == ("♪ menu",)


def test_a_step_to_which_many_failures_lead_is_pointed_at() -> None:
    asks = "\n".join(f"  - ask: {{ kind: digits, save: a{n}, prompt: 'A?' }}" for n in range(4))
    text = (
        "version: 1\nname: many\nlanguages: [en]\non: { noinput: sorry }\nsteps:\n"
        f"{asks}\n  - hangup: Bye\n  - id: sorry\n    hangup: Sorry\n"
    )
    flow = graph_of(Script.parse(text), "en", str)
    assert [edge.target for edge in flow.edges if edge.pointer] == ["sorry"] * 4
    assert "→ sorry" in draw(flow)
    few = text.replace("  - ask: { kind: digits, save: a3, prompt: 'A?' }\n", "")
    assert not any(edge.pointer for edge in graph_of(Script.parse(few), "en", str).edges)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_svg_is_well_formed_and_names_every_step_and_way(language: str) -> None:
    flow = graph_of(Script.parse(EVERYTHING), language, str)
    svg = draw(flow)
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    groups = root.findall(f".//{space}g[@data-step]")
    steps = [group.get("data-step") for group in groups if group.get("data-way") is None]
    assert steps == [node.id for node in flow.nodes]
    arrows = {
        (group.get("data-step"), group.get("data-way"))
        for group in groups
        if group.get("data-way") is not None
    }
    assert arrows == {edge.key for edge in flow.edges}
    assert root.findtext(f"{space}title") == flow.title
    # Nothing that a page's policy would forbid.
    assert "<style" not in svg
    assert "style=" not in svg
    alone = draw(flow, None, ".flow-line{stroke:red}")
    assert ElementTree.fromstring(alone).findtext(f"{space}style") == ".flow-line{stroke:red}"


def test_mermaids_text_keeps_what_people_write_apart_from_its_syntax() -> None:
    text = EVERYTHING.replace("Account?", 'Say \\"end\\"; <b>#1</b> `x`')
    lines = mermaid(graph_of(Script.parse(text), "en", str)).splitlines()
    assert lines[:4] == ["---", 'title: "Every <verb>"', "---", "flowchart TD"]
    assert any("Say #quot;end#quot;; #lt;b#gt;#35;1#lt;/b#gt; #96;x#96;" in line for line in lines)
    arrows = [line for line in lines if re.fullmatch(r'  s\d+ (-->|-.->)(\|".*"\|)? s\d+', line)]
    assert len(arrows) == len(graph_of(Script.parse(text), "en", str).edges)


def test_long_words_are_broken_and_long_texts_cut() -> None:
    assert wrapped("one two", 12, 500, 4) == ["one two"]
    broken = wrapped("https://billing.example/a/very/long/address", 12, 100, 9)
    assert len(broken) > 1
    assert "".join(broken) == "https://billing.example/a/very/long/address"
    cut = wrapped("слово " * 100, 12, 100, 3)
    assert len(cut) == 3
    assert cut[-1].endswith("…")
