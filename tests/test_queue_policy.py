"""The rule file: what may be written in it, what each condition holds of, what the lint finds, and
that a decision can be made again from what it looked at."""

from __future__ import annotations

import json
import timeit
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.crm_core.model import Card, Customer, Interaction, Manager
from cordboard.events import QueueName
from cordboard.queue.decisions import Personal, Standing
from cordboard.queue.lint import House, faults
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Approach, Caller, Seat, Situation, decide, explain, weigh
from cordboard.queue.sieve import COMMON

SHIPPED = (Path(__file__).parent.parent / "config/routing.toml").read_text(encoding="utf-8")
STATUSES, LANGUAGES = ["new", "regular", "vip", "debtor", "blocked"], ["ru", "bg", "en"]
HOUSE = House(STATUSES, LANGUAGES)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
MANAGER = Manager("anna", "Anna", "+79031112233")


def contact(operator: str | None, days_ago: float) -> Interaction:
    at = NOON.timestamp() - days_ago * 86_400
    return Interaction("i", "c", None, operator, None, at, at, None, None, "")


def card(*history: Interaction, **changed: Any) -> Card:
    fields: dict[str, Any] = {
        "id": "c", "kind": "person", "name": "Ivan", "phones": ("+79161234567",),
        "status": "regular", "language": "ru", "manager": None, "balance_minor": None,
        "created_at": 0.0, "updated_at": 0.0,
    }  # fmt: skip
    return Card(Customer(**fields | changed), history)


def situation(
    given: Card | None = None,
    *,
    local: datetime = NOON,
    country: str = "RU",
    standing: Standing | None = None,
    seats: dict[str, Seat] | None = None,
    **approach: Any,
) -> Situation:
    return Situation(
        Caller("+79161234567", country, given),
        Approach(**{"dialled": "100"} | approach),
        local,
        lambda queue: standing,
        lambda name: (seats or {}).get(name),
    )


def policy(when: str, outcome: str = 'queue = "yes"', more: str = "") -> Policy:
    return Policy.parse(
        f'default_queue = "no"\n{more}\n'
        f'[[rule]]\nname = "tried"\nwhen = {{ {when} }}\naction = "queue"\n{outcome}\n'
    )


def holds(when: str, *, more: str = "", **given: Any) -> bool:
    given["given"] = given.pop("card", None)
    return decide(policy(when, more=more), situation(**given)).queue == "yes"


