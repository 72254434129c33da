"""Conditions and sums: what they come to, that they never raise, and that nothing gets out."""

from __future__ import annotations

import timeit
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.ivr import expressions
from cordboard.ivr.expressions import ExpressionError, parse

NAMES: dict[str, Any] = {
    "customer": {
        "name": "Ivan",
        "status": "vip",
        "balance": Decimal("-5.50"),
        "tags": ["gold", "old"],
        "attributes": {"tariff": "base", "debt": 7, "huge": "1e999999999"},
    },
    "answers": {"mark": 9, "sure": True},
    "now": {"date": date(2026, 11, 23), "hour": 12, "time": "12:30"},
    "count": 3,
    "nothing": None,
    "open": lambda calendar: calendar == "office",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("answers.mark >= 9 and customer.status == 'vip'", True),
        ("customer.balance < 0", True),
        ("customer.balance + 0.1", Decimal("-5.4")),
        ("count / 2", Decimal("1.5")),
        ("count // 2 + count % 2", 2),
        ("-count", -3),
        ("1 < count < 5", True),
        ("'gold' in customer.tags and 'new' not in customer.tags", True),
        ("customer.status in ['new', 'vip']", True),
        ("'van' in customer.name", True),
        ("'a' if count > 3 else 'b'", "b"),
        ("'Mr ' + customer.name", "Mr Ivan"),
        ("now.date < '2026-12-31' and now.date == date('2026-11-23')", True),
        ("now.time >= '09:00'", True),
        ("open('office') and not open('shop')", True),
        ("length(customer.name)", 4),
        ("lower(customer.name)", "ivan"),
        ("whole('12') + 1", 13),
        ("known(answers.mark) and not known(answers.other)", True),
        ("customer.attributes.debt > 5", True),
        # What is not there, or does not fit, is nothing, and holds of nothing.
        ("answers.other", None),
        ("answers.other < 5", False),
        ("answers.other > 5", False),
        ("answers.mark < 'a'", False),
        ("nothing + 1", None),
        ("1 / 0", None),
        ("customer.name.length", None),
        ("customer", None),
        ("customer.name * 1000000", None),
        ("whole('x')", None),
        ("whole(customer.attributes.huge)", None),
        ("date('2026-02-30')", None),
        ("length(5)", None),
        ("'a' in 5", False),
    ],
)
def test_what_an_expression_comes_to(text: str, value: Any) -> None:
    assert parse(text).value(NAMES) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customer.status = 'vip'",
        "customer['status']",
        "customer.status.upper()",
        "().__class__.__bases__[0]",
        "__import__('os').system('id')",
        "open(customer.name)",
        "eval('1')",
        "print(1)",
        "length(1, 2)",
        "length(value=1)",
        "lambda: 1",
        "[x for x in customer.tags]",
        "{'a': 1}",
        "{1, 2}",
        "f'{customer.name}'",
        "(x := 1)",
        "2 ** 1000000",
        "1 << 100",
        "count is None",
        "~count",
        "a @ b",
        "*count",
        "b'a'",
        "1j",
        "...",
        "1e400",
        "10000000000000000",
        "await count",
        "yield",
        "import os",
        "a; b",
        "1 if",
        "a\0b",
        "not " * 30 + "a",
        "(" * 300 + "a" + ")" * 300,
        "a + " * 200 + "a",
    ],
)
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"\w"):
        parse(text)


@given(st.text(max_size=80) | st.text("abc.'()[]<>=! andorinf1290+-*/%,", max_size=80))
@settings(max_examples=500)
def test_any_text_is_an_expression_that_never_raises_or_is_told_not_to_be_one(text: str) -> None:
    try:
        found = parse(text)
    except ExpressionError:
        return
    found.value({})
    found.value(NAMES)
    assert parse(text) == found


PARTS = st.sampled_from(
    [
        "count",
        "customer.name",
        "customer.balance",
        "answers.mark",
        "nothing",
        "customer.tags",
        "'a'",
        "'100'",
        "0",
        "1",
        "999999999999999",
        "0.1",
        "None",
        "True",
        "now.date",
        "now.time",
    ]
)
SIGNS = st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "==", "in", "not in", "and", "or"])


@given(st.recursive(PARTS, lambda inner: st.builds("({} {} {})".format, inner, SIGNS, inner)))
@settings(max_examples=300)
def test_what_comes_of_a_sum_is_bounded(text: str) -> None:
    if len(text) > expressions.CHARACTERS:
        return
    if text.count("(") > expressions.DEPTH:
        return
    found = parse(text).value(NAMES)
    assert found is None or isinstance(found, str | int | Decimal | bool | date | tuple)
    if isinstance(found, int | Decimal):
        assert abs(found) <= expressions.NUMBER_AT_MOST
    if isinstance(found, str):
        assert len(found) <= expressions.TEXT_AT_MOST


class Leak:
    secret = "s"


@pytest.mark.parametrize("text", ["thing.secret", "thing", "thing.__class__", "text.format"])
def test_nothing_of_an_object_is_reached(text: str) -> None:
    assert parse(text).value({"thing": Leak(), "text": "a"}) is None


def test_what_an_expression_looks_at_is_known_before() -> None:
    found = parse("customer.attributes.debt > count and open('office') or known(answers.mark)")
    assert found.names == {("customer", "attributes", "debt"), ("count",), ("answers", "mark")}
    assert found.calls == {("open", "office")}


def test_a_part_of_an_expression_is_one_by_itself() -> None:
    whole = parse("customer.balance < 0 and count == 3")
    parts = [expressions.part(node) for node in expressions.walk(whole.tree)]
    assert {part.text for part in parts} >= {"customer.balance < 0", "count == 3"}
    assert parts[0].value(NAMES) is True


def test_a_condition_is_worked_out_in_microseconds() -> None:
    found = parse("customer.status == 'vip' and customer.balance < 0 and now.hour in [11, 12]")
    once = min(timeit.repeat(lambda: found.holds(NAMES), number=200, repeat=5)) / 200
    assert once < 0.0005
