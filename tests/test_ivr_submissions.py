"""Results in the shape of XLSForm's tools."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pyxform.xls2json_backends import md_to_dict

from cordboard.crm_core.model import AnswerRecord, RunRecord
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run
from cordboard.ivr.script import Script
from cordboard.ivr.submissions import submissions
from cordboard.ivr.turns import Collect, Done, End, Keyed
from cordboard.ivr.worksheets import Form
from cordboard.ivr.xlsform import imported

SCRIPT = Script.parse("""
version: 1
name: cars
languages: [en]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - id: age
    ask: { kind: number, question: age, prompt: Age }
    column: About/Age
  - id: bmw
    ask: { kind: yes_no, question: brands_bmw, prompt: BMW }
    column: About/brands/bmw
  - id: lada
    ask: { kind: yes_no, question: brands_lada, prompt: Lada }
    column: About/brands/lada
  - id: owner
    ask: { kind: yes_no, question: owner, prompt: Owner }
  - id: paid
    ask: { kind: money, question: paid, prompt: Paid }
  - id: why
    record: { question: why, prompt: Why }
  - id: bye
    hangup: Bye
""")
RUN = RunRecord(
    id="0190c3a4-0000-7000-8000-000000000001",
    script="cars",
    version=SCRIPT.fingerprint,
    channel="phone",
    call_id=None,
    customer_id=None,
    respondent_id=None,
    number="+79031234567",
    operator="anna",
    queue=None,
    status=None,
    language="en",
    started_at=1_795_000_000.0,
    ended_at=1_795_000_060.5,
    outcome="completed",
    step="bye",
    path="[]",
)


def answer(question: str, kind: str, value: str, file: str | None = None) -> AnswerRecord:
    return AnswerRecord(RUN.id, question, question, kind, value, RUN.started_at, file)


def test_a_run_stands_under_the_names_of_the_form() -> None:
    given = [
        answer("age", "number", "30"),
        answer("brands_bmw", "yes_no", "yes"),
        answer("brands_lada", "yes_no", "no"),
        answer("owner", "yes_no", "yes"),
        answer("paid", "money", "12050"),
        answer("why", "recording", "", "ab/why.wav"),
        answer("colour", "choice", "red"),
    ]
    answers = {RUN.id: {each.question: each for each in given}}
    head, row = submissions(SCRIPT, [RUN], answers, ZoneInfo("Europe/Sofia"))
    assert dict(zip(head, row, strict=True)) == {
        "start": "2026-11-18T13:06:40.000+02:00",
        "end": "2026-11-18T13:07:40.500+02:00",
        "deviceid": "phone",
        "phonenumber": "+79031234567",
        "username": "anna",
        "About/Age": 30,
        "About/brands": "bmw",
        "About/brands/bmw": 1,
        "About/brands/lada": 0,
        "owner": "yes",
        "paid": 120.5,
        "why": "ab/why.wav",
        "colour": "red",
        "__version__": SCRIPT.fingerprint,
        "_uuid": RUN.id,
        "_submission_time": "2026-11-18T13:07:40.500+02:00",
        "_status": "completed",
        "_index": 1,
    }


def test_what_was_not_answered_is_empty() -> None:
    head, row = submissions(SCRIPT, [RUN], {}, ZoneInfo("UTC"))
    found = dict(zip(head, row, strict=True))
    assert {found[each] for each in ("About/Age", "About/brands", "About/brands/bmw", "paid")} == {
        ""
    }


def test_without_runs_there_are_the_headings() -> None:
    (head,) = submissions(SCRIPT, [], {}, ZoneInfo("UTC"))
    assert "About/Age" in head


FORM = """
| survey  |
|         | type                   | name   | label::English (en)  |
|         | begin group            | About  | About you            |
|         | integer                | Age    | How old are you?     |
|         | select_multiple brands | Brands | Which do you know?   |
|         | end group              |        |                      |
|         | range                  | Mark   | Your mark?           |
| choices |
|         | list_name | name | label::English (en) |
|         | brands    | bmw  | BMW                 |
|         | brands    | lada | Lada                |
"""


def test_what_is_pressed_on_the_phone_stands_under_the_names_of_the_spreadsheet() -> None:
    sheets = md_to_dict(FORM)
    script = imported(Form.of(sheets["survey"], sheets["choices"], []), "cars").script
    scope = Scope(None, {"number": RUN.number}, datetime.fromtimestamp(RUN.started_at, UTC))
    run = Run.start(script, RUN.id, "phone", RUN.started_at, number=RUN.number)
    turn, pressed = begin(script, scope), ["42", "2", "1", "7"]
    records = run.take(turn, RUN.started_at)
    while not isinstance(turn.action, End):
        outcome = Keyed(pressed.pop(0)) if isinstance(turn.action, Collect) else Done()
        turn = advance(script, turn.position, outcome, scope)
        records += run.take(turn, RUN.started_at)
    given = {each.question: each for each in records if isinstance(each, AnswerRecord)}
    head, row = submissions(script, [run.record], {RUN.id: given}, UTC)
    cells = dict(zip(head, row, strict=True))
    names = ("About/Age", "About/Brands", "About/Brands/bmw", "About/Brands/lada", "Mark")
    assert [cells[name] for name in names] == [42, "lada", 0, 1, 7]
    assert cells["_status"] == "completed"
