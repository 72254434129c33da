"""Which ways lead out of the steps of a script, whatever callers do. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cordboard.ivr.script import END, Script
from cordboard.ivr.steps import (
    AskStep,
    Base,
    CallApiStep,
    CallBackStep,
    Fail,
    GotoStep,
    HangUpStep,
    LookUpStep,
    MenuStep,
    RecordStep,
    RouteStep,
    TransferStep,
)


@dataclass(frozen=True, slots=True)
class Way:
    """As the interpreter names it. It `falls` where nothing in the file says that it leads there:
    on to the next step, or past the last one."""

    name: str
    target: str
    falls: bool = False


def ways(script: Script, step_id: str) -> list[Way]:
    """All ways out of a step; the hang-up of a caller apart, see `hung_up`."""
    step = script.step(step_id)
    found = list(_ways(script, step_id, step))
    if step.when is not None:
        target = script.after(step_id)
        found.append(Way("skip", target, target == END))
    return found


def hung_up(script: Script, step_id: str) -> str | None:
    """Where it goes on for a caller who has hung up."""
    return script.step(step_id).on.hangup or script.on.hangup


def reached(script: Script) -> set[str]:
    """The steps to which some way leads from the first one."""
    found: set[str] = set()
    due = [script.ids[0]]
    while due:
        step_id = due.pop()
        if step_id in found or step_id == END:
            continue
        found.add(step_id)
        due += [way.target for way in ways(script, step_id)]
        if (target := hung_up(script, step_id)) is not None:
            due.append(target)
    return found


def entered(script: Script, step_id: str) -> bool:
    """Whether a caller has a say at a step, or it takes him away."""
    kinds = (MenuStep, AskStep, RecordStep, CallBackStep, TransferStep, RouteStep, HangUpStep)
    return isinstance(script.step(step_id), kinds)


def _ways(script: Script, step_id: str, step: Base) -> Iterator[Way]:
    on = Way("next", script.following(step_id), step.next is None)
    match step:
        case HangUpStep():
            return
        case GotoStep():
            yield Way("goto", step.goto)
            return
        case MenuStep(menu=menu):
            for key, choice in menu.choices.items():
                yield Way(key, choice.goto) if choice.goto else Way(key, on.target, on.falls)
        case RouteStep():
            yield Way("error", step.on.error or script.on.error or END)
            return
        case TransferStep():
            yield Way("answered", END)
            for name in ("noanswer", "busy"):
                yield _said(script, step, name, on)
        case CallBackStep():
            for name in ("taken", "declined"):
                yield Way(name, on.target, on.falls)
            yield _said(script, step, "refused", on)
        case LookUpStep():
            yield Way("found", on.target, on.falls)
            yield _said(script, step, "missing", on)
        case _:
            yield on
    if isinstance(step, MenuStep | AskStep | RecordStep):
        yield from _failing(script, step, on)
    if isinstance(step, LookUpStep | CallApiStep | TransferStep | CallBackStep):
        yield _said(script, step, "error", on)


def _said(script: Script, step: Base, name: str, on: Way) -> Way:
    target: str | None = getattr(step.on, name) or getattr(script.on, name)
    return Way(name, target) if target else Way(name, on.target, on.falls)


def _failing(script: Script, step: Base, on: Way) -> Iterator[Way]:
    # What is recorded may be nothing, but not wrong.
    recorded = isinstance(step, RecordStep) or (
        isinstance(step, AskStep) and step.ask.kind == "text"
    )
    names = ("noinput",) if recorded else ("noinput", "nomatch")
    for name in names:
        other = "nomatch" if name == "noinput" else "noinput"
        fails: list[Fail | None] = [getattr(step.on, name), getattr(script.on, name)]
        if not recorded:
            fails = [
                *(getattr(step.on, each) for each in (name, other)),
                *(getattr(script.on, each) for each in (name, other)),
            ]
        target = next((fail.goto for fail in fails if fail and fail.goto), None)
        yield Way(name, target) if target else Way(name, on.target, on.falls)
