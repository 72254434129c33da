"""The simulator: laws that hold for any queue, and what the policy changes in it."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.queue import erlang
from cordboard.queue.policy import Policy
from cordboard.queue.results import figures
from cordboard.queue.simulation import Run, Simulation, Stay
from cordboard.queue.traffic import Traffic

FIFO = Policy.parse('default_queue = "support"')
PRIORITY_RULE = """
default_queue = "support"
[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
priority = 10
"""
PRIORITY = Policy.parse(PRIORITY_RULE)
RAISED = Policy.parse(
    """
default_queue = "support"
[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
priority = 10
[[rule]]
name = "all"
action = "queue"
raise = { by = 1, every = 30, up_to = 20 }
"""
)


def traffic(
    operators: str = "[[operator]]\ncount = 10\nqueues = { support = 0 }",
    per_hour: float = 150,
    hours: str = "00:00-24:00",
    vips: float = 0.2,
    more: str = "",
    patience: float = 1e9,
    talk: str = "{ mean = 200 }",
) -> Traffic:
    return Traffic.parse(
        f"""
patience = {{ mean = {patience} }}
talk = {talk}
wrapup = {{ mean = 1e-9, spread = 0 }}
ring = {{ mean = 1e-9, spread = 0 }}
{more}
[arrivals]
"{hours}" = {per_hour}
[[customer]]
name = "vip"
share = {vips}
status = "vip"
[[customer]]
name = "regular"
share = {1 - vips}
status = "regular"
{operators}
"""
    )


def run(policy: Policy, given: Traffic, seed: int = 1) -> Run:
    return Simulation(policy, given, given.day, seed).run(list(given.made_up(seed)))


def waits(of: Run, status: str | None = None) -> list[float]:
    return [s.wait for s in of.stays if status in (None, s.arrival.status)]


def test_without_abandonment_it_is_erlang_c() -> None:
    """M/M/10 at 8.3 erlangs, five days: mean wait, chance to wait, service level."""
    days = [run(FIFO, traffic(), seed) for seed in range(5)]
    load, every = 150 / 3600 * 200, [wait for day in days for wait in waits(day)]
    assert len(every) > 16_000
    assert fmean(every) == pytest.approx(erlang.mean_wait(10, load, 200), rel=0.08)
    waited = fmean(wait > 1e-6 for wait in every)
    assert waited == pytest.approx(erlang.waiting(10, load), rel=0.04)
    level = fmean(wait <= 20 for wait in every)
    assert level == pytest.approx(erlang.service_level(10, load, 200, 20), rel=0.03)
    busy = fmean(c.busy / c.present for day in days for c in day.clerks)
    assert busy == pytest.approx(erlang.occupancy(10, load), rel=0.02)


def test_with_abandonment_it_is_erlang_a() -> None:
    days = [run(FIFO, traffic(per_hour=190, patience=120), seed) for seed in range(6)]
    share, wait = erlang.abandoning(10, 190 / 3600 * 200, 200, 120)
    stays = [stay for day in days for stay in day.stays]
    assert fmean(s.outcome == "abandoned" for s in stays) == pytest.approx(share, rel=0.05)
    assert fmean(s.wait for s in stays) == pytest.approx(wait, rel=0.05)


def test_as_many_wait_as_come_in_the_time_that_they_wait() -> None:
    """Little's law, over the whole day: it holds for each run, not on average."""
    of = run(PRIORITY, traffic(patience=200, per_hour=200))
    edges = sorted(e for s in of.stays for e in ((s.entered, 1), (s.left, -1)))
    area, waiting = 0.0, 0
    for (at, change), (until, _) in pairwise(edges):
        waiting += change
        area += waiting * (until - at)
    assert area == pytest.approx(sum(waits(of)), rel=1e-9)


def test_first_come_first_served_without_priorities() -> None:
    of = run(FIFO, traffic(per_hour=170))
    left = [stay.left for stay in of.stays]
    assert left == sorted(left)


def test_a_vip_waits_less_and_everybody_else_pays_for_it() -> None:
    given = traffic(per_hour=170)
    fifo, priority = run(FIFO, given), run(PRIORITY, given)
    assert fmean(waits(priority, "vip")) < 0.3 * fmean(waits(fifo, "vip"))
    assert fmean(waits(priority, "regular")) > fmean(waits(fifo, "regular"))


def test_two_policies_see_the_same_callers() -> None:
    given = traffic(per_hour=170)
    one, other = run(FIFO, given), run(PRIORITY, given)
    assert [s.arrival for s in one.stays] == [s.arrival for s in other.stays]
    again = run(PRIORITY, given)
    assert [s.left for s in again.stays] == [s.left for s in other.stays]
    assert [s.left for s in run(PRIORITY, given, 2).stays] != [s.left for s in other.stays]


def test_a_priority_that_grows_bounds_the_longest_wait_of_the_least_important() -> None:
    given = traffic(per_hour=172, vips=0.6)
    plain, raised = (figures(run(p, given), given.service) for p in (PRIORITY, RAISED))
    assert raised.least_priority == plain.least_priority == 0
    assert raised.least.longest < 0.7 * plain.least.longest


def test_a_vip_who_comes_late_stands_behind_a_caller_who_has_waited_long_enough() -> None:
    of = run(RAISED, traffic(per_hour=172, vips=0.6))
    for late in (s for s in of.stays if s.arrival.status == "vip"):
        for early in of.stays[max(0, late.arrival.number - 100) : late.arrival.number]:
            starved = late.entered - early.entered > 30 * 11
            if early.arrival.status == "regular" and starved and early.left > late.entered:
                assert early.left <= late.left


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    patience=st.floats(5, 500),
    per_hour=st.floats(20, 300),
    policy=st.sampled_from(["", "first", "overflow", "callback", "message", "skills"]),
)
def test_who_comes_is_served_or_leaves_and_nobody_twice(
    seed: int, patience: float, per_hour: float, policy: str
) -> None:
    given = traffic(
        '[[operator]]\ncount = 3\nqueues = { support = 0, sales = 2 }\nshift = "01:00-03:00"\n'
        'pauses = ["01:30-01:40"]\n[[operator]]\ncount = 2\nqueues = { sales = 0 }',
        per_hour=per_hour,
        hours="00:30-02:30",
        patience=patience,
        more="[personal]\nanswers = 0.5\n[callback]\naccepts = 0.5",
    )
    given.customer[0].__dict__["manager"] = True
    of = run(Policy.parse(POLICIES[policy]), given, seed)
    assert len(of.stays) == len(list(given.made_up(seed)))
    assert all(stay.outcome is not None or stay.state == "callback" for stay in of.stays)
    for clerk in of.clerks:
        calls = sorted(_talks(of, str(clerk.name)))
        assert all(end <= begin + 1e-6 for (_, end), (begin, _) in pairwise(calls))
        assert clerk.served == len(calls)
        assert clerk.idle
        assert not clerk.here
    total = figures(of, given.service).total
    assert sum(total.outcomes.values()) + total.unfinished == total.calls == len(of.stays)


def _talks(of: Run, name: str) -> list[tuple[float, float]]:
    return [
        (stay.left, stay.left + stay.arrival.talk + stay.arrival.wrapup)
        for stay in of.stays
        if stay.operator
        and str(stay.operator.name) == name
        and stay.outcome in ("answered", "called-back", "personal")
    ]


RULE = 'default_queue = "support"\n[[rule]]\nname = "one"\nwhen = { status = ["vip"] }\n'
POLICIES = {
    "": RULE + 'action = "queue"\npriority = 5\nraise = { by = 1, every = 7, up_to = 9 }',
    "first": RULE + 'action = "queue"\nfirst = { who = "manager", seconds = 15 }\n'
    'overflow = { after = 40, number = "+79161234567" }',
    "overflow": RULE + 'action = "queue"\noverflow = { after = 60, queue = "sales" }',
    "callback": RULE + 'action = "queue"\ncallback = { after = 20, hours = "00:00-02:00" }',
    "message": RULE + 'action = "message"\nto = "busy"',
    "skills": RULE + 'action = "queue"\nqueue = "sales"\npenalties = { least = 1 }',
}


def with_manager(given: Traffic) -> Traffic:
    given.customer[0].__dict__["manager"] = True
    return given


def outcomes(policy: str, status: str = "vip", **options: object) -> list[Stay]:
    given = with_manager(traffic(**options))  # type: ignore[arg-type]
    of = run(Policy.parse(POLICIES[policy]), given)
    return [stay for stay in of.stays if stay.arrival.status == status]


def test_a_manager_who_does_not_answer_leaves_the_caller_at_the_old_place() -> None:
    """Nobody who came later, and is no more important, is answered before him."""
    given = with_manager(traffic(per_hour=175, more="[personal]\nanswers = 0"))
    of = run(Policy.parse(POLICIES["first"]), given)
    back = [s for s in of.stays if s.was_away and s.outcome == "answered" and s.wait > 15.1]
    assert len(back) > 50
    for stay in back:
        after = [s for s in of.stays if stay.entered < s.entered < stay.left]
        later = [s for s in after if s.outcome == "answered" and s.left > stay.entered + 15.0]
        assert not [s for s in later if s.left < stay.left]


def test_a_manager_who_answers_takes_the_call_from_the_line() -> None:
    vips = outcomes("first", more="[personal]\nanswers = 1\nring = { mean = 5, spread = 0 }")
    assert {stay.outcome for stay in vips} == {"personal"}
    assert all(stay.wait == pytest.approx(5) for stay in vips)


def test_who_talks_to_the_manager_in_person_is_answered_and_never_gave_up() -> None:
    of = run(
        Policy.parse(POLICIES["first"]),
        with_manager(traffic(more="[personal]\nanswers = 1\nring = { mean = 5, spread = 0 }")),
    )
    vip = figures(of, traffic().service).by_status["vip"]
    assert vip.outcomes == {"personal": vip.calls}
    assert vip.abandonment == 0
    assert vip.level.percent == 100
    assert vip.quantile(0.5) == vip.longest == pytest.approx(5)
    for stay in of.stays:
        stay.left = stay.entered + 21
    assert figures(of, traffic().service).by_status["vip"].level.percent == 0


def test_a_caller_who_waits_too_long_goes_elsewhere() -> None:
    vips = outcomes(
        "first", per_hour=400, hours="08:00-11:00", patience=400, more="[personal]\nanswers = 0"
    )
    gone = [stay for stay in vips if stay.outcome == "overflowed"]
    assert len(gone) > 100
    assert all(stay.wait == pytest.approx(40) for stay in gone)
    assert all(stay.wait <= 40 + 1e-6 for stay in vips)


def test_who_is_to_be_called_back_keeps_the_place_and_does_not_give_up() -> None:
    vips = outcomes("callback", per_hour=220, patience=100, more="[callback]\naccepts = 1")
    back = [stay for stay in vips if stay.outcome in ("called-back", "not-reached")]
    assert back
    assert all(stay.wait >= 20 for stay in back)
    assert all(stay.entered < 2 * 3600 for stay in back)  # at the hours that allow it
    assert all(stay.outcome != "abandoned" or stay.wait <= 20 for stay in vips if stay in back)


def test_skills_keep_a_caller_from_members_who_are_too_near_or_too_far() -> None:
    operators = (
        "[[operator]]\ncount = 2\nqueues = { sales = 0, support = 0 }\n"
        "[[operator]]\ncount = 1\nqueues = { sales = 1 }"
    )
    vips = outcomes("skills", operators=operators, per_hour=60)
    assert {str(s.operator.name) for s in vips if s.operator} == {"operator-3"}


def test_in_the_queue_where_a_caller_overflows_to_every_member_may_serve_him() -> None:
    policy = Policy.parse(
        RULE + 'action = "queue"\nqueue = "sales"\npenalties = { least = 1 }\n'
        'overflow = { after = 10, queue = "support" }'
    )
    of = run(policy, traffic("[[operator]]\ncount = 2\nqueues = { support = 0 }", per_hour=20))
    vips = [stay for stay in of.stays if stay.arrival.status == "vip"]
    assert {stay.outcome for stay in vips} == {"answered"}


@pytest.mark.parametrize("kept", ["penalties = { most = 5 }", "penalties = { least = 10 }"])
def test_the_estimate_of_who_may_not_have_every_operator_errs_to_neither_side(kept: str) -> None:
    policy = Policy.parse(PRIORITY_RULE + f'[[rule]]\nname = "all"\naction = "queue"\n{kept}')
    given = traffic(
        "[[operator]]\ncount = 6\nqueues = { support = 0 }\n"
        "[[operator]]\ncount = 6\nqueues = { support = 10 }",
        per_hour=150,
        patience=200,
        hours="08:00-20:00",
    )
    found = figures(run(policy, given), given.service)
    assert found.narrowed
    assert found.narrowed.callers > 200
    assert abs(found.narrowed.bias) < 12
    assert found.narrowed.error < 30


def test_who_rings_first_may_be_the_operator_of_the_last_call() -> None:
    given = Traffic.parse(
        """
[arrivals]
"08:00-12:00" = 60
[[customer]]
name = "known"
share = 1
status = "regular"
last_operator = true
[[operator]]
count = 6
queues = { support = 0 }
"""
    )
    policy = Policy.parse(
        'default_queue = "support"\n[[rule]]\nname = "last"\nwhen = { last_operator = true }\n'
        'action = "queue"\nfirst = { who = "last-operator", seconds = 20 }'
    )
    of = run(policy, given)
    personal = [s for s in of.stays if s.outcome == "personal"]
    assert personal
    for stay in personal:
        card = stay.arrival.caller.card
        assert card
        assert stay.operator
        assert stay.operator.name == card.history[0].operator


def test_a_rule_may_look_at_how_busy_the_queue_is() -> None:
    policy = Policy.parse(
        'default_queue = "support"\n[[rule]]\nname = "full"\n'
        'when = { queue = { name = "support", estimated_wait = { at_least = 60 } } }\n'
        'action = "message"\nto = "busy"'
    )
    of = run(policy, traffic(per_hour=300))
    refused = [stay for stay in of.stays if stay.outcome == "elsewhere"]
    told = [stay.estimated for stay in of.stays if stay.estimated is not None]
    assert len(refused) > 100
    assert max(told) < 60 + 30
    assert max(waits(of)) < 300


def test_operators_who_go_finish_their_call_and_take_no_other() -> None:
    given = traffic(
        '[[operator]]\ncount = 1\nqueues = { support = 0 }\nshift = "08:00-09:00"',
        hours="08:00-10:00",
        per_hour=30,
        patience=300,
    )
    of = run(FIFO, given)
    answered = [stay for stay in of.stays if stay.outcome == "answered"]
    assert answered
    assert max(stay.left for stay in answered) <= 9 * 3600
    assert of.clerks[0].spans[-1][1] >= max(s.left + s.arrival.talk for s in answered) - 1e-6


def test_the_estimate_is_nearer_the_truth_than_the_lagging_average() -> None:
    given = traffic(
        per_hour=185, patience=300, talk="{ mean = 200, spread = 0.8 }", hours="08:00-20:00"
    )
    found = figures(run(FIFO, given), given.service)
    assert found.estimate
    assert found.holdtime
    assert found.estimate.callers > 500
    assert found.estimate.error < found.holdtime.error
    assert found.estimate.near > found.holdtime.near
