"""What is said is what is meant, in the forms of its language, and by sounds that there are."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.ivr import numerals, speech
from cordboard.ivr.speech import KINDS, Kind, Part, Sound, Value, Words, expand, text_of

NAMES = Path(speech.__file__).with_name("core_sounds.txt").read_text(encoding="utf-8").split()
LETTERS = {"en": "[a-zA-Z' .-]+", "ru": "[а-яё -]+", "bg": "[а-я -]+"}
CURRENCY = {"en": "USD", "ru": "RUB", "bg": "EUR"}


def said(kind: Kind, value: str, language: str, currency: str = "RUB") -> list[str]:
    """Sounds without their folder, texts in brackets."""
    return [
        part.name.removeprefix("digits/") if isinstance(part, Sound) else f"[{part.text}]"
        for part in expand([Value(kind, value)], language, currency)
    ]


def assert_there_is(parts: list[Part], language: str) -> None:
    assert parts
    for part in parts:
        if isinstance(part, Sound):
            assert part.name in NAMES
        else:
            assert re.fullmatch(LETTERS[language], part.text), part


@given(
    number=st.integers(-(10**12), 10**12),
    kind=st.sampled_from(["number", "money", "digits"]),
    language=st.sampled_from(["en", "ru", "bg"]),
)
def test_any_number_up_to_a_trillion_is_said_by_sounds_there_are_and_by_words_without_a_figure(
    number: int, kind: Kind, language: str
) -> None:
    value = Value(kind, str(number))
    assert_there_is(expand([value], language, CURRENCY[language]), language)
    assert re.fullmatch(LETTERS[language], text_of(value, language, CURRENCY[language]))


@given(day=st.dates(datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)), at=st.times())
@pytest.mark.parametrize("language", ["en", "ru", "bg"])
def test_any_day_and_time_is_said(language: str, day: datetime.date, at: datetime.time) -> None:
    pieces = [Value("date", day.isoformat()), Value("time", f"{at:%H:%M}")]
    assert_there_is(expand(pieces, language, "EUR"), language)


@given(
    number=st.decimals(-(10**6), 10**6, places=4, allow_nan=False, allow_infinity=False),
    language=st.sampled_from(["en", "ru", "bg"]),
)
def test_any_fraction_is_said(number: Decimal, language: str) -> None:
    value = Value("number", format(number, "f"))
    assert_there_is(expand([value], language, "EUR"), language)


@given(text=st.text(max_size=40), kind=st.sampled_from(sorted(KINDS)))
@pytest.mark.parametrize("language", ["en", "ru", "bg", "de", "xx"])
def test_what_is_no_value_of_its_kind_is_read_out_and_never_an_error(
    language: str, text: str, kind: Kind
) -> None:
    for part in expand([Value(kind, text)], language, "EUR"):
        assert not isinstance(part, Words) or any(char.isalnum() for char in part.text)


@given(number=st.integers(0, 10**12 - 1))
def test_english_sounds_add_up_to_the_number(number: int) -> None:
    scales = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
    total = group = 0
    for name in said("number", str(number), "en"):
        if name == "hundred":
            group *= 100
        elif name in scales:
            total, group = total + group * scales[name], 0
        else:
            group += int(name)
    assert total + group == number


@pytest.mark.parametrize(
    ("kind", "value", "sounds"),
    [
        ("number", "0", "0"),
        ("number", "21", "20 1"),
        ("number", "1105", "1 thousand 1 hundred 5"),
        ("number", "-300000", "minus 3 hundred thousand"),
        ("number", "-0.50", "minus 0 letters/dot 5"),
        ("ordinal", "3", "h-3"),
        ("ordinal", "42", "40 h-2"),
        ("digits", "0012#", "0 0 1 2 pound"),
        ("digits", "+359 (2) 81-03", "letters/plus 3 5 9 2 8 1 0 3"),
        ("digits", "AB7", "letters/a letters/b 7"),
        ("date", "2026-11-23", "mon-10 20 h-3 20 20 6"),
        ("date", "2007-02-20", "mon-1 h-20 2 thousand 7"),
        ("date", "1905-12-01", "mon-11 h-1 19 oh 5"),
        ("time", "14:05", "2 oh 5 p-m"),
        ("time", "00:00", "12 oclock a-m"),
        ("time", "2026-11-23T09:30:00+02:00", "9 30 a-m"),
        ("money", "2205", "20 2 [rubles] 5 [kopecks]"),
        ("money", "100", "1 [ruble]"),
    ],
)
def test_english_is_said_as_asterisk_says_it(kind: Kind, value: str, sounds: str) -> None:
    assert " ".join(said(kind, value, "en")) == sounds


def test_of_currencies_only_dollars_are_recorded() -> None:
    assert said("money", "200000", "en", "USD") == ["2", "thousand", "dollars"]
    assert said("money", "101", "en", "USD") == ["1", "[dollar]", "1", "[cent]"]


@pytest.mark.parametrize(
    ("kind", "value", "sounds"),
    [
        ("number", "19", "19"),
        ("number", "121", "hundred 20 1"),
        ("number", "1000", "thousand"),
        ("number", "1105", "thousand hundred 5"),
        ("number", "200", "[двести]"),
        ("number", "2001", "[две тысячи один]"),
        ("number", "21002", "[двадцать одна тысяча два]"),
        ("number", "-12.5", "[минус двенадцать целых пять десятых]"),
        ("ordinal", "23", "20 h-3"),
        ("ordinal", "100", "[сотый]"),
        ("digits", "*7#", "star 7 [решётка]"),
        ("date", "2026-11-23", "[двадцать третьего ноября две тысячи двадцать шестого года]"),
        ("time", "21:02", "[двадцать один час две минуты]"),
        ("time", "11:11", "[одиннадцать часов одиннадцать минут]"),
        ("time", "00:00", "[ноль часов]"),
    ],
)
def test_of_the_russian_sounds_only_what_they_say_rightly_is_used(
    kind: Kind, value: str, sounds: str
) -> None:
    assert " ".join(said(kind, value, "ru")) == sounds


@pytest.mark.parametrize(
    ("minor", "words"),
    [
        (0, "ноль рублей"),
        (100, "один рубль"),
        (202, "два рубля две копейки"),
        (501, "пять рублей одна копейка"),
        (1111, "одиннадцать рублей одиннадцать копеек"),
        (2121, "двадцать один рубль двадцать одна копейка"),
        (11200, "сто двенадцать рублей"),
        (-3, "минус три копейки"),
        (100_000_000, "один миллион рублей"),
        (200_200, "две тысячи два рубля"),
    ],
)
def test_roubles_stand_in_the_form_their_number_asks_for(minor: int, words: str) -> None:
    assert text_of(Value("money", str(minor)), "ru", "RUB") == words


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [
        (100, "EUR", "едно евро"),
        (202, "EUR", "две евро и два евроцента"),
        (2101, "BGN", "двадесет и един лева и една стотинка"),
        (200, "RUB", "две рубли"),
        (123_456_00, "EUR", "сто двадесет и три хиляди четиристотин петдесет и шест евро"),
        (-100, "BGN", "минус един лев"),
        (300, "JPY", "триста японски йени"),
    ],
)
def test_bulgarian_money_is_that_of_the_configuration(
    minor: int, currency: str, words: str
) -> None:
    assert text_of(Value("money", str(minor)), "bg", currency) == words


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("number", "2", "две"),
        ("number", "1000000000001", "един трилион и едно"),
        ("number", "2300000000150", "два трилиона триста милиарда сто и петдесет"),
        ("number", "0.25", "нула цяло и две пет"),
        ("ordinal", "21", "двадесет и първи"),
        ("digits", "07*", "нула седем звезда"),
        ("ordinal", "101", "сто и първи"),
        ("date", "2026-11-23", "двадесет и трети ноември две хиляди двадесет и шеста година"),
        ("date", "2010-10-31", "тридесет и първи октомври две хиляди и десета година"),
        ("date", "1905-01-01", "първи януари хиляда деветстотин и пета година"),
        ("time", "01:02", "един час и две минути"),
    ],
)
def test_bulgarian_is_said_by_a_voice(kind: Kind, value: str, words: str) -> None:
    assert text_of(Value(kind, value), "bg", "EUR") == words


def test_a_pbx_without_recordings_of_a_language_gives_it_to_the_voice() -> None:
    parts = expand([Value("number", "7"), Value("digits", "12")], "ru", "RUB", recorded=())
    assert parts == [Words("семь"), Words("один"), Words("два")]


def test_another_language_is_left_to_its_voice_as_cldr_writes_it() -> None:
    assert text_of(Value("money", "123456"), "de", "EUR") == "1.234,56\xa0€"
    assert text_of(Value("date", "2026-11-23"), "de", "EUR") == "23. November 2026"
    assert text_of(Value("number", "21"), "de", "EUR") == "21"


def test_texts_and_recordings_stay_where_they_stand_and_bare_punctuation_is_not_spoken() -> None:
    pieces = [Words("Ваш код: "), Value("digits", "7"), Words(". "), Sound("nps/welcome")]
    assert expand(pieces, "ru", "RUB") == [
        Words("Ваш код: "),
        Sound("digits/7"),
        Sound("nps/welcome"),
    ]


@given(value=st.text("0123456789*#+", min_size=1, max_size=20))
@pytest.mark.parametrize("language", ["en", "ru", "bg"])
def test_what_keys_need_of_a_voice_can_be_spoken_beforehand(language: str, value: str) -> None:
    spoken = set(expand([Value("digits", value)], language, "EUR"))
    words = {part.text for part in spoken if isinstance(part, Words)}
    assert words <= set(speech.stock("digits", language, "EUR"))


@given(minor=st.integers(-(10**13), 10**13), currency=st.sampled_from(["USD", "RUB", "BGN", "KZT"]))
def test_what_english_money_needs_of_a_voice_can_be_spoken_beforehand(
    minor: int, currency: str
) -> None:
    parts = expand([Value("money", str(minor))], "en", currency)
    words = {part.text for part in parts if isinstance(part, Words)}
    assert words <= set(speech.stock("money", "en", currency))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_english_needs_a_voice_for_money_alone(kind: Kind) -> None:
    examples = {"date": "2026-11-23", "time": "09:05"}
    parts = expand([Value(kind, examples.get(kind, "123456"))], "en", "EUR")
    assert speech.needs_voice(kind, "en") == any(isinstance(part, Words) for part in parts)


@pytest.mark.parametrize(
    ("language", "text", "read"),
    [
        ("ru", "У вас 22 заявки", "У вас двадцать две заявки"),
        ("ru", "Нажмите один", "Нажмите один"),
        ("bg", "Дължите 21 лева", "Дължите двадесет и един лева"),
        ("en", "Press  1\nnow", "Press 1 now"),
    ],
)
def test_figures_in_a_text_become_words_before_a_voice_reads_it(
    language: str, text: str, read: str
) -> None:
    assert numerals.readable(text, language).rstrip(".") == read
