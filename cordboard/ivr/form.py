"""The operator's form: a script as questions on a page. Pure.

A form is what was entered, in order, played through the interpreter anew each time: so an earlier
answer may be changed, and the way goes on from there as if it had been given at once. What only a
telephone can do is said in words, and is the operator's to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from cordboard.ivr import answers
from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.runs import Run, Written
from cordboard.ivr.script import Script
from cordboard.ivr.steps import Ask, Menu
from cordboard.ivr.texts import written
from cordboard.ivr.turns import (
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
    """What was entered at a step, and when (seconds since the epoch)."""

    step: str
    text: str
    at: float


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


def fill(
    script: Script,
    scope: Scope,
    entries: Sequence[Entry],
    language: str | None,
    run: Run | None = None,
) -> tuple[Filled, list[Written]]:
    """The form with these entries; what is to be written of it is folded into `run`, which lasts
    until somebody ends it. An entry that is no answer is the last one that counts."""
    given = _by_step(entries)
    began = entries[0].at if entries else 0.0
    turn, at = begin(script, scope, language), began
    items: list[Item] = []
    records: list[Written] = []
    asked: set[str] = set()
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
        speech: Speech | None = getattr(action, "speech", None)
        if speech is not None and speech.text and isinstance(action, Say | End):
            items.append(Item(action.step, _title(script, action.step, spoken), speech.text))
        outcome = _done(turn, scope)
        if outcome is None:
            return Filled(tuple(items), None, spoken, _goes(turn), asked=frozenset(asked)), records
        turn = advance(script, turn.position, outcome, scope)
    return Filled(tuple(items), None, turn.position.language, "hangup"), records


def changed(entries: Sequence[Entry], step: str, place: int, text: str, at: float) -> list[Entry]:
    """The entries with another one for the step, when it comes for this time, from 0; those that
    follow stay, and count where their steps are still asked."""
    found, seen = [], 0
    is_new = True
    for each in entries:
        if each.step == step:
            if seen == place:
                each, is_new = Entry(step, text, at), False
            seen += 1
        found.append(each)
    return [*found, Entry(step, text, at)] if is_new else found


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
    prompt = asked.prompt if asked is not None else action.speech.text
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
    """What the card says of a question already, where an attribute has its name."""
    if not isinstance(asked, Ask) or asked.question is None:
        return None
    customer = names["customer"]
    known = customer.get("attributes", {}).get(asked.question) if customer else None
    if known is None:
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
        case Find() | Request():
            return Failed("not on a form")
        case Collect(ask=Ask(secret=True)):
            return Failed("not on a form")
    return None


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
