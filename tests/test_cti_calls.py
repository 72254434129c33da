"""The call model against what the people on the phones experienced.

The traces were recorded from a real Asterisk (tests/traces/README.md). Their whole stories are in
test_cti_stories.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telling import TRACES, phone, replayed, told

from cordboard.cti.ami import Decoder, Message
from cordboard.cti.calls import CallModel
from cordboard.cti.facts import (
    Cleared,
    Fact,
    MemberSeen,
    Originated,
    Placed,
    QueueLeft,
    QueueSeen,
    Undelivered,
)
from cordboard.events import PbxName


@pytest.mark.parametrize(
    "name", ["queue_answered_caller_hangs_up", "queue_answered_operator_hangs_up"]
)
def test_a_queued_call_is_completed_whoever_hangs_up(name: str) -> None:
    offered, queued, rings, talks, cleared = told(name)
    assert (offered, cleared) == ("offered", "cleared completed")
    assert queued.endswith(" 1")
    assert rings.removeprefix("rings ") == talks.removeprefix("talks ")


def test_a_busy_phone_does_not_ring_and_the_next_one_answers() -> None:
    story = told("queue_member_busy_then_answered")
    assert [line for line in story if line.startswith("talks")] == ["talks 1003"]
    assert story[-1] == "cleared completed"


def test_two_calls_at_once_are_kept_apart() -> None:
    facts = replayed("two_calls_interleaved")
    calls = {fact["call"] for fact in facts}
    assert len(calls) == 2
    for call in calls:
        own = [fact for fact in facts if fact["call"] == call]
        kinds = [fact["event"] for fact in own]
        assert kinds == ["offered", "queued", "delivered", "established", "cleared"]
        assert own[2]["peers"] == [own[3]["peer"]]


def test_a_recording_that_begins_in_mid_call_knows_who_talks_with_whom() -> None:
    facts = replayed("snapshot_mid_call")
    talking = [phone(fact["peer"]) for fact in facts if fact["event"] == "established"]
    ringing = [phone(fact["peers"][0]) for fact in facts if fact["event"] == "delivered"]
    waiting = [fact["position"] for fact in facts if fact["event"] == "queued"]
    assert (talking, ringing, waiting) == (["PJSIP/1005"], ["PJSIP/1007"], [1])
    ended = [fact["call"] for fact in facts if fact["event"] == "cleared"]
    assert sorted(ended) == sorted({fact["call"] for fact in facts})


def test_names_come_through_as_they_are() -> None:
    names = {fact.get("name") for fact in replayed("direct_call_answered")}
    assert "Мария Иванова" in names


def test_a_forged_frame_makes_no_call_of_its_own() -> None:
    facts = replayed("forged_from_user")
    assert {fact["event"] for fact in facts} <= {
        "offered",
        "queued",
        "delivered",
        "established",
        "cleared",
    }
    assert len({fact["call"] for fact in facts}) == 1


# The rules, on the model itself


def fed(messages: list[Message], model: CallModel | None = None) -> list[Fact]:
    model = model or CallModel(PbxName("test"))
    return [
        fact for number, item in enumerate(messages) for fact in model.feed(item, float(number))
    ]


def messages(name: str) -> list[Message]:
    return Decoder().feed((TRACES / f"{name}.ami").read_bytes())


def plain(facts: list[Fact]) -> list[Fact]:
    """Without what a list says again each time it is asked for, and answers told to who asked."""
    told = (MemberSeen, QueueSeen, Placed, Originated)
    return [fact for fact in facts if not isinstance(fact, told)]


@pytest.mark.parametrize("name", sorted(path.stem for path in TRACES.glob("*.ami")))
def test_an_event_that_comes_twice_changes_nothing(name: str) -> None:
    once = messages(name)
    twice = [item for message in once for item in (message, message)]
    kinds = [type(fact).__name__ for fact in plain(fed(once))]
    assert [type(fact).__name__ for fact in plain(fed(twice))] == kinds


# Calls whose end no event tells; that of some is told by the link, or by what a list leaves out.
CUT = {
    "link_lost_in_mid_call",
    "pbx_killed_and_started_again",
    "pbx_killed_in_mid_call",
    "recording_ends_in_mid_call",
}


@pytest.mark.parametrize("name", sorted({path.stem for path in TRACES.glob("*.ami")} - CUT))
def test_nothing_is_kept_of_calls_that_are_over(name: str) -> None:
    model = CallModel(PbxName("test"))
    fed(messages(name), model)
    assert model.size == 0


@pytest.mark.parametrize("name", ["queue_answered_caller_hangs_up", "queue_abandoned"])
def test_a_lost_newchannel_event_costs_only_the_exact_moment(name: str) -> None:
    kept = [item for item in messages(name) if item["Event"] != "Newchannel"]
    kinds = [type(fact).__name__ for fact in plain(fed(kept))]
    assert kinds == [type(fact).__name__ for fact in plain(fed(messages(name)))]


def test_a_caller_whom_the_queue_sent_away_has_not_abandoned() -> None:
    left = [fact for fact in fed(messages("queue_timeout")) if isinstance(fact, QueueLeft)]
    assert [fact.outcome for fact in left] == ["timed-out"]


def test_a_leaving_that_is_explained_late_is_told_with_the_moment_of_the_leaving() -> None:
    silent = [item for item in messages("queue_timeout") if item["Event"] != "UserEvent"]
    (moment,) = (item["Timestamp"] for item in silent if item["Event"] == "QueueCallerLeave")
    left = [fact for fact in fed(silent) if isinstance(fact, QueueLeft)]
    assert [(fact.outcome, fact.at) for fact in left] == [("timed-out", float(moment))]


def test_a_phone_that_did_not_answer_gives_its_reason() -> None:
    facts = fed(messages("queue_no_answer_then_answered"))
    causes = [(phone(f.peer), f.cause) for f in facts if isinstance(f, Undelivered)]
    assert causes == [("PJSIP/1004", "no-answer")]


def test_a_restart_of_the_pbx_closes_its_calls_as_lost() -> None:
    model = CallModel(PbxName("test"))
    model.linked("boot one", 0.0)
    begun = messages("queue_answered_caller_hangs_up")
    half = next(i for i, item in enumerate(begun) if item["Event"] == "BridgeEnter") + 1
    fed(begun[:half], model)
    assert model.size > 0
    causes = [fact.cause for fact in model.linked("boot two", 99.0) if isinstance(fact, Cleared)]
    assert causes == ["lost"]
    assert model.size == 0


def test_what_a_snapshot_leaves_out_is_closed() -> None:
    model = CallModel(PbxName("test"))
    begun = messages("queue_answered_caller_hangs_up")
    half = next(i for i, item in enumerate(begun) if item["Event"] == "AgentCalled") + 1
    fed(begun[:half], model)
    model.snapshot_began(50.0)
    model.feed(Message({"Event": "CoreShowChannelsComplete"}), 50.0)
    facts = model.snapshot_done(51.0)
    assert [fact.cause for fact in facts if isinstance(fact, Cleared)] == ["lost"]
    assert model.size == 0


def test_a_snapshot_of_what_is_known_already_says_nothing_new() -> None:
    recorded = messages("snapshot_mid_call")
    model = CallModel(PbxName("test"))
    fed(recorded, model)
    end = next(i for i, m in enumerate(recorded) if m["Event"] == "CoreShowChannelsComplete")
    model = CallModel(PbxName("test"))
    first = plain(fed(recorded[: end + 1], model))
    model.snapshot_began(60.0)
    again = plain(fed(recorded[: end + 1], model))
    assert first
    assert again == []


@given(st.data())
def test_no_order_of_events_makes_the_model_raise_or_leak(data: st.DataObject) -> None:
    """Asterisk's events come from several threads; a lossy or forged stream is worse still."""
    shuffled = data.draw(st.permutations(messages("queue_answered_caller_hangs_up")))
    model = CallModel(PbxName("test"))
    fed(shuffled, model)
    model.snapshot_began(100.0)
    model.feed(Message({"Event": "CoreShowChannelsComplete"}), 100.0)
    model.snapshot_done(101.0)
    assert model.size == 0
