"""What a script says, as what a PBX can play: recorded sounds, and words for a voice.

Numbers, money, dates and times are put together from Asterisk's own sounds where these suffice, and
become words where they do not. The free English sounds hold nearly all that is needed. The Russian
ones have no hundreds but one, "thousand" in one form, and days in the nominative alone: there
`SAY NUMBER` leaves words out, so only what they say rightly is made of them. For Bulgarian there
are none. Pure.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from cordboard.ivr import numerals

Kind = Literal["digits", "number", "ordinal", "money", "date", "time"]
KINDS: frozenset[Kind] = frozenset(get_args(Kind))


@dataclass(frozen=True, slots=True)
class Words:
    """A text for a voice."""

    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """Something that is said by a grammar. `value` is canonical text: money in minor units,
    2026-11-23, 14:05, -12.5. What is none of that is read out as it stands."""

    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording: of the scripts' own sounds folder, or one of Asterisk's, such as digits/1."""

    name: str


Piece: TypeAlias = Words | Value | Sound
Part: TypeAlias = Words | Sound

RECORDED = frozenset({"en", "ru"})
"""The languages of which Asterisk's own sounds are used."""
_LONGEST = 64  # digits or letters that are read out one by one; more nobody writes down
_READ_OUT = {"en": "0123456789*#+", "ru": "0123456789*+"}  # "pound" in Russian is a weight
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))


def expand(
    pieces: Iterable[Piece], language: str, currency: str, recorded: Collection[str] = RECORDED
) -> list[Part]:
    """What is to be played, in order: no `Value` any more, and no text without a word in it."""
    parts: list[Part] = []
    for piece in pieces:
        if isinstance(piece, Value):
            parts += _said(piece, language, currency, recorded)
        else:
            parts.append(piece)
    return [part for part in parts if isinstance(part, Sound) or is_spoken(part.text)]


def text_of(value: Value, language: str, currency: str) -> str:
    """The value in words, as a person would read it aloud."""
    parts = _said(value, language, currency, ())
    return " ".join(part.text for part in parts if isinstance(part, Words))


def stock(
    kind: Kind, language: str, currency: str, recorded: Collection[str] = RECORDED
) -> list[str]:
    """The texts that values of this kind need of a voice again and again: spoken beforehand, they
    are there at once, and an account number leaves no file of its own."""
    if kind == "digits":
        known = _READ_OUT.get(language, "") if language in recorded else ""
        return [numerals.key(char, language) for char in "0123456789*#+" if char not in known]
    if kind == "money" and language == "en" and language in recorded:
        return numerals.currency_forms(language, currency)
    return []


def needs_voice(kind: Kind, language: str, recorded: Collection[str] = RECORDED) -> bool:
    """Whether values of this kind, as they usually are, take more than recorded sounds."""
    if language not in recorded or kind == "money":
        return True
    return language == "ru" and kind in ("number", "date", "time")


def is_spoken(text: str) -> bool:
    """Not only punctuation, as it may stand between two values."""
    return any(char.isalnum() for char in text)


def _said(value: Value, language: str, currency: str, recorded: Collection[str]) -> list[Part]:
    text = value.value.strip()
    if value.kind == "digits":
        return _digits(text, language, recorded)
    read = _read(value.kind, text)
    if read is None:
        return [Words(text)]
    if language in recorded:
        sounds = _by_sounds(value.kind, read, language, currency)
        if sounds is not None:
            return sounds
    return [Words(_in_words(value.kind, read, language, currency))]


# ---- reading canonical text -------------------------------------------------------------------

_Read: TypeAlias = Decimal | int | datetime.date | datetime.time


def _read(kind: Kind, text: str) -> _Read | None:
    if kind == "number":
        if re.fullmatch(r"-?[0-9]{1,24}(\.[0-9]{1,24})?", text):
            return round(Decimal(text), 6).normalize() if "." in text else int(text)
    elif kind == "ordinal":
        if re.fullmatch(r"[0-9]{1,12}", text) and int(text):
            return int(text)
    elif kind == "money":
        if re.fullmatch(r"-?[0-9]{1,24}", text):
            return int(text)
    else:
        try:
            if kind == "date":
                return datetime.date.fromisoformat(text[:10])
            # Alone, or as the part of a moment behind its T.
            return datetime.time.fromisoformat(text.rpartition("T")[2]).replace(tzinfo=None)
        except ValueError:
            return None
    return None


# ---- by recorded sounds -----------------------------------------------------------------------


