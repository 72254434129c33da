"""On which line of a TOML file a thing stands. Pure."""

from __future__ import annotations

import re

Place = tuple[str | int, ...]
"""A key by the names and numbers that lead to it: ("rule", 2, "when", "status")."""

_TABLES = re.compile(r"\s*\[\[\s*([^\]]+?)\s*\]\]")
_TABLE = re.compile(r"\s*\[\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class Lines:
    """The lines of `text`, from 1."""

    def __init__(self, text: str) -> None:
        self._at: dict[Place, int] = {}
        counts: dict[Place, int] = {}
        base: Place = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _TABLES.match(line):
                name = self._inside(_parts(header[1]), counts)
                counts[name] = counts.get(name, -1) + 1
                base = (*name, counts[name])
                self._at.setdefault(base, number)
            elif header := _TABLE.match(line):
                base = self._inside(_parts(header[1]), counts)
                self._at.setdefault(base, number)
            elif key := _KEY.match(line):
                self._at.setdefault((*base, *_parts(key[1])), number)

    def of(self, *place: str | int) -> int:
        """The line of the key, or of the nearest thing around it that has a line of its own."""
        for length in range(len(place), 0, -1):
            if line := self._at.get(place[:length]):
                return line
        return 1

    @staticmethod
    def _inside(name: Place, counts: dict[Place, int]) -> Place:
        """`rule.when` is the `when` of the last `[[rule]]`."""
        found: Place = ()
        for index, part in enumerate(name):
            found = (*found, part)
            if found in counts and index < len(name) - 1:
                found = (*found, counts[found])
        return found


def _parts(dotted: str) -> Place:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
