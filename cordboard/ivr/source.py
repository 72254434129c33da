"""YAML as people write scripts in: read to plain texts, with the line of each. Pure.

Every scalar stays the text that it is: `no` is no False here, `012` no ten, and a telephone number
no number. What two readers could understand differently, or what is there to hurt, is refused:
keys that come twice, anchors and aliases, tags, a second document.
"""

from __future__ import annotations

from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""libyaml's reader: many times as fast, and takes `{ en: How are you? }`, as people write it."""

BYTES_AT_MOST = 500_000
DEPTH_AT_MOST = 20
NODES_AT_MOST = 50_000

Place = tuple[str | int, ...]


class SourceError(ValueError):
    """What is wrong with the file as a file: `faults` are pairs of line and words."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"{line}: {words}" for line, words in faults))
        self.faults = faults


class Source:
    """`data` is what the text says: dicts, lists and strings. `plain` are the places of scalars
    without quotes, which another reader of YAML may take for something else."""

    def __init__(self, text: str) -> None:
        """Raises `SourceError` with all that can be told at once."""
        self.text = text
        self.plain: dict[Place, str] = {}
        self._lines: dict[Place, int] = {}
        self._faults: list[tuple[int, str]] = []
        self._nodes = 0
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise SourceError([(line, "is no YAML: half a character is not allowed")]) from None
        if size > BYTES_AT_MOST:
            words = f"the file has {size} bytes; a script has {BYTES_AT_MOST} at most"
            raise SourceError([(1, words)])
        self._scan(text)
        self.data = self._read(text)
        if self._faults:
            raise SourceError(sorted(self._faults))

    def line(self, *place: str | int) -> int:
        """The line of the key or item, or of the nearest thing around it that has one."""
        for length in range(len(place), 0, -1):
            if found := self._lines.get(place[:length]):
                return found
        return 1

    def has(self, *place: str | int) -> bool:
        """Whether something stands there."""
        return place in self._lines

    def _scan(self, text: str) -> None:
        """Anchors, aliases, tags and documents, before anything is made of them."""
        depth = documents = 0
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                line = _line(event)
                if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                    self._faults.append((line, "anchors and aliases (& and *) are not read here"))
                elif tag := getattr(event, "tag", None):
                    self._faults.append((line, f"the tag {tag} is not read here"))
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > DEPTH_AT_MOST:
                    raise SourceError([(line, f"is nested deeper than {DEPTH_AT_MOST} levels")])
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    raise SourceError([(line, "a second document (---) is not read here")])
        except yaml.YAMLError as error:
            raise SourceError([*self._faults, _told(error, text)]) from None
        except RecursionError:
            raise SourceError([(1, f"is nested deeper than {DEPTH_AT_MOST} levels")]) from None
        if self._faults:
            raise SourceError(self._faults)

    def _read(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=_LOADER)
        except yaml.YAMLError as error:
            raise SourceError([_told(error, text)]) from None
        return None if node is None else self._value(node, ())

    def _value(self, node: yaml.Node, place: Place) -> Any:
        self._lines.setdefault(place, _line(node))
        self._nodes += 1
        if self._nodes > NODES_AT_MOST:
            raise SourceError([(self._lines[place], f"has more than {NODES_AT_MOST} values")])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(each, (*place, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and not node.style:
            self.plain[place] = node.value
        return str(node.value)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                self._faults.append((line, "a key must be a word"))
                continue
            if key.value in found:
                first = self._lines[(*place, key.value)]
                self._faults.append((line, f"{key.value}: is there twice, first in line {first}"))
            self._lines[(*place, key.value)] = line
            found[key.value] = self._value(value, (*place, key.value))
        return found


def _line(of: yaml.Event | yaml.Node) -> int:
    return of.start_mark.line + 1 if of.start_mark else 1


_ADVICE = {
    "expected ',' or": "close the bracket, and put a text with { } [ ] , or : in it in quotes",
    "mapping values": "put a text with a colon in it in quotes",
    "cannot start any token": "put a text that begins with this character in quotes",
}
"""By what the reader says: most of what it stumbles over is a text without quotes."""


def _told(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be read"
    words = f"is no YAML: {problem}"
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return 1, words
    lines = text.splitlines() or [""]
    line = min(mark.line, len(lines) - 1)  # the end may be told as a line more
    if lines[line][mark.column : mark.column + 1] == "\t":
        return line + 1, f"{words}; YAML takes no tabs, indent with spaces"
    advice = (how for said, how in _ADVICE.items() if said in words)
    return line + 1, "; ".join((words, *advice))
