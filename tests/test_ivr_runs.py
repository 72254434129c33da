"""A run of a script as it is remembered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cordboard.crm_core.model import (
    AnswerRecord,
    Card,
    Customer,
    Manager,
    RefusalRecord,
    RunRecord,
)
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.people import names_of
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import PATH_AT_MOST, Run, Written, run_id
from cordboard.ivr.script import Script
from cordboard.ivr.turns import Found, HungUp, Keyed, Outcome

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

SCRIPT = Script.parse("""
version: 1
name: marks
languages: [en, ru]
survey: true
steps:
  - id: may-we
    ask: { kind: yes_no, question: consent, prompt: "May we ask?" }
    on: { nomatch: never, noinput: never }
  - id: account
    ask: { kind: digits, save: account, prompt: "Your account?" }
  - id: who
    look_up: { by: account, value: account }
  - id: mark
    ask: { kind: scale, question: mark, prompt: "Your mark?" }
  - id: person
    when: answers.mark < 5
    route: { queue: support }
  - id: bye
    hangup: "Thank you."
  - id: never
    set: { do_not_ask: "'all'" }
  - id: sorry
    hangup: "Goodbye."
""")
ANNA = {"id": "c-1", "status": "vip"}


def played(*outcomes: Outcome, script: Script = SCRIPT) -> tuple[Run, list[list[Written]]]:
    """A second goes by with each."""
    scope = Scope(None, {"number": "+79031234567"}, NOON)
    run = Run.start(script, "r-1", "phone", 100.0, call_id="call-1", number="+79031234567")
    turn = begin(script, scope, "ru")
    written = [run.take(turn, 100.0)]
    for number, outcome in enumerate(outcomes, 1):
        turn = advance(script, turn.position, outcome, scope)
        written.append(run.take(turn, 100.0 + number))
    return run, written


def of(kind: type[Any], written: list[list[Written]]) -> list[Any]:
    return [record for group in written for record in group if isinstance(record, kind)]


def test_a_run_tells_the_way_taken_the_answers_and_who_it_was() -> None:
    run, written = played(Keyed("1"), Keyed("77"), Found(ANNA), Keyed("9"))
    assert run.record.outcome == "completed"
    assert (run.record.language, run.record.customer_id, run.record.status) == ("ru", "c-1", "vip")
    assert (run.record.started_at, run.record.ended_at) == (100.0, 104.0)
    assert json.loads(run.record.path) == [
        ["may-we", "next", 101.0],
        ["account", "next", 102.0],
        ["who", "found", 103.0],
        ["mark", "next", 104.0],
        ["person", "skip", 104.0],
        ["bye", "end", 104.0],
    ]
    answers = {each.question: (each.kind, each.value) for each in of(AnswerRecord, written)}
    assert answers == {"consent": ("yes_no", "yes"), "mark": ("scale", "9")}
    assert "77" not in answers  # a variable is nothing that is kept


def test_while_it_lasts_the_run_is_open_and_tells_where_it_stands() -> None:
    run, written = played(Keyed("1"), Keyed("77"))
    last = of(RunRecord, written)[-1]
    assert last == run.record
    assert (last.outcome, last.ended_at, last.step) == (None, None, "who")


def test_a_question_asked_again_writes_nothing() -> None:
    _, written = played(Keyed("7"))
    assert written[-1] == []


def test_a_routed_call_ends_its_run_at_the_step_that_routed_it() -> None:
    run, _ = played(Keyed("1"), Keyed("77"), Found(ANNA), Keyed("3"))
    assert run.record.outcome is None  # whether it can go there is not known yet
    assert run.ended("routed", 105.0) == [run.record]
    assert run.path[-1] == ("person", "route", 105.0)
    assert run.ended("failed", 106.0) == []


def test_an_interrupted_run_tells_at_which_step() -> None:
    run, _ = played(Keyed("1"))
    run.ended("interrupted", 109.0)
    assert (run.record.step, run.record.outcome) == ("account", "interrupted")
    assert run.path[-1] == ("account", "interrupted", 109.0)


def test_whoever_hangs_up_is_told_once_and_where() -> None:
    run, _ = played(Keyed("1"), HungUp())
    assert run.record.outcome == "hung-up"
    assert run.path[-1] == ("account", "hangup", 102.0)


def test_a_refusal_holds_for_the_person_and_the_number() -> None:
    run, written = played(Keyed("7"), Keyed("7"), Keyed("7"))
    (refusal,) = of(RefusalRecord, written)
    assert (refusal.script, refusal.number, refusal.at) == (None, "+79031234567", 103.0)
    assert run.record.outcome == "refused"


def test_an_answer_with_a_refusal_at_the_end_is_a_completed_run() -> None:
    text = "version: 1\nname: one\nlanguages: [en]\nsteps:\n"
    text += '  - ask: { kind: scale, question: mark, prompt: "Mark?" }\n'
    text += '  - set: { do_not_ask: "True" }\n'
    run, written = played(Keyed("9"), script=Script.parse(text))
    (refusal,) = of(RefusalRecord, written)
    assert (run.record.outcome, refusal.script) == ("completed", "one")


def test_a_run_goes_on_from_its_record() -> None:
    run, _ = played(Keyed("1"))
    again = Run(SCRIPT, run.record)
    assert (again.record, again.path) == (run.record, run.path)


def test_a_path_that_goes_round_and_round_keeps_its_beginning() -> None:
    text = "version: 1\nname: round\nlanguages: [en]\nsteps:\n"
    text += '  - id: key\n    menu: { prompt: "Key?", choices: { "1": key } }\n'
    run, _ = played(*[Keyed("1")] * (PATH_AT_MOST + 9), script=Script.parse(text))
    assert len(run.path) == PATH_AT_MOST
    assert run.path[0] == ("key", "1", 101.0)


def test_ids_of_runs_are_derived() -> None:
    assert run_id(1.5, "call-1", "marks") == run_id(1.5, "call-1", "marks")
    assert run_id(1.5, "call-1", "marks") != run_id(1.5, "call-1", "other")


def test_a_customer_is_known_to_scripts_in_whole_units_and_by_plain_values() -> None:
    customer = Customer(
        "c-1",
        "person",
        "Иван Петрович",
        ("+79031234567",),
        "vip",
        "ru",
        Manager("olga", "Ольга", "+79035550102"),
        -150050,
        0.0,
        0.0,
        attributes={"tariff": "pro"},
    )
    names = names_of(Card(customer, ()))
    assert names["balance"] == Decimal("-1500.50")
    assert names["manager"] == {"name": "Ольга", "mobile": "+79035550102"}
    assert names["attributes"]["tariff"] == "pro"
    assert (names["name"], names["language"], names["id"]) == ("Иван Петрович", "ru", "c-1")
