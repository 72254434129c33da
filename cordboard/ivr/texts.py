"""What scripts say: texts in several languages, with values in them. Pure."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from cordboard.ivr.expressions import NUMBER_AT_MOST, Path, looked_up
from cordboard.ivr.speech import KINDS, Kind, Piece, Sound, Value, Words

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
SoundName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}(/[A-Za-z0-9_-]{1,80}){0,3}$")]
"""As Asterisk names sounds: without the ending of the file."""


def _printable(text: str) -> str:
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t":
            raise ValueError(f"U+{ord(char):04X} can neither be said nor drawn; take it out")
    return text


Literally = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_printable)]

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")

SAID_AS = ("text", *sorted(KINDS))
"""How a value in a text may be said; `text` where nothing is given."""
_PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\{\s*(?P<path>[a-z_][a-zA-Z0-9_.]*)\s*(?:\|\s*(?P<kind>[a-z]+)\s*)?\}|[{}]"
)


class Recorded(BaseModel):
    """A sound file in place of words."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sound: SoundName


def _how(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    if isinstance(value, Recorded) or (isinstance(value, dict) and set(value) == {"sound"}):
        return "sound"
    return "languages" if isinstance(value, Mapping) else None


def _frozen(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


Phrase = Annotated[
    Annotated[Literally, Tag("text")] | Annotated[Recorded, Tag("sound")],
    Discriminator(
        _how,
        custom_error_type="phrase",
        custom_error_message="write the words, or { sound: name-of-the-file }",
    ),
]
Text = Annotated[
    Annotated[Literally, Tag("text")]
    | Annotated[Recorded, Tag("sound")]
    | Annotated[dict[Language, Phrase], Tag("languages"), Field(min_length=1)],
    Discriminator(
        _how,
        custom_error_type="text",
        custom_error_message="write the words, { sound: name-of-the-file }, or one of these for"
        " each language, such as { en: …, ru: … }",
    ),
    BeforeValidator(_frozen),
]
"""What is said, in one language or in each."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A value in a text, and how it is said."""

    path: Path
    kind: Kind | Literal["text"]


@functools.lru_cache(maxsize=4096)
def parts(words: str) -> tuple[str | Slot, ...]:
    """The words of a phrase, and the values between them. Raises `ValueError` for braces that mean
    nothing, and for a way of saying that is unknown."""
    found: list[str | Slot] = []
    text, at = "", 0
    for match in _PLACEHOLDER.finditer(words):
        text += words[at : match.start()]
        at = match.end()
        if match[0] in ("{{", "}}"):
            text += match[0][0]
        elif match["path"] is None:
            raise ValueError(
                f"{match[0]} at character {match.start() + 1} stands alone; a value is written"
                " {customer.name}, a brace that is to be said {{ or }}"
            )
        else:
            kind = match["kind"] or "text"
            if kind not in SAID_AS:
                raise ValueError(f"{match[0]}: no value is said as {kind}; {', '.join(SAID_AS)}")
            found += [text] if text.strip() else []
            found.append(Slot(tuple(match["path"].split(".")), cast(Kind, kind)))
            text = ""
    text += words[at:]
    return (*found, text) if text.strip() else tuple(found)


def phrase(text: Any, language: str, languages: tuple[str, ...]) -> str | Recorded:
    """What is to be said in `language`; where it is missing, in the first one that is there."""
    if isinstance(text, str | Recorded):
        return text
    known = [each for each in (language, *languages, *text) if each in text]
    found: str | Recorded = text[known[0]]
    return found


def phrases(text: Any) -> Iterator[tuple[str | None, str | Recorded]]:
    """All that is said, by language; None for what is the same in each."""
    if isinstance(text, str | Recorded):
        yield None, text
    else:
        yield from text.items()


def pieces(
    text: Any, language: str, languages: tuple[str, ...], names: Mapping[str, Any]
) -> tuple[Piece, ...]:
    """What is to be played or spoken. A value that is not known is left out."""
    said = phrase(text, language, languages)
    if isinstance(said, Recorded):
        return (Sound(said.sound),)
    found: list[Piece] = []
    for part in parts(said):
        if isinstance(part, str):
            found.append(Words(part.strip()))
        elif (value := looked_up(names, part.path)) is not None:
            if part.kind == "text":
                found.append(Words(shown(value)))
            else:
                found.append(Value(part.kind, _canonical(value, part.kind)))
    return tuple(found)


def written(text: Any, language: str, languages: tuple[str, ...], names: Mapping[str, Any]) -> str:
    """The same to be read: on a form, in a terminal, on a chart."""
    said = phrase(text, language, languages)
    if isinstance(said, Recorded):
        return f"[{said.sound}]"
    found = []
    for part in parts(said):
        if isinstance(part, str):
            found.append(part)
        else:
            value = looked_up(names, part.path)
            found.append("…" if value is None else shown(value, part.kind))
    return "".join(found)


def _canonical(value: Any, kind: Kind) -> str:
    """As it is said by: money in minor units, which here is a number of whole ones."""
    number = _number(value)
    if kind == "money" and number is not None:
        return str(int((number * 100).quantize(Decimal(1), ROUND_HALF_UP)))
    if kind == "number" and number is not None:
        return format(number, "f")
    return shown(value)


def _number(value: Any) -> Decimal | None:
    """Also of a text that is one, as other systems write amounts. Six digits behind the point; one
    that is larger than scripts reckon with stays as it is written."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= NUMBER_AT_MOST:
        return None
    return round(number, 6).normalize() if number % 1 else number


def shown(value: Any, kind: str = "text") -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    number = _number(value)
    if kind == "money" and number is not None:
        return f"{number.quantize(Decimal('0.01'), ROUND_HALF_UP)}"
    if isinstance(value, Decimal) and number is not None and number != value:
        return format(number, "f")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
