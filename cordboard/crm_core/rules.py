"""What a customer's record may hold. Pure: the API, the import and the console share these rules.

All faults of a record are found at once, each with the field it belongs to, since a person who
mends a form or a file wants to mend it once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from cordboard.crm_core.model import ROLES, Attribute, CustomerKind, Draft
from cordboard.crm_core.phones import normalise
from cordboard.errors import UserError

KINDS: tuple[CustomerKind, ...] = ("person", "organisation")
NAME_AT_MOST = 200
PHONES_AT_MOST = 20
BALANCE_AT_MOST = 10**15
"""Minor units. Well inside what JSON readers that know only doubles keep exact (2^53)."""
TAGS_AT_MOST = 50
ATTRIBUTES_AT_MOST = 50
WORD_AT_MOST = 80
"""Characters of a segment or a tag."""
TEXT_AT_MOST = 200
"""Characters of an attribute that is text."""
NUMBER_AT_MOST = 10**15
PASSWORD_AT_LEAST = 8
PASSWORD_AT_MOST = 128

# Directions and marks that only change how the text around them is painted: a name that carries
# them can dress up as another one. Joiners (200C, 200D) stay, some languages spell with them.
_PAINT = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_ATTRIBUTE = re.compile(r"\w[\w.-]{0,63}")
_PIN = re.compile(r"[0-9]{4,12}")
_USER_NAME = re.compile(r"[\w.-]{1,64}")
_QUEUE = re.compile(r"[A-Za-z0-9_.-]{1,79}", re.ASCII)
PENALTY_AT_MOST = 1000
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9]*/[\w.@/-]{1,100}", re.ASCII)

Fault = tuple[str, str]
"""A field and what is wrong with it."""


class FieldsError(UserError):
    """Every fault of one record; `faults` are (field, message) pairs."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in faults))
        self.faults: tuple[Fault, ...] = tuple(faults)


def tidy(raw: str) -> str:
    """`raw` as one line of text: composed letters, single spaces, no control or painting marks."""
    text = raw
    if not raw.isascii():
        text = _PAINT.sub("", unicodedata.normalize("NFC", raw))
    if not text.isprintable():
        text = "".join(
            char if unicodedata.category(char) not in ("Cc", "Zl", "Zp", "Cs") else " "
            for char in text
        )
    return " ".join(text.split())


def search_key(name: str) -> str:
    """What `name` is found by and compared with: no case, and the Russian ё is an е."""
    return tidy(name).casefold().replace("ё", "е")


@dataclass(frozen=True, slots=True)
class CustomerRules:
    """`region` is the country (ISO 3166) whose national numbers are understood."""

    statuses: tuple[str, ...]
    languages: tuple[str, ...]
    region: str
    segments: tuple[str, ...] = ()
    """Empty where any word is a segment."""

    def check(self, draft: Draft, managers: Container[str]) -> tuple[Draft, list[Fault]]:
        """`draft` tidied, its phones in E.164 and each only once, with all its faults.

        The draft that comes back is fit to be stored only where there are no faults.
        """
        faults: list[Fault] = []
        name = tidy(draft.name)
        if not name:
            faults.append(("name", "must not be empty"))
        elif len(name) > NAME_AT_MOST:
            faults.append(("name", f"has {len(name)} characters, at most {NAME_AT_MOST} fit"))
        if draft.kind not in KINDS:
            faults.append(("kind", f"must be {_one_of(KINDS)}"))
        status = draft.status if draft.status is not None else self.statuses[0]
        if status not in self.statuses:
            faults.append(("status", f"must be {_one_of(self.statuses)}"))
        if draft.language is not None and draft.language not in self.languages:
            faults.append(("language", f"must be {_one_of(self.languages)}"))
        if draft.manager is not None and draft.manager not in managers:
            faults.append(("manager", f"there is no active user {draft.manager!r}"))
        if draft.balance_minor is not None and abs(draft.balance_minor) > BALANCE_AT_MOST:
            faults.append(("balance", "is too large an amount"))
        if draft.pin is not None and not _PIN.fullmatch(draft.pin):
            faults.append(("pin", "must have 4 to 12 digits"))
        checked = replace(
            draft,
            name=name,
            status=status,
            phones=self._phones(draft.phones, faults),
            segment=self._segment(draft.segment, faults),
            tags=_tags(draft.tags, faults),
            attributes=_attributes(draft.attributes, faults),
        )
        return checked, faults

    def _segment(self, raw: str | None, faults: list[Fault]) -> str | None:
        segment = tidy(raw) if raw is not None else ""
        if segment and self.segments and segment not in self.segments:
            faults.append(("segment", f"must be {_one_of(self.segments)}"))
        elif len(segment) > WORD_AT_MOST:
            faults.append(("segment", f"at most {WORD_AT_MOST} characters fit"))
        return segment or None

    def _phones(self, raw: tuple[str, ...], faults: list[Fault]) -> tuple[str, ...]:
        phones: dict[str, None] = {}
        for index, written in enumerate(raw):
            number = normalise(written, self.region)
            if number is None:
                field = f"phones[{index}]"
                faults.append((field, f"{tidy(written)[:40]!r} is not a telephone number"))
            else:
                phones[number] = None
        if len(phones) > PHONES_AT_MOST:
            faults.append(("phones", f"at most {PHONES_AT_MOST} numbers fit"))
        return tuple(phones)


