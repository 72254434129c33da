"""Conditions that cannot be meant: those that never hold, or always, and what they compare with.
Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from cordboard.ivr import mentions, truth
from cordboard.ivr.domains import NOTHING, NOWHERE, Domains, of_answers, whole
from cordboard.ivr.expressions import Expression, Path, Value
from cordboard.ivr.finding import Finding, House
from cordboard.ivr.known import NONE, Known
from cordboard.ivr.script import Script, close
from cordboard.ivr.source import Place, Source
from cordboard.ivr.steps import AskStep, MenuStep, expression
from cordboard.ivr.truth import Domain

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ALWAYS, _NEVER = frozenset((True,)), frozenset((False,))


def findings(
    script: Script, source: Source, house: House, known: Mapping[str, Known]
) -> Iterator[Finding]:
    """`known` of the steps that are reached; others have worse faults."""
    domains = Domains(script, house)
    for place, text in mentions.conditions(script):
        number = mentions.number_of(place)
        step_id = script.ids[number or 0]
        certain = known[step_id].each if step_id in known else NONE

        def domain(path: Path, place: Place = place, certain: frozenset[Path] = certain) -> Domain:
            if path == ("value",) and place[-1] == "check" and isinstance(place[1], int):
                step = script.steps[place[1]]
                return of_answers(step.ask) if isinstance(step, AskStep) else truth.ANYTHING
            return domains.of(path, certain)

        yield from _condition(expression(text), place, source, domain)
    for number, step in enumerate(script.steps):
        if isinstance(step, MenuStep):
            yield from _languages(script, source, number, step)


def _condition(
    whole: Expression, place: Place, source: Source, domains: truth.Domains
) -> Iterator[Finding]:
    if any(domains(path) == NOWHERE for path in whole.names):
        return  # that there is no such name is told elsewhere
    line, key = source.line(*place), place[-1]
    found: list[Finding] = []
    for node, part in truth.comparisons(whole):
        hint = _hint(node, domains)
        outcomes = truth.outcomes(part, domains)
        if outcomes == _NEVER:
            found.append(Finding(line, f"{key}: {part.text} can never hold{hint}"))
        elif hint:
            found.append(Finding(line, f"{key}: {part.text} cannot be meant{hint}"))
        elif outcomes == _ALWAYS and part.names:
            found.append(Finding(line, f"{key}: {part.text} always holds", "advice"))
    yield from found
    if key not in ("when", "check") or any(each.kind == "fault" for each in found):
        return
    outcomes = truth.outcomes(whole, domains)
    if outcomes == _NEVER:
        hints = [_none(path, domains(path)) for path in sorted(whole.names)]
        hint = next((each for each in hints if each), "; its parts exclude each other")
        yield Finding(line, f"{key}: {whole.text} can never hold{hint}")
    elif outcomes == _ALWAYS and not found:
        advice = f"{key}: {whole.text} always holds; take it out, or write what is meant"
        yield Finding(line, advice, "advice")


def _hint(node: ast.Compare, domains: truth.Domains) -> str:
    """What is wrong with what a name is compared with; empty where nothing is."""
    for path, sign, value in truth.compared(node):
        domain = domains(path)
        if none := _none(path, domain):
            return none
        some = [each for each in domain.values if each is not None]
        if value is None or (domain.kind == "all" and not some) or domain.kind == "any":
            continue
        if wrong := _wrong_kind(path, domain, value):
            return wrong
        is_one = sign in (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
        if is_one and domain.kind == "all" and value not in some:
            words = [str(each) for each in some]
            near = close(str(value), words)
            return f"; {_name(path)} is one of {', '.join(words)}{near}"
    return ""


def _none(path: Path, domain: Domain) -> str:
    if domain == NOTHING:
        return f"; {whole(path)}"
    return ""


def _wrong_kind(path: Path, domain: Domain, value: Value) -> str:
    some = [each for each in domain.values if each is not None]
    called = f"; {_name(path)} is {domain.called or 'another kind of thing'}"
    if domain.kind == "all" and all(isinstance(each, bool) for each in some):
        if isinstance(value, bool) or value in (0, 1):
            return ""
        return f"; {_name(path)} is true or false: write {_name(path)}, or not {_name(path)}"
    is_number = domain.kind == "number" or (
        domain.kind == "all" and all(isinstance(each, int | Decimal) for each in some)
    )
    if is_number and isinstance(value, str):
        digits = f": write {value} without quotes" if value.isascii() and value.isdigit() else ""
        return f"{called}{digits}"
    if domain.kind == "day" and truth.day_of(value) is None:
        return f"{called}: write it as '2026-12-31'"
    if domain.kind == "time" and not (isinstance(value, str) and _TIME.fullmatch(value)):
        return f"{called}: write it as '09:00'"
    is_text = domain.kind in ("text", "digits", "time") or (
        domain.kind == "all" and all(isinstance(each, str) for each in some)
    )
    if is_text and isinstance(value, int | Decimal):
        return f"{called}: write '{value}' with quotes"
    return ""


def _name(path: Path) -> str:
    return ".".join(path)


def _languages(script: Script, source: Source, number: int, step: MenuStep) -> Iterator[Finding]:
    for key, choice in step.menu.choices.items():
        if choice.language is not None and choice.language not in script.languages:
            yield Finding(
                source.line("steps", number, "menu", "choices", key, "language"),
                f"language: {choice.language} is none of the script's languages,"
                f" {', '.join(script.languages)}",
            )
