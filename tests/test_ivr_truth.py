"""What is said of a condition (that it can never hold, that it always does) holds of any values."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.ivr.expressions import OPEN, Path, parse
from cordboard.ivr.truth import ANYTHING, Domain, outcomes, values_of

DOMAINS: dict[str, Domain] = {
    "mark": Domain("all", tuple(range(11))),
    "key": Domain("all", (None, "1", "2", "12")),
    "sure": Domain("all", (None, True, False)),
    "age": Domain("number", (), Decimal(18), Decimal(99)),
    "balance": Domain("number", (None,)),
    "code": Domain("digits", (None,), Decimal(2), Decimal(4)),
    "name": Domain("text", (None,)),
    "tags": Domain("texts", ()),
    "day": Domain("day"),
    "time": Domain("time"),
    "other": ANYTHING,
}
TEXTS = ["", "vip", "Ivan", "12", "0042", "z"]
NUMBERS = [-5, 0, 1, 5, 9, 10, 17, 18, 50, 99, 100]
DAYS = [date(2026, 11, 23) + timedelta(days) for days in (-400, -1, 0, 1, 38, 400)]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "age": st.decimals(18, 99, places=2),
    "balance": st.none() | st.sampled_from(NUMBERS) | st.decimals(-(10**6), 10**6, places=2),
    "code": st.none() | st.text("0123456789", min_size=2, max_size=4),
    "name": st.none() | st.sampled_from(TEXTS) | st.text(max_size=5),
    "tags": st.lists(st.sampled_from(TEXTS), max_size=3),
    "day": st.sampled_from(DAYS) | st.dates(),
    "time": st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59)),
}
VALUES["other"] = VALUES["balance"] | VALUES["name"] | st.booleans()
VALUES |= {
    name: st.sampled_from(domain.values) for name, domain in DOMAINS.items() if domain.kind == "all"
}
CONSTANTS = st.sampled_from(
    [*map(repr, TEXTS), *map(str, NUMBERS), "9.5", "True", "None"]
    + [f"'{day.isoformat()}'" for day in DAYS]
    + ["'09:00'", "'18:30'", "'9:00'", "'24:00'", "date('2026-11-23')"]
)
NAMES = st.sampled_from([*DOMAINS, *DOMAINS])
SIDES = NAMES | CONSTANTS | st.builds("({} + {})".format, NAMES, CONSTANTS)
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
COMPARED = st.one_of(
    st.builds("{} {} {}".format, NAMES, SIGNS, CONSTANTS),
    st.builds("{} {} {}".format, NAMES, SIGNS, CONSTANTS),
    st.builds("{} {} {}".format, SIDES, st.sampled_from(["==", "<", ">=", "in"]), SIDES),
    st.builds("{} < {} <= {}".format, CONSTANTS, NAMES, CONSTANTS),
    st.builds(
        "{} {} [{}, {}]".format, NAMES, st.sampled_from(["in", "not in"]), CONSTANTS, CONSTANTS
    ),
    st.builds("{} in tags".format, CONSTANTS),
    st.builds("known({})".format, NAMES),
    st.builds("length({}) > {}".format, NAMES, CONSTANTS),
    NAMES,
    st.just("open('office')"),
)
CONDITIONS = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
    ),
    max_leaves=4,
)


def domain(path: Path) -> Domain:
    return DOMAINS[path[0]]


@given(st.data())
@settings(max_examples=400)
def test_what_is_said_of_a_condition_holds_of_any_values(data: st.DataObject) -> None:
    condition = parse(data.draw(CONDITIONS))
    found = outcomes(condition, domain)
    assert found
    if len(found) == 2:
        return  # both may be, or it cannot be told: nothing is said
    names = {path[0]: data.draw(VALUES[path[0]]) for path in sorted(condition.names)}
    is_open = data.draw(st.booleans())
    assert condition.holds({**names, OPEN: lambda calendar: is_open}) in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mark > 10", {False}),
        ("mark >= 0", {True}),
        ("mark > 5 and mark < 6", {False}),
        ("balance > 5 and balance < 6", {True, False}),
        ("age < 18 or age > 99", {False}),
        ("age >= 18", {True}),
        ("key == '3' or key == '4'", {False}),
        ("code == '00421'", {False}),
        ("code == 'ab'", {False}),
        ("code == '0042'", {True, False}),
        ("name == 'a' and name == 'b'", {False}),
        ("name in ['a', 'b'] and name != 'a'", {True, False}),
        ("'vip' in tags and 'old' in tags", {True, False}),
        ("day > '2026-11-23' and day < '2026-11-24'", {False}),
        ("time >= '09:00' and time < '09:01'", {True, False}),
        ("time > '23:59'", {False}),
        ("time < '9:00'", {True}),
        ("sure and not sure", {False}),
        ("open('a') or not open('a')", {True}),
        ("open('a') or not open('b')", {True, False}),
        # What samples could mislead about is not told.
        ("'x' in name and 'y' in name", {True, False}),
        ("name < 'a' and name > 'b'", {True, False}),
        ("balance == age", {True, False}),
        ("balance * 2 > balance * 3", {True, False}),
    ],
)
def test_what_a_condition_can_come_to(text: str, found: set[bool]) -> None:
    assert outcomes(parse(text), domain) == found


def test_what_has_too_many_cases_is_not_told() -> None:
    names = [f"hour{number}" for number in range(4)]
    text = " and ".join(f"{name} > 23" for name in names)
    hours = Domain("all", tuple(range(24)))
    assert outcomes(parse(text), lambda path: hours) == {True, False}
    assert outcomes(parse("hour0 > 23 and hour1 > 23"), lambda path: hours) == {False}


def test_what_a_variable_can_be_is_worked_out_from_what_it_is_set_to() -> None:
    assert values_of("'low' if mark <= 6 else 'high'", domain) == ("low", "high")
    assert values_of("1", domain) == (1,)
    assert values_of("balance + 1", domain) is None
    assert values_of("open('a')", domain) is None
