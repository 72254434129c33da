"""What people answered: totals, cross-tables, the runs behind a figure, exports; and who does not
want to be asked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import TypeAdapter

from cordboard.config import Settings
from cordboard.crm_core import sheets, surveys
from cordboard.crm_core.database import as_id, new_id
from cordboard.crm_core.model import ROLES, AuditRecord, Customer, RefusalRecord, Role, RunRecord
from cordboard.crm_core.store import Store
from cordboard.crm_core.surveys import Answers, Promoters, Row, Share, Total
from cordboard.ivr.script import Script
from cordboard.ivr.steps import AskStep, MenuStep
from cordboard.ivr.submissions import submissions
from cordboard.ivr.texts import written
from cordboard.screenpop.charts import SUPERVISORS, Library, reader_of
from cordboard.screenpop.faults import ApiError, invalid
from cordboard.screenpop.routes import Ask, Route
from cordboard.screenpop.survey_shapes import (
    BehindQuery,
    ExportQuery,
    NewRefusal,
    PeriodQuery,
    RefusalGiven,
    Refusals,
    Results,
    ResultsQuery,
    RunsBehind,
    SurveyList,
)
from cordboard.screenpop.views import Message, moment

if TYPE_CHECKING:
    from cordboard.screenpop.api import Api

DAY = 86_400.0
DAYS = 30
"""Of results, where no period is given."""
RUNS_AT_MOST = 100_000
SHOWN_AT_MOST = 200
"""Runs behind a figure."""
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Surveys:
    """The answers of a store, held against the scripts in force."""

    def __init__(self, library: Library | None, store: Store, settings: Settings) -> None:
        self._library = library
        self._store = store
        self._zone = ZoneInfo(settings.desk.timezone)
        self._recordings = settings.scripts.recordings
        self._currency = settings.crm.currency

    @property
    def _scripts(self) -> Mapping[str, Script]:
        return self._library.scripts if self._library else {}

    async def listed(self, language: str) -> Message:
        """The surveys that there are, and any other script that has kept answers of late."""
        since = time.time() - DAYS * DAY
        scripts = self._scripts
        names = {name for name, script in scripts.items() if script.survey or script.asked}
        names |= set(await self._store.scripts_since(since))
        counts = await self._store.run_counts(names, since)
        return {
            "surveys": [
                {
                    "name": name,
                    "title": _title(scripts.get(name), name, language),
                    "survey": bool(name in scripts and scripts[name].survey),
                    "runs": counts.get(name, 0),
                }
                for name in sorted(names)
            ],
            "days": DAYS,
        }

    async def results(self, name: str, query: ResultsQuery, language: str) -> Message:
        since, until = self._period(query)
        runs, answers = await self._read(name, since, until)
        asked = query.question
        # Thousands of answers take longer to count than callers should wait for their route.
        return await asyncio.to_thread(
            self._counted, name, runs, answers, (since, until), asked, query.by, language
        )

    async def behind(self, name: str, query: BehindQuery) -> Message:
        since, until = self._period(query)
        runs, answers = await self._read(name, since, until)
        found = surveys.behind(query.question, query.value, query.by, query.row, runs, answers)
        return {
            "count": len(found),
            "runs": [self._run(run, answers) for run in found[:SHOWN_AT_MOST]],
        }

    async def export(self, name: str, query: ExportQuery, language: str) -> web.Response:
        since, until = self._period(query)
        runs, answers = await self._read(name, since, until)
        body = await asyncio.to_thread(self._sheet, name, runs, answers, query.format)
        kind = CSV if query.format == "csv" else XLSX
        day = datetime.fromtimestamp(until, self._zone).date().isoformat()
        ending = "csv" if query.format == "csv" else "xlsx"
        shown = f'attachment; filename="{name}-{day}.{ending}"'
        return web.Response(body=body, headers={"Content-Type": kind, "Content-Disposition": shown})

    async def recording(self, run_id: str, question: str) -> Path:
        """The file of a recorded answer. Raises `ApiError` 404."""
        key = as_id(run_id)
        given = await self._store.answers([key]) if key else []
        for answer in given:
            if answer.question == question and answer.file:
                # A name of ours, and no path: but what stands in a store is not believed.
                path = self._recordings / Path(answer.file).name
                if path.is_file() and not path.is_symlink():
                    return path
        raise ApiError(404, "not-found", "there is no such recording")

    # ---- inside

    async def _read(self, name: str, since: float, until: float) -> tuple[list[RunRecord], Answers]:
        runs = await self._store.runs(name, since, until, limit=RUNS_AT_MOST)
        if not runs and name not in self._scripts:
            raise ApiError(404, "not-found", "there is no such survey")
        return runs, surveys.by_run(await self._store.answers(run.id for run in runs))

    def _period(self, query: PeriodQuery) -> tuple[float, float]:
        until = self._moment("until", query.until, end=True) if query.until else time.time()
        since = self._moment("since", query.since) if query.since else until - DAYS * DAY
        if since >= until:
            raise invalid([("since", "is not before until")])
        return since, until

    def _moment(self, key: str, text: str, *, end: bool = False) -> float:
        """A day of the desk's own, or a moment; `end` is where the day is over, 23 to 25 hours
        after it began."""
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            at = None
        # Outside these years there are moments that cannot be told.
        if at is None or not 1970 < at.year < 9999:
            raise invalid([(key, "is no day such as 2026-11-23")])
        if end and len(text) <= len("2026-11-23"):
            at += timedelta(days=1)
        return (at.replace(tzinfo=self._zone) if at.tzinfo is None else at).timestamp()

    def _counted(
        self,
        name: str,
        runs: list[RunRecord],
        answers: Answers,
        period: tuple[float, float],
        question: str | None,
        by: str | None,
        language: str,
    ) -> Message:
        script = self._scripts.get(name)
        order = list(script.asked) if script else []
        order += [each for each in surveys.questions(answers) if each not in order]
        outline = surveys.outline(runs, answers)
        came = {each: _came(script, each, answers) for each in order}
        totals = [surveys.total(each, runs, answers, came[each]) for each in order]
        table = None
        if by is not None and question in came:
            rows = surveys.crossed(question, by, runs, answers, came[question])
            table = {"question": question, "by": by, "rows": [_row(row) for row in rows]}
        return {
            "name": name,
            "title": _title(script, name, language),
            "since": moment(period[0]),
            "until": moment(period[1]),
            "currency": self._currency,
            "runs": outline.runs,
            "outcomes": dict(outline.outcomes),
            "response": _share(outline.response),
            "complete": len(runs) < RUNS_AT_MOST,
            "questions": [_total(each, script, language) for each in totals],
            "table": table,
        }

    def _run(self, run: RunRecord, answers: Answers) -> Message:
        return {
            "id": run.id,
            "at": moment(run.started_at),
            "call": run.call_id,
            "customer": run.customer_id,
            "channel": run.channel,
            "operator": run.operator,
            "queue": run.queue,
            "status": run.status,
            "language": run.language,
            "version": run.version,
            "outcome": run.outcome,
            "answers": [
                {
                    "question": each.question,
                    "kind": each.kind,
                    "value": each.value,
                    "recorded": each.file is not None,
                }
                for each in answers.get(run.id, {}).values()
            ],
        }

    def _sheet(self, name: str, runs: list[RunRecord], answers: Answers, kind: str) -> bytes:
        script = self._scripts.get(name)
        if kind == "xlsform":
            shaped = submissions(script, runs[::-1], answers, self._zone)
            return sheets.xlsx_of(name, [str(each) for each in next(shaped)], shaped)
        order = list(script.asked) if script else []
        order += [each for each in surveys.questions(answers) if each not in order]
        header = [*_COLUMNS, *order]
        rows = (self._cells(run, answers.get(run.id, {}), order) for run in reversed(runs))
        return sheets.csv_of(header, rows) if kind == "csv" else sheets.xlsx_of(name, header, rows)

    def _cells(
        self, run: RunRecord, given: Mapping[str, Any], order: Sequence[str]
    ) -> list[sheets.Cell]:
        ended = None if run.ended_at is None else datetime.fromtimestamp(run.ended_at, self._zone)
        cells: list[sheets.Cell] = [
            run.id,
            datetime.fromtimestamp(run.started_at, self._zone),
            ended,
            run.outcome or "",
            run.version,
            run.channel,
            run.language,
            run.status or "",
            run.operator or "",
            run.queue or "",
            run.customer_id or "",
            run.call_id or "",
        ]
        return [*cells, *(_cell(given.get(question)) for question in order)]


_COLUMNS = (
    *("run", "started", "ended", "outcome", "version", "channel", "language", "status"),
    *("operator", "queue", "customer", "call"),
)


def _cell(answer: Any) -> sheets.Cell:
    if answer is None:
        return None
    if answer.kind == "money":
        return int(answer.value) / 100
    if answer.kind in ("scale", "number"):
        return float(answer.value) if "." in answer.value else int(answer.value)
    return str(answer.file or answer.value)


def _came(script: Script | None, question: str, answers: Answers) -> Any:
    """Whether a run came to a question, by its way through the steps that ask it."""
    steps = {each.step for given in answers.values() if (each := given.get(question)) is not None}
    if script is not None and question in script.asked:
        steps.add(script.asked[question])

    def came(run: RunRecord) -> bool:
        # A path that was skipped is none: `skip` is no way that anybody was asked by.
        passed = {step for step, way, _ in json.loads(run.path) if way != "skip"}
        return bool(steps & passed) or run.step in steps

    return came


def _title(script: Script | None, name: str, language: str) -> str:
    if script is None or script.title is None:
        return name
    return written(script.title, language, tuple(script.languages), {})


def _share(share: Share) -> Message:
    interval = share.interval
    return {
        "count": share.count,
        "n": share.n,
        "share": share.share,
        "interval": None if interval is None else list(interval),
    }


def _promoters(nps: Promoters) -> Message:
    interval = nps.interval
    return {
        "high": nps.high,
        "low": nps.low,
        "n": nps.n,
        "score": nps.score,
        "interval": None if interval is None else list(interval),
    }


def _total(total: Total, script: Script | None, language: str) -> Message:
    asked = _asking(script, total.question)
    languages = tuple(script.languages) if script else ()
    prompt = ""
    if script is not None and asked is not None:
        step = script.step(script.asked[total.question])
        prompt = written(step.title or asked.prompt, language, languages, {})
    return {
        "question": total.question,
        "prompt": prompt,
        "kind": total.kind,
        "scale": total.scale,
        "asked": total.asked,
        "answered": total.answered,
        "left": total.left,
        "small": total.is_small,
        "answers": [
            {
                "value": value,
                "text": _called(asked, value, language, languages),
                "share": _share(share),
            }
            for value, share in total.shares.items()
        ],
        "mean": total.mean,
        "median": total.median,
        "csat": None if total.csat is None else _share(total.csat),
        "nps": None if total.nps is None else _promoters(total.nps),
    }


def _asking(script: Script | None, question: str) -> Any:
    if script is None or question not in script.asked:
        return None
    step = script.step(script.asked[question])
    if isinstance(step, AskStep):
        return step.ask
    return step.menu if isinstance(step, MenuStep) else getattr(step, "record", None)


def _called(asked: Any, value: str, language: str, languages: tuple[str, ...]) -> str:
    """How a choice is called."""
    for key, option in getattr(asked, "choices", {}).items():
        if value in (key, getattr(option, "value", key)) and option.text is not None:
            return written(option.text, language, languages, {})
    return ""


def _row(row: Row) -> Message:
    total = row.total
    return {
        "name": row.name,
        "runs": row.runs,
        "answered": total.answered,
        "small": total.is_small,
        "mean": total.mean,
        "csat": None if total.csat is None else _share(total.csat),
        "nps": None if total.nps is None else _promoters(total.nps),
        "answers": {value: share.count for value, share in total.shares.items()},
    }


_NEW_REFUSAL: TypeAdapter[Any] = TypeAdapter(NewRefusal)
CLERKS: tuple[Role, ...] = ROLES


# Handlers


async def listed(api: Api, ask: Ask) -> Message:
    return await api.surveys.listed(reader_of(ask))


async def results(api: Api, ask: Ask) -> Message:
    return await api.surveys.results(ask.path["survey"], ask.query, reader_of(ask))


async def behind(api: Api, ask: Ask) -> Message:
    return await api.surveys.behind(ask.path["survey"], ask.query)


async def export(api: Api, ask: Ask) -> web.StreamResponse:
    await _audited(api, ask, "export", "survey", ask.path["survey"])
    return await api.surveys.export(ask.path["survey"], ask.query, reader_of(ask))


async def recording(api: Api, ask: Ask) -> web.StreamResponse:
    run, question = ask.path["run"], ask.path["question"]
    path = await api.surveys.recording(run, question)
    await _audited(api, ask, "listen", "answer", f"{run}/{question}")
    return web.FileResponse(path, headers={"Content-Type": "audio/wav"})


async def _audited(api: Api, ask: Ask, action: str, kind: str, target: str) -> None:
    """What people said leaves the house, or is listened to: it is written down first."""
    now, user = time.time(), ask.login.user
    record = AuditRecord(
        new_id(now), now, user.name, user.role, kind, action, target, "", "{}",
        json.dumps(dict(ask.request.query)),
    )  # fmt: skip
    await api.store.write([record])


async def refusals(api: Api, ask: Ask) -> Message:
    return {"refusals": [_refusal(each) for each in await _refused(api, await _customer(api, ask))]}


async def refuse(api: Api, ask: Ask) -> Message:
    customer, now = await _customer(api, ask), time.time()
    number = customer.phones[0] if customer.phones else ""
    record = RefusalRecord(new_id(now), customer.id, number, ask.body.script, now)
    await api.store.write([record])
    return _refusal(record)


async def allow(api: Api, ask: Ask) -> Message:
    customer, refusal = await _customer(api, ask), as_id(ask.path["refusal"])
    found = await _refused(api, customer)
    if refusal not in [each.id for each in found]:
        raise ApiError(404, "not-found", "there is no such refusal")
    await api.store.forget_refusal(ask.path["refusal"])
    return {"refusals": [_refusal(each) for each in found if each.id != refusal]}


async def _refused(api: Api, customer: Customer) -> list[RefusalRecord]:
    number = customer.phones[0] if customer.phones else ""
    return await api.store.refusals(customer.id, number)


async def _customer(api: Api, ask: Ask) -> Customer:
    found = await api.store.customer(ask.path["id"])
    if found is None:
        raise ApiError(404, "not-found", "there is no such customer")
    return found


def _refusal(record: RefusalRecord) -> Message:
    return {
        "id": record.id,
        "script": record.script,
        "number": record.number,
        "at": moment(record.at),
    }


ROUTES: tuple[Route, ...] = (
    Route("GET", "/surveys", listed, SUPERVISORS, "All surveys", SurveyList),
    Route(
        "GET", "/surveys/{survey}/results", results, SUPERVISORS,
        "What was answered in a period: totals, CSAT, NPS, a cross-table", Results,
        query=ResultsQuery,
    ),
    Route(
        "GET", "/surveys/{survey}/runs", behind, SUPERVISORS,
        "The runs that a figure is made of", RunsBehind, query=BehindQuery,
    ),
    Route(
        "GET", "/surveys/{survey}/export", export, SUPERVISORS,
        "All answers of a period as a file; audited", None, query=ExportQuery, files=(CSV, XLSX),
    ),
    Route(
        "GET", "/runs/{run}/answers/{question}/recording", recording, SUPERVISORS,
        "A recorded answer; audited", None, files=("audio/wav",),
    ),
    Route(
        "GET", "/customers/{id}/refusals", refusals, CLERKS,
        "By what a customer does not want to be asked", Refusals,
    ),
    Route(
        "POST", "/customers/{id}/refusals", refuse, CLERKS,
        "This customer does not want to be asked", RefusalGiven, status=201, body=_NEW_REFUSAL,
    ),
    Route(
        "DELETE", "/customers/{id}/refusals/{refusal}", allow, CLERKS,
        "This customer may be asked again", Refusals,
    ),
)  # fmt: skip
