"""Telephone numbers, from whatever way somebody wrote them to E.164. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

_LONGEST_TEXT = 64
_SHORTEST, _LONGEST = 8, 15
"""Digits with the country's. E.164 allows no more; fewer exist (Niue, Saint Helena), but what
looks like them in a call centre is an internal extension."""
_TRUNK_DIGITS = 11
"""Trunks often send E.164 without its plus. With fewer digits than these, a foreign number so
written cannot be told from a national one."""

_NUMBER = re.compile(r"\+?[\d\s()\[\]./~\-\u2010-\u2015\u2212]+")
_WRAPPED_PLUS = re.compile(r"^[\s(\[]+\+")
_EXTENSION = re.compile(
    r"[\s,;]*(?:;ext=|extension|extn?|x|#|доб(?:авочный)?|внутр?|вн|вътр(?:ешен)?|[,;])"
    r"[\s.:=]*\d{1,7}$",
    re.IGNORECASE,
)


def normalise(raw: str, region: str) -> str | None:
    """`raw` as E.164 (`+79161234567`), or None where it names no subscriber.

    National forms are read as those of `region` (ISO 3166, upper case). None are: anonymous
    callers, short codes, internal extensions, and anything that is no number.

    A number written internationally needs only a country and a length that exist, because new
    ranges open faster than any table of them; one written nationally must be valid in full, since
    a slip of the finger or an extension looks just like it.
    """
    text = _plain(raw)
    if text is None:
        return None
    digits = re.sub(r"\D", "", text)
    if text.startswith("+") or digits.startswith("00"):
        return _international(digits.removeprefix("00"))
    number = _parse(text, region)
    if number is not None and phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if len(digits) >= _TRUNK_DIGITS and not digits.startswith("0"):
        return _international(digits)
    return None


def display(e164: str) -> str:
    """`e164` grouped for the eye (`+7 916 123-45-67`); what is no number comes back as it is."""
    number = _parse(e164, None)
    if number is None:
        return e164
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def country(e164: str) -> str | None:
    """The ISO 3166 code of the country that `e164` belongs to; None where it is unknown or the
    number belongs to no country (satellite, international freephone)."""
    number = _parse(e164, None)
    region = phonenumbers.region_code_for_number(number) if number is not None else None
    return region if region is not None and region.isalpha() else None


def is_country(code: str) -> bool:
    """Whether `country` may say so of a number."""
    return code in phonenumbers.SUPPORTED_REGIONS


def may_be_called(e164: str, blocked: Iterable[str] = ()) -> bool:
    """Whether a stranger who gives this number may have us call it: none that costs more than
    others, and none with one of the `blocked` beginnings."""
    number = _parse(e164, None)
    if number is None or e164.startswith(tuple(blocked)):
        return False
    return phonenumbers.number_type(number) not in _COSTLY


_COSTLY = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)


def _plain(raw: str) -> str | None:
    """`raw` without invisible characters, wrapping and extension, if it is written as a number."""
    if len(raw) > _LONGEST_TEXT * 4:
        return None
    if not raw.isascii():
        raw = unicodedata.normalize("NFKC", raw)
    text = "".join(char for char in raw if unicodedata.category(char) not in ("Cc", "Cf"))
    # Spreadsheets keep a number as text by writing ="+7916…" or '+7916…
    text = text.strip(" \t='\"").removeprefix("tel:").strip()
    text = _WRAPPED_PLUS.sub("+", _EXTENSION.sub("", text))
    if len(text) > _LONGEST_TEXT or not _NUMBER.fullmatch(text):
        return None
    return text


def _international(digits: str) -> str | None:
    number = _parse(f"+{digits}", None)
    if number is None or not phonenumbers.is_possible_number(number):
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return e164 if _SHORTEST <= len(e164) - 1 <= _LONGEST else None


def _parse(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None
