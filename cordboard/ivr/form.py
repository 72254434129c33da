"""The operator's form: a script as questions on a page. Pure.

A form is what was entered, in order, played through the interpreter anew each time: so an earlier
answer may be changed, and the way goes on from there as if it had been given at once. What other
systems answered is entered, too, and asked for again where an answer changes the question. What
only a telephone can do is said in words, and is the operator's to do.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from cordboard.ivr import answers
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run, Written
from cordboard.ivr.script import Script
from cordboard.ivr.steps import Ask, Menu
from cordboard.ivr.texts import written
from cordboard.ivr.turns import (
    Answered,
    Collect,
    Done,
    End,
    Failed,
    Find,
    Found,
    Given,
    Go,
    Kept,
    Missing,
    Outcome,
    Request,
    Say,
    Speech,
    Take,
    Turn,
)

TURNS_AT_MOST = 500
ENTRIES_AT_MOST = 300

Field = Literal["choice", "scale", "yes_no", "number", "money", "date", "digits", "text"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What was entered at a step, and when (seconds since the epoch). Where something was asked
    of others `got` is what came of it, see `answer_of`, and `text` the `Wanted.mark`."""

    step: str
    text: str
    at: float
    got: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """`key` is pressed, `value` entered, `text` read."""

    key: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """Something to read out, or with a `field` a question: `value` is what was entered, `offer`
    what is known of it already. `place` counts how often its step came before."""

    step: str
    title: str
    text: str
    field: Field | None = None
    options: tuple[Option, ...] = ()
    value: str | None = None
    offer: str | None = None
    required: bool = True
    place: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be asked of the store or of another system before the form goes on, for the
    `place`th time from 0. `mark` tells this question from those that other answers make of it."""

    action: Find | Request
    place: int
    mark: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as it stands. `current` is the number of the item that is asked, None where it has
    come to its end; then `goes` says where the script sends a caller: `queue support-ru`,
    `callback`, `hangup`. `fault` is why the last entry is no answer. `asked` are the questions
    whose answers count."""

    items: tuple[Item, ...]
    current: int | None
    language: str
    goes: str = ""
    fault: Literal["", "noinput", "nomatch"] = ""
    asked: frozenset[str] = frozenset()
    wants: Wanted | None = None


def fill(
    script: Script,
    scope: Scope,
    entries: Sequence[Entry],
    language: str | None,
    run: Run | None = None,
    customers: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Filled, list[Written]]:
    """The form with these entries; what is to be written of it is folded into `run`, which lasts
    until somebody ends it. An entry that is no answer is the last one that counts. `customers` are
    those whom entries name, by id, as scripts know them."""
    given = _by_step(entries)
    began = entries[0].at if entries else 0.0
    turn, at = begin(script, scope, language), began
    items: list[Item] = []
    records: list[Written] = []
    asked: set[str] = set()
    passed: Counter[str] = Counter()
    for _ in range(TURNS_AT_MOST):
        asked |= {note.question for note in turn.notes if isinstance(note, Kept)}
        if run is not None:
            records += run.take(_lasting(turn), at)
        action = turn.action
        spoken = turn.position.language
        if isinstance(action, Collect | Take) and _asks(action):
            entry = _next(given, action.step)
            item = _question(script, turn, scope, sum(each.step == action.step for each in items))
            if entry is None:
                items.append(item)
                return Filled(tuple(items), len(items) - 1, spoken, asked=frozenset(asked)), records
            before, turn, at = turn, _answered(script, turn, entry, scope), entry.at
            items.append(replace(item, value=entry.text))
            if _is_refused(before, turn):
                why: Literal["noinput", "nomatch"] = "nomatch" if entry.text else "noinput"
                form = Filled(tuple(items), len(items) - 1, spoken, "", why, frozenset(asked))
                return form, records
            continue
        if isinstance(action, Find | Request) and _is_asked(action):
            wants = Wanted(action, passed[action.step], _mark(action))
            passed[action.step] += 1
            entry = _next(given, action.step)
            if entry is None or entry.text != wants.mark:
                form = Filled(tuple(items), None, spoken, asked=frozenset(asked), wants=wants)
                return form, records
            outcome = _outcome(action, entry, customers or {})
            turn, at = advance(script, turn.position, outcome, scope), entry.at
            continue
        speech: Speech | None = getattr(action, "speech", None)
        if speech is not None and speech.text and isinstance(action, Say | End):
            items.append(Item(action.step, _title(script, action.step, spoken), speech.text))
        done = _done(turn, scope)
        if done is None:
            return Filled(tuple(items), None, spoken, _goes(turn), asked=frozenset(asked)), records
        turn = advance(script, turn.position, done, scope)
    return Filled(tuple(items), None, turn.position.language, "hangup"), records


def changed(entries: Sequence[Entry], place: int, new: Entry) -> list[Entry]:
    """The entries with another one for its step, when it comes for this time, from 0; those that
    follow stay, and count where their steps are still asked."""
    found, seen = [], 0
    is_new = True
    for each in entries:
        if each.step == new.step:
            if seen == place:
                each, is_new = new, False
            seen += 1
        found.append(each)
    return [*found, new] if is_new else found


