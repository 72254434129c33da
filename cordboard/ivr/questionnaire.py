"""The questions of an XLSForm, before any is written as a step: what each is called in the script,
what may be answered, and in which languages it is asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cordboard.ivr.script import close
from cordboard.ivr.worksheets import Form, Row, code_of
from cordboard.ivr.xpath import Ref

Fault = tuple[str, int, str]
"""The sheet, the row, and what is wrong there."""


class FormError(ValueError):
    """All that is wrong with a form, or cannot be a script."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"{sheet}, row {row}: {words}" for sheet, row, words in faults))
        self.faults = faults


NOT_KEPT = frozenset({
    "start", "end", "today", "deviceid", "username", "phonenumber", "email", "audit", "simserial",
    "subscriberid", "imei", "start-geopoint", "hidden",
})  # fmt: skip
"""What a form notes of itself; results have it anyway, or nobody has."""
NOT_ASKED = {
    "geopoint": "a place",
    "geotrace": "a way",
    "geoshape": "an area",
    "image": "a picture",
    "photo": "a picture",
    "video": "a film",
    "file": "a file",
    "barcode": "a barcode",
    "time": "a time of day",
    "datetime": "a time",
    "rank": "an order",
    "background-audio": "what is said meanwhile",
    "background-geopoint": "a place",
    "osm": "a map",
    "csv-external": "a table",
    "xml-external": "a table",
    "xml-external-file": "a table",
}
_KINDS = frozenset({"integer", "decimal", "range", "text", "date", "audio", "note", "calculate",
                    "acknowledge"})  # fmt: skip
NAME_AT_MOST = 40

_SELECT = re.compile(
    r"(?P<how>select[ _]?one|select1|select[ _]multiple)(?:[ _]from)?\s+"
    r"(?P<list>\S+)(?P<other>\s+or[ _]other)?",
    re.IGNORECASE,
)
_PIPED = re.compile(r"\$\{\s*([^}]*?)\s*\}")
_MARKUP = re.compile(r"<[^<>]{1,200}>|\*\*|^#{1,6}\s+", re.MULTILINE)
_RESERVED = frozenset({
    "thanks", "sorry", "end", "customer", "call", "answers", "now", "language", "value",
    "do_not_ask", "open", "known", "date",
})  # fmt: skip
"""What scripts mean something else by."""

Words = dict[str, Any]
"""By language."""


@dataclass(slots=True)
class Question:
    """A row that asks, and what is known of it before any is translated."""

    row: Row
    kind: str
    path: str
    """Its name with those of its groups, as results have it."""
    ref: Ref
    whens: list[str]
    list_name: str = ""
    has_other: bool = False


@dataclass(slots=True)
class _Group:
    row: Row
    name: str
    relevant: str = ""


