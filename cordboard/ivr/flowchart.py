"""A flow chart as SVG or as Mermaid's text, with what callers did on its arrows. Pure.

The SVG has classes and no colours: `screenpop/static/flowchart.css` has them, for the page and for
a file of its own alike.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from cordboard.ivr.layout import Box, Link, Picture, Placed, Point, Way, lay_out

START = ""
"""The id of where it begins."""

SHAPES: Mapping[str, str] = {
    "start": "dot",
    "end": "ring",
    "goto": "knot",
    "menu": "hexagon",
    "ask": "hexagon",
    "record": "hexagon",
    "callback": "hexagon",
    "look_up": "slanted",
    "call_api": "slanted",
    "set": "plain",
    "route": "stadium",
    "transfer": "stadium",
    "hangup": "stadium",
}
"""By verb; `rounded` is what is not here."""

TITLE, BODY, SMALL = 13.0, 12.0, 11.0
"""Sizes of letters."""
LEAST, MOST = 96.0, 190.0
"""Widths of what is written in a box."""
LINES_AT_MOST, LABEL_LINES = 4, 2
LABEL_WIDTH = 150.0
LEADING = 1.32
SLANT = 13.0
DOT = 8.0
BROADEST = 8.0


@dataclass(frozen=True, slots=True)
class Node:
    """`lines` are what the step says or does."""

    id: str
    verb: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """`ways` are how the interpreter calls it, `label` what people read. A pointer only names its
    target: what most steps do alike would bury the rest under arrows."""

    source: str
    target: str
    label: str
    ways: tuple[str, ...]
    pointer: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells one arrow of a chart from another."""
        return self.source, " ".join(self.ways)


@dataclass(frozen=True, slots=True)
class Flow:
    """The first node is where it begins."""

    title: str
    language: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written on an arrow, how broad it is (0 to 1), and how the number came about."""

    text: str
    breadth: float
    tip: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Callers whose run ended at a step as no arrow says; `kind` is how: hung-up, interrupted."""

    kind: str
    text: str
    tip: str


@dataclass(frozen=True, slots=True)
class Footing:
    """What is written at the bottom of a box."""

    text: str
    tip: str
    exits: tuple[Exit, ...] = ()


@dataclass(frozen=True, slots=True)
class Notes:
    """Figures on a chart: by step, and by the arrow's key. `legend` says how they are counted."""

    steps: Mapping[str, Footing] = field(default_factory=dict)
    ways: Mapping[tuple[str, str], Mark] = field(default_factory=dict)
    legend: tuple[str, ...] = ()


# Letters


def _advance() -> dict[str, float]:
    """Widths of letters, in parts of their size, as the broader of the fonts in use have them."""
    found = {}
    for letters, width in (
        (" .,;:'|!ijlI·’", 0.29),
        ('ftr()[]{}/\\-"“”', 0.40),
        ("mwMWШЩЖЮФщшжюфыЫмМ@%—…", 0.86),
        ("ABCDEFGHJKLNOPQRSTUVXYZАБВГДЕЁЗИЙКЛНОПРСТУХЦЧЬЪЭЯ→≥≤", 0.68),
    ):
        found.update(dict.fromkeys(letters, width))
    return found


_WIDTHS = _advance()


@functools.lru_cache(maxsize=8192)
def _width(text: str, size: float, bold: bool = False) -> float:
    wide = sum(_WIDTHS.get(letter, 0.56) for letter in text)
    return wide * size * (1.07 if bold else 1.0)


def wrapped(text: str, size: float, most: float, lines: int) -> list[str]:
    """The words in so many lines at most, the last with `…` where there are more of them."""
    found: list[str] = []
    line = ""
    for word in text.split():
        if line and _width(f"{line} {word}", size) <= most:
            line = f"{line} {word}"
            continue
        if line:
            found.append(line)
        line = word
        while _width(line, size) > most and len(line) > 1:
            fits = next(
                n for n in range(len(line) - 1, 0, -1) if n == 1 or _width(line[:n], size) <= most
            )
            found.append(line[:fits])
            line = line[fits:]
    if line:
        found.append(line)
    if len(found) <= lines:
        return found
    last = found[lines - 1]
    while last and _width(f"{last}…", size) > most:
        last = last[:-1]
    return [*found[: lines - 1], f"{last.rstrip(' ,.;:')}…"]


