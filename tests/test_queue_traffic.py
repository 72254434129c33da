"""Traffic: made up by a file's figures, or recorded."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.crm_core.rules import tidy
from cordboard.queue.recording import Recording, Survival, joined, parse, split
from cordboard.queue.traffic import Seconds, Traffic, draw

OPERATOR = "[[operator]]\ncount = 1\nqueues = { support = 0 }\n"
DAY = """
[arrivals]
"08:00-10:00" = 600
"10:00-11:00" = 0
"11:00-12:00" = 60
[[customer]]
name = "vip"
share = 1
status = "vip"
language = "bg"
segment = "gold"
tags = ["late"]
balance = -12.5
manager = true
dialled = "100"
attributes = { tariff = "gold", open_cases = 2 }
ivr = { choice = "2" }
days_since_contact = 3
talk = { mean = 30, spread = 0 }
[[customer]]
name = "stranger"
share = 3
known = false
country = "BG"
"""


def test_draws_are_between_none_and_all_even_and_do_not_hang_together() -> None:
    numbers = [draw(7, number, 3) for number in range(20_000)]
    assert 0 < min(numbers) < 0.001 < 0.999 < max(numbers) < 1
    assert fmean(numbers) == pytest.approx(0.5, abs=0.01)
    assert pstdev(numbers) == pytest.approx(math.sqrt(1 / 12), rel=0.01)
    others = [draw(7, number, 4) for number in range(20_000)]
    both = fmean((a - 0.5) * (b - 0.5) for a, b in zip(numbers, others, strict=True))
    assert abs(both) < 0.002
    assert draw(7, 5, 3) == numbers[5] != draw(8, 5, 3)


@pytest.mark.parametrize(("spread", "expected"), [(None, 1.0), (0.5, 0.5), (1.5, 1.5), (0.0, 0.0)])
def test_times_have_the_mean_and_the_spread_that_are_given(
    spread: float | None, expected: float
) -> None:
    times = [Seconds(mean=200, spread=spread).at(draw(1, n, 0)) for n in range(50_000)]
    assert fmean(times) == pytest.approx(200, rel=0.03)
    assert pstdev(times) / 200 == pytest.approx(expected, rel=0.08, abs=1e-9)
    assert min(times) > 0


def test_calls_come_at_the_rate_of_their_hour_and_of_the_kinds_given() -> None:
    calls = [c for seed in range(10) for c in Traffic.parse(DAY + OPERATOR).made_up(seed)]
    by_hour = [sum(int(call.at // 3600) == hour for call in calls) / 10 for hour in range(24)]
    assert by_hour[8] == pytest.approx(600, rel=0.05)
    assert by_hour[9] == pytest.approx(600, rel=0.05)
    assert by_hour[10] == 0
    assert by_hour[11] == pytest.approx(60, rel=0.15)
    assert sum(by_hour[:8]) + sum(by_hour[12:]) == 0
    assert fmean(call.status == "vip" for call in calls) == pytest.approx(0.25, abs=0.02)


def test_calls_are_in_order_and_carry_what_rules_look_at() -> None:
    calls = list(Traffic.parse(DAY + OPERATOR).made_up(1))
    assert [call.at for call in calls] == sorted(call.at for call in calls)
    vip = next(call for call in calls if call.status == "vip")
    stranger = next(call for call in calls if call.status == "unknown")
    assert vip.caller.card
    customer = vip.caller.card.customer
    assert (customer.language, customer.segment, customer.tags) == ("bg", "gold", ("late",))
    assert (customer.balance_minor, customer.attributes["tariff"]) == (-1250, "gold")
    assert customer.manager
    assert (vip.approach.dialled, vip.approach.ivr["choice"]) == ("100", "2")
    assert vip.talk == pytest.approx(30)
    assert (stranger.caller.card, stranger.caller.country) == (None, "BG")


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    text = """
patience = { mean = 0 }
[arrivals]
"8-12" = 10
[[customer]]
name = "a"
share = 1
colour = "red"
[[operator]]
queues = { support = 0 }
"""
    with pytest.raises(ValueError, match="patience") as fault:
        Traffic.parse(text)
    assert [line.split(":")[0] for line in str(fault.value).splitlines()] == ["2", "4", "8", "9"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x", "1: "),
        (OPERATOR, "either"),
        ('[arrivals]\n"08:00-09:00" = 1\n' + OPERATOR, "who calls"),
        (DAY.replace("10:00-11:00", "09:30-11:00") + OPERATOR, "overlap"),
        (DAY + OPERATOR + 'shift = "22:00-06:00"\n', "the earlier first"),
        (DAY, "operator"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Traffic.parse(text)


# Recorded


CALLS = """at,number,status,manager,balance,outcome,waited,talk
2026-11-20T09:00:05,+79160000001,vip,yes,-5,connected,12,100
2026-11-20T09:00:00,+79160000002,,,,abandoned,33,
2026-11-20T09:01:00,+79160000001,vip,yes,-5,connected,0,60
2026-11-21T09:00:00,+79160000001,vip,,,abandoned,200,
"""
RECORDED = Traffic.parse('recording = "calls.csv"\n' + OPERATOR)


def test_recorded_calls_come_when_and_from_whom_they_came() -> None:
    recording = Recording(parse(CALLS))
    calls = list(recording.arrivals(RECORDED, 1))
    assert str(recording.day) == "2026-11-20"
    assert [call.at for call in calls] == [32400, 32405, 32460, 86400 + 32400]
    assert [call.status for call in calls] == ["unknown", "vip", "vip", "vip"]
    assert [call.approach.today for call in calls] == [1, 1, 2, 1]
    assert [call.talk for call in calls[1:3]] == [100, 60]
    assert calls[1].caller.card
    assert calls[1].caller.card.customer.manager


def test_who_gave_up_would_again_and_who_was_answered_would_have_waited_longer() -> None:
    recording = Recording(parse(CALLS))
    for seed in range(50):
        calls = list(recording.arrivals(RECORDED, seed))
        assert [calls[0].patience, calls[3].patience] == [33, 200]
        assert calls[1].patience > 12
        assert calls[0].talk in (100, 60)


def test_patience_is_learnt_from_the_answered_too() -> None:
    """Callers wait for an exponential time of 100 s, of which only what comes before an equally
    random answer is seen: the estimate finds the 100 s again, the mean of who left does not."""
    patience = [Seconds(mean=100).at(draw(1, n, 0)) for n in range(4000)]
    answer = [Seconds(mean=100).at(draw(1, n, 1)) for n in range(4000)]
    seen = [(min(p, a), p < a) for p, a in zip(patience, answer, strict=True)]
    left = fmean(wait for wait, gave_up in seen if gave_up)
    assert left == pytest.approx(50, rel=0.1)
    survival = Survival(seen)
    assert survival.share(100) == pytest.approx(math.exp(-1), rel=0.05)
    again = [survival.after(0.0, draw(2, n, 0)) for n in range(4000)]
    assert fmean(again) == pytest.approx(100, rel=0.1)
    later = [survival.after(60.0, draw(2, n, 0)) for n in range(4000)]
    assert min(later) >= 60
    assert fmean(later) == pytest.approx(160, rel=0.1)


def test_where_nobody_gave_up_nobody_will() -> None:
    assert Survival([(10.0, False), (20.0, False)]).after(5.0, 0.5) == math.inf


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["1: the first line"]),
        ("number\n1\n", ["1: the first line"]),
        ("at,colour\n2026-11-20T09:00,red\n", ["1: colour: no such column"]),
        ("at\n", ["1: no call is in it"]),
        ("at,talk\nnever,5\n2026-11-20T09:00,-1\n", ["2: at:", "3: talk:"]),
        ("at\n2026-11-20T09:00,1\n", ["2: more than 1 fields"]),
    ],
)
def test_a_recording_with_faults_says_all_of_them(text: str, faults: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^\d") as found:
        parse(text)
    lines = str(found.value).splitlines()
    assert len(lines) == len(faults)
    assert all(line.startswith(fault) for line, fault in zip(lines, faults, strict=True))


@given(st.lists(st.text().map(tidy).filter(bool)))
def test_tags_come_back_as_they_were_written(tags: list[str]) -> None:
    """Tags as the store has them: with spaces, quotation marks, whatever can be printed."""
    assert split(joined(tags)) == tuple(tags)


def test_tags_that_somebody_wrote_have_spaces_between_them() -> None:
    assert split(' late  press\t"debt dispute" ') == ("late", "press", "debt dispute")
    assert split("") == ()
