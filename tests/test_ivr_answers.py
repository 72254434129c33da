"""Answers: what keys and words mean, and that both are kept as the same text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.ivr import answers
from cordboard.ivr.steps import Ask, Menu


def ask(kind: str, **rest: Any) -> Ask:
    if kind == "choice":
        rest["choices"] = {"1": {"value": "price"}, "2": {"value": "service"}, "10": {"value": "x"}}
    return Ask.model_validate({"kind": kind, "prompt": "x", "question": "q", **rest})


@pytest.mark.parametrize(
    ("kind", "keys", "typed", "value", "kept"),
    [
        ("yes_no", "1", "yes", True, "yes"),
        ("yes_no", "2", "no", False, "no"),
        ("choice", "2", "service", "service", "service"),
        ("scale", "10", "10", 10, "10"),
        ("scale", "0", "0", 0, "0"),
        ("digits", "0042", "0042", "0042", "0042"),
        ("number", "12*5", "12.5", Decimal("12.5"), "12.5"),
        ("number", "007", "7", 7, "7"),
        ("money", "1500", "1 500", 1500, "150000"),
        ("money", "12*05", "12,05", Decimal("12.05"), "1205"),
        ("date", "31122026", "2026-12-31", date(2026, 12, 31), "2026-12-31"),
    ],
)
def test_a_key_and_a_word_are_kept_alike(
    kind: str, keys: str, typed: str, value: Any, kept: str
) -> None:
    asked = ask(kind)
    assert answers.keyed(asked, keys) == value
    assert answers.typed(asked, typed) == value
    assert answers.kept(asked, value) == kept
    assert answers.restored(asked, kept) == value


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("yes_no", "3"),
        ("yes_no", "11"),
        ("choice", "3"),
        ("scale", "11"),
        ("scale", "010"),
        ("scale", "*"),
        ("scale", "1*0"),
        ("digits", ""),
        ("digits", "12*4"),
        ("digits", "9" * 200),
        ("number", "*"),
        ("number", "1*2*3"),
        ("number", "9" * 200),
        ("money", "1*234"),
        ("money", "#"),
        ("date", "30022026"),
        ("date", "311226"),
        ("date", "31*122026"),
    ],
)
def test_what_answers_nothing_is_no_answer(kind: str, keys: str) -> None:
    assert answers.keyed(ask(kind), keys) is None


@pytest.mark.parametrize("number", ["٣", "१२", "²", "１"])
def test_only_the_ten_digits_of_a_telephone_are_digits(number: str) -> None:
    for kind in ("digits", "number", "money", "scale"):
        assert answers.keyed(ask(kind), number) is None
        assert answers.typed(ask(kind), number) is None


def test_bounds_hold_of_numbers_and_of_digits() -> None:
    age = ask("number", least="18", most="99")
    assert [answers.keyed(age, keys) for keys in ("17", "18", "99", "100")] == [None, 18, 99, None]
    code = ask("digits", length={"least": 4, "most": 6})
    assert [answers.keyed(code, keys) for keys in ("123", "1234", "1234567")] == [
        None,
        "1234",
        None,
    ]


@pytest.mark.parametrize(
    ("asked", "most", "complete"),
    [
        (ask("yes_no"), 1, {"1", "2"}),
        (ask("scale"), 2, {"0", "10", *"23456789"}),
        (ask("scale", scale="1-5"), 1, set("12345")),
        (ask("choice"), 2, {"2", "10"}),
        (ask("digits", length={"least": 4, "most": 4}), 4, set()),
        (ask("digits", length={"least": 1, "most": 100}), answers.DIGITS_AT_MOST, set()),
        (
            Menu.model_validate({"prompt": "x", "choices": {"1": {}, "12": {}, "*": {}}}),
            2,
            {"12", "*"},
        ),
    ],
)
def test_an_entry_is_over_as_soon_as_nothing_more_can_come(
    asked: Ask | Menu, most: int, complete: set[str]
) -> None:
    keys = answers.keys(asked)
    assert keys.most == most
    assert keys.complete == complete
    assert all(keys.is_whole(entry) for entry in complete)
    assert keys.is_whole("9" * most)
    assert not keys.is_whole("")


@given(st.sampled_from(["yes_no", "choice", "scale", "digits", "number", "money", "date"]), st.text(
    "0123456789*#ABCD", max_size=210
))  # fmt: skip
def test_whatever_is_pressed_is_an_answer_or_none(kind: str, keys: str) -> None:
    asked = ask(kind)
    value = answers.keyed(asked, keys)
    if value is not None:
        text = answers.kept(asked, value)
        assert answers.restored(asked, text) == value
        assert answers.kept(asked, answers.restored(asked, text)) == text


@given(st.sampled_from(["yes_no", "choice", "scale", "digits", "number", "money", "date", "text"]),
       st.text(max_size=60))  # fmt: skip
def test_whatever_is_typed_is_an_answer_or_none(kind: str, text: str) -> None:
    asked = ask(kind)
    value = answers.typed(asked, text)
    if value is not None:
        kept = answers.kept(asked, value)
        assert kept
        assert len(kept) <= answers.TEXT_AT_MOST
        assert answers.restored(asked, kept) == value
