"""The call model's laws, over every recording of a real Asterisk.

What Asterisk may reorder is written down in docs/asterisk.md: events of one channel, and of one
bridge, keep their order; those of different channels come from different threads and may change
places when they lie within milliseconds of each other.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.cti.ami import Decoder, Message
from cordboard.cti.calls import CallModel
from cordboard.cti.facts import (
    Cleared,
    Established,
    Fact,
    MemberSeen,
    Merged,
    Offered,
    PhoneSeen,
    Placed,
    QueueLeft,
    QueueSeen,
    Transferred,
)
from cordboard.events import PbxName
from cordboard.replay import facts_of

TRACES = Path(__file__).parent / "traces"
NAMES = sorted(path.stem for path in TRACES.glob("*.ami"))
CLOSE = 0.02
"""Seconds within which events of different threads may change places."""

MEMBERS = ("QueueMember", "DeviceState", "PeerStatus", "ContactStatus", "FullyBooted")
over_all_traces = pytest.mark.parametrize("name", NAMES)


@cache
def messages(name: str) -> tuple[Message, ...]:
    return tuple(Decoder().feed((TRACES / f"{name}.ami").read_bytes()))


@cache
def calls_only(name: str) -> tuple[Message, ...]:
    """The events of channels, bridges and queues; snapshots belong to the link."""
    found = [m for m in messages(name) if m["Event"] and not m["Event"].startswith(MEMBERS)]
    return tuple(m for m in found if "ActionID" not in m.headers)


def has_lists(name: str) -> bool:
    return any(m["Event"] == "CoreShowChannelsComplete" for m in messages(name))


class Told:
    """A model and what it has told."""

    def __init__(self) -> None:
        self.model = CallModel(PbxName("test"))
        self.facts: list[Fact] = []
        self.now = 0.0

    def feed(self, items: list[Message] | tuple[Message, ...]) -> Told:
        for item in items:
            self.now = max(self.now, float(item["Timestamp"] or 0))
            self.facts += self.model.feed(item, self.now)
        return self

    def end(self) -> Told:
        self.facts += self.model.tick(self.now + 10)
        return self

    @property
    def state(self) -> tuple[tuple[str, int], ...]:
        """What is left in the model."""
        return tuple(sorted(self.model.held.items()))


def without_times(fact: Fact) -> tuple[Any, ...]:
    kept = [f.name for f in fields(fact) if f.name not in ("at", "age", "waited")]
    return type(fact).__name__, *(getattr(fact, each) for each in kept)


def told(items: list[Message] | tuple[Message, ...]) -> Counter[tuple[Any, ...]]:
    """All facts, and what is left in the end."""
    run = Told().feed(items).end()
    repeated = (MemberSeen, QueueSeen, PhoneSeen, Placed)
    facts = [without_times(f) for f in run.facts if not isinstance(f, repeated)]
    return Counter([*facts, ("left", *run.state)])


@cache
def as_it_was(name: str) -> Counter[tuple[Any, ...]]:
    return told(calls_only(name))


# Any order that Asterisk may choose


def names_of(message: Message) -> set[str]:
    """The channels and bridges that an event speaks of. A channel's first event comes after the
    one of the channel that it was made for."""
    headers = message.headers
    found = {value for key, value in headers.items() if key.endswith("niqueid")}
    found |= {value[:-2] for key, value in headers.items() if value.endswith((";1", ";2"))}
    if message["Event"] == "Newchannel":
        found.add(message["Linkedid"])
    return found


@cache
def must_follow(name: str) -> tuple[tuple[int, ...], ...]:
    """For each event the earlier ones that stay before it."""
    items = calls_only(name)
    speaks = [names_of(item) for item in items]
    times = [float(item["Timestamp"] or 0) for item in items]
    return tuple(
        tuple(
            j
            for j in range(i)
            if speaks[i] & speaks[j] or not times[i] or times[i] - times[j] > CLOSE
        )
        for i in range(len(items))
    )


def another_order(name: str, seed: int) -> list[Message]:
    """One of the orders that are possible; `seed` says which."""
    chance = random.Random(seed)
    items, before = calls_only(name), must_follow(name)
    waiting, done, order = list(range(len(items))), set[int](), list[Message]()
    while waiting:
        free = [i for i in waiting[:12] if done.issuperset(before[i])]
        chosen = chance.choice(free)
        waiting.remove(chosen)
        done.add(chosen)
        order.append(items[chosen])
    return order


@over_all_traces
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_order_that_asterisk_may_choose_tells_the_same(name: str, seed: int) -> None:
    assert told(another_order(name, seed)) == as_it_was(name)


# Copies


def with_copies(name: str, seed: int) -> list[Message]:
    """Events that come again, at once or later, while all of their channels live."""
    chance = random.Random(seed)
    items = list(calls_only(name))
    if not items:
        return items
    hangups = {item["Uniqueid"]: i for i, item in enumerate(items) if item["Event"] == "Hangup"}
    places = []
    for index in sorted(chance.choices(range(len(items)), k=8), reverse=True):
        last = min((hangups.get(each, len(items)) for each in names_of(items[index])), default=0)
        places.append((chance.randint(index + 1, max(last, index + 1)), items[index]))
    for place, item in sorted(places, key=lambda pair: -pair[0]):
        items.insert(place, item)
    return items


@over_all_traces
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_event_that_comes_again_while_its_channel_lives_changes_nothing(
    name: str, seed: int
) -> None:
    assert told(with_copies(name, seed)) == as_it_was(name)


# A snapshot in the middle


class Witness:
    """What Asterisk's lists would hold, from the events alone and without the model."""

    def __init__(self) -> None:
        self.channels: dict[str, dict[str, str]] = {}
        self.bridges: dict[str, str] = {}
        self.queues: dict[str, str] = {}
        self.parked: set[str] = set()
        self.born: dict[str, float] = {}
        self.now = 0.0
        self._gone: set[str] = set()

    def feed(self, item: Message) -> None:
        self.now = float(item["Timestamp"] or self.now)
        for prefix in ("", "Dest"):
            uniqueid = item[f"{prefix}Uniqueid"]
            if uniqueid and item[f"{prefix}Channel"] and uniqueid not in self._gone:
                known = self.channels.setdefault(uniqueid, {})
                self.born.setdefault(uniqueid, self.now)
                for key in ("Channel", "ChannelState", "Linkedid", "CallerIDNum", "Exten"):
                    known[key] = item[prefix + key]
        uniqueid = item["Uniqueid"]
        match item["Event"]:
            case "Hangup":
                self._gone.add(uniqueid)
                self.parked.discard(uniqueid)
                for of_channel in (self.channels, self.bridges, self.queues):
                    of_channel.pop(uniqueid, None)
            case "BridgeEnter":
                self.bridges[uniqueid] = item["BridgeUniqueid"]
                if item["BridgeType"] == "basic":
                    for other in self._inside(item["BridgeUniqueid"]):
                        self.channels[other]["Linkedid"] = item["Linkedid"]
            case "BridgeLeave":
                self.bridges.pop(uniqueid, None)
            case "QueueCallerJoin":
                self.queues[uniqueid] = item["Queue"]
            case "QueueCallerLeave":
                self.queues.pop(uniqueid, None)
            case "ParkedCall":
                self.parked.add(item["ParkeeUniqueid"])
            case "UnParkedCall" | "ParkedCallTimeOut" | "ParkedCallGiveUp":
                self.parked.discard(item["ParkeeUniqueid"])

    def _inside(self, bridge: str) -> list[str]:
        return [uniqueid for uniqueid, where in self.bridges.items() if where == bridge]

    def lists(self) -> list[Message]:
        parked = [{"Event": "ParkedCall", "ParkeeUniqueid": each} for each in self.parked]
        channels = [
            {
                "Event": "CoreShowChannel",
                "Uniqueid": uniqueid,
                "BridgeId": self.bridges.get(uniqueid, ""),
                "Duration": f"00:00:{self.now - self.born[uniqueid]:02.0f}",
                **known,
            }
            for uniqueid, known in self.channels.items()
        ]
        entries = [
            {
                "Event": "QueueEntry",
                "Queue": queue,
                "Position": "1",
                "Uniqueid": uniqueid,
                "Channel": self.channels[uniqueid]["Channel"],
            }
            for uniqueid, queue in self.queues.items()
            if uniqueid in self.channels
        ]
        found = []
        for name, items in (
            ("ParkedCalls", parked),
            ("CoreShowChannels", channels),
            ("QueueStatus", entries),
        ):
            found += [Message(item) for item in items]
            end = {"Event": f"{name}Complete", "ListItems": str(len(items))}
            found.append(Message(end))
        return found


