"""Names in scripts that stand for nothing, or not yet; that nobody looks at; that must not be
heard. Pure."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from cordboard.ivr import mentions
from cordboard.ivr.domains import TREE, whole
from cordboard.ivr.expressions import FUNCTIONS, KNOWN, Path
from cordboard.ivr.finding import Finding
from cordboard.ivr.interpreter import DO_NOT_ASK, LANGUAGE
from cordboard.ivr.known import ANSWERS, Known
from cordboard.ivr.mentions import Mention
from cordboard.ivr.script import Script, close
from cordboard.ivr.source import Place, Source
from cordboard.ivr.steps import AskStep, CallApiStep, CallBackStep, LookUpStep, SetStep, expression
from cordboard.ivr.truth import constant_of

VALUE = "value"
RESERVED = frozenset((*TREE, ANSWERS, LANGUAGE, VALUE, "open"))
"""What no variable may be called, since it would never be found."""
_WORDS = {"true": "True", "false": "False", "null": "None", "none": "None", "yes": "True"}
_WORDS |= {"no": "False", "on": "True", "off": "False"}


def findings(script: Script, source: Source, known: Mapping[str, Known]) -> Iterator[Finding]:
    yield from _own(script, source)
    yield from _unknown(script, source)
    yield from _too_early(script, source, known)
    yield from _unused(script, source)
    yield from _secrets(script, source)


def _own(script: Script, source: Source) -> Iterator[Finding]:
    """The names that a script gives."""
    for name, places in mentions.variables(script).items():
        for _, place in places:
            line = source.line(*place)
            if name in RESERVED and not (name == LANGUAGE and "set" in place):
                yield Finding(line, f"{name}: means something else already; take another name")
            elif keyword.iskeyword(name):
                yield Finding(line, f"{name}: is a word of conditions; take another name")
    for question, numbers in mentions.questions(script).items():
        line = source.line("steps", numbers[0])
        if keyword.iskeyword(question):
            yield Finding(line, f"question: {question} is a word of conditions; take another name")
        first, *others = (_kind(script, number) for number in numbers)
        for number, kind in zip(numbers[1:], others, strict=True):
            if kind != first:
                words = (
                    f"question: {question} is asked as {kind} here and as {first} in line {line};"
                    " results count one kind of answer, take another name"
                )
                yield Finding(source.line("steps", number), words)
    for number, step in enumerate(script.steps):
        if isinstance(step, SetStep) and LANGUAGE in step.set:
            found = constant_of(expression(step.set[LANGUAGE]).tree)
            if found is not None and found[0] not in script.languages:
                yield Finding(
                    source.line("steps", number, "set", LANGUAGE),
                    f"language: {found[0]} is none of the script's languages,"
                    f" {', '.join(script.languages)}; write a text, such as"
                    f" \"'{script.languages[0]}'\"",
                )


def _kind(script: Script, number: int) -> str:
    step = script.steps[number]
    if not isinstance(step, AskStep):
        return "menu" if hasattr(step, "menu") else "recording"
    return f"{step.ask.kind} {step.ask.scale}" if step.ask.kind == "scale" else step.ask.kind


def _all(script: Script) -> Iterator[Mention]:
    yield from mentions.worked_out(script)
    yield from mentions.said(script)
    yield from mentions.filled(script)


def _unknown(script: Script, source: Source) -> Iterator[Finding]:
    set_here, asked = mentions.variables(script), mentions.questions(script)
    for mention in _all(script):
        path, place = mention.path, mention.place
        words = None
        if path[0] == ANSWERS:
            if len(path) == 1:
                words = f"{ANSWERS} is no value by itself, write {ANSWERS}.<question>"
            elif path[1] not in asked:
                secret = close(path[1], asked)
                words = f"no step asks the question {path[1]}{secret}"
            elif len(path) > 2:
                words = f"{'.'.join(path)} has no parts"
        elif path[0] in TREE:
            words = _in_tree(path)
            if words is None and not _is_condition(place) and _is_several(path):
                words = whole(path)
        elif path[0] == VALUE:
            if not _has_value(script, place):
                words = f"there is a {VALUE} in check: of a question, and in what callback says"
        elif path[0] == LANGUAGE or path[0] in set_here:
            words = f"{path[0]} has no parts" if len(path) > 1 else None
        else:
            words = _nothing(path[0], (*set_here, *TREE, ANSWERS, LANGUAGE))
        if words is not None:
            yield Finding(source.line(*place), f"{_key(place)}: {words}")


def _nothing(name: str, known: Any) -> str:
    if name == DO_NOT_ASK:
        return f"{name} is only set, the server looks at it itself before it asks"
    if name in _WORDS:
        return f"nothing is called {name}; write {_WORDS[name]}, or '{name}' for the text"
    return f"nothing is called {name}{close(name, known)}"


def _in_tree(path: Path) -> str | None:
    at: Any = TREE
    for number, part in enumerate(path):
        if path[:number] == ("customer", "attributes"):
            return f"{'.'.join(path)} has no parts" if len(path) > number + 1 else None
        if not isinstance(at, dict):
            return f"{'.'.join(path[:number])} has no parts"
        if part not in at:
            near = close(part, at)
            if not near and path[0] == "customer" and number == 1:
                near = f"; one of your own is customer.attributes.{part}"
            return f"{'.'.join(path[:number])} has no {part}{near}; there are {', '.join(at)}"
        at = at[part]
    return None


def _is_several(path: Path) -> bool:
    at: Any = TREE
    for part in path:
        at = at.get(part) if isinstance(at, dict) else None
    return isinstance(at, dict)


def _is_condition(place: Place) -> bool:
    return bool({"when", "check", "set", "body", "value"} & set(place))


def _has_value(script: Script, place: Place) -> bool:
    number = mentions.number_of(place)
    if number is None:
        return False
    return "check" in place or (
        isinstance(script.steps[number], CallBackStep) and "prompt" in place
    )


def _too_early(script: Script, source: Source, known: Mapping[str, Known]) -> Iterator[Finding]:
    """What is not known yet at a step, on any way there, or on some."""
    variables, asked = mentions.variables(script), mentions.questions(script)
    set_so_far: dict[int, set[Path]] = {}
    for mention in _all(script):
        number, path = mentions.number_of(mention.place), mention.path
        if number is None or script.ids[number] not in known or "title" in mention.place:
            continue
        step, here = script.steps[number], known[script.ids[number]]
        name = path[:2] if path[0] == ANSWERS else path[:1]
        is_ours = name[0] in variables if len(name) == 1 else name[1] in asked
        earlier = set_so_far.setdefault(number, set())
        if isinstance(step, SetStep) and "set" in mention.place:
            # Of one step, what is above is known below.
            above = list(step.set)[: list(step.set).index(str(mention.place[3]))]
            earlier |= {(each,) for each in above}
        if not is_ours or name[0] in RESERVED - {ANSWERS} or name in here.each | earlier:
            continue
        written = ".".join(path)
        line = source.line(*mention.place)
        if name not in here.some:
            numbers = [n for n, _ in variables.get(name[0], ())] or asked.get(name[-1], [])
            there = ", ".join(script.ids[n] for n in numbers)
            words = f"{_key(mention.place)}: {written} is not known yet; it comes of {there}"
            # A count begins with what is not there: x + 1 if known(x) else 1.
            is_asked_for = _is_condition(mention.place) and KNOWN in mention.text
            yield Finding(line, words, "advice" if is_asked_for else "fault")
        elif _is_condition(mention.place):
            setters = [script.steps[n] for n, _ in variables.get(name[0], ())]
            is_counted = setters and all(isinstance(each, SetStep) for each in setters)
            if is_counted and KNOWN not in mention.text:
                words = (
                    f"{_key(mention.place)}: {written} is not set on every way that leads here, and"
                    " what is not there fits no condition; set it before"
                )
                yield Finding(line, words, "advice")
        elif not _is_guarded(step.when, name):
            words = (
                f"{_key(mention.place)}: {written} is not known on every way that leads here, and"
                f" would be left out; write when: known({written}) where this matters"
            )
            yield Finding(line, words, "advice")


def _is_guarded(when: str | None, name: Path) -> bool:
    return when is not None and any(path[: len(name)] == name for path in expression(when).names)


def _unused(script: Script, source: Source) -> Iterator[Finding]:
    used = {mention.path[0] for mention in _all(script)}
    for name, places in mentions.variables(script).items():
        if name not in used and name not in (LANGUAGE, DO_NOT_ASK) and name not in RESERVED:
            _, place = places[0]
            words = f"{name}: nothing looks at it; write question: for an answer that is kept"
            if place[2] != "ask":
                words = f"{name}: nothing looks at it; take it out"
            yield Finding(source.line(*place), words, "advice")


def _secrets(script: Script, source: Source) -> Iterator[Finding]:
    secret = mentions.secrets(script)
    for number, step in enumerate(script.steps):
        at = ("steps", number)
        match step:
            case AskStep(ask=ask) if ask.secret and ask.confirm:
                words = "confirm: would say aloud what is secret; take it out"
                yield Finding(source.line(*at, "ask", "confirm"), words)
            case LookUpStep(look_up=look_up) if look_up.pin is not None:
                if look_up.pin in mentions.variables(script) and look_up.pin not in secret:
                    words = f"pin: {look_up.pin} is asked without secret: true; add that"
                    yield Finding(source.line(*at, "look_up", "pin"), words)
            case SetStep():
                for name, text in step.set.items():
                    if _copies(expression(text).tree, secret):
                        words = f"{name}: would keep what is secret; compare it, do not copy it"
                        yield Finding(source.line(*at, "set", name), words)
            case CallApiStep(call_api=api) if _scheme(api.url) == "http":
                for name, text in api.body.items():
                    if _copies(expression(text).tree, secret):
                        words = f"{name}: is secret, and http:// is read on the way; use https://"
                        yield Finding(source.line(*at, "call_api", "body", name), words)
    for mention in mentions.said(script):
        if mention.path[0] in secret:
            words = f"{_key(mention.place)}: {mention.path[0]} is secret, and would be said aloud"
            yield Finding(source.line(*mention.place), words)
    for mention in mentions.filled(script):
        if mention.path[0] in secret:
            advice = "; logs keep addresses, send it in body:" if "url" in mention.place else ""
            words = f"{_key(mention.place)}: {mention.path[0]} is secret{advice}"
            yield Finding(source.line(*mention.place), words)


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _copies(node: ast.AST, secret: frozenset[str]) -> bool:
    """Whether something secret, not only something about it, comes of a sum."""
    match node:
        case ast.Compare():
            return False
        case ast.Call(func=ast.Name(id=name)) if name in (KNOWN, "length"):
            return False
        case ast.Name(id=name):
            return name in secret and name not in FUNCTIONS
        case ast.UnaryOp(op=ast.Not()):
            return False
    return any(_copies(each, secret) for each in ast.iter_child_nodes(node))


def _key(place: Place) -> str:
    """What stands before the words: the key, not the language of a text."""
    named = [each for each in place if isinstance(each, str)]
    is_language = len(named) > 1 and len(named[-1]) in (2, 3) and named[-2] in _TEXT_KEYS
    return named[-2] if is_language else named[-1]


_TEXT_KEYS = ("say", "prompt", "read", "text", "title", "hangup")