READY, BUSY = Seat("PJSIP/1001", True), Seat("PJSIP/1001", False)
QUIET = Seat("PJSIP/1001", False, quiet=True)
OFFICE = '[calendar.office]\nmon = "09:00-18:00"'


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ('status = ["vip"]', {"card": card(status="vip")}, {"card": card()}),
        ('status = ["vip"]', {"card": card(status="vip")}, {}),
        ('segment = ["b2b"]', {"card": card(segment="b2b")}, {"card": card()}),
        ('tags = ["a", "b"]', {"card": card(tags=("x", "b"))}, {"card": card(tags=("x",))}),
        ('language = ["bg"]', {"card": card(language="bg")}, {"card": card(language="ru")}),
        ("known = true", {"card": card()}, {}),
        ("known = false", {}, {"card": card()}),
        ("manager = true", {"card": card(manager=MANAGER)}, {"card": card()}),
        ("manager = true", {"card": card(manager=MANAGER)},
         {"card": card(manager=MANAGER), "seats": {"anna": QUIET}}),
        ("manager = true", {"card": card(manager=Manager("anna", "A", None)),
         "seats": {"anna": READY}}, {"card": card(manager=Manager("anna", "A", None))}),
        ("last_operator = true", {"card": card(contact("anna", 1)), "seats": {"anna": READY}},
         {"card": card(contact("anna", 1)), "seats": {"anna": BUSY}}),
        ('last_operator = ["anna"]', {"card": card(contact(None, 1), contact("anna", 2))},
         {"card": card(contact("boris", 1), contact("anna", 2))}),
        ("do_not_disturb = true", {"card": card(do_not_disturb=True)}, {"card": card()}),
        ("do_not_disturb = false", {}, {"card": card(do_not_disturb=True)}),
        ("balance = { below = 0 }", {"card": card(balance_minor=-1)},
         {"card": card(balance_minor=0)}),
        ("balance = { below = 0 }", {"card": card(balance_minor=-1)}, {"card": card()}),
        ("balance = { at_least = 10.5, below = 20 }", {"card": card(balance_minor=1050)},
         {"card": card(balance_minor=2000)}),
        ("days_since_contact = { at_least = 30 }", {"card": card(contact("a", 30))},
         {"card": card(contact("a", 29.9))}),
        ("days_since_contact = { at_least = 30 }", {"card": card(contact("a", 99))},
         {"card": card()}),
        ('attributes = { tariff = ["gold"] }', {"card": card(attributes={"tariff": "gold"})},
         {"card": card(attributes={"tariff": "tin"})}),
        ("attributes = { cases = { at_least = 1 } }", {"card": card(attributes={"cases": 1})},
         {"card": card(attributes={"cases": "1"})}),
        ("attributes = { cases = { at_least = 1 } }", {"card": card(attributes={"cases": 1})},
         {"card": card(attributes={"cases": True})}),
        ("attributes = { sla = true }", {"card": card(attributes={"sla": True})},
         {"card": card(attributes={"sla": 1})}),
        ("attributes = { level = [1, 2] }", {"card": card(attributes={"level": 1})},
         {"card": card(attributes={"level": True})}),
        ("attributes = { sla = false }", {"card": card(attributes={"sla": False})},
         {"card": card()}),
        ('dialled = ["100"]', {}, {"dialled": "101"}),
        ('country = ["RU"]', {}, {"country": "BG"}),
        ("calls_today = { at_least = 3 }", {"today": 3}, {"today": 2}),
        ("calls_today = { below = 3 }", {"today": 1}, {"today": None}),
        ("callback = true", {"callback": True}, {}),
        ('ivr = { choice = ["2"] }', {"ivr": {"choice": "2"}}, {"ivr": {"choice": "1"}}),
        ('ivr = { choice = ["2"] }', {"ivr": {"choice": "2"}}, {}),
        ('weekdays = ["mon"]', {}, {"local": NOON + timedelta(1)}),
        ('open = "office"', {}, {"local": NOON + timedelta(hours=6)}),
        ('closed = "office"', {"local": NOON + timedelta(1)}, {}),
        ('queue = { name = "q-{language}", ready = { below = 1 } }',
         {"standing": Standing(3, 9.0, 60.0, 0)}, {"standing": Standing(3, 9.0, 60.0, 1)}),
        ('queue = { name = "q", estimated_wait = { at_least = 60 } }',
         {"standing": Standing(3, 9.0, 60.0, 0)}, {"standing": Standing(3, 9.0, None, 0)}),
        ('queue = { name = "q", waiting = { at_least = 3 }, longest_wait = { below = 10 } }',
         {"standing": Standing(3, 9.0, 60.0, 0)}, {}),
    ],
)  # fmt: skip
def test_a_condition_holds_of_what_it_says_and_of_nothing_else(
    when: str, yes: dict[str, Any], no: dict[str, Any]
) -> None:
    assert holds(when, more=OFFICE, **yes)
    assert not holds(when, more=OFFICE, **no)


def test_a_queue_is_asked_for_by_the_callers_language() -> None:
    asked: list[str] = []

    def standing(queue: QueueName) -> Standing:
        asked.append(queue)
        return Standing(0, 0.0, None, 0)

    rules = policy('queue = { name = "q-{language}", ready = { below = 1 }, waiting = {below=1} }')
    decide(rules, Situation(Caller("", "RU", card(language="bg")), Approach(), NOON, standing))
    assert set(asked) == {"q-bg"}


# Who is rung first


def personal(first: str, given: Card | None, **seats: Seat) -> Personal | None:
    rules = policy("", f'queue = "yes"\nfirst = {{ {first} }}')
    return decide(rules, situation(given, seats=seats)).personal


