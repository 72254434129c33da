"""Conditions and sums in scripts. Pure.

The grammar is a small part of Python's: literals, names, `customer.status`, comparisons, `in`,
`and or not`, `+ - * / // %`, `x if c else y`, lists, and the functions of `FUNCTIONS`. Nothing is
run that is not in `_Compiler`, there is no way to a Python object, and whatever is not there, or
cannot be compared or reckoned, is None: no `==`, `<` or `in` holds of it.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

CHARACTERS = 500
DEPTH = 20
NUMBER_AT_MOST = 10**15
TEXT_AT_MOST = 1000
_DIGITS = 15

Value = str | int | Decimal | bool | date | None | tuple[Any, ...]
Names = Mapping[str, Any]
"""What may be named: values, and mappings of them."""
Path = tuple[str, ...]
"""`customer.attributes.tariff` by its parts."""


class ExpressionError(ValueError):
    """What is no expression, and how to mend it."""


@dataclass(frozen=True)
class Expression:
    """`text` made ready to be worked out. `names` are all that it looks at, `calls` the functions
    with their literal arguments, such as ("open", "office")."""

    text: str
    names: frozenset[Path]
    calls: frozenset[tuple[str, ...]]
    tree: ast.expr
    _run: Callable[[Names], Value]

    def value(self, names: Names) -> Value:
        """Never raises: what cannot be reckoned is None."""
        return self._run(names)

    def holds(self, names: Names) -> bool:
        return bool(self._run(names))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def parse(text: str) -> Expression:
    """Raises `ExpressionError`."""
    if len(text) > CHARACTERS:
        raise ExpressionError(f"is longer than {CHARACTERS} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(
            f"{text!r} is no condition; write one such as customer.status == 'vip'"
        ) from None
    compiler = _Compiler()
    run = compiler.compile(tree)
    return Expression(text, frozenset(compiler.names), frozenset(compiler.calls), tree, run)


def part(node: ast.expr) -> Expression:
    """An expression in one that has been parsed, by itself."""
    compiler = _Compiler()
    run = compiler.compile(node)
    names, calls = frozenset(compiler.names), frozenset(compiler.calls)
    return Expression(ast.unparse(node), names, calls, node, run)


def looked_up(names: Names, path: Path) -> Any:
    """What a name of several parts stands for; None where a part is not there."""
    found: Any = names
    for part in path:
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _length(value: Value) -> Value:
    return len(value) if isinstance(value, str | tuple) else None


def _lower(value: Value) -> Value:
    return value.lower() if isinstance(value, str) else None


def _whole(value: Value) -> Value:
    try:
        amount = Decimal(value) if isinstance(value, str | int | Decimal) else None
    except (InvalidOperation, ValueError):
        return None
    # 1e999999999 has few digits, and would fill the memory.
    is_fit = amount is not None and amount.is_finite() and amount.adjusted() <= _DIGITS
    return int(amount) if amount is not None and is_fit else None


def _day(value: Value) -> Value:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


FUNCTIONS: Mapping[str, Callable[[Value], Value]] = {
    "length": _length,
    "lower": _lower,
    "whole": _whole,
    "date": _day,
}
"""Of one value each. `open('office')` is asked of the calendars, `known(answers.score)` whether
there is a value."""
OPEN, KNOWN = "open", "known"

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
_RECKON: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def compare(kind: type[ast.cmpop], one: Value, other: Value) -> bool:
    """As conditions compare: what cannot be compared does not hold."""
    try:
        return bool(_COMPARE[kind](_plain(one), _plain(other)))
    except (TypeError, InvalidOperation):
        return False


def _plain(value: Value) -> Any:
    """A time of day or day compares with its own kind, and with its ISO text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


