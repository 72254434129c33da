"""What the linter finds: each fault with its line and how to mend it, and none in what is well."""

from __future__ import annotations

import textwrap

import pytest

from cordboard.ivr.finding import Finding, House
from cordboard.ivr.lint import findings
from cordboard.ivr.loops import comes_back, endless, handed_on
from cordboard.ivr.script import Script
from cordboard.ivr.source import Source

HOUSE = House(
    queues=["sales", "support-en", "support-ru"],
    operators=["anna"],
    statuses=["new", "vip"],
    languages=["en", "ru"],
    segments=["gold"],
    calendars=["office"],
    scripts=["menu", "balance"],
    secrets=["crm"],
    allow=["https://api.example.com/v1/"],
)
HEAD = "version: 1\nname: menu\nlanguages: [en]\n"
ON = "on: { noinput: bye, nomatch: bye }\n"
BYE = "  - id: bye\n    hangup:\n"
FIRST = 6
"""The line of the first step in `script`."""


def script(steps: str, head: str = HEAD + ON) -> Source:
    """The steps, and one that ends the call."""
    return Source(f"{head}steps:\n{textwrap.indent(textwrap.dedent(steps).strip(), '  ')}\n{BYE}")


def found(source: Source, house: House = HOUSE) -> list[Finding]:
    return findings(Script.of(source), source, house)


def faults(steps: str, house: House = HOUSE) -> list[str]:
    return [each.words for each in found(script(steps), house) if each.kind == "fault"]


def advice(steps: str) -> list[str]:
    return [each.words for each in found(script(steps)) if each.kind == "advice"]


MARK = '- ask: { kind: scale, question: mark, prompt: "Your mark?" }'
CHOICE = """
- menu:
    prompt: "Press 1 or 2."
    question: wish
    choices: { "1": { text: one }, "2": { text: two } }
"""


def when(condition: str, before: str = MARK) -> str:
    return f'{before}\n- when: "{condition}"\n  say: "x"'


# The ways


def test_a_script_that_is_well_has_no_findings() -> None:
    assert found(script(when("answers.mark <= 6 and customer.status == 'vip'"))) == []


def test_a_step_to_which_no_way_leads_is_told_with_its_line() -> None:
    source = script('- goto: bye\n- id: lost\n  say: "x"')
    words = "lost: no way leads here; take it out, or name it in a goto"
    assert found(source) == [Finding(FIRST + 1, words)]


def test_a_call_that_comes_to_nothing_is_told() -> None:
    source = Source(f'{HEAD}steps:\n  - id: last\n    say: "x"\n')
    (finding,) = found(source)
    assert finding.words.startswith("last: the call comes to nothing after it; add hangup, route")


def test_a_question_that_may_fail_says_what_then() -> None:
    steps = '  - menu: { prompt: "x", choices: { "1": { goto: bye } } }\n' + BYE
    (finding,) = found(Source(f"{HEAD}steps:\n{steps}"))
    assert finding.line == 5
    assert (
        "it says nowhere what is done when nothing, or nothing valid, is entered" in finding.words
    )


def test_after_a_hang_up_nobody_hears_anything() -> None:
    (words,) = faults('- id: sorry\n  say: "x"\n  on: { hangup: sorry }')
    assert words.startswith("hangup: sorry is a say, and nobody is there any more")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ('- say: "x"\n  on: { busy: bye }', "busy: a say never ends so; take it out"),
        ("- goto: bye\n  next: bye", "next: a goto never goes on so; take it out"),
        (
            '- menu: { prompt: "x", choices: { "1": bye, "12": bye } }',
            "1: begins 12, too, so it counts only when nothing follows; give all keys the same"
            " length",
        ),
    ],
)
def test_what_is_never_taken_is_advised_against(steps: str, words: str) -> None:
    assert advice(steps) == [words]


# Loops


@pytest.mark.parametrize(
    "steps",
    [
        '- id: a\n  say: "x"\n- goto: a',
        "- id: a\n  set: { x: '1' }\n- when: customer.status == 'vip' and x == 1\n  goto: bye\n"
        "- id: b\n  goto: c\n- id: c\n  goto: b",
        '- id: a\n  menu: { prompt: "x", choices: { "1": bye } }\n  on: { noinput: a }',
        '- id: a\n  record: { prompt: "x" }\n  on: { noinput: a }',
        "- id: a\n  look_up: {}\n  on: { missing: a }",
        "- id: a\n  call_api: { url: https://api.example.com/v1/a }\n  on: { error: a }",
        "- id: a\n  route: { queue: sales }\n  on: { error: a }",
        '- id: a\n  transfer: { to: "112" }\n  on: { noanswer: a }',
        '- id: a\n  when: customer.status == "vip"\n  say: "x"\n  next: a',
    ],
)
def test_a_loop_that_a_caller_never_leaves_who_does_nothing_is_told(steps: str) -> None:
    (words,) = [each for each in faults(steps) if "round" in each]
    assert "lead him out, to a person or to hangup" in words