def take_snapshot(run: Told, lists: list[Message]) -> None:
    run.facts += run.model.snapshot_began(run.now)
    run.feed(lists)
    run.facts += run.model.snapshot_done(run.now)


def outcomes(facts: list[Fact]) -> Counter[tuple[Any, ...]]:
    """How waits ended, who talked, who was put through, and that the calls ended."""
    found: Counter[tuple[Any, ...]] = Counter()
    for fact in facts:
        match fact:
            case QueueLeft():
                found["left", fact.uniqueid, fact.queue, fact.outcome] += 1
            case Established():
                found["talks", fact.peer_uniqueid] += 1
            case Transferred():
                found["transferred", fact.kind, fact.by, fact.peer_uniqueid] += 1
            case Cleared():
                found["cleared",] += 1
    return found


def is_quiet(before: tuple[Message, ...]) -> bool:
    """Whether nothing has begun that only later events will tell in full. A snapshot does not know
    that a phone has hung up, that somebody is on his way to another, or why a wait ended."""
    on_the_way: set[str] = set()
    for item in before:
        uniqueid = item["Uniqueid"]
        match item["Event"]:
            case "HangupRequest" | "SoftHangupRequest" | "QueueCallerAbandon" | "QueueCallerLeave":
                on_the_way.add(uniqueid)
            case "BlindTransfer":
                on_the_way.add("transfer")
            case "DialState" | "DialEnd":
                on_the_way.discard("transfer")
            case "Hangup" | "BridgeEnter" | "QueueCallerJoin":
                on_the_way.discard(uniqueid)
    return not on_the_way


