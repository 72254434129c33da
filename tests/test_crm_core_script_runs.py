"""Runs of scripts, answers and refusals in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.model import AnswerRecord, RefusalRecord, RunRecord
from cordboard.crm_core.script_runs import FormDraft
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

pytestmark = pytest.mark.usefixtures("clock")

RUN = RunRecord(
    id=derived_id(1_790_000_000_000, "run", "1"),
    script="nps",
    version="13b4a4170f710c93",
    channel="phone",
    call_id=derived_id(1_790_000_000_000, "call", "1"),
    customer_id=None,
    respondent_id=None,
    number="+79031234567",
    operator="anna",
    queue="support-ru",
    status="vip",
    language="ru",
    started_at=1_790_000_000.0,
    ended_at=None,
    outcome=None,
    step="score",
    path='[["consent", "1", 1790000003.0]]',
)
ENDED = replace(RUN, ended_at=1_790_000_020.0, outcome="completed", step="bye")
ANSWER = AnswerRecord(RUN.id, "score", "score", "scale", "9", 1_790_000_005.0, None, "0-10")


async def test_a_run_is_written_again_and_again_and_read_as_it_was_last(store: Store) -> None:
    await store.write([RUN, ANSWER])
    assert await store.open_runs() == [RUN]
    await store.write([ENDED, ANSWER])
    assert await store.run(RUN.id) == ENDED
    assert await store.open_runs() == []
    assert await store.answers([RUN.id]) == [ANSWER]
    assert await store.runs_of_call(RUN.call_id or "") == [ENDED]


async def test_a_replay_that_comes_late_takes_no_end_and_no_newer_answer_away(
    store: Store,
) -> None:
    newer = replace(ANSWER, value="3", at=ANSWER.at + 4)
    await store.write([ENDED, newer])
    await store.write([RUN])
    await store.write([ANSWER])
    assert await store.run(RUN.id) == ENDED
    assert await store.answers([RUN.id]) == [newer]


async def test_runs_are_counted_by_script_since_a_moment(store: Store) -> None:
    early = replace(RUN, id=derived_id(1, "early"), started_at=RUN.started_at - 1)
    other = replace(RUN, id=derived_id(1, "other"), script="menu")
    await store.write([RUN, early, other, replace(RUN, id=derived_id(2, "again"))])
    counts = await store.run_counts(["nps", "menu", "none"], RUN.started_at)
    assert counts == {"nps": 2, "menu": 1}
    assert await store.run_counts([], 0) == {}


async def test_runs_are_found_by_script_and_period_newest_first(store: Store) -> None:
    other = replace(RUN, id=derived_id(1, "run", "2"), started_at=RUN.started_at + 60)
    menu = replace(RUN, id=derived_id(1, "run", "3"), script="main-menu")
    await store.write([RUN, other, menu])
    assert await store.runs("nps") == [other, RUN]
    assert await store.runs("nps", RUN.started_at + 1) == [other]
    assert await store.runs("nps", until=RUN.started_at + 1) == [RUN]


async def test_who_was_asked_and_who_refused_is_known_by_card_or_number(store: Store) -> None:
    await store.write([RUN, RefusalRecord(derived_id(1, "refusal"), None, RUN.number, "csat", 5.0)])
    assert await store.last_asked(None, RUN.number, ["nps"]) == RUN.started_at
    assert await store.last_asked(None, RUN.number, ["csat"]) is None
    assert await store.last_asked(None, "", ["nps"]) is None
    assert await store.has_refused(None, RUN.number, "csat")
    assert not await store.has_refused(None, RUN.number, "nps")
    (refusal,) = await store.refusals(None, RUN.number)
    assert await store.forget_refusal(refusal.id)
    assert not await store.has_refused(None, RUN.number, "csat")


async def test_an_answer_is_withdrawn(store: Store) -> None:
    await store.write([RUN, ANSWER, replace(ANSWER, question="why", value="slow")])
    await store.withdraw(RUN.id, ["score"])
    assert [each.question for each in await store.answers([RUN.id])] == ["why"]


async def test_of_two_devices_that_enter_something_at_once_one_is_told(store: Store) -> None:
    first = FormDraft(RUN.id, 1, "ru", (("score", "9", 5.0),))
    assert await store.keep_draft(first)
    assert not await store.keep_draft(replace(first, language="en"))
    second = replace(first, version=2, entries=(*first.entries, ("why", "slow", 7.5)))
    assert await store.keep_draft(second)
    assert not await store.keep_draft(replace(second, entries=()))
    assert await store.draft(RUN.id) == second