@dataclass(slots=True)
class Questionnaire:
    """A form being read. `faults` and `notes` come together meanwhile."""

    form: Form
    language: str | None
    """Of labels that do not say theirs."""
    leave_out: bool
    """Whether what no telephone can ask is left out, or a fault."""
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refs: dict[str, Ref] = field(default_factory=dict)
    """What is asked, by its name in the form."""
    languages: dict[str, str] = field(default_factory=dict)
    """By what headings call them, the codes."""
    lists: dict[str, list[Row]] = field(default_factory=dict)
    """Of choices."""
    taken: set[str] = field(default_factory=lambda: set(_RESERVED))

    def read(self) -> list[Question]:
        for row in self.form.choices:
            self.lists.setdefault(row.get("list_name"), []).append(row)
        self.languages = self.spoken_languages()
        found = list(self.questions())
        if not found and not self.faults:
            self.faults.append(("survey", 2, "asks nothing"))
        return found

    def fault(self, row: Row, words: str) -> None:
        self.faults.append((row.sheet, row.number, words))

    def note(self, row: Row, words: str) -> None:
        self.notes.append(f"{row.sheet}, row {row.number}: {words}")

    # Languages

    def spoken_languages(self) -> dict[str, str]:
        """The first is the form's own."""
        rows = (*self.form.survey, *self.form.choices)
        names = dict.fromkeys(each for row in rows for each in row.spoken.get("label", ()))
        default = self.form.settings.get("default_language")
        if default:
            own = [each for each in names if each == default or each == ""]
            names = dict.fromkeys([*own, *names])
        found: dict[str, str] = {}
        for name in names:
            code = code_of(name or default) if name or default else self.language
            if code is not None:
                found[name] = code
            elif name:
                self.fault(
                    self.form.settings,
                    f"label::{name}: is a language without a code; call the column such as"
                    f" label::{name} (en)",
                )
            else:
                self.fault(
                    self.form.settings,
                    "default_language: nothing says in which language the labels are; write one"
                    " such as English (en), or give --language en",
                )
        return found

    @property
    def codes(self) -> list[str]:
        return list(dict.fromkeys(self.languages.values()))

    def words(self, row: Row, column: str = "label", needed: bool = True) -> Words:
        """What a row says, in each language."""
        given = row.spoken.get(column, {})
        found = {
            self.languages[name]: self.said(row, text)
            for name, text in given.items()
            if name in self.languages
        }
        missing = [code for code in self.codes if code not in found]
        if missing and (needed or found):
            if not found:
                self.fault(row, f"{column}: is empty; write what is asked")
            else:
                self.fault(row, f"{column}: is missing in {', '.join(missing)}")
        return {code: found[code] for code in self.codes if code in found}

    def said(self, row: Row, text: str) -> str:
        """Without markup, and with the answers that are named in it."""
        text = " ".join(_MARKUP.sub("", text).split())
        parts: list[str] = []
        at = 0
        for match in _PIPED.finditer(text):
            parts += [braced(text[at : match.start()]), self.piped(row, match[1])]
            at = match.end()
        return "".join((*parts, braced(text[at:])))

    def piped(self, row: Row, name: str) -> str:
        ref = self.refs.get(name)
        if ref is None:
            self.fault(row, f"${{{name}}}: no question is called {name}{close(name, self.refs)}")
            return ""
        if ref.kind == "multiple":
            self.fault(row, f"${{{name}}}: has several answers, which no sentence has room for")
        how = {"number": "|number", "date": "|date"}.get(ref.kind, "")
        return f"{{{ref.code}{how}}}"

    # Reading the rows

    def questions(self) -> Iterator[Question]:
        groups: list[_Group] = []
        for row in self.form.survey:
            kind = " ".join(row.get("type").replace("_", " ").lower().split())
            if kind in ("begin group", "begin lgroup"):
                groups.append(_Group(row, row.get("name"), row.get("relevant")))
            elif kind in ("end group", "end lgroup", "end repeat", "end loop"):
                if not groups:
                    self.fault(row, "type: ends a group that was not begun")
                else:
                    groups.pop()
            elif kind in ("begin repeat", "begin loop"):
                groups.append(_Group(row, row.get("name"), row.get("relevant")))
                self.fault(
                    row, "type: a telephone asks nothing an unknown number of times; write the"
                    " questions once for each time"
                )  # fmt: skip
            elif found := self.question(row, groups):
                yield found
        for group in groups:
            self.fault(group.row, f"type: the group {group.name} is not ended")

    def question(self, row: Row, groups: list[_Group]) -> Question | None:
        kind, name = row.get("type"), row.get("name")
        plain = kind.lower().replace("_", "-").replace(" ", "-")
        plain = {"int": "integer", "string": "text", "trigger": "acknowledge"}.get(plain, plain)
        select = _SELECT.fullmatch(kind)
        if not kind:
            if name or row.spoken:
                self.fault(row, "type: is empty; write one such as integer, text or select_one")
            return None
        if plain in NOT_KEPT:
            self.note(row, f"{kind} is not asked; results say when, with whom and by which way")
            return None
        if (what := NOT_ASKED.get(plain)) or kind.lower().startswith(("rank", "select_one_from")):
            self.cannot(row, f"type: {kind} is {what or 'a list'}, which no telephone can take")
            return None
        if select is None and plain not in _KINDS:
            near = close(plain, (*_KINDS, "select_one", "select_multiple"))
            self.fault(row, f"type: {kind} is none that is known here{near}")
            return None
        if not name and plain != "note":
            self.fault(row, "name: is empty; results call the question by it")
            return None
        if name in self.refs:
            self.fault(row, f"name: {name} is there twice")
            return None
        path = "/".join((*(group.name for group in groups), name))
        whens = [group.relevant for group in groups] + [row.get("relevant")]
        variable = self.free(name or f"note_{row.number}")
        list_name = select["list"] if select else ""
        multiple = bool(select) and "multiple" in kind.lower()
        asked = ("multiple" if multiple else "choice") if select else plain
        ref = self.ref_of(row, asked, name, variable, list_name, bool(select and select["other"]))
        if name:
            self.refs[name] = ref
        self.unheard(row)
        return Question(
            row,
            asked,
            path,
            ref,
            [each for each in whens if each],
            list_name,
            bool(select and select["other"]),
        )

    def cannot(self, row: Row, words: str) -> None:
        if self.leave_out:
            self.note(row, f"{words}; it is left out")
        else:
            self.fault(row, f"{words}; take it out, or give --leave-out")

    def unheard(self, row: Row) -> None:
        """What a form can, and a script cannot."""
        if row.get("choice_filter"):
            self.fault(row, "choice_filter: write a question for each case, with relevant")
        if row.get("default"):
            self.note(row, "default: nothing is answered before it is asked")
        if "randomize" in row.get("parameters"):
            self.note(row, "parameters: choices stand in the form's order")

    def free(self, name: str) -> str:
        """What the script calls something: by its name in the form, as far as that can be."""
        plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        plain = plain if plain[:1].isalpha() else f"q_{plain}".rstrip("_")
        found, number = plain[:NAME_AT_MOST].rstrip("_"), 2
        while found in self.taken:
            tail = f"_{number}"
            found, number = plain[: NAME_AT_MOST - len(tail)] + tail, number + 1
        self.taken.add(found)
        return found

    def ref_of(
        self, row: Row, kind: str, name: str, variable: str, list_name: str, has_other: bool
    ) -> Ref:
        code = f"answers.{variable}"
        match kind:
            case "integer" | "decimal" | "range":
                return Ref(name, code, "number")
            case "date":
                return Ref(name, code, "date")
            case "calculate":
                return Ref(name, variable, "value")
            case "acknowledge":
                return Ref(name, code, "choice", {"OK": "OK"})
            case "choice" | "multiple":
                if list_name not in self.lists:
                    near = close(list_name, self.lists)
                    self.fault(row, f"type: the sheet choices has no list {list_name}{near}")
                values = self.values(list_name, has_other)
                if kind == "choice":
                    return Ref(name, code, "choice", {each: each for each in values})
                subs = {each: f"answers.{self.free(f'{variable}_{each}')}" for each in values}
                return Ref(name, code, "multiple", subs)
        return Ref(name, code, "text")

    def values(self, list_name: str, has_other: bool) -> list[str]:
        found = []
        for choice in self.lists.get(list_name, ()):
            value = choice.get("name")
            if not value:
                self.fault(choice, "name: is empty; it is what is kept as the answer")
            elif value in found:
                self.fault(choice, f"name: {value} is twice in the list {list_name}")
            else:
                found.append(value)
        return [*found, "other"] if has_other and "other" not in found else found


def braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
