"""Scripts played without a telephone: by hand in a terminal, and by the tests beside them. Pure.

A session is told what the caller does, one thing after another, and says what he hears and which
way it goes. What a script asks of others (a customer, another system, a route) is told to it, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cordboard.ivr.interpreter import advance, begin
from cordboard.ivr.position import Scope
from cordboard.ivr.script import END, Script, ScriptError, close, source_of
from cordboard.ivr.turns import (
    Answered,
    CallBack,
    Collect,
    Dial,
    Dialled,
    Done,
    End,
    Failed,
    Find,
    Found,
    Go,
    HungUp,
    Kept,
    Keyed,
    Missing,
    Outcome,
    Passed,
    Recorded,
    Refused,
    Request,
    Say,
    Take,
    Turn,
)
from cordboard.wording import sentence

TURNS_AT_MOST = 1000


class InputError(ValueError):
    """What the caller is said to do does not fit what he is asked."""


def outcome_of(turn: Turn, word: str, value: Any = None) -> Outcome:
    """What somebody says that came of an action: `keys`, `nothing`, `record`, `found`, `missing`,
    `answers`, `failed`, `refused`, `answered`, `noanswer`, `busy`, `done` or `hangup`. Raises
    `InputError` where it is nothing that can come of it."""
    fits = EXPECTED[type(turn.action)]
    if word not in fits:
        wanted = ", ".join(fits)
        raise InputError(f"{turn.action.step}: {word} does not fit here; there are {wanted}")
    match word:
        case "hangup":
            return HungUp()
        case "keys":
            return Keyed(_pressed(turn, str(value)))
        case "nothing":
            return Keyed("") if isinstance(turn.action, Collect) else Recorded("")
        case "record":
            return Recorded(f"{turn.action.step}.wav", _seconds(value or 5))
        case "found":
            return Found(_typed(_names(word, value)))
        case "missing":
            return Missing()
        case "answers":
            return Answered(_typed(_names(word, value)))
        case "answered" | "noanswer" | "busy":
            return Dialled(word)
        case "refused":
            return Refused()
        case "failed":
            return Failed(str(value or "said so"))
    return Done()


EXPECTED: Mapping[type, tuple[str, ...]] = {
    Say: ("done", "hangup"),
    Collect: ("keys", "nothing", "hangup"),
    Take: ("record", "nothing", "hangup"),
    Find: ("found", "missing", "failed", "hangup"),
    Request: ("answers", "failed", "hangup"),
    Dial: ("answered", "noanswer", "busy", "failed", "hangup"),
    CallBack: ("done", "refused", "failed", "hangup"),
    Go: ("done", "failed", "hangup"),
    End: (),
}
"""What can come of each action."""


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"record: {value} is no number of seconds") from None


def _names(word: str, value: Any) -> Mapping[str, Any]:
    if value and not isinstance(value, Mapping):
        raise InputError(f"{word}: write names and values, such as {word}: {{ name: Ivan }}")
    return value or {}


def _pressed(turn: Turn, digits: str) -> str:
    """What a telephone would hand over of these keys."""
    assert isinstance(turn.action, Collect)
    keys = turn.action.keys
    entered = ""
    for digit in digits:
        if keys.terminator and digit == keys.terminator:
            break
        entered += digit
        if keys.is_whole(entered):
            break
    return entered


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """YAML gives texts alone; what looks like a number, true or false is meant as such."""
    return {name: _value(value) for name, value in values.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _typed(value)
    if isinstance(value, list):
        return [_value(each) for each in value]
    if value in ("true", "false"):
        return value == "true"
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?", value):
        try:
            return Decimal(value) if "." in value else int(value)
        except InvalidOperation:
            return value
    return value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _input(value: Any) -> Any:
    """`hangup` is short for `{ hangup: }`."""
    return {value: ""} if isinstance(value, str) else value


WORDS = tuple(dict.fromkeys(word for words in EXPECTED.values() for word in words))
Input = Annotated[dict[str, Any], BeforeValidator(_input), Field(min_length=1, max_length=1)]


class Expected(_Part):
    """What must have come of it; what is left out may be anything."""

    hears: list[str] = []
    """Words that are said, in this order."""
    never: list[str] = []
    """Words that are not."""
    path: list[str] = []
    """The steps, in order; others may stand between them."""
    answers: dict[str, str] = {}
    """What is kept of the questions."""
    route: str | None = None
    """Where the call goes: `queue support-ru`, `script balance`, `rules`."""
    ends: Literal["completed", "hung-up", "failed", "routed"] | None = None


class Case(_Part):
    """One call. `customer` is as scripts know one, None a stranger; `open` are the calendars that
    are; `at` is the local time."""

    name: str = Field(min_length=1, max_length=200)
    language: str | None = None
    customer: dict[str, Any] | None = None
    call: dict[str, Any] = {}
    at: datetime = datetime(2026, 11, 23, 12, 0)  # noqa: DTZ001  (local, as the script has it)
    open: list[str] = []
    inputs: list[Input] = []
    expect: Expected = Expected()


@dataclass(slots=True)
class Rehearsed:
    """What came of a case: how it differs from what was expected, and what was visited."""

    case: Case
    differences: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    ways: set[tuple[str, str]] = field(default_factory=set)

    @property
    def is_good(self) -> bool:
        return not self.differences


def cases(text: str) -> list[Case]:
    """The tests of a script. Raises `ScriptError`."""
    source = source_of(text)
    if not isinstance(source.data, list):
        raise ScriptError([(1, "tests are a list; begin each with - name: …")])
    found, faults = [], []
    for number, each in enumerate(source.data):
        try:
            case = Case.model_validate(each)
        except ValidationError as error:
            told = error.errors()
            faults += [(source.line(number, *each["loc"]), sentence(each)) for each in told]
            continue
        found.append(case)
        for index, given in enumerate(case.inputs):
            (word,) = given
            if word not in WORDS:
                line = source.line(number, "inputs", index)
                faults.append((line, f"{word}: is nothing a caller does{close(word, WORDS)}"))
    if faults:
        raise ScriptError(sorted(faults))
    return found


def scope_of(case: Case) -> Scope:
    number = {"number": "+74951234567", "dialled": "", "queue": None, "operator": None}
    customer = None if case.customer is None else _typed(case.customer)
    return Scope(customer, number | _typed(case.call), case.at, lambda name: name in case.open)


def rehearse(script: Script, case: Case) -> Rehearsed:
    """Plays one case. What is only said goes on by itself; a route ends it, unless the next input
    is `failed`."""
    done = Rehearsed(case)
    inputs = list(case.inputs)
    scope = scope_of(case)
    turn = begin(script, scope, case.language)
    kept: dict[str, str] = {}
    route: str | None = None
    ends: str | None = None
    for _ in range(TURNS_AT_MOST):
        _note(done, turn, kept)
        action = turn.action
        if isinstance(action, End):
            ends = action.outcome
            break
        if isinstance(action, Go) and not _is_failed(inputs):
            route, ends = _named(action), "routed"
            break
        try:
            turn = advance(script, turn.position, _next(turn, inputs), scope)
        except InputError as error:
            done.differences.append(str(error))
            return done
    else:
        done.differences.append(f"it goes round and round: {TURNS_AT_MOST} turns, and no end")
    if inputs:
        done.differences.append(f"the call was over before {_shown(inputs[0])}")
    done.differences += _differences(case.expect, done, kept, route, ends)
    return done


def _note(done: Rehearsed, turn: Turn, kept: dict[str, str]) -> None:
    for note in turn.notes:
        if isinstance(note, Passed):
            done.ways.add((note.step, note.way))
            if note.way != "skip" and (not done.steps or done.steps[-1] != note.step):
                done.steps.append(note.step)
        elif isinstance(note, Kept):
            kept[note.question] = note.value or ("recorded" if note.file else "")
    if turn.action.step != END and (not done.steps or done.steps[-1] != turn.action.step):
        done.steps.append(turn.action.step)
    speech = getattr(turn.action, "speech", None)
    if speech is not None and speech.text:
        done.heard.append(speech.text)


def _next(turn: Turn, inputs: list[Input]) -> Outcome:
    if isinstance(turn.action, Say) and not (inputs and "hangup" in inputs[0]):
        return Done()
    is_refused = bool(inputs) and bool({"refused", "failed"} & set(inputs[0]))
    if isinstance(turn.action, CallBack) and not is_refused:
        return Done()
    if not inputs:
        raise InputError(f"{turn.action.step}: waits, and the test has no more inputs")
    ((word, value),) = inputs.pop(0).items()
    return outcome_of(turn, word, value)


def _is_failed(inputs: Sequence[Input]) -> bool:
    return bool(inputs) and bool({"failed", "hangup"} & set(inputs[0]))


def _named(action: Go) -> str:
    return f"{action.target} {action.to}".strip()


def _shown(given: Input) -> str:
    ((word, value),) = given.items()
    return f"{word}: {value}" if value else word


def _differences(
    expect: Expected, done: Rehearsed, kept: Mapping[str, str], route: str | None, ends: str | None
) -> Iterator[str]:
    all_heard, at = " / ".join(done.heard), 0
    for words in expect.hears:
        found = all_heard.find(words, at)
        if found < 0:
            yield f"hears: {words!r} is not said" + (" after that" if at else "")
        else:
            at = found + len(words)
    for words in expect.never:
        if words in all_heard:
            yield f"never: {words!r} is said"
    steps = iter(done.steps)
    missing = [step for step in expect.path if step not in steps]
    if missing:
        yield f"path: does not come to {missing[0]}; it went {' → '.join(done.steps)}"
    for question, value in expect.answers.items():
        if kept.get(question) != value:
            yield f"answers: {question} is {kept.get(question)!r}, expected {value!r}"
    if expect.route is not None and expect.route != route:
        yield f"route: goes to {route or 'nowhere'}, expected {expect.route}"
    if expect.ends is not None and expect.ends != ends:
        yield f"ends: {ends or 'not at all'}, expected {expect.ends}"


def unvisited(script: Script, done: Sequence[Rehearsed]) -> list[str]:
    """The steps that no case came to."""
    seen = {step for each in done for step in each.steps}
    return [step for step in script.ids if step not in seen]
