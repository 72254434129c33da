"""What another system says of a caller: read strictly, laid over our own card, asked in measure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.config import Lookup
from cordboard.crm_core.model import Card, Customer, Manager, Report
from cordboard.crm_core.outside import (
    Breaker,
    Cache,
    Known,
    NoAnswerError,
    merged,
    question,
    read_answer,
)

SVETA = Manager("sveta", "Света", "+79031110002")
KNOWN = Known(("new", "regular", "vip"), ("ru", "bg"), {"sveta": SVETA})
OWN = Card(
    Customer("c1", "person", "Иван", ("+79161234567",), "regular", "ru", None, 100, 0, 0), ()
)


def lookup(**more: Any) -> Lookup:
    values: dict[str, Any] = {"name": "billing", "url": "http://localhost/{number}"} | more
    return Lookup.model_validate(values)


def read(answer: Any, values: dict[str, Any] | None = None, **paths: Any) -> Report | None:
    return read_answer(json.dumps(answer).encode(), lookup(map=paths, values=values or {}), KNOWN)


# The answer


def test_each_field_is_read_from_its_place_and_in_our_words() -> None:
    answer = {
        "client": {"title": "  Мария   Петрова ", "class": "GOLD", "lang": "rus", "vip": 1},
        "account": [{"balance": -12.345}, {"manager": "Sveta"}],
        "tags": ["a", "b", "a"],
        "contracts": {"0": {"tariff": "Gold", "debt": False, "months": 12}},
    }
    report = read(
        answer,
        {
            "status": {"GOLD": "vip"},
            "language": {"rus": "ru"},
            "do_not_disturb": {"1": True, "0": False},
            "attributes": {"debt": {"false": "none"}},
        },
        name="client.title",
        status="client.class",
        language="client.lang",
        balance="account.0.balance",
        manager="account.1.manager",
        tags="tags",
        segment="contracts.0.tariff",
        do_not_disturb="client.vip",
        attributes={
            "tariff": "contracts.0.tariff",
            "months": "contracts.0.months",
            "debt": "contracts.0.debt",
        },
    )
    assert report == Report(
        "billing",
        0,
        "Мария Петрова",
        "vip",
        "ru",
        -1234,
        "Gold",
        ("a", "b"),
        SVETA,
        True,
        {"tariff": "Gold", "months": 12, "debt": "none"},
    )


@pytest.mark.parametrize(
    "answer",
    [{}, [], None, {"a": None}, {"a": {"b": None}}, {"a": {}}, {"a": []}, {"a": {"b": ""}}],
)
def test_an_answer_without_any_mapped_value_knows_nobody(answer: Any) -> None:
    assert read(answer, status="a.b") is None


@pytest.mark.parametrize(
    ("amount", "minor"),
    [(1, 100), (-0.01, -1), ("12.50", 1250), ("-7", -700), (0.1 + 0.2, 30), (1e3, 100_000)],
)
def test_money_is_read_to_the_cent_from_numbers_and_from_text(amount: Any, minor: int) -> None:
    report = read({"a": amount}, balance="a")
    assert report
    assert report.balance_minor == minor


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("status", "GOLD", "unknown-value"),
        ("status", 1, "wrong-type"),
        ("status", ["vip"], "wrong-type"),
        ("status", {"x": 1}, "wrong-type"),
        ("language", "de", "unknown-value"),
        ("manager", "nobody", "unknown-value"),
        ("balance", "a lot", "wrong-type"),
        ("balance", True, "wrong-type"),
        ("balance", 1e300, "wrong-type"),
        ("balance", [], "wrong-type"),
        ("do_not_disturb", "yes", "wrong-type"),
        ("do_not_disturb", 1, "wrong-type"),
        ("tags", [1], "wrong-type"),
        ("tags", ["x"] * 51, "wrong-type"),
        ("name", "x" * 201, "wrong-type"),
        ("segment", 5, "wrong-type"),
        ("attributes", {"a": 1}, "wrong-type"),
        ("attributes", "x" * 201, "wrong-type"),
    ],
)
def test_a_value_that_cannot_be_ours_makes_the_answer_worth_nothing(
    field: str, value: Any, kind: str
) -> None:
    paths = {"attributes": {"x": "a"}} if field == "attributes" else {field: "a"}
    with pytest.raises(NoAnswerError) as caught:
        read({"a": value, "name": "Иван"}, **paths)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>502 Bad Gateway</body></html>",
        b"status=vip",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": "x\\u0000y"}',
        b"[" * 5000,
        b"[" * 20 + b"1" + b"]" * 20,
        b'{"a": 99999999999999999999}',
        b'{"a": "vip"',
        b"\x00\x01\x02",
    ],
)
def test_what_is_no_plain_json_is_no_answer(body: bytes) -> None:
    with pytest.raises(NoAnswerError) as caught:
        read_answer(body, lookup(map={"status": "a"}), KNOWN)
    assert caught.value.kind == "not-json"


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999"])
def test_a_number_beyond_all_measure_is_no_surprise(number: str) -> None:
    body = f'{{"a": {number}}}'.encode()
    for paths, nothing in (
        ({"balance": "a"}, Report("billing", balance_minor=0)),
        ({"attributes": {"x": "a"}}, Report("billing", attributes={"x": 0.0})),
    ):
        if "e-" in number:
            assert read_answer(body, lookup(map=paths), KNOWN) == nothing
        else:
            with pytest.raises(NoAnswerError, match="too large"):
                read_answer(body, lookup(map=paths), KNOWN)


def test_a_path_through_what_is_no_object_is_no_answer() -> None:
    for answer in ({"a": "text"}, {"a": 5}, {"a": [{"b": 1}]}, "text", 5, True):
        with pytest.raises(NoAnswerError):
            read(answer, status="a.b")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=12,
)
ANYWHERE = {
    "name": "a", "status": "a.b", "language": "b", "balance": "c", "segment": "a.0", "tags": "b.1",
    "manager": "a.c", "do_not_disturb": "c.a", "attributes": {"x": "a.a", "y": "b.b.b"},
}  # fmt: skip


@given(JSON | st.binary(max_size=40))
def test_whatever_is_sent_it_is_a_report_or_no_answer(sent: Any) -> None:
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    try:
        report = read_answer(body, lookup(map=ANYWHERE), KNOWN)
    except NoAnswerError:
        return
    if report is not None:
        assert report.status in (None, *KNOWN.statuses)
        assert report.name is None or ("\n" not in report.name and "\r" not in report.name)
        assert all(isinstance(value, str | float | bool) for value in report.attributes.values())


def test_names_with_line_ends_and_painting_marks_become_one_plain_line() -> None:
    report = read({"a": "Иван\r\nX-Evil: 1\u202e"}, name="a")
    assert report
    assert report.name == "Иван X-Evil: 1"


# The card


def test_what_is_said_outside_goes_before_what_we_have_and_says_where_it_is_from() -> None:
    crm = Report("crm", 1, name="Other", status="new", attributes={"cases": 2.0, "tariff": "x"})
    erp = Report("erp", 0, status="vip", do_not_disturb=True, attributes={"tariff": "gold"})
    card = merged(OWN, [crm, erp], "+79161234567")
    assert card
    assert (card.customer.id, card.customer.name, card.customer.status) == ("c1", "Other", "vip")
    assert (card.customer.language, card.customer.balance_minor) == ("ru", 100)
    assert (card.customer.do_not_disturb, card.customer.tags) == (True, ())
    assert card.customer.attributes == {"cases": 2.0, "tariff": "gold"}
    assert card.sources == {
        "name": "crm",
        "status": "erp",
        "do_not_disturb": "erp",
        "attributes.cases": "crm",
        "attributes.tariff": "erp",
    }
    assert OWN.customer.status == "regular"


def test_without_a_word_from_outside_our_card_is_as_it_is() -> None:
    assert merged(OWN, [], "+79161234567") is OWN
    assert merged(None, [], "+79161234567") is None


def test_somebody_whom_another_system_alone_knows_has_a_card_without_an_id() -> None:
    card = merged(None, [Report("erp", name="Мария", status="vip")], "+79161234567")
    assert card
    assert card.customer_id is None
    assert (card.customer.name, card.customer.status) == ("Мария", "vip")
    assert (card.customer.phones, card.history) == (("+79161234567",), ())


# The question


def test_a_body_is_filled_in_at_any_depth_and_stays_json() -> None:
    body = {"a": ["{number}", {"b": "c={customer}!"}], "n": 1, "x": "{other}"}
    values = {"number": '"}\r\n', "customer": "c1"}
    filled = question(body, values)
    assert filled == {"a": ['"}\r\n', {"b": "c=c1!"}], "n": 1, "x": "{other}"}
    assert json.loads(json.dumps(filled)) == filled


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_question_through_later() -> None:
    breaker = Breaker(failures=3, seconds=30)
    for well in (False, False, True, False, False):
        assert breaker.allows(0.0)
        breaker.settle(well, 0.0)
    assert not breaker.is_open
    breaker.settle(False, 1.0)
    assert breaker.is_open
    assert [breaker.allows(at) for at in (1.0, 30.9)] == [False, False]
    assert [breaker.allows(31.0), breaker.allows(31.0)] == [True, False]
    breaker.settle(False, 31.3)
    assert [breaker.allows(61.2), breaker.allows(61.3)] == [False, True]
    breaker.settle(True, 61.4)
    assert not breaker.is_open
    assert breaker.allows(61.4)
    breaker.settle(False, 61.5)
    assert not breaker.is_open


def test_a_cache_keeps_for_its_time_and_no_more_than_its_size() -> None:
    cache: Cache[str | None] = Cache(size=2, seconds=10)
    cache.put(("a",), None, 0)
    cache.put(("b", "c1"), "B", 1)
    assert (cache.get(("a",), 9.9), cache.get(("b", "c1"), 9.9)) == ((None,), ("B",))
    assert cache.get(("a",), 10) is None
    cache.put(("c",), "C", 2)
    assert cache.get(("a",), 2) is None
    assert len(cache) == 2
    cache.forget("c1")
    assert cache.get(("b", "c1"), 2) is None
    cache.put(("d",), "D", 50)
    assert len(cache) == 1
    never: Cache[str] = Cache(size=2, seconds=0)
    never.put(("a",), "A", 0)
    assert len(never) == 0
