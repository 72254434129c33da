"""The call model against what the people on the phones experienced.

The traces were recorded from a real Asterisk (tests/traces/README.md). What is expected of each
was written by hand from what was done on the phones, not from what the program printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from cordboard.replay import facts_of

TRACES = Path(__file__).parent / "traces"


def replayed(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in facts_of((TRACES / f"{name}.ami").read_bytes())]


def phone(channel: str) -> str:
    return channel.rpartition("-")[0]


def told(name: str) -> list[str]:
    """A recording as short sentences: who rang, who talked, how it ended."""
    lines = []
    for fact in replayed(name):
        match fact["event"]:
            case "delivered":
                lines.append(f"rings {' '.join(phone(peer) for peer in fact['peers'])}")
            case "established":
                lines.append(f"talks {phone(fact['peer'])}")
            case "transferred":
                goes = " ".join(phone(peer) for peer in fact["peers"])
                stays, by = phone(fact["channel"]), phone(fact["by"])
                lines.append(f"{by} transfers {stays} to {goes}, {fact['kind']}")
            case "diverted":
                lines.append(f"goes to {phone(fact['peers'][0])} instead of {phone(fact['by'])}")
            case "held" | "retrieved":
                lines.append(f"{fact['event']} by {phone(fact['by'])}")
            case "queued":
                lines.append(f"queued {fact['position']}")
            case "cleared":
                lines.append(f"cleared {fact['cause']}")
            case other:
                lines.append(other)
    return lines


ANSWERED = ["offered", "queued 1", "rings PJSIP/1001", "talks PJSIP/1001"]

STORIES = {
    "held_and_retrieved": [
        *ANSWERED,
        "held by PJSIP/1001",
        "retrieved by PJSIP/1001",
        "cleared completed",
    ],
    "forwarded_by_the_phone": [
        "offered",
        "rings PJSIP/1007",
        "goes to PJSIP/1008 instead of PJSIP/1007",
        "rings PJSIP/1008",
        "talks PJSIP/1008",
        "cleared completed",
    ],
    # The colleague's *8 is a call to the PBX of its own until it takes this one.
    "picked_up": [
        "offered",
        "queued 1",
        "rings PJSIP/1001",
        "offered",
        "goes to PJSIP/1008 instead of PJSIP/1001",
        "talks PJSIP/1008",
        "cleared completed",
    ],
    "transferred_blind": [
        *ANSWERED,
        "PJSIP/1001 transfers PJSIP/inbound to PJSIP/1008, blind",
        "rings PJSIP/1008",
        "talks PJSIP/1008",
        "cleared completed",
    ],
    "transferred_blind_to_a_busy_phone": [
        *ANSWERED,
        "PJSIP/1001 transfers PJSIP/inbound to PJSIP/1008, blind",
        "rings PJSIP/1008",
        "queued 1",
        "rings PJSIP/1002",
        "talks PJSIP/1002",
        "cleared completed",
    ],
    "transferred_attended": [
        *ANSWERED,
        "held by PJSIP/1001",
        "rings PJSIP/1008",
        "talks PJSIP/1008",
        "PJSIP/1001 transfers PJSIP/inbound to PJSIP/1008, attended",
        "cleared completed",
    ],
    "transferred_semi_attended": [
        *ANSWERED,
        "held by PJSIP/1001",
        "rings PJSIP/1008",
        "PJSIP/1001 transfers PJSIP/inbound to PJSIP/1008, semi-attended",
        "talks PJSIP/1008",
        "cleared completed",
    ],
    "consulted_and_returned": [
        *ANSWERED,
        "held by PJSIP/1001",
        "rings PJSIP/1008",
        "talks PJSIP/1008",
        "retrieved by PJSIP/1001",
        "cleared completed",
    ],
    "moved_to_another_queue": [
        "offered",
        "queued 1",
        "queued 1",
        "rings PJSIP/1006",
        "talks PJSIP/1006",
        "cleared completed",
    ],
    "redirected_while_ringing": [
        "offered",
        "queued 1",
        "rings PJSIP/1001",
        "queued 1",
        "rings PJSIP/1006",
        "talks PJSIP/1006",
        "cleared completed",
    ],
    "parked_and_fetched": [*ANSWERED, "offered", "talks PJSIP/1008", "cleared completed"],
    "originated_and_answered": [
        "offered",
        "rings PJSIP/trunk",
        "talks PJSIP/trunk",
        "cleared completed",
    ],
    "originated_not_answered": [],
    "direct_call_answered": [
        "offered",
        "rings PJSIP/1007",
        "talks PJSIP/1007",
        "cleared completed",
    ],
    "direct_call_busy": ["offered", "rings PJSIP/1007", "cleared busy"],
    "direct_call_no_answer": ["offered", "rings PJSIP/1007", "cleared no-answer"],
    "direct_call_cancelled": ["offered", "rings PJSIP/1007", "cleared cancelled"],
    "direct_call_rejected": ["offered", "rings PJSIP/1007", "cleared rejected"],
    "queue_abandoned": [
        "offered",
        "queued 1",
        "rings PJSIP/1001",
        "abandoned",
        "cleared cancelled",
    ],
    "queue_no_answer_then_answered": [
        "offered",
        "queued 1",
        "rings PJSIP/1004",
        "rings PJSIP/1005",
        "talks PJSIP/1005",
        "cleared completed",
    ],
    "queue_timeout": ["offered", "queued 1", "cleared no-answer"],
    "message_only": ["offered", "cleared completed"],
    "manager_confirmed": [
        "offered",
        "rings PJSIP/trunk",
        "talks PJSIP/trunk",
        "cleared completed",
    ],
    "manager_voicemail_then_queue": [
        "offered",
        "rings PJSIP/trunk",
        "queued 1",
        "rings PJSIP/1001",
        "talks PJSIP/1001",
        "cleared completed",
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_a_recording_tells_what_the_people_experienced(name: str) -> None:
    assert told(name) == STORIES[name]


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
    assert [line for line in story if line.startswith("talks")] == ["talks PJSIP/1003"]
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


@pytest.mark.parametrize("name", sorted(path.stem for path in TRACES.glob("*.ami")))
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
