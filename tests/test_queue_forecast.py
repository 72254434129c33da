"""The estimated wait: what it is made of, and who counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.crm_core.model import User
from cordboard.cti.facts import MemberSeen
from cordboard.events import CallId, OperatorName, PbxName, QueueName, Uniqueid
from cordboard.queue.decisions import Penalties, Standing
from cordboard.queue.floor import Floor
from cordboard.queue.forecast import CALLS, OUTLIER, PRIOR_CALLS, Pace, Team, waits
from cordboard.queue.lines import Entry

SUPPORT, SALES = QueueName("support"), QueueName("sales")


def floor(*operators: str, queues: tuple[QueueName, ...] = (SUPPORT,)) -> Floor:
    """Operators are ready, a call takes 100 seconds of one."""
    found = Floor(20.0, 5.0, handling=100.0)
    users = [User(n, n, n, "operator", f"PJSIP/{n}", None, None, True) for n in operators]
    found.employ(users, 0.0)
    for name in operators:
        for queue in queues:
            member(found, name, queue)
    return found


def member(
    found: Floor, name: str, queue: QueueName, pause: str = "", status: int = 1, penalty: int = 0
) -> None:
    phone = f"PJSIP/{name}"
    told = (PbxName("pbx"), queue, phone, name, phone, status, bool(pause), pause, False)
    found.member_seen(MemberSeen(*told, penalty=penalty), 0.0)


def wait(
    found: Floor,
    name: str,
    queue: QueueName = SUPPORT,
    now: float = 0.0,
    skills: Penalties | None = None,
) -> None:
    entry = Entry(name, CallId(name), Uniqueid(name), queue, 0, now, skills=skills)
    found.join(entry, len(found.line(queue)) + 1)


def talk(found: Floor, name: str, now: float = 0.0) -> None:
    for step in ("offer", "answer"):
        found.step(OperatorName(name), step, CallId(f"of {name}"), now)


def test_a_queue_nobody_has_seen_is_empty_and_has_no_estimate() -> None:
    assert floor("anna").standing(SALES, 5.0) == Standing(0, 0.0, None, 0)


def test_a_ready_operator_takes_the_next_caller_at_once() -> None:
    found = floor("anna", "boris")
    assert found.standing(SUPPORT, 0.0) == Standing(0, 0.0, 0.0, 2)
    wait(found, "first")
    wait(found, "second")
    standing = found.standing(SUPPORT, 7.0)
    assert (standing.waiting, standing.longest_wait, standing.ready) == (2, 7.0, 2)
    assert found.waits(SUPPORT) == [0.0, 0.0]
    assert standing.estimated_wait == pytest.approx(50.0)  # the third: 100 s shared by two


def test_with_all_operators_busy_it_is_place_times_handling_time_over_operators() -> None:
    found = floor("anna", "boris")
    talk(found, "anna")
    talk(found, "boris")
    for name in "abc":
        wait(found, name)
    assert found.waits(SUPPORT) == pytest.approx([50.0, 100.0, 150.0])


def test_who_is_paused_or_has_no_phone_does_not_count_but_who_writes_a_note_does() -> None:
    found = floor("anna", "boris", "clara")
    talk(found, "anna")
    found.step(OperatorName("anna"), "hang-up", CallId("of anna"), 1.0)
    member(found, "anna", SUPPORT, pause="wrap-up")
    member(found, "boris", SUPPORT, pause="lunch")
    member(found, "clara", SUPPORT, status=5)
    wait(found, "a")
    assert found.waits(SUPPORT) == pytest.approx([100.0])
    assert found.standing(SUPPORT, 0.0).ready == 0
    member(found, "anna", SUPPORT, pause="lunch")
    assert found.waits(SUPPORT) == [None]


def test_a_phone_that_rings_for_a_caller_of_this_line_takes_its_place_at_the_head() -> None:
    found = floor("anna")
    wait(found, "a")
    wait(found, "b")
    found.step(OperatorName("anna"), "offer", CallId("a"), 1.0)
    assert found.waits(SUPPORT) == pytest.approx([0.0, 100.0])


def test_operators_of_several_queues_serve_those_in_turn_where_somebody_waits() -> None:
    found = floor("anna", queues=(SUPPORT, SALES))
    talk(found, "anna")
    wait(found, "a")
    assert found.waits(SUPPORT) == pytest.approx([100.0])
    wait(found, "b", SALES)
    assert found.waits(SUPPORT) == pytest.approx([200.0])
    wait(found, "c")
    wait(found, "d")
    # Of four calls three are of this line, and the other one is somewhere among them.
    assert found.waits(SUPPORT)[-1] == pytest.approx(400.0)


def test_a_handled_call_counts_from_the_ring_to_the_end_of_the_wrap_up() -> None:
    found, anna, call = floor("anna"), OperatorName("anna"), CallId("a")
    wait(found, "a")
    found.step(anna, "offer", call, 10.0)
    entry = found.leave(SUPPORT, Uniqueid("a"), "connected", 15.0)
    assert entry
    found.step(anna, "answer", call, 15.0)
    found.take(anna, entry)
    found.step(anna, "hang-up", call, 100.0)
    assert found.handled() == []
    found.step(anna, "done", call, 130.0)
    handled = found.handled()
    assert [(h.call, h.queue, h.operator, h.seconds) for h in handled] == [
        ("a", SUPPORT, "anna", 120.0)
    ]
    assert found.handled() == []


def test_a_call_that_came_from_no_queue_tells_nothing_of_its_pace() -> None:
    found, anna = floor("anna"), OperatorName("anna")
    talk(found, "anna")
    found.step(anna, "hang-up", CallId("of anna"), 5.0)
    found.step(anna, "done", CallId("of anna"), 6.0)
    assert found.handled() == []


def test_the_prior_gives_way_to_what_was_measured() -> None:
    pace = Pace.fresh(100.0)
    assert pace.handling == 100.0
    pace = pace.handling_one(200.0)
    assert pace.handling == pytest.approx((PRIOR_CALLS * 100 + 200) / (PRIOR_CALLS + 1))
    for _ in range(CALLS):
        pace = pace.handling_one(40.0)
    assert len(pace.handled) == CALLS
    assert 40 < pace.handling < 46


def test_a_forgotten_wrap_up_does_not_make_all_callers_wait_for_it() -> None:
    pace = Pace.fresh(60.0)
    for _ in range(19):
        pace = pace.handling_one(60.0)
    assert pace.handling_one(36_000.0).handling < 60 + OUTLIER * 60 / 20


def test_callers_who_give_up_shorten_the_line() -> None:
    patient = waits([None] * 5, {0: Team(0, 0.02)}, 0.0)
    assert patient == pytest.approx([50.0, 100.0, 150.0, 200.0, 250.0])
    leaving = waits([None] * 5, {0: Team(0, 0.02)}, 0.01)
    assert leaving[:2] == pytest.approx([50.0, 50 + 1 / 0.03])
    assert leaving[4] is not None
    assert leaving[4] < 200.0


def test_leaving_is_how_many_gave_up_by_how_long_all_waited() -> None:
    pace = Pace.fresh(60.0)
    assert pace.leaving == 0.0
    for _ in range(1000):
        pace = pace.counting("connected", 30.0).counting("abandoned", 70.0)
    assert pace.leaving == pytest.approx(1 / 100, rel=0.01)


def test_without_operators_there_is_no_estimate() -> None:
    assert waits([None, None], {}, 0.1) == [None, None]
    assert waits([NEAR, None], {}, 0.1) == [None, None]


# Callers whom not every operator may serve

NEAR, FAR = Penalties(most=5), Penalties(least=10)


def test_a_caller_sees_the_operators_whose_penalty_he_may_have_and_no_others() -> None:
    found = floor("anna", "boris")
    member(found, "boris", SUPPORT, penalty=10)
    wait(found, "a", skills=NEAR)
    wait(found, "b", skills=NEAR)
    assert found.waits(SUPPORT) == pytest.approx([0.0, 100.0]), "Boris is ready, but not for them"
    assert found.standing(SUPPORT, 0.0).ready == 2


def test_of_operators_that_a_caller_may_have_the_nearer_one_is_taken() -> None:
    teams = {0: Team(1, 0.01), 10: Team(1, 0.01)}
    assert waits([None, NEAR], teams, 0.0) == pytest.approx([0.0, 100.0])
    assert waits([None, FAR], teams, 0.0) == pytest.approx([0.0, 0.0])


def test_a_penalty_that_is_raised_counts_as_what_it_is_raised_to() -> None:
    teams = {0: Team(0, 0.01), 10: Team(0, 0.02)}
    raised = Penalties(least=10, at_least=10)
    assert waits([raised], teams, 0.0) == pytest.approx([1 / 0.03])
    assert waits([Penalties(most=5, at_least=7)], teams, 0.0) == [None]


def test_whom_nobody_may_serve_has_no_estimate_and_takes_nobodys_time() -> None:
    teams = {0: Team(0, 0.01)}
    assert waits([NEAR, None], teams, 0.0) == pytest.approx([100.0, 200.0])
    first, second = waits([FAR, None], teams, 0.0)
    assert first is None
    assert second == pytest.approx(200.0), "app_queue looks at the second when two are idle"


def test_callers_who_all_may_have_the_same_operators_wait_as_in_one_line() -> None:
    teams = {0: Team(0, 0.02), 10: Team(0, 0.03)}
    one = waits([None] * 6, {0: Team(0, 0.02)}, 0.004)
    assert waits([NEAR] * 6, teams, 0.004) == pytest.approx(one)
    both = waits([None] * 6, {0: Team(0, 0.05)}, 0.004)
    assert waits([Penalties(most=20)] * 6, teams, 0.004) == pytest.approx(both)


def test_app_queue_looks_at_no_more_callers_than_operators_are_idle() -> None:
    """Two wait at the head for the one operator of their skill, and he takes 100 s; the other one
    is idle at once, and may have only the third."""
    teams = {0: Team(0, 0.01), 10: Team(1, 0.01)}
    first, second, third = waits([NEAR, NEAR, FAR], teams, 0.0)
    assert (first, second) == pytest.approx((100.0, 200.0))
    assert third == pytest.approx(100.0), "when the first is answered, and two are idle"


@given(
    st.lists(st.sampled_from([None, NEAR, FAR]), max_size=12),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.sampled_from([0.0, 0.01, 0.05]), st.sampled_from([0.0, 0.01, 0.05])),
    st.sampled_from([0.0, 0.002]),
)
def test_nobody_waits_less_than_with_the_operators_to_himself_and_all_alike_in_turn(
    line: list[Penalties | None], ready: tuple[int, int], pace: tuple[float, float], leaving: float
) -> None:
    teams = {0: Team(ready[0], pace[0]), 10: Team(ready[1], pace[1])}
    found = waits(line, teams, leaving)
    assert len(found) == len(line)
    for index, (wait, skills) in enumerate(zip(found, line, strict=True)):
        alone = waits([skills], teams, leaving)[0]
        assert (wait is None) >= (alone is None)
        if wait is not None and alone is not None:
            assert wait >= alone - 1e-9
        alike = [w for w, s in zip(found[:index], line, strict=False) if s == skills]
        known = [w for w in alike if w is not None]
        assert wait is None or wait >= max(known, default=0.0) - 1e-6
