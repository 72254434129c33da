"""Ways round and round: what goes on for ever with a caller who does nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from cordboard.ivr.expressions import OPEN
from cordboard.ivr.flow import reached, ways
from cordboard.ivr.script import END, Script
from cordboard.ivr.steps import (
    AskStep,
    CallApiStep,
    CallBackStep,
    LookUpStep,
    MenuStep,
    RecordStep,
    RouteStep,
    SetStep,
    TransferStep,
    expression,
)

Graph = Mapping[str, Collection[str]]


def still(script: Script, step_id: str) -> list[str]:
    """Where a step leads a caller who neither speaks nor presses a key."""
    match script.step(step_id):
        case MenuStep() | AskStep() | RecordStep():
            taken: frozenset[str] | None = frozenset({"noinput", "skip"})
        case CallBackStep():
            taken = frozenset({"declined", "skip"})
        case TransferStep():
            taken = frozenset({"noanswer", "busy", "error", "skip"})
        case _:
            taken = None
    return [way.target for way in ways(script, step_id) if taken is None or way.name in taken]


def endless(script: Script) -> list[list[str]]:
    """The loops that a caller who does nothing never leaves, or not before something outside of
    the script changes; the steps of each in the order of the file. A loop that a condition ends,
    on what changes in the loop, such as a count, is none."""
    known = reached(script)
    graph = {step: still(script, step) for step in script.ids if step in known}
    rest: dict[str, list[str]] = {}
    for loop in _loops(graph):
        inside = set(loop)
        changed = set().union(*(_changes(script, step) for step in loop))
        stay = [step for step in loop if not _ends(script, step, graph[step], inside, changed)]
        rest |= {step: [to for to in graph[step] if to in stay] for step in stay}
    return sorted(
        (sorted(loop, key=script.index.__getitem__) for loop in _loops(rest)),
        key=lambda loop: script.index[loop[0]],
    )


def handed_on(script: Script) -> dict[str, str]:
    """The scripts to which a caller comes who does nothing, and by which step."""
    found: dict[str, str] = {}
    due, seen = [script.ids[0]], set()
    while due:
        step_id = due.pop()
        if step_id in seen or step_id == END:
            continue
        seen.add(step_id)
        step = script.step(step_id)
        if isinstance(step, RouteStep) and step.route.script is not None:
            found.setdefault(step.route.script, step_id)
        due += still(script, step_id)
    return found


def comes_back(name: str, leads: Graph, first: str) -> list[str] | None:
    """The scripts by which `first` leads to `name`, both of them with it; None where it does
    not."""
    trail: dict[str, str | None] = {first: None}
    due = [first]
    while due:
        at = due.pop(0)
        if at == name:
            found: list[str] = []
            step: str | None = at
            while step is not None:
                found.append(step)
                step = trail[step]
            return found[::-1]
        for each in leads.get(at, ()):
            if each not in trail:
                trail[each] = at
                due.append(each)
    return None


def _ends(
    script: Script, step_id: str, targets: Iterable[str], inside: set[str], changed: set[str]
) -> bool:
    """Whether a condition at this step lets out of the loop, sooner or later."""
    when = script.step(step_id).when
    if when is None:
        return False
    condition = expression(when)
    is_changing = any(path[0] in changed or path[0] == "now" for path in condition.names) or any(
        call[0] == OPEN for call in condition.calls
    )
    return is_changing and any(target not in inside for target in targets)


def _changes(script: Script, step_id: str) -> set[str]:
    match script.step(step_id):
        case SetStep() as step:
            return set(step.set)
        case CallApiStep(call_api=api):
            return set(api.save)
        case LookUpStep():
            return {"customer"}
    return set()


def _loops(graph: Graph) -> Iterator[list[str]]:
    """The parts of a graph in which each leads to each (Tarjan), those that are loops."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in number:
            continue
        work = [(root, iter(graph[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for each in rest:
                if each not in graph:
                    continue
                if each not in number:
                    number[each] = low[each] = len(number)
                    stack.append(each)
                    on_stack.add(each)
                    work.append((each, iter(graph[each])))
                    break
                if each in on_stack:
                    low[node] = min(low[node], number[each])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == number[node]:
                    part: list[str] = []
                    while not part or part[-1] != node:
                        part.append(stack.pop())
                        on_stack.discard(part[-1])
                    if len(part) > 1 or node in graph[node]:
                        yield part