def test_the_manager_is_rung_at_the_desk_where_ready_then_at_the_mobile() -> None:
    customer = card(manager=MANAGER)
    both = Personal("manager", "anna", "PJSIP/1001", "+79031112233", 25)
    assert personal('who = "manager"', customer, anna=READY) == both
    mobile = Personal("manager", "anna", None, "+79031112233", 10)
    assert personal('who = "manager", seconds = 10', customer, anna=BUSY) == mobile
    assert personal('who = "manager", mobile = false', customer, anna=BUSY) is None
    assert personal('who = "manager", desk = false', customer, anna=READY) == Personal(
        "manager", "anna", None, "+79031112233", 25
    )
    assert personal('who = "manager"', customer, anna=QUIET) is None
    assert personal('who = "manager"', card()) is None


def test_the_last_operator_is_rung_at_the_desk_only_where_ready() -> None:
    customer = card(contact("boris", 1), contact("anna", 2), manager=MANAGER)
    first = 'who = "last-operator"'
    assert personal(first, customer, boris=Seat("PJSIP/1002", True)) == Personal(
        "last-operator", "boris", "PJSIP/1002", None, 25
    )
    assert personal(first, customer, anna=READY) is None


def test_that_nobody_could_be_rung_is_said() -> None:
    rules = policy("", 'queue = "yes"\nfirst = { who = "manager" }')
    decision = decide(rules, situation(card(manager=MANAGER), seats={"anna": QUIET}))
    assert decision.action == "queue"
    (away,) = [reason for reason in decision.reasons if reason.code == "personal-away"]
    assert away.args == {"who": "manager", "operator": "anna"}


def test_all_that_a_rule_says_of_a_queue_is_in_its_decision() -> None:
    rules = policy(
        "",
        'queue = "q-{language}"\npriority = 7\nraise = { by = 2, every = 30, up_to = 20 }\n'
        "penalties = { least = 1, most = 5, at_least = 2 }\n"
        'overflow = { after = 120, queue = "o-{language}" }\n'
        'callback = { after = 60, hours = "09:00-21:00" }\nwhy = { en = "because" }',
    )
    decision = decide(rules, situation(card(language="bg")))
    assert (decision.queue, decision.priority, decision.rule) == ("q-bg", 7, "tried")
    assert (decision.growth and decision.growth.up_to) == 20
    assert (decision.penalties and decision.penalties.most) == 5
    assert decision.overflow is not None
    assert (decision.overflow.kind, decision.overflow.to) == ("queue", "o-bg")
    assert (decision.callback and decision.callback.hours) == "09:00-21:00"
    assert decision.policy == rules.fingerprint


def test_a_closed_office_says_why_and_until_when() -> None:
    rules = policy('closed = "office"', more='[calendar.office]\ncountry="BG"\nmon="09:00-18:00"')
    christmas = datetime(2026, 12, 25, 12, tzinfo=UTC)
    decision = decide(rules, situation(local=christmas))
    (closed,) = [reason for reason in decision.reasons if reason.code == "closed"]
    assert closed.args["because"] == "holiday"
    assert closed.args["opens"] == "2027-01-04T09:00"
    assert closed.args["holiday"]


# Faults

