"""The sheets of an XLSForm as they were read: rows, columns, languages. Pure.

Which headings there are, and what they were called before: https://xlsform.org
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Sheet = Sequence[Mapping[str, str]]
"""As pyxform reads one: the cells that are not empty, by heading; empty rows are there, too."""

_ALIASES = {
    "command": "type",
    "tag": "name",
    "value": "name",
    "caption": "label",
    "relevance": "relevant",
    "calculate": "calculation",
    "constraining_message": "constraint_message",
    "jr:constraintmsg": "constraint_message",
    "requiredmsg": "required_message",
    "jr:requiredmsg": "required_message",
    "read_only": "readonly",
    "list name": "list_name",
    "set_form_title": "form_title",
    "set_form_id": "form_id",
}
SPOKEN = frozenset({"label", "hint", "constraint_message", "required_message", "audio"})
"""Columns that there may be once for each language."""
_LANGUAGES = {
    "english": "en",
    "russian": "ru",
    "русский": "ru",
    "bulgarian": "bg",
    "български": "bg",
}
_CODE = re.compile(r"(?:^|\()([a-z]{2,3})(?:[-_][A-Za-z0-9]+)?\)?$")
YES = frozenset({"yes", "true", "true()"})


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is the one that spreadsheets show. `spoken` are the columns of `SPOKEN`, by the
    language's name in the heading; empty where there is none in it."""

    sheet: str
    number: int
    cells: Mapping[str, str]
    spoken: Mapping[str, Mapping[str, str]]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    def is_yes(self, column: str) -> bool:
        return self.get(column).lower() in YES


@dataclass(frozen=True, slots=True)
class Form:
    """An XLSForm: what it asks, what may be chosen, and its settings."""

    survey: Sequence[Row]
    choices: Sequence[Row]
    settings: Row

    @classmethod
    def of(cls, survey: Sheet, choices: Sheet, settings: Sheet) -> Form:
        first = next(iter(rows("settings", settings)), Row("settings", 2, {}, {}))
        return cls(list(rows("survey", survey)), list(rows("choices", choices)), first)


def rows(sheet: str, data: Sheet) -> Iterable[Row]:
    """Those that have something in them and are not disabled."""
    doubled = any("::" in heading for row in data for heading in row)
    for number, row in enumerate(data, 2):
        cells: dict[str, str] = {}
        spoken: dict[str, dict[str, str]] = {}
        for heading, text in row.items():
            column, language = _column(heading, doubled)
            text = str(text).replace("\u00a0", " ").strip()
            if column in SPOKEN and text:
                spoken.setdefault(column, {})[language] = text
            elif text:
                cells[column] = text
        found = Row(sheet, number, cells, spoken)
        if (cells or spoken) and not found.is_yes("disabled"):
            yield found


def _column(heading: str, doubled: bool) -> tuple[str, str]:
    """A heading's column and language: `label::Русский (ru)`, once `label:ru`."""
    known = _ALIASES.get(heading.lower())
    if known is not None:
        return known, ""
    first, *rest = (part.strip() for part in heading.split("::" if doubled else ":"))
    if first.lower() in ("media", "bind", "body", "control") and rest:
        first, *rest = rest
    column = "_".join(first.lower().split())
    return _ALIASES.get(column, column), rest[0] if rest else ""


def code_of(language: str) -> str | None:
    """`Русский (ru)` is ru, as is `ru`; None for a language that is given no code."""
    found = _CODE.search(language.strip())
    return found[1] if found else _LANGUAGES.get(language.strip().lower())
