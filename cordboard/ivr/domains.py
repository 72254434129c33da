"""What the names of a script can be. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

from cordboard.crm_core.model import CustomerKind
from cordboard.ivr import answers, mentions
from cordboard.ivr.expressions import Path, Value
from cordboard.ivr.finding import House
from cordboard.ivr.script import Script
from cordboard.ivr.steps import Ask, AskStep, MenuStep, SetStep
from cordboard.ivr.truth import ANYTHING, Domain, values_of

TEXT = Domain("text", (None,), called="a text")
TEXTS = Domain("texts", (None,), called="a list")
NOTHING = Domain("all", (None,), called="no value, but several")
NOWHERE = Domain("all", (None,))
"""Of a name that nothing has."""
CUSTOMER = {
    "id": TEXT,
    "kind": Domain("all", (None, *get_args(CustomerKind)), called="a kind of customer"),
    "name": TEXT,
    "phones": TEXTS,
    "status": TEXT,
    "language": TEXT,
    "balance": Domain("number", (None,), called="a number"),
    "segment": TEXT,
    "tags": TEXTS,
    "manager": {"name": TEXT, "mobile": TEXT},
    "attributes": {},
}
"""As `names_of` makes one. Attributes are the house's own."""
CALL = {"number": TEXT, "dialled": TEXT, "queue": TEXT, "operator": TEXT}
NOW = {
    "date": Domain("day", called="a date"),
    "time": Domain("time", called="a time such as 09:00"),
    "hour": Domain("all", tuple(range(24)), called="an hour"),
    "weekday": Domain("all", tuple(range(1, 8)), called="a weekday, 1 is Monday"),
    "day": Domain("all", tuple(range(1, 32)), called="a day of the month"),
    "month": Domain("all", tuple(range(1, 13)), called="a month"),
}
TREE: dict[str, Any] = {"customer": CUSTOMER, "call": CALL, "now": NOW}
"""What every script may name."""
_PART = {"customer": "name", "manager": "name", "call": "number", "now": "date"}
"""The one to name as an example."""
SETS_AT_MOST = 100
"""Values of one variable that are told one by one."""


def whole(path: Path) -> str:
    """What is wrong with a name that has parts, where one value is wanted."""
    name = ".".join(path)
    return f"{name} is no value by itself, name a part such as {name}.{_PART.get(path[-1], '…')}"


class Domains:
    """What each name can be in one script. `certain` are names that have a value for sure."""

    def __init__(self, script: Script, house: House) -> None:
        self.script = script
        self.house = house
        self._variables = mentions.variables(script)
        self._questions = mentions.questions(script)
        self._found: dict[Path, Domain] = {}

    def of(self, path: Path, certain: Collection[Path] = ()) -> Domain:
        found = self._found.get(path)
        if found is None:
            self._found[path] = ANYTHING  # of a variable that is worked out from itself
            found = self._found[path] = self._of(path)
        if self._is_ours(path) and path not in certain and None not in found.values:
            return replace(found, values=(None, *found.values))
        return found

    def _is_ours(self, path: Path) -> bool:
        """What the script's own steps give a value; before them it has none."""
        return path[0] == "answers" or path[0] in self._variables

    def _of(self, path: Path) -> Domain:
        match path:
            case ("language",):
                return Domain("all", tuple(self.script.languages), called="a language")
            case ("customer", "status") if self.house.statuses:
                return _one_of(self.house.statuses, "a status")
            case ("customer", "language") if self.house.languages:
                return _one_of(self.house.languages, "a language")
            case ("customer", "segment") if self.house.segments:
                return _one_of(self.house.segments, "a segment")
            case ("customer", "attributes", _):
                return ANYTHING
            case ("answers", question):
                return self._together(self._answers(question))
            case ("answers",):
                return NOTHING
            case (name,) if name not in TREE:
                return self._together(self._set(name))
        found: Any = TREE
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict):
            return NOTHING
        return found if isinstance(found, Domain) else NOWHERE

    def _answers(self, question: str) -> list[Domain]:
        found = []
        for number in self._questions.get(question, ()):
            match self.script.steps[number]:
                case AskStep(ask=ask):
                    found.append(of_answers(ask))
                case MenuStep(menu=menu):
                    found.append(Domain("all", tuple(menu.choices), called="a key, which is text"))
                case _:
                    found.append(TEXT)
        return found

    def _set(self, name: str) -> list[Domain]:
        found = []
        for number, _ in self._variables.get(name, ()):
            match self.script.steps[number]:
                case AskStep(ask=ask):
                    found.append(of_answers(ask))
                case SetStep() as step:
                    values = values_of(step.set[name], self.of)
                    told = values is not None and len(values) <= SETS_AT_MOST
                    found.append(Domain("all", values or ()) if told else ANYTHING)
                case _:
                    found.append(ANYTHING)
        return found

    @staticmethod
    def _together(found: list[Domain]) -> Domain:
        """That of a name that several steps give a value."""
        if not found:
            return NOWHERE
        if len(found) == 1:
            return found[0]
        if any(domain.kind != "all" for domain in found):
            return ANYTHING
        values = [value for domain in found for value in domain.values]
        return Domain("all", tuple({repr(value): value for value in values}.values()))


def of_answers(ask: Ask) -> Domain:
    """What a question can be answered with. A phone records what a form has typed."""
    match ask.kind:
        case "yes_no":
            return Domain("all", (True, False), called="true or false")
        case "choice":
            return Domain("all", tuple(option.value for option in ask.choices.values()))
        case "scale":
            return Domain("all", tuple(answers.scale(ask)), called="a number")
        case "digits":
            least, most = ask.length.least, min(ask.length.most, answers.DIGITS_AT_MOST)
            return Domain("digits", (), Decimal(least), Decimal(most), "digits, which are text")
        case "number" | "money" if ask.secret and ask.save:
            return Domain("text", (), called="a text")
        case "number" | "money":
            return Domain("number", (), ask.least, ask.most, "a number")
        case "date":
            return Domain("day", (), called="a date")
    return Domain("text", (), called="a text")


def _one_of(words: Collection[Value], called: str) -> Domain:
    return Domain("all", (None, *words), called=called)
