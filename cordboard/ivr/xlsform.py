"""A questionnaire that was written as an XLSForm, as a script. Pure.

A form is read by people, a script heard by them: what there is to press is added to each question,
and what no telephone can take is refused. All faults are told at once, by sheet and row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from cordboard.ivr.instructions import (
    CHOICE,
    ENTER,
    GO_ON,
    OTHER,
    SCALE,
    SORRY,
    THANKS,
    WHICH,
    YES_NO,
)
from cordboard.ivr.lint import findings
from cordboard.ivr.questionnaire import FormError, Question, Questionnaire, Words, braced
from cordboard.ivr.script import Script, ScriptError, source_of
from cordboard.ivr.worksheets import YES, Form, Row
from cordboard.ivr.xpath import Ref, XPathError, translated


@dataclass(frozen=True, slots=True)
class Imported:
    """A script's text. `notes` are what of the form is not in it."""

    script: Script
    text: str
    notes: tuple[str, ...]


def imported(
    form: Form, name: str, language: str | None = None, leave_out: bool = False
) -> Imported:
    """The form as a script called `name`. `language` is the one of labels that do not say theirs;
    with `leave_out` questions that no telephone can ask are left out. Raises `FormError`."""
    questionnaire = Questionnaire(form, language, leave_out)
    writing = _Writing(questionnaire)
    for question in questionnaire.read():
        writing.ask(question)
    if questionnaire.faults:
        faults = dict.fromkeys(questionnaire.faults)
        raise FormError(sorted(faults, key=lambda each: each[:2]))
    return writing.script(name)


CHOICES_BY_EAR = 9
ONE_LINE = 70
MAP = "tag:yaml.org,2002:map"

_BOUND = re.compile(r"\.\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_DIGITS = re.compile(
    r"""regex\(\s*\.\s*,\s*(["'])\^?(?:\[0-9\]|\\d)(?:\{(\d+)(?:(,)(\d*))?\}|([+*]))\$?\1\s*\)"""
)
_KEY = re.compile(r"[0-9]{1,2}")


