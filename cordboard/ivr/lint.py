"""What cannot be meant in a script that can be read. Pure.

`loops`, `names` and `conditions` find what their names say; here is what is wrong with ways, texts
and questions, and what the house does not have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain

from cordboard.addresses import is_under, url_fault
from cordboard.ivr import conditions, expressions, loops, mentions, names, usual
from cordboard.ivr.answers import DIGITS_AT_MOST
from cordboard.ivr.finding import NOWHERE, Finding, House
from cordboard.ivr.flow import hung_up, reached, ways
from cordboard.ivr.known import known
from cordboard.ivr.script import END, Script, close, spoken, texts
from cordboard.ivr.source import Place, Source
from cordboard.ivr.steps import (
    Ask,
    AskStep,
    Base,
    CallApiStep,
    CallBackStep,
    GotoStep,
    HangUpStep,
    LookUpStep,
    MenuStep,
    RouteStep,
    SetStep,
    TransferStep,
    expression,
    verb_of,
)
from cordboard.ivr.texts import parts, phrases

__all__ = ["NOWHERE", "Finding", "House", "findings"]

_TRAP = re.compile(
    r"y|n|yes|no|on|off|true|false|null|~"  # truths and nothing
    r"|[-+]?0[0-7_]+|0x[0-9a-f_]+|0b[01_]+|0o[0-7]+"  # numbers to another base
    r"|[-+]?[0-9][0-9_]*\.?[0-9]*e[-+]?[0-9]+|\+[0-9][0-9_]*|[0-9]+_[0-9_]+"
    r"|[-+]?[0-9]+(:[0-5]?[0-9])+|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*",  # to base 60, and days
    re.IGNORECASE,
)
_ONLY_OF = {
    "length": ("digits",),
    "scale": ("scale",),
    "least": ("number", "money"),
    "most": ("number", "money"),
    "terminator": ("digits", "number", "money", "date", "scale", "text"),
    "confirm": ("digits", "number", "money", "date", "yes_no", "scale", "choice"),
    "retries": ("digits", "number", "money", "date", "yes_no", "scale", "choice"),
}
"""What a question may say, and of which kinds it means something."""
_NOBODY_NEEDED = (SetStep, CallApiStep, LookUpStep, GotoStep, HangUpStep)


def findings(script: Script, source: Source, house: House = NOWHERE) -> list[Finding]:
    """All at once, by line."""
    learnt = known(script)
    return sorted(
        set(
            chain(
                _flow(script, source),
                _on(script, source),
                _loops(script, source, house),
                _questions(script, source),
                _languages(script, source),
                names.findings(script, source, learnt),
                conditions.findings(script, source, house, learnt),
                _targets(script, source, house),
                _addresses(script, source, house),
                _traps(script, source),
            )
        )
    )


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


def _on(script: Script, source: Source) -> Iterator[Finding]:
    """What is said of ways that a step never takes."""
    for number, (step_id, step) in enumerate(zip(script.ids, script.steps, strict=True)):
        at: Place = ("steps", number)
        taken = {way.name for way in ways(script, step_id)}
        for key in sorted(step.on.model_fields_set - {"hangup"}):
            if getattr(step.on, key) is not None and key not in taken:
                words = f"{key}: {_a(verb_of(step))} never ends so; take it out"
                yield Finding(source.line(*at, "on", key), words, "advice")
        if step.next is not None and not _goes_on(script, step_id, step):
            words = f"next: {_a(verb_of(step))} never goes on so; take it out"
            yield Finding(source.line(*at, "next"), words, "advice")
        target = hung_up(script, step_id)
        if target is not None and target in script.index:
            then = script.step(target)
            if not isinstance(then, _NOBODY_NEEDED):
                place = (*at, "on", "hangup") if step.on.hangup else ("on", "hangup")
                yield Finding(
                    source.line(*place),
                    f"hangup: {target} is {_a(verb_of(then))}, and nobody is there any more;"
                    " there can be set, call_api, look_up, goto and hangup",
                )


def _goes_on(script: Script, step_id: str, step: Base) -> bool:
    """Whether `next` is ever followed."""
    if isinstance(step, GotoStep | HangUpStep | RouteStep):
        return False
    return any(way.target == step.next for way in ways(script, step_id))


def _loops(script: Script, source: Source, house: House) -> Iterator[Finding]:
    for loop in loops.endless(script):
        round_ = " → ".join((*loop, loop[0]))
        yield Finding(
            source.line("steps", script.index[loop[0]]),
            f"{loop[0]}: a caller who does nothing goes round and round ({round_}); lead him out,"
            " to a person or to hangup",
        )
    if house.leads is None:
        return
    leads = {**house.leads, script.name: loops.handed_on(script)}
    for other, step_id in loops.handed_on(script).items():
        if (back := loops.comes_back(script.name, leads, other)) is not None:
            round_ = " → ".join((script.name, *back))
            yield Finding(
                source.line("steps", script.index[step_id]),
                f"script: a caller who does nothing goes round and round ({round_})",
            )


def _questions(script: Script, source: Source) -> Iterator[Finding]:
    for number, step in enumerate(script.steps):
        at: Place = ("steps", number)
        for verb in ("ask", "record"):
            yield from _ended_by(source, (*at, verb))
        match step:
            case MenuStep(menu=menu):
                yield from _keys(source, (*at, "menu", "choices"), list(menu.choices))
            case AskStep(ask=ask):
                yield from _keys(source, (*at, "ask", "choices"), list(ask.choices))
                yield from _asked(source, (*at, "ask"), ask)
            case _:
                continue
        fails = (step.on.noinput, step.on.nomatch, script.on.noinput, script.on.nomatch)
        if not any(fail and fail.goto for fail in fails):
            yield Finding(
                source.line(*at),
                f"{script.ids[number]}: it says nowhere what is done when nothing, or nothing"
                " valid, is entered; write on: { noinput: step, nomatch: step }, here or for the"
                " whole script",
            )
    if script.survey and not mentions.questions(script):
        words = "survey: no step has question:, so there will be no results"
        yield Finding(source.line("survey"), words, "advice")


def _keys(source: Source, place: Place, keys: list[str]) -> Iterator[Finding]:
    for key in keys:
        longer = [each for each in keys if each != key and each.startswith(key)]
        if longer:
            words = (
                f"{key}: begins {longer[0]}, too, so it counts only when nothing follows; give all"
                " keys the same length"
            )
            yield Finding(source.line(*place, key), words, "advice")


def _ended_by(source: Source, place: Place) -> Iterator[Finding]:
    """A hash key without quotes begins a comment, and leaves nothing."""
    if source.plain.get((*place, "terminator")) == "":
        words = 'terminator: nothing is there; write "#" in quotes, or "" for none'
        yield Finding(source.line(*place, "terminator"), words)


def _asked(source: Source, place: Place, ask: Ask) -> Iterator[Finding]:
    for key, kinds in _ONLY_OF.items():
        if key in ask.model_fields_set and ask.kind not in kinds:
            words = f"{key}: means nothing for {ask.kind}, only for {', '.join(kinds)}"
            yield Finding(source.line(*place, key), words, "advice")
    if ask.length.least > DIGITS_AT_MOST:
        words = f"length: more than {DIGITS_AT_MOST} digits are not listened to"
        yield Finding(source.line(*place, "length"), words)
    elif ask.kind == "digits" and ask.length.most > DIGITS_AT_MOST:
        words = f"length: {DIGITS_AT_MOST} digits are listened to at most"
        yield Finding(source.line(*place, "length"), words, "advice")
    if ask.kind in ("number", "money") and ask.terminator == "*":
        words = "terminator: * is the decimal point of numbers; take #"
        yield Finding(source.line(*place, "terminator"), words)
    if ask.terminator.isdigit() and "terminator" in ask.model_fields_set:
        words = f"terminator: {ask.terminator} could not be in an answer; take # or *"
        yield Finding(source.line(*place, "terminator"), words)


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
    if len(set(script.languages)) < len(script.languages):
        yield Finding(source.line("languages"), "languages: one is there twice")


def _targets(script: Script, source: Source, house: House) -> Iterator[Finding]:
    """What there is not, of what the house has."""
    for number, step in enumerate(script.steps):
        at = source.line("steps", number)
        match step:
            case RouteStep(route=route):
                for there, name in (
                    (house.queues, route.queue),
                    (house.operators, route.operator),
                    (house.scripts, route.script),
                ):
                    if there is not None and name is not None:
                        yield from _missing(at, route.target, name, there, script)
            case CallBackStep(callback=back) if house.queues is not None:
                yield from _missing(at, "queue", back.queue, house.queues, script)
            case CallApiStep(call_api=api):
                secrets = house.secrets
                if secrets is not None and api.secret and api.secret not in secrets:
                    near = close(api.secret, secrets)
                    yield Finding(at, f"call_api: [scripts.secrets] has no {api.secret}{near}")
    for place, text in mentions.conditions(script):
        for call, *arguments in expression(text).calls:
            calendars = house.calendars
            if call == expressions.OPEN and calendars is not None and arguments[0] not in calendars:
                near = close(arguments[0], calendars)
                yield Finding(
                    source.line(*place),
                    f"{place[-1]}: no calendar of the routing rules is called {arguments[0]}{near}",
                )


def _missing(
    line: int, what: str, name: str, there: Collection[str], script: Script
) -> Iterator[Finding]:
    for language in script.languages:
        filled = name.replace("{language}", language)
        if filled not in there and "{" not in filled:
            yield Finding(line, f"{what}: there is no {filled}{close(filled, there)}")


def _addresses(script: Script, source: Source, house: House) -> Iterator[Finding]:
    """URLs, numbers and names with values in them."""
    for place, text in mentions.templates(script):
        line, key = source.line(*place), place[-1]
        try:
            found = parts(text)
        except ValueError as error:
            yield Finding(line, f"{key}: {error}")
            continue
        # As it looks when it is filled in.
        filled = "".join(part if isinstance(part, str) else "0" for part in found)
        is_fixed = all(isinstance(part, str) for part in found)
        if key == "to" and is_fixed and not re.fullmatch(r"\+?[0-9]{3,15}", filled):
            yield Finding(line, f"to: {text} is no number; write digits, or {{customer.…}}")
        if key == "url":
            yield from _url(line, text, filled, script, place, house)


def _url(
    line: int, text: str, filled: str, script: Script, place: Place, house: House
) -> Iterator[Finding]:
    host = text.partition("://")[2].partition("/")[0].partition("?")[0]
    if "{" in host:
        words = "url: a value in the host would let others choose whom we ask; write the host out"
        yield Finding(line, words)
    elif fault := url_fault(filled):
        yield Finding(line, f"url: {text} {fault}")
    elif house.allow is not None and not any(is_under(filled, each) for each in house.allow):
        origin = "/".join(text.split("/")[:3])
        words = f'url: {text} is not among [scripts] allow; add "{origin}/", or more of its path'
        yield Finding(line, words)
    number = mentions.number_of(place)
    step = script.steps[number] if number is not None else None
    if isinstance(step, CallApiStep) and step.call_api.secret and text.startswith("http://"):
        words = (
            "url: the secret is sent unencrypted, for everybody on the way to read; use https://"
        )
        yield Finding(line, words, "advice")


def _traps(script: Script, source: Source) -> Iterator[Finding]:
    """Words without quotes that are texts here, and something else to other readers of YAML."""
    for place in dict.fromkeys(_free(script)):
        value = source.plain.get(place)
        if value is not None and _TRAP.fullmatch(value):
            yield Finding(
                source.line(*place),
                f"{place[-1]}: {value} without quotes is no text to other readers of YAML; write"
                f' "{value}"',
                "advice",
            )


def _free(script: Script) -> Iterator[Place]:
    """Where any text may stand."""
    for place, text in texts(script):
        yield from (place if key is None else (*place, key) for key, _ in phrases(text))
    for number, step in enumerate(script.steps):
        at: Place = ("steps", number)
        if isinstance(step, AskStep):
            yield from ((*at, "ask", "choices", key, "value") for key in step.ask.choices)
        elif isinstance(step, RouteStep):
            yield (*at, "route", step.route.target)
        elif isinstance(step, TransferStep):
            yield (*at, "transfer", "to")
        yield (*at, "note")


def _a(verb: str) -> str:
    return f"{'an' if verb[0] in 'aeiou' else 'a'} {verb}"
