"""Runs of scripts, what was answered in them, and who does not want to be asked; `Calls.write`
writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cordboard.crm_core.database import Database, as_id, records
from cordboard.crm_core.model import AnswerRecord, RefusalRecord, RunRecord
from cordboard.crm_core.tables import answer, form_draft, script_run, survey_refusal

RUNS_AT_MOST = 100_000
IDS_AT_ONCE = 500
"""SQLite takes no statement with any number of parameters."""

_RUN = select(*(script_run.c[field.name] for field in fields(RunRecord)))
_ANSWER = select(*(answer.c[field.name] for field in fields(AnswerRecord)))
_REFUSAL = select(*(survey_refusal.c[field.name] for field in fields(RefusalRecord)))


@dataclass(frozen=True, slots=True)
class FormDraft:
    """What was entered on a form, in order: step, text, when, and what others answered."""

    run_id: str
    version: int
    language: str
    entries: tuple[tuple[Any, ...], ...] = ()


class ScriptRuns:
    """The runs of a store. All methods raise `PeerError` where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, run_id: str) -> RunRecord | None:
        key = as_id(run_id)
        found = await self._runs(_RUN.where(script_run.c.id == key)) if key else []
        return found[0] if found else None

    async def runs(
        self,
        script: str | None = None,
        since: float | None = None,
        until: float | None = None,
        *,
        limit: int = RUNS_AT_MOST,
    ) -> list[RunRecord]:
        """The runs that began at `since` or later and before `until`, newest first."""
        chosen = _RUN.order_by(script_run.c.started_at.desc(), script_run.c.id.desc()).limit(limit)
        if script is not None:
            chosen = chosen.where(script_run.c.script == script)
        if since is not None:
            chosen = chosen.where(script_run.c.started_at >= since)
        if until is not None:
            chosen = chosen.where(script_run.c.started_at < until)
        return await self._runs(chosen)

    async def run_counts(self, scripts: Iterable[str], since: float) -> dict[str, int]:
        """How many runs of each of these scripts have begun since then; none is no entry."""
        counted = (
            select(script_run.c.script, func.count())
            .where(script_run.c.script.in_(list(scripts)), script_run.c.started_at >= since)
            .group_by(script_run.c.script)
        )
        rows: list[Any] = list(await self._database.rows(counted))
        return dict(rows)

    async def scripts_since(self, since: float) -> list[str]:
        """The scripts of which answers were kept in runs that began since then."""
        chosen = (
            select(script_run.c.script)
            .distinct()
            .where(script_run.c.started_at >= since, script_run.c.id == answer.c.run_id)
        )
        return [row.script for row in await self._database.rows(chosen)]

    async def open_runs(self) -> list[RunRecord]:
        """The runs that have not ended, oldest first."""
        chosen = _RUN.where(script_run.c.ended_at.is_(None))
        return await self._runs(chosen.order_by(script_run.c.started_at))

    async def runs_of_call(self, call_id: str) -> list[RunRecord]:
        """In order."""
        chosen = _RUN.where(script_run.c.call_id == as_id(call_id))
        return await self._runs(chosen.order_by(script_run.c.started_at))

    async def runs_of_calls(self, call_ids: Iterable[str]) -> list[RunRecord]:
        """Of all these calls, in order."""
        ids, found = iter(call_ids), []
        while some := list(islice(ids, IDS_AT_ONCE)):
            chosen = _RUN.where(script_run.c.call_id.in_(some))
            found += await self._runs(chosen.order_by(script_run.c.started_at))
        return found

    async def runs_of_customer(self, customer_id: str, limit: int = 100) -> list[RunRecord]:
        """The last, newest first."""
        chosen = _RUN.where(script_run.c.customer_id == as_id(customer_id))
        return await self._runs(chosen.order_by(script_run.c.started_at.desc()).limit(limit))

    async def answers(self, runs: Iterable[str]) -> list[AnswerRecord]:
        """What was answered in these runs, in the order of each one's answers."""
        ids, found = iter(runs), []
        while some := list(islice(ids, IDS_AT_ONCE)):
            chosen = _ANSWER.where(answer.c.run_id.in_(some)).order_by(answer.c.at)
            found += records(AnswerRecord, await self._database.rows(chosen))
        return found

    async def last_asked(
        self, customer_id: str | None, number: str, scripts: Sequence[str]
    ) -> float | None:
        """When this person was asked last by one of these scripts, whatever came of it."""
        if not scripts:
            return None
        chosen = select(func.max(script_run.c.started_at)).where(
            script_run.c.script.in_(scripts),
            _is(script_run.c.customer_id, customer_id, script_run.c.number, number),
        )
        ((last,),) = await self._database.rows(chosen)
        return None if last is None else float(last)

    async def refusals(self, customer_id: str | None, number: str) -> list[RefusalRecord]:
        """What this person does not want to be asked, in the order in which it was said."""
        chosen = _REFUSAL.where(
            _is(survey_refusal.c.customer_id, customer_id, survey_refusal.c.number, number)
        )
        rows = await self._database.rows(chosen.order_by(survey_refusal.c.at))
        return records(RefusalRecord, rows)

    async def has_refused(self, customer_id: str | None, number: str, script: str) -> bool:
        """Whether this person does not want to be asked by this script."""
        refused = await self.refusals(customer_id, number)
        return any(each.script in (None, script) for each in refused)

    async def forget_refusal(self, refusal_id: str) -> bool:
        """This person may be asked again; False where nothing was known of it."""
        key = as_id(refusal_id)
        return key is not None and await self._database.write(
            lambda connection: bool(
                connection.execute(
                    delete(survey_refusal).where(survey_refusal.c.id == key)
                ).rowcount
            )
        )

    async def withdraw(self, run_id: str, questions: Sequence[str]) -> None:
        """Takes answers back that a form has no question for any more."""
        gone = delete(answer).where(
            answer.c.run_id == as_id(run_id), answer.c.question.in_(questions)
        )
        await self._database.write(lambda connection: connection.execute(gone) and None)

    async def draft(self, run_id: str) -> FormDraft | None:
        """What was entered on the form of this run."""
        chosen = select(form_draft).where(form_draft.c.run_id == as_id(run_id))
        rows = await self._database.rows(chosen)
        if not rows:
            return None
        (row,) = rows
        entries = tuple(tuple(each) for each in row.entries or ())
        return FormDraft(row.run_id, row.version, row.language, entries)

    async def keep_draft(self, draft: FormDraft) -> bool:
        """Writes what was entered, where nobody has entered anything since: `draft.version` is one
        more than that of the one it is made of, and 1 for the first. False where another was
        quicker."""
        values = {"language": draft.language, "entries": [list(each) for each in draft.entries]}

        def write(connection: Connection) -> bool:
            if draft.version == 1:
                is_postgres = connection.dialect.name == "postgresql"
                insert = postgresql.insert if is_postgres else sqlite.insert
                new = insert(form_draft).values(run_id=draft.run_id, version=1, **values)
                return connection.execute(new.on_conflict_do_nothing()).rowcount == 1
            held = form_draft.c.version == draft.version - 1
            changed = update(form_draft).where(form_draft.c.run_id == draft.run_id, held)
            done = connection.execute(changed.values(version=draft.version, **values))
            return done.rowcount == 1

        return await self._database.write(write)

    async def _runs(self, chosen: Select[Any]) -> list[RunRecord]:
        return records(RunRecord, await self._database.rows(chosen))


def _is(
    customers: ColumnElement[Any], customer_id: str | None, numbers: ColumnElement[Any], number: str
) -> ColumnElement[bool]:
    """A person is known by the card, or by the number where there is none."""
    known = []
    if customer_id is not None and (key := as_id(customer_id)):
        known.append(customers == key)
    if number:
        known.append(numbers == number)
    return or_(*known) if known else customers.is_(None) & customers.is_not(None)
