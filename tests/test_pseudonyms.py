"""Pseudonyms: keyed, consistent, of the same shape; what decisions go by stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.pseudonyms import Pseudonyms

NAMES = Pseudonyms(b"key", ["vip", "ru"])
MOBILE = "+79161234567"
DIGITS = st.from_regex(r"\+?[1-9][0-9]{6,14}", fullmatch=True)


def test_a_number_keeps_its_shape_and_its_head() -> None:
    hidden = NAMES.private(MOBILE)
    assert hidden != MOBILE
    assert re.fullmatch(r"\+7916\d{7}", hidden)


@pytest.mark.parametrize("written", ["+7 (916) 123-45-67", "89161234567", "79161234567"])
def test_a_number_is_the_same_however_it_is_written(written: str) -> None:
    digits = re.sub(r"\D", "", NAMES.private(written))
    assert digits[-10:] == NAMES.private(MOBILE)[-10:]
    assert re.sub(r"\d", "", NAMES.private(written)) == re.sub(r"\d", "", written)


@given(DIGITS, DIGITS)
def test_two_numbers_have_two_pseudonyms(one: str, other: str) -> None:
    assert (one == other) == (NAMES.private(one) == NAMES.private(other))


@given(st.text(), st.text())
def test_two_texts_have_two_pseudonyms(one: str, other: str) -> None:
    assert (one == other) == (NAMES.private(one) == NAMES.private(other))


@given(st.text(alphabet=st.characters(categories=["L", "P", "Zs"]), min_size=1, max_size=200))
def test_a_text_tells_nothing_not_even_its_length(text: str) -> None:
    assert re.fullmatch(r"~[0-9a-f]{12}", NAMES.private(text))


@pytest.mark.parametrize(
    "same",
    [
        *["", "<unknown>", "vip", "ru", "1001", "*43"],
        *["1732249271.12", "pbx1-1732249271.12"],
        *["0193532f-0000-7abc-8def-0123456789ab", "cordboard-01935328-0000-7abc-8def-012345678901"],
    ],
)
def test_extensions_ids_and_known_words_stay(same: str) -> None:
    assert NAMES.private(same) == NAMES.clean(same) == same


@pytest.mark.parametrize(
    "same",
    [
        "PJSIP/inbound-00000012",
        "PJSIP/1001-0000001a",
        "Local/1001@operators-12345678;2",
        "PJSIP/in-00000012<MASQ>",
    ],
)
def test_a_channel_that_names_nobody_stays(same: str) -> None:
    assert NAMES.channel(same) == same


def test_a_number_inside_a_channel_is_the_one_it_is_elsewhere() -> None:
    channel = NAMES.channel(f"Local/{MOBILE}@mobile-00000012;1")
    assert channel == f"Local/{NAMES.private(MOBILE)}@mobile-00000012;1"
    assert channel.rpartition("-")[0] == NAMES.clean(f"Local/{MOBILE}@mobile")


def test_another_key_gives_other_pseudonyms() -> None:
    other = Pseudonyms(b"another")
    for value in (MOBILE, "Иван Петров"):
        assert other.private(value) != NAMES.private(value) == Pseudonyms(b"key").private(value)


def test_a_word_that_becomes_known_is_not_replaced_any_more() -> None:
    names = Pseudonyms(b"key")
    assert names.private("gold") != "gold"
    names.know(["gold"])
    assert names.private("gold") == "gold"