TWO_CALLS = {"connected_to_an_older_call", "connected_to_a_younger_call"}
"""Whose call goes on after a transfer joined two is not in the lists."""


def live_calls(facts: list[Fact]) -> int:
    counts = Counter(type(fact) for fact in facts)
    return counts[Offered] - counts[Cleared] - counts[Merged]


@pytest.mark.parametrize("name", [n for n in NAMES if not has_lists(n) and n not in TWO_CALLS])
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_snapshot_and_what_follows_tell_what_the_whole_would_have(
    name: str, data: st.DataObject
) -> None:
    items = calls_only(name)
    cut = data.draw(st.integers(0, len(items)).filter(lambda cut: is_quiet(items[:cut])))
    again = data.draw(st.integers(0, min(cut, 2)))
    witness, whole, fresh = Witness(), Told(), Told()
    for item in items[:cut]:
        witness.feed(item)
    whole.feed(items[:cut])
    seen = len(whole.facts)
    before, live = outcomes(whole.facts), live_calls(whole.facts)
    whole.feed(items[cut:]).end()
    fresh.now = witness.now
    take_snapshot(fresh, witness.lists())
    alike = live == live_calls(fresh.facts)
    # The lists are ahead of the events: some that they contain already come after them.
    fresh.feed(items[cut - again :]).end()
    after, told_fresh = outcomes(whole.facts[seen:]), outcomes(fresh.facts)
    if not alike:  # in a conference each has a Linkedid of his own
        after.pop(("cleared",), None)
        told_fresh.pop(("cleared",), None)
    assert after - told_fresh == Counter()
    assert (told_fresh - after) - before == Counter()
    assert fresh.state == whole.state


# Nothing is kept


def is_complete(name: str) -> bool:
    items = messages(name)
    hung_up = {item["Uniqueid"] for item in items if item["Event"] == "Hangup"}
    shown = ("Newchannel", "CoreShowChannel")
    return hung_up >= {item["Uniqueid"] for item in items if item["Event"] in shown}


@pytest.mark.parametrize("name", [name for name in NAMES if is_complete(name)])
def test_nothing_is_kept_of_calls_that_are_over(name: str) -> None:
    run = Told().feed(messages(name))
    assert run.state == ()


# Anything at all

VALUES = st.sampled_from(
    [
        "",
        "<unknown>",
        "unknown",
        "-1",
        "0",
        "6",
        "9" * 5000,
        "nan",
        "inf",
        "-inf",
        "1e999",
        "\u0663",
        "Local/1@x-1;1",
        "Local/1@x-1;2",
        "PJSIP/1001-00000001",
        "PJSIP/1001-00000001<MASQ>",
        "PJSIP/1001-00000001<ZOMBIE>",
        "1.0",
        "1.1",
        ";",
        "\\",
    ]
)
EVENTS = st.sampled_from(sorted({item["Event"] for name in NAMES for item in messages(name)}))
KEYS = st.sampled_from(sorted({key for name in NAMES for m in messages(name) for key in m.headers}))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.dictionaries(KEYS, VALUES, max_size=12)), max_size=30))
def test_no_field_of_any_event_makes_the_model_raise(
    items: list[tuple[str, dict[str, str]]],
) -> None:
    model = CallModel(PbxName("test"))
    for number, (event, headers) in enumerate(items):
        model.feed(Message({**headers, "Event": event}), float(number))
    model.tick(1e6)
    model.link_lost(1e6)
    model.linked("another boot", 1e6)
    assert model.size == 0


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_a_real_call_with_spoilt_fields_makes_nobody_raise(name: str, data: st.DataObject) -> None:
    items = list(messages(name))
    model = CallModel(PbxName("test"))
    for place in data.draw(st.lists(st.integers(0, len(items) - 1), max_size=10)):
        spoilt = dict(items[place].headers)
        spoilt[data.draw(st.sampled_from(sorted(spoilt)))] = data.draw(VALUES)
        items[place] = Message(spoilt)
    for number, item in enumerate(items):
        model.feed(item, float(number))
    model.linked("one boot", 1e6)
    model.linked("another boot", 1e6)
    assert model.size == 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_make_replay_raise(parts: list[bytes]) -> None:
    assert list(facts_of(b"\r\n\r\n".join(b"Event: Hangup\r\n" + part for part in parts))) == []
