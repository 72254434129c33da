"""The script language: what a YAML file under `scripts/` may say. Pure.

`Script.parse` reads one; `docs/scripts.md` is the reference, made from these models, as is the
JSON Schema for editors.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Self

from pydantic import Field, ValidationError

from cordboard.ivr.source import Place, Source, SourceError
from cordboard.ivr.steps import (
    VERBS,
    Ask,
    AskStep,
    Base,
    CallApi,
    CallBack,
    Choice,
    Fail,
    GotoStep,
    Length,
    LookUp,
    LookUpStep,
    Menu,
    MenuStep,
    Name,
    On,
    Option,
    Part,
    Record,
    RecordStep,
    Route,
    Step,
    Transfer,
    verb_of,
)
from cordboard.ivr.texts import Language, Text, parts, phrases
from cordboard.wording import sentence

VERSION = 1
STEPS_AT_MOST = 500
END = "end"
"""Where a script is over: as a target, and where the last step leads to."""


class ScriptError(ValueError):
    """All that is wrong with a script; `faults` are pairs of line and words."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        super().__init__("\n".join(f"{line}: {words}" for line, words in faults))
        self.faults = faults


class Script(Part):
    """A script as it is written. `parse` is the way to make one."""

    version: int = Field(ge=VERSION, le=VERSION)
    """Of the language."""
    name: Name
    """The file's, without its ending."""
    title: Text | None = None
    """What people call it."""
    languages: list[Language] = Field(min_length=1, max_length=20)
    """The first is spoken where the caller's is not among them."""
    survey: bool = False
    """Its answers are results; who does not want to be asked is not."""
    form: bool = False
    """Operators find it beside a call, as a form to talk by; each survey they do."""
    on: On = On()
    """Where a step does not say it itself."""
    steps: list[Step] = Field(min_length=1, max_length=STEPS_AT_MOST)
    """One after the other, unless they say otherwise."""

    @classmethod
    def parse(cls, text: str, name: str | None = None) -> Self:
        """`name` is what the file is called. Raises `ScriptError` with every fault that does not
        need another's mending."""
        return cls.of(source_of(text), name)

    @classmethod
    def of(cls, source: Source, name: str | None = None) -> Self:
        """The script of a source that has been read."""
        if not isinstance(source.data, dict):
            raise ScriptError([(1, "is no script: write version, name, languages and steps")])
        try:
            script = cls.model_validate(source.data)
        except ValidationError as error:
            faults = [_fault(source, each) for each in error.errors()]
            raise ScriptError(sorted(set(faults))) from None
        faults = list(script._meaningless(source))
        if name is not None and script.name != name:
            words = f"name: is {script.name}, and the file is called {name}; make them the same"
            faults.append((source.line("name"), words))
        if faults:
            raise ScriptError(sorted(set(faults)))
        return script

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells one version of a script from another: of what it says, not how it is laid
        out."""
        return blake2b(self.model_dump_json(exclude_unset=True).encode(), digest_size=8).hexdigest()

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Of the steps, in order; one that was given none has its verb and its number."""
        return tuple(
            step.id or f"{verb_of(step).replace('_', '-')}-{number}"
            for number, step in enumerate(self.steps, 1)
        )

    @functools.cached_property
    def index(self) -> Mapping[str, int]:
        return {each: number for number, each in enumerate(self.ids)}

    def step(self, step_id: str) -> Base:
        return self.steps[self.index[step_id]]

    def after(self, step_id: str) -> str:
        """Where it goes on when a step is done, or is passed over."""
        number = self.index[step_id] + 1
        return self.ids[number] if number < len(self.ids) else END

    def following(self, step_id: str) -> str:
        """Where it goes on when a step is done."""
        return self.step(step_id).next or self.after(step_id)

    def called(self, step_id: str) -> Text:
        """What people call a step."""
        return self.step(step_id).title or step_id

    @functools.cached_property
    def asked(self) -> Mapping[str, str]:
        """The questions whose answers are kept, and the steps that ask them, in order."""
        found: dict[str, str] = {}
        for step_id, step in zip(self.ids, self.steps, strict=True):
            if isinstance(step, AskStep | MenuStep | RecordStep):
                asks = body(step)
                if asks.question and not getattr(asks, "secret", False):
                    found.setdefault(asks.question, step_id)
        return found

    def targets(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every step that is named to go to, and where that is written."""
        for key in (
            "noinput",
            "nomatch",
            "error",
            "hangup",
            "missing",
            "noanswer",
            "busy",
            "refused",
        ):
            if target := _goto(getattr(self.on, key)):
                yield ("on", key), target
            for number, step in enumerate(self.steps):
                if target := _goto(getattr(step.on, key)):
                    yield ("steps", number, "on", key), target
        for number, step in enumerate(self.steps):
            if step.next:
                yield ("steps", number, "next"), step.next
            if isinstance(step, GotoStep):
                yield ("steps", number, "goto"), step.goto
            if isinstance(step, MenuStep):
                for key, choice in step.menu.choices.items():
                    if choice.goto:
                        yield ("steps", number, "menu", "choices", key), choice.goto

    def _meaningless(self, source: Source) -> Iterator[tuple[int, str]]:
        """What the schema cannot tell, and nobody could follow."""
        seen: dict[str, int] = {}
        for number, step_id in enumerate(self.ids):
            line = source.line("steps", number)
            if step_id == END:
                yield line, f"id: {END} is where a script is over; take another"
            if step_id in seen:
                yield line, f"id: {step_id} is there twice, first in line {seen[step_id]}"
            seen.setdefault(step_id, line)
        for place, target in self.targets():
            if target not in self.index and target != END:
                from_what = close(target, self.ids)
                yield source.line(*place), f"{place[-1]}: no step is called {target}{from_what}"
        for place, text in texts(self):
            for _, said in phrases(text):
                if isinstance(said, str):
                    try:
                        parts(said)
                    except ValueError as error:
                        yield source.line(*place), str(error)
        for number, step in enumerate(self.steps):
            if isinstance(step, AskStep):
                for words in _faults_of(step.ask):
                    yield source.line("steps", number, "ask"), words
            if isinstance(step, LookUpStep) and (step.look_up.by != "caller") != bool(
                step.look_up.value
            ):
                words = "look_up: by phone and by account need a value, by caller has none"
                yield source.line("steps", number, "look_up"), words


def _faults_of(ask: Ask) -> Iterator[str]:
    if (ask.kind == "choice") != bool(ask.choices):
        yield "ask: kind: choice, and no other, has choices"
    values = [option.value for option in ask.choices.values()]
    if len(set(values)) < len(values):
        yield "ask: choices: two have the same value"
    if ask.secret and ask.question:
        yield "ask: what is secret is no answer of a survey; write save: in place of question:"
    if ask.secret and ask.kind != "digits":
        yield "ask: only kind: digits can be secret; a number would lose its leading zeros"
    if ask.length.least > ask.length.most:
        yield "ask: length: least is more than most"
    if ask.least is not None and ask.most is not None and ask.least > ask.most:
        yield "ask: least is more than most"
    if not ask.question and not ask.save:
        yield "ask: give question: for an answer that is kept, or save: for a variable"


def body(step: Base) -> Any:
    """What stands under the verb of a step."""
    return getattr(step, verb_of(step))


def texts(script: Script) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """All texts of a script, and where they stand."""
    if script.title is not None:
        yield ("title",), script.title
    yield from _texts(script.on, ("on",))
    for number, step in enumerate(script.steps):
        yield from _texts(step, ("steps", number))


def spoken(script: Script) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Of these, the ones that callers hear: titles, what operators read out, and what keys are
    called are for the eye."""
    for place, text in texts(script):
        if place[-1] not in ("title", "read") and "choices" not in place:
            yield place, text


_TEXTS = ("say", "prompt", "read", "text", "title", "hangup")


def _texts(part: Part, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    for name in part.model_fields_set:
        value = getattr(part, name)
        if value is None:
            continue
        if name in _TEXTS and not isinstance(value, Part) and not isinstance(part, On):
            yield (*place, name), value
        elif isinstance(value, Part):
            yield from _texts(value, (*place, name))
        elif isinstance(value, dict):
            for key, each in value.items():
                if isinstance(each, Part):
                    yield from _texts(each, (*place, name, key))


def source_of(text: str) -> Source:
    """Raises `ScriptError`."""
    try:
        return Source(text)
    except SourceError as error:
        raise ScriptError(error.faults) from None


def close(word: str, known: Any) -> str:
    """`; did you mean …?`, where one of those that are known is like it."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _goto(way: Fail | str | None) -> str | None:
    return way.goto if isinstance(way, Fail) else way


def _without_tags(source: Source, place: Place) -> Place:
    """Where it stands in the file: pydantic also names which kind of text it took it for."""
    kept: Place = ()
    for each in place:
        if each not in ("text", "languages") or not kept or source.has(*kept, each):
            kept = (*kept, each)
    return kept


def _fault(source: Source, fault: Mapping[str, Any]) -> tuple[int, str]:
    place = tuple(each for each in fault["loc"] if each != "[key]")
    # A union's tag stands in pydantic's place twice: ("steps", 3, "ask", "ask", "kind").
    if len(place) > 2 and place[0] == "steps" and place[2] in VERBS:
        place = (*place[:2], *place[3:])
    place = _without_tags(source, place)
    words = sentence({**fault, "loc": place[2:] if place[:1] == ("steps",) else place})
    if fault["type"] == "verb" and isinstance(fault["input"], dict):
        unknown = [key for key in fault["input"] if key not in _BASE and key not in VERBS]
        for key in unknown[:1]:
            words = f"{key}: is no verb{close(key, VERBS)}; there are {', '.join(VERBS)}"
    elif fault["type"] == "extra_forbidden":
        key = str(place[-1])
        words += "; it belongs elsewhere" if key in _KEYS else close(key, _KEYS)
    return source.line(*place), words


_BASE = frozenset(Base.model_fields)
_PARTS: tuple[type[Part], ...] = (
    *VERBS.values(),
    *(Script, On, Fail, Menu, Choice, Ask, Option, Length, Record),
    *(LookUp, Route, Transfer, CallBack, CallApi),
)
_KEYS = frozenset(name for kind in _PARTS for name in kind.model_fields)
