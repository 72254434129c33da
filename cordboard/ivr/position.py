"""Where a run of a script stands, and what is known in it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cordboard.ivr import answers
from cordboard.ivr.expressions import OPEN
from cordboard.ivr.script import Script
from cordboard.ivr.steps import AskStep


def _never(calendar: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Scope:
    """What a script may look at besides what it has learnt itself: the `customer` as `names_of`
    makes him, the `call` (number, dialled, queue, operator, …), the time in the desk's zone, and
    which calendars are open."""

    customer: Mapping[str, Any] | None
    call: Mapping[str, Any]
    now: datetime
    is_open: Callable[[str], bool] = _never


@dataclass(frozen=True, slots=True)
class Position:
    """Between two steps of a runner. `phase` is the part of a question that is being asked,
    `entered` what is to be confirmed, `tries` how often it was answered in vain. `passed` counts
    steps. What is secret is never shown, nor written down."""

    step: str
    language: str
    phase: str = ""
    tries: int = 0
    entered: str = field(default="", repr=False)
    passed: int = 0
    gone: bool = False
    """The caller has hung up."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    customer: Mapping[str, Any] | None = None
    """Who was found by a step; before that it is the scope's."""

    def names(self, scope: Scope) -> dict[str, Any]:
        """All that conditions and texts may name."""
        now = scope.now
        return {
            **self.variables,
            **self.secrets,
            "answers": self.answers,
            "customer": self.customer if self.customer is not None else (scope.customer or {}),
            "call": scope.call,
            "language": self.language,
            "now": {
                "date": now.date(),
                "time": f"{now:%H:%M}",
                "hour": now.hour,
                "weekday": now.isoweekday(),
                "day": now.day,
                "month": now.month,
            },
            OPEN: scope.is_open,
        }


def as_json(position: Position, script: Script) -> dict[str, Any]:
    """The position as a form keeps it until the next answer; what is secret is not in it."""
    asks = {
        step.ask.question: step.ask
        for step in script.steps
        if isinstance(step, AskStep) and step.ask.question
    }
    return {
        "step": position.step,
        "language": position.language,
        "phase": position.phase,
        "tries": position.tries,
        "passed": position.passed,
        "variables": {name: _packed(value) for name, value in position.variables.items()},
        "answers": {
            name: answers.kept(asks[name], value) if name in asks else value
            for name, value in position.answers.items()
        },
    }


def from_json(said: Mapping[str, Any], script: Script) -> Position:
    asks = {
        step.ask.question: step.ask
        for step in script.steps
        if isinstance(step, AskStep) and step.ask.question
    }
    return Position(
        step=said["step"],
        language=said["language"],
        phase=said["phase"],
        tries=said["tries"],
        passed=said["passed"],
        variables={name: _unpacked(value) for name, value in said["variables"].items()},
        answers={
            name: answers.restored(asks[name], text) if name in asks else text
            for name, text in said["answers"].items()
        },
    )


def _packed(value: Any) -> Any:
    if isinstance(value, Decimal):
        return {"number": str(value)}
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict) and "number" in value:
        return Decimal(value["number"])
    if isinstance(value, dict) and "date" in value:
        return date.fromisoformat(value["date"])
    return value