@dataclass(slots=True)
class _Writing:
    """The steps of a form's questions, as they come."""

    form: Questionnaire
    steps: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, question: Question) -> None:
        row, name = question.row, question.ref.code.removeprefix("answers.")
        base: dict[str, Any] = {"id": name}
        if when := self.when(question):
            base["when"] = when
        match question.kind:
            case "note":
                self.steps.append({**base, "say": self.text(self.sound(row))})
            case "calculate":
                if not row.get("calculation"):
                    self.form.fault(row, "calculation: is empty")
                else:
                    code = self.condition(row, "calculation", None)
                    self.steps.append({**base, "set": {name: code}})
            case "multiple":
                self.ask_each(question, base)
            case "choice":
                self.ask_choice(question, base)
            case "audio":
                record = {"prompt": self.prompt(row, ENTER["voice"]), "question": name}
                self.add(question, base, "record", record)
            case _:
                self.add(question, base, "ask", self.entered(question))

    def entered(self, question: Question) -> dict[str, Any]:
        """An answer that is put in: a number, a day, digits, or words."""
        row = question.row
        constraint = row.get("constraint")
        name = question.ref.code.removeprefix("answers.")
        if question.kind == "acknowledge":
            choices = {"1": {"value": "OK"}}
            prompt = self.prompt(row, GO_ON)
            return {"kind": "choice", "question": name, "prompt": prompt, "choices": choices}
        digits = _DIGITS.fullmatch(constraint)
        if question.kind in ("text", "integer") and (digits or "numbers" in row.get("appearance")):
            prompt = self.prompt(row, ENTER["digits"])
            made = {"kind": "digits", "question": name, "prompt": prompt}
            if digits:
                made |= {"length": _length(digits)}
            elif constraint:
                made |= {"check": self.condition(row, "constraint", question.ref)}
            return made
        if question.kind == "text":
            prompt = self.prompt(row, ENTER["voice"])
            if constraint:
                words = "constraint: nobody can tell of a voice; write a regex of digits, or none"
                self.form.fault(row, words)
            return {"kind": "text", "question": name, "prompt": prompt}
        if question.kind == "date":
            made = {
                "kind": "date",
                "question": name,
                "prompt": self.prompt(row, ENTER["date"]),
            }
            if constraint:
                made["check"] = self.condition(row, "constraint", question.ref)
            return made
        return self.amount(question, name)

    def amount(self, question: Question, name: str) -> dict[str, Any]:
        row, kind = question.row, question.kind
        bounds, checks = self.bounds(question)
        if kind == "range":
            parameters = dict(
                part.split("=", 1)
                for part in re.split(r"[\s,;]+", row.get("parameters").replace(" = ", "="))
                if "=" in part
            )
            ends = [parameters.get("start", "1"), parameters.get("end", "10")]
            step = parameters.get("step", "1")
            if not all(_is_number(each) for each in (*ends, step)):
                self.form.fault(row, "parameters: write such as start=0 end=10 step=1")
                ends, step = ["1", "10"], "1"
            if step == "1" and tuple(ends) in (("0", "10"), ("1", "5")) and not checks:
                lasts = _each(SCALE, *ends)
                scale = {"kind": "scale", "question": name, "prompt": self.prompt(row, lasts)}
                return {**scale, "scale": "-".join(ends)}
            bounds = {"least": _amount(ends[0]), "most": _amount(ends[1]), **bounds}
            checks.insert(0, f"(value - {ends[0]}) % {step} == 0")
        if kind == "integer":
            checks.insert(0, "value % 1 == 0")
        how = ENTER["decimal" if kind == "decimal" else "number"]
        made = {"kind": "number", "question": name, "prompt": self.prompt(row, how), **bounds}
        if checks:
            made["check"] = _both(checks)
        return made

    def bounds(self, question: Question) -> tuple[dict[str, int | str], list[str]]:
        """The constraint of a number: between what it must be, and what else must hold."""
        constraint = question.row.get("constraint")
        parts = [_BOUND.fullmatch(each) for each in re.split(r"\s+and\s+", constraint.strip())]
        found: dict[str, int | str] = {}
        for part in parts:
            if part is None or (part[1] in "<>" and question.kind != "integer"):
                found = {}
                break
            one = {">": 1, "<": -1}.get(part[1], 0)
            value = str(int(part[2]) + one) if one and "." not in part[2] else part[2]
            found["least" if part[1][0] == ">" else "most"] = _amount(value)
        if constraint and not found:
            return {}, [self.condition(question.row, "constraint", question.ref)]
        return found, []

    def ask_choice(self, question: Question, base: dict[str, Any]) -> None:
        row, name = question.row, question.ref.code.removeprefix("answers.")
        said = self.choices(question)
        keys = _keys(list(said))
        if len(keys) > CHOICES_BY_EAR:
            self.form.note(row, f"{len(keys)} choices are too many to be remembered by ear")
        options = {
            code: " ".join(
                CHOICE.get(code, "{0}: {1}.").format(each.get(code, value), keys[value])
                for value, each in said.items()
            )
            for code in self.form.codes
        }
        ask = {
            "kind": "choice",
            "question": name,
            "prompt": self.prompt(row, options),
            "choices": {
                keys[value]: {"value": value, "text": self.text(each)}
                for value, each in said.items()
            },
        }
        self.add(question, base, "ask", ask)
        if question.has_other:
            self.ask_other(question, f"{question.ref.code} == 'other'")

    def ask_each(self, question: Question, base: dict[str, Any]) -> None:
        """Of several answers each is asked for itself, by yes and no."""
        row = question.row
        label = self.sound(row)
        self.steps.append({**base, "say": self.text(label)})
        if row.get("constraint"):
            words = "constraint: each choice is asked for itself, and none depends on the others"
            self.form.fault(row, words)
        for value, each in self.choices(question).items():
            sub = question.ref.choices.get(value, "").removeprefix("answers.")
            ask = {
                "kind": "yes_no",
                "question": sub,
                "prompt": self.text({code: _sentence(words, YES_NO.get(code, ""))
                                     for code, words in each.items()}),
            }  # fmt: skip
            title = {code: f"{_plain(label.get(code))} {words}" for code, words in each.items()}
            step = {**base, "id": sub, "title": self.text(title)}
            self.add(question, step, "ask", ask, f"{question.path}/{value}")
        if question.has_other:
            self.ask_other(question, question.ref.choices["other"])

    def ask_other(self, question: Question, chosen: str) -> None:
        row, name = question.row, self.form.free(f"{question.ref.name}_other")
        whens = [chosen, *(self.translated(row, "relevant", each) for each in question.whens)]
        prompt = {code: _sentence(WHICH.get(code, "…"), ENTER["voice"].get(code, ""))
                  for code in self.form.codes}  # fmt: skip
        ask = {"kind": "text", "question": name, "prompt": self.text(prompt)}
        label = self.form.words(row, needed=False)
        title = {code: f"{each} {OTHER.get(code, 'other')}" for code, each in label.items()}
        base = {"id": name, "when": _both(whens), "title": self.text(title)}
        self.add(question, base, "ask", ask, f"{question.path}_other")

    def choices(self, question: Question) -> dict[str, Words]:
        found = {
            row.get("name"): self.form.words(row)
            for row in self.form.lists.get(question.list_name, ())
            if row.get("name")
        }
        if question.has_other:
            found.setdefault("other", {code: OTHER.get(code, "other") for code in self.form.codes})
        return found

    def add(
        self,
        question: Question,
        base: dict[str, Any],
        verb: str,
        asks: dict[str, Any],
        path: str = "",
    ) -> None:
        """The step of a question. One that need not be answered goes on to the next."""
        row, name = question.row, asks["question"]
        step = dict(base)
        label = self.form.words(row, needed=False)
        if "title" not in step and label and self.text(label) != asks["prompt"]:
            step["title"] = self.text(label)
        if label and self.text(label) != asks["prompt"]:
            asks["read"] = self.text(label)
        step[verb] = asks
        if (path := path or question.path) != name:
            step["column"] = path
        if hint := row.spoken.get("hint"):
            step["note"] = next(iter(hint.values()))
        fails = ("noinput",) if verb == "record" else ("noinput", "nomatch")
        on: dict[str, Any] = {each: {} for each in fails}
        for fail, column in (("nomatch", "constraint_message"), ("noinput", "required_message")):
            if fail in on and (said := self.form.words(row, column, needed=False)):
                on[fail]["say"] = self.text(said)
        if not self.is_required(row):
            for each in on.values():
                each["goto"] = _NEXT
            if verb == "ask":
                asks["required"] = False
        step["on"] = {fail: each for fail, each in on.items() if each}
        self.steps.append(step if step["on"] else {k: v for k, v in step.items() if k != "on"})

    def is_required(self, row: Row) -> bool:
        required = row.get("required").lower()
        if required in YES:
            return True
        if required not in ("", "no", "false", "false()"):
            self.form.note(row, f"required: {required} is not looked at; it need not be answered")
        return False

    def when(self, question: Question) -> str:
        return _both([self.translated(question.row, "relevant", each) for each in question.whens])

    def condition(self, row: Row, column: str, this: Ref | None) -> str:
        if this is not None:
            this = Ref("the answer", "value", this.kind, this.choices)
        return self.translated(row, column, row.get(column), this)

    def translated(self, row: Row, column: str, text: str, this: Ref | None = None) -> str:
        try:
            return translated(text, self.form.refs, this)
        except XPathError as error:
            self.form.fault(row, f"{column}: {text}: {error}")
            return "True"

    def sound(self, row: Row) -> Words:
        """What is said by recorded files, where the form has them, else by its words."""
        audio = row.spoken.get("audio", {})
        found = {self.form.languages[name]: {"sound": re.sub(r"\.\w+$", "", file)}
                 for name, file in audio.items() if name in self.form.languages}  # fmt: skip
        if "" in audio and len(self.form.codes) > 1 and "" not in self.form.languages:
            found = {code: {"sound": re.sub(r"\.\w+$", "", audio[""])} for code in self.form.codes}
        if set(self.form.codes) <= set(found):
            return found
        return {**self.form.words(row), **found}

    def prompt(self, row: Row, how: Mapping[str, str]) -> Any:
        """What is asked, and how it is answered; a recording says both."""
        said = self.sound(row)
        return self.text(
            {
                code: words if isinstance(words, dict) else _sentence(words, how.get(code, ""))
                for code, words in said.items()
            }
        )

    def text(self, words: Words) -> Any:
        """As a script writes it: by language only where there are several."""
        return words if len(self.form.codes) > 1 else next(iter(words.values()), "")

    # The script

    def script(self, name: str) -> Imported:
        steps = [*self.steps, {"id": "thanks", "hangup": self.last(THANKS)}]
        for step, following in pairwise(steps):
            for fail in step.get("on", {}).values():
                if fail.get("goto") == _NEXT:
                    fail["goto"] = following["id"]
        data: dict[str, Any] = {"version": 1, "name": name}
        if title := self.form.form.settings.get("form_title"):
            data["title"] = braced(title)
        data |= {"languages": self.form.codes, "survey": True}
        if any(_is_open(step) for step in steps):
            data["on"] = {"noinput": "sorry", "nomatch": "sorry"}
            steps.append({"id": "sorry", "hangup": self.last(SORRY)})
        data["steps"] = steps
        text = yaml.dump(data, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=100)
        try:
            source = source_of(text)
            script = Script.of(source, name)
        except ScriptError as error:
            raise FormError([("script", line, words) for line, words in error.faults]) from None
        faults = [each for each in findings(script, source) if each.kind == "fault"]
        if faults:
            raise FormError([("script", each.line, each.words) for each in faults])
        return Imported(script, text, tuple(self.form.notes))

    def last(self, words: Mapping[str, str]) -> Any:
        """Nothing is said where there are no words in a language."""
        if not set(self.form.codes) <= set(words):
            return True
        return self.text({code: words[code] for code in self.form.codes})


