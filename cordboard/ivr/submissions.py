"""The runs of a script in the shape in which XLSForm's tools hand results out: a column for each
question under the names of its groups, and what is known of each run around them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from cordboard.crm_core.model import AnswerRecord, RunRecord
from cordboard.ivr.script import Script

Cell = str | int | float
BEFORE = ("start", "end", "deviceid", "phonenumber", "username")
AFTER = ("__version__", "_uuid", "_submission_time", "_status", "_index")


@dataclass(frozen=True, slots=True)
class _Column:
    """Of one question; or of all `choices` of which several could be chosen, by the question that
    asks each. Each of these has a column, too, `is_choice`, in which 1 says that it was."""

    name: str
    question: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    is_choice: bool = False


def submissions(
    script: Script | None,
    runs: Sequence[RunRecord],
    answers: Mapping[str, Mapping[str, AnswerRecord]],
    zone: tzinfo,
) -> Iterator[tuple[Cell, ...]]:
    """The headings, then each run. Questions that the script does not ask any more come last,
    as they were called. Cells are as people wrote them: what looks like a formula is the writer's
    to defuse."""
    known = set(script.asked) if script else set()
    asked = {question for given in answers.values() for question in given}
    columns = [
        *(_columns(script) if script else ()),
        *(_Column(each, each) for each in sorted(asked - known)),
    ]
    yield (*BEFORE, *(each.name for each in columns), *AFTER)
    for index, run in enumerate(runs, 1):
        given = answers.get(run.id, {})
        yield (
            _time(run.started_at, zone),
            _time(run.ended_at, zone),
            run.channel,
            run.number,
            run.operator or "",
            *(_cell(column, given) for column in columns),
            run.version,
            run.id,
            _time(run.ended_at, zone),
            run.outcome or "",
            index,
        )


def _columns(script: Script) -> Iterator[_Column]:
    several: dict[str, dict[str, str]] = {}
    for question, step_id in script.asked.items():
        if found := _choice(script, question, step_id):
            several.setdefault(found[0], {})[found[1]] = question
    told: set[str] = set()
    for question, step_id in script.asked.items():
        name = script.step(step_id).column or question
        if found := _choice(script, question, step_id):
            if found[0] not in told:
                told.add(found[0])
                yield _Column(found[0], choices=several[found[0]])
            yield _Column(name, question, is_choice=True)
        else:
            yield _Column(name, question)


def _choice(script: Script, question: str, step_id: str) -> tuple[str, str] | None:
    """Of a question whose choices are asked one by one: its column, and the choice."""
    step = script.step(step_id)
    ask = getattr(step, "ask", None)
    if ask is None or ask.kind != "yes_no" or "/" not in (step.column or ""):
        return None
    column, _, choice = (step.column or "").rpartition("/")
    return column, choice


def _cell(column: _Column, given: Mapping[str, AnswerRecord]) -> Cell:
    if column.choices:
        said = {choice: given.get(each) for choice, each in column.choices.items()}
        return " ".join(choice for choice, each in said.items() if each and each.value == "yes")
    answer = given.get(column.question)
    if answer is None:
        return ""
    if column.is_choice:
        return {"yes": 1, "no": 0}.get(answer.value, answer.value)
    if answer.kind == "money":
        return int(answer.value) / 100
    if answer.kind in ("scale", "number"):
        return float(answer.value) if "." in answer.value else int(answer.value)
    return answer.file or answer.value


def _time(at: float | None, zone: tzinfo) -> str:
    return "" if at is None else datetime.fromtimestamp(at, zone).isoformat(timespec="milliseconds")
