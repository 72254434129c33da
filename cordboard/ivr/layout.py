"""Where the boxes and arrows of a flow chart stand: in layers, from the top down. Pure.

Sugiyama's method: arrows that lead back are turned round, each box gets the layer below its deepest
predecessor, labels get layers of their own between those of the boxes, the order in each layer is
improved by barycentres and swaps, and the places across are worked out as Brandes and Köpf do
(`placement.py`). An arrow that leads back leaves at the right side of its box and comes in at the
right side of the other, so that nobody takes it for one that goes down.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cordboard.ivr.placement import Segment, Slot, places

MARGIN = 16.0
ROW = 20.0
"""Height of an arrow at the right side of a box, at least."""
STUB, LANE, CURL, BEND = 14.0, 10.0, 24.0, 7.0
GAP_LEAST, GAP_MOST = 16.0, 64.0
SWEEPS = 12
"""Up and down, at most; it stops when three of them bring nothing."""

Point = tuple[float, float]
Kind = Literal["down", "back", "self", "pointer"]


@dataclass(frozen=True, slots=True)
class Box:
    """`left` is room kept beside it; `insets` how far its right side is drawn in at the top, in the
    middle and at the bottom."""

    id: str
    width: float
    height: float
    left: float = 0.0
    insets: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow, and the size of what stands on it. A pointer is not led to its target, it only
    names it."""

    source: str
    target: str
    width: float = 0.0
    height: float = 0.0
    pointer: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """The upper left corner, and the size: a box is as high as its arrows at the side need."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Way:
    """`points`: where it begins, then three for each Bézier curve. `label` is the middle of what
    stands on it, None where nothing does."""

    kind: Kind
    points: tuple[Point, ...]
    label: Point | None


@dataclass(frozen=True, slots=True)
class Picture:
    """`ways` in the order of the links. `layers` tells the layer of each box, from the top."""

    width: float
    height: float
    boxes: dict[str, Placed]
    ways: tuple[Way, ...]
    layers: dict[str, int]


def lay_out(boxes: Sequence[Box], links: Sequence[Link]) -> Picture:
    """The first box is where it begins. Raises `KeyError` for a link to a box that is not there."""
    return _Chart(boxes, links).picture()


@dataclass(slots=True)
class _Side:
    """What leaves and enters a box at its right side, from the top down."""

    rows: list[int] = field(default_factory=list)
    row: float = ROW
    width: float = 0.0
    has_arrivals: bool = False
    lanes: dict[int, float] = field(default_factory=dict)
    """Of links that lead back: how far right of the box's side each goes up."""
    arrival: float = 0.0

    @property
    def count(self) -> int:
        return len(self.rows) + self.has_arrivals