RULE = '[[rule]]\nname = "r"\naction = "queue"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (RULE + "when = { balance = {} }", "5: rule.0.when.balance: give at_least"),
        (RULE + "when = { balance = 5 }", "5: rule.0.when.balance: write { at_least = 1 }, {"),
        (RULE + 'when = { attributes = { a = "b" } }', "attributes.a: write true or false, a list"),
        (RULE + 'when = { last_operator = "anna" }', "last_operator: write true or false, or a"),
        (RULE + "priority = 1001", "5: rule.0.priority: must be at most 1000"),
        (RULE + 'when = { hours = "9-18" }', "5: rule.0.when.hours: write hours as"),
        (RULE + 'when = { hours = "09:00-09:00" }', "has no length"),
        (RULE + "when = { known = 1 }", "5: rule.0.when.known"),
        (RULE + 'when = { status = "vip" }', "5: rule.0.when.status"),
        (RULE + 'when = { queue = { name = "q" } }', "give estimated_wait"),
        (RULE + "[rule.when]\nstaus = []", "6: rule.0.when.staus: no such key"),
        (RULE + 'first = { who = "boss" }', "5: rule.0.first.who"),
        (RULE + "raise = { by = 1, every = 0, up_to = 5 }", "5: rule.0.raise.every"),
        (RULE + "penalties = { least = 5, most = 1 }", "nobody's penalty"),
        (RULE + "overflow = { after = 60 }", "give one of queue, number"),
        (RULE + 'overflow = { after = 60, queue = "a", number = "+7495" }', "give one of"),
        (RULE + 'overflow = { after = 60, number = "1;DROP" }', "not a telephone number"),
        (RULE + 'to = "x"', "to is for other actions"),
        ('[[rule]]\nname = "r"\naction = "number"', "2: rule.0: action number needs to"),
        ('[[rule]]\nname = "r"\naction = "number"\nto = "100@evil"', "not a telephone number"),
        ('[[rule]]\nname="r"\naction="message"\nto="a"\nraise={by=1,every=1,up_to=1}', "goes with"),
        (
            '[[rule]]\nname="r"\naction="message"\nto="a"\npriority=1',
            "2: rule.0: queue and priority",
        ),
        ('[rule]\nname = "r"', "2: rule: write [[rule]], with two brackets"),
        ("rule = " + "[" * 9000 + "]" * 9000, "1: lists or tables are nested too deeply"),
        ("rules:\n  - name: a", "2: Expected '=' after a key"),
        ('[calendar.office]\ncountry = "XX"', "3: calendar.office.country: no public holidays"),
        ('[calendar.office]\nmon = "9"', "3: calendar.office.mon"),
        ('[calendar.office]\nspecial = { "2026-13-01" = "09:00-10:00" }', "3: calendar.office"),
    ],
)
def test_what_is_written_wrongly_is_said_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is what is tested
        Policy.parse('default_queue = "q"\n' + text)
    assert fault in str(raised.value)


def test_of_several_ways_to_write_a_condition_only_the_one_that_is_meant_is_spoken_of() -> None:
    text = RULE + "when = { attributes = { a = { atleast = 1 } } }"
    with pytest.raises(ValueError, match=r"^5: \S+atleast: no such key; \w[^\n]+$"):
        Policy.parse('default_queue = "q"\n' + text)


def lint(*rules: str, head: str = "", house: House = HOUSE) -> list[str]:
    """Of rules with these lines each."""
    text = f'default_queue = "support"\n{head}\n' + "\n".join(
        f'[[rule]]\nname = "r{number}"\n{lines}\n' + ("" if "action" in lines else 'action="queue"')
        for number, lines in enumerate(rules)
    )
    return faults(Policy.parse(text), text, house)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ('when = { status = ["vipp"] }', "5: rule 'r0': unknown status 'vipp'; the CRM has new"),
        ('when = { language = ["fr"] }', "unknown language 'fr'"),
        ('when = { segment = ["x"] }', "unknown segment 'x'"),
        ('when = { country = ["Bulgaria"] }', "'Bulgaria' is no country; write its ISO code"),
        ('when = { last_operator = ["ana"] }', "last_operator 'ana': there is no user of this"),
        ('when = { closed = "office" }', "there is no calendar 'office'"),
        ('queue = "sales"', "5: queue 'sales' is on no PBX"),
        ('queue = "s-{language}"', "queue 's-bg' is on no PBX"),
        ('overflow = { after = 60, queue = "x" }', "queue 'x' is on no PBX"),
        ('when = { queue = { name = "x", ready = { below = 1 } } }', "queue 'x' is on no PBX"),
        ("when = { balance = { at_least = 5, below = 5 } }", "can never hold: nothing is at_least"),
        ("when = { calls_today = { at_least = 1.2, below = 2 } }", "can never hold"),
        ("when = { status = [] }", "can never hold: status allows nothing"),
        ('when = { known = false, status = ["vip"] }', "known and status contradict"),
        ("when = { known = false, manager = true }", "known and manager contradict"),
        ("priority = 20\nraise = { by = 1, every = 9, up_to = 20 }", "up_to = 20 is not above"),
        ('queue = "support"\noverflow = { after = 60, queue = "support" }', "waits already"),
        ('overflow = { after = 60, queue = "support" }', "waits already"),
        (
            'queue = "s-{language}"\noverflow = { after = 60, queue = "s-ru" }',
            "6: rule 'r0': leads to 's-ru', where the caller who speaks ru waits already",
        ),
        ('overflow = {after=60, message="x"}\ncallback = { after = 60 }', "overflow has taken"),
        ('first = { who = "last-operator", desk = false }', "no telephone to ring"),
        (
            'why = { en = "so", de = "so" }',
            "5: rule 'r0': why: 'de': no console speaks it; there are en, ru, bg",
        ),
    ],
)
def test_the_lint_finds_what_cannot_be_meant(lines: str, fault: str) -> None:
    house = House(STATUSES, LANGUAGES, ["b2b"], {"support"}, {"anna"}, ("en", "ru", "bg"))
    found = lint(lines, house=house)
    assert any(fault in each for each in found), found


