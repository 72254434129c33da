"""What is found in scripts, and what there is for them to name. Pure records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["fault", "advice"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fault keeps a script from calls; advice does not."""

    line: int
    words: str
    kind: Kind = "fault"


@dataclass(frozen=True, slots=True)
class House:
    """What there is for scripts to name; None where it is not known here."""

    queues: Collection[str] | None = None
    operators: Collection[str] | None = None
    statuses: Collection[str] | None = None
    languages: Collection[str] | None = None
    segments: Collection[str] | None = None
    calendars: Collection[str] | None = None
    scripts: Collection[str] | None = None
    leads: Mapping[str, Collection[str]] | None = None
    """For each script, those to which a caller comes who does nothing."""
    secrets: Collection[str] | None = None
    allow: Sequence[str] | None = None
    """How the URLs begin that call_api may ask."""


NOWHERE = House()
