"""A run of a script as it is remembered: the way taken, the answers, the refusals. Pure.

Whoever runs a script gives each turn to `Run.take`, and writes what it returns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from cordboard.crm_core.model import (
    AnswerRecord,
    RefusalRecord,
    RunChannel,
    RunRecord,
)
from cordboard.events import derived_id
from cordboard.ivr.script import END, Script
from cordboard.ivr.steps import HangUpStep
from cordboard.ivr.turns import End, Kept, NeverAgain, Passed, Turn

PATH_AT_MOST = 300
"""Steps of a path that are kept; the first tell more than the last of somebody who goes round and
round."""

Written = RunRecord | AnswerRecord | RefusalRecord
Over = Literal["completed", "routed", "hung-up", "refused", "interrupted", "failed"]
_WAYS: Mapping[str, str] = {"routed": "route", "interrupted": "interrupted", "failed": "error"}
"""How the last step was left, where the interpreter does not say so."""


class Run:
    """`record` is the run as it is now."""

    def __init__(self, script: Script, record: RunRecord) -> None:
        """Goes on with a run from before."""
        self._script = script
        self.record = record
        self._path: list[list[Any]] = json.loads(record.path)
        self._answered = False
        self._refused = False

    @classmethod
    def start(
        cls,
        script: Script,
        identity: str,
        channel: RunChannel,
        at: float,
        *,
        call_id: str | None = None,
        customer_id: str | None = None,
        number: str = "",
        operator: str | None = None,
        queue: str | None = None,
        status: str | None = None,
        language: str = "",
        respondent_id: str | None = None,
    ) -> Run:
        record = RunRecord(
            id=identity,
            script=script.name,
            version=script.fingerprint,
            channel=channel,
            call_id=call_id,
            customer_id=customer_id,
            respondent_id=respondent_id,
            number=number,
            operator=operator,
            queue=queue,
            status=status,
            language=language or script.languages[0],
            started_at=at,
            ended_at=None,
            outcome=None,
            step=script.ids[0],
            path="[]",
        )
        return cls(script, record)

    @property
    def path(self) -> tuple[tuple[str, str, float], ...]:
        """The steps that were left, by which way, and when."""
        return tuple((step, way, at) for step, way, at in self._path)

    def take(self, turn: Turn, at: float) -> list[Written]:
        """What is to be written after this turn; nothing where nothing has changed."""
        out: list[Written] = []
        before = self.record
        for note in turn.notes:
            match note:
                case Passed():
                    self._pass(note.step, note.way, at)
                case Kept():
                    self._answered = True
                    out.append(_answer(self.record.id, note, at))
                case NeverAgain():
                    self._refused = True
                    out.append(self._refusal(note, at))
        found = turn.position.customer or {}
        self.record = replace(
            self.record,
            step=turn.position.step,
            language=turn.position.language,
            customer_id=found.get("id") or self.record.customer_id,
            status=found.get("status") or self.record.status,
            path=json.dumps(self._path),
        )
        if isinstance(turn.action, End):
            outcome: Over = turn.action.outcome
            if outcome == "completed" and self._refused and not self._answered:
                outcome = "refused"
            return [*self.ended(outcome, at), *out]
        return out if self.record == before else [self.record, *out]

    def ended(self, outcome: Over, at: float) -> list[Written]:
        """The run is over; nothing where it was before."""
        if self.record.outcome is not None:
            return []
        step = self.record.step
        if step != END:
            is_end = isinstance(self._script.step(step), HangUpStep)
            way = _WAYS.get(outcome, "end" if is_end else None)
            if way is not None:
                self._pass(step, way, at)
        self.record = replace(
            self.record, outcome=outcome, ended_at=at, path=json.dumps(self._path)
        )
        return [self.record]

    def _pass(self, step: str, way: str, at: float) -> None:
        if len(self._path) < PATH_AT_MOST:
            self._path.append([step, way, round(at, 3)])

    def _refusal(self, note: NeverAgain, at: float) -> RefusalRecord:
        record = self.record
        script = None if note.all else record.script
        identity = derived_id(int(at * 1000), record.id, "refusal", script or "")
        return RefusalRecord(identity, record.customer_id, record.number, script, at)


def run_id(at: float, *names: str) -> str:
    """The id of the run that these names tell apart from all others, such as a call's id and the
    script's name."""
    return derived_id(int(at * 1000), "run", *names)


def _answer(run: str, note: Kept, at: float) -> AnswerRecord:
    return AnswerRecord(
        run_id=run,
        question=note.question,
        step=note.step,
        kind=note.kind,
        value=note.value,
        at=at,
        file=note.file,
        scale=note.scale,
    )


def interrupted(record: RunRecord, at: float) -> RunRecord:
    """A run from before a start of ours, of which nothing more will be heard."""
    path = [*json.loads(record.path), [record.step, "interrupted", round(at, 3)]]
    return replace(record, outcome="interrupted", ended_at=at, path=json.dumps(path))