def test_the_lint_finds_a_rule_that_contradicts_itself_over_a_calendar() -> None:
    found = lint('when = { open = "o", closed = "o" }', head='[calendar.o]\nmon="09:00-18:00"')
    assert any("contradict each other" in each for each in found)
    assert any("is never open" in each for each in lint("priority = 1", head="[calendar.o]"))


def test_what_only_others_than_the_callers_of_a_rule_would_meet_is_no_fault() -> None:
    spoken = 'when = { language = ["ru"] }\nqueue = "s-{language}"'
    over = 'overflow = { after = 60, queue = "s-bg" }'
    assert (
        lint(f"{spoken}\n{over}", house=House(STATUSES, LANGUAGES, (), {"support", "s-ru", "s-bg"}))
        == []
    )


def test_the_lint_finds_names_that_are_given_twice() -> None:
    rules = '[[rule]]\nname="a"\naction="queue"\nwhen={known=true}\n'
    text = 'default_queue="q"\n' + rules + rules.replace("true", "false")
    assert any(
        "has the name of the one on line 3" in f for f in faults(Policy.parse(text), text, HOUSE)
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("", 'status = ["vip"]'),
        ('status = ["vip", "new"]', 'status = ["new"]'),
        ("known = true", 'status = ["new"]'),
        ("known = true", "balance = { below = 0 }"),
        ("known = true", "attributes = { a = false }"),
        ("balance = { below = 10 }", "balance = { at_least = 1, below = 9 }"),
        ('tags = ["a", "b"]', 'tags = ["b"], known = true'),
        ('hours = "22:00-06:00"', 'hours = "23:00-05:00"'),
        ('queue = { name = "q", ready = { below = 3 } }', 'queue = {name="q", ready={below=1}}'),
        ('ivr = { a = ["1", "2"] }', 'ivr = { a = ["2"], b = ["1"] }'),
    ],
)
def test_the_lint_finds_a_rule_that_an_earlier_one_takes_all_calls_from(
    earlier: str, later: str
) -> None:
    found = lint(f"when = {{ {earlier} }}", f"when = {{ {later} }}")
    assert any("rule 'r1' is never reached: 'r0' " in each for each in found), found
    if earlier:
        assert lint(f"when = {{ {later} }}", f"when = {{ {earlier} }}") == []


def test_the_shipped_rules_have_no_fault_and_give_everybody_a_way() -> None:
    shipped = Policy.parse(SHIPPED)
    assert faults(shipped, SHIPPED, HOUSE) == []
    for status in STATUSES:
        assert decide(shipped, situation(card(status=status))).rule is not None
    queues = {decide(shipped, situation(card(status=s, language="bg"))).queue for s in STATUSES}
    assert queues == {"support", "support-bg", "collections"}


