"""The flight recorder's language: all comes back, nobody is named, and what was decided is decided
again, from wherever the recording begins."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import random
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from cordboard.core import Core, Item, QueuesDue
from cordboard.crm_core.model import (
    Card,
    Customer,
    Interaction,
    Manager,
    Report,
    Respondent,
    RespondentList,
    User,
)
from cordboard.cti import calls, legs, members, parties, sight, snapshots, stays, transfers
from cordboard.cti import facts as cti
from cordboard.cti.ami import Decoder, Message
from cordboard.desk.commands import (
    Command,
    FindCustomer,
    Originate,
    Save,
    SaveWrapUp,
    ShowMissed,
)
from cordboard.desk.facts import (
    ActionAsked,
    ActionDone,
    BackAsked,
    CustomerChanged,
    CustomerFound,
    CustomerStale,
    PolicyChanged,
    RespondentTaken,
    RouteAsked,
    Tick,
    UsersChanged,
    WrapUpSaved,
)
from cordboard.desk.model import Rules
from cordboard.events import OperatorName, PbxName, QueueName, derived_id
from cordboard.flight import (
    FIELDS,
    HEADERS,
    LOGINS,
    PARTIES,
    Reader,
    RecordingError,
    Writer,
    broken,
)
from cordboard.pseudonyms import Pseudonyms
from cordboard.queue.policy import Policy
from cordboard.replay import Flight

HERE = Path(__file__).parent
POLICY = Policy.parse((HERE.parent / "config/routing.toml").read_text(encoding="utf-8"))
OTHER_POLICY = Policy.parse(
    """
    default_queue = "support-{language}"
    [[rule]]
    name = "дела"
    when = { attributes = { cases = { at_least = 1 } }, country = ["RU"] }
    action = "queue"
    priority = 7
    [[rule]]
    name = "known"
    when = { known = true, queue = { name = "support-{language}", waiting = { at_least = 1 } } }
    action = "queue"
    raise = { by = 1, every = 2, up_to = 9 }
    first = { who = "last-operator" }
    """
)
RULES = Rules(POLICY, ZoneInfo("Europe/Sofia"), wrapup=3.0, threshold=20.0, short_abandon=5.0)
PBX = PbxName("pbx")
NUMBERS = ["79161234567", "+359888123456", "89031112233", "anonymous", "+4930901820", "1042"]
NAMES = ["Иван Петров", r"O\'Brien \"Bob\"", "<unknown>", "+79161234567", "Mallory"]
SAID = ("Петров", "Brien", "Mallory", "1234567", "8123456", "1112233", "0901820", "Анна", "счёт")
"""Parts of what nobody must find in a recording."""


def a_core() -> Core:
    return Core(RULES, [PBX])


def a_writer() -> Writer:
    return Writer(Pseudonyms(b"key", ["vip", "regular", "blocked", "ru", "resolved"]))


# Round trips


def members_of(union: Any) -> Iterator[Any]:
    """The classes of a union, also of those it is made of."""
    for part in typing.get_args(union):
        if isinstance(part, UnionType):
            yield from members_of(part)
        else:
            yield part


ITEMS = [*dict.fromkeys(members_of(Item))]
COMMANDS = [*members_of(Command)]
OURS = st.sampled_from(["", "anna", "support-ru", "PJSIP/1001", "1732249271.12"])
TEXT = st.text(max_size=8) | st.sampled_from([*NUMBERS, *NAMES, "PJSIP/1001-00000001"])


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Whatever a field with this type may hold."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin in (UnionType, typing.Union):
        return st.one_of(*map(values, inside))
    if origin is tuple and inside[-1:] == (...,):
        return st.lists(values(inside[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inside))
    if origin is frozenset:
        return st.frozensets(values(inside[0]), max_size=3)
    if origin in (dict, Mapping):
        return st.dictionaries(OURS, values(inside[1]), max_size=3)
    if hint is Any:
        return TEXT | st.integers() | st.booleans() | st.none() | st.lists(TEXT, max_size=2)
    if hint is Message:
        return st.dictionaries(st.sampled_from([*HEADERS]), TEXT).map(Message)
    if hint is ZoneInfo:
        return st.just(RULES.zone)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return st.just(POLICY)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        hints = typing.get_type_hints(hint)
        public = {name for name in hints if name in FIELDS or (hint in LOGINS and name == "name")}
        fields = {
            name: OURS
            if name in public and str in (inner, *typing.get_args(inner))
            else values(inner)
            for name, inner in hints.items()
        }
        return st.builds(hint, **fields)
    if hasattr(hint, "__supertype__"):
        return OURS
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXT,
        int: st.integers(),
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        type(None): st.none(),
    }
    return simple[hint]


@pytest.mark.parametrize("kind", ITEMS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_item_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    item = data.draw(values(kind))
    back = Reader().item(json.loads(Writer(None).line(item, 1.0, [])))
    if isinstance(item, cti.PbxMessage):
        headers = {key: value for key, value in item.message.headers.items() if value}
        for party in PARTIES:
            if party + "CallerIDName" in headers:  # written as before Asterisk escaped it
                headers[party + "CallerIDName"] = parties.caller_name(item.message, party)
        item = dataclasses.replace(item, message=Message(headers), born=0.0)
    assert back == item
    assert type(back) is type(item)


@pytest.mark.parametrize("kind", ITEMS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_item_can_be_written_with_pseudonyms_and_read(
    kind: type, data: st.DataObject
) -> None:
    line = a_writer().line(data.draw(values(kind)), 1.0, [])
    assert isinstance(Reader().item(json.loads(line)), kind)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_command_is_a_decision_that_names_nobody(kind: type, data: st.DataObject) -> None:
    said = json.dumps(a_writer().decision(data.draw(values(kind))), ensure_ascii=False)
    assert json.loads(said)["decision"]
    assert not [part for part in SAID if part in said]


def test_the_model_reads_no_header_that_is_not_recorded() -> None:
    read: set[str] = set()
    for module in (calls, legs, members, parties, sight, snapshots, stays, transfers):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            named = ast.unparse(node.value) if isinstance(node, ast.Subscript) else ""
            if isinstance(node, ast.Subscript) and named in ("message", "item", "headers"):
                read |= _strings(node.slice)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("headers.get"):
                read |= _strings(node.args[0])
    prefixed = {"Dest" + name for name in ("Uniqueid", "Channel", "Linkedid")}
    assert len(read) > 25
    assert (read | prefixed) - set(HEADERS) == set()


def _strings(node: ast.AST) -> set[str]:
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


# Flights: whole days of a desk, drawn


@cache
def trace(name: str) -> tuple[Message, ...]:
    return tuple(Decoder().feed((HERE / "traces" / f"{name}.ami").read_bytes()))


TRACES = sorted(path.stem for path in (HERE / "traces").glob("*.ami"))


def a_customer(rng: random.Random, number: str) -> Card:
    manager = Manager("anna", "Анна Каренина", "+79031110001")
    customer = Customer(
        id=derived_id(1, number),
        kind="person",
        name=rng.choice(NAMES),
        phones=(number, "+79169998877"),
        status=rng.choice(["vip", "regular", "blocked"]),
        language=rng.choice(["ru", "en", None]),
        manager=rng.choice([manager, None]),
        balance_minor=rng.choice([None, -5, 100]),
        created_at=1.0,
        updated_at=2.0,
    )
    note = Interaction(
        "i", customer.id, "c", "anna", "support-ru", 1.0, 2.0, "completed", None, "счёт"
    )
    return Card(customer, (note,))


def staff(rng: random.Random) -> UsersChanged:
    phones = ["PJSIP/1001", rng.choice(["PJSIP/1002", "Local/+79031112233@mobile", "PJSIP/2000"])]
    people = [("anna", "Анна Каренина", phones[0]), ("boris", "Борис", phones[1])]
    return UsersChanged(
        tuple(
            User(f"u-{name}", name, shown, "operator", phone, "+79031112233", "ru", True)
            for name, shown, phone in people
        )
    )


def personal(message: Message, rng: random.Random, whose: dict[str, str]) -> Message:
    """The message with callers of this flight: the same one for the same one."""
    headers = dict(message.headers)
    for key, pool in (("CallerIDNum", NUMBERS), ("CallerIDName", NAMES), ("Exten", NUMBERS)):
        if (value := headers.get(key)) and len(value) > 4:
            headers[key] = whose.setdefault(key + value, rng.choice(pool))
    for key, value in headers.items():  # an operator whose phone has a public number
        headers[key] = value.replace("PJSIP/1002", whose["1002"])
    return Message(headers)


class Live:
    """A server's inbox and core without the server: answers what the board asks, asks for routes,
    and now and then does what people do."""

    def __init__(self, seed: int, traces: list[str], cuts: float = 0.08) -> None:
        self.cuts = cuts
        self.rng, self.lots = random.Random(seed), random.Random(seed)
        self.core, self.writer = a_core(), a_writer()
        self.now = 1_790_000_000.0
        self.lines: list[bytes] = []
        self.heads: list[int] = []
        self.decided: list[list[dict[str, Any]]] = []
        self.calls: list[str] = []
        self.missed: list[str] = []
        self.due: list[Item] = [cti.LinkUp(PBX, "b1", "22"), cti.SnapshotBegan(PBX)]
        self.due += [cti.SnapshotDone(PBX), staff(self.rng)]
        whose = {"1002": self.rng.choice(["PJSIP/1002", "PJSIP/79031112233"])}
        queues = [[personal(m, self.rng, whose) for m in trace(name)] for name in traces]
        self.frames: list[Message] = []
        while any(queues):
            queue = self.rng.choice([queue for queue in queues if queue])
            self.frames.append(queue.pop(0))

    def fly(self) -> None:
        self.head()
        for frame in self.frames:
            while self.due and self.rng.random() < 0.7:
                self.take(self.due.pop(0))
            if frame["Event"] == "Newchannel" and self.rng.random() < 0.8:
                number, ask = frame["CallerIDNum"], f"ask-{self.now}"
                linkedid = cti.Linkedid(frame["Linkedid"])
                self.due.append(RouteAsked(ask, PBX, linkedid, number, frame["Exten"]))
                if self.rng.random() < 0.5:
                    queue, back = QueueName("support-ru"), f"back-{self.now}"
                    self.due.append(BackAsked(back, PBX, linkedid, queue, 20, 3.0))
            self.take(cti.PbxMessage(PBX, frame, self.now))
            if self.rng.random() < 0.15:
                self.due.append(self.people())
            if self.lots.random() < 0.2:
                self.due.append(self.of_a_list())
            if self.rng.random() < self.cuts:
                self.head()
        for _ in range(5):
            self.take(Tick())

    def people(self) -> Item:
        call = self.rng.choice(self.calls or ["nothing"])
        actor = OperatorName("anna")
        result = self.rng.choice(["resolved", "Петров перезвонит"])
        note = {"note": "Просил счёт", "result": result, "customer": derived_id(1, "x")}
        placed = derived_id(int(self.now), str(self.now))
        called = {"number": self.rng.choice(NUMBERS)}
        seen = {"id": self.rng.choice(self.missed or ["nothing"])}
        return self.rng.choice(
            [
                Tick(),
                QueuesDue(),
                staff(self.rng),
                cti.LinkDown(PBX, "the PBX closed the connection"),
                CustomerChanged(a_customer(self.rng, self.rng.choice(NUMBERS))),
                CustomerStale(self.rng.choice(NUMBERS), None),
                PolicyChanged(OTHER_POLICY if self.rng.random() < 0.7 else POLICY),
                ActionAsked("a1", actor, "operator", "call", call, "wrapup", note, ""),
                ActionAsked("a2", actor, "supervisor", "call", call, "hangup", {}, "Просил"),
                ActionAsked(placed, actor, "operator", "operator", "anna", "call", called, ""),
                ActionAsked("a3", actor, "operator", "operator", "anna", "pause", {}, "обед"),
                ActionAsked("a4", actor, "operator", "operator", "anna", "seen", seen, ""),
            ]
        )

    def of_a_list(self) -> Item:
        """What becomes of the people of a list."""
        anna, now = OperatorName("anna"), self.now
        whose = RespondentList("l", "Просил", "prices", "ru", None, 2, 1.0, 1.0, "olga")
        number = self.lots.choice(["+79161234567", "+359888123456"])
        known = {"city": "Петров", "phone": "+79161234567"}
        key = derived_id(1, number)
        person = Respondent(key, "l", 0, number, "Иван Петров", None, "ru", known, "taken", 1)
        person = dataclasses.replace(person, taken_by="anna", taken_at=now, due_for="anna")
        said = {"result": self.lots.choice(["done", "refused", "callback", "no-answer"])}
        said |= {"note": "Просил счёт", "at": now + 60.0, "mine": True, "never": True, "run": None}
        return self.lots.choice(
            [
                RespondentTaken(anna, person, whose, None),
                ActionAsked(f"r{now}", anna, "operator", "respondent", key, "dial", {}, ""),
                ActionAsked("r2", anna, "operator", "respondent", key, "release", {}, ""),
                ActionAsked("r3", anna, "operator", "respondent", key, "result", said, ""),
            ]
        )

    def head(self) -> None:
        self.heads.append(len(self.lines))
        self.decided.append([])
        self.lines.append(self.writer.head(self.core, self.now))

    def take(self, item: Item) -> None:
        self.now += self.rng.choice([0.0, 0.01, 0.4, 2.0])
        try:
            commands = self.core.take(item, self.now)
        except Exception as error:
            decided = [broken(error)]
        else:
            decided = self.writer.decisions(commands)
            for command in commands:
                self.answer(command)
        self.decided.append(decided)
        self.lines.append(self.writer.line(item, self.now, decided))

    def answer(self, command: Command) -> None:
        match command:
            case FindCustomer(pbx, linkedid, number):
                card = a_customer(self.rng, number) if self.rng.random() < 0.7 else None
                found = CustomerFound(pbx, linkedid, number, "RU", card, self.rng.random() < 0.1)
                if self.rng.random() < 0.3:
                    said = {"tariff": "Анна", "cases": 2.0, "debt": True}
                    report = Report("erp", 0, "Петров", "vip", "bg", -5, attributes=said)
                    found = dataclasses.replace(found, reports=(report,), failures=("crm",))
                self.due.append(found)
            case Originate(channel_id=leg, phone=phone, number=number):
                about = {"Uniqueid": leg, "Linkedid": leg, "Channel": f"{phone}-0000abcd"}
                about |= {"CallerIDNum": number, "Exten": number}
                for event in (
                    {"Event": "Newchannel", "ChannelState": "0"},
                    {"Event": "Newstate", "ChannelState": "6"},
                    {"Event": "OriginateResponse", "Reason": self.rng.choice("345")},
                    {"Event": "Hangup", "Cause": "16"},
                ):
                    self.due.append(cti.PbxMessage(PBX, Message(event | about), 0.0))
            case SaveWrapUp(identity, actor, call):
                self.due.append(
                    WrapUpSaved(identity, actor, call)
                    if self.rng.random() < 0.8
                    else ActionDone(identity, actor, "away")
                )
            case ShowMissed(missed):
                self.missed.append(missed.id)
            case Save(record):
                self.calls.append(str(getattr(record, "call_id", None)))


def replayed(lines: list[bytes]) -> list[list[dict[str, Any]]]:
    flight = Flight()
    return [
        [{k: v for k, v in d.items() if k not in ("at", "item")} for d in flight.take(line)]
        for line in lines
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(TRACES), min_size=1, max_size=3))
@example(136713971, ["referred_blind_by_the_caller"])  # the manager's phone was a pseudonym
def test_what_was_decided_of_people_is_decided_of_pseudonyms_from_any_segment_on(
    seed: int, traces: list[str]
) -> None:
    live = Live(seed, traces)
    live.fly()
    decided = json.loads(json.dumps(live.decided))
    for head in live.rng.sample(live.heads, min(4, len(live.heads))):
        # Not the heads that follow: they would mend what this one lacks.
        rest = [n for n in range(head + 1, len(live.lines)) if n not in live.heads]
        again = replayed([live.lines[head], *(live.lines[n] for n in rest)])
        assert json.loads(json.dumps(again[1:])) == [decided[n] for n in rest]
    recording = b"".join(live.lines).decode()
    assert not [part for part in SAID if part in recording]


def test_a_login_that_is_a_number_is_hidden_also_where_the_state_is_kept_by_it() -> None:
    core = Core(dataclasses.replace(RULES, pauses={"lunch": 60.0}), [PBX])
    now, phone = 1_790_000_000.0, "PJSIP/1001"
    user = User("u1", "79161234567", "Мария", "operator", phone, None, "ru", True)
    queue = QueueName("support-ru")
    member = cti.MemberSeen(PBX, queue, phone, "", phone, 1, True, "lunch", False)
    core.take(UsersChanged((user,)), now)
    core.board.apply(member, now)
    core.take(cti.SnapshotDone(PBX), now)
    core.take(Tick(), now + 61)  # and what is kept of a pause that lasts too long
    head = a_writer().head(core, now)
    assert b"PJSIP/1001" in head
    assert b"1234567" not in head


def test_a_state_read_from_a_head_is_written_as_the_same_head() -> None:
    live = Live(7, ["queue_answered_caller_hangs_up", "transferred_attended"])
    live.fly()
    for at in live.heads:
        head = json.loads(live.lines[at])
        assert json.loads(Writer(None).head(Reader().core(head), head["at"])) == head


# What is not as it was


@pytest.fixture(scope="module")
def lines() -> list[str]:
    live = Live(3, ["queue_answered_caller_hangs_up"], cuts=0)
    live.fly()
    return live.lines


def with_a_decision(lines: list[bytes]) -> int:
    return next(n for n, line in enumerate(lines) if b'"decision":"pop"' in line)


def test_another_decision_is_told(lines: list[bytes]) -> None:
    at = with_a_decision(lines)
    changed = [
        *lines[:at],
        lines[at].replace(b'"decision":"pop"', b'"decision":"pup"'),
        *lines[at:],
    ]
    with pytest.raises(RecordingError, match=r'was .*"pup".* and is .*"pop"'):
        replayed(changed)


def test_a_missing_item_is_told(lines: list[bytes]) -> None:
    at = next(n for n, line in enumerate(lines) if b'"Event":"QueueCallerJoin"' in line)
    with pytest.raises(RecordingError):
        replayed([*lines[:at], *lines[at + 1 :]])


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        "{}",
        '{"at":1}',
        '{"at":"x","item":{"!":"desk.facts.Tick"}}',
        '{"at":1,"item":{"!":"desk.facts.RouteAsked"}}',
        '{"at":1,"item":{"!":"os.system"}}',
        '{"at":1,"item":{"!":99}}',
        '{"recorded_by":"0.0.1"}',
    ],
)
def test_what_nobody_wrote_so_is_told(lines: list[bytes], line: str) -> None:
    with pytest.raises(RecordingError):
        replayed([lines[0], line.encode()])


def test_a_segment_without_its_head_is_told(lines: list[bytes]) -> None:
    with pytest.raises(RecordingError, match="head"):
        replayed(lines[1:])


def test_a_broken_rule_breaks_again() -> None:
    core, writer = a_core(), a_writer()
    head = writer.head(core, 1.0)
    unknown = cti.SnapshotBegan(PbxName("nobody"))
    with pytest.raises(KeyError) as caught:
        core.take(unknown, 2.0)
    line = writer.line(unknown, 2.0, [broken(caught.value)])
    assert replayed([head, line])[1] == [{"decision": "broken", "error": "KeyError"}]
