"""JSON from outside, read strictly. Pure.

What two readers could understand differently is refused: duplicate keys, NaN, integers that a
double cannot hold, half characters.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

DEPTH_AT_MOST = 16
EXACT = 2**53 - 1
NUMBER_AT_MOST = 40
"""Characters of a number. No amount is longer, and Python's are slow to read in the thousands."""


def read_json(data: bytes) -> Any:
    """Numbers with a point or exponent come as `Decimal`. Raises `ValueError`, in words."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"the body is nested deeper than {DEPTH_AT_MOST} levels") from None
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the body has an object with the same key twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _decimal(text: str) -> Decimal:
    if len(text) <= NUMBER_AT_MOST:
        try:
            return Decimal(text)
        except ArithmeticError:
            pass
    raise ValueError("the body has a number beyond all measure")


def _integer(text: str) -> int:
    if len(text) > NUMBER_AT_MOST or abs(int(text)) > EXACT:
        raise ValueError(f"the body has an integer beyond ±{EXACT}, which not all readers hold")
    return int(text)


def _check(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_AT_MOST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
        if not below:
            return
        level = below
    raise ValueError(f"the body is nested deeper than {DEPTH_AT_MOST} levels")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("the body has text with a NUL character")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("the body has text with half of a surrogate pair")
