"""The first policy: who is calling decides, and every decision says why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cordboard.crm_core.model import Card, Customer, Manager
from cordboard.queue.decisions import Decision
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Approach, Caller, Situation, decide

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
SHIPPED = Policy.parse((Path(__file__).parent.parent / "config/routing.toml").read_text())
STATUSES = ["new", "regular", "vip", "debtor", "blocked"]


def card(
    status: str = "regular",
    language: str | None = "ru",
    mobile: str | None = None,
    balance_minor: int | None = None,
) -> Card:
    manager = Manager("anna", "Anna", mobile) if mobile else None
    phones = ("+79161234567",)
    customer = Customer(
        "c", "person", "Ivan", phones, status, language, manager, balance_minor, 0, 0
    )
    return Card(customer, ())


def route(
    given: Card | None,
    *,
    policy: Policy = SHIPPED,
    country: str | None = "RU",
    failed: bool = False,
) -> Decision:
    caller = Caller("+79161234567", country, given, failed)
    return decide(policy, Situation(caller, Approach("100"), NOON))


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_a_vip_goes_before_a_regular_customer_of_the_same_queue() -> None:
    vip, regular = route(card("vip")), route(card())
    assert (vip.queue, regular.queue) == ("support-ru", "support-ru")
    assert vip.priority > regular.priority


def test_a_vip_with_a_manager_rings_the_mobile_and_comes_back_in_front() -> None:
    decision = route(card("vip", mobile="+79031112233"))
    assert decision.personal is not None
    assert (decision.action, decision.personal.mobile) == ("queue", "+79031112233")
    assert decision.priority > route(card("vip")).priority


def test_a_blocked_customer_hears_a_message() -> None:
    decision = route(card("blocked"))
    assert decision.action == "message"
    assert decision.to


def test_others_go_to_the_queue_of_their_language() -> None:
    assert route(card(language="bg")).queue == "support-bg"


def test_an_unknown_caller_goes_by_the_country_of_the_number() -> None:
    assert route(None, country="BG").queue == "support-bg"
    assert route(None, country="FR").queue == "support-en"
    assert "customer-unknown" in codes(route(None))


def test_a_store_that_does_not_answer_is_said_and_the_caller_still_goes_on() -> None:
    decision = route(None, failed=True)
    assert (decision.action, codes(decision)[0]) == ("queue", "customer-lookup-failed")


def test_every_decision_names_its_rule_in_all_three_languages() -> None:
    for status in STATUSES:
        (rule,) = [r for r in route(card(status)).reasons if r.code == "rule"]
        assert rule.text
        assert set(rule.text) == {"en", "ru", "bg"}


def test_the_first_rule_that_holds_decides() -> None:
    policy = Policy.parse(
        """
        default_queue = "support"
        [[rule]]
        name = "debt"
        when = { balance = { below = 0 } }
        action = "queue"
        queue = "collections"
        [[rule]]
        name = "all"
        action = "queue"
        queue = "sales"
        """
    )
    assert route(card(balance_minor=-1), policy=policy).queue == "collections"
    assert route(card(balance_minor=0), policy=policy).queue == "sales"


@pytest.mark.parametrize(
    ("hours", "queue"),
    [("09:00-18:00", "day"), ("18:00-09:00", "support"), ("12:00-12:01", "day")],
)
def test_hours_hold_within_their_span_also_over_midnight(hours: str, queue: str) -> None:
    policy = Policy.parse(
        f"""
        default_queue = "support"
        [[rule]]
        name = "by day"
        when = {{ hours = "{hours}" }}
        action = "queue"
        queue = "day"
        """
    )
    assert route(card(), policy=policy).queue == queue


def test_no_rule_at_all_still_has_an_answer() -> None:
    assert route(card(), policy=Policy.parse('default_queue = "support"')).queue == "support"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('default_queue = "a b"', "1: default_queue: a queue's name"),
        ("[[rule]]\nname = 'x'\naction = 'queue'", "default_queue: this key is needed"),
        (
            "default_queue = 'q'\n[[rule]]\nname = 'x'\nakshun = 'queue'",
            "4: rule.0.akshun: no such",
        ),
        ("default_queue = 'q'\n[[rule]]\nname = 'x'\naction = 'message'", "2: rule.0"),
        ("default_queue = ", "1: "),
    ],
)
def test_a_faulty_rule_file_says_the_line_and_what_to_do(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is what is tested
        Policy.parse(text)
    assert fault in str(raised.value)


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        Policy.parse("[[rule]]\nname = 'x'\naction = 'fly'\nprioritee = 1")
    assert len(str(raised.value).splitlines()) == 3
