"""Numbers, money, dates and times in words, in the forms that a language asks for.

The numerals themselves are the libraries' (`ru-normalizr`, `bg-text-normalizer`); what is counted
with them, and in which form, stands here. A language that is not known here is left to its voice,
which reads what CLDR writes. Pure.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import (
    format_currency,
    format_decimal,
    get_currency_name,
    get_currency_precision,
)

# The libraries are imported where they are used: together they take half a second, which only
# somebody who speaks should wait.

Gender = Literal["m", "f", "n"]
LARGEST = 10**15
"""A number from here on is read out digit by digit."""

_KEYS = {
    "en": {"*": "star", "#": "pound", "+": "plus"},
    "ru": {"*": "звёздочка", "#": "решётка", "+": "плюс"},
    "bg": {"*": "звезда", "#": "диез", "+": "плюс"},
}


@dataclass(frozen=True, slots=True)
class _Noun:
    """What is counted: its forms as `_form` chooses them."""

    gender: Gender
    forms: tuple[str, ...]


# What stands for a currency's units, major and minor. Others are named by CLDR.
_CURRENCIES: dict[str, dict[str, tuple[_Noun, _Noun]]] = {
    "en": {
        "RUB": (_Noun("n", ("ruble", "rubles")), _Noun("n", ("kopeck", "kopecks"))),
        "EUR": (_Noun("n", ("euro", "euros")), _Noun("n", ("cent", "cents"))),
        "USD": (_Noun("n", ("dollar", "dollars")), _Noun("n", ("cent", "cents"))),
        "GBP": (_Noun("n", ("pound", "pounds")), _Noun("n", ("penny", "pence"))),
        "BGN": (_Noun("n", ("lev", "leva")), _Noun("n", ("stotinka", "stotinki"))),
    },
    "ru": {
        "RUB": (
            _Noun("m", ("рубль", "рубля", "рублей")),
            _Noun("f", ("копейка", "копейки", "копеек")),
        ),
        "EUR": (_Noun("m", ("евро",) * 3), _Noun("m", ("цент", "цента", "центов"))),
        "USD": (
            _Noun("m", ("доллар", "доллара", "долларов")),
            _Noun("m", ("цент", "цента", "центов")),
        ),
        "GBP": (_Noun("m", ("фунт", "фунта", "фунтов")), _Noun("m", ("пенс", "пенса", "пенсов"))),
        "BGN": (
            _Noun("m", ("лев", "лева", "левов")),
            _Noun("f", ("стотинка", "стотинки", "стотинок")),
        ),
    },
    "bg": {
        "RUB": (_Noun("f", ("рубла", "рубли")), _Noun("f", ("копейка", "копейки"))),
        "EUR": (_Noun("n", ("евро", "евро")), _Noun("m", ("евроцент", "евроцента"))),
        "USD": (_Noun("m", ("долар", "долара")), _Noun("m", ("цент", "цента"))),
        "GBP": (_Noun("f", ("лира", "лири")), _Noun("n", ("пени", "пенса"))),
        "BGN": (_Noun("m", ("лев", "лева")), _Noun("f", ("стотинка", "стотинки"))),
    },
}
_HOURS = {
    "ru": _Noun("m", ("час", "часа", "часов")),
    "bg": _Noun("m", ("час", "часа")),
}
_MINUTES = {
    "ru": _Noun("f", ("минута", "минуты", "минут")),
    "bg": _Noun("f", ("минута", "минути")),
}


def key(char: str, language: str) -> str:
    """A digit, a letter or another key of a telephone."""
    if char.isdecimal() and language in _KEYS:
        return cardinal(int(char), language, "n" if language == "bg" else "m")
    return _KEYS.get(language, {}).get(char, char)


def readable(text: str, language: str) -> str:
    """`text` with its numbers, and what is abbreviated beside them, as words: voices read them in
    the wrong form, or not at all."""
    text = " ".join(text.split())
    if not any(char.isdigit() for char in text):
        return text
    if language == "ru":
        from ru_normalizr import normalize

        return str(normalize(text))
    if language == "bg":
        from bg_text_normalizer import normalize_text

        return " ".join(str(normalize_text(text)).split())
    return text


def cardinal(number: int, language: str, gender: Gender = "m") -> str:
    """A whole number. `gender` is that of what is counted."""
    if abs(number) >= LARGEST:
        said = " ".join(key(digit, language) for digit in str(abs(number)))
    elif language == "ru":
        said = _cardinal_ru(abs(number), gender)
    elif language == "bg":
        said = _cardinal_bg(abs(number), gender)
    elif language == "en":
        from num2words import num2words

        said = str(num2words(abs(number), lang="en")).replace(",", "")
    else:
        return str(number)
    return f"{'minus' if language == 'en' else 'минус'} {said}" if number < 0 else said


def ordinal(place: int, language: str) -> str:
    """In the masculine: what is counted is not known."""
    if language in ("en", "ru"):
        from num2words import num2words

        return str(num2words(place, lang=language, to="ordinal")).replace(",", "")
    if language == "bg" and place < 10_000:
        return _ordinal_bg(place, "m")
    return cardinal(place, language)


def number(value: Decimal, language: str) -> str:
    whole = int(value)
    if value == whole:
        return cardinal(whole, language, "n" if language == "bg" else "m")
    behind = fraction(value)
    if language == "ru":
        from ru_normalizr import normalize

        return str(normalize(format(value, "f")))
    if language not in ("en", "bg"):
        return _cldr(language, lambda locale: format_decimal(value, locale=locale), str(value))
    minus = ("minus " if language == "en" else "минус ") if -1 < value < 0 else ""
    point, said = ("point", cardinal(whole, language, "n"))
    if language == "bg":
        point = "цяло и"
    digits = " ".join(key(digit, language) for digit in behind)
    return f"{minus}{said} {point} {digits}"


def fraction(value: Decimal) -> str:
    """The digits behind the point."""
    return format(abs(value) % 1, "f").partition(".")[2]


def money(minor: int, language: str, currency: str) -> str:
    """An amount in minor units, by its currency's own forms: 2 200 is twenty-two roubles."""
    if language not in _CURRENCIES:
        amount = Decimal(minor).scaleb(-get_currency_precision(currency))
        return _cldr(
            language,
            lambda locale: format_currency(amount, currency, locale=locale),
            f"{amount} {currency}",
        )
    said = [
        f"{cardinal(count, language, noun.gender)} {_form(count, noun, language)}".rstrip()
        for count, noun in _sums(minor, language, currency)
    ]
    minus = ("minus " if language == "en" else "минус ") if minor < 0 else ""
    return minus + (" и " if language == "bg" else " ").join(said)


