"""What another system says of a caller: its answer read by the configured map, laid over our own
card; and when it is asked at all. Pure: moments are arguments.

Nothing is guessed. A value of the wrong type, or a status that we do not have, is the other side's
fault and makes the whole answer worth nothing: half an answer would route a caller by chance.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar

from cordboard.config import Lookup, Translated
from cordboard.crm_core.model import Attribute, Card, Customer, Manager, Report
from cordboard.crm_core.rules import BALANCE_AT_MOST, NAME_AT_MOST, tidy, user_key
from cordboard.errors import PeerError
from cordboard.strict_json import read_json

T = TypeVar("T")

WORD_AT_MOST = 200
"""Characters of a segment, a tag or an attribute."""
TAGS_AT_MOST = 50

Fault = Literal[
    "slow",
    "unreachable",
    "status",
    "redirect",
    "too-large",
    "encoded",
    "not-json",
    "wrong-type",
    "unknown-value",
    "resting",
    "busy",
    "store",
]
"""No answer in time; no connection, or one that broke; an HTTP status that is no answer; sent
elsewhere; a body beyond all measure; a body that is packed; no JSON; a value of another type than
the field's; a value that we do not have; not asked, because it failed before; not asked, because
too many questions are open; not asked, because our own store did not say which customer it is."""

OF_THE_ANSWER: tuple[Fault, ...] = ("wrong-type", "unknown-value")
"""Faults of one customer's data, which say nothing of the system as a whole."""

_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,2})?")


class NoAnswerError(PeerError):
    """A lookup that came to nothing."""

    def __init__(self, kind: Fault, words: str) -> None:
        super().__init__(words)
        self.kind: Fault = kind


@dataclass(frozen=True, slots=True)
class Known:
    """The words that a field may hold; `managers` by their login."""

    statuses: tuple[str, ...]
    languages: tuple[str, ...]
    managers: Mapping[str, Manager]


# The answer


def read_answer(data: bytes, lookup: Lookup, known: Known, rank: int = 0) -> Report | None:
    """None where the answer has none of the mapped values: nobody is known there by this number.
    Raises `NoAnswerError`."""
    try:
        answer = read_json(data)
    except ValueError as error:
        raise NoAnswerError("not-json", str(error)) from None
    wanted, words = lookup.map, lookup.values
    fields: dict[str, Any] = {"rank": rank}
    for name in _READ:
        path = getattr(wanted, name)
        found = None if path is None else _at(answer, path)
        if found is not None:
            given = _translated(found, getattr(words, name, {}))
            fields["balance_minor" if name == "balance" else name] = _READ[name](name, given, known)
    attributes: dict[str, Attribute] = {}
    for name, path in wanted.attributes.items():
        if (found := _at(answer, path)) is not None:
            value = _attribute(name, _translated(found, _of_attribute(words, name)))
            if value != "":
                attributes[name] = value
    report = Report(lookup.name, **fields, attributes=attributes)
    return None if report == Report(lookup.name, rank) else report


def _at(answer: Any, path: str) -> Any:
    """None where the path leads nowhere."""
    for step in path.split("."):
        if answer is None or answer == []:
            return None
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and step.isascii() and step.isdigit():
            answer = answer[int(step)] if int(step) < len(answer) else None
        else:
            raise NoAnswerError("wrong-type", f"{path}: {step} is looked for in {_kind(answer)}")
    return answer


def _translated(value: Any, words: Mapping[str, Any]) -> Any:
    """Ours for theirs; numbers and booleans are named as JSON writes them."""
    if not words:
        return value
    if isinstance(value, list):
        return [_translated(one, words) for one in value]
    key = str(value).lower() if isinstance(value, bool) else str(value)
    return words.get(key, value) if isinstance(value, str | bool | int | Decimal) else value


def _of_attribute(words: Translated, name: str) -> Mapping[str, Any]:
    return words.attributes.get(name, {})


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")


def _text(name: str, value: Any, at_most: int = WORD_AT_MOST) -> str | None:
    if not isinstance(value, str):
        raise NoAnswerError("wrong-type", f"{name}: text is wanted, {_kind(value)} came")
    text = tidy(value)
    if len(text) > at_most:
        raise NoAnswerError("wrong-type", f"{name}: has {len(text)} characters, at most {at_most}")
    return text or None


def _name(name: str, value: Any, known: Known) -> str | None:
    return _text(name, value, NAME_AT_MOST)


def _word(name: str, value: Any, known: Known) -> str | None:
    return _text(name, value)


def _one_of(name: str, text: str | None, allowed: Iterable[str]) -> str | None:
    if text is not None and text not in allowed:
        raise NoAnswerError("unknown-value", f"{name}: {text[:40]!r} is none of ours, see values")
    return text


def _status(name: str, value: Any, known: Known) -> str | None:
    return _one_of(name, _text(name, value), known.statuses)


def _language(name: str, value: Any, known: Known) -> str | None:
    return _one_of(name, _text(name, value), known.languages)


