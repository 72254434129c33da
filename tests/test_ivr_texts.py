"""Values in texts: as they are said, and as they are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cordboard.ivr.speech import Value, Words
from cordboard.ivr.texts import pieces, written


@pytest.mark.parametrize(
    ("value", "said", "read"),
    [
        (Decimal("149.9"), "14990", "149.90"),
        ("149.90", "14990", "149.90"),
        (Decimal("49.999"), "5000", "50.00"),
        (Decimal("-0.005"), "-1", "-0.01"),
        (7, "700", "7.00"),
    ],
)
def test_money_is_said_and_read_alike_however_another_system_writes_it(
    value: Any, said: str, read: str
) -> None:
    assert pieces("{x|money}", "en", (), {"x": value}) == (Value("money", said),)
    assert written("{x|money}", "en", (), {"x": value}) == read


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Decimal(10) / 3, "3.333333"),
        ("12", "12"),
        (Decimal("1500.50"), "1500.5"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_a_number_has_six_digits_behind_the_point_at_most(value: Any, said: str) -> None:
    assert pieces("{x|number}", "en", (), {"x": value}) == (Value("number", said),)


def test_a_value_without_a_kind_is_said_as_it_is_written_but_for_endless_fractions() -> None:
    assert pieces("{x}", "en", (), {"x": Decimal("1500.50")}) == (Words("1500.50"),)
    assert pieces("{x}", "en", (), {"x": Decimal(10) / 3}) == (Words("3.333333"),)
    assert pieces("{x}", "en", (), {"x": "0149"}) == (Words("0149"),)
    assert pieces("{x|money}", "en", (), {"x": Decimal("NaN")}) == (Value("money", "NaN"),)


@pytest.mark.parametrize("value", [10**40, Decimal("1E+40"), Decimal(10**30) / 7, "9" * 40])
@pytest.mark.parametrize("kind", ["money", "number", "text"])
def test_no_number_of_another_system_is_too_large_to_go_on(value: Any, kind: str) -> None:
    assert len(pieces(f"{{x|{kind}}}", "en", (), {"x": value})) == 1
    assert written(f"{{x|{kind}}}", "en", (), {"x": value})
