"""How far right the slots of a layered drawing stand: Brandes and Köpf, with sizes and ports. Pure.

"Fast and Simple Horizontal Coordinate Assignment" (2001): four layouts, each as far to one side as
it goes, with straight arrows where possible; the mean of the two in the middle is taken. An arrow
that is attached beside the middle of a slot is kept straight, too. What stands straight under each
other is then drawn as one towards what it is tied to, as far as there is room.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

BETWEEN, BESIDE = 26.0, 12.0
"""Room between two boxes, and beside an arrow that passes."""
PULLS = 6


@dataclass(frozen=True, slots=True)
class Slot:
    """What takes room in a layer: left and right of its middle. A bend is a part of an arrow."""

    left: float
    right: float
    height: float
    is_bend: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """An arrow, or a part of one, from a layer to the next: how far right of the middle it is
    attached. A port of 1 is at the right side of the box."""

    upper: int
    lower: int
    upper_at: float = 0.0
    lower_at: float = 0.0
    upper_port: int = 0
    lower_port: int = 0


Neighbours = list[list[tuple[int, float]]]
"""Of each slot, those it has in the layer before: slot, and how far right of it a straight arrow
puts this one."""


def places(
    layers: Sequence[Sequence[int]], slots: Sequence[Slot], segments: Sequence[Segment]
) -> list[float]:
    """The middle of each slot; the order in the layers is kept."""
    if not slots:
        return []
    rank = [0] * len(slots)
    for layer in layers:
        for place, slot in enumerate(layer):
            rank[slot] = place
    upper: Neighbours = [[] for _ in slots]
    lower: Neighbours = [[] for _ in slots]
    for one in segments:
        upper[one.lower].append((one.upper, one.upper_at - one.lower_at))
        lower[one.upper].append((one.lower, one.lower_at - one.upper_at))
    for near in (*upper, *lower):
        near.sort(key=lambda pair: (rank[pair[0]], pair[1]))
    conflicts = _conflicts(layers, slots, upper, rank)
    found = [
        _extreme(rows, slots, neighbours, conflicts, mirrored=mirrored)
        for neighbours, rows in ((upper, list(layers)), (lower, list(layers)[::-1]))
        for mirrored in (False, True)
    ]
    widths = [
        max(x[n] + slot.right for n, slot in enumerate(slots))
        - min(x[n] - slot.left for n, slot in enumerate(slots))
        for x in found
    ]
    narrow = found[widths.index(min(widths))]
    shifted = []
    for number, x in enumerate(found):
        pick = max if number % 2 else min
        by = pick(narrow) - pick(x)
        shifted.append([each + by for each in x])
    x = [sum(sorted(four)[1:3]) / 2 for four in zip(*shifted, strict=True)]
    _pull(x, layers, slots, segments)
    return x


def _conflicts(
    layers: Sequence[Sequence[int]],
    slots: Sequence[Slot],
    upper: Neighbours,
    rank: Sequence[int],
) -> set[tuple[int, int]]:
    """Arrows between boxes that cross a part of a long one: that is kept straight, they are not."""
    found = set()
    for before, layer in itertools.pairwise(layers):
        low, done = 0, 0
        for place, slot in enumerate(layer):
            inner = slots[slot].is_bend and upper[slot] and slots[upper[slot][0][0]].is_bend
            if not inner and place != len(layer) - 1:
                continue
            high = rank[upper[slot][0][0]] if inner else len(before)
            for each in layer[done : place + 1]:
                for near, _ in upper[each]:
                    is_part = slots[near].is_bend and slots[each].is_bend
                    if not is_part and not low <= rank[near] <= high:
                        found.add((near, each) if near < each else (each, near))
            low, done = high, place + 1
    return found


def _extreme(
    layers: Sequence[Sequence[int]],
    slots: Sequence[Slot],
    neighbours: Neighbours,
    conflicts: set[tuple[int, int]],
    *,
    mirrored: bool,
) -> list[float]:
    """All as far left as it goes, or where it is mirrored as far right; in lines of slots that
    stand straight under each other."""
    sign = -1 if mirrored else 1
    rows = [list(layer)[::sign] for layer in layers]
    rank = [0] * len(slots)
    for row in rows:
        for place, slot in enumerate(row):
            rank[slot] = place
    root, inner = list(range(len(slots))), [0.0] * len(slots)
    for row in rows:
        reached = -1
        for slot in row:
            near = neighbours[slot][::sign]
            if not near:
                continue
            middle = (len(near) - 1) // 2
            for other, at in near[middle : len(near) // 2 + 1]:
                pair = (other, slot) if other < slot else (slot, other)
                if root[slot] != slot or pair in conflicts:
                    continue
                if reached < rank[other]:
                    root[slot] = root[other]
                    inner[slot] = inner[other] + sign * at
                    reached = rank[other]
    x = _compacted(rows, slots, root, inner, mirrored=mirrored)
    return [sign * (x[root[n]] + inner[n]) for n in range(len(slots))]


def _compacted(
    rows: Sequence[Sequence[int]],
    slots: Sequence[Slot],
    root: Sequence[int],
    inner: Sequence[float],
    *,
    mirrored: bool,
) -> list[float]:
    """Where each line stands: as far left as those before it let it, then towards those after it,
    where there is room."""
    apart: dict[tuple[int, int], float] = {}
    after: list[list[int]] = [[] for _ in slots]
    before: list[list[int]] = [[] for _ in slots]
    for row in rows:
        for one, other in itertools.pairwise(row):
            left, right = slots[one], slots[other]
            gap = _gap(left, right)
            if mirrored:
                gap += left.left + right.right
            else:
                gap += left.right + right.left
            pair = root[one], root[other]
            if pair not in apart:
                after[pair[0]].append(pair[1])
                before[pair[1]].append(pair[0])
            need = gap + inner[one] - inner[other]
            apart[pair] = max(apart.get(pair, need), need)
    waits = [len(each) for each in before]
    sequence = [n for n in range(len(slots)) if root[n] == n and not waits[n]]
    for n in sequence:
        for other in after[n]:
            waits[other] -= 1
            if not waits[other]:
                sequence.append(other)
    x = [0.0] * len(slots)
    for n in sequence:
        x[n] = max((x[one] + apart[one, n] for one in before[n]), default=0.0)
    for n in reversed(sequence):
        if after[n]:
            x[n] = max(x[n], min(x[other] - apart[n, other] for other in after[n]))
    return x


def _gap(left: Slot, right: Slot) -> float:
    return BESIDE if left.is_bend or right.is_bend else BETWEEN


def _pull(
    x: list[float],
    layers: Sequence[Sequence[int]],
    slots: Sequence[Slot],
    segments: Sequence[Segment],
) -> None:
    group = list(range(len(slots)))

    def leader(slot: int) -> int:
        while group[slot] != slot:
            group[slot] = group[group[slot]]
            slot = group[slot]
        return slot

    def slack(one: Segment) -> float:
        """How far right of the upper end the lower one is."""
        return x[one.lower] + one.lower_at - x[one.upper] - one.upper_at

    for one in segments:
        if abs(slack(one)) < 0.5:
            group[leader(one.lower)] = leader(one.upper)
    members: dict[int, list[int]] = {}
    for slot in range(len(slots)):
        members.setdefault(leader(slot), []).append(slot)
    ties: dict[int, list[tuple[Segment, int]]] = {each: [] for each in members}
    for one in segments:
        upper, lower = leader(one.upper), leader(one.lower)
        if upper != lower:
            ties[upper].append((one, 1))
            ties[lower].append((one, -1))
    beside: list[tuple[int | None, int | None]] = [(None, None)] * len(slots)
    for layer in layers:
        for place, slot in enumerate(layer):
            left = layer[place - 1] if place else None
            beside[slot] = left, layer[place + 1] if place + 1 < len(layer) else None
    groups = list(members)
    for turn in range(PULLS):
        moved = False
        for each in groups if turn % 2 == 0 else reversed(groups):
            wishes = sorted(sign * slack(one) for one, sign in ties[each])
            if not wishes:
                continue
            low, high = wishes[(len(wishes) - 1) // 2], wishes[len(wishes) // 2]
            wish = low if low > 0 else min(high, 0.0)
            if low < 0 < high and not 0.8 < -low / high < 1.25:
                # As long in all, but one of the two is straight; a fork stays in the middle.
                wish = low if -low < high else high
            for slot in members[each]:
                left, right = beside[slot]
                if wish < 0 and left is not None:
                    need = slots[left].right + _gap(slots[left], slots[slot]) + slots[slot].left
                    wish = max(wish, min(0.0, x[left] + need - x[slot]))
                elif wish > 0 and right is not None:
                    need = slots[slot].right + _gap(slots[slot], slots[right]) + slots[right].left
                    wish = min(wish, max(0.0, x[right] - need - x[slot]))
            if abs(wish) > 0.5:
                moved = True
                for slot in members[each]:
                    x[slot] += wish
        if not moved:
            return
