"""Who sees what, and that a client's fold is what a fresh snapshot would be."""

from __future__ import annotations

from typing import Any

import pytest
import screenpop_messages as say
from hypothesis import given
from hypothesis import strategies as st

from cordboard.screenpop.views import Message, Picture, Viewer, moment

ANNA = Viewer("anna", "operator")
BORIS = Viewer("boris", "operator")
OLGA = Viewer("olga", "supervisor")  # who takes calls, too
ROOT = Viewer("root", "admin")
VIEWERS = (ANNA, BORIS, OLGA, ROOT)
OPERATORS = ("anna", "boris", "olga")

numbers = st.integers(1, 4)
names = st.sampled_from(OPERATORS)


@st.composite
def pops(draw: st.DrawFn) -> Message:
    number = draw(st.integers(1, 6))
    return say.pop(number, OPERATORS[number % 3], draw(numbers), customer=draw(st.none()))


messages: st.SearchStrategy[Message] = st.one_of(
    pops(),
    st.builds(say.pop_end, st.integers(1, 6)),
    st.builds(
        say.call_message, numbers, st.none() | names, st.sampled_from(["waiting", "talking"])
    ),
    st.builds(lambda number: {"type": "call-end", "id": say.call_id(number)}, numbers),
    st.builds(
        lambda name, state: say.operators(say.operator(name, state)),
        names,
        st.sampled_from(["ready", "talking"]),
    ),
    st.builds(
        lambda name, count: say.queues(say.queue(name, count)),
        st.sampled_from(["sales", "help"]),
        st.integers(0, 3),
    ),
    st.builds(
        lambda name, calls: say.waiting(name, *calls),
        st.sampled_from(["sales", "help"]),
        st.lists(numbers, max_size=3, unique=True),
    ),
    st.builds(say.pbx, st.sampled_from(["up", "down", "connecting"])),
    st.builds(say.alarm, st.sampled_from(["spooling", "disk-full"]), numbers),
    st.builds(say.missed, st.integers(1, 4), st.sampled_from(["anna", "boris"])),
    st.builds(say.missed_end, st.integers(1, 4), st.sampled_from(["anna", "boris"])),
    st.builds(say.respondent, numbers, names, st.sampled_from(["taken", "dialled"])),
    st.builds(say.respondent_end, numbers, names),
    st.builds(say.alarm_end, st.sampled_from(["spooling", "disk-full"])),
    st.builds(say.notice, names, st.sampled_from(["pause", "logout"])),
    st.builds(say.notice_end, names),
    st.builds(lambda: {"type": "result", "id": "x", "ok": True, "error": None}),
)


class Client:
    """Folds as docs/stream.md says, without knowing `Picture`."""

    def __init__(self, snapshot: Message) -> None:
        self.lists = {
            kind: {item[key]: item for item in snapshot[kind]}
            for kind, key in (
                ("pbx", "name"),
                ("operators", "name"),
                ("queues", "name"),
                ("calls", "id"),
                ("pops", "id"),
                ("alarms", "kind"),
                ("notices", "operator"),
                ("missed", "id"),
                ("respondents", "operator"),
            )
        }
        self.waiting: dict[str, list[Any]] = {}
        for entry in snapshot["waiting"]:
            self.waiting.setdefault(entry["queue"], []).append(entry)

    def fold(self, message: Message) -> None:
        match message["type"]:
            case "screenpop":
                pop = {key: value for key, value in message.items() if key not in ("type", "seq")}
                self.lists["pops"][pop["id"]] = pop
            case "screenpop-end":
                self.lists["pops"].pop(message["id"], None)
            case "call":
                self.lists["calls"][message["call"]["id"]] = message["call"]
            case "call-end":
                self.lists["calls"].pop(message["id"], None)
            case "operators" | "queues" as kind:
                self.lists[kind].update((item["name"], item) for item in message["changed"])
            case "waiting":
                self.waiting[message["queue"]] = message["entries"]
            case "pbx":
                self.lists["pbx"][message["pbx"]["name"]] = message["pbx"]
            case "alarm":
                self.lists["alarms"][message["alarm"]["kind"]] = message["alarm"]
            case "notice":
                self.lists["notices"][message["notice"]["operator"]] = message["notice"]
            case "notice-end":
                self.lists["notices"].pop(message["operator"], None)
            case "missed":
                self.lists["missed"][message["missed"]["id"]] = message["missed"]
            case "missed-end":
                self.lists["missed"].pop(message["id"], None)
            case "respondent":
                held = message["respondent"]
                self.lists["respondents"][held["operator"]] = held
            case "respondent-end":
                self.lists["respondents"].pop(message["operator"], None)
            case "alarm-end":
                self.lists["alarms"].pop(message["kind"], None)

    def holds(self, snapshot: Message) -> bool:
        other = Client(snapshot)
        mine = {name: entries for name, entries in self.waiting.items() if entries}
        return self.lists == other.lists and mine == other.waiting


