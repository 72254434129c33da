"""Which of many rules are worth trying for a caller. Pure.

Most of a thousand rules ask for something of the caller that he has not: another status, another
number dialled. What a value makes of all conditions on it is worked out when it is first met, a bit
for each rule, and kept; so a thousand rules cost a caller little more than ten.

Only conditions that stand at the beginning of their rule are sifted by. Whatever makes a rule fail
is then among the values that were looked at, or was looked at when the rule was tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

from cordboard.queue.conditions import Check, Value

COMMON = 10
"""Rules with a condition on one value that make it worth sifting by. For the other values nothing
is looked at that a rule did not ask for."""

KEPT = 1000
"""Values of one kind of which it is kept what they let through."""

_OF_THE_MOMENT = ("time", "open.", "queue.")
"""They are another at each call, or cost more to look at than the rules that they rule out."""


class Sieve:
    """`rules` are the checks of each rule."""

    def __init__(self, rules: Sequence[Sequence[Check]]) -> None:
        self._all = (1 << len(rules)) - 1
        heads = [_head(checks) for checks in rules]
        counts = Counter(check.key for head in heads for check in head)
        self._meshes: dict[str, _Mesh] = {}
        self._rest: list[Sequence[Check]] = []
        for number, (checks, head) in enumerate(zip(rules, heads, strict=True)):
            sifted = list(takewhile(lambda check: counts[check.key] >= COMMON, head))
            for check in sifted:
                self._meshes.setdefault(check.key, _Mesh(self._all)).add(number, check)
            self._rest.append(checks[len(sifted) :])

    def left(self, values: Mapping[str, Value]) -> Iterator[tuple[int, Sequence[Check]]]:
        """The rules that may hold, by their numbers from 0, in order, with the checks that are
        still to be made of each; every other rule has a condition that does not hold."""
        left = self._all
        for key, mesh in self._meshes.items():
            left &= mesh.through(values[key])
        bits = f"{left:b}"[::-1]
        number = bits.find("1")
        while number >= 0:
            yield number, self._rest[number]
            number = bits.find("1", number + 1)


class _Mesh:
    """The conditions on one value. `everybody` has a bit for each rule."""

    def __init__(self, everybody: int) -> None:
        self._others = everybody
        self._checks: list[tuple[int, Check]] = []
        self._known: dict[object, int] = {}

    def add(self, rule: int, check: Check) -> None:
        self._checks.append((1 << rule, check))
        self._others &= ~(1 << rule)

    def through(self, value: Value) -> int:
        """The rules that have no condition on the value, or one that holds."""
        # A yes is no 1, although Python thinks so.
        key = tuple(value) if isinstance(value, list | tuple) else (type(value), value)
        found = self._known.get(key)
        if found is None:
            found = self._others
            for bit, check in self._checks:
                if check.holds(value):
                    found |= bit
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = found
        return found


def _head(checks: Sequence[Check]) -> list[Check]:
    return list(takewhile(lambda each: not each.key.startswith(_OF_THE_MOMENT), checks))
