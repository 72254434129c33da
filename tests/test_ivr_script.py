"""Scripts as they are read: all faults at once, each with its line and how to mend it."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from script_fixtures import SOURCES

from cordboard.ivr.script import END, Script, ScriptError
from cordboard.ivr.source import Source

HEAD = "version: 1\nname: menu\nlanguages: [en]\nsteps:\n"


def script(steps: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(steps).strip(), "  ") + "\n"


def faults(text: str, name: str | None = None) -> list[tuple[int, str]]:
    with pytest.raises(ScriptError) as caught:
        Script.parse(text, name)
    return caught.value.faults


def test_all_faults_are_told_at_once() -> None:
    text = """
        - sai: Hello.
        - say: Hello.
          wen: customer.status == 'vip'
        - ask: { kind: digits, prompt: x, question: a, retrys: 3, least: few }
        - menu: { prompt: x, choices: { a: end } }
        - say: x
          when: a = 1
        - route: { queue: sales, operator: anna }
        - { say: x, goto: end }
    """
    found = faults(script(text))
    assert [line for line, _ in found] == [5, 7, 8, 8, 9, 11, 12, 13]
    told = dict(found)
    assert told[5].startswith("sai: is no verb; did you mean say?; there are say, menu, ask")
    assert told[7].endswith("did you mean when?")
    assert any(words.endswith("did you mean retries?") for _, words in found)
    assert "give one of queue, operator, manager" in told[12]
    assert told[13].endswith("a step has one verb of say, menu, ask, record, look_up, set, route,"
                             " transfer, callback, call_api, goto, hangup")  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "line", "words"),
    [
        ("- goto: balanse\n- id: balance\n  hangup:", 5, "no step is called balanse; did you mean"),
        ("- id: a\n  say: x\n- id: a\n  say: x", 7, "id: a is there twice, first in line 5"),
        ("- id: end\n  say: x", 5, "id: end is where a script is over; take another"),
        ('- say: "{customer.name"', 5, "{ at character 1 stands alone; a value is written"),
        ('- say: "{customer.balance|mony}"', 5, "no value is said as mony"),
        ("- ask: { kind: choice, prompt: x, question: a }", 5, "kind: choice, and no other, has"),
        ("- ask: { kind: digits, prompt: x }", 5, "give question: for an answer that is kept, or"),
        (
            "- ask: { kind: digits, prompt: x, question: a, secret: true }",
            5,
            "what is secret is no answer of a survey; write save:",
        ),
        (
            "- ask: { kind: scale, prompt: x, save: a, secret: true }",
            5,
            "only kind: digits can be secret",
        ),
        ("- route: sales", 5, "route: keys and their values belong here, not a single one"),
        ("- ask: How old are you?", 5, "ask: keys and their values belong here"),
        ("- say: x\n  on: bye", 6, "on: keys and their values belong here"),
        ("- say: { en: x, english: y }", 5, "say.english"),
        ('- say: "ring \\a"', 5, "say: U+0007 can neither be said nor drawn; take it out"),
        (
            "- ask: { kind: digits, prompt: x, save: a, length: { least: 5, most: 4 } }",
            5,
            "length: least is more than most",
        ),
        ("- look_up: { by: account }", 5, "by phone and by account need a value"),
        ("- say: x\n  on: { noinput: ende }", 6, "noinput: no step is called ende; did you mean"),
    ],
)
def test_what_nobody_could_follow_is_told(steps: str, line: int, words: str) -> None:
    if "ende" in steps:
        steps += "\n- id: ends\n  hangup:"
    ((at, said),) = faults(script(steps))
    assert at == line
    assert words in said


def test_a_language_that_is_none_is_told_where_it_stands() -> None:
    assert faults("version: 1\nname: menu\n\nlanguages: [english]\nsteps: [{ hangup: }]") == [
        (4, "languages.0: String should match pattern '^[a-z]{2,3}$'")
    ]


def test_a_script_is_called_as_its_file() -> None:
    assert faults(script("- hangup:"), "balance") == [
        (2, "name: is menu, and the file is called balance; make them the same")
    ]


@pytest.mark.parametrize("text", ["", "- a", "text", "version: 1"])
def test_what_is_no_script_is_told(text: str) -> None:
    assert faults(text)


def test_a_fingerprint_is_of_what_a_script_says_not_of_how_it_is_laid_out() -> None:
    one = Script.parse(script('- id: bye\n  hangup: "Goodbye."'))
    same = Script.parse(script("# a word\n\n- { hangup: Goodbye., id: bye }"))
    other = Script.parse(script('- id: bye\n  hangup: "Goodbye!"'))
    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != other.fingerprint
    assert len(one.fingerprint) == 16


def test_steps_follow_each_other_unless_they_say_otherwise() -> None:
    found = Script.parse(script("- say: x\n- id: b\n  say: y\n  next: say-1\n- hangup:"))
    assert found.ids == ("say-1", "b", "hangup-3")
    assert found.following("say-1") == "b"
    assert found.following("b") == "say-1"
    assert found.after("b") == "hangup-3"
    assert found.following("hangup-3") == END


def test_a_step_is_named_in_short() -> None:
    found = Script.parse(
        script(
            '- menu: { prompt: x, choices: { "1": bye } }\n  on: { noinput: bye }\n'
            "- id: bye\n  hangup:"
        )
    )
    assert ("steps", 0, "menu", "choices", "1") in dict(found.targets())
    assert dict(found.targets())["steps", 0, "on", "noinput"] == "bye"


@given(SOURCES)
@settings(max_examples=50)
def test_the_same_text_is_the_same_script(source: Source) -> None:
    one, other = Script.of(source), Script.parse(source.text)
    assert one == other
    assert one.fingerprint == other.fingerprint
    assert all(one.after(each) in (*one.ids, END) for each in one.ids)
