"""What a condition can come to, whoever calls and whenever. Pure.

Every name has a domain: all that it can be (the marks of a scale, the keys of a menu), or samples
from between all that a condition compares it with. The condition is worked out for each
combination by the same code that works it out on a call. Where that could mislead, it is not told.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, product
from math import prod
from typing import Any, Literal

from cordboard.ivr import expressions
from cordboard.ivr.expressions import KNOWN, OPEN, Expression, Path, Value

COMBINATIONS_AT_MOST = 3000
FRESH = "\ue000"
"""A text that no script has."""

Kind = Literal["all", "number", "digits", "text", "texts", "day", "time", "any"]


@dataclass(frozen=True, slots=True)
class Domain:
    """What a name can be. Of kind `all` nothing but `values`; of the others also what lies between
    `least` and `most`, digits by their length. `called` is what it is called in words."""

    kind: Kind
    values: tuple[Value, ...] = ()
    least: Decimal | None = None
    most: Decimal | None = None
    called: str = ""


ANYTHING = Domain("any", (None,), called="a value")
Domains = Callable[[Path], Domain]


def outcomes(condition: Expression, domains: Domains) -> frozenset[bool]:
    """Whether it can hold, and whether it can fail. Both, where that cannot be told."""
    found = {path: domains(path) for path in condition.names}
    if not _Sampled(found).can_tell(condition.tree):
        return frozenset((True, False))
    constants = list(_constants(condition.tree))
    samples = {path: list(_samples(domain, constants)) for path, domain in found.items()}
    calendars = sorted({call[1] for call in condition.calls if call[0] == OPEN})
    axes: list[Sequence[Any]] = [*samples.values(), *((True, False) for _ in calendars)]
    if prod(map(len, axes)) > COMBINATIONS_AT_MOST:
        return frozenset((True, False))
    seen: set[bool] = set()
    for values in product(*axes):
        names = _nested(dict(zip(samples, values, strict=False)))
        opened = dict(zip(calendars, values[len(samples) :], strict=True))
        names[OPEN] = opened.get
        seen.add(condition.holds(names))
        if len(seen) == 2:
            break
    return frozenset(seen)


def values_of(text: str, domains: Domains) -> tuple[Value, ...] | None:
    """All that a sum can come to; None where that cannot be told."""
    whole = expressions.parse(text)
    found = {path: domains(path) for path in whole.names}
    is_open = any(call[0] == OPEN for call in whole.calls)
    if is_open or any(domain.kind != "all" for domain in found.values()):
        return None
    if prod(len(domain.values) for domain in found.values()) > COMBINATIONS_AT_MOST:
        return None
    values = {
        _key(value): value
        for combination in product(*(domain.values for domain in found.values()))
        for value in [whole.value(_nested(dict(zip(found, combination, strict=True))))]
    }
    return tuple(values.values())


def comparisons(condition: Expression) -> Iterator[tuple[ast.Compare, Expression]]:
    """The comparisons in a condition, each as a condition of its own."""
    for node in expressions.walk(condition.tree):
        if isinstance(node, ast.Compare):
            yield node, expressions.part(node)


def compared(node: ast.Compare) -> Iterator[tuple[Path, type[ast.cmpop], Value]]:
    """The names that are compared with something known, and with what; each part of a list."""
    sides = [node.left, *node.comparators]
    for sign, one, other in zip(node.ops, sides[:-1], sides[1:], strict=True):
        for name, value in ((one, other), (other, one)):
            path, constant = path_of(name), constant_of(value)
            if path is None or constant is None:
                continue
            for each in constant[0] if isinstance(constant[0], tuple) else constant:
                yield path, type(sign), each


def day_of(value: Value) -> date | None:
    """The day that a value is, or tells as 2026-12-31. Others compare as texts: 20261231 is a day,
    too, but would come after 2027-01-01."""
    if isinstance(value, datetime):
        return None
    if isinstance(value, date):
        return value
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return day if day is not None and day.isoformat() == value else None


def path_of(node: ast.expr) -> Path | None:
    """The name that an expression is, and nothing else."""
    found = expressions.part(node)
    is_name = isinstance(node, ast.Name | ast.Attribute)
    return next(iter(found.names)) if is_name else None


def constant_of(node: ast.expr) -> tuple[Value] | None:
    """What an expression always is, if it is."""
    found = expressions.part(node)
    if found.names or any(call[0] == OPEN for call in found.calls):
        return None
    return (found.value({}),)


class _Sampled:
    """Whether samples stand for all: of names that are not told value by value, where these are
    compared with constants, or asked whether they are there, and nothing else."""

    def __init__(self, domains: Mapping[Path, Domain]) -> None:
        self.domains = domains

    def can_tell(self, node: ast.expr) -> bool:
        match node:
            case ast.BoolOp(values=parts):
                return all(map(self.can_tell, parts))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return self.can_tell(part)
            case ast.IfExp(test=test, body=one, orelse=other):
                return all(map(self.can_tell, (test, one, other)))
            case ast.Name() | ast.Attribute() | ast.Constant():
                return True
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name == KNOWN:
                return path_of(argument) is not None or self._is_told(argument)
            case ast.Compare(left=left, ops=signs, comparators=rest):
                sides = [left, *rest]
                pairs = zip(signs, sides[:-1], sides[1:], strict=True)
                return all(self._is_clear(type(sign), one, other) for sign, one, other in pairs)
        return self._is_told(node)

    def _is_told(self, node: ast.expr) -> bool:
        names = expressions.part(node).names
        return all(self.domains[path].kind == "all" for path in names)

    def _is_clear(self, sign: type[ast.cmpop], one: ast.expr, other: ast.expr) -> bool:
        told = self._is_told(one), self._is_told(other)
        if all(told):
            return True
        if not any(told):
            return False
        name, against = (other, one) if told[0] else (one, other)
        path, constant = path_of(name), constant_of(against)
        if path is None or constant is None:
            return False
        kind = self.domains[path].kind
        if sign in (ast.In, ast.NotIn):
            # In a list of constants, or a constant in a list; a part of a text is not told.
            is_in_list = against is other and not isinstance(against, ast.Constant)
            return kind == "texts" if against is one else is_in_list and kind != "texts"
        if sign in (ast.Eq, ast.NotEq):
            return kind != "texts"
        return kind in ("number", "time") or (kind == "day" and day_of(constant[0]) is not None)


def _constants(tree: ast.expr) -> Iterator[Value]:
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=rest):
                for side in (left, *rest):
                    if (found := constant_of(side)) is not None:
                        yield from found[0] if isinstance(found[0], tuple) else found


def _samples(domain: Domain, constants: Sequence[Value]) -> Iterator[Value]:
    yield from domain.values
    numbers = [Decimal(each) for each in constants if isinstance(each, int | Decimal)]
    words = [each for each in constants if isinstance(each, str)]
    match domain.kind:
        case "number":
            yield from _numbers(numbers, domain.least, domain.most)
        case "digits":
            yield from _digits(words, int(domain.least or 1), int(domain.most or 1))
        case "text":
            yield from ("", FRESH, *words)
        case "texts":
            yield from ((), (FRESH,), tuple(words), *((word,) for word in words))
        case "day":
            yield from _days(constants)
        case "time":
            yield from _times(words)
        case "any":
            yield from _numbers(numbers, None, None)
            yield from ("", FRESH, *words)
            yield from (True, False)


def _numbers(
    constants: Sequence[Decimal], least: Decimal | None, most: Decimal | None
) -> Iterator[Decimal]:
    def fits(number: Decimal) -> bool:
        return (least is None or number >= least) and (most is None or number <= most)

    marks = {each for each in (*constants, Decimal(0), Decimal(1)) if fits(each)}
    marks |= {bound for bound in (least, most) if bound is not None}
    known = sorted(marks)
    ends = (known[0] - 1, known[-1] + 1) if known else (Decimal(0),)
    between = [(one + other) / 2 for one, other in pairwise(known)]
    yield from (each for each in (*known, *between, *ends) if fits(each))


def _digits(constants: Sequence[str], least: int, most: int) -> Iterator[str]:
    fitting = [each for each in constants if each.isdigit() and least <= len(each) <= most]
    yield from fitting
    if least <= most:
        fresh = (str(number).zfill(least) for number in range(len(fitting) + 1))
        yield from (each for each in fresh if each not in fitting and len(each) <= most)


def _days(constants: Sequence[Value]) -> Iterator[date]:
    marks = {date(2000, 1, 1), date(2100, 1, 1)}
    for each in constants:
        if (day := day_of(each)) is not None:
            marks |= {day + timedelta(by) for by in (-1, 0, 1) if 2 < day.year < 9998}
            marks.add(day)
    yield from sorted(marks)


def _times(constants: Sequence[str]) -> Iterator[str]:
    """Minutes as HH:MM, which compare as texts."""
    marks = {0, 24 * 60 - 1}
    for each in constants:
        # With what is no time, it is each one's place among them that counts.
        at = sum(f"{minute // 60:02}:{minute % 60:02}" < each for minute in range(24 * 60))
        marks |= {minute for minute in (at - 1, at, at + 1) if 0 <= minute < 24 * 60}
    yield from (f"{minute // 60:02}:{minute % 60:02}" for minute in sorted(marks))


def _key(value: Value) -> tuple[str, str]:
    return type(value).__name__, repr(value)


def _nested(values: Mapping[Path, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # A name may stand for a value and, elsewhere, for what has parts; the parts win.
    for path, value in sorted(values.items(), key=lambda item: len(item[0])):
        at = found
        for part in path[:-1]:
            inner = at.get(part)
            if not isinstance(inner, dict):
                inner = at[part] = {}
            at = inner
        at[path[-1]] = value
    return found