class _Chart:
    def __init__(self, boxes: Sequence[Box], links: Sequence[Link]) -> None:
        self.boxes = list(boxes)
        self.links = list(links)
        self.number = {box.id: number for number, box in enumerate(self.boxes)}
        self.ends = [(self.number[link.source], self.number[link.target]) for link in links]
        self.kinds = self._kinds()
        self.ranks = self._ranks()
        self.sides = self._sides()
        self.heights = [
            max(box.height, (side.count - 1) * side.row + 2 * BEND if side.count > 1 else 0)
            for box, side in zip(self.boxes, self.sides, strict=True)
        ]
        self.slots: list[Slot] = []
        self.segments: list[Segment] = []
        self.chains: dict[int, list[int]] = {}
        """Of each link that is led: the slots that it passes, from the upper box to the lower."""
        self.layers = self._layers()

    def picture(self) -> Picture:
        order(self.layers, self.slots, self.segments)
        x = places(self.layers, self.slots, self.segments)
        left = min((x[n] - slot.left for n, slot in enumerate(self.slots)), default=0.0)
        x = [each - left + MARGIN for each in x]
        tops, bottoms = self._rows(x)
        middles = [(top + bottom) / 2 for top, bottom in zip(tops, bottoms, strict=True)]
        placed = [
            Placed(
                x[n] - box.width / 2,
                middles[2 * self.ranks[n]] - self.heights[n] / 2,
                box.width,
                self.heights[n],
            )
            for n, box in enumerate(self.boxes)
        ]
        ways = tuple(self._way(n, placed, x, tops, bottoms) for n in range(len(self.links)))
        right = max((x[n] + slot.right for n, slot in enumerate(self.slots)), default=0.0)
        return Picture(
            right + MARGIN,
            (bottoms[-1] if bottoms else 0.0) + MARGIN,
            {box.id: at for box, at in zip(self.boxes, placed, strict=True)},
            ways,
            {box.id: rank for box, rank in zip(self.boxes, self.ranks, strict=True)},
        )

    # Layers

    def _kinds(self) -> list[Kind]:
        """An arrow leads back where its target is on the way from the beginning to its source."""
        kinds: list[Kind] = ["down"] * len(self.links)
        leaving: list[list[int]] = [[] for _ in self.boxes]
        for n, (source, target) in enumerate(self.ends):
            if self.links[n].pointer:
                kinds[n] = "pointer"
            elif source == target:
                kinds[n] = "self"
            else:
                leaving[source].append(n)
        white, grey, black = 0, 1, 2
        colours = [white] * len(self.boxes)
        for root in range(len(self.boxes)):
            if colours[root] != white:
                continue
            colours[root] = grey
            stack = [(root, iter(leaving[root]))]
            while stack:
                box, rest = stack[-1]
                link = next(rest, None)
                if link is None:
                    colours[box] = black
                    stack.pop()
                    continue
                target = self.ends[link][1]
                if colours[target] == grey:
                    kinds[link] = "back"
                elif colours[target] == white:
                    colours[target] = grey
                    stack.append((target, iter(leaving[target])))
        return kinds

    def _ranks(self) -> list[int]:
        """Of each box: the length of the longest way down to it. A box that only pointers name
        stands below them all the same."""
        below: list[list[int]] = [[] for _ in self.boxes]
        waits = [0] * len(self.boxes)
        for n, (source, target) in enumerate(self.ends):
            if self.kinds[n] == "down":
                below[source].append(target)
                waits[target] += 1
        pointed: dict[int, list[int]] = {}
        for n, (source, target) in enumerate(self.ends):
            if self.kinds[n] == "pointer" and waits[target] == 0 and target != 0:
                pointed.setdefault(target, []).append(source)
        ranks = [0] * len(self.boxes)
        ready = [box for box in range(len(self.boxes)) if waits[box] == 0 and box not in pointed]
        done = 0
        late = list(pointed)
        while ready or late:
            if not ready:
                box = late.pop(0)
                ranks[box] = max(ranks[source] for source in pointed[box]) + 1
                ready.append(box)
            box = ready.pop(0)
            done += 1
            for target in below[box]:
                ranks[target] = max(ranks[target], ranks[box] + 1)
                waits[target] -= 1
                if waits[target] == 0:
                    ready.append(target)
        assert done == len(self.boxes)
        return ranks

    def _sides(self) -> list[_Side]:
        sides = [_Side() for _ in self.boxes]
        for n, (source, target) in enumerate(self.ends):
            if self.kinds[n] == "down":
                continue
            side, link = sides[source], self.links[n]
            side.rows.append(n)
            extra = CURL if self.kinds[n] == "self" else STUB
            side.width = max(side.width, extra + link.width)
            side.row = max(side.row, link.height + 4)
            if self.kinds[n] == "back":
                sides[target].has_arrivals = True
        for side in sides:
            # The lower of two must go up on the right of the other's label.
            free = max(side.width, STUB) + 4
            if side.has_arrivals:
                side.arrival = free
                free += LANE
            for n in side.rows:
                if self.kinds[n] == "back":
                    side.lanes[n] = free
                    free += LANE
            if side.count:
                side.width = free
        return sides

    def _layers(self) -> list[list[int]]:
        """Slots for the boxes, at first one after the other as they are reached, and for all that
        the arrows pass on their way."""
        count = 2 * max(self.ranks, default=-1) + 1
        for box, side, height in zip(self.boxes, self.sides, self.heights, strict=True):
            right = box.width / 2 + side.width
            self.slots.append(Slot(box.width / 2 + box.left, right, height))
        layer_of = [2 * rank for rank in self.ranks]
        for n, link in enumerate(self.links):
            if self.kinds[n] not in ("down", "back"):
                continue
            upper, lower = self.ends[n]
            above, under, above_port, under_port = 0.0, 0.0, 0, 0
            if self.kinds[n] == "back":
                upper, lower = lower, upper
                above = self.boxes[upper].width / 2 + self.sides[upper].arrival
                under = self.boxes[lower].width / 2 + self.sides[lower].lanes[n]
                above_port = under_port = 1
            chain = [upper]
            for layer in range(2 * self.ranks[upper] + 1, 2 * self.ranks[lower]):
                labelled = self.kinds[n] == "down" and len(chain) == 1 and link.width > 0
                half = link.width / 2 + 3 if labelled else 3.0
                height = link.height if labelled else 0.0
                chain.append(len(self.slots))
                self.slots.append(Slot(half, half, height, is_bend=True))
                layer_of.append(layer)
            chain.append(lower)
            self.chains[n] = chain
            last = len(chain) - 2
            for place, (one, other) in enumerate(itertools.pairwise(chain)):
                self.segments.append(
                    Segment(
                        one,
                        other,
                        above if place == 0 else 0.0,
                        under if place == last else 0.0,
                        above_port if place == 0 else 0,
                        under_port if place == last else 0,
                    )
                )
        lower_of: list[list[int]] = [[] for _ in self.slots]
        for segment in self.segments:
            lower_of[segment.upper].append(segment.lower)
        layers: list[list[int]] = [[] for _ in range(count)]
        seen = [False] * len(self.slots)
        for root in sorted(range(len(self.boxes)), key=lambda box: self.ranks[box]):
            stack = [root]
            while stack:
                slot = stack.pop()
                if not seen[slot]:
                    seen[slot] = True
                    layers[layer_of[slot]].append(slot)
                    stack += reversed(lower_of[slot])
        return layers

    # Places down, and the arrows

    def _rows(self, x: Sequence[float]) -> tuple[list[float], list[float]]:
        """Top and bottom of each layer: the flatter the arrows between two, the more room."""
        across = [0.0] * len(self.layers)
        layer_of = {slot: n for n, layer in enumerate(self.layers) for slot in layer}
        for one in self.segments:
            n = layer_of[one.upper]
            dx = abs(x[one.upper] + one.upper_at - x[one.lower] - one.lower_at)
            across[n] = max(across[n], dx)
        tops, bottoms, y = [], [], MARGIN
        for n, layer in enumerate(self.layers):
            tops.append(y)
            y += max((self.slots[slot].height for slot in layer), default=0.0)
            bottoms.append(y)
            y += min(GAP_MOST, max(GAP_LEAST, 10 + 0.1 * across[n]))
        return tops, bottoms

    def _way(
        self,
        n: int,
        placed: Sequence[Placed],
        x: Sequence[float],
        tops: Sequence[float],
        bottoms: Sequence[float],
    ) -> Way:
        source, target = self.ends[n]
        kind, link = self.kinds[n], self.links[n]
        if kind == "down":
            chain = self.chains[n]
            pen = _Pen((x[source], placed[source].y + placed[source].height))
            layer = 2 * self.ranks[source]
            label = None
            for place, slot in enumerate(chain):
                if slot not in (source, target):
                    pen.drop(x[slot], tops[layer + place], bottoms[layer + place])
                    if place == 1 and link.width > 0:
                        label = (x[slot], (tops[layer + 1] + bottoms[layer + 1]) / 2)
                elif slot == source:
                    pen.line(x[source], bottoms[layer])
            top = tops[2 * self.ranks[target]]
            pen.drop(x[target], top, placed[target].y)
            return Way(kind, pen.points, label)
        box, side = placed[source], self.sides[source]
        row = side.rows.index(n)
        y = box.y + box.height / 2 + (row - (side.count - 1) / 2) * side.row
        start = self._right(source, box, y)
        edge = box.x + box.width
        middle = STUB + link.width / 2
        if kind == "self":
            middle = CURL + link.width / 2
            pen = _Pen((self._right(source, box, y - BEND), y - BEND))
            pen.line(edge + CURL - 2 * BEND, y - BEND)
            pen.curve(
                (edge + CURL - BEND / 2, y - BEND),
                (edge + CURL - BEND / 2, y + BEND),
                (edge + CURL - 2 * BEND, y + BEND),
            )
            pen.line(self._right(source, box, y + BEND), y + BEND)
        elif kind == "pointer":
            pen = _Pen((start, y))
            pen.line(edge + STUB, y)
        else:
            pen = _Pen((start, y))
            pen.turn(edge + side.lanes[n], y, up=True)
            upper = self.chains[n][0]
            low, high = 2 * self.ranks[source], 2 * self.ranks[upper]
            pen.line(pen.at[0], tops[low])
            for place, slot in enumerate(reversed(self.chains[n][1:-1]), 1):
                pen.drop(x[slot], bottoms[low - place], tops[low - place])
            into, other = placed[upper], self.sides[upper]
            lane = into.x + into.width + other.arrival
            end = into.y + into.height / 2 + (other.count - 1) / 2 * other.row
            pen.drop(lane, bottoms[high], end + BEND)
            pen.curve((lane, end + BEND / 2), (lane - BEND / 2, end), (lane - BEND, end))
            pen.line(self._right(upper, into, end), end)
        return Way(kind, pen.points, (edge + middle, y) if link.width > 0 else None)

    def _right(self, n: int, box: Placed, y: float) -> float:
        """Where the right side of a box is at this height."""
        top, middle, bottom = self.boxes[n].insets
        off = (y - box.y - box.height / 2) / (box.height / 2)
        inset = middle + (bottom - middle) * off if off > 0 else middle + (middle - top) * off
        return box.x + box.width - inset


