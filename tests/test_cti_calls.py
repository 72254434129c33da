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
    Abandoned,
    Cleared,
    Detoured,
    Established,
    Fact,
    MemberGone,
    MemberSeen,
    Offered,
    Originated,
    PeerCleared,
    Placed,
    QueueLeft,
    QueueSeen,
    Undelivered,
    Unseen,
)
from cordboard.events import PbxName, QueueName


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


def test_whose_callback_is_taken_back_has_not_abandoned_whichever_half_goes_first() -> None:
    recorded = messages("callback_withdrawn")
    (at,) = (n for n, item in enumerate(recorded) if item["Event"] == "QueueCallerAbandon")
    request = Message({**recorded[at].headers, "Event": "HangupRequest", "Cause": "0"})
    for story in (recorded, [*recorded[:at], request, *recorded[at:]]):
        facts = fed(story)
        assert [fact.outcome for fact in facts if isinstance(fact, QueueLeft)] == ["moved"]
        assert not [fact for fact in facts if isinstance(fact, Abandoned)]


def test_a_leaving_that_is_explained_late_is_told_with_the_moment_of_the_leaving() -> None:
    silent = [item for item in messages("queue_timeout") if item["Event"] != "UserEvent"]
    (moment,) = (item["Timestamp"] for item in silent if item["Event"] == "QueueCallerLeave")
    left = [fact for fact in fed(silent) if isinstance(fact, QueueLeft)]
    assert [(fact.outcome, fact.at) for fact in left] == [("timed-out", float(moment))]


def test_a_phone_that_did_not_answer_gives_its_reason() -> None:
    facts = fed(messages("queue_no_answer_then_answered"))
    causes = [(phone(f.peer), f.cause) for f in facts if isinstance(f, Undelivered)]
    assert causes == [("PJSIP/1004", "no-answer")]


def test_the_dialplans_word_on_a_detour_is_told() -> None:
    facts = fed(messages("manager_voicemail_then_queue"))
    told = [(fact.kind, fact.status, fact.where) for fact in facts if isinstance(fact, Detoured)]
    assert told == [("manager", "UNCONFIRMED", "mobile")]


def test_a_detour_is_told_after_the_call_that_it_befell() -> None:
    """The dialplan may speak before anything else shows that the caller is somebody."""
    recorded = messages("queue_answered_caller_hangs_up")
    place = next(i for i, item in enumerate(recorded) if item["Event"] == "Newchannel")
    about = {key: recorded[place][key] for key in ("Uniqueid", "Linkedid", "Channel", "Timestamp")}
    about |= {"Event": "UserEvent", "UserEvent": "CordboardFallback", "Status": "SUCCESS"}
    recorded.insert(place + 1, Message(about))
    kinds = [type(fact) for fact in fed(recorded)]
    assert kinds.index(Offered) < kinds.index(Detoured)


@pytest.mark.parametrize(
    ("cause", "asked", "lost"),
    [
        ("44", "SoftHangupRequest", True),
        ("18", "HangupRequest", True),
        ("16", "HangupRequest", False),
        ("44", "none of its own", False),
    ],
    ids=["no sound", "no answer to the session timer", "put down", "the caller's loss"],
)
def test_a_lost_phone_is_told_from_one_that_was_put_down(
    cause: str, asked: str, lost: bool
) -> None:
    recorded = messages("queue_answered_operator_hangs_up")
    phones = [item["DestUniqueid"] for item in recorded if item["Event"] == "AgentConnect"]
    for item in recorded:
        if item["Uniqueid"] in phones and item["Event"] in ("HangupRequest", "SoftHangupRequest"):
            item.headers["Event"] = asked
        if item["Uniqueid"] in phones and item["Event"] == "Hangup":
            item.headers["Cause"] = cause
    ends = [fact.lost for fact in fed(recorded) if isinstance(fact, PeerCleared)]
    assert ends == [lost]


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
    facts = model.feed(Message({"Event": "CoreShowChannelsComplete"}), 50.0)
    facts += model.snapshot_done(51.0)
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
    assert [fact for fact in again if not isinstance(fact, Unseen)] == []


def channel(uniqueid: str, name: str, **more: str) -> Message:
    """An item of CoreShowChannels."""
    headers = {"Event": "CoreShowChannel", "Uniqueid": uniqueid, "Linkedid": uniqueid}
    return Message({**headers, "Channel": name, "ChannelState": "6", **more})


def listed(model: CallModel, *items: Message, at: float, queues: bool = True) -> list[Fact]:
    """A snapshot that holds these items."""
    model.snapshot_began(at)
    count = sum(item["Event"] == "CoreShowChannel" for item in items)
    end = Message({"Event": "CoreShowChannelsComplete", "ListItems": str(count)})
    facts = [fact for item in (*items, end) for fact in model.feed(item, at)]
    if queues:
        facts += model.feed(Message({"Event": "QueueStatusComplete", "ListItems": "0"}), at)
    return facts + model.snapshot_done(at)