@pytest.mark.parametrize(
    "steps",
    [
        '- id: a\n  menu: { prompt: "x", choices: { "1": a } }',
        "- id: n\n  set: { n: n + 1 if known(n) else 1 }\n- when: n < 3\n  goto: n",
        "- id: n\n  set: { n: n + 1 if known(n) else 1 }\n- when: n > 3\n  goto: bye\n- goto: n",
        '- id: a\n  say: "We are closed."\n- when: not open("office")\n  goto: a',
        '- id: a\n  ask: { kind: digits, save: x, prompt: "x" }\n'
        "- look_up: { by: account, value: x }\n  on: { missing: a }",
    ],
)
def test_a_loop_that_ends_by_itself_or_by_the_caller_is_none(steps: str) -> None:
    assert endless(Script.of(script(steps))) == []


def test_scripts_that_lead_to_each_other_are_told_by_their_round() -> None:
    one = script("- route: { script: balance }\n  on: { error: bye }")
    assert handed_on(Script.of(one)) == {"balance": "route-1"}
    house = House(scripts=["menu", "balance", "nps"], leads={"balance": ["nps"], "nps": ["menu"]})
    (finding,) = found(one, house)
    assert finding.line == FIRST
    assert "(menu → balance → nps → menu)" in finding.words
    assert comes_back("menu", {"balance": ["nps"]}, "balance") is None


# Conditions


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("answers.mark > 10", "when: answers.mark > 10 can never hold"),
        (
            "answers.mark == '9'",
            "when: answers.mark == '9' can never hold; answers.mark is a number: write 9 without"
            " quotes",
        ),
        (
            "customer.status == 'vpi'",
            "when: customer.status == 'vpi' can never hold; customer.status is one of new, vip;"
            " did you mean vip?",
        ),
        (
            "customer.status in ['vip', 'old']",
            "when: customer.status in ['vip', 'old'] cannot be meant; customer.status is one of"
            " new, vip",
        ),
        (
            "customer.language != 'de'",
            "when: customer.language != 'de' cannot be meant; customer.language is one of en, ru",
        ),
        (
            "customer.segment == 'silver'",
            "when: customer.segment == 'silver' can never hold; customer.segment is one of gold",
        ),
        (
            "now.hour < 9 and now.hour > 18",
            "when: now.hour < 9 and now.hour > 18 can never hold; its parts exclude each other",
        ),
        ("now.weekday == 0", "when: now.weekday == 0 can never hold; now.weekday is one of"),
        (
            "customer.balance > 5 and customer.balance < 5",
            "when: customer.balance > 5 and customer.balance < 5 can never hold; its parts exclude"
            " each other",
        ),
        (
            "now.date > '2026-12-31' and now.date < '2026-12-31'",
            "can never hold; its parts exclude",
        ),
        ("now.time > '18:00' and now.time < '09:00'", "can never hold; its parts exclude"),
        ("now.date >= '31.12.2026'", "now.date is a date: write it as '2026-12-31'"),
        ("now.time < '9:00'", "now.time is a time such as 09:00: write it as '09:00'"),
        ("open('office') and not open('office')", "can never hold; its parts exclude"),
        ("customer", "when: customer can never hold; customer is no value by itself, name a part"),
        (
            "open('offise')",
            "no calendar of the routing rules is called offise; did you mean office?",
        ),
    ],
)
def test_a_condition_that_can_never_hold_is_told(condition: str, words: str) -> None:
    (fault,) = faults(when(condition))
    assert words in fault


@pytest.mark.parametrize(
    ("before", "condition", "words"),
    [
        (CHOICE, "answers.wish == 1", "is a key, which is text: write '1' with quotes"),
        (CHOICE, "answers.wish == '3'", "answers.wish is one of 1, 2"),
        (
            '- ask: { kind: yes_no, question: sure, prompt: "x" }',
            "answers.sure == 'yes'",
            "answers.sure is true or false: write answers.sure, or not answers.sure",
        ),
        (
            '- ask: { kind: digits, save: code, length: { least: 4, most: 4 }, prompt: "x" }',
            "code == '123'",
            "code == '123' can never hold",
        ),
        (
            '- ask: { kind: number, question: age, least: 18, most: 99, prompt: "x" }',
            "answers.age < 18",
            "answers.age < 18 can never hold",
        ),
        ("- set: { group: \"'a' if now.hour < 12 else 'b'\" }", "group == 'c'", "one of a, b"),
    ],
)
def test_an_answer_is_compared_with_what_it_can_be(before: str, condition: str, words: str) -> None:
    (fault,) = faults(when(condition, before))
    assert words in fault