class _Plain(yaml.SafeDumper):
    """Scripts have no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_mapping(
        self, tag: str, mapping: Any, flow_style: bool | None = None
    ) -> yaml.MappingNode:
        """What is short stands in one line; `on` is not quoted, for no reader of scripts takes it
        for anything else."""
        node = super().represent_mapping(tag, mapping, flow_style)
        parts = [each for pair in node.value for each in pair]
        if all(isinstance(each, yaml.ScalarNode) for each in parts):
            node.flow_style = sum(len(each.value) + 2 for each in parts) < ONE_LINE
        for key, _ in node.value:
            if key.value == "on":
                key.tag = "tag:yaml.org,2002:bool"
        return node

    def represent_list(self, data: Any) -> yaml.SequenceNode:
        node = super().represent_list(data)
        node.flow_style = all(isinstance(each, yaml.ScalarNode) for each in node.value)
        return node


_Plain.add_representer(dict, lambda dumper, data: dumper.represent_mapping(MAP, data.items()))
_Plain.add_representer(list, _Plain.represent_list)


_NEXT = "→"
"""Stands for the next step until that is known."""


def _is_open(step: Mapping[str, Any]) -> bool:
    """Whether it asks, and leaves to the whole script what is done without an answer."""
    on = step.get("on", {})
    return ("ask" in step or "record" in step) and not any("goto" in each for each in on.values())


def _each(words: Mapping[str, str], *values: str) -> dict[str, str]:
    return {code: text.format(*values) for code, text in words.items()}


def _plain(words: Any) -> str:
    return words if isinstance(words, str) else ""


def _sentence(words: str, more: str) -> str:
    if not more:
        return words
    return f"{words}{'' if words[-1:] in '.?!:;…' else '.'} {more}"


def _both(conditions: list[str]) -> str:
    if len(conditions) < 2:
        return "".join(conditions)
    return " and ".join(f"({each})" for each in dict.fromkeys(conditions))


def _is_number(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _amount(text: str | None) -> int | str:
    """Written as YAML writes whole numbers; others are words to it."""
    text = text or "0"
    return text if "." in text else int(text)


def _length(found: re.Match[str]) -> dict[str, int]:
    """Of a regex of digits: {5}, {2,5}, {2,}, + or *."""
    if found[2] is None:
        return {"least": 1, "most": 32}
    most = found[2] if found[3] is None else found[4] or "32"
    return {"least": max(int(found[2]), 1), "most": int(most)}


def _keys(values: list[str]) -> dict[str, str]:
    """What is pressed for each: the value itself, where all are keys."""
    if all(_KEY.fullmatch(value) for value in values):
        return {value: value for value in values}
    return {value: str(number) for number, value in enumerate(values, 1)}