@given(st.lists(messages, max_size=40), st.integers(0, 40))
def test_snapshot_and_messages_are_a_fresh_snapshot(sent: list[Message], joined: int) -> None:
    picture = Picture()
    clients: dict[Viewer, Client] = {}
    for place, message in enumerate([*sent, None]):
        if place == min(joined, len(sent)):
            clients = {viewer: Client(picture.snapshot_for(viewer)) for viewer in VIEWERS}
        if message is None:
            break
        for delivered, audience in picture.apply(message, to="anna"):
            for viewer, client in clients.items():
                if viewer in audience:
                    client.fold(delivered)
        for viewer, client in clients.items():
            assert client.holds(picture.snapshot_for(viewer)), (viewer, message)


@given(st.lists(messages, max_size=30))
def test_an_operator_is_sent_nothing_of_others(sent: list[Message]) -> None:
    picture = Picture()
    for message in sent:
        for delivered, audience in picture.apply(message, to="root"):
            if ANNA in audience and delivered["type"] == "screenpop":
                assert delivered["operator"] == "anna"
            if ANNA in audience and delivered["type"] == "call":
                assert "anna" in picture.owners(delivered["call"]["id"])
            for_others = ("waiting", "alarm", "alarm-end", "result")
            assert not (ANNA in audience and delivered["type"] in for_others)
    seen = picture.snapshot_for(ANNA)
    assert seen["waiting"] == seen["alarms"] == []
    assert all(pop["operator"] == "anna" for pop in seen["pops"])


def audience_of(picture: Picture, message: Message, to: str | None = None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for delivered, audience in picture.apply(message, to):
        found[delivered["type"]] = {viewer.name for viewer in VIEWERS if viewer in audience}
    return found


def test_each_message_has_its_audience() -> None:
    everyone = {viewer.name for viewer in VIEWERS}
    picture = Picture()
    assert audience_of(picture, say.operators(say.operator("anna"))) == {"operators": everyone}
    assert audience_of(picture, say.queues(say.queue("sales"))) == {"queues": everyone}
    assert audience_of(picture, say.pbx("up")) == {"pbx": everyone}
    assert audience_of(picture, say.alarm("spooling")) == {"alarm": {"olga", "root"}}
    assert audience_of(picture, say.alarm_end("spooling")) == {"alarm-end": {"olga", "root"}}
    assert audience_of(picture, say.waiting("sales", 1)) == {"waiting": {"olga", "root"}}
    assert audience_of(picture, say.call_message(1)) == {"call": {"olga", "root"}}
    result = {"type": "result", "id": "x", "ok": True, "error": None}
    assert audience_of(picture, result, to="boris") == {"result": {"boris"}}
    assert audience_of(picture, result) == {"result": set()}


def test_an_operator_comes_to_see_a_call_with_its_pop_and_loses_it_with_the_pops_end() -> None:
    picture = Picture()
    picture.apply(say.call_message(1))
    assert audience_of(picture, say.pop(1, "anna", 1)) == {
        "screenpop": {"anna", "olga", "root"},
        "call": {"anna"},
    }
    assert audience_of(picture, say.call_message(1, None, "ringing")) == {
        "call": {"anna", "olga", "root"}
    }
    assert audience_of(picture, say.pop_end(1)) == {
        "screenpop-end": {"anna", "olga", "root"},
        "call-end": {"anna"},
    }


def test_a_call_that_changes_hands_leaves_the_first_operators_list() -> None:
    picture = Picture()
    picture.apply(say.call_message(1, "anna", "talking"))
    assert audience_of(picture, say.call_message(1, "boris", "talking")) == {
        "call": {"boris", "olga", "root"},
        "call-end": {"anna"},
    }


def test_a_supervisor_who_took_the_call_keeps_seeing_it_when_it_goes_on() -> None:
    picture = Picture()
    picture.apply(say.call_message(1, "olga", "talking"))
    assert audience_of(picture, say.call_message(1, "boris", "talking"))["call-end"] == set()


def test_the_end_of_what_nobody_knows_is_sent_to_nobody() -> None:
    picture = Picture()
    assert picture.apply(say.pop_end(1)) == []
    assert picture.apply({"type": "call-end", "id": say.call_id(1)}) == []


def test_a_type_that_the_contract_does_not_have_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="gossip"):
        Picture().apply({"type": "gossip"})


def test_a_moment_is_written_in_utc_with_microseconds() -> None:
    assert moment(1_790_000_000.25) == "2026-09-21T14:13:20.250000Z"
