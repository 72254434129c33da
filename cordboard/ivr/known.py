"""Which names a script knows at which step: on all ways that lead there, or on some. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cordboard.ivr.expressions import Path
from cordboard.ivr.flow import Way, hung_up, reached, ways
from cordboard.ivr.script import END, Script
from cordboard.ivr.steps import AskStep, Base, CallApiStep, MenuStep, RecordStep, SetStep

ANSWERS = "answers"
Names = frozenset[Path]
NONE: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """Before a step: the variables and answers that have a value on some way that leads there, and
    on each."""

    some: Names
    each: Names


def known(script: Script) -> dict[str, Known]:
    """For every step that is reached."""
    first = script.ids[0]
    before = {first: Known(NONE, NONE)}
    inside = reached(script)
    due = [first]
    while due:
        step_id = due.pop()
        step, here = script.step(step_id), before[step_id]
        found = [(way.target, *_learnt(step, way)) for way in ways(script, step_id)]
        if (target := hung_up(script, step_id)) is not None:
            found.append((target, NONE, NONE))
        for target, some, each in found:
            if target == END or target not in inside:
                continue
            there = Known(here.some | some | each, here.each | each)
            if (had := before.get(target)) is not None:
                there = Known(had.some | there.some, had.each & there.each)
            if there != had:
                before[target] = there
                due.append(target)
    return before


def _learnt(step: Base, way: Way) -> tuple[Names, Names]:
    """What may be known when a step is left this way, and what is."""
    match step:
        case SetStep() if way.name == "next":
            return NONE, frozenset((name,) for name in step.set)
        case CallApiStep(call_api=api) if way.name == "next":
            return frozenset((name,) for name in api.save), NONE
        case AskStep(ask=ask) if way.name == "next":
            names: set[Path] = {(ANSWERS, ask.question)} if ask.question else set()
            names |= {(ask.save,)} if ask.save else set()
            # A form may leave out what is not required; on the phone a text is a recording.
            is_sure = ask.required and ask.kind != "text"
            return (NONE, frozenset(names)) if is_sure else (frozenset(names), NONE)
        case MenuStep(menu=menu) if menu.question and way.name in menu.choices:
            return NONE, frozenset({(ANSWERS, menu.question)})
        case RecordStep(record=record) if record.question and way.name == "next":
            return frozenset({(ANSWERS, record.question)}), NONE
    return NONE, NONE