A, B = "1795000000.1", "1795000000.2"


def gaps(facts: list[Fact]) -> list[tuple[str, float, float]]:
    return [(fact.linkedid, fact.since, fact.until) for fact in facts if isinstance(fact, Unseen)]


def test_a_gap_is_marked_on_the_calls_that_it_touched() -> None:
    model = CallModel(PbxName("test"))
    listed(model, channel(A, "PJSIP/a-1"), channel(B, "PJSIP/b-1"), at=100.0)
    model.link_lost(200.0)
    model.link_lost(205.0)  # the loss is told again with each vain attempt
    facts = listed(model, channel(A, "PJSIP/a-1"), at=210.0)
    assert gaps(facts) == [(A, 200.0, 210.0), (B, 200.0, 210.0)]
    ended = [(fact.linkedid, fact.cause) for fact in facts if isinstance(fact, Cleared)]
    assert ended == [(B, "lost")]
    assert gaps(listed(model, channel(A, "PJSIP/a-1"), at=220.0)) == []


def test_a_call_that_began_in_the_gap_is_marked_from_its_beginning() -> None:
    model = CallModel(PbxName("test"))
    listed(model, at=100.0)
    model.link_lost(200.0)
    facts = listed(model, channel(A, "PJSIP/a-1", Duration="00:00:04"), at=210.0)
    assert gaps(facts) == [(A, 206.0, 210.0)]
    assert [fact.age for fact in facts if isinstance(fact, Offered)] == [4.0]


def test_a_phone_that_answers_before_the_snapshot_begins_no_call_of_its_own() -> None:
    """After a restart the first event may be of the operator's phone: the caller is not known
    yet, and is in the list that is on its way."""
    model = CallModel(PbxName("test"))
    model.linked("boot", 100.0)
    phone = {"Uniqueid": B, "Linkedid": A, "Channel": "PJSIP/1001-1", "ChannelState": "6"}
    assert model.feed(Message({"Event": "Newstate", **phone}), 100.0) == []
    caller = channel(A, "PJSIP/trunk-1", CallerIDNum="79161234567", BridgeId="b")
    facts = listed(model, caller, channel(B, "PJSIP/1001-1", Linkedid=A, BridgeId="b"), at=100.1)
    assert [fact.number for fact in facts if isinstance(fact, Offered)] == ["79161234567"]
    (talk,) = [fact for fact in facts if isinstance(fact, Established)]
    assert (talk.channel, talk.peer) == ("PJSIP/trunk-1", "PJSIP/1001-1")


def test_what_the_first_snapshot_of_all_finds_was_not_seen_since_it_began() -> None:
    facts = listed(
        CallModel(PbxName("test")), channel(A, "PJSIP/a-1", Duration="01:00:00"), at=5000.0
    )
    assert gaps(facts) == [(A, 1400.0, 5000.0)]


def test_calls_that_die_with_the_pbx_are_marked_too() -> None:
    model = CallModel(PbxName("test"))
    model.linked("boot one", 99.0)
    listed(model, channel(A, "PJSIP/a-1"), at=100.0)
    model.link_lost(200.0)
    facts = model.linked("boot two", 230.0)
    assert gaps(facts) == [(A, 200.0, 230.0)]
    assert [type(fact).__name__ for fact in facts] == ["Unseen", "Cleared"]


def test_who_is_found_talking_talks_since_the_younger_channel_was_made() -> None:
    facts = listed(
        CallModel(PbxName("test")),
        channel(A, "PJSIP/a-1", Duration="00:01:30", BridgeId="x"),
        channel(B, "PJSIP/b-1", Duration="00:01:20", BridgeId="x", Linkedid=A),
        at=1000.0,
    )
    assert [fact.age for fact in facts if isinstance(fact, Established)] == [80.0]


def test_a_list_that_is_refused_or_lacks_an_item_closes_nothing() -> None:
    model = CallModel(PbxName("test"))
    listed(model, channel(A, "PJSIP/a-1"), at=100.0)
    model.link_lost(200.0)
    model.snapshot_began(210.0)  # CoreShowChannels was refused
    assert model.snapshot_done(210.0) == []
    model.snapshot_began(220.0)
    model.feed(Message({"Event": "CoreShowChannelsComplete", "ListItems": "1"}), 220.0)
    assert model.snapshot_done(220.0) == []
    assert model.size == 1
    assert gaps(listed(model, channel(A, "PJSIP/a-1"), at=230.0)) == [(A, 200.0, 230.0)]


def test_members_stay_while_their_list_is_refused() -> None:
    model = CallModel(PbxName("test"))
    member = {"Event": "QueueMember", "Queue": "q", "Location": "PJSIP/1", "Status": "1"}
    model.snapshot_began(1.0)
    model.feed(Message(member), 1.0)
    model.feed(Message({"Event": "QueueStatusComplete", "ListItems": "1"}), 1.0)
    model.snapshot_done(1.0)
    assert listed(model, at=2.0, queues=False) == []
    assert listed(model, at=3.0) == [MemberGone(PbxName("test"), QueueName("q"), "PJSIP/1")]


