"""What cannot be meant in a script that can be read. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cordboard.ivr import expressions, usual
from cordboard.ivr.flow import reached, ways
from cordboard.ivr.script import END, Script, close, spoken
from cordboard.ivr.source import Place, Source
from cordboard.ivr.steps import (
    AskStep,
    CallApiStep,
    CallBackStep,
    LookUpStep,
    MenuStep,
    RecordStep,
    RouteStep,
    SetStep,
    expression,
)
from cordboard.ivr.texts import phrases

Kind = Literal["fault", "advice"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fault keeps a script from calls; advice does not."""

    line: int
    words: str
    kind: Kind = "fault"


@dataclass(frozen=True, slots=True)
class House:
    """What there is for scripts to name; None where it is not known here."""

    queues: Collection[str] | None = None
    operators: Collection[str] | None = None
    statuses: Collection[str] | None = None
    languages: Collection[str] | None = None
    segments: Collection[str] | None = None
    calendars: Collection[str] | None = None
    scripts: Collection[str] | None = None
    secrets: Collection[str] | None = None
    allow: Sequence[str] | None = None
    """How the URLs begin that call_api may ask."""


NOWHERE = House()


def findings(script: Script, source: Source, house: House = NOWHERE) -> list[Finding]:
    """All at once, by line."""
    found = {
        *_flow(script, source),
        *_languages(script, source),
        *_names(script, source),
        *_targets(script, source, house),
    }
    return sorted(found)


def _flow(script: Script, source: Source) -> Iterator[Finding]:
    found = reached(script)
    for number, step_id in enumerate(script.ids):
        line = source.line("steps", number)
        if step_id not in found:
            yield Finding(line, f"{step_id}: no way leads here; take it out, or name it in a goto")
        elif any(way.target == END and way.falls for way in ways(script, step_id)):
            yield Finding(
                line,
                f"{step_id}: the call comes to nothing after it; add hangup, route or next:"
                f" (next: {END} where it is meant to be over)",
            )
    yield from _questions(script, source)


def _questions(script: Script, source: Source) -> Iterator[Finding]:
    for number, step in enumerate(script.steps):
        if not isinstance(step, MenuStep | AskStep):
            continue
        fails = (step.on.noinput, step.on.nomatch, script.on.noinput, script.on.nomatch)
        if not any(fail and fail.goto for fail in fails):
            yield Finding(
                source.line("steps", number),
                f"{script.ids[number]}: it says nowhere what is done when nothing, or nothing"
                " valid, is entered; write on: { noinput: step, nomatch: step }, here or for the"
                " whole script",
            )


def _languages(script: Script, source: Source) -> Iterator[Finding]:
    for place, text in spoken(script):
        said = {language for language, _ in phrases(text)}
        if None in said:
            if len(script.languages) > 1 and isinstance(text, str):
                yield Finding(
                    source.line(*place),
                    f"{place[-1]}: is the same words in {', '.join(script.languages)}; write it"
                    f" for each, such as {{ {script.languages[0]}: … }}",
                )
            continue
        missing = [language for language in script.languages if language not in said]
        if missing:
            yield Finding(source.line(*place), f"{place[-1]}: is missing in {', '.join(missing)}")
        for language in sorted(said - set(script.languages) - {None}, key=str):
            yield Finding(
                source.line(*place),
                f"{place[-1]}: {language} is none of the script's languages",
                "advice",
            )
    for language in script.languages:
        if language not in usual.NOINPUT:
            yield Finding(
                source.line("languages"),
                f"languages: there are no usual words in {language}; write on: {{ noinput: {{ say:"
                " … }, nomatch: … } for the whole script",
                "advice",
            )


def _names(script: Script, source: Source) -> Iterator[Finding]:
    """Variables that no step sets, and answers that no step asks."""
    known = {"customer", "call", "answers", "now", "language", "value"}
    asked: set[str] = set()
    for step in script.steps:
        match step:
            case SetStep():
                known |= set(step.set)
            case AskStep(ask=ask):
                known |= {ask.save} if ask.save else set()
                asked |= {ask.question} if ask.question else set()
            case MenuStep(menu=menu) if menu.question:
                asked.add(menu.question)
            case RecordStep(record=record) if record.question:
                asked.add(record.question)
            case CallApiStep(call_api=api):
                known |= set(api.save)
    for place, text in _expressions(script):
        for path in sorted(expression(text).names):
            if path[0] not in known:
                words = f"{place[-1]}: nothing is called {path[0]}{close(path[0], known)}"
                yield Finding(source.line(*place), words)
            elif path[0] == "answers" and len(path) > 1 and path[1] not in asked:
                near = close(path[1], asked)
                words = f"{place[-1]}: no step asks the question {path[1]}{near}"
                yield Finding(source.line(*place), words)


def _expressions(script: Script) -> Iterator[tuple[Place, str]]:
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


def _targets(script: Script, source: Source, house: House) -> Iterator[Finding]:
    """What there is not, of what the house has."""
    for number, step in enumerate(script.steps):
        at = source.line("steps", number)
        match step:
            case RouteStep(route=route):
                for known, name in (
                    (house.queues, route.queue),
                    (house.operators, route.operator),
                    (house.scripts, route.script),
                ):
                    if known is not None and name is not None:
                        yield from _missing(at, route.target, name, known, script)
            case CallBackStep(callback=back) if house.queues is not None:
                yield from _missing(at, "queue", back.queue, house.queues, script)
            case CallApiStep(call_api=api):
                if house.allow is not None and not api.url.startswith(tuple(house.allow)):
                    words = f"call_api: {api.url} is not among [scripts] allow; add its beginning"
                    yield Finding(at, words)
                if house.secrets is not None and api.secret and api.secret not in house.secrets:
                    near = close(api.secret, house.secrets)
                    words = f"call_api: [scripts.secrets] has no {api.secret}{near}"
                    yield Finding(at, words)
    for place, text in _expressions(script):
        for call, *arguments in expression(text).calls:
            calendars = house.calendars
            if call == expressions.OPEN and calendars is not None and arguments[0] not in calendars:
                near = close(arguments[0], calendars)
                yield Finding(
                    source.line(*place),
                    f"{place[-1]}: no calendar of the routing rules is called {arguments[0]}{near}",
                )


def _missing(
    line: int, what: str, name: str, known: Collection[str], script: Script
) -> Iterator[Finding]:
    for language in script.languages:
        filled = name.replace("{language}", language)
        if filled not in known:
            yield Finding(line, f"{what}: there is no {filled}{close(filled, known)}")