@pytest.mark.parametrize(
    "condition",
    [
        "answers.mark <= 6",
        "not answers.mark == 10",
        "customer.status != 'vip'",
        "customer.balance < 0 and customer.attributes.debt > 100",
        "customer.name == 'Ivan' or 'gold' in customer.tags",
        "'van' in customer.name and customer.name > 'A'",
        "now.time >= '09:00' and now.time < '18:00' and now.weekday < 6",
        "now.date >= '2026-12-31' and now.date <= '2027-01-08'",
        "known(customer.name) and length(customer.name) > 3",
        "customer.attributes.a == customer.attributes.b",
        "customer.balance * 2 > answers.mark",
        "lower(customer.attributes.tariff) in ['base', 'full']",
    ],
)
def test_of_a_condition_that_may_hold_or_fail_nothing_is_said(condition: str) -> None:
    assert found(script(when(condition))) == []


def test_a_condition_that_always_holds_is_advised_against() -> None:
    assert advice(when("answers.mark >= 0")) == ["when: answers.mark >= 0 always holds"]
    # On a way where the mark was not asked it fails.
    steps = f'- when: customer.status == "vip"\n  goto: x\n{MARK}\n- id: x\n'
    assert advice(steps + '  when: answers.mark >= 0\n  say: "x"') == []


def test_a_check_that_no_answer_passes_is_told() -> None:
    steps = '- ask: { kind: number, question: age, most: 99, prompt: "x", check: value > 100 }'
    assert faults(steps) == ["check: value > 100 can never hold"]


def test_a_hash_key_without_quotes_is_a_comment() -> None:
    asked = "- ask:\n    kind: digits\n    question: code\n    prompt: x\n    terminator: {}\n"
    assert faults(asked.format("#")) == [
        'terminator: nothing is there; write "#" in quotes, or "" for none'
    ]
    assert faults(asked.format('"#"')) == faults(asked.format('""')) == []
    assert faults("- record:\n    prompt: x\n    terminator: #\n") == faults(asked.format("#"))


# Names


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ('- say: "{custmer.name}"', "say: nothing is called custmer; did you mean customer?"),
        ('- say: "{customer}"', "say: customer is no value by itself, name a part such as"),
        ('- say: "{now|time}"', "say: now is no value by itself, name a part such as now.date"),
        ('- say: "{customer.nmae}"', "say: customer has no nmae; did you mean name?"),
        ('- say: "{customer.tariff}"', "one of your own is customer.attributes.tariff"),
        ('- say: "{now.our}"', "say: now has no our; did you mean hour?"),
        ('- say: "{answers.mark}"', "say: no step asks the question mark"),
        ('- say: "{value}"', "say: there is a value in check: of a question"),
        ('- when: "yes"\n  say: "x"', "when: nothing is called yes; write True, or 'yes'"),
        ("- when: do_not_ask\n  goto: bye", "when: do_not_ask is only set"),
        (f'- say: "{{answers.mark}}"\n{MARK}', "say: answers.mark is not known yet; it comes of"),
        ("- set: { customer: '1' }", "customer: means something else already"),
        ("- set: { class: '1' }", "class: is a word of conditions; take another name"),
        ("- set: { language: \"'de'\" }", "language: de is none of the script's languages, en"),
        (
            f'{MARK}\n- ask: {{ kind: yes_no, question: mark, prompt: "x" }}',
            "question: mark is asked as yes_no here and as scale 0-10 in line 6",
        ),
    ],
)
def test_a_name_that_stands_for_nothing_is_told(steps: str, words: str) -> None:
    (fault,) = faults(steps)
    assert words in fault


def test_what_was_not_answered_is_not_known() -> None:
    steps = (
        f'{MARK}\n  on: {{ noinput: tell, nomatch: tell }}\n- id: tell\n  say: "{{answers.mark}}"'
    )
    (words,) = advice(steps)
    assert words.startswith("say: answers.mark is not known on every way that leads here")
    assert advice(steps + "\n  when: known(answers.mark)") == []


def test_a_variable_that_nothing_looks_at_is_advised_against() -> None:
    assert advice("- set: { x: '1' }") == ["x: nothing looks at it; take it out"]


# Secrets and addresses