def answer_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What another system answered, for `Entry.got`: JSON has no decimals of its own."""
    exact = [name for name, value in values.items() if isinstance(value, Decimal)]
    plain = {name: str(value) if name in exact else value for name, value in values.items()}
    return {"values": plain, "decimals": exact}


def found_in(entries: Iterable[Entry]) -> set[str]:
    """The ids of the customers whom entries name."""
    return {each.got["customer"] for each in entries if each.got and "customer" in each.got}


def _by_step(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for each in entries:
        found.setdefault(each.step, []).append(each)
    return found


def _next(given: Mapping[str, list[Entry]], step: str) -> Entry | None:
    return given[step].pop(0) if given.get(step) else None


def _asks(action: Collect | Take) -> bool:
    """Whether it is the script's own question, and no telephone's confirmation or offer."""
    if isinstance(action, Take):
        return True
    return action.menu is not None or (action.ask is not None and not action.ask.secret)


def _question(script: Script, turn: Turn, scope: Scope, place: int) -> Item:
    action = turn.action
    assert isinstance(action, Collect | Take)
    asked: Ask | Menu | None = action.ask
    if isinstance(action, Collect):
        asked = action.ask or action.menu
    spoken = turn.position.language
    languages = tuple(script.languages)
    names = turn.position.names(scope)
    field: Field = "text"
    options: tuple[Option, ...] = ()
    if isinstance(asked, Menu):
        field = "choice"
    elif asked is not None:
        field = asked.kind
    if asked is not None and field == "scale" and isinstance(asked, Ask):
        options = tuple(Option(str(mark), str(mark), "") for mark in answers.scale(asked))
    elif asked is not None and field == "choice":
        options = tuple(
            Option(key, value, "" if text is None else written(text, spoken, languages, names))
            for key, (value, text) in answers.options(asked).items()
        )
    required = asked.required if isinstance(asked, Ask) else isinstance(asked, Menu)
    says = action.record if isinstance(action, Take) and action.ask is None else asked
    prompt = action.speech.text if says is None else says.read or says.prompt
    return Item(
        action.step,
        _title(script, action.step, spoken),
        written(prompt, spoken, languages, names),
        field,
        options,
        offer=_offer(asked, names),
        required=required,
        place=place,
    )


def _offer(asked: Ask | Menu | None, names: Mapping[str, Any]) -> str | None:
    """What the card says of a question already, where an attribute or a field has its name."""
    if not isinstance(asked, Ask) or asked.question is None:
        return None
    customer = names["customer"]
    known = customer.get("attributes", {}).get(asked.question, customer.get(asked.question))
    if not isinstance(known, str | int | Decimal):
        return None
    text = ("yes" if known else "no") if isinstance(known, bool) else str(known)
    return text if answers.typed(asked, text) is not None else None


def _answered(script: Script, turn: Turn, entry: Entry, scope: Scope) -> Turn:
    return advance(script, turn.position, Given(entry.text), scope)


def _is_refused(before: Turn, after: Turn) -> bool:
    """A question that comes again at once was not answered."""
    same = after.position.step == before.position.step
    return same and after.position.tries > before.position.tries


def _done(turn: Turn, scope: Scope) -> Outcome | None:
    """What comes by itself on a form; None where the script is over for it."""
    match turn.action:
        case Say():
            return Done()
        case Find(by="caller"):
            known = turn.position.customer or scope.customer
            return Found(known) if known else Missing()
        case Find():
            return Failed("a PIN is not asked for on a form")
        case Collect(ask=Ask(secret=True)):
            return Failed("not on a form")
    return None


def _is_asked(action: Find | Request) -> bool:
    """Whether it is asked for: nobody types a PIN on a form, and who calls is known."""
    return isinstance(action, Request) or (action.by != "caller" and action.pin is None)


def _mark(action: Find | Request) -> str:
    if isinstance(action, Find):
        asked: tuple[Any, ...] = (action.by, action.attribute, action.value)
    else:
        asked = (action.method, action.url, action.body)
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:32]


def _outcome(
    action: Find | Request, entry: Entry, customers: Mapping[str, Mapping[str, Any]]
) -> Outcome:
    got = entry.got or {}
    if isinstance(action, Find):
        known = customers.get(got.get("customer", ""))
        return Found(known) if known else Missing()
    if "values" not in got:
        return Failed("it did not answer")
    exact = {name: Decimal(got["values"][name]) for name in got["decimals"]}
    return Answered(got["values"] | exact)


def _goes(turn: Turn) -> str:
    match turn.action:
        case Go(target=target, to=to):
            return f"{target} {to}".strip()
        case End():
            return "hangup"
        case Collect():
            return "callback"
    return type(turn.action).__name__.lower()


def _lasting(turn: Turn) -> Turn:
    """A form is over when the operator says so: an earlier answer may still be changed."""
    if not isinstance(turn.action, End):
        return turn
    return replace(turn, action=Say(turn.action.step, turn.action.speech, False))


def _title(script: Script, step: str, language: str) -> str:
    title = script.called(step) if step in script.index else ""
    return written(title, language, tuple(script.languages), {}) if title else ""
