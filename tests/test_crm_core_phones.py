"""Telephone numbers, in the ways people and trunks write them."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.crm_core.phones import country, display, normalise

REGIONS = ("RU", "BG", "GB", "DE", "US", "IT")


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+79161234567", "RU", "+79161234567"),
        ("8 916 123-45-67", "RU", "+79161234567"),
        ("8(916)1234567", "RU", "+79161234567"),
        ("79161234567", "RU", "+79161234567"),
        ("9161234567", "RU", "+79161234567"),
        ("00359888123456", "RU", "+359888123456"),
        ("8~10 359 888 123456", "RU", "+359888123456"),
        ("359888123456", "RU", "+359888123456"),
        ("0888 123 456", "BG", "+359888123456"),
        ("0888/12-34-56", "BG", "+359888123456"),
        ("02/981 23 45", "BG", "+35929812345"),
        ("+44 (0)20 7946 0958", "RU", "+442079460958"),
        ("+7 916 123‑45‑67", "RU", "+79161234567"),
        ("+7\u00a0916\u202f123 45 67", "RU", "+79161234567"),
        ("\u202a+7 916 123-45-67\u202c", "RU", "+79161234567"),
        ("\ufeff8\u200b916\u200d1234567", "RU", "+79161234567"),
        ("＋７９１６１２３４５６７", "RU", "+79161234567"),
        ("+7 495 123-45-67 доб. 123", "RU", "+74951234567"),
        ("+7 495 123-45-67 x12", "RU", "+74951234567"),
        ("+7 495 123-45-67, 12", "RU", "+74951234567"),
        ("tel:+7-916-123-45-67", "RU", "+79161234567"),
        ("tel:+79161234567;ext=9", "RU", "+79161234567"),
        ('="+79161234567"', "RU", "+79161234567"),
        ("'89161234567", "RU", "+79161234567"),
        ("[+7] 916.123.45.67", "RU", "+79161234567"),
        ("(+7) 916 123-45-67", "RU", "+79161234567"),
    ],
)
def test_every_usual_writing_of_a_number_gives_its_e164(raw: str, region: str, e164: str) -> None:
    assert normalise(raw, region) == e164


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "anonymous",
        "Anonymous",
        "<unknown>",
        "unavailable",
        "restricted",
        "asterisk",
        "s",
        "1001",
        "112",
        "8916123456",
        "891612345678901234",
        "00000000000",
        "0000",
        "+",
        "+7",
        "+1001",
        "+0123456789",
        "+999123456789",
        "7.91612E+10",
        "1e15",
        "8 916 CALL-NOW",
        "ivan@example.org",
        "+7916\n1234567\nAction: Originate",
        "8 916 123-45-67 or 8 916 765-43-21",
        "x" * 10_000,
        "9" * 10_000,
        "\ud800",
    ],
)
def test_what_names_no_subscriber_gives_none(raw: str) -> None:
    assert normalise(raw, "RU") is None


@given(st.text(max_size=40), st.sampled_from(REGIONS))
def test_any_text_gives_none_or_e164_that_stays_as_it_is(raw: str, region: str) -> None:
    number = normalise(raw, region)
    if number is not None:
        assert number[0] == "+"
        assert number[1:].isdigit()
        assert 9 <= len(number) <= 16
        assert all(normalise(number, each) == number for each in REGIONS)


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[str, str, str]:
    """A valid number of some country, a writing of it, and the region that reads it."""
    region = draw(st.sampled_from(("RU", "BG", "GB", "DE")))
    kind = draw(st.sampled_from(("MOBILE", "FIXED_LINE")))
    example = phonenumbers.example_number_for_type(
        region, getattr(phonenumbers.PhoneNumberType, kind)
    )
    assert example is not None
    national = list(str(example.national_number))
    for index in range(len(national) - 4, len(national)):
        national[index] = draw(st.sampled_from("0123456789"))
    number = phonenumbers.parse("".join(national), region)
    layout = draw(st.sampled_from(("INTERNATIONAL", "NATIONAL", "E164", "RFC3966")))
    text = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, layout))
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164, text, region


@given(
    written_numbers(),
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(" \u200b\u200e\u00a0"))),
)
def test_spaces_and_invisible_characters_anywhere_change_nothing(
    number: tuple[str, str, str], noise: list[tuple[int, str]]
) -> None:
    e164, text, region = number
    if not phonenumbers.is_valid_number(phonenumbers.parse(e164)):
        return
    head = 4 if text.startswith("tel:") else 0
    for place, char in noise:
        place = head + place % (len(text) - head + 1)
        text = text[:place] + char + text[place:]
    assert normalise(text, region) == e164


def test_a_number_is_shown_in_groups_and_nonsense_as_it_is() -> None:
    assert display("+79161234567") == "+7 916 123-45-67"
    assert display("nonsense") == "nonsense"


@pytest.mark.parametrize(
    ("e164", "code"),
    [
        ("+79161234567", "RU"),
        ("+77011234567", "KZ"),
        ("+359888123456", "BG"),
        ("+442079460958", "GB"),
        ("+80012345678", None),
        ("nonsense", None),
    ],
)
def test_a_number_belongs_to_its_country_or_to_none(e164: str, code: str | None) -> None:
    assert country(e164) == code