def test_the_remarks_of_the_shipped_rules_are_rules_themselves() -> None:
    """The commented rule of the calendar, put in force."""
    lines = SHIPPED.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("# [[rule]]"))
    end = next(i for i in range(begin, len(lines)) if lines[i].startswith("[[rule]]"))
    lines[begin:end] = [line.removeprefix("#").strip() for line in lines[begin:end]]
    text = "\n".join(lines)
    assert 'name = "closed"' in text
    opened = Policy.parse(text)
    assert faults(opened, text, HOUSE) == []
    sunday = situation(card(), local=datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert decide(opened, sunday).action == "message"


# No call reaches what the lint calls unreachable

WHENS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(st.sampled_from(["new", "vip"]), max_size=2),
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2),
        "known": st.booleans(),
        "manager": st.booleans(),
        "do_not_disturb": st.booleans(),
        "last_operator": st.booleans() | st.just(["anna"]),
        "attributes": st.fixed_dictionaries(
            {}, optional={"x": st.booleans() | st.just({"below": 3.0}) | st.just(["t"])}
        ),
        "balance": st.fixed_dictionaries(
            {"at_least": st.sampled_from([0.0, 5.0])}, optional={"below": st.sampled_from([5, 9])}
        ),
        "hours": st.sampled_from(["09:00-18:00", "10:00-12:30", "17:00-09:30", "00:00-24:00"]),
        "callback": st.booleans(),
    },
)
CARDS: list[Card | None] = [None] + [
    card(
        *([contact("anna", 3)] if manager else []),
        status=status, tags=tags, balance_minor=balance, attributes=attributes,
        manager=MANAGER if manager else None, do_not_disturb=not manager,
    )
    for status, tags, balance, attributes, manager in product(
        ["new", "vip"], [(), ("a",), ("b", "a")], [None, 100, 500, 900],
        [{}, {"x": True}, {"x": False}, {"x": 2.0}, {"x": "t"}], [True, False],
    )
]  # fmt: skip
HOURS = [NOON.replace(hour=hour, minute=minute) for hour, minute in [(9, 15), (11, 0), (20, 0)]]
EVERYBODY = [
    situation(each, local=local, callback=callback, seats=seats)
    for each in CARDS
    for local, callback, seats in zip(
        HOURS, [True, False, False], [{"anna": READY}, {}, {"anna": QUIET}], strict=True
    )
]


@settings(max_examples=60, deadline=None)
@given(st.lists(WHENS, min_size=2, max_size=5))
def test_no_call_reaches_a_rule_that_the_lint_calls_unreachable(whens: list[Any]) -> None:
    rules = [{"name": str(i), "when": when, "action": "queue"} for i, when in enumerate(whens)]
    made = Policy.model_validate({"default_queue": "q", "rule": rules})
    found = faults(made, "", HOUSE)
    dead = {each.split("'")[1] for each in found if "never" in each}
    reached = {decide(made, each).rule for each in EVERYBODY}
    assert not dead & reached


# Explanations


@settings(max_examples=60, deadline=None)
@given(st.lists(WHENS, max_size=5), st.sampled_from(EVERYBODY))
def test_a_decision_is_made_again_from_what_it_looked_at(whens: list[Any], call: Situation) -> None:
    rules = [
        {"name": str(i), "when": when, "action": "queue", "first": {"who": who}}
        for (i, when), who in zip(enumerate(whens), ["manager", "last-operator"] * 3, strict=False)
    ]
    made = Policy.model_validate({"default_queue": "q-{language}", "rule": rules})
    decision, inputs = weigh(made, call)
    assert decision == decide(made, call)
    kept = json.loads(json.dumps(inputs))
    again, trials = explain(made, kept)
    assert again == decision
    assert [trial.rule for trial in trials if trial.failed is None] == (
        [decision.rule] if decision.rule else []
    )
    assert all(trial.failed and trial.failed.key in kept for trial in trials if trial.failed)


