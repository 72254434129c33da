"""From what is said to the sounds that are played. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    """To be spoken by a voice."""

    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """`kind` is digits, number, money, date or time. Money is a `Decimal` of whole units."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound file, as Asterisk names it."""

    name: str


Piece = Words | Value | Sound