class _Compiler:
    def __init__(self) -> None:
        self.names: set[Path] = set()
        self.calls: set[tuple[str, ...]] = set()

    def compile(self, node: ast.expr, depth: int = 0) -> Callable[[Names], Value]:
        if depth > DEPTH:
            raise ExpressionError(f"is nested deeper than {DEPTH} levels")
        into = functools.partial(self.compile, depth=depth + 1)
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, bool | str | int):
                if isinstance(value, int) and abs(value) > NUMBER_AT_MOST:
                    raise ExpressionError(f"has a number beyond {NUMBER_AT_MOST}")
                return _constant(value)
            case ast.Constant(value=float() as value):
                amount = Decimal(repr(value))
                if not amount.is_finite() or abs(amount) > NUMBER_AT_MOST:
                    raise ExpressionError(f"has a number beyond {NUMBER_AT_MOST}")
                return lambda names: amount
            case ast.Name() | ast.Attribute():
                path = _path(node)
                self.names.add(path)
                return lambda names: _value(looked_up(names, path))
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                each = [into(part) for part in parts]
                return lambda names: tuple(one(names) for one in each)
            case ast.BoolOp(op=op, values=parts):
                every = [into(part) for part in parts]
                if isinstance(op, ast.And):
                    return lambda names: all(bool(one(names)) for one in every)
                return lambda names: any(bool(one(names)) for one in every)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                inner = into(part)
                return lambda names: not inner(names)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                inner = into(part)
                return lambda names: _reckoned(operator.sub, 0, inner(names))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _RECKON:
                one, other, how = into(left), into(right), _RECKON[type(sign)]
                return lambda names: _reckoned(how, one(names), other(names))
            case ast.Compare(left=left, ops=signs, comparators=rest):
                return self._compared(left, signs, rest, depth)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                when, then, otherwise = into(test), into(body), into(orelse)
                return lambda names: then(names) if when(names) else otherwise(names)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
                return self._called(name, argument, depth)
            case ast.Call(func=ast.Name(id=name)):
                raise ExpressionError(f"{name}() takes one value")
        raise ExpressionError(
            f"{ast.unparse(node)!r} is not allowed; there are comparisons, in, and, or, not,"
            f" + - * / // % and {', '.join(f'{name}()' for name in (*FUNCTIONS, OPEN, KNOWN))}"
        )

    def _compared(
        self, left: ast.expr, signs: list[ast.cmpop], rest: list[ast.expr], depth: int
    ) -> Callable[[Names], Value]:
        values = [self.compile(part, depth + 1) for part in (left, *rest)]
        kinds = [type(sign) for sign in signs]
        for kind in kinds:
            if kind not in _COMPARE:
                raise ExpressionError("is: write == instead")

        def run(names: Names) -> Value:
            found = [value(names) for value in values]
            pairs = zip(kinds, found[:-1], found[1:], strict=True)
            return all(compare(kind, one, other) for kind, one, other in pairs)

        return run

    def _called(self, name: str, argument: ast.expr, depth: int) -> Callable[[Names], Value]:
        if name == OPEN:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise ExpressionError("open() takes the name of a calendar, such as open('office')")
            calendar = argument.value
            self.calls.add((OPEN, calendar))
            return lambda names: _asked(names, calendar)
        inner = self.compile(argument, depth + 1)
        if name == KNOWN:
            return lambda names: inner(names) is not None
        if name not in FUNCTIONS:
            raise ExpressionError(
                f"no function is called {name}; there are {', '.join((*FUNCTIONS, OPEN, KNOWN))}"
            )
        self.calls.add((name,))
        function = FUNCTIONS[name]
        return lambda names: function(inner(names))


def _asked(names: Names, calendar: str) -> bool:
    asked = names.get(OPEN)
    return bool(asked(calendar)) if callable(asked) else False


def _constant(value: Value) -> Callable[[Names], Value]:
    return lambda names: value


def _path(node: ast.expr) -> Path:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise ExpressionError(f"{ast.unparse(node)!r} has no parts to name")
    return (node.id, *reversed(parts))


def _value(found: Any) -> Value:
    if isinstance(found, float):
        return Decimal(repr(found)) if found == found and abs(found) < NUMBER_AT_MOST else None
    if isinstance(found, list | tuple):
        return tuple(_value(each) for each in found)
    return found if isinstance(found, str | int | Decimal | bool | date) else None


def _reckoned(how: Callable[[Any, Any], Any], one: Value, other: Value) -> Value:
    if isinstance(one, str) and isinstance(other, str) and how is operator.add:
        return (one + other)[:TEXT_AT_MOST]
    if not isinstance(one, int | Decimal) or not isinstance(other, int | Decimal):
        return None
    try:
        found: Any = how(Decimal(one) if how is operator.truediv else one, other)
    except (ArithmeticError, TypeError):
        return None
    is_number = isinstance(found, int | Decimal)
    return found if is_number and -NUMBER_AT_MOST <= found <= NUMBER_AT_MOST else None


def walk(tree: ast.expr) -> Iterator[ast.expr]:
    """All expressions in one, for those who look for what cannot be meant."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.expr))