@settings(max_examples=60, deadline=None)
@given(st.lists(WHENS, min_size=1, max_size=8), st.sampled_from(EVERYBODY))
def test_many_rules_decide_like_one_after_the_other(whens: list[Any], call: Situation) -> None:
    """The first that holds of a hundred is the first of those that hold by themselves."""
    rules = [
        {"name": str(number), "when": whens[number % len(whens)], "action": "queue"}
        for number in range(len(whens) * COMMON)
    ]
    single = [
        Policy.model_validate({"default_queue": "q", "rule": [rule]})
        for rule in rules[: len(whens)]  # those after them say the same
    ]
    first = next((found for one in single if (found := decide(one, call).rule)), None)
    made = Policy.model_validate({"default_queue": "q", "rule": rules})
    decision, inputs = weigh(made, call)
    assert decision.rule == first
    assert decide(made, call) == decision  # from what was kept of the first time
    again, trials = explain(made, json.loads(json.dumps(inputs)))
    assert again == decision
    assert all(trial.failed and trial.failed.key in inputs for trial in trials if trial.failed)
    assert [trial.failed is None for trial in trials[:-1]] == [False] * (len(trials) - 1)


def test_an_explanation_says_which_condition_failed_and_on_what_kind_of_value() -> None:
    made = policy("known = true, attributes = { cases = { at_least = 1 } }")
    _, inputs = weigh(made, situation(card(attributes={"cases": "three"})))
    (trial,) = explain(made, inputs)[1]
    assert trial.failed is not None
    assert (trial.failed.key, trial.failed.value) == ("attributes.cases", "three")
    assert trial.failed.wish == {"at_least": 1.0}
    assert trial.failed.misfit
    _, inputs = weigh(made, situation(card()))
    (trial,) = explain(made, inputs)[1]
    assert trial.failed is not None
    assert not trial.failed.misfit  # nothing is known, which is no fault


def test_nothing_is_looked_at_that_no_rule_asks_for() -> None:
    def refuse(*asked: object) -> Any:
        raise AssertionError(asked)

    call = Situation(Caller("", "RU", card()), Approach(), NOON, refuse, refuse)
    _, inputs = weigh(policy('status = ["vip"], queue = { name = "q", ready = {below=1} }'), call)
    assert inputs == {
        "status": "regular", "language": "ru", "lookup": "found", "lookups_failed": []
    }  # fmt: skip


def test_what_a_decision_was_made_without_is_said_and_explained() -> None:
    made = policy("known = true")
    call = replace(situation(), caller=Caller("", None, None, True, ("erp", "billing")))
    decision, inputs = weigh(made, call)
    said = [(reason.code, reason.args.get("lookup")) for reason in decision.reasons[:3]]
    failed = "lookup-failed"
    assert said == [(failed, "erp"), (failed, "billing"), ("customer-lookup-failed", None)]
    assert explain(made, json.loads(json.dumps(inputs)))[0] == decision


def test_the_fingerprint_is_that_of_the_meaning() -> None:
    remarks = SHIPPED.replace("\n[[rule]]", "\n# a remark\n[[rule]]")
    shipped = Policy.parse(SHIPPED)
    assert Policy.parse(remarks).fingerprint == shipped.fingerprint
    kept = shipped.model_dump(mode="json", exclude_defaults=True)
    assert Policy.model_validate(json.loads(json.dumps(kept))).fingerprint == shipped.fingerprint
    assert Policy.parse(SHIPPED.replace("priority = 10", "priority = 11")).fingerprint != (
        shipped.fingerprint
    )


def test_a_thousand_rules_are_tried_in_no_time() -> None:
    rules = [
        {
            "name": str(i),
            "when": {"status": ["vip"], "attributes": {"tariff": [f"t{i}"]}},
            "action": "queue",
        }
        for i in range(1000)
    ]
    made = Policy.model_validate({"default_queue": "q", "rule": rules})
    call = situation(card(status="vip", attributes={"tariff": "none"}))
    decide(made, call)
    best = min(timeit.repeat(lambda: decide(made, call), number=1, repeat=20))
    assert best < 0.01, "seconds; a tenth of that is usual"
