"""Which names a script knows at which step: on all ways that lead there, or on some. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from cordboard.ivr.expressions import Path
from cordboard.ivr.flow import Way, hung_up, reached, ways
from cordboard.ivr.script import Script
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
    inside = reached(script)
    edges = {step_id: list(_edges(script, step_id, inside)) for step_id in inside}
    # Sets of names as bits, for there may be hundreds of either.
    bit: dict[Path, int] = {}
    for found in edges.values():
        for name in (name for _, some, each in found for name in some | each):
            bit.setdefault(name, 1 << len(bit))
    ways_on = {
        script.index[step_id]: [
            (script.index[to], sum(map(bit.__getitem__, some)), sum(map(bit.__getitem__, each)))
            for to, some, each in found
        ]
        for step_id, found in edges.items()
    }
    before = {0: (0, 0)}
    # In the order of the file, in which most is settled at once.
    due = [0]
    while due:
        step = heapq.heappop(due)
        here, sure = before[step]
        for to, some, each in ways_on[step]:
            then = here | some | each, sure | each
            if (had := before.get(to)) is not None:
                then = had[0] | then[0], had[1] & then[1]
            if then != had:
                before[to] = then
                if to not in due:
                    heapq.heappush(due, to)

    def names(bits: int) -> Names:
        return frozenset(name for name, one in bit.items() if bits & one)

    return {
        script.ids[step]: Known(names(some), names(each)) for step, (some, each) in before.items()
    }


def _edges(script: Script, step_id: str, inside: set[str]) -> Iterator[tuple[str, Names, Names]]:
    """Where it goes on, and what may be known then, and is."""
    step = script.step(step_id)
    for way in ways(script, step_id):
        if way.target in inside:
            yield (way.target, *_learnt(step, way))
    target = hung_up(script, step_id)
    if target in inside:
        yield target, NONE, NONE


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
