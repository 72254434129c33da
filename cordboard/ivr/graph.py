"""A script as a graph to be drawn: its steps, and an arrow for the ways out of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from cordboard.ivr.flow import ways
from cordboard.ivr.flowchart import START, Edge, Flow, Node
from cordboard.ivr.script import END, Script
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
    RecordStep,
    RouteStep,
    SayStep,
    SetStep,
    TransferStep,
    verb_of,
)
from cordboard.ivr.texts import Recorded, parts, phrase

POINTED_AT = 4
"""A step to which so many others lead when something fails is pointed at; arrows would bury the
rest."""

Words = Callable[[str], str]
"""A text in the reader's language."""

FAILING = ("noinput", "nomatch", "error", "missing", "noanswer", "busy", "refused", "declined")


def graph_of(script: Script, language: str, _: Words) -> Flow:
    """The chart of a script: its own texts in `language`, the words of the chart by `_`."""

    def read(text: Any) -> str:
        return written(text, language, script)

    nodes = [Node(START, "start", _("Start"))]
    edges = [Edge(START, script.ids[0], "", ())]
    if (gone := script.on.hangup) is not None and gone != END:
        edges.append(Edge(START, gone, _("hung up, at any step"), ("hangup",)))
    ends: list[Node] = []
    for step_id in script.ids:
        step = script.step(step_id)
        nodes.append(
            Node(step_id, verb_of(step), read(script.called(step_id)), tuple(_lines(step, read, _)))
        )
        for edge in _edges(script, step_id, read, _):
            if edge.target == END:
                # Each has an end of its own, so that no arrow leads across the chart.
                edge = Edge(step_id, f"{END}/{step_id}", edge.label, edge.ways)
                if edge.target not in [node.id for node in ends]:
                    ends.append(Node(edge.target, "end", _("End")))
            edges.append(edge)
    title = read(script.title) if script.title is not None else script.name
    return Flow(title, language, (*nodes, *ends), tuple(_pointed(edges)))


def _edges(script: Script, step_id: str, read: Callable[[Any], str], _: Words) -> Iterator[Edge]:
    """One arrow for each way; what fails shares one with whatever leads to the same step, but for
    the keys of a menu."""
    step = script.step(step_id)
    found = [(way.name, way.target) for way in ways(script, step_id)]
    if step.on.hangup is not None:
        found.append(("hangup", step.on.hangup))
    main = next((way for way in found if way[0] in ("next", "found", "taken")), None)
    merged: dict[str, list[str]] = {}
    for way, target in found:
        if way in FAILING:
            merged.setdefault(target, []).append(way)
    words = way_words(_)
    for way, target in found:
        label, group = "", [way]
        if way in FAILING:
            group = merged.pop(target, [])
            if not group or (main is not None and target == main[1]):
                continue
            label = ", ".join(words[each] for each in group)
        elif isinstance(step, MenuStep) and way in step.menu.choices:
            choice = step.menu.choices[way]
            name = read(choice.text) if choice.text is not None else choice.language or ""
            label = f"{way} · {name}" if name else way
        elif way == "skip":
            label = (
                _("otherwise")
                if isinstance(step, GotoStep)
                else _("unless {condition}").format(condition=step.when)
            )
        elif way == "goto" and step.when is not None:
            label = _("if {condition}").format(condition=step.when)
        elif (way, target) == main:
            group += merged.get(target, [])
        elif way != "goto":
            label = words.get(way, "")
        yield Edge(step_id, target, label, tuple(group))


def way_words(_: Words) -> dict[str, str]:
    return {
        "next": _("next"),
        "goto": _("goto"),
        "found": _("found"),
        "taken": _("callback promised"),
        "noinput": _("no input"),
        "nomatch": _("no match"),
        "error": _("error"),
        "missing": _("not found"),
        "noanswer": _("no answer"),
        "busy": _("busy"),
        "refused": _("refused"),
        "declined": _("declined"),
        "answered": _("answered"),
        "hangup": _("hung up"),
        "skip": _("skipped"),
        "route": _("routed"),
        "end": _("ended"),
    }


def _pointed(edges: list[Edge]) -> Iterator[Edge]:
    """Arrows of failures to a step that gets many of them become pointers."""
    counts = Counter(edge.target for edge in edges if _is_failure(edge))
    for edge in edges:
        if _is_failure(edge) and counts[edge.target] >= POINTED_AT:
            edge = Edge(edge.source, edge.target, edge.label, edge.ways, pointer=True)
        yield edge


def _is_failure(edge: Edge) -> bool:
    return bool(edge.ways) and edge.ways[0] in FAILING


def _lines(step: Base, read: Callable[[Any], str], _: Words) -> Iterator[str]:
    """What a step says or does."""
    match step:
        case SayStep():
            yield read(step.say)
        case MenuStep(menu=menu):
            yield read(menu.prompt)
        case AskStep(ask=ask):
            yield read(ask.prompt)
            yield _asked(ask, _)
        case RecordStep(record=record):
            yield read(record.prompt)
        case LookUpStep(look_up=look_up):
            yield look_up.by if look_up.value is None else f"{look_up.by}: {look_up.value}"
            if look_up.pin:
                yield f"PIN: {look_up.pin}"
        case SetStep():
            for name, value in step.set.items():
                yield f"{name} = {value}"
        case RouteStep(route=route):
            to = getattr(route, route.target)
            yield f"{route.target}: {to}" if isinstance(to, str) else route.target
        case TransferStep(transfer=transfer):
            yield transfer.to
        case CallBackStep(callback=callback):
            if callback.prompt is not None:
                yield read(callback.prompt)
            yield f"queue: {callback.queue}"
        case CallApiStep(call_api=api):
            yield f"{api.method} {api.url}"
        case HangUpStep(hangup=said):
            if said is not None:
                yield read(said)


def _asked(ask: Ask, _: Words) -> str:
    kind = f"{ask.kind} {ask.scale}" if ask.kind == "scale" else ask.kind
    secret = _("secret")
    return f"[{kind}, {secret}]" if ask.secret else f"[{kind}]"


def written(text: Any, language: str, script: Script) -> str:
    """A text as it is written, with the names of its values."""
    said = phrase(text, language, tuple(script.languages))
    if isinstance(said, Recorded):
        return f"♪ {said.sound}"
    return "".join(
        part if isinstance(part, str) else "{" + ".".join(part.path) + "}" for part in parts(said)
    )
