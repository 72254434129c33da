"""The call model and the board: what an event costs beside reading it, whether memory grows, and
whether a call costs more when many others are in progress.

The codec is the peer: on the same messages the model may cost no more than the codec did.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bench.common import Bound, Options, Report, Table, median, ratio, resident_mib
from bench.stream import Recording, Stages, calls, chunks, stream
from cordboard.config import share
from cordboard.crm_core.model import Card, Customer, Interaction, User
from cordboard.cti.ami import Decoder
from cordboard.cti.calls import CallModel
from cordboard.desk.board import Board
from cordboard.desk.commands import Command, FindCustomer
from cordboard.desk.facts import CustomerFound, Tick, UsersChanged
from cordboard.desk.model import Rules
from cordboard.events import PbxName
from cordboard.queue.policy import Policy
from cordboard.screenpop import render
from cordboard.screenpop.views import Picture

TITLE = "Calls: what events mean, and for how many calls at once"
PBX = PbxName("pbx")
WRAPUP = 30.0
FEW, MANY = 100, 10_000
PROBES = 60


class Desk:
    """Bytes to commands, as the server's one consumer does it, but without a socket or a store.
    Each caller is known, with a card of five contacts. With a picture, what is shown is also
    taken into it, as the hub does for those who connect later."""

    def __init__(self, operators: int, picture: bool = False) -> None:
        self.now = 1_800_000_000.0
        self.decoder = Decoder()
        self.model = CallModel(PBX)
        policy = Policy.parse(share("routing.toml").read_text(encoding="utf-8"))
        self.board = Board(Rules(policy, ZoneInfo("UTC"), WRAPUP, 20, 5))
        self.picture = Picture() if picture else None
        users = tuple(
            User(str(i), f"op{i}", f"Оператор {i}", "operator", phone(i), None, "ru", True)
            for i in range(operators)
        )
        self._carry_out(self.board.apply(UsersChanged(users), self.now))

    def feed(self, data: bytes) -> None:
        for message in self.decoder.feed(data):
            for fact in self.model.feed(message, self.now):
                self._carry_out(self.board.apply(fact, self.now))

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self._carry_out(self.board.apply(Tick(), self.now))

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, FindCustomer):
                found = CustomerFound(
                    PBX, command.linkedid, f"+{command.number}", "RU", card(command.number)
                )
                self._carry_out(self.board.apply(found, self.now))
            elif self.picture is not None and isinstance(command, render.Shown):
                self.picture.apply(render.message(command, "RUB", {}), None)


def phone(index: int) -> str:
    return f"PJSIP/{20_000 + index}"


def card(number: str) -> Card:
    """Made anew for each caller, as rows of a database are."""
    customer = Customer(
        f"customer-{number}", "person", f"Клиент {number}", (f"+{number}",),
        "regular", "ru", None, 12_500, 1.0, 1.0,
    )  # fmt: skip
    history = tuple(
        Interaction(
            f"contact-{number}-{day}", customer.id, f"call-{number}-{day}", "op1", "support-ru",
            1.0, 2.0, "completed", "resolved", f"Уточнил адрес доставки, {number}, {day}",
        )
        for day in range(5)
    )  # fmt: skip
    return Card(customer, history)


@dataclass
class Crowd:
    """Calls of which each has come so far as `stages` go."""

    desk: Desk
    stages: tuple[Recording, ...]
    count: int = 0

    def grow_to(self, count: int) -> None:
        for number in range(self.count, count):
            for stage in self.stages:
                self.desk.feed(
                    stage.copy(number, str(20_000 + number), str(79_000_000_000 + number))
                )
        self.count = count


def _per_event(options: Options) -> tuple[Table, Bound]:
    events, data = stream(options.sized(30_000, 6_000))
    parts = chunks(data)
    times: dict[str, list[float]] = {"codec": [], "call model": [], "board": []}
    for _ in range(options.rounds):
        gc.collect()
        began = time.process_time()
        decoder = Decoder()
        messages = [message for part in parts for message in decoder.feed(part)]
        read = time.process_time()
        model = CallModel(PBX)
        facts = [fact for message in messages for fact in model.feed(message, 1.8e9)]
        modelled = time.process_time()
        desk = Desk(10)
        for fact in facts:
            desk._carry_out(desk.board.apply(fact, desk.now))
        decided = time.process_time()
        for name, took in zip(
            times, (read - began, modelled - read, decided - modelled), strict=True
        ):
            times[name].append(took / events * 1e6)
    rows: list[tuple[str | float | None, ...]] = [
        (name, median(took), ratio(took, times["codec"])) for name, took in times.items()
    ]
    table = Table(
        f"per event of the same stream ({events} events)", ("", "µs/event", "cost / codec"), rows
    )
    return table, Bound("model / codec", ratio(times["call model"], times["codec"]), 1.0)


def _endless(options: Options) -> tuple[Table, Bound]:
    """Events without end: what is held after the first tenth, and at the end. A stream that leaked
    a call's memory would hold thousands of calls more."""
    total = options.sized(1_000_000, 60_000)
    desk = Desk(10, picture=True)
    rows: list[tuple[str | float | None, ...]] = []
    held: list[tuple[int, float]] = []
    fed = 0
    for many, data in calls():
        desk.feed(data)
        desk.tick(1.0)
        fed += many
        if fed >= (total // 10 if not held else total):
            desk.tick(WRAPUP + 1)
            gc.collect()
            held.append((sys.getallocatedblocks(), resident_mib()))
            rows.append((f"{fed:,} events", *held[-1], desk.model.size))
            if fed >= total:
                break
    table = Table(
        "memory over a stream of whole calls", ("after", "objects", "RSS, MiB", "legs held"), rows
    )
    # RSS has a grain of some hundred KiB; the count of objects does not lie.
    return table, Bound("objects held / after the first tenth", held[1][0] / held[0][0], 1.02)


def _one_call(desk: Desk, stages: Stages, number: int, operator: int) -> float:
    """CPU seconds of one whole call."""
    caller = str(79_500_000_000 + number)
    texts = [stage.copy(number, str(20_000 + operator), caller) for stage in stages.all]
    began = time.process_time()
    for text in texts:
        desk.feed(text)
    return time.process_time() - began


def _flat(options: Options) -> tuple[Table, list[Bound]]:
    stages = Stages()
    many = options.sized(MANY, 1_000)
    talking, waiting = stages.all[:4], stages.all[:2]
    kinds: dict[str, tuple[Recording, ...]] = {
        "talking": talking,
        "waiting in the same queue": waiting,
    }
    rows: list[tuple[str | float | None, ...]] = []
    bounds = []
    for name, reached in kinds.items():
        few_desk, many_desk = Desk(many + 10, picture=True), Desk(many + 10, picture=True)
        Crowd(few_desk, reached).grow_to(FEW)
        # A queue is told anew with each change: a crowd that waits in one is slow to gather.
        crowd = many if name == "talking" else many // 10
        Crowd(many_desk, reached).grow_to(crowd)
        took: tuple[list[float], list[float]] = ([], [])
        number = 1_000_000
        for _ in range(options.rounds):
            for desk, times in zip((few_desk, many_desk), took, strict=True):
                each = []
                for _ in range(PROBES):
                    number += 1
                    each.append(_one_call(desk, stages, number, many + number % 10) * 1e6)
                desk.tick(WRAPUP + 1)  # goes over all calls, but once a second, not once a call
                times.append(sum(each) / len(each))  # the collector's pauses are part of it
        grown = ratio(took[1], took[0])
        rows.append((name, FEW, median(took[0]), crowd, median(took[1]), grown))
        bounds.append(Bound(f"a call beside {crowd} {name} / beside {FEW}", grown, 1.25))
        del few_desk, many_desk
        gc.collect()
    head = ("the others are", "calls", "µs a call", "calls", "µs a call", "ratio")
    return Table("one whole queued call, while others are in progress", head, rows), bounds


def _memory(options: Options) -> tuple[Table, Bound]:
    """Of calls that talk, each with an operator and an open card."""
    count = options.sized(2_000, 500)
    stages = Stages().all[:4]

    def held(operators: int, make: Callable[[], Desk]) -> float:
        desk = make()
        crowd = Crowd(desk, stages)
        crowd.grow_to(50)  # what is made once
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        crowd.grow_to(50 + count)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / count / 1024

    tracemalloc.start()
    try:
        board = held(count, lambda: Desk(count + 60))
        shown = held(count, lambda: Desk(count + 60, picture=True))
    finally:
        tracemalloc.stop()
    rows: list[tuple[str | float | None, ...]] = [
        ("call model, board, customer's card", board),
        ("the same and the hub's picture", shown),
    ]
    table = Table(f"memory of a live call (of {count})", ("", "KiB"), rows)
    return table, Bound("memory of a live call, all of it", shown, 16, " KiB")


def run(options: Options) -> Report:
    report = Report(TITLE)
    per_event, cheap = _per_event(options)
    flat, steady = _flat(options)
    memory, small = _memory(options)
    endless, kept = _endless(options)
    report.tables += [per_event, flat, memory, endless]
    report.bounds += [cheap, *steady, small, kept]
    report.notes.append("board: all joint rules, and the search for the customer is free here")
    return report