PIN = '- ask: { kind: digits, save: pin, secret: true, prompt: "Your PIN?" }\n'


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (PIN + '- say: "Your PIN is {pin|digits}."', "say: pin is secret, and would be said aloud"),
        (
            PIN.replace("secret:", "confirm: true, secret:"),
            "confirm: would say aloud what is secret",
        ),
        (PIN + "- set: { copy: pin }\n- when: copy == 1\n  goto: bye", "copy: would keep what is"),
        (PIN + '- transfer: { to: "{pin}" }', "to: pin is secret"),
        (
            PIN + '- call_api: { url: "https://api.example.com/v1/{pin}" }',
            "url: pin is secret; logs keep addresses, send it in body:",
        ),
        (
            PIN + '- call_api: { url: "http://127.0.0.1/", body: { pin: pin } }',
            "pin: is secret, and http:// is read on the way; use https://",
        ),
        (
            PIN.replace("secret: true, ", "") + "- look_up: { pin: pin }",
            "pin: pin is asked without secret: true; add that",
        ),
        (
            '- call_api: { url: "https://{customer.name}/v1/" }',
            "url: a value in the host would let others choose whom we ask",
        ),
        ('- call_api: { url: "https://api.example.com/v2/" }', "is not among [scripts] allow; add"),
        ('- call_api: { url: "https://api.example.com.evil.org/v1/" }', "is not among [scripts]"),
        ('- call_api: { url: "https://a b/" }', "has characters that no URL has"),
        ('- call_api: { url: "https://api.example.com/v1/{" }', "url: { at character 28"),
        ('- transfer: { to: "Bob" }', "to: Bob is no number; write digits"),
    ],
)
def test_nothing_secret_gets_out_and_nobody_else_chooses_an_address(steps: str, words: str) -> None:
    assert [fault for fault in faults(steps, House(allow=HOUSE.allow)) if words in fault]


def test_a_secret_may_be_compared_and_looked_up_with() -> None:
    house = House(allow=["https://api.example.com/"])
    steps = (
        f"{PIN}- when: length(pin) < 4\n  goto: bye\n- look_up: {{ pin: pin }}\n"
        "  on: { missing: bye }\n"
        '- call_api: { url: "https://api.example.com/", body: { pin: pin } }'
    )
    assert faults(steps, house) == []


# What the house has


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- route: { queue: sails }", "queue: there is no sails; did you mean sales?"),
        ('- route: { queue: "support-{language}" }', None),
        (
            '- route: { queue: "sales-{language}" }',
            "queue: there is no sales-en; did you mean sales?",
        ),
        ("- route: { operator: ana }", "operator: there is no ana; did you mean anna?"),
        ("- route: { script: balanse }", "script: there is no balanse; did you mean balance?"),
        ("- callback: { queue: x }", "queue: there is no x"),
        (
            "- call_api: { url: https://api.example.com/v1/, secret: crn }",
            "call_api: [scripts.secrets] has no crn; did you mean crm?",
        ),
    ],
)
def test_what_the_house_does_not_have_is_told(steps: str, words: str | None) -> None:
    steps += "\n  on: { error: bye }"
    assert faults(steps) == ([words] if words else [])
    assert faults(steps, House()) == []  # where it is not known, nothing is said


# Texts and YAML


def test_every_text_is_there_in_every_language() -> None:
    head = HEAD.replace("[en]", "[en, ru]")
    steps = '- say: { en: "Hello." }\n- say: "Hello."\n- say: { en: a, ru: b, bg: c }'
    source = script(steps, head)
    assert [(each.line, each.words, each.kind) for each in found(source)] == [
        (5, "say: is missing in ru", "fault"),
        (6, "say: is the same words in en, ru; write it for each, such as { en: … }", "fault"),
        (7, "say: bg is none of the script's languages", "advice"),
    ]


def test_a_way_on_hangup_is_no_text() -> None:
    head = HEAD.replace("[en]", "[en, ru]") + "on: { hangup: bye }\n"
    assert found(script("- goto: bye", head)) == []


def test_a_key_cannot_choose_a_language_that_is_not_spoken() -> None:
    steps = '- menu: { prompt: "x", choices: { "1": { goto: bye, language: bg } } }'
    assert faults(steps) == ["language: bg is none of the script's languages, en"]


@pytest.mark.parametrize(
    "trap",
    ["no", "Yes", "on", "off", "null", "~", "012", "1e3", "0x1F", "12:30", "2026-11-23", "1_0"],
)
def test_words_that_other_readers_of_yaml_take_for_something_else_are_told(trap: str) -> None:
    (words,) = advice(f"- say: {trap}")
    assert f'{trap} without quotes is no text to other readers of YAML; write "{trap}"' in words
    assert advice(f'- say: "{trap}"') == []


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ("kind: digits, question: q, length: { least: 40, most: 50 }", "more than 32 digits"),
        ('kind: money, question: q, terminator: "*"', "* is the decimal point of numbers"),
        ('kind: digits, question: q, terminator: "5"', "5 could not be in an answer"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told(ask: str, words: str) -> None:
    (fault,) = faults(f'- ask: {{ {ask}, prompt: "x" }}')
    assert words in fault
