"""XLSForms as scripts: what is asked on the phone is what the form asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyxform.xls2json_backends import md_to_dict

from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.questionnaire import FormError
from cordboard.ivr.script import Script
from cordboard.ivr.steps import AskStep, RecordStep, SayStep
from cordboard.ivr.turns import Collect, Done, End, Kept, Keyed, Recorded, Say, Take
from cordboard.ivr.worksheets import Form
from cordboard.ivr.xlsform import Imported, imported

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

CARS = """
| survey  |
|         | type                            | name   | label::English (en)      | label::Русский (ru)    | relevant           | constraint           | required | constraint_message::English (en) | constraint_message::Русский (ru) | parameters            | calculation |
|         | start                           | start  |                          |                        |                    |                      |          |                                  |                                  |                       |             |
|         | note                            | hello  | Good **day**             | Добрый день            |                    |                      |          |                                  |                                  |                       |             |
|         | begin group                     | About  | About you                | О вас                  |                    |                      |          |                                  |                                  |                       |             |
|         | integer                         | Age    | How old are you?         | Сколько вам лет?       |                    | . >= 18 and . < 120  | yes      | From 18 on                       | От 18                            |                       |             |
|         | select_one yn                   | owner  | Do you own a car?        | Есть машина?           | ${Age} > 20        |                      | yes      |                                  |                                  |                       |             |
|         | select_multiple brands or_other | brands | Which brands?            | Какие марки?           | ${owner} = 'yes'   |                      |          |                                  |                                  |                       |             |
|         | end group                       |        |                          |                        |                    |                      |          |                                  |                                  |                       |             |
|         | calculate                       | later  |                          |                        |                    |                      |          |                                  |                                  |                       | ${Age} + 1  |
|         | range                           | nps    | At ${Age}, a mark?       | В ${Age}, оценка?      | selected(${brands}, 'bmw') or ${owner} = 'no' |          | yes      |                                  |                                  | start=0 end=10 step=1 |             |
|         | text                            | why    | Why?                     | Почему?                | ${nps} <= 6        |                      |          |                                  |                                  |                       |             |
|         | date                            | since  | Since when?              | С какого дня?          |                    | . <= today()         |          |                                  |                                  |                       |             |
|         | text                            | code   | Code                     | Код                    |                    | regex(., '^[0-9]{4,6}$') |      |                                  |                                  |                       |             |
|         | audio                           | voice  | Speak                    | Говорите               |                    |                      | yes      |                                  |                                  |                       |             |
| choices |
|         | list_name | name | label::English (en) | label::Русский (ru) |
|         | yn        | yes  | Yes                 | Да                  |
|         | yn        | no   | No                  | Нет                 |
|         | brands    | bmw  | BMW {i}             | БМВ                 |
|         | brands    | lada | Lada                | Лада                |
| settings |
|          | form_title | form_id | default_language |
|          | Cars       | cars    | English (en)     |
"""  # noqa: E501


def form_of(text: str) -> Form:
    sheets = md_to_dict(text)
    return Form.of(sheets["survey"], sheets.get("choices", []), sheets.get("settings", []))


def made(text: str, **more: Any) -> Imported:
    return imported(form_of(text), "form", **more)


def of(*rows: str, choices: str = "") -> str:
    """A short form in English: type, name, label, then cells as they are headed."""
    heads = "type | name | label::English (en) | relevant | constraint | required | parameters"
    lines = "\n".join(f"| | {row} |" for row in (heads, *rows))
    return f"| survey |\n{lines}\n{choices}"


def faults(text: str, **more: Any) -> list[tuple[str, int, str]]:
    with pytest.raises(FormError) as caught:
        made(text, **more)
    return caught.value.faults


def heard(script: Script, *answers: str, language: str = "en") -> list[Any]:
    """All notes of a call in which these are pressed, `voice` is said, and nothing is `-`."""
    scope, left = Scope(None, {"number": "+79031234567"}, NOON), list(answers)
    turn = begin(script, scope, language)
    notes = list(turn.notes)
    while not isinstance(turn.action, End):
        outcome: Any = Done()
        if isinstance(turn.action, Collect):
            outcome = Keyed(left.pop(0).replace("-", ""))
        elif isinstance(turn.action, Take):
            outcome = Recorded("said.wav" if left.pop(0) == "voice" else "")
        else:
            assert isinstance(turn.action, Say)
        turn = advance(script, turn.position, outcome, scope)
        notes += turn.notes
    assert not left
    return [each for each in notes if isinstance(each, Kept)]


def test_a_form_is_asked_on_the_phone_with_its_skips_and_groups() -> None:
    script = made(CARS).script
    kept = heard(script, "30", "1", "1", "2", "2", "9", "-", "-", "-", "0412", "voice")
    assert [(each.question, each.value or each.file) for each in kept] == [
        ("age", "30"),
        ("owner", "yes"),
        ("brands_bmw", "yes"),
        ("brands_lada", "no"),
        ("brands_other", "no"),
        ("nps", "9"),
        ("code", "0412"),
        ("voice", "said.wav"),
    ]
    young = heard(script, "19", "-", "-", "-", "-", "-", "-", "voice")
    assert [each.question for each in young] == ["age", "voice"]
    assert [each.question for each in heard(script, "17", "", "")] == []


def test_a_form_is_heard_in_its_languages_with_what_there_is_to_press() -> None:
    script = made(CARS).script
    assert script.languages == ["en", "ru"]
    owner = script.step("owner")
    assert isinstance(owner, AskStep)
    assert owner.ask.prompt == {
        "en": "Do you own a car? Yes: press 1. No: press 2.",
        "ru": "Есть машина? Да: нажмите 1. Нет: нажмите 2.",
    }
    assert owner.title == {"en": "Do you own a car?", "ru": "Есть машина?"}
    nps = script.step("nps")
    assert isinstance(nps, AskStep)
    assert nps.ask.scale == "0-10"
    assert nps.ask.prompt["ru"] == "В {answers.age|number}, оценка? От 0 до 10."
    hello = script.step("hello")
    assert isinstance(hello, SayStep)
    assert hello.say == {"en": "Good day", "ru": "Добрый день"}
    assert script.step("brands_bmw").title["en"] == "Which brands? BMW {{i}}"  # type: ignore[index, call-overload]


def test_what_must_hold_of_answers_holds_on_the_phone() -> None:
    script = made(CARS).script
    age = script.step("age")
    assert isinstance(age, AskStep)
    assert (age.ask.least, age.ask.most, age.ask.required) == (18, 119, True)
    assert age.on.nomatch is not None
    assert age.on.nomatch.say == {"en": "From 18 on", "ru": "От 18"}
    since = script.step("since")
    assert isinstance(since, AskStep)
    assert since.ask.check == "value <= now.date"
    assert not since.ask.required
    assert since.on.noinput is not None
    assert since.on.noinput.goto == "code"
    code = script.step("code")
    assert isinstance(code, AskStep)
    assert (code.ask.kind, code.ask.length.least, code.ask.length.most) == ("digits", 4, 6)
    assert isinstance(script.step("voice"), RecordStep)


def test_results_find_the_names_of_the_form() -> None:
    script = made(CARS).script
    columns = [script.step(each).column or each for each in script.asked]
    assert columns == [
        "About/Age",
        "About/owner",
        "About/brands/bmw",
        "About/brands/lada",
        "About/brands/other",
        "About/brands_other",
        "nps",
        "why",
        "since",
        "code",
        "voice",
    ]


def test_the_same_form_makes_the_same_script_again() -> None:
    found = made(CARS)
    assert found.text == made(CARS).text
    assert Script.parse(found.text, "form").fingerprint == found.script.fingerprint
    assert found.notes == (
        "survey, row 2: start is not asked; results say when, with whom and by which way",
    )


def test_all_faults_are_told_at_once_by_sheet_and_row() -> None:
    text = of(
        "integer | a | Age | ${b} > 1 | | |",
        "photo | p | Picture | | | |",
        "select_one colours | c | Colour | | | |",
        "intejer | d | Number | | | |",
        "text | e | | | | |",
        "text | a | Again | | | |",
        "begin repeat | r | Each child | | | |",
        "end repeat | | | | | |",
        "end group | | | | | |",
        "text | f | ${nobody} | | . > 5 | |",
        "range | g | Mark | | | | start=low",
        "select_one colour | h | Colour | ${c} = 'x' | | |",
        choices="| choices |\n| | list_name | name | label::English (en) |\n"
        "| | colour | red | Red |\n| | colour | red | Red |\n| | colour | | None |",
    )
    found = faults(text)
    assert found == sorted(found, key=lambda each: each[:2])
    told: dict[tuple[str, int], str] = {}
    for sheet, row, words in found:
        told[sheet, row] = f"{told.get((sheet, row), '')} {words}"
    for place, words in {
        ("survey", 2): "no question is called b",
        ("survey", 3): "photo is a picture, which no telephone can take",
        ("survey", 4): "has no list colours; did you mean colour?",
        ("survey", 5): "intejer is none that is known here; did you mean integer?",
        ("survey", 6): "label: is empty",
        ("survey", 7): "name: a is there twice",
        ("survey", 8): "an unknown number of times",
        ("survey", 10): "ends a group that was not begun",
        ("survey", 11): "no question is called nobody constraint: nobody can tell of a voice",
        ("survey", 12): "write such as start=0 end=10 step=1",
        ("survey", 13): "c has no choice 'x'",
        ("choices", 3): "red is twice in the list colour",
        ("choices", 4): "name: is empty",
    }.items():
        assert words in told[place], place


def test_what_no_telephone_can_ask_may_be_left_out() -> None:
    text = of("photo | p | Picture | | | |", "integer | a | Age | | | |")
    found = made(text, leave_out=True)
    assert list(found.script.asked) == ["a"]
    assert found.notes[0].endswith("it is left out")


def test_a_language_must_be_known_and_whole() -> None:
    plain = "| survey |\n| | type | name | label |\n| | text | a | Why |"
    assert "nothing says in which language" in faults(plain)[0][2]
    assert made(plain, language="en").script.languages == ["en"]
    half = "| survey |\n| | type | name | label::en | label::ru |\n| | text | a | Why | Ой |"
    assert faults(f"{half}\n| | text | b | How | |") == [("survey", 3, "label: is missing in ru")]
    strange = "| survey |\n| | type | name | label::Klingon |\n| | text | a | Why |"
    assert "label::Klingon (en)" in faults(strange)[0][2]


def test_recordings_of_a_form_are_played_in_place_of_its_words() -> None:
    text = (
        "| survey |\n| | type | name | label::en | media::audio::en |\n"
        "| | text | a | Why | why.wav |"
    )
    step = made(text).script.step("a")
    assert isinstance(step, AskStep)
    assert step.ask.prompt.sound == "why"  # type: ignore[union-attr]
    assert step.title == "Why"


def test_names_that_scripts_do_not_take_are_made_fit_and_kept_apart() -> None:
    long = "a" * 60
    text = of(
        "integer | Ünï_1 | One | | | |",
        f"integer | {long} | Two | | | |",
        f"integer | {long}b | Three | | | |",
        "integer | 1st | Four | | | |",
        "integer | end | Five | | | |",
    )
    script = made(text).script
    assert len(script.asked) == 5
    assert [script.step(each).column for each in script.asked][1:3] == [long, f"{long}b"]


def test_keys_are_the_choices_names_where_these_are_keys() -> None:
    choices = "| choices |\n| | list_name | name | label::English (en) |\n" + "\n".join(
        f"| | marks | {name} | Mark {name} |" for name in (1, 2, 98)
    )
    step = made(of("select_one marks | m | Mark | | | |", choices=choices)).script.step("m")
    assert isinstance(step, AskStep)
    assert list(step.ask.choices) == ["1", "2", "98"]


_TYPES = ["integer", "decimal", "text", "date", "audio", "note", "select_one yn", "acknowledge",
          "select_multiple yn or_other", "range"]  # fmt: skip
_ROWS = st.lists(
    st.tuples(
        st.sampled_from(_TYPES),
        st.sampled_from(["What?", "{a} 100% «да» #1", "no", "on: 'x'", "1: 2", "- y", 'a\\b "c"']),
        st.sampled_from(["", "yes"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(_ROWS)
def test_whatever_a_form_asks_its_script_is_without_a_fault(rows: list[tuple[str, ...]]) -> None:
    survey = [
        {"type": kind, "name": f"q{number}", "label::en": label, "required": required}
        for number, (kind, label, required) in enumerate(rows)
    ]
    choices = [
        {"list_name": "yn", "name": name, "label::en": name.upper()} for name in ("yes", "no", "?")
    ]
    found = imported(Form.of(survey, choices, []), "form")
    answers = [each for each in found.script.asked if found.script.step(each).column is None]
    assert set(answers) <= {each["name"] for each in survey}
    assert heard(found.script, *["-"] * asked_in_vain(found.script)) == []


def asked_in_vain(script: Script) -> int:
    """How often somebody is asked who never answers: until the first question that must be."""
    found = 0
    for step in script.steps:
        if isinstance(step, AskStep) and step.when is None:
            is_last = step.on.noinput is None or step.on.noinput.goto is None
            found += 1 if step.ask.kind == "text" else step.ask.retries + 1
            if is_last:
                break
        elif isinstance(step, RecordStep):
            found += 1
            if step.on.noinput is None:
                break
    return found
