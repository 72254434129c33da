"""The operator's form: what was entered, played through the script anew each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from script_fixtures import CUSTOMER, SCRIPTS

from cordboard.ivr import form
from cordboard.ivr.form import Entry, Filled
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run
from cordboard.ivr.script import Script
from cordboard.ivr.turns import Find, Request
from cordboard.sections import shipped_scripts

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STRANGER = Scope(None, {"number": "+79031234567"}, NOON)

OPINION = Script.parse("""
version: 1
name: opinion
languages: [en]
survey: true
steps:
  - id: buys
    ask: { kind: yes_no, question: buys, prompt: "Have you bought?" }
  - when: answers.buys == False
    goto: why
  - id: paid
    ask: { kind: money, question: paid, prompt: "How much?" }
    next: words
  - id: why
    ask: { kind: text, question: why, prompt: "Why not?", required: false }
  - id: words
    ask: { kind: text, question: words, prompt: "Anything else?", required: false }
""")
TARIFF = Script.parse("""
version: 1
name: tariff
languages: [en]
on: { error: sorry, missing: nobody }
steps:
  - id: account
    ask: { kind: digits, save: account, prompt: "Your account?" }
  - id: who
    look_up: { by: account, value: account }
  - id: price
    call_api:
      url: "https://crm.example.com/tariff/{customer.id}"
      save: { tariff: name, price: price }
  - id: tell
    say: "{customer.name} pays {price|money} for {tariff}."
    next: end
  - id: nobody
    say: "There is no such account."
    next: end
  - id: sorry
    say: "The tariffs are out of reach."
""")


def filled(script: Script, *entries: Entry, scope: Scope = STRANGER) -> Filled:
    return form.fill(script, scope, entries, None, None, {"c1": CUSTOMER | {"id": "c1"}})[0]


def typed(*answers: tuple[str, str]) -> list[Entry]:
    return [Entry(step, text, number) for number, (step, text) in enumerate(answers, 1)]


def test_an_earlier_answer_that_is_changed_leads_another_way() -> None:
    entries = typed(("buys", "yes"), ("paid", "12.50"), ("words", "good"))
    done = filled(OPINION, *entries)
    assert (done.current, done.goes, done.asked) == (None, "hangup", {"buys", "paid", "words"})
    entries = form.changed(entries, 0, Entry("buys", "no", 9))
    other = filled(OPINION, *entries)
    assert other.current is not None
    assert other.items[other.current].step == "why"
    assert other.asked == {"buys"}
    back = filled(OPINION, *form.changed(entries, 0, Entry("buys", "yes", 10)))
    assert back == done


def test_what_may_be_left_out_is_left_out_by_nothing() -> None:
    done = filled(OPINION, *typed(("buys", "no"), ("why", ""), ("words", "")))
    assert (done.current, done.asked) == (None, {"buys"})
    assert filled(OPINION, *typed(("buys", ""))).fault == "noinput"
    assert filled(OPINION, *typed(("buys", "perhaps"))).fault == "nomatch"


def test_what_the_card_says_already_is_offered() -> None:
    scope = replace(STRANGER, customer=CUSTOMER | {"attributes": {"buys": True, "paid": "much"}})
    offers = filled(OPINION, *typed(("buys", "yes")), scope=scope)
    assert [item.offer for item in offers.items] == ["yes", None]


def test_an_operator_reads_out_no_keys_of_telephones() -> None:
    nps = Script.parse((shipped_scripts() / "nps.yaml").read_text(encoding="utf-8"))
    entries = typed(("consent", "1"), ("score", "8"), ("better", "price"))
    shown = form.fill(nps, STRANGER, entries, "en")[0]
    assert [item.text for item in shown.items][1:] == [
        "How likely are you to recommend us to a friend? Zero is not at all, ten is certainly.",
        "What was missing from a ten?",
        "Could you tell us more?",
    ]


def test_the_store_and_other_systems_are_asked_where_the_script_asks_them() -> None:
    entries = typed(("account", "10203"))
    wants = filled(TARIFF, *entries).wants
    assert wants is not None
    assert isinstance(wants.action, Find)
    assert (wants.action.by, wants.action.value) == ("account", "10203")
    entries.append(Entry("who", wants.mark, 2, {"customer": "c1"}))
    assert form.found_in(entries) == {"c1"}
    wants = filled(TARIFF, *entries).wants
    assert wants is not None
    assert isinstance(wants.action, Request)
    assert wants.action.url == "https://crm.example.com/tariff/c1"
    got = form.answer_of({"tariff": "gold", "price": Decimal("9.90")})
    done = filled(TARIFF, *entries, Entry("price", wants.mark, 3, got))
    assert done.wants is None
    assert "9.90 for gold" in done.items[-1].text
    failed = filled(TARIFF, *entries, Entry("price", wants.mark, 3, {}))
    assert failed.items[-1].text == "The tariffs are out of reach."


def test_an_answer_that_changes_the_question_to_others_has_it_asked_anew() -> None:
    entries = typed(("account", "10203"))
    first = filled(TARIFF, *entries).wants
    assert first is not None
    entries.append(Entry("who", first.mark, 2, {}))
    assert filled(TARIFF, *entries).items[-1].text == "There is no such account."
    entries = form.changed(entries, 0, Entry("account", "10204", 3))
    second = filled(TARIFF, *entries).wants
    assert second is not None
    assert second.mark != first.mark
    entries = form.changed(entries, second.place, Entry("who", second.mark, 4, {"customer": "c1"}))
    assert len(entries) == 2
    assert isinstance(getattr(filled(TARIFF, *entries).wants, "action", None), Request)


WORDS = st.sampled_from(["", "1", "2", "9", "10", "yes", "no", "01.01.2026", "12.5", "good", "x"])


@settings(max_examples=150)
@given(SCRIPTS, st.lists(WORDS, max_size=12), st.booleans())
def test_a_form_comes_to_its_end_whatever_is_entered(
    script: Script, words: list[str], is_known: bool
) -> None:
    """Each question in turn is given the next word. What is no answer is asked again, and the run
    has the answers of all that is asked."""
    scope = replace(STRANGER, customer=CUSTOMER if is_known else None)
    entries: list[Entry] = []
    for number, word in enumerate(words):
        done = filled(script, *entries, scope=scope)
        if done.wants is not None:
            new = Entry(done.wants.action.step, done.wants.mark, number, {})
            entries = form.changed(entries, done.wants.place, new)
            continue
        if done.current is None:
            break
        item = done.items[done.current]
        assert item.field is not None
        new = Entry(item.step, word, number)
        if not filled(script, *form.changed(entries, item.place, new), scope=scope).fault:
            entries = form.changed(entries, item.place, new)
    run = Run.start(script, "0" * 32, "form", 0.0)
    done, records = form.fill(script, scope, entries, None, run)
    kept = {each.question for each in records if hasattr(each, "question")}
    assert kept == done.asked