def _digits(text: str, language: str, recorded: Collection[str]) -> list[Part]:
    """One by one; what stands between groups of them is not said."""
    known = _READ_OUT.get(language, "") if language in recorded else ""
    parts: list[Part] = []
    for char in [one for one in text if one.isalnum() or one in "*#+"][:_LONGEST]:
        if char in known:
            named = {"*": "digits/star", "#": "digits/pound", "+": "letters/plus"}
            parts.append(Sound(named.get(char, f"digits/{char}")))
        elif known and re.fullmatch("[A-Za-z]", char):
            parts.append(Sound(f"letters/{char.lower()}"))
        else:
            parts.append(Words(numerals.key(char, language)))
    return parts


def _by_sounds(kind: Kind, read: _Read, language: str, currency: str) -> list[Part] | None:
    names: list[str] | None
    if isinstance(read, datetime.date):
        names = _english_date(read) if language == "en" else None
    elif isinstance(read, datetime.time):
        names = _english_time(read) if language == "en" else None
    elif kind == "ordinal":
        names = _ordinal(int(read), language)
    elif kind == "money":
        return _english_money(int(read), currency) if language == "en" else None
    else:
        names = _decimal(Decimal(read), language)
    return None if names is None else [Sound(name) for name in names]


def _number(number: int, language: str) -> list[str] | None:
    if number < 0:
        rest = _number(-number, language)
        return None if rest is None else ["digits/minus", *rest]
    if language == "ru":
        thousand, rest_of = divmod(number, 1000)
        if thousand > 1 or rest_of >= 200:
            return None
        names = ["digits/thousand"] * thousand
        names += ["digits/hundred"] * (rest_of // 100)
        return names + (_below_hundred(rest_of % 100) if rest_of % 100 or not names else [])
    return _english(number) if number < 10**12 else None


def _decimal(number: Decimal, language: str) -> list[str] | None:
    names = _number(int(number), language)
    if names is None or number == int(number):
        return names
    if language != "en":
        return None
    behind = numerals.fraction(number)
    minus = ["digits/minus"] if -1 < number < 0 else []
    return [*minus, *names, "letters/dot", *(f"digits/{digit}" for digit in behind)]


def _below_hundred(number: int) -> list[str]:
    if number < 20 or number % 10 == 0:
        return [f"digits/{number}"]
    return [f"digits/{number // 10 * 10}", f"digits/{number % 10}"]


def _english(number: int) -> list[str]:
    names: list[str] = []
    for scale, name in _SCALES:
        if number >= scale:
            names += [*_english(number // scale), f"digits/{name}"]
            number %= scale
    return names if names and not number else names + _below_hundred(number)


def _ordinal(place: int, language: str) -> list[str] | None:
    """Recorded in Russian as the masculine nominative, and rightly up to a hundred."""
    if place >= (100 if language == "ru" else 10**12):
        return None
    *before, last = _below_hundred(place) if language == "ru" else _english(place)
    return [*before, last.replace("digits/", "digits/h-")]


def _english_date(day: datetime.date) -> list[str] | None:
    names = _ordinal(day.day, "en")
    century, year = divmod(day.year, 100)
    if year == 0 or (century % 10 == 0 and year < 10):
        said = _english(day.year)  # nineteen hundred would be said as a number
    else:
        oh = ["digits/oh"] if year < 10 else []
        said = [*_below_hundred(century), *oh, *_below_hundred(year)]
    return [f"digits/mon-{day.month - 1}", *(names or ()), *said]


def _english_time(clock: datetime.time) -> list[str]:
    names = _below_hundred(clock.hour % 12 or 12)
    if clock.minute:
        names += (["digits/oh"] if clock.minute < 10 else []) + _below_hundred(clock.minute)
    else:
        names.append("digits/oclock")
    return [*names, "digits/a-m" if clock.hour < 12 else "digits/p-m"]


def _english_money(minor: int, currency: str) -> list[Part] | None:
    """The amount by sounds; of the currencies only "dollars" is recorded."""
    sums = numerals.amounts(minor, "en", currency)
    parts: list[Part] = [Sound("digits/minus")] if minor < 0 else []
    for amount, name in sums:
        sounds = _number(amount, "en")
        if sounds is None:
            return None
        parts += [Sound(sound) for sound in sounds]
        parts.append(Sound("digits/dollars") if name == "dollars" else Words(name))
    return parts


# ---- by words ---------------------------------------------------------------------------------


def _in_words(kind: Kind, read: _Read, language: str, currency: str) -> str:
    if isinstance(read, datetime.date):
        return numerals.date(read, language)
    if isinstance(read, datetime.time):
        return numerals.time(read, language)
    if kind == "ordinal":
        return numerals.ordinal(int(read), language)
    if kind == "money":
        return numerals.money(int(read), language, currency)
    return numerals.number(Decimal(read), language)