# What stands where


@dataclass(slots=True)
class _Card:
    """A node, its text in lines, and its size."""

    node: Node
    shape: str
    title: list[str]
    body: list[str]
    foot: str
    exits: tuple[Exit, ...]
    box: Box


def _card(node: Node, footing: Footing | None) -> _Card:
    shape = SHAPES.get(node.verb, "rounded")
    foot = footing.text if footing else ""
    exits = footing.exits if footing else ()
    left = max((_width(each.text, SMALL) + 30 for each in exits), default=0.0)
    if shape in ("dot", "ring", "knot"):
        side = 2 * DOT if shape != "knot" else 1.5 * DOT
        high = max(side, len(exits) * 18.0)
        return _Card(node, shape, [], [], "", exits, Box(node.id, side, high, left))
    title = wrapped(node.title, TITLE, MOST, 2)
    body = [part for line in node.lines for part in wrapped(line, BODY, MOST, LINES_AT_MOST)][
        : LINES_AT_MOST + 2
    ]
    wide = max(
        (
            *(_width(line, TITLE, bold=True) for line in title),
            *(_width(line, BODY) for line in body),
            _width(foot, SMALL, bold=True),
            _width(node.verb, SMALL),
            LEAST,
        )
    )
    slant = {"hexagon": SLANT, "slanted": SLANT, "stadium": 10.0}.get(shape, 0.0)
    insets = (0.0, slant / 2, slant) if shape == "slanted" else (slant, 0.0, slant)
    high = (
        10.0
        + SMALL * LEADING
        + (len(title) * TITLE + len(body) * BODY + (SMALL + 3 if foot else 0)) * LEADING
        + (8.0 if shape == "stadium" else 6.0)
    )
    high = max(high, len(exits) * 18.0 + 6)
    box = Box(node.id, wide + 22 + 2 * slant, high, left, insets)
    return _Card(node, shape, title, body, foot, exits, box)


@dataclass(slots=True)
class _Sign:
    """What stands on an arrow, in lines."""

    label: list[str]
    mark: str
    link: Link


def _sign(edge: Edge, mark: Mark | None, target: str) -> _Sign:
    words = f"{edge.label} → {target}" if edge.pointer else edge.label
    label = wrapped(words, SMALL, LABEL_WIDTH, LABEL_LINES)
    text = mark.text if mark else ""
    if not label and not text:
        return _Sign([], "", Link(edge.source, edge.target, pointer=edge.pointer))
    wide = max(*(_width(line, SMALL) for line in label), _width(text, SMALL, bold=True), 8.0) + 14
    high = (len(label) + bool(text)) * SMALL * LEADING + 5
    return _Sign(label, text, Link(edge.source, edge.target, wide, high, edge.pointer))


# SVG


