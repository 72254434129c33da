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
    Fact,
    MemberSeen,
    PhoneSeen,
    Placed,
    QueueSeen,
)
from cordboard.events import PbxName

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
    def state(self) -> tuple[int, int]:
        """What is left in the model."""
        return self.model.size, self.model.undecided


def without_times(fact: Fact) -> tuple[Any, ...]:
    kept = [f.name for f in fields(fact) if f.name not in ("at", "age", "waited")]
    return type(fact).__name__, *(getattr(fact, each) for each in kept)


def told(items: list[Message] | tuple[Message, ...]) -> Counter[tuple[Any, ...]]:
    run = Told().feed(items).end()
    assert run.state == (0, 0)
    repeated = (MemberSeen, QueueSeen, PhoneSeen, Placed)
    return Counter(without_times(f) for f in run.facts if not isinstance(f, repeated))


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
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_any_order_that_asterisk_may_choose_tells_the_same(name: str, seed: int) -> None:
    assert told(another_order(name, seed)) == told(calls_only(name))


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
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_an_event_that_comes_again_while_its_channel_lives_changes_nothing(
    name: str, seed: int
) -> None:
    assert told(with_copies(name, seed)) == told(calls_only(name))
