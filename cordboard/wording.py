"""What is wrong in a file that people write, in words that say how to mend it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LIST = 'write a list, such as ["a", "b"]'
_FLAG = "write true or false, without quotes"
_WHOLE = "write a whole number, without quotes"
_NUMBER = "write a number, without quotes"
_TABLE = "keys and their values belong here, not a single one"
_DAY = "write a day, such as 2026-12-31"
_WORDS = {
    "extra_forbidden": "no such key; take it out or mend its spelling",
    "missing": "this key is needed; add it",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "string_type": "write text, between quotes",
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "date_type": _DAY,
    "date_from_datetime_parsing": _DAY,
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""By pydantic's kinds of faults; what it says of others reads well enough."""


def sentence(fault: Mapping[str, Any]) -> str:
    """Of one fault as pydantic tells it: where it is, and what to write there."""
    where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    return f"{where}: {advice(fault)}".removeprefix(": ")


def advice(fault: Mapping[str, Any]) -> str:
    if (words := _WORDS.get(fault["type"])) is not None:
        return words.format(**fault["ctx"]) if "ctx" in fault else words
    return str(fault["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