def _tags(raw: tuple[str, ...], faults: list[Fault]) -> tuple[str, ...]:
    tags = dict.fromkeys(filter(None, map(tidy, raw)))
    for index, tag in enumerate(tags):
        if len(tag) > WORD_AT_MOST:
            faults.append((f"tags[{index}]", f"at most {WORD_AT_MOST} characters fit"))
    if len(tags) > TAGS_AT_MOST:
        faults.append(("tags", f"at most {TAGS_AT_MOST} tags fit"))
    return tuple(tags)


def _attributes(raw: Mapping[str, Attribute], faults: list[Fault]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for name, value in raw.items():
        field = f"attributes.{name[:64]}"
        if not _ATTRIBUTE.fullmatch(name):
            faults.append((field, "a name has 1 to 64 letters, digits, dots, dashes, underscores"))
        elif isinstance(value, str):
            found[name] = tidy(value)
            if len(value) > TEXT_AT_MOST:
                faults.append((field, f"at most {TEXT_AT_MOST} characters fit"))
        elif not isinstance(value, bool) and not abs(value) <= NUMBER_AT_MOST:
            faults.append((field, "is too large a number"))
        else:
            found[name] = value
    if len(raw) > ATTRIBUTES_AT_MOST:
        faults.append(("attributes", f"at most {ATTRIBUTES_AT_MOST} attributes fit"))
    return found


def kind_of(value: str) -> CustomerKind:
    """A checked or stored kind by its type."""
    return cast(CustomerKind, value)


def user_key(name: str) -> str:
    """A user's name as it is stored and compared: logging in as Anna or anna is the same."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def user_faults(
    name: str,
    role: str,
    phone: str | None,
    mobile: str | None,
    language: str | None,
    languages: Sequence[str],
    queues: Sequence[tuple[str, int]] = (),
) -> list[Fault]:
    """`phone` is a queue member interface such as PJSIP/1001; `mobile` must be E.164 already,
    or the empty string where it could not be read."""
    faults: list[Fault] = []
    if not _USER_NAME.fullmatch(name):
        faults.append(("name", "must be 1 to 64 letters, digits, dots, dashes or underscores"))
    if role not in ROLES:
        faults.append(("role", f"must be {_one_of(ROLES)}"))
    if phone is not None and not _INTERFACE.fullmatch(phone):
        faults.append(("phone", f"{phone!r} is not a queue member's interface like PJSIP/1001"))
    if mobile == "":
        faults.append(("mobile", "is not a telephone number"))
    if language is not None and language not in languages:
        faults.append(("language", f"must be {_one_of(languages)}"))
    for queue, penalty in queues:
        if not _QUEUE.fullmatch(queue):
            faults.append(("queues", f"{queue!r} is no queue's name"))
        if not 0 <= penalty <= PENALTY_AT_MOST:
            faults.append(("queues", f"{queue}: the penalty must be 0 to {PENALTY_AT_MOST}"))
    if len({queue for queue, _ in queues}) < len(queues):
        faults.append(("queues", "the same queue is named twice"))
    return faults


def password_faults(password: str) -> list[Fault]:
    if any("\ud800" <= char <= "\udfff" for char in password):
        return [("password", "holds half a character, which cannot be typed again")]
    if len(password) < PASSWORD_AT_LEAST:
        return [("password", f"must have at least {PASSWORD_AT_LEAST} characters")]
    if len(password) > PASSWORD_AT_MOST:
        return [("password", f"must have at most {PASSWORD_AT_MOST} characters")]
    return []


def _one_of(values: Sequence[str]) -> str:
    return "one of " + ", ".join(values)