def test_on_a_standing_link_a_missing_call_has_a_second_to_end_by_itself() -> None:
    """The list may be ahead of the Hangup that is still on its way."""
    model = CallModel(PbxName("test"))
    listed(model, channel(A, "PJSIP/a-1"), channel(B, "PJSIP/b-1"), at=100.0)
    assert listed(model, at=200.0) == []
    facts = model.feed(Message({"Event": "Hangup", "Uniqueid": A, "Channel": "PJSIP/a-1"}), 200.1)
    facts += model.tick(201.0)
    ended = [(fact.linkedid, fact.cause) for fact in facts if isinstance(fact, Cleared)]
    assert ended == [(A, "completed"), (B, "lost")]


def test_parked_callers_stand_in_one_bridge_and_do_not_hear_each_other() -> None:
    model = CallModel(PbxName("test"))
    model.snapshot_began(100.0)
    for each in (A, B):
        model.feed(Message({"Event": "ParkedCall", "ParkeeUniqueid": each}), 100.0)
    model.feed(channel(A, "PJSIP/a-1", BridgeId="lot"), 100.0)
    model.feed(channel(B, "PJSIP/b-1", BridgeId="lot"), 100.0)
    facts = model.feed(Message({"Event": "CoreShowChannelsComplete", "ListItems": "2"}), 100.0)
    facts += model.snapshot_done(100.0)
    assert [type(fact).__name__ for fact in facts] == ["Offered", "Offered"]


def test_an_event_that_is_late_for_a_channel_that_hung_up_makes_no_ghost() -> None:
    model = CallModel(PbxName("test"))
    listed(model, channel(A, "PJSIP/a-1"), at=100.0)
    model.feed(Message({"Event": "Hangup", "Uniqueid": A, "Channel": "PJSIP/a-1"}), 101.0)
    late = {"Event": "QueueCallerLeave", "Queue": "q", "Uniqueid": A, "Channel": "PJSIP/a-1"}
    assert model.feed(Message(late), 101.1) == []
    assert model.size == 0


def test_a_channel_of_a_new_boot_may_have_an_old_uniqueid() -> None:
    model = CallModel(PbxName("test"))
    model.linked("boot one", 1.0)
    listed(model, channel(A, "PJSIP/a-1"), at=1.0)
    first = model.linked("boot two", 2.0)
    again = listed(model, channel(A, "PJSIP/a-1"), at=2.0)
    assert [type(fact).__name__ for fact in first] == ["Cleared"]
    assert [type(fact).__name__ for fact in again] == ["Offered"]
    assert {fact.call for fact in first if isinstance(fact, Cleared)}.isdisjoint(
        fact.call for fact in again if isinstance(fact, Offered)
    )


def test_a_call_that_does_nothing_is_told_of_after_a_second() -> None:
    model = CallModel(PbxName("test"))
    rang = {"Event": "Newchannel", "Uniqueid": A, "Linkedid": A, "Channel": "PJSIP/a-1"}
    assert model.feed(Message({**rang, "ChannelState": "4"}), 10.0) == []
    assert model.tick(10.9) == []
    assert [type(fact).__name__ for fact in model.tick(11.0)] == ["Offered"]


def test_a_masquerade_keeps_the_phone_that_it_is_about() -> None:
    """A channel that is made for it takes the phone over; the rest of the old one hangs up."""
    model = CallModel(PbxName("test"))
    facts = listed(
        model,
        channel(A, "PJSIP/a-1", BridgeId="x"),
        channel(B, "PJSIP/b-1", BridgeId="x", Linkedid=A),
        at=100.0,
    )
    new = {"Uniqueid": "1795000009.3", "Channel": "AsyncGoto/PJSIP/b-1", "Linkedid": A}
    facts = fed([Message({"Event": "Newchannel", "ChannelState": "6", **new})], model)
    for uniqueid, name in (
        (B, "PJSIP/b-1<MASQ>"),
        ("1795000009.3", "PJSIP/b-1"),
        (B, "AsyncGoto/PJSIP/b-1<ZOMBIE>"),
    ):
        facts += fed([Message({"Event": "Rename", "Uniqueid": uniqueid, "Newname": name})], model)
    facts += fed([Message({"Event": "Hangup", "Uniqueid": B, "Channel": "x"})], model)
    assert facts == []
    last = {"Event": "Hangup", "Uniqueid": "1795000009.3", "Channel": "PJSIP/b-1"}
    cleared = fed([Message(last)], model)
    assert [(fact.peer, fact.peer_uniqueid) for fact in cleared] == [("PJSIP/b-1", B)]  # type: ignore[union-attr]


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
