"""Answers: which keys a question takes, and what was meant by them, or by what was typed. Pure.

An answer has a value, which conditions compare (a number, a day, yes as True), and a text, which
is kept: the same for a key that was pressed and for a word that was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from cordboard.ivr.steps import Ask, Menu, Option
from cordboard.ivr.texts import Text

DIGITS_AT_MOST = 32
"""Of one entry; what comes after is not listened to."""
YES, NO = "1", "2"
"""The keys."""
TEXT_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class Keys:
    """What a runner listens for. `complete` are entries after which nothing more can come;
    seconds until the first digit and between two. What is `secret` is shown and kept nowhere."""

    most: int
    terminator: str
    timeout: float
    between: float
    bargein: bool
    secret: bool
    complete: frozenset[str] = frozenset()

    def is_whole(self, entered: str) -> bool:
        return len(entered) >= self.most or entered in self.complete


def keys(asked: Ask | Menu) -> Keys:
    """What a question listens for."""
    if isinstance(asked, Menu):
        return _keys(asked, _one_of(asked.choices), "")
    match asked.kind:
        case "yes_no":
            return _keys(asked, _one_of((YES, NO)), "")
        case "choice":
            return _keys(asked, _one_of(asked.choices), "")
        case "scale":
            marks = [str(mark) for mark in scale(asked)]
            return _keys(asked, _one_of(marks), asked.terminator)
        case "digits":
            return _keys(asked, (asked.length.most, frozenset()), asked.terminator)
        case "date":
            return _keys(asked, (8, frozenset()), asked.terminator)
        case _:
            return _keys(asked, (15, frozenset()), asked.terminator)


def one_key(choices: tuple[str, ...], timeout: float) -> Keys:
    """Of a question that is our own."""
    most, complete = _one_of(choices)
    return Keys(most, "", timeout, 2, True, False, complete)


def many_keys(most: int, timeout: float) -> Keys:
    return Keys(most, "#", timeout, 3, True, False)


def scale(ask: Ask) -> range:
    least, most = ask.scale.split("-")
    return range(int(least), int(most) + 1)


def keyed(ask: Ask, digits: str) -> Any:
    """What was meant; None where it answers nothing."""
    match ask.kind:
        case "yes_no":
            return {YES: True, NO: False}.get(digits)
        case "choice":
            return ask.choices[digits].value if digits in ask.choices else None
        case "scale":
            return _on_scale(ask, digits)
        case "digits":
            fits = ask.length.least <= len(digits) <= ask.length.most
            return digits if fits and digits.isascii() and digits.isdigit() else None
        case "date":
            return _day(digits)
        case "number" | "money":
            return _amount(ask, digits.replace("*", ".", 1))
    return None


def typed(ask: Ask, text: str) -> Any:
    """What was typed on a form: None where it answers nothing. Yes and no are `yes` and `no`,
    days as 2026-12-31, of a choice its value."""
    text = text.strip()
    match ask.kind:
        case "yes_no":
            return {"yes": True, "no": False}.get(text)
        case "choice":
            return text if any(option.value == text for option in ask.choices.values()) else None
        case "date":
            try:
                return date.fromisoformat(text)
            except ValueError:
                return None
        case "number" | "money":
            return _amount(ask, text.replace(" ", "").replace("\u00a0", "").replace(",", "."))
        case "text":
            clean = "".join(char for char in text if char.isprintable() or char == "\n")
            return clean[:TEXT_AT_MOST] or None
    return keyed(ask, text)


def kept(ask: Ask, value: Any) -> str:
    """The answer's text, as results have it: money in minor units."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if ask.kind == "money":
        return str(int(value * 100))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def restored(ask: Ask, text: str) -> Any:
    """The value of an answer's text."""
    if ask.kind == "money":
        try:
            return Decimal(text) / 100
        except InvalidOperation:
            return None
    return typed(ask, text)


def options(asked: Ask | Menu) -> Mapping[str, tuple[str, Text | None]]:
    """By key, what may be chosen: the value, and how it is called; empty where it is entered."""
    if isinstance(asked, Menu):
        return {key: (key, choice.text) for key, choice in asked.choices.items()}
    return {key: _option(option) for key, option in asked.choices.items()}


def _option(option: Option) -> tuple[str, Text | None]:
    return option.value, option.text


def _keys(asked: Ask | Menu, entry: tuple[int, frozenset[str]], terminator: str) -> Keys:
    most, complete = entry
    return Keys(
        min(most, DIGITS_AT_MOST),
        terminator,
        asked.timeout,
        asked.between,
        asked.bargein,
        getattr(asked, "secret", False),
        complete,
    )


def _one_of(entries: Any) -> tuple[int, frozenset[str]]:
    """How long an entry may be, and which are over at once, since none goes on from there."""
    known = list(entries)
    complete = {
        one for one in known if not any(each != one and each.startswith(one) for each in known)
    }
    return max(map(len, known)), frozenset(complete)


def _on_scale(ask: Ask, text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 3:
        return None
    mark = int(text)
    return mark if mark in scale(ask) and str(mark) == text else None


def _day(digits: str) -> date | None:
    """DDMMYYYY."""
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return date(int(digits[4:]), int(digits[2:4]), int(digits[:2]))
    except ValueError:
        return None


def _amount(ask: Ask, text: str) -> int | Decimal | None:
    """A whole number, or with a point; money has two places at most."""
    if not text or len(text) > 15 or not all(char in "0123456789.-" for char in text):
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if (ask.least is not None and amount < ask.least) or (
        ask.most is not None and amount > ask.most
    ):
        return None
    if ask.kind == "money":
        return amount if amount == round(amount, 2) else None
    return int(amount) if amount == amount.to_integral_value() else amount