class _Pen:
    """Draws with Bézier curves."""

    def __init__(self, start: Point) -> None:
        self.points: tuple[Point, ...] = (start,)

    @property
    def at(self) -> Point:
        return self.points[-1]

    def curve(self, one: Point, two: Point, end: Point) -> None:
        self.points += (one, two, end)

    def line(self, x: float, y: float) -> None:
        if (x, y) != self.at:
            self.curve(self.at, (x, y), (x, y))

    def drop(self, x: float, first: float, last: float) -> None:
        """Swings over to `x` until it is at the height `first`, and goes straight on to `last`."""
        if abs(x - self.at[0]) < 0.01:
            self.line(self.at[0], last)
            return
        middle = (self.at[1] + first) / 2
        self.curve((self.at[0], middle), (x, middle), (x, first))
        self.line(x, last)

    def turn(self, x: float, y: float, *, up: bool) -> None:
        """Straight across, and round the corner at `x`."""
        end = y - BEND if up else y + BEND
        self.line(x - BEND, y)
        middle = (y + end) / 2
        self.curve((x - BEND / 2, y), (x, middle), (x, end))


# The order in the layers


def order(layers: list[list[int]], slots: Sequence[Slot], segments: Sequence[Segment]) -> None:
    """Puts each layer in an order with few crossings."""
    layer_of = {slot: n for n, layer in enumerate(layers) for slot in layer}
    between: list[list[Segment]] = [[] for _ in layers]
    for segment in segments:
        between[layer_of[segment.upper]].append(segment)
    rank = [0] * len(slots)

    def number(layer: list[int]) -> None:
        for place, slot in enumerate(layer):
            rank[slot] = 2 * place

    def crossings() -> int:
        return sum(_crossings(part, rank) for part in between)

    for layer in layers:
        number(layer)
    best, least = [list(layer) for layer in layers], crossings()
    vain = 0
    for sweep in range(SWEEPS):
        if not least or vain == 3:
            break
        down = sweep % 2 == 0
        for n in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            _arrange(layers[n], between[n - 1] if down else between[n], rank, down=down)
            number(layers[n])
        vain += 1
        if (now := crossings()) < least:
            best, least, vain = [list(layer) for layer in layers], now, 0
    layers[:] = best
    for layer in layers:
        number(layer)
    _swap(layers, between, rank)


