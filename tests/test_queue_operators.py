"""The operator's states, from the table and from what Asterisk says of the phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cordboard.events import CallId, OperatorName, PbxName, QueueName
from cordboard.queue.operators import (
    WORK,
    Membership,
    Operator,
    Surprise,
    WorkEvent,
    advance,
    with_membership,
    without_membership,
)

CALL = CallId("call")
EVENTS: tuple[WorkEvent, ...] = (
    "offer",
    "release",
    "answer",
    "hold",
    "retrieve",
    "hang-up",
    "done",
)


def member(status: int = 1, paused: bool = False, queue: str = "q", reason: str = "") -> Membership:
    return Membership(PbxName("p"), QueueName(queue), "PJSIP/1", status, paused, reason, False)


def operator(*memberships: Membership) -> Operator:
    anna = Operator(OperatorName("anna"), "Anna", "PJSIP/1", since=1.0)
    for seen in memberships or (member(),):
        anna = with_membership(anna, seen, 1.0)
    return anna


def test_a_call_goes_from_offer_to_wrap_up_and_back_to_ready() -> None:
    anna, states = operator(), []
    for event in ("offer", "answer", "hang-up", "done"):
        anna = advance(anna, event, CALL, 2.0)
        states.append(anna.state)
    assert states == ["offered", "talking", "wrap-up", "ready"]
    assert anna.call is None


def test_a_step_that_the_table_does_not_have_is_a_surprise() -> None:
    with pytest.raises(Surprise, match="anna: hang-up while idle"):
        advance(operator(), "hang-up", CALL, 2.0)


def test_an_operator_without_a_reachable_phone_is_offline() -> None:
    assert operator(member(status=5)).state == "offline"
    assert Operator(OperatorName("anna"), "Anna", None).state == "offline"


def test_a_call_that_no_queue_brought_shows_as_talking() -> None:
    assert operator(member(status=2)).state == "talking"


def test_paused_means_paused_in_every_queue() -> None:
    half = operator(member(queue="a", paused=True, reason="lunch"), member(queue="b"))
    whole = with_membership(half, member(queue="b", paused=True, reason="lunch"), 3.0)
    assert (half.state, half.reason) == ("ready", None)
    assert (whole.state, whole.reason) == ("paused", "lunch")


def test_time_in_a_state_begins_when_the_state_changes_and_only_then() -> None:
    anna = with_membership(operator(), member(status=1), 50.0)
    assert anna.since == 1.0
    anna = with_membership(anna, member(paused=True, reason="lunch"), 60.0)
    assert anna.since == 60.0


def test_leaving_the_last_queue_makes_offline() -> None:
    assert without_membership(operator(), PbxName("p"), QueueName("q"), 2.0).state == "offline"


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_whatever_happens_an_idle_operator_holds_no_call(events: list[WorkEvent]) -> None:
    anna = operator()
    for event in events:
        try:
            anna = advance(anna, event, CALL, 2.0)
        except Surprise:
            continue
        assert (anna.call is None) == (anna.work == "idle")


def test_every_work_can_end_in_idle() -> None:
    reach = {"idle"}
    for _ in WORK:
        reach |= {before for (before, _), after in WORK.items() if after in reach}
    assert reach == {"idle", "offered", "talking", "on-hold", "wrap-up"}