def draw(flow: Flow, notes: Notes | None = None, style: str | None = None) -> str:
    """The chart. With `style`, the rules of its classes, it is a document of its own, with its
    title and its legend; without, a part of a page, whose steps and arrows can be chosen."""
    told = notes or Notes()
    cards = [_card(node, told.steps.get(node.id)) for node in flow.nodes]
    names = {node.id: node.title for node in flow.nodes}
    signs = [_sign(edge, told.ways.get(edge.key), names[edge.target]) for edge in flow.edges]
    picture = lay_out([card.box for card in cards], [sign.link for sign in signs])
    alone = style is not None
    broad = min(max(picture.width - 32, 420), 900)
    legend = [part for line in told.legend for part in wrapped(line, BODY, broad, 9)]
    legend = legend if alone else []
    head = 44.0 if alone else 0.0
    wide = picture.width
    if alone:
        texts = (*(_width(line, BODY) for line in legend), _width(flow.title, 17.0, bold=True))
        wide = max(wide, max(texts) + 32)
    high = picture.height + head + (len(legend) * 17.0 + 16 if legend else 0)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flow" lang="{escape(flow.language)}"'
        f' viewBox="0 0 {_n(wide)} {_n(high)}" width="{_n(wide)}" height="{_n(high)}"'
        f' role="{"img" if alone else "group"}" aria-labelledby="flow-title flow-desc"'
        ' font-family="-apple-system, Segoe UI, Roboto, Noto Sans, Ubuntu, Liberation Sans,'
        ' Arial, sans-serif">',
        f'<title id="flow-title">{escape(flow.title)}</title>',
        f'<desc id="flow-desc">{escape(_told(flow))}</desc>',
    ]
    if alone:
        out += [
            f"<style>{style}</style>",
            f'<rect class="flow-paper" width="{_n(wide)}" height="{_n(high)}"/>',
            f'<text class="flow-heading" x="16" y="31">{escape(flow.title)}</text>',
        ]
    out.append(f'<g transform="translate({_n((wide - picture.width) / 2)} {_n(head)})">')
    numbers = range(len(flow.edges))
    for n in sorted(numbers, key=lambda n: _breadth(flow.edges[n], told)):
        out += _arrow(flow.edges[n], signs[n], picture.ways[n], told, alone=alone)
    for card in cards:
        out += _step(card, picture, told, alone=alone)
    out.append("</g>")
    for n, line in enumerate(legend):
        y = picture.height + head + 14 + n * 17
        out.append(f'<text class="flow-legend" x="16" y="{_n(y)}">{escape(line)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _told(flow: Flow) -> str:
    """The chart in words, for whom there is no picture."""
    names = {node.id: node.title for node in flow.nodes}
    return "; ".join(
        f"{names[edge.source]} → {names[edge.target]}" + (f" ({edge.label})" if edge.label else "")
        for edge in flow.edges
    )


def _breadth(edge: Edge, notes: Notes) -> float:
    mark = notes.ways.get(edge.key)
    return mark.breadth if mark else 0.0


def _arrow(edge: Edge, sign: _Sign, way: Way, notes: Notes, *, alone: bool) -> list[str]:
    mark = notes.ways.get(edge.key)
    kinds = ["flow-arrow", f"flow-{way.kind}"]
    if mark is not None and mark.breadth == 0:
        kinds.append("flow-unused")
    broad = 1.5 + (BROADEST - 1.5) * (mark.breadth if mark else 0.0)
    tip = mark.tip if mark else edge.label
    choose = "" if alone else f' tabindex="-1" role="button" aria-label="{_quoted(tip)}"'
    head = 6.0 + 0.75 * broad
    down, end = way.kind == "down", way.points[-1]
    line = list(way.points)
    if way.kind != "pointer":
        line = _shortened(line, head * 0.8, down=down)
    out = [
        f'<g class="{" ".join(kinds)}" data-step="{_quoted(edge.source)}"'
        f' data-way="{_quoted(" ".join(edge.ways))}" data-to="{_quoted(edge.target)}"{choose}>'
    ]
    if tip:
        out.append(f"<title>{escape(tip)}</title>")
    path = _path(line)
    if not alone:
        out.append(f'<path class="flow-reach" d="{path}"/>')
    out.append(f'<path class="flow-line" d="{path}" stroke-width="{_n(broad)}"/>')
    if way.kind != "pointer":
        out.append(f'<path class="flow-head" d="{_head(end, head, down=down)}"/>')
    if way.label is not None:
        out += _pill(sign, way.label)
    out.append("</g>")
    return out


def _pill(sign: _Sign, middle: Point) -> list[str]:
    x, y = middle
    wide, high = sign.link.width, sign.link.height
    out = [
        f'<rect class="flow-pill" x="{_n(x - wide / 2)}" y="{_n(y - high / 2)}" width="{_n(wide)}"'
        f' height="{_n(high)}" rx="7"/>'
    ]
    lines = [(line, "flow-label") for line in sign.label]
    lines += [(sign.mark, "flow-mark")] if sign.mark else []
    top = y - len(lines) * SMALL * LEADING / 2 + SMALL * 0.98
    for n, (line, name) in enumerate(lines):
        at = top + n * SMALL * LEADING
        out.append(f'<text class="{name}" x="{_n(x)}" y="{_n(at)}">{escape(line)}</text>')
    return out


def _step(card: _Card, picture: Picture, notes: Notes, *, alone: bool) -> list[str]:
    node, at = card.node, picture.boxes[card.node.id]
    footing = notes.steps.get(node.id)
    tip = " · ".join((node.title, *node.lines)) + (f"\n{footing.tip}" if footing else "")
    choose = "" if alone else f' tabindex="-1" role="button" aria-label="{_quoted(tip)}"'
    out = [
        f'<g class="flow-step flow-is-{escape(node.verb)}" id="step-{_quoted(node.id)}"'
        f' data-step="{_quoted(node.id)}"{choose}>',
        f"<title>{escape(tip)}</title>",
        *_exits(card, at),
        _outline(card.shape, at),
    ]
    if not card.title:
        return [*out, "</g>"]
    x = at.x + at.width / 2
    text = [(node.verb.replace("_", " "), "flow-verb", SMALL)]
    text += [(line, "flow-title", TITLE) for line in card.title]
    text += [(line, "flow-body", BODY) for line in card.body]
    high = sum(size for _, _, size in text) * LEADING
    if card.foot:
        high += (SMALL + 3) * LEADING
    y = at.y + (at.height - high) / 2
    for line, name, size in text:
        base = y + size * 1.02
        out.append(f'<text class="{name}" x="{_n(x)}" y="{_n(base)}">{escape(line)}</text>')
        y += size * LEADING
    if card.foot:
        base = y + SMALL * 1.02 + 3
        out.append(f'<text class="flow-foot" x="{_n(x)}" y="{_n(base)}">{escape(card.foot)}</text>')
    return [*out, "</g>"]


def _exits(card: _Card, at: Placed) -> list[str]:
    out = []
    for n, each in enumerate(card.exits):
        y = at.y + at.height / 2 + (n - (len(card.exits) - 1) / 2) * 18
        inside, tip = at.x + at.width / 2, at.x - 20
        out += [
            f'<g class="flow-exit flow-{escape(each.kind)}"><title>{escape(each.tip)}</title>',
            f'<path class="flow-line" d="M{_n(inside)} {_n(y)}H{_n(tip + 6)}"/>',
            f'<path class="flow-head" d="M{_n(tip)} {_n(y)}l8 -4.5v9z"/>',
            f'<text x="{_n(tip - 4)}" y="{_n(y + 3.8)}">{escape(each.text)}</text></g>',
        ]
    return out


def _outline(shape: str, at: Placed) -> str:
    x, y, w, h = at.x, at.y, at.width, at.height
    middle = f'cx="{_n(x + w / 2)}" cy="{_n(y + h / 2)}"'
    if shape in ("dot", "knot"):
        return f'<circle class="flow-shape" {middle} r="{_n(w / 2)}"/>'
    if shape == "ring":
        return (
            f'<circle class="flow-shape" {middle} r="{_n(DOT)}"/>'
            f'<circle class="flow-core" {middle} r="{_n(DOT - 3.5)}"/>'
        )
    if shape == "hexagon":
        half = h / 2
        return (
            f'<path class="flow-shape" d="M{_n(x + SLANT)} {_n(y)}h{_n(w - 2 * SLANT)}'
            f"l{_n(SLANT)} {_n(half)}l{_n(-SLANT)} {_n(half)}h{_n(2 * SLANT - w)}"
            f'l{_n(-SLANT)} {_n(-half)}z"/>'
        )
    if shape == "slanted":
        return (
            f'<path class="flow-shape" d="M{_n(x + SLANT)} {_n(y)}h{_n(w - SLANT)}'
            f'l{_n(-SLANT)} {_n(h)}h{_n(SLANT - w)}z"/>'
        )
    round_ = {"plain": 2.0, "stadium": min(h / 2, 30.0)}.get(shape, 9.0)
    return (
        f'<rect class="flow-shape" x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}"'
        f' rx="{_n(round_)}"/>'
    )


def _shortened(points: Sequence[Point], by: float, *, down: bool) -> list[Point]:
    """Less the length of the head, which comes down or from the right."""
    *rest, before, end = points
    short = (end[0], end[1] - by) if down else (end[0] + by, end[1])
    return [*rest, short if before == end else before, short]


def _head(end: Point, size: float, *, down: bool) -> str:
    x, y = end
    half = size * 0.62
    if down:
        return f"M{_n(x)} {_n(y)}l{_n(-half)} {_n(-size)}h{_n(2 * half)}z"
    return f"M{_n(x)} {_n(y)}l{_n(size)} {_n(-half)}v{_n(2 * half)}z"


def _path(points: Sequence[Point]) -> str:
    at = points[0]
    out = [f"M{_n(at[0])} {_n(at[1])}"]
    for n in range(1, len(points), 3):
        one, two, end = points[n : n + 3]
        if one == at and two == end:
            out.append(f"L{_n(end[0])} {_n(end[1])}")
        else:
            pairs = " ".join(f"{_n(x)} {_n(y)}" for x, y in (one, two, end))
            out.append(f"C{pairs}")
        at = end
    return "".join(out)


def _n(value: float) -> str:
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def _quoted(text: str) -> str:
    return escape(text).replace("\n", "&#10;")


# Mermaid

_BRACKETS: Mapping[str, tuple[str, str]] = {
    "dot": ("((", "))"),
    "ring": ("(((", ")))"),
    "knot": ("((", "))"),
    "hexagon": ("{{", "}}"),
    "slanted": ("[/", "/]"),
    "plain": ("[", "]"),
    "stadium": ("([", "])"),
    "rounded": ("(", ")"),
}


def mermaid(flow: Flow, notes: Notes | None = None) -> str:
    """The chart in Mermaid's language, as Markdown on many a forge shows it."""
    told = notes or Notes()
    numbers = {node.id: f"s{n}" for n, node in enumerate(flow.nodes)}
    out = ["---", f"title: {_plain(flow.title)}", "---", "flowchart TD"]
    for node in flow.nodes:
        shape = SHAPES.get(node.verb, "rounded")
        first, last = _BRACKETS[shape]
        texts = [node.title, *node.lines]
        footing = told.steps.get(node.id)
        if footing:
            texts += [footing.text, *(each.text for each in footing.exits)]
        text = "<br>".join(_entities(each) for each in texts if each) or " "
        out.append(f'  {numbers[node.id]}{first}"{text}"{last}')
    for edge in flow.edges:
        mark = told.ways.get(edge.key)
        texts = [edge.label, mark.text if mark else ""]
        text = "<br>".join(_entities(each) for each in texts if each)
        line = "-.->" if edge.pointer else "-->"
        on = f'|"{text}"|' if text else ""
        out.append(f"  {numbers[edge.source]} {line}{on} {numbers[edge.target]}")
    return "\n".join(out) + "\n"


def _entities(text: str) -> str:
    """Mermaid has entities of its own, with # for &."""
    for letter, entity in (
        ("#", "#35;"),
        ("&", "#amp;"),
        ('"', "#quot;"),
        ("<", "#lt;"),
        (">", "#gt;"),
        ("`", "#96;"),
    ):
        text = text.replace(letter, entity)
    return " ".join(text.split())


def _plain(text: str) -> str:
    """A YAML string in double quotes."""
    one = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{one}"'
