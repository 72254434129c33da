"""What a script says, as far as it is known before a call: for whoever has it spoken beforehand, or
looks whether somebody can. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cordboard.ivr import usual
from cordboard.ivr.script import Script, spoken
from cordboard.ivr.source import Source
from cordboard.ivr.speech import Piece, Sound, Value, Words
from cordboard.ivr.texts import Recorded, Text, parts, phrase


@dataclass(frozen=True, slots=True)
class Line:
    """What is said at one place in one language. Of a `Value` only the kind counts."""

    where: str  # scripts/nps.yaml:12
    language: str
    pieces: tuple[Piece, ...]


def utterances(script: Script, path: str, source: Source | None = None) -> Iterator[Line]:
    """All that the script says itself; with its source, each with its line in the file."""
    languages = tuple(script.languages)
    for place, text in spoken(script):
        where = f"{path}:{source.line(*place)}" if source else path
        for language in languages:
            yield Line(where, language, _pieces(text, language, languages))


def usual_utterances(languages: Iterable[str]) -> Iterator[Line]:
    """What is said where scripts say nothing of their own, in the languages that have it."""
    for language in languages:
        for texts in usual.ALL:
            if language in texts:
                yield Line("usual", language, _pieces(texts, language, ()))


def _pieces(text: Text, language: str, languages: tuple[str, ...]) -> tuple[Piece, ...]:
    """As `texts.pieces` finds them, without values: those read as text are left out."""
    said = phrase(text, language, languages)
    if isinstance(said, Recorded):
        return (Sound(said.sound),)
    found: list[Piece] = []
    for part in parts(said):
        if isinstance(part, str):
            found.append(Words(part.strip()))
        elif part.kind != "text":
            found.append(Value(part.kind, ""))
    return tuple(found)