def amounts(minor: int, language: str, currency: str) -> list[tuple[int, str]]:
    """How many of what, without the sign: [(22, "dollars"), (5, "cents")]. What is nought is left
    out, unless all is."""
    sums = _sums(minor, language, currency)
    return [(count, _form(count, noun, language)) for count, noun in sums]


def currency_forms(language: str, currency: str) -> list[str]:
    """Every form in which the currency is named beside a number."""
    return list(dict.fromkeys(form for noun in _nouns(language, currency) for form in noun.forms))


def date(day: datetime.date, language: str) -> str:
    if language == "ru":  # "of the 23rd of November": the form behind "until", "from" and alone
        from num2words import num2words

        number_of, year = (
            str(num2words(one, lang="ru", to="ordinal", case="g", gender=gender))
            for one, gender in ((day.day, "n"), (day.year, "m"))
        )
        month = format_date(day, "MMMM", locale="ru")
        return f"{number_of} {month} {year} года"
    if language == "bg":
        month = format_date(day, "MMMM", locale="bg")
        return f"{ordinal(day.day, 'bg')} {month} {_ordinal_bg(day.year, 'f')} година"
    if language == "en":
        from num2words import num2words

        year = num2words(day.year, lang="en", to="year")
        return f"{day:%B} {ordinal(day.day, 'en')}, {year}"
    return _cldr(language, lambda locale: format_date(day, "long", locale=locale), day.isoformat())


