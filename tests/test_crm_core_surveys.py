"""What the runs of a survey come to, by the field's definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.crm_core.model import AnswerRecord, RunRecord
from cordboard.crm_core.surveys import (
    DIMENSIONS,
    Promoters,
    Share,
    Total,
    behind,
    by_run,
    crossed,
    csat,
    nps,
    outline,
    questions,
    total,
)

RUN = RunRecord(
    id="0",
    script="nps",
    version="13b4a4170f710c93",
    channel="phone",
    call_id=None,
    customer_id=None,
    respondent_id=None,
    number="+79031234567",
    operator="anna",
    queue="sales",
    status="vip",
    language="ru",
    started_at=100.0,
    ended_at=160.0,
    outcome="completed",
    step="bye",
    path="[]",
)


def run(run_id: str, **more: object) -> RunRecord:
    return replace(RUN, id=run_id, **more)  # type: ignore[arg-type]


def mark(run_id: str, value: object, scale: str = "0-10", question: str = "score") -> AnswerRecord:
    return AnswerRecord(run_id, question, question, "scale", str(value), 110.0, None, scale)


def said(
    run_id: str, question: str, value: str, kind: str = "choice", at: float = 120.0
) -> AnswerRecord:
    return AnswerRecord(run_id, question, question, kind, value, at, None)


def of(question: str, runs: Sequence[RunRecord], answers: Sequence[AnswerRecord]) -> Total:
    """With all of the runs having come to it."""
    return total(question, runs, by_run(answers), lambda each: True)


def marked(*values: int, scale: str = "0-10") -> Total:
    runs = [run(str(number)) for number in range(len(values))]
    return of(
        "score",
        runs,
        [mark(each.id, value, scale) for each, value in zip(runs, values, strict=True)],
    )


def test_nps_is_the_share_of_nines_and_tens_less_that_of_zeros_to_sixes() -> None:
    found = marked(10, 9, 9, 8, 7, 6, 0).nps
    assert found == Promoters(high=3, low=2, n=7)
    assert found.score == pytest.approx(100 / 7)
    assert marked(7, 8).nps == Promoters(0, 0, 2)


def test_nps_is_of_marks_from_zero_to_ten_only() -> None:
    assert marked(5, 5, 4, scale="1-5").nps is None


def test_csat_is_the_share_of_the_top_two_answers_of_the_scale() -> None:
    assert marked(5, 4, 3, 1, scale="1-5").csat == Share(2, 4)
    assert marked(10, 9, 8, 8).csat == Share(2, 4)
    assert csat([mark("0", 5, "1-5")], "1-5") == Share(1, 1)


def test_marks_of_another_scale_are_not_mixed_in() -> None:
    """A new version of a script may ask the same question by another scale."""
    runs = [run("0"), run("1"), run("2")]
    answers = [
        replace(mark("0", 5, "1-5"), at=1.0),
        mark("1", 10),
        mark("2", 5),
    ]
    found = of("score", runs, answers)
    assert found.scale == "0-10"
    assert found.nps == Promoters(1, 1, 2)
    assert found.csat == Share(1, 2)
    assert found.mean == pytest.approx(7.5)


def test_shares_stand_by_value_numbers_first_with_mean_and_median() -> None:
    found = marked(10, 2, 2, 9)
    assert {value: share.count for value, share in found.shares.items()} == {
        "2": 2,
        "9": 1,
        "10": 1,
    }
    assert list(found.shares) == ["2", "9", "10"]
    assert found.mean == pytest.approx(5.75)
    assert found.median == pytest.approx(5.5)
    runs = [run(str(number)) for number in range(4)]
    values = ["no", "98", "nan", "7"]
    words = of(
        "c", runs, [said(each.id, "c", value) for each, value in zip(runs, values, strict=True)]
    )
    assert list(words.shares) == ["7", "98", "nan", "no"]
    assert words.mean is None


def test_money_is_reckoned_in_whole_units() -> None:
    found = of(
        "paid",
        [run("0"), run("1")],
        [said("0", "paid", "1050", "money"), said("1", "paid", "950", "money")],
    )
    assert (found.mean, found.median) == (pytest.approx(10.0), pytest.approx(10.0))


def test_what_people_said_in_their_own_words_is_counted_and_not_told() -> None:
    runs = [run("0"), run("1")]
    answers = [said("0", "why", "My name is Ivan", "text"), said("1", "why", "", "recording")]
    assert of("why", runs, answers).shares == {"…": Share(2, 2)}


def test_who_left_at_a_question_is_told_from_who_was_not_asked() -> None:
    runs = [
        run("0"),
        run("1", outcome="hung-up"),
        run("2", outcome="hung-up", step="consent"),
        run("3", outcome="refused"),
        run("4", outcome=None, ended_at=None),
    ]
    came = {"0", "1", "3", "4"}
    found = total("score", runs, by_run([mark("0", 9)]), lambda each: each.id in came)
    assert (found.asked, found.answered, found.left) == (4, 1, 1)
    whole = outline(runs, by_run([mark("0", 9)]))
    assert whole.outcomes == {"completed": 1, "hung-up": 2, "refused": 1, "under-way": 1}
    assert whole.response == Share(1, 5)


def test_few_answers_are_marked() -> None:
    assert marked(*[9] * 29).is_small
    assert not marked(*[9] * 30).is_small


def test_of_nothing_there_is_no_share() -> None:
    empty = of("score", [], [])
    assert (empty.answered, empty.mean, empty.csat, empty.nps) == (0, None, None, None)
    assert Share(0, 0).share is None
    assert Share(0, 0).interval is None
    assert Promoters(0, 0, 0).score is None
    assert Promoters(0, 0, 0).interval is None
    assert outline([], {}).response.share is None


@pytest.mark.parametrize(
    ("share", "low", "high"),
    [
        # Newcombe 1998, table I, method 3.
        (Share(81, 263), 0.2553, 0.3662),
        (Share(15, 148), 0.0624, 0.1605),
        (Share(0, 20), 0.0000, 0.1611),
        (Share(1, 29), 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_that_wilson_gives(share: Share, low: float, high: float) -> None:
    assert share.interval == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_questions_stand_in_the_order_in_which_they_were_answered() -> None:
    answers = [
        said("0", "first", "a", at=1.0),
        said("0", "last", "b", at=3.0),
        said("0", "middle", "b", at=2.0),
        said("1", "first", "a", at=9.0),
        said("1", "last", "a", at=10.0),
    ]
    assert questions(by_run(answers)) == ["first", "middle", "last"]


def test_answers_are_crossed_by_each_dimension_and_by_another_question() -> None:
    runs = [
        run("0"),
        run("1", status=None, operator="boris", queue="support", channel="form", language="en"),
        run("2", version="other"),
    ]
    answers = by_run([mark("0", 9), mark("1", 0), mark("2", 10), said("0", "buys", "yes")])
    rows = {
        by: {row.name: row.total.nps for row in crossed("score", by, runs, answers, lambda _: True)}
        for by in (*DIMENSIONS, "?buys")
    }
    two, none = Promoters(2, 0, 2), Promoters(0, 1, 1)
    assert rows["status"] == {"vip": two, "": none}
    assert rows["operator"] == {"anna": two, "boris": none}
    assert rows["queue"] == {"sales": two, "support": none}
    assert rows["channel"] == {"form": none, "phone": two}
    assert rows["language"] == {"en": none, "ru": two}
    assert set(rows["version"]) == {"13b4a4170f710c93", "other"}
    assert rows["?buys"] == {"yes": Promoters(1, 0, 1), "": Promoters(1, 1, 2)}
    (*_, last) = crossed("score", "status", runs, answers, lambda _: True)
    assert last.name == ""


_ANSWERED = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 10)),
        st.sampled_from(["vip", "", "new"]),
        st.sampled_from(["completed", "hung-up", "refused"]),
    ),
    max_size=40,
)


@given(_ANSWERED)
def test_every_figure_is_made_of_the_runs_that_are_told_behind_it(
    people: list[tuple[int | None, str, str]],
) -> None:
    runs = [
        run(str(number), status=status or None, outcome=outcome)
        for number, (_, status, outcome) in enumerate(people)
    ]
    answers = by_run(
        mark(str(number), value) for number, (value, _, _) in enumerate(people) if value is not None
    )
    whole = total("score", runs, answers, lambda each: True)
    assert whole.asked == len(runs)
    assert whole.answered == len(behind("score", None, None, "", runs, answers))
    for value, share in whole.shares.items():
        assert share.n == whole.answered
        assert share.count == len(behind("score", value, None, "", runs, answers))
    cells: Counter[str] = Counter()
    for row in crossed("score", "status", runs, answers, lambda each: True):
        for value, share in row.total.shares.items():
            found = behind("score", value, "status", row.name, runs, answers)
            assert share.count == len(found)
            assert {each.status or "" for each in found} == {row.name}
            cells[value] += share.count
    assert cells == {value: share.count for value, share in whole.shares.items()}


@given(st.lists(st.integers(0, 10), min_size=1, max_size=200))
def test_a_score_lies_in_its_interval_and_in_its_bounds(values: list[int]) -> None:
    found = nps([mark(str(number), value) for number, value in enumerate(values)])
    assert found.score is not None
    assert found.interval is not None
    low, high = found.interval
    assert -100 <= low <= found.score + 1e-9
    assert found.score - 1e-9 <= high <= 100
    share = Share(found.high, found.n)
    assert share.share is not None
    assert share.interval is not None
    assert share.interval[0] - 1e-9 <= share.share <= share.interval[1] + 1e-9
