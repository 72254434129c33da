"""What a script names, and where: in conditions and sums, in texts, in addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cordboard.ivr.expressions import Path
from cordboard.ivr.script import Script, texts
from cordboard.ivr.source import Place
from cordboard.ivr.steps import (
    AskStep,
    CallApiStep,
    LookUpStep,
    MenuStep,
    RecordStep,
    RouteStep,
    SetStep,
    TransferStep,
    expression,
)
from cordboard.ivr.texts import parts, phrases


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that is looked at; `text` is what stands there."""

    place: Place
    path: Path
    text: str


def number_of(place: Place) -> int | None:
    """Of the step that a place is in."""
    return place[1] if len(place) > 1 and isinstance(place[1], int) else None


def conditions(script: Script) -> Iterator[tuple[Place, str]]:
    """All that is worked out, and where it stands."""
    for number, step in enumerate(script.steps):
        at: Place = ("steps", number)
        if step.when is not None:
            yield (*at, "when"), step.when
        match step:
            case SetStep():
                yield from (((*at, "set", name), text) for name, text in step.set.items())
            case AskStep(ask=ask) if ask.check is not None:
                yield (*at, "ask", "check"), ask.check
            case LookUpStep(look_up=look_up) if look_up.value is not None:
                yield (*at, "look_up", "value"), look_up.value
            case CallApiStep(call_api=api):
                body = (((*at, "call_api", "body", name), text) for name, text in api.body.items())
                yield from body


def templates(script: Script) -> Iterator[tuple[Place, str]]:
    """Names and addresses that may have values in them."""
    for number, step in enumerate(script.steps):
        at: Place = ("steps", number)
        match step:
            case CallApiStep(call_api=api):
                yield (*at, "call_api", "url"), api.url
            case TransferStep(transfer=transfer):
                yield (*at, "transfer", "to"), transfer.to
            case RouteStep(route=route) if route.operator is not None:
                yield (*at, "route", "operator"), route.operator


def said(script: Script) -> Iterator[Mention]:
    """What texts name."""
    for place, text in texts(script):
        for language, words in phrases(text):
            if isinstance(words, str):
                where = place if language is None else (*place, language)
                yield from _slots(where, words)


def filled(script: Script) -> Iterator[Mention]:
    """What addresses name. Those with braces that mean nothing are passed over."""
    for place, text in templates(script):
        try:
            yield from _slots(place, text)
        except ValueError:
            continue


def worked_out(script: Script) -> Iterator[Mention]:
    """What conditions and sums name."""
    for place, text in conditions(script):
        for path in sorted(expression(text).names):
            yield Mention(place, path, text)
    for number, step in enumerate(script.steps):
        if isinstance(step, LookUpStep) and step.look_up.pin is not None:
            pin = step.look_up.pin
            yield Mention(("steps", number, "look_up", "pin"), (pin,), pin)


def questions(script: Script) -> dict[str, list[int]]:
    """The steps that ask each question whose answer is kept, by number."""
    found: dict[str, list[int]] = {}
    for number, step in enumerate(script.steps):
        match step:
            case AskStep(ask=asks):
                question = asks.question
            case MenuStep(menu=asks):
                question = asks.question
            case RecordStep(record=asks):
                question = asks.question
            case _:
                continue
        if question:
            found.setdefault(question, []).append(number)
    return found


def variables(script: Script) -> dict[str, list[tuple[int, Place]]]:
    """Where each variable is set: the steps, by number, and the places."""
    found: dict[str, list[tuple[int, Place]]] = {}
    for number, step in enumerate(script.steps):
        at: Place = ("steps", number)
        match step:
            case SetStep():
                places: dict[str, Place] = {name: (*at, "set", name) for name in step.set}
            case AskStep(ask=ask) if ask.save:
                places = {ask.save: (*at, "ask", "save")}
            case CallApiStep(call_api=api):
                places = {name: (*at, "call_api", "save", name) for name in api.save}
            case _:
                continue
        for name, place in places.items():
            found.setdefault(name, []).append((number, place))
    return found


def secrets(script: Script) -> frozenset[str]:
    """The variables that are kept nowhere."""
    return frozenset(
        step.ask.save
        for step in script.steps
        if isinstance(step, AskStep) and step.ask.secret and step.ask.save
    )


def _slots(place: Place, words: str) -> Iterator[Mention]:
    for part in parts(words):
        if not isinstance(part, str):
            yield Mention(place, part.path, words)
