"""What the API of surveys takes and gives, as pydantic models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cordboard.screenpop.schemas import Given, Query, Taken


class SharesGiven(Given):
    """`count` of `n`; `interval` holds the true share 95 times of 100 (Wilson)."""

    count: int
    n: int
    share: float | None
    interval: list[float] | None


class NpsGiven(Given):
    """`score` = 100 x (`high` - `low`) / `n`: marks of 9 and 10, and of 0 to 6."""

    high: int
    low: int
    n: int
    score: float | None
    interval: list[float] | None


class SurveyRow(Given):
    name: str
    title: str
    survey: bool
    runs: int


class SurveyList(Given):
    """`runs` are those of the last `days`."""

    surveys: list[SurveyRow]
    days: int


class AnswerShare(Given):
    value: str
    text: str
    share: SharesGiven


class QuestionTotal(Given):
    """`csat` is the share of the top two answers; `left` counts who hung up at the question."""

    question: str
    prompt: str
    kind: str
    scale: str | None
    asked: int
    answered: int
    left: int
    small: bool
    answers: list[AnswerShare]
    mean: float | None
    median: float | None
    csat: SharesGiven | None
    nps: NpsGiven | None


class CrossRow(Given):
    name: str
    runs: int
    answered: int
    small: bool
    mean: float | None
    csat: SharesGiven | None
    nps: NpsGiven | None
    answers: dict[str, int]


class CrossTable(Given):
    question: str
    by: str
    rows: list[CrossRow]


class Results(Given):
    """`response` is the share of runs with any answer; not `complete` where there are more runs
    than are counted."""

    name: str
    title: str
    since: str
    until: str
    currency: str
    runs: int
    outcomes: dict[str, int]
    response: SharesGiven
    complete: bool
    questions: list[QuestionTotal]
    table: CrossTable | None


class AnswerGiven(Given):
    """Of money, the value is in minor units."""

    question: str
    kind: str
    value: str
    recorded: bool


class RunGiven(Given):
    id: str
    at: str
    call: str | None
    customer: str | None
    channel: str
    operator: str | None
    queue: str | None
    status: str | None
    language: str
    version: str
    outcome: str | None
    answers: list[AnswerGiven]


class RunsBehind(Given):
    """`count` may be more than the runs that are given."""

    count: int
    runs: list[RunGiven]


class RefusalGiven(Given):
    """`script` is None for any survey."""

    id: str
    script: str | None
    number: str
    at: str


class Refusals(Given):
    refusals: list[RefusalGiven]


class PeriodQuery(Query):
    """Days of the desk's own, 2026-11-23, both of which count; the last thirty if none is given."""

    since: str | None = Field(default=None, max_length=40)
    until: str | None = Field(default=None, max_length=40)


_BY = r"^(status|operator|queue|channel|language|version|\?[a-z][a-z0-9_]{0,39})$"


class ResultsQuery(PeriodQuery):
    """A cross-table of `question` `by` a dimension, or by what was answered to another question:
    `?other`."""

    question: str | None = Field(default=None, max_length=40)
    by: str | None = Field(default=None, pattern=_BY)


class BehindQuery(PeriodQuery):
    """Of which cell: the `question`, the `value` where it is one, and the `row` of the table."""

    question: str = Field(max_length=40)
    value: str | None = Field(default=None, max_length=2000)
    by: str | None = Field(default=None, pattern=_BY)
    row: str = Field(default="", max_length=200)


class ExportQuery(PeriodQuery):
    """`xlsform` is an .xlsx with the columns that tools for XLSForm read."""

    format: Literal["csv", "xlsx", "xlsform"] = "csv"


class NewRefusal(Taken):
    """Without a script: no survey at all."""

    script: str | None = Field(default=None, max_length=40)