def _manager(name: str, value: Any, known: Known) -> Manager | None:
    login = _text(name, value)
    if login is None:
        return None
    return known.managers[_one_of(name, user_key(login), known.managers) or ""]


def _tags(name: str, value: Any, known: Known) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if len(listed) > TAGS_AT_MOST:
        raise NoAnswerError("wrong-type", f"{name}: {len(listed)} are too many")
    return tuple(dict.fromkeys(text for one in listed if (text := _text(name, one))))


def _flag(name: str, value: Any, known: Known) -> bool:
    if not isinstance(value, bool):
        raise NoAnswerError("wrong-type", f"{name}: true or false is wanted, {_kind(value)} came")
    return value


def _balance(name: str, value: Any, known: Known) -> int:
    """Minor units. An amount may also be text, as systems write it that mean it exactly."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise NoAnswerError("wrong-type", f"{name}: a number is wanted, {_kind(value)} came")
    amount = Decimal(value)
    if not -BALANCE_AT_MOST <= amount <= BALANCE_AT_MOST:  # before sums, which have a limit too
        raise NoAnswerError("wrong-type", f"{name}: is too large an amount")
    minor = int((amount * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
    return max(-BALANCE_AT_MOST, min(BALANCE_AT_MOST, minor))


def _attribute(name: str, value: Any) -> Attribute:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        if number in (float("inf"), float("-inf")):
            raise NoAnswerError("wrong-type", f"attributes.{name}: is too large a number")
        return number
    return _text(f"attributes.{name}", value) or ""


_READ: dict[str, Callable[[str, Any, Known], Any]] = {
    "name": _name,
    "status": _status,
    "language": _language,
    "balance": _balance,
    "segment": _word,
    "tags": _tags,
    "manager": _manager,
    "do_not_disturb": _flag,
}


# The card

_OF_CUSTOMER = {
    "name": "name",
    "status": "status",
    "language": "language",
    "balance_minor": "balance",
    "manager": "manager",
    "segment": "segment",
    "tags": "tags",
    "do_not_disturb": "do_not_disturb",
}


def merged(card: Card | None, reports: Iterable[Report], number: str) -> Card | None:
    """The card as it is shown and decided by: what an outside system says goes before what our
    store has. Somebody whom only another system knows has a card without id and history."""
    ordered = sorted(reports, key=attrgetter("rank"), reverse=True)
    if not ordered:
        return card
    whole = card or Card(_stranger(number), ())
    sources, attributes = dict(whole.sources), dict(whole.customer.attributes)
    customer: dict[str, Any] = {}
    for report in ordered:
        for name, shown in _OF_CUSTOMER.items():
            if (value := getattr(report, name)) is not None:
                customer[name], sources[shown] = value, report.source
        for name, value in report.attributes.items():
            attributes[name], sources[f"attributes.{name}"] = value, report.source
    said = replace(whole.customer, **customer, attributes=attributes)
    return replace(whole, customer=said, sources=sources)


def _stranger(number: str) -> Customer:
    return Customer("", "person", "", (number,), "", None, None, None, 0.0, 0.0)


# The question


def question(value: Any, values: Mapping[str, str]) -> Any:
    """A body with its placeholders filled in; JSON is made of it afterwards, so a value can be
    made of anything."""
    if isinstance(value, str):
        return re.sub("{(number|customer)}", lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {key: question(part, values) for key, part in value.items()}
    return [question(part, values) for part in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Breaker:
    """Leaves a system that fails alone: after `failures` in a row for `seconds`; then one question
    goes through, and its fate decides. Each `allows` that says yes is followed by `settle`."""

    failures: int
    seconds: float
    failed: int = 0
    until: float = 0.0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        return self.failed >= self.failures

    def allows(self, now: float) -> bool:
        if not self.is_open:
            return True
        if self.probing or now < self.until:
            return False
        self.probing = True
        return True

    def settle(self, well: bool, now: float) -> None:
        self.probing = False
        self.failed = 0 if well else min(self.failed + 1, self.failures)
        if self.is_open:
            self.until = now + self.seconds


@dataclass(slots=True)
class Cache(Generic[T]):
    """Answers by the question, for `seconds`, `size` at most; the oldest go first."""

    size: int
    seconds: float
    _kept: OrderedDict[tuple[str, ...], tuple[float, T]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: tuple[str, ...], now: float) -> tuple[T] | None:
        """The answer in a tuple of its own, for it may be None."""
        kept = self._kept.get(key)
        if kept is None or now - kept[0] >= self.seconds:
            return None
        return (kept[1],)

    def put(self, key: tuple[str, ...], answer: T, now: float) -> None:
        if not self.seconds:
            return
        self._kept.pop(key, None)
        self._kept[key] = (now, answer)
        while len(self._kept) > self.size or now - self._oldest() >= self.seconds:
            self._kept.popitem(last=False)

    def forget(self, word: str) -> None:
        """All answers to questions with this word in them."""
        for key in [key for key in self._kept if word in key]:
            del self._kept[key]

    def _oldest(self) -> float:
        return next(iter(self._kept.values()))[0]