def _crossings(part: list[Segment], rank: list[int]) -> int:
    ends = sorted(
        (rank[one.upper] + one.upper_port, rank[one.lower] + one.lower_port) for one in part
    )
    seen: list[int] = []
    count = 0
    for _, lower in ends:
        count += len(seen) - bisect_right(seen, lower)
        insort(seen, lower)
    return count


def _arrange(layer: list[int], part: list[Segment], rank: list[int], *, down: bool) -> None:
    """By the mean place of the neighbours; whoever has none keeps his place."""
    total: dict[int, list[int]] = {}
    for one in part:
        slot, at = (
            (one.lower, rank[one.upper] + one.upper_port)
            if down
            else (one.upper, rank[one.lower] + one.lower_port)
        )
        total.setdefault(slot, []).append(at)
    free = [place for place, slot in enumerate(layer) if slot in total]
    moved = sorted(
        (layer[place] for place in free), key=lambda slot: sum(total[slot]) / len(total[slot])
    )
    for place, slot in zip(free, moved, strict=True):
        layer[place] = slot


def _swap(layers: list[list[int]], between: list[list[Segment]], rank: list[int]) -> None:
    """Neighbours change places where that makes fewer crossings."""
    above: dict[int, list[tuple[int, int]]] = {}
    under: dict[int, list[tuple[int, int]]] = {}
    for part in between:
        for one in part:
            under.setdefault(one.upper, []).append((one.lower, one.lower_port))
            above.setdefault(one.lower, []).append((one.upper, one.upper_port))

    def cost(left: int, right: int) -> int:
        count = 0
        for side in (above, under):
            ends = sorted(rank[slot] + port for slot, port in side.get(right, ()))
            if ends:
                for slot, port in side.get(left, ()):
                    at = rank[slot] + port
                    count += len([1 for end in ends if end < at])
        return count

    for _ in range(4):
        is_better = False
        for layer in layers:
            for place in range(len(layer) - 1):
                left, right = layer[place], layer[place + 1]
                if cost(left, right) > cost(right, left):
                    layer[place], layer[place + 1] = right, left
                    rank[left], rank[right] = rank[right], rank[left]
                    is_better = True
        if not is_better:
            return