def time(clock: datetime.time, language: str) -> str:
    if language in _HOURS:
        counted = [(clock.hour, _HOURS[language])]
        if clock.minute:
            counted.append((clock.minute, _MINUTES[language]))
        said = [
            f"{cardinal(count, language, noun.gender)} {_form(count, noun, language)}"
            for count, noun in counted
        ]
        return (" и " if language == "bg" else " ").join(said)
    if language == "en":
        hour = cardinal(clock.hour % 12 or 12, "en")
        oh = "oh " if 0 < clock.minute < 10 else ""
        rest = f"{oh}{cardinal(clock.minute, 'en')}" if clock.minute else "o'clock"
        return f"{hour} {rest} {'A.M.' if clock.hour < 12 else 'P.M.'}"
    return _cldr(
        language, lambda locale: format_time(clock, "short", locale=locale), f"{clock:%H:%M}"
    )


# ---- inside -----------------------------------------------------------------------------------


def _sums(minor: int, language: str, currency: str) -> list[tuple[int, _Noun]]:
    major, small = _nouns(language, currency)
    whole, rest = divmod(abs(minor), 10 ** get_currency_precision(currency))
    sums = [(whole, major)] if whole or not rest or not small.forms[0] else []
    return [*sums, (rest, small)] if rest else sums


def _nouns(language: str, currency: str) -> tuple[_Noun, _Noun]:
    """Of CLDR's currencies no gender is told, and no minor unit."""
    known = _CURRENCIES[language].get(currency)
    if known is not None:
        return known
    counts = (1, 2, 5) if language == "ru" else (1, 2)
    forms = tuple(get_currency_name(currency, count=one, locale=language) for one in counts)
    feminine = language in ("ru", "bg") and forms[0].endswith(("а", "я"))
    return _Noun("f" if feminine else "m", forms), _Noun("m", ("",) * len(counts))


def _form(count: int, noun: _Noun, language: str) -> str:
    one, *more = noun.forms
    if language != "ru":
        return one if count == 1 else more[0]
    if count % 10 == 1 and count % 100 != 11:
        return one
    few = count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14)
    return more[0] if few else more[1]


def _cardinal_ru(count: int, gender: Gender) -> str:
    from num2words import num2words

    # The library puts the gender on thousands and millions, too, which have their own.
    tail = count % 1000
    if gender == "m" or tail % 10 not in (1, 2) or tail % 100 in (11, 12):
        return str(num2words(count, lang="ru"))
    counted = str(num2words(tail, lang="ru", gender=gender))
    return f"{num2words(count - tail, lang='ru')} {counted}" if count > tail else counted


def _cardinal_bg(count: int, gender: Gender) -> str:
    from bg_text_normalizer import number_to_words_cardinal

    trillions, rest = divmod(count, 10**12)
    if not trillions:
        return str(number_to_words_cardinal(count, gender))
    if trillions == 1:
        said = "един трилион"
    else:
        said = f"{number_to_words_cardinal(trillions, 'm')} трилиона"
    if not rest:
        return said
    joined = " и" if rest < 100 or (rest < 1000 and rest % 100 == 0) else ""
    return f"{said}{joined} {number_to_words_cardinal(rest, gender)}"


def _ordinal_bg(place: int, gender: Gender) -> str:
    """The library leaves out the "and" before a last word that stands alone."""
    from bg_text_normalizer import number_to_words_ordinal

    *before, last = str(number_to_words_ordinal(place, gender)).split()
    joint = ["и"] if before and before[-1] != "и" else []
    return " ".join((*before, *joint, last))


def _cldr(language: str, write: Callable[[Locale], str], otherwise: str) -> str:
    """As CLDR writes it; `otherwise` where it does not know the language."""
    try:
        return write(Locale.parse(language))
    except (UnknownLocaleError, ValueError):
        return otherwise
